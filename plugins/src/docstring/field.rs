//! Fields of a docstring.

/// Part of a docstring that is written in prose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// Summary of the item.
    Summary,
    /// Parameter with this name.
    Parameter(String),
    /// Type parameter with this name.
    TypeParameter(String),
    /// Returned or yielded value.
    Returns,
    /// Condition under which the error with this name is raised.
    Raises(String),
}
