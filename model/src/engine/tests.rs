//! The laws of the engine.
