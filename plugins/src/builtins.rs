//! What the user says of the built-in sources of context ([`context::SOURCES`](crate::context::SOURCES)) and rules of finishing
//! ([`finish::RULES`](crate::finish::RULES)), which are known by name as plugins are.

use std::collections::BTreeMap;

/// What is off, in which order and with how much room, for documents of one language.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Builtins {
    /// Names of those that are off.
    pub disabled: Vec<String>,
    /// Names in the order of their snippets, built-ins and plugins among each other; those not named follow.
    pub order: Vec<String>,
    /// The most bytes of snippets by name; a name that is missing has its usual share.
    pub byte_limits: BTreeMap<String, usize>,
}

impl Builtins {
    /// Whether the one of that name takes part.
    pub fn is_enabled(&self, name: &str) -> bool {
        !self.disabled.iter().any(|off| off == name)
    }

    /// Its place in the order.
    pub fn rank(&self, name: &str) -> usize {
        self.order.iter().position(|named| named == name).unwrap_or(self.order.len())
    }

    /// The same with others off, too.
    pub fn with_disabled(&self, names: &[&str]) -> Self {
        let mut narrowed = self.clone();
        narrowed.disabled.extend(names.iter().map(|name| (*name).to_owned()));
        narrowed
    }
}
