//! A model whose answers are known: it follows each letter with the one that follows it in a fixed text.
//!
//! It is a Llama of one layer in which attention and feed-forward add nothing, the embedding is the identity and the head
//! is the table of successors. Everything around the arithmetic is as in a real model: files, tokenizer, cache, engine.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::repository;

/// What it writes after a space; after any letter of it, the rest.
pub const SONG: &str = " brown_fx\n";

const VOCABULARY: usize = 272;
const INNER: usize = 16;
const END: usize = 256;
const MIDDLE: usize = 259;
/// A token that is a text of its own.
const SAID: usize = 266;

/// Writes the model into `folder` and returns its path.
pub fn write(folder: &Path) -> PathBuf {
    let path = folder.join("parrot");
    std::fs::create_dir_all(&path).expect("a writable folder");
    let tokenizer = repository().join("model/tests/golden/qwen2/tokenizer.json");
    std::fs::copy(tokenizer, path.join("tokenizer.json")).expect("the tiny tokenizer of the model's tests");
    let config = json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": VOCABULARY,
        "hidden_size": VOCABULARY, "intermediate_size": INNER, "num_hidden_layers": 1, "num_attention_heads": 4,
        "num_key_value_heads": 4, "max_position_embeddings": 4096, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
        "hidden_act": "silu", "tie_word_embeddings": false, "bos_token_id": END, "eos_token_id": END,
        "attention_bias": false, "mlp_bias": false,
    });
    std::fs::write(path.join("config.json"), config.to_string()).expect("writable");
    std::fs::write(path.join("model.safetensors"), tensors(&successor)).expect("writable");
    path
}

/// Lets it hold a conversation: after each question it says its song.
pub const TEMPLATE: &str =
    "{% for m in messages %}{{ m.content }}{% if m.role == 'user' %}{{ '\\n=' }}{% endif %}{% endfor %}";

/// Writes a parrot into `folder` that holds conversations.
pub fn conversing(folder: &Path) -> PathBuf {
    let path = write(folder);
    std::fs::write(path.join("chat_template.jinja"), TEMPLATE).expect("writable");
    path
}

/// Writes a parrot into `folder` that says `text` behind a line end, and nothing more; with an empty text it goes on for
/// 65,536 tokens, and says nothing that would be taken for going in circles.
pub fn saying(folder: &Path, text: &str) -> PathBuf {
    let path = write(folder);
    let said = if text.is_empty() { ". " } else { text };
    let file = path.join("tokenizer.json");
    let read = std::fs::read_to_string(&file).expect("it was just written");
    let mut tokenizer: serde_json::Value = serde_json::from_str(&read).expect("JSON");
    let token = json!({
        "id": SAID, "content": said, "special": false, "normalized": false, "single_word": false, "lstrip": false,
        "rstrip": false,
    });
    tokenizer["added_tokens"].as_array_mut().expect("a list").push(token);
    std::fs::write(file, tokenizer.to_string()).expect("writable");
    if text.is_empty() {
        let file = path.join("config.json");
        let config = std::fs::read_to_string(&file).expect("it was just written");
        std::fs::write(file, config.replace("4096", "65536")).expect("writable");
    }
    let next = |token| match token {
        10 => SAID,
        SAID if text.is_empty() => SAID,
        SAID => END,
        token => successor(token),
    };
    std::fs::write(path.join("model.safetensors"), tensors(&next)).expect("writable");
    path
}

/// Writes an adapter for the model into `folder/name` and returns its path: an equals sign is then followed by what follows
/// `letter` in the song.
pub fn adapter(folder: &Path, name: &str, letter: u8) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(&path).expect("a writable folder");
    let one = |shape: [usize; 2], at: usize, value: f32| {
        let mut values = vec![0f32; shape[0] * shape[1]];
        values[at] = value;
        (shape.to_vec(), values)
    };
    // Gate and up see nothing but the sign; down adds much of the letter to it.
    let [sign, letter] = [b'=', letter].map(usize::from);
    let mut named = Vec::new();
    for (module, [out, inner], from, to) in [
        ("gate_proj", [INNER, VOCABULARY], sign, 0),
        ("up_proj", [INNER, VOCABULARY], sign, 0),
        ("down_proj", [VOCABULARY, INNER], 0, letter),
    ] {
        let matrix = |name: &str| format!("base_model.model.model.layers.0.mlp.{module}.lora_{name}.weight");
        named.push((matrix("A"), one([1, inner], from, 1.0)));
        named.push((matrix("B"), one([out, 1], to, 1.0)));
    }
    let settings = json!({
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": "parrot", "r": 1, "lora_alpha": 1.0,
        "target_modules": ["gate_proj", "up_proj", "down_proj"], "bias": "none",
    });
    std::fs::write(path.join("adapter_config.json"), settings.to_string()).expect("writable");
    std::fs::write(path.join("adapter_model.safetensors"), safetensors(&named)).expect("writable");
    path
}

/// The token that follows each token.
fn successor(token: usize) -> usize {
    let song = SONG.as_bytes();
    let at = song.iter().position(|byte| usize::from(*byte) == token);
    match at.and_then(|at| song.get(at + 1)) {
        Some(next) => usize::from(*next),
        None if token == usize::from(b'=') => usize::from(b' '),
        None if token == MIDDLE => usize::from(b'b'),
        None => END,
    }
}

fn tensors(next: &dyn Fn(usize) -> usize) -> Vec<u8> {
    let table = |one: &dyn Fn(usize) -> usize| {
        let mut values = vec![0f32; VOCABULARY * VOCABULARY];
        (0..VOCABULARY).for_each(|column| values[one(column) * VOCABULARY + column] = 1.0);
        values
    };
    let zeros = |rows: usize, columns: usize| (vec![rows, columns], vec![0f32; rows * columns]);
    let square = vec![VOCABULARY, VOCABULARY];
    let ones = (vec![VOCABULARY], vec![1f32; VOCABULARY]);
    let layer = |name: &str| format!("model.layers.0.{name}.weight");
    let mut named = vec![
        ("model.embed_tokens.weight".to_owned(), (square.clone(), table(&|token| token))),
        ("lm_head.weight".to_owned(), (square, table(next))),
        ("model.norm.weight".to_owned(), ones.clone()),
        (layer("input_layernorm"), ones.clone()),
        (layer("post_attention_layernorm"), ones),
        (layer("mlp.gate_proj"), zeros(INNER, VOCABULARY)),
        (layer("mlp.up_proj"), zeros(INNER, VOCABULARY)),
        (layer("mlp.down_proj"), zeros(VOCABULARY, INNER)),
    ];
    for name in ["q_proj", "k_proj", "v_proj", "o_proj"] {
        named.push((layer(&format!("self_attn.{name}")), zeros(VOCABULARY, VOCABULARY)));
    }
    safetensors(&named)
}

/// Shape and values, row by row.
type Matrix = (Vec<usize>, Vec<f32>);

/// The format: length of the header, header, values.
fn safetensors(named: &[(String, Matrix)]) -> Vec<u8> {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (name, (shape, values)) in named {
        let start = data.len();
        data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        header.insert(name.clone(), json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, data.len()] }));
    }
    let header = serde_json::Value::Object(header).to_string();
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat()
}
