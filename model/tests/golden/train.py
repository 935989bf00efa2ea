#!/usr/bin/env python3
"""Creates the golden training run of the model in `qwen3/` with PyTorch, and a golden adapter with PEFT.

    python3 -m venv /tmp/golden && /tmp/golden/bin/pip install torch transformers peft safetensors numpy
    /tmp/golden/bin/python train.py

`training.json` has the sequences and the loss of each of ten AdamW steps on all of them, in f32 and with autocast to bf16.
`adapter/` is an adapter written by PEFT, with random values in both matrices; `adapter.json` has the logits of the adapted
model.
"""

import json
import pathlib

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

HERE = pathlib.Path(__file__).parent / "qwen3"
SEQUENCES = [30, 18, 41]
RATE, BETAS, EPS, DECAY, CLIP = 1e-3, (0.9, 0.95), 1e-8, 0.1, 1.0


def load():
    return AutoModelForCausalLM.from_pretrained(HERE, dtype=torch.float32, attn_implementation="eager")


def sequences():
    generator = torch.Generator().manual_seed(3)
    return [torch.randint(0, 256, (length,), generator=generator) for length in SEQUENCES]


def losses(low):
    model, data = load(), sequences()
    matrices = [p for p in model.parameters() if p.dim() == 2]
    vectors = [p for p in model.parameters() if p.dim() != 2]
    groups = [dict(params=matrices, weight_decay=DECAY), dict(params=vectors, weight_decay=0.0)]
    optimizer = torch.optim.AdamW(groups, lr=RATE, betas=BETAS, eps=EPS)
    count = sum(len(tokens) - 1 for tokens in data)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        total = 0.0
        for tokens in data:
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=low):
                logits = model(tokens[None]).logits[0, :-1].float()
            loss = torch.nn.functional.cross_entropy(logits, tokens[1:], reduction="sum") / count
            loss.backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        losses.append(total)
    return losses


def training():
    return dict(sequences=[tokens.tolist() for tokens in sequences()], losses=losses(False), losses_bf16=losses(True))


def adapter():
    modules = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    model = get_peft_model(load(), LoraConfig(r=4, lora_alpha=8, target_modules=modules, task_type="CAUSAL_LM")).eval()
    generator = torch.Generator().manual_seed(5)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.2
    model.peft_config["default"].base_model_name_or_path = "qwen3"
    model.save_pretrained(HERE / "adapter")
    (HERE / "adapter" / "README.md").unlink(missing_ok=True)
    tokens = sequences()[2]
    with torch.no_grad():
        logits = model(tokens[None]).logits[0]
    rows = [0, 17, len(tokens) - 1]
    return dict(tokens=tokens.tolist(), rows=rows, logits=[logits[row].tolist() for row in rows])


torch.manual_seed(0)
(HERE / "training.json").write_text(json.dumps(training()))
(HERE / "adapter.json").write_text(json.dumps(adapter()))
