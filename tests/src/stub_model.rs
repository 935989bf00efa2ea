//! Stub model for tests that need to know the output: each byte is followed by the one that follows it in a fixed text.
//!
//! It is a Llama of one layer in which attention and feed-forward add nothing, the embedding is the identity and the
//! output matrix is the table of successors. Everything around the arithmetic is as in a real model: files, tokenizer,
//! KV cache, engine. The editor suites write it with the binary `stub-model`.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::repository;

/// Text that the model generates after an equals sign, and the rest of it after any of its bytes.
pub const STUB_COMPLETION: &str = " brown_fx\n";

const VOCABULARY_SIZE: usize = 272;
const INTERMEDIATE_SIZE: usize = 16;
const END_TOKEN: usize = 256;
const FIM_MIDDLE_TOKEN: usize = 259;
/// First of the added tokens, each of which is a whole text.
const FIRST_TEXT_TOKEN: usize = 266;
/// Lines that the endless model repeats: six of them, so that no repetition rule ends the answer.
const ENDLESS_LINES: [&str; 6] = ["first", "second", "third", "fourth", "fifth", "last"];

/// Writes the model into `folder/stub-model` and returns that path.
pub fn write(folder: &Path) -> PathBuf {
    let path = folder.join("stub-model");
    std::fs::create_dir_all(&path).expect("a writable folder");
    let tokenizer = repository().join("model/tests/golden/qwen2/tokenizer.json");
    std::fs::copy(tokenizer, path.join("tokenizer.json")).expect("the tiny tokenizer of the model's tests");
    let config = json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": VOCABULARY_SIZE,
        "hidden_size": VOCABULARY_SIZE, "intermediate_size": INTERMEDIATE_SIZE, "num_hidden_layers": 1, "num_attention_heads": 4,
        "num_key_value_heads": 4, "max_position_embeddings": 4096, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
        "hidden_act": "silu", "tie_word_embeddings": false, "bos_token_id": END_TOKEN, "eos_token_id": END_TOKEN,
        "attention_bias": false, "mlp_bias": false,
    });
    std::fs::write(path.join("config.json"), config.to_string()).expect("writable");
    std::fs::write(path.join("model.safetensors"), tensors(&successor)).expect("writable");
    path
}

/// Chat template after which the model answers each question with [`STUB_COMPLETION`].
pub const CHAT_TEMPLATE: &str =
    "{% for m in messages %}{{ m.content }}{% if m.role == 'user' %}{{ '\\n=' }}{% endif %}{% endfor %}";

/// Chat template that adds nothing but a line end to each message.
pub const PLAIN_CHAT_TEMPLATE: &str = "{% for m in messages %}{{ m.content }}\n{% endfor %}";

/// Writes a stub model with [`CHAT_TEMPLATE`] into `folder` and returns its path.
pub fn write_chat(folder: &Path) -> PathBuf {
    let path = write(folder);
    std::fs::write(path.join("chat_template.jinja"), CHAT_TEMPLATE).expect("writable");
    path
}

/// Writes a stub model into `folder` that answers `reply` after a line end and then stops. If `reply` is empty, it goes
/// on for 65,536 tokens.
pub fn write_with_reply(folder: &Path, reply: &str) -> PathBuf {
    write_reply(folder, reply, &successor)
}

/// Writes a stub model as [`write_with_reply`] does that generates nothing but the reply: after anything else than a
/// line end it stops.
pub fn write_reply_only(folder: &Path, reply: &str) -> PathBuf {
    write_reply(folder, reply, &|_| END_TOKEN)
}

fn write_reply(folder: &Path, reply: &str, otherwise: &dyn Fn(usize) -> usize) -> PathBuf {
    let path = write(folder);
    let texts: Vec<String> = if reply.is_empty() {
        let line = |number: &&str| {
            format!("again and again: the {number} of six lines, each of which is rather long, as you see\n")
        };
        ENDLESS_LINES.iter().map(line).collect()
    } else {
        vec![reply.to_owned()]
    };
    let file = path.join("tokenizer.json");
    let read = std::fs::read_to_string(&file).expect("it was just written");
    let mut tokenizer: serde_json::Value = serde_json::from_str(&read).expect("JSON");
    for (number, text) in texts.iter().enumerate() {
        let token = json!({
            "id": FIRST_TEXT_TOKEN + number, "content": text, "special": false, "normalized": false,
            "single_word": false, "lstrip": false, "rstrip": false,
        });
        tokenizer["added_tokens"].as_array_mut().expect("a list").push(token);
    }
    std::fs::write(file, tokenizer.to_string()).expect("writable");
    if reply.is_empty() {
        let file = path.join("config.json");
        let config = std::fs::read_to_string(&file).expect("it was just written");
        std::fs::write(file, config.replace("4096", "65536")).expect("writable");
    }
    let last = FIRST_TEXT_TOKEN + texts.len() - 1;
    let next = |token| match token {
        10 => FIRST_TEXT_TOKEN,
        token if token == last => {
            if reply.is_empty() {
                FIRST_TEXT_TOKEN
            } else {
                END_TOKEN
            }
        }
        token if (FIRST_TEXT_TOKEN..last).contains(&token) => token + 1,
        token => otherwise(token),
    };
    std::fs::write(path.join("model.safetensors"), tensors(&next)).expect("writable");
    path
}

