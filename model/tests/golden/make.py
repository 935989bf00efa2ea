#!/usr/bin/env python3
"""Creates the golden models and logits in this directory with the reference implementation.

There is one directory per architecture: a tiny random model in Hugging Face format (config.json, model.safetensors,
tokenizer.json), the same model as model.gguf, and golden.json with token ids and the f32 logits of the last position and of
an early one.

    python3 -m venv /tmp/golden && /tmp/golden/bin/pip install torch transformers safetensors numpy gguf
    /tmp/golden/bin/python make.py

Weights are drawn from a seed and rounded to bf16 in the files, to keep them small. The reference computes with the rounded
weights in f32.
"""

import json
import pathlib

import gguf
import numpy
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


ARCHITECTURES = {
    "gpt2": gguf.MODEL_ARCH.GPT2, "gpt_bigcode": gguf.MODEL_ARCH.STARCODER, "llama": gguf.MODEL_ARCH.LLAMA,
    "qwen2": gguf.MODEL_ARCH.QWEN2, "qwen3": gguf.MODEL_ARCH.QWEN3, "starcoder2": gguf.MODEL_ARCH.STARCODER2,
}


def neighbours_paired(weight, heads):
    """Llama files pair neighbouring dimensions of a head for the rotation, where the checkpoint pairs halves."""
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(weight.shape)


def write_gguf(family, config, model, path):
    """The model in the names and keys of the gguf package: matrices in BF16, vectors in F32."""
    architecture = ARCHITECTURES[family]
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[architecture])
    heads, kv_heads = config.num_attention_heads, getattr(config, "num_key_value_heads", config.num_attention_heads)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(getattr(config, "intermediate_size", None) or config.n_inner)
    writer.add_head_count(heads)
    writer.add_head_count_kv(1 if family == "gpt_bigcode" else kv_heads)
    if family == "qwen3":
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
    if family in ("llama", "qwen2", "qwen3"):
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    else:
        writer.add_layer_norm_eps(getattr(config, "norm_epsilon", 1e-5))
    if family not in ("gpt2", "gpt_bigcode"):
        writer.add_rope_freq_base(10000.0)
    vocabulary = sorted((id, token) for token, id in tokenizer()["model"]["vocab"].items())
    special = [(token["id"], token["content"]) for token in tokenizer()["added_tokens"]]
    tokens = dict(vocabulary + special)
    control = dict(special)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([tokens.get(i, f"[PAD{i}]") for i in range(VOCAB)])
    writer.add_token_types([3 if i in control else 1 if i in tokens else 5 for i in range(VOCAB)])
    writer.add_token_merges([" ".join(merge) for merge in tokenizer()["model"]["merges"]])
    writer.add_eos_token_id(256)
    names = gguf.get_tensor_name_map(architecture, config.num_hidden_layers)
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        if family == "gpt2" and name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")):
            tensor = tensor.T
        if family == "llama" and name.endswith(("q_proj.weight", "k_proj.weight")):
            tensor = neighbours_paired(tensor, heads if "q_proj" in name else kv_heads)
        kind = gguf.GGMLQuantizationType.BF16 if tensor.dim() == 2 else gguf.GGMLQuantizationType.F32
        values = gguf.quantize(tensor.contiguous().numpy(), kind)
        writer.add_tensor(names.get_name(name, try_suffixes=(".weight", ".bias")), values, raw_dtype=kind)
    if family == "llama":
        plain = 10000.0 ** -(numpy.arange(0, config.head_dim, 2) / config.head_dim)
        scaled = model.model.rotary_emb.inv_freq.numpy()
        writer.add_tensor("rope_freqs.weight", (plain / scaled).astype(numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    for name, config in FAMILIES.items():
        folder = HERE / name
        config._attn_implementation = "eager"
        model = AutoModelForCausalLM.from_config(config).eval().to(torch.float32)
        randomise(model)
        tokens = [(37 * i * i + 11 * i + 5) % VOCAB for i in range(80)]
        with torch.no_grad():
            logits = model(torch.tensor([tokens])).logits[0]
        folder.mkdir(exist_ok=True)
        write_gguf(name, config, model, folder / "model.gguf")
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
