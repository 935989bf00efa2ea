#!/usr/bin/env python3
"""Records the logits of PEFT for adapters of the model in `qwen3/`: writes FOLDER.json beside each FOLDER.

    adapters.py FOLDER...        (tests/check-peft runs it)
"""

import json
import pathlib
import sys

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

BASE = pathlib.Path(__file__).parent / "qwen3"

for folder in sys.argv[1:]:
    base = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32, attn_implementation="eager").eval()
    tokens = torch.randint(0, 256, (41,), generator=torch.Generator().manual_seed(3))
    rows = [0, 17, len(tokens) - 1]
    with torch.no_grad():
        plain = base(tokens[None]).logits[0]
        adapted = PeftModel.from_pretrained(base, folder).eval()(tokens[None]).logits[0]
    change = (adapted - plain).abs().max().item() / plain.abs().max().item()
    assert change > 1e-3, f"{folder} changes next to nothing ({change:.1e}), so equal logits would say nothing"
    golden = dict(tokens=tokens.tolist(), rows=rows, logits=[adapted[row].tolist() for row in rows])
    pathlib.Path(f"{folder}.json").write_text(json.dumps(golden))
    print(f"{folder}: changes logits by {change:.1%} of the largest")
