#!/usr/bin/env python3
"""Trains an adapter on the data beside this file with transformers and PEFT, on any number of machines.

    pip install torch transformers peft accelerate
    accelerate launch --config_file accelerate.yaml train.py [--steps N] [--output adapter]

The adapter is in the format that Foretype loads: copy the folder and set `adapter` to it.
"""

import argparse
import json
import pathlib

import torch
from accelerate import Accelerator
from peft import LoraConfig, get_peft_model
from torch.utils.data import DataLoader
from transformers import AutoModelForCausalLM, get_cosine_schedule_with_warmup

HERE = pathlib.Path(__file__).parent
MODULES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def documents(name):
    with open(HERE / name) as file:
        return [json.loads(line) for line in file]


def batch(lines):
    longest = max(len(line["input_ids"]) for line in lines)

    def padded(key, filler):
        return torch.tensor([line[key] + [filler] * (longest - len(line[key])) for line in lines])

    return dict(input_ids=padded("input_ids", 0), attention_mask=padded("attention_mask", 0), labels=padded("labels", -100))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, help="instead of going through the data once")
    parser.add_argument("--batch", type=int, default={rows})
    parser.add_argument("--output", default="adapter")
    arguments = parser.parse_args()

    torch.manual_seed(1)
    accelerator = Accelerator()
    model = AutoModelForCausalLM.from_pretrained(HERE / "model", dtype=torch.float32)
    lora = LoraConfig(r={rank}, lora_alpha={alpha}, lora_dropout={dropout}, target_modules=MODULES, task_type="CAUSAL_LM")
    model = get_peft_model(model, lora)
    loader = DataLoader(documents("train.jsonl"), arguments.batch, shuffle=True, collate_fn=batch)
    steps = arguments.steps or len(loader)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr={rate}, weight_decay=0.0)
    schedule = get_cosine_schedule_with_warmup(optimizer, max(1, steps // 20), steps)
    model, optimizer, loader, schedule = accelerator.prepare(model, optimizer, loader, schedule)
    done = 0
    while done < steps:
        for inputs in loader:
            loss = model(**inputs).loss
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            done += 1
            accelerator.print(f"step {done}: loss {loss.item():.4f}")
            if done == steps:
                break
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        accelerator.unwrap_model(model).save_pretrained(arguments.output)


main()
