//! Definitions of the names around the cursor, found in a symbol index of the workspace.

/// Where each name of the workspace is defined.
#[derive(Debug, Default)]
pub struct SymbolIndex {}
