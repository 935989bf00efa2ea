"""Writes the parrot for tests of editors: a model that says one text behind each line end, and nothing more.

The same as `saying` in tests/src/parrot.rs, where it is explained, with a chat template. Usage: parrot.py FOLDER TEXT; with an
empty text it goes on for 65,536 tokens, and is not seen to go in circles.
"""

import array
import json
import shutil
import struct
import sys
from pathlib import Path

VOCABULARY, INNER, END, SAID = 272, 16, 256, 266
ENDLESS = [f"again and again: the {number} of six lines, each of which is rather long, as you see\n"
           for number in ("first", "second", "third", "fourth", "fifth", "last")]
TEMPLATE = "{% for m in messages %}{{ m.content }}\n{% endfor %}"


def _tensors(following):
    def table(one):
        values = array.array("f", bytes(4 * VOCABULARY * VOCABULARY))
        for column in range(VOCABULARY):
            values[one(column) * VOCABULARY + column] = 1.0
        return [VOCABULARY, VOCABULARY], values

    def plain(*shape, value=0.0):
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        return list(shape), array.array("f", [value]) * count

    layer = "model.layers.0."
    return {
        "model.embed_tokens.weight": table(lambda token: token), "lm_head.weight": table(following),
        "model.norm.weight": plain(VOCABULARY, value=1.0),
        f"{layer}input_layernorm.weight": plain(VOCABULARY, value=1.0),
        f"{layer}post_attention_layernorm.weight": plain(VOCABULARY, value=1.0),
        f"{layer}mlp.gate_proj.weight": plain(INNER, VOCABULARY), f"{layer}mlp.up_proj.weight": plain(INNER, VOCABULARY),
        f"{layer}mlp.down_proj.weight": plain(VOCABULARY, INNER),
        **{f"{layer}self_attn.{name}.weight": plain(VOCABULARY, VOCABULARY) for name in ("q_proj", "k_proj", "v_proj", "o_proj")},
    }


def _safetensors(tensors):
    header, data = {}, b""
    for name, (shape, values) in tensors.items():
        start, data = len(data), data + values.tobytes()
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [start, len(data)]}
    head = json.dumps(header).encode()
    return struct.pack("<Q", len(head)) + head + data


def saying(folder, text):
    """Writes it into a folder, which is made."""
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    golden = Path(__file__).resolve().parents[1] / "model/tests/golden/qwen2/tokenizer.json"
    tokenizer = json.loads(golden.read_text())
    said = [text] if text else ENDLESS
    tokenizer["added_tokens"] += [{"id": SAID + number, "content": content, "special": False, "normalized": False, "single_word": False,
                                   "lstrip": False, "rstrip": False} for number, content in enumerate(said)]
    (path / "tokenizer.json").write_text(json.dumps(tokenizer))
    (path / "chat_template.jinja").write_text(TEMPLATE)
    (path / "config.json").write_text(json.dumps({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": VOCABULARY, "hidden_size": VOCABULARY,
        "intermediate_size": INNER, "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 4,
        "max_position_embeddings": 4096 if text else 65536, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "hidden_act": "silu",
        "tie_word_embeddings": False, "bos_token_id": END, "eos_token_id": END, "attention_bias": False, "mlp_bias": False}))
    after = {10: SAID, SAID: END} if text else {10: SAID, **{SAID + at: SAID + (at + 1) % len(said) for at in range(len(said))}}
    (path / "model.safetensors").write_bytes(_safetensors(_tensors(lambda token: after.get(token, END))))
    return str(path)


if __name__ == "__main__":
    saying(sys.argv[1], sys.argv[2])
