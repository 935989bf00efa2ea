#!/usr/bin/env python3
"""Records the output and the perplexity of llama.cpp for comparison: writes MODEL.llama_cpp.json for each model.

    python3 llama_cpp.py path/to/llama.cpp/build/bin model.gguf...

Each prompt of prompts.json is continued greedily by 64 tokens, through llama-server's /completion with n_probs 2 on one slot
without prompt reuse. `margins` holds the difference of the log-probabilities of the two most likely tokens at each step. The
perplexity is that of code.txt, computed by `llama-perplexity -m MODEL -f code.txt -c 512`.
"""

import json
import pathlib
import re
import subprocess
import sys
import time
import urllib.request

HERE = pathlib.Path(__file__).parent
URL = "http://127.0.0.1:8391"


def post(route, body):
    request = urllib.request.Request(URL + route, json.dumps(body).encode(), {"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))


def wait():
    for _ in range(600):
        try:
            return urllib.request.urlopen(URL + "/health")
        except OSError:
            time.sleep(0.2)
    raise SystemExit("llama-server did not start")


def continuation(prompt):
    answer = post("/completion", dict(prompt=prompt, n_predict=64, temperature=0, n_probs=2, cache_prompt=False))
    steps = answer["completion_probabilities"]
    margins = [s["top_logprobs"][0]["logprob"] - s["top_logprobs"][1]["logprob"] for s in steps]
    tokens = post("/tokenize", dict(content=prompt, add_special=False, parse_special=False))["tokens"]
    return dict(prompt=tokens, tokens=[s["id"] for s in steps], margins=[round(m, 3) for m in margins],
                text=answer["content"])


def continuations(binaries, model):
    server = subprocess.Popen(
        [binaries / "llama-server", "-m", model, "-c", "2048", "-np", "1", "--port", "8391", "--no-webui"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    try:
        wait()
        return [continuation(prompt) for prompt in json.loads((HERE / "prompts.json").read_text())]
    finally:
        server.terminate()
        server.wait()


def perplexity(binaries, model):
    command = [binaries / "llama-perplexity", "-m", model, "-f", HERE / "code.txt", "-c", "512"]
    output = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(re.search(r"Final estimate: PPL = ([\d.]+)", output.stdout + output.stderr).group(1))


def main():
    binaries = pathlib.Path(sys.argv[1])
    for model in map(pathlib.Path, sys.argv[2:]):
        version = subprocess.run([binaries / "llama-server", "--version"], capture_output=True, text=True).stderr
        golden = dict(
            llama_cpp=version.splitlines()[0], command="llama-perplexity -m MODEL -f code.txt -c 512",
            perplexity=perplexity(binaries, model), continuations=continuations(binaries, model),
        )
        (HERE / f"{model.stem}.llama_cpp.json").write_text(json.dumps(golden, ensure_ascii=False) + "\n")
        print(model.stem, golden["perplexity"])


if __name__ == "__main__":
    main()
