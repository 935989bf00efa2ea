//! The built-in strategies by name: one line each.

use std::sync::Arc;

use crate::PromptStrategy;
use crate::strategies::fill::Fill;

/// All built-in strategies.
pub fn builtins() -> Vec<Arc<dyn PromptStrategy>> {
    vec![Arc::new(Fill)]
}

/// The built-in strategy of that name.
pub fn strategy(name: &str) -> Option<Arc<dyn PromptStrategy>> {
    builtins().into_iter().find(|strategy| strategy.name() == name)
}
