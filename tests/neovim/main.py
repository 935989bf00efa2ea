"""Runs the cases of cases/ in each installed Neovim, one after another. A failed case leaves a screenshot."""

import inspect
import logging
import os
import re
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path

from test_env import REPOSITORY, TestEnv
from cases import (
    accepting,
    conversations,
    docstrings,
    errors,
    keys,
    native,
    pages,
    pictures,
    places,
    plugins,
    rewriting,
    switches,
    terminals,
    typing,
    windows,
)
from picture import screenshot

MODULES = (
    typing,
    accepting,
    conversations,
    docstrings,
    rewriting,
    keys,
    switches,
    places,
    windows,
    plugins,
    errors,
    pages,
    native,
    terminals,
    pictures,
)
# Time limit of a case.
LIMIT_SECONDS = 240
# Number of cases that may need a second try in one run, and of lines in tests/flaky-cases.txt.
MAX_FLAKY = 2


def cases(pattern):
    for module in MODULES:
        for name, function in list(vars(module).items()):
            sentence = name.replace("_", " ")
            if (
                inspect.isfunction(function)
                and function.__module__ == module.__name__
                and not name.startswith("_")
                and re.search(pattern, sentence, re.I)
            ):
                yield sentence, function


def fail_after_timeout(*_):
    raise AssertionError(f"still running after {LIMIT_SECONDS} s")


def run_case(env, sentence, function):
    """Returns True if the case passed; None if this Neovim is too old for it."""
    since = getattr(function, "since", (0,))
    if env.version < since:
        print(f"skip   {sentence} (needs Neovim {'.'.join(map(str, since))})", flush=True)
        return None
    started = time.monotonic()
    signal.alarm(LIMIT_SECONDS)
    try:
        function(env)
        print(f"ok     {sentence} ({time.monotonic() - started:.1f} s)", flush=True)
        return True
    except Exception as error:
        if str(error).startswith("Received signal"):
            raise
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/cases/" in frame.filename][-1:]
        details = [f"{Path(frame.filename).name}:{frame.lineno}: {frame.line}" for frame in frames]
        details += f"{type(error).__name__}: {error}".split("\n")
        print("not ok " + "\n       ".join([sentence, *details]), flush=True)
        for number, window in enumerate(env.windows):
            screenshot(window, env.out / f"failed-{re.sub('[^A-Za-z0-9]+', '-', sentence)}-{number}.png")
        env.close_windows(kill=True)
        return False
    finally:
        signal.alarm(0)
        env.close_windows()


def with_retry(env, sentence, function, flaky):
    """Runs a case and, if it fails, once more: on a busy machine, a real editor with a real model may time out. A case
    that passes only on the second try is appended to `flaky`; the first failure stays in the output."""
    passed = run_case(env, sentence, function)
    if passed is not False:
        return passed
    passed = run_case(env, f"{sentence}, second try", function)
    if passed:
        flaky.append(sentence)
    return passed


def listed_flaky_cases():
    """Reasons of the cases of this suite in `tests/flaky-cases.txt`, by case."""
    lines = (REPOSITORY / "tests/flaky-cases.txt").read_text().splitlines()
    rows = [[field.strip() for field in line.split("|")] for line in lines if line.strip() and not line.startswith("#")]
    if len(rows) > MAX_FLAKY or any(len(row) != 3 or not all(row) for row in rows):
        sys.exit(f"tests/flaky-cases.txt: at most {MAX_FLAKY} lines of `suite | case | reason`")
    return {case: reason for suite, case, reason in rows if suite == "neovim"}


def report_flaky(flaky):
    """Prints the cases that needed a second try; true if they are within the budget."""
    known = listed_flaky_cases()
    for sentence in flaky:
        print(f"flaky  {sentence} ({known.get(sentence, 'not listed in tests/flaky-cases.txt')})")
    print(f"flaky: {len(flaky)}, at most {MAX_FLAKY} allowed")
    return len(flaky) <= MAX_FLAKY


def run_all(program, label, pattern, flaky):
    out = REPOSITORY / "target/neovim-tests" / label
    out.mkdir(parents=True)
    env = TestEnv(program, out)
    print(f"== Neovim {'.'.join(map(str, env.version))}", flush=True)
    try:
        return [with_retry(env, sentence, function, flaky) for sentence, function in cases(pattern)]
    finally:
        env.stop()


def main():
    pattern = sys.argv[1] if len(sys.argv) > 1 else ""
    # asyncio reports each Neovim that a case kills.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    signal.signal(signal.SIGALRM, fail_after_timeout)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    shutil.rmtree(REPOSITORY / "target/neovim-tests", ignore_errors=True)
    installed = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "foretype-editors"
    flaky = []
    results = run_all(str(installed / "neovim-0.11/bin/nvim"), "gate", pattern, flaky)
    newest = installed / "neovim-sid/bin/nvim"
    if newest.exists():
        results += run_all(str(newest), "sid", pattern, flaky)
    else:
        print("== skipped: all cases in Neovim 0.12, which could not be installed")
    passed, failed = results.count(True), results.count(False)
    within_budget = report_flaky(flaky)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed or not within_budget else 0)


if __name__ == "__main__":
    main()
