#!/usr/bin/env python3
"""Makes the golden models and logits of this folder with the reference implementation.

One folder per family: a tiny random model as a Hugging Face directory (config.json, model.safetensors, tokenizer.json)
and golden.json with token ids and the logits of the last position and of one in the middle, in f32.

    python3 -m venv /tmp/golden && /tmp/golden/bin/pip install torch transformers safetensors numpy
    /tmp/golden/bin/python make.py

Weights are drawn from a seed and rounded to bf16 in the file, so the folder stays small; the reference computes with
the rounded weights, in f32.
"""

import json
import pathlib

import torch
from transformers import (
    GPT2Config, GPTBigCodeConfig, LlamaConfig, Qwen2Config, Qwen3Config, Starcoder2Config, AutoModelForCausalLM,
)

HERE = pathlib.Path(__file__).parent
VOCAB = 272
COMMON = dict(vocab_size=VOCAB, bos_token_id=256, eos_token_id=256, pad_token_id=None)
ROTARY = dict(
    hidden_size=64, intermediate_size=80, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=256, **COMMON,
)
LEARNED = dict(n_embd=64, n_inner=96, n_layer=2, n_head=4, n_positions=128, **COMMON)
LLAMA3 = dict(
    rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64,
)

FAMILIES = {
    "gpt2": GPT2Config(**LEARNED),
    "gpt_bigcode": GPTBigCodeConfig(multi_query=True, **LEARNED),
    "llama": LlamaConfig(rope_scaling=LLAMA3, tie_word_embeddings=False, **ROTARY),
    "qwen2": Qwen2Config(tie_word_embeddings=True, **ROTARY),
    "qwen3": Qwen3Config(head_dim=24, tie_word_embeddings=True, **ROTARY),
    "starcoder2": Starcoder2Config(use_bias=True, tie_word_embeddings=True, sliding_window=None, **ROTARY),
}


def randomise(model):
    """Biases and norms that matter; weights large enough for logits that differ."""
    generator = torch.Generator().manual_seed(7)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.dim() == 1:
            centre = 1.0 if name.endswith("weight") else 0.0
            value = centre + 0.2 * noise
        else:
            value = noise * (0.5 if "wte" in name or "embed" in name else parameter.shape[-1] ** -0.5)
        parameter.data.copy_(value.to(torch.bfloat16).to(torch.float32))


def byte_characters():
    """GPT-2's stand-in character of each byte."""
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in plain]
    return {**{b: chr(b) for b in plain}, **{b: chr(0x100 + i) for i, b in enumerate(others)}}


def tokenizer():
    """256 bytes, a few merges, special tokens: the smallest whole byte-level BPE."""
    characters = byte_characters()
    vocabulary = {characters[b]: b for b in range(256)}
    special = ["<|endoftext|>", "<fim_prefix>", "<fim_suffix>", "<fim_middle>"]
    merges = [["i", "n"], ["r", "e"], ["Ġ", "Ġ"], ["ĠĠ", "ĠĠ"], ["d", "e"], ["de", "f"]]
    for i, (left, right) in enumerate(merges):
        vocabulary[left + right] = 256 + len(special) + i
    added = [
        dict(id=256 + i, content=name, single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
        for i, name in enumerate(special)
    ]
    level = dict(type="ByteLevel", add_prefix_space=False, trim_offsets=True, use_regex=True)
    model = dict(type="BPE", dropout=None, unk_token=None, continuing_subword_prefix=None, end_of_word_suffix=None,
                 fuse_unk=False, byte_fallback=False, ignore_merges=False, vocab=vocabulary, merges=merges)
    return dict(version="1.0", truncation=None, padding=None, added_tokens=added, normalizer=None, pre_tokenizer=level,
                post_processor=None, decoder=level, model=model)


def main():
    for name, config in FAMILIES.items():
        folder = HERE / name
        config._attn_implementation = "eager"
        model = AutoModelForCausalLM.from_config(config).eval().to(torch.float32)
        randomise(model)
        tokens = [(37 * i * i + 11 * i + 5) % VOCAB for i in range(80)]
        with torch.no_grad():
            logits = model(torch.tensor([tokens])).logits[0]
        model.to(torch.bfloat16).save_pretrained(folder)
        for extra in folder.glob("generation_config.json"):
            extra.unlink()
        rows = [3, len(tokens) - 1]
        golden = dict(tokens=tokens, rows=rows, logits=[[round(x, 6) for x in logits[r].tolist()] for r in rows])
        (folder / "golden.json").write_text(json.dumps(golden) + "\n")
        (folder / "tokenizer.json").write_text(json.dumps(tokenizer(), ensure_ascii=False) + "\n")
        print(name, sum(f.stat().st_size for f in folder.iterdir()) // 1000, "kB")


if __name__ == "__main__":
    main()
