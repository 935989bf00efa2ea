//! `foretype lsp`: what editors start.
