//! Values of a plugin's own options.

/// Value of one of a plugin's own options.
#[derive(Debug, Clone, PartialEq)]
pub enum OptionValue {
    /// `true` or `false`.
    Bool(bool),
    /// Number.
    Number(f64),
    /// Text.
    Text(String),
    /// List of values.
    List(Vec<OptionValue>),
}
