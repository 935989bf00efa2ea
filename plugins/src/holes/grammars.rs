//! Node kinds of each grammar in which holes are found.

use crate::Language::{self, *};

/// Node kinds of one grammar.
pub(super) struct HoleGrammar {
    pub(super) languages: &'static [Language],
    /// Nodes that contain statements.
    pub(super) blocks: &'static [&'static str],
    /// Calls.
    pub(super) calls: &'static [&'static str],
    /// Lists of arguments.
    pub(super) arguments: &'static [&'static str],
    /// Nodes of a callee behind a dot or path, each with the field that holds its name.
    pub(super) members: &'static [(&'static str, &'static str)],
}

/// Grammars in which holes are found.
pub(super) static HOLE_GRAMMARS: &[HoleGrammar] = &[
    HoleGrammar {
        languages: &[Python],
        blocks: &["block"],
        calls: &["call"],
        arguments: &["argument_list"],
        members: &[("attribute", "attribute")],
    },
    HoleGrammar {
        languages: &[Rust],
        blocks: &["block"],
        calls: &["call_expression"],
        arguments: &["arguments"],
        members: &[("field_expression", "field"), ("scoped_identifier", "name")],
    },
    HoleGrammar {
        languages: &[JavaScript, TypeScript, Tsx],
        blocks: &["statement_block"],
        calls: &["call_expression"],
        arguments: &["arguments"],
        members: &[("member_expression", "property")],
    },
    HoleGrammar {
        languages: &[Go],
        blocks: &["block"],
        calls: &["call_expression"],
        arguments: &["argument_list"],
        members: &[("selector_expression", "field")],
    },
    HoleGrammar {
        languages: &[Java],
        blocks: &["block", "constructor_body"],
        calls: &["method_invocation"],
        arguments: &["argument_list"],
        members: &[("method_invocation", "name")],
    },
    HoleGrammar {
        languages: &[C, Cpp],
        blocks: &["compound_statement"],
        calls: &["call_expression"],
        arguments: &["argument_list"],
        members: &[("field_expression", "field"), ("qualified_identifier", "name")],
    },
    HoleGrammar {
        languages: &[CSharp],
        blocks: &["block"],
        calls: &["invocation_expression"],
        arguments: &["argument_list"],
        members: &[("member_access_expression", "name")],
    },
    HoleGrammar {
        languages: &[Php],
        blocks: &["compound_statement"],
        calls: &["function_call_expression", "member_call_expression", "scoped_call_expression"],
        arguments: &["arguments"],
        members: &[("member_call_expression", "name"), ("scoped_call_expression", "name")],
    },
];

/// Node kinds of a language's grammar.
pub(super) fn hole_grammar(language: Language) -> Option<&'static HoleGrammar> {
    HOLE_GRAMMARS.iter().find(|row| row.languages.contains(&language))
}
