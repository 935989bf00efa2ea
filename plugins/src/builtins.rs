//! User's settings of the built-in context sources ([`CONTEXT_SOURCES`](crate::context::CONTEXT_SOURCES)) and finishing
//! rules ([`FINISH_RULES`](crate::finish::FINISH_RULES)). Built-ins have names like plugins, and share their settings.

use std::collections::BTreeMap;

/// Settings of the built-ins for documents of one language.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Builtins {
    /// Names of disabled sources and rules.
    pub disabled: Vec<String>,
    /// Names of sources and plugins in the order of their snippets; sources not listed follow.
    pub order: Vec<String>,
    /// Maximum bytes of snippets by source; a source that is missing has its default share.
    pub byte_limits: BTreeMap<String, usize>,
}

impl Builtins {
    /// Returns true unless `name` is disabled.
    pub fn is_enabled(&self, name: &str) -> bool {
        !self.disabled.iter().any(|off| off == name)
    }

    /// Position of `name` in the order.
    pub fn rank(&self, name: &str) -> usize {
        self.order.iter().position(|named| named == name).unwrap_or(self.order.len())
    }

    /// A copy of the settings with these names disabled as well.
    pub(crate) fn with_disabled(&self, names: &[&str]) -> Self {
        let mut settings = self.clone();
        settings.disabled.extend(names.iter().map(|name| (*name).to_owned()));
        settings
    }
}
