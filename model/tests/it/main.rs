//! Integration tests of the model crate against golden logits, PEFT and llama.cpp.

mod adapters;
mod families;
mod real;
mod reference;
