//! Where extra snippets come from: the rest of the workspace, as far as it bears on the cursor.

pub mod definitions;