/// Writes an adapter for the model into `folder/name` and returns its path. With it, an equals sign is followed by what
/// follows `letter` in [`STUB_COMPLETION`].
pub fn write_adapter(folder: &Path, name: &str, letter: u8) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(&path).expect("a writable folder");
    let one = |shape: [usize; 2], at: usize, value: f32| {
        let mut values = vec![0f32; shape[0] * shape[1]];
        values[at] = value;
        (shape.to_vec(), values)
    };
    // Gate and up projections see only the equals sign; the down projection adds much of the letter to it.
    let [sign, letter] = [b'=', letter].map(usize::from);
    let mut named = Vec::new();
    for (module, [out, inner], from, to) in [
        ("gate_proj", [INTERMEDIATE_SIZE, VOCABULARY_SIZE], sign, 0),
        ("up_proj", [INTERMEDIATE_SIZE, VOCABULARY_SIZE], sign, 0),
        ("down_proj", [VOCABULARY_SIZE, INTERMEDIATE_SIZE], 0, letter),
    ] {
        let matrix = |name: &str| format!("base_model.model.model.layers.0.mlp.{module}.lora_{name}.weight");
        named.push((matrix("A"), one([1, inner], from, 1.0)));
        named.push((matrix("B"), one([out, 1], to, 1.0)));
    }
    let settings = json!({
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": "stub-model", "r": 1, "lora_alpha": 1.0,
        "target_modules": ["gate_proj", "up_proj", "down_proj"], "bias": "none",
    });
    std::fs::write(path.join("adapter_config.json"), settings.to_string()).expect("writable");
    std::fs::write(path.join("adapter_model.safetensors"), safetensors(&named)).expect("writable");
    path
}

/// Returns the token that follows `token`.
fn successor(token: usize) -> usize {
    let text = STUB_COMPLETION.as_bytes();
    let at = text.iter().position(|byte| usize::from(*byte) == token);
    match at.and_then(|at| text.get(at + 1)) {
        Some(next) => usize::from(*next),
        None if token == usize::from(b'=') => usize::from(b' '),
        None if token == FIM_MIDDLE_TOKEN => usize::from(b'b'),
        None => END_TOKEN,
    }
}

/// Returns the model's tensors in safetensors format, with `next` as the table of successors.
fn tensors(next: &dyn Fn(usize) -> usize) -> Vec<u8> {
    let table = |one: &dyn Fn(usize) -> usize| {
        let mut values = vec![0f32; VOCABULARY_SIZE * VOCABULARY_SIZE];
        (0..VOCABULARY_SIZE).for_each(|column| values[one(column) * VOCABULARY_SIZE + column] = 1.0);
        values
    };
    let zeros = |rows: usize, columns: usize| (vec![rows, columns], vec![0f32; rows * columns]);
    let square = vec![VOCABULARY_SIZE, VOCABULARY_SIZE];
    let ones = (vec![VOCABULARY_SIZE], vec![1f32; VOCABULARY_SIZE]);
    let layer = |name: &str| format!("model.layers.0.{name}.weight");
    let mut named = vec![
        ("model.embed_tokens.weight".to_owned(), (square.clone(), table(&|token| token))),
        ("lm_head.weight".to_owned(), (square, table(next))),
        ("model.norm.weight".to_owned(), ones.clone()),
        (layer("input_layernorm"), ones.clone()),
        (layer("post_attention_layernorm"), ones),
        (layer("mlp.gate_proj"), zeros(INTERMEDIATE_SIZE, VOCABULARY_SIZE)),
        (layer("mlp.up_proj"), zeros(INTERMEDIATE_SIZE, VOCABULARY_SIZE)),
        (layer("mlp.down_proj"), zeros(VOCABULARY_SIZE, INTERMEDIATE_SIZE)),
    ];
    for name in ["q_proj", "k_proj", "v_proj", "o_proj"] {
        named.push((layer(&format!("self_attn.{name}")), zeros(VOCABULARY_SIZE, VOCABULARY_SIZE)));
    }
    safetensors(&named)
}

/// Shape and values, row-major.
type Tensor = (Vec<usize>, Vec<f32>);

/// Serialises tensors in safetensors format: length of the header, header, values.
fn safetensors(named: &[(String, Tensor)]) -> Vec<u8> {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (name, (shape, values)) in named {
        let start = data.len();
        data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        header.insert(name.clone(), json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, data.len()] }));
    }
    let header = serde_json::Value::Object(header).to_string();
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat()
}
