#!/usr/bin/env python3
"""Trains the default model with PyTorch, on one GPU or on CPUs, on the output of `foretype train export --mode pretrain`.

    pip install torch numpy safetensors
    python3 train.py EXPORTED OUTPUT (--minutes M | --tokens N) [--resume]

The matrices of the layers are trained with Muon (Jordan et al. 2024), embeddings and norms with AdamW. After a short warm-up,
the learning rate is constant, and then decays linearly over the second half of the run. Matrix products are computed in
bfloat16; weights are kept in f32. OUTPUT becomes a Hugging Face directory with `metrics.jsonl`, and
`foretype model convert OUTPUT FILE.gguf` converts it to the embedded file.
"""

import argparse
import json
import math
import random
import shutil
import time
from pathlib import Path

import numpy
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

BUCKETS = (256, 512, 1024)  # documents are padded to one of these lengths, so that few shapes are compiled


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exported", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--minutes", type=float, help="duration of the run; the learning rate decays with the elapsed time")
    parser.add_argument("--tokens", type=float, help="number of training tokens")
    parser.add_argument("--step", type=int, default=16384, help="tokens per step")
    parser.add_argument("--muon", type=float, default=0.02, help="peak learning rate of Muon")
    parser.add_argument("--adam", type=float, default=4e-3, help="peak learning rate of AdamW")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--resume", action="store_true")
    args = parser.parse_args()
    if not args.minutes and not args.tokens:
        parser.error("the length of the run is missing: pass --minutes or --tokens")
    torch.manual_seed(args.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    config = json.loads((args.exported / "model" / "config.json").read_text())
    if config["model_type"] != "qwen3" or not config["tie_word_embeddings"]:
        parser.error(f"cannot train a {config['model_type']} model: use qwen3 with tied embeddings")
    data = Documents(args.exported / "train.jsonl")
    held_out = Documents(args.exported / "held_out.jsonl")
    model = Model(config).to(device)
    run = Run(args, model, config, device)
    run.lead(data, held_out)


class Documents:
    """Token sequences, stored as one array with offsets."""

    def __init__(self, path):
        packed = path.with_suffix(".npz")
        if not packed.exists() or packed.stat().st_mtime < path.stat().st_mtime:
            ids, labels, ends = [], [], [0]
            with open(path) as file:
                for line in file:
                    line = json.loads(line)
                    ids.append(numpy.array(line["input_ids"], numpy.uint16))
                    labels.append(numpy.array(line["labels"], numpy.int32))
                    ends.append(ends[-1] + len(ids[-1]))
            numpy.savez(packed, ids=numpy.concatenate(ids), labels=numpy.concatenate(labels), ends=numpy.array(ends))
        loaded = numpy.load(packed)
        self.ids, self.labels, self.ends = loaded["ids"], loaded["labels"], loaded["ends"]

    def tokens(self):
        return len(self.ids)

    def batches(self, tokens, seed):
        """An endless stream of batches of about `tokens` tokens of similarly long documents, in random order."""
        chance = random.Random(seed)
        while True:
            order = list(range(len(self.ends) - 1))
            chance.shuffle(order)
            groups, full = {bucket: [] for bucket in BUCKETS}, []
            for document in order:
                length = self.ends[document + 1] - self.ends[document]
                bucket = next((b for b in BUCKETS if length <= b), BUCKETS[-1])
                groups[bucket].append(document)
                if len(groups[bucket]) * bucket >= tokens:
                    full.append((bucket, groups[bucket]))
                    groups[bucket] = []
            chance.shuffle(full)
            yield from (self.batch(bucket, documents) for bucket, documents in full)

    def batch(self, length, documents):
        inputs = torch.zeros(len(documents), length, dtype=torch.long)
        targets = torch.full((len(documents), length), -100, dtype=torch.long)
        for row, document in enumerate(documents):
            start = self.ends[document]
            end = min(self.ends[document + 1], start + length)
            inputs[row, : end - start] = torch.from_numpy(self.ids[start:end].astype(numpy.int64))
            targets[row, : end - start - 1] = torch.from_numpy(self.labels[start + 1 : end].astype(numpy.int64))
        return inputs, targets


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        hidden, self.dim = config["hidden_size"], config["head_dim"]
        self.heads, self.shared = config["num_attention_heads"], config["num_key_value_heads"]
        self.q_proj = nn.Linear(hidden, self.heads * self.dim, bias=False)
        self.k_proj = nn.Linear(hidden, self.shared * self.dim, bias=False)
        self.v_proj = nn.Linear(hidden, self.shared * self.dim, bias=False)
        self.o_proj = nn.Linear(self.heads * self.dim, hidden, bias=False)
        self.q_norm = nn.RMSNorm(self.dim, eps=config["rms_norm_eps"])
        self.k_norm = nn.RMSNorm(self.dim, eps=config["rms_norm_eps"])

    def forward(self, x, cos, sin):
        rows, length, _ = x.shape

        def split(y, heads):
            return y.view(rows, length, heads, self.dim).transpose(1, 2)

        def turned(y):
            a, b = y.float().chunk(2, -1)
            return torch.cat((a * cos - b * sin, b * cos + a * sin), -1).to(x.dtype)

        q = turned(self.q_norm(split(self.q_proj(x), self.heads)))
        k = turned(self.k_norm(split(self.k_proj(x), self.shared)))
        v = split(self.v_proj(x), self.shared).to(x.dtype)
        k, v = (y.repeat_interleave(self.heads // self.shared, 1) for y in (k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o_proj(y.transpose(1, 2).reshape(rows, length, -1))


class FeedForward(nn.Module):
    def __init__(self, config):
        super().__init__()
        hidden, inner = config["hidden_size"], config["intermediate_size"]
        self.gate_proj = nn.Linear(hidden, inner, bias=False)
        self.up_proj = nn.Linear(hidden, inner, bias=False)
        self.down_proj = nn.Linear(inner, hidden, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.input_layernorm = nn.RMSNorm(config["hidden_size"], eps=config["rms_norm_eps"])
        self.self_attn = Attention(config)
        self.post_attention_layernorm = nn.RMSNorm(config["hidden_size"], eps=config["rms_norm_eps"])
        self.mlp = FeedForward(config)

    def forward(self, x, cos, sin):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Model(nn.Module):
    """Qwen3; parameters are named as in Hugging Face files."""

    def __init__(self, config):
        super().__init__()
        self.embed_tokens = nn.Embedding(config["vocab_size"], config["hidden_size"])
        self.layers = nn.ModuleList(Layer(config) for _ in range(config["num_hidden_layers"]))
        self.norm = nn.RMSNorm(config["hidden_size"], eps=config["rms_norm_eps"])
        theta = config.get("rope_theta") or config["rope_parameters"]["rope_theta"]
        inverse = theta ** -(torch.arange(0, config["head_dim"], 2) / config["head_dim"])
        angles = torch.arange(BUCKETS[-1])[:, None] * inverse
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)
        nn.init.normal_(self.embed_tokens.weight, std=0.02)
        for name, weight in self.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                nn.init.zeros_(weight)  # at first, layers add nothing to the residual stream
            elif name.endswith("proj.weight"):
                nn.init.normal_(weight, std=weight.shape[1] ** -0.5)

    def forward(self, inputs, targets):
        """The sum of the cross entropies of the target tokens."""
        cos, sin = self.cos[: inputs.shape[1]], self.sin[: inputs.shape[1]]
        x = self.embed_tokens(inputs)
        for layer in self.layers:
            x = layer(x, cos, sin)
        logits = F.linear(self.norm(x), self.embed_tokens.weight)
        return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=-100, reduction="sum")


class Muon(torch.optim.Optimizer):
    """Muon (Jordan et al. 2024): momentum that is orthogonalised by Newton-Schulz iterations."""

    def __init__(self, parameters, rate):
        super().__init__(parameters, dict(lr=rate, momentum=0.95))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for shape in {p.shape for p in group["params"]}:
                same = [p for p in group["params"] if p.shape == shape]
                moved = torch.stack([self.moved(p, group["momentum"]) for p in same])
                scale = max(1.0, shape[0] / shape[1]) ** 0.5
                for p, update in zip(same, orthogonal(moved)):
                    p.add_(update.to(p.dtype), alpha=-group["lr"] * scale)

    def moved(self, p, momentum):
        state = self.state[p]
        buffer = state.setdefault("momentum", torch.zeros_like(p))
        buffer.lerp_(p.grad, 1 - momentum)
        return p.grad.lerp(buffer, momentum)  # Nesterov


def orthogonal(stack):
    a, b, c = 3.4445, -4.7750, 2.0315
    x = stack.bfloat16()
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x.mT if tall else x


class Run:
    """The training loop, with evaluation on held-out data and checkpoints."""

    def __init__(self, args, model, config, device):
        self.args, self.model, self.config, self.device = args, model, config, device
        matrices = [p for name, p in model.named_parameters() if name.startswith("layers") and p.ndim == 2]
        rest = [p for name, p in model.named_parameters() if not (name.startswith("layers") and p.ndim == 2)]
        self.muon = Muon(matrices, args.muon)
        self.adam = torch.optim.AdamW(rest, args.adam, betas=(0.8, 0.95), eps=1e-10, weight_decay=0.0)
        self.tokens = self.steps = 0
        self.spent = 0.0  # seconds of earlier runs
        self.began = time.time()
        self.forward = torch.compile(model)
        args.output.mkdir(parents=True, exist_ok=True)
        self.checkpoint = args.output / "checkpoint.pt"
        if args.resume and self.checkpoint.exists():
            self.load()

    def seconds(self):
        return self.spent + time.time() - self.began

    def progress(self):
        if self.args.minutes:
            return self.seconds() / 60 / self.args.minutes
        return self.tokens / self.args.tokens

    def rate(self):
        """The learning rate relative to its peak: 60 steps of warm-up, and linear decay over the second half."""
        return min(1.0, (self.steps + 1) / 60) * min(1.0, max(0.0, 2 * (1 - self.progress())))

    def lead(self, data, held_out):
        micro = min(self.args.step, 8192 if self.device.type == "cpu" else 65536)
        batches = data.batches(micro, self.args.seed + self.steps)
        looked_at = [batch for _, batch in zip(range(6), held_out.batches(4096, 0))]
        count = sum(p.numel() for p in self.model.parameters())
        print(f"{count} parameters; {data.tokens()} tokens in the corpus; {self.device}", flush=True)
        saved = time.time()
        with open(self.args.output / "metrics.jsonl", "a") as metrics:
            while self.progress() < 1.0:
                line = self.step(batches, micro)
                if self.steps % 100 == 0:
                    line["held_out"] = self.look(looked_at)
                metrics.write(json.dumps(line) + "\n")
                metrics.flush()
                if self.steps % 20 == 0:
                    print(line, flush=True)
                if time.time() - saved > 300:
                    self.save()
                    saved = time.time()
            last = dict(step=self.steps, tokens=self.tokens, seconds=round(self.seconds()), held_out=self.look(looked_at))
            metrics.write(json.dumps(last) + "\n")
            print(last, flush=True)
        self.save()
        self.export()

    def step(self, batches, micro):
        loss, counted = 0.0, 0
        parts = [next(batches) for _ in range(max(1, self.args.step // micro))]
        total = sum(int((targets >= 0).sum()) for _, targets in parts)
        for inputs, targets in parts:
            with torch.autocast(self.device.type, dtype=torch.bfloat16):
                part = self.forward(inputs.to(self.device), targets.to(self.device))
            (part / total).backward()
            loss, counted = loss + part.item(), counted + inputs.numel()
        if not math.isfinite(loss):
            raise SystemExit(f"the loss of step {self.steps} is not finite: resume from the last checkpoint, {self.checkpoint}")
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer, peak in ((self.muon, self.args.muon), (self.adam, self.args.adam)):
            for group in optimizer.param_groups:
                group["lr"] = peak * self.rate()
                if "momentum" in group:
                    group["momentum"] = 0.85 + 0.1 * min(1.0, self.steps / 300)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.steps += 1
        self.tokens += total
        return dict(step=self.steps, loss=round(loss / total, 4), tokens=self.tokens, rate=round(self.rate(), 4), seconds=round(self.seconds(), 1))

    @torch.no_grad()
    def look(self, batches):
        loss = count = 0
        for inputs, targets in batches:
            with torch.autocast(self.device.type, dtype=torch.bfloat16):
                loss += self.model(inputs.to(self.device), targets.to(self.device)).item()
            count += int((targets >= 0).sum())
        return round(loss / count, 4)

    def save(self):
        state = dict(model=self.model.state_dict(), muon=self.muon.state_dict(), adam=self.adam.state_dict(),
                     steps=self.steps, tokens=self.tokens, seconds=self.seconds())
        unfinished = self.checkpoint.with_suffix(".unfinished")
        torch.save(state, unfinished)
        unfinished.replace(self.checkpoint)

    def load(self):
        state = torch.load(self.checkpoint, map_location=self.device)
        self.model.load_state_dict(state["model"])
        self.muon.load_state_dict(state["muon"])
        self.adam.load_state_dict(state["adam"])
        self.steps, self.tokens, self.spent = state["steps"], state["tokens"], state["seconds"]

    def export(self):
        names = {f"model.{name}": p.detach().to("cpu", torch.bfloat16).contiguous() for name, p in self.model.named_parameters()}
        save_file(names, self.args.output / "model.safetensors", metadata={"format": "pt"})
        for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
            shutil.copy(self.args.exported / "model" / name, self.args.output / name)
        print(self.args.output)


if __name__ == "__main__":
    main()
