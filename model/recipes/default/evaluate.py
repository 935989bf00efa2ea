#!/usr/bin/env python3
"""Evaluates models on code that was held out from the default model's training, and prints the tables of the model card.

    python3 corpus.py HELD_OUT --held-out
    python3 evaluate.py FORETYPE HELD_OUT REPORTS MODEL... [--infilling HumanEval-SingleLineInfilling.jsonl.gz] [--most 25]

FORETYPE is the path of the program. Reports that already exist in REPORTS are reused.
"""

import argparse
import json
import math
import subprocess
from pathlib import Path

MANIFEST = Path(__file__).resolve().parents[3] / "Cargo.toml"
LAB = ["cargo", "run", "--release", "--quiet", "--manifest-path", str(MANIFEST), "--package", "foretype-lab", "--"]
LANGUAGES = {
    "Python": "*.py", "Rust": "*.rs", "JavaScript": "*.js", "TypeScript": "*.ts", "Go": "*.go", "Java": "*.java", "C": "libyaml/**/*.c",
    "C++": "*.cpp",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("foretype")
    parser.add_argument("held_out", type=Path)
    parser.add_argument("reports", type=Path)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--infilling", help="the public benchmark, in addition to the held-out code")
    parser.add_argument("--most", type=int, default=25, help="number of lines and of rests of lines for each language")
    args = parser.parse_args()
    args.reports.mkdir(parents=True, exist_ok=True)
    tables = {Path(model).stem: measured(args, model) for model in args.models}
    show({model: figures(reports) for model, reports in tables.items()})
    print("\nBits per byte:\n")
    show({model: by_language(reports, bits) for model, reports in tables.items()})
    print("\nExact match of whole lines, %:\n")
    show({model: by_language(reports, exact) for model, reports in tables.items()})


def measured(args, model):
    """The items of each language and of the public benchmark."""
    reports = {}
    for language, files in LANGUAGES.items():
        command = [args.foretype, "evaluate", "repository", str(args.held_out), "--files", files, "--kinds", "line,rest", "--most", str(args.most), "--typing", "--bits"]
        reports[language] = items(args, model, language, command)
    if args.infilling:
        command = [*LAB, "humaneval-infilling", "--data", args.infilling, "--every", "12"]
        reports["infilling"] = items(args, model, "infilling", command)
    return reports


def items(args, model, name, command):
    path = args.reports / f"{Path(model).stem}-{name}.json"
    if not path.exists():
        part = path.with_suffix(".part")
        subprocess.run([*command, "--model", model, "--json", str(part)], check=True, stdout=subprocess.DEVNULL)
        part.rename(path)
    return json.loads(path.read_text())["systems"][0]["items"]


def by_language(reports, measure):
    return {language: measure(reports[language]) for language in LANGUAGES}


def figures(reports):
    """A row of the first table."""
    held_out = [item for language in LANGUAGES for item in reports[language]]
    lines = [item for item in held_out if item["kind"] == "line"]
    row = {
        "bits per byte": bits(held_out),
        "line exact, %": exact(held_out),
        "edit similarity, %": f"{100 * sum(item['edit'] for item in lines) / len(lines):.1f}",
        "rest of line exact, %": exact(held_out, "rest"),
        "characters from suggestions, %": f"{100 * total(held_out, 'typing', 'suggested') / total(held_out, 'typing', 'characters'):.1f}",
    }
    if infilling := reports.get("infilling"):
        row["single-line infilling, tests passed, %"] = f"{100 * sum(item['passed'] for item in infilling) / len(infilling):.1f}"
    return row


def bits(items):
    return f"{total(items, 'cost', 'bits') / total(items, 'cost', 'bytes'):.2f}"


def exact(items, kind="line"):
    """The share of exact matches in percent, with the half-width of its 95 % interval."""
    hits = [item["exact"] for item in items if item["kind"] == kind]
    share = sum(hits) / max(1, len(hits))
    return f"{100 * share:.0f} ± {196 * math.sqrt(share * (1 - share) / max(1, len(hits))):.0f}"


def total(items, group, name):
    return sum(item[group][name] for item in items if group in item)


def show(rows):
    heads = list(next(iter(rows.values())))
    print("| model | " + " | ".join(heads) + " |\n| --- |" + " ---: |" * len(heads))
    for model, row in rows.items():
        print(f"| {model} | " + " | ".join(str(row[head]) for head in heads) + " |")


if __name__ == "__main__":
    main()
