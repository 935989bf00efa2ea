//! The model room against its references: golden logits, llama.cpp, and files that mean harm.

mod adapters;
mod families;
mod real;
mod reference;
