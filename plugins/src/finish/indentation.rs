//! Tabs, spaces and line ends as the file has them.

use crate::request::Request;

/// The text with the file's own indentation and line ends.
pub(super) fn adapt(request: &Request, text: &str) -> String {
    let mut lines = text.split('\n');
    let mut out = lines.next().unwrap_or_default().to_owned();
    let tabs = uses_tabs(request);
    let line_end = if request.document.text.contains("\r\n") { "\r\n" } else { "\n" };
    for line in lines {
        let body = line.trim_start_matches([' ', '\t']);
        let (blank, body) = line.split_at(line.len() - body.len());
        out.push_str(line_end);
        match tabs {
            Some(true) => out.push_str(&blank.replace("    ", "\t")),
            Some(false) => out.push_str(&blank.replace('\t', "    ")),
            None => out.push_str(blank),
        }
        out.push_str(body.trim_end_matches('\r'));
    }
    out
}

/// Whether the file's indented lines begin with tabs; `None` where it has none or both.
fn uses_tabs(request: &Request) -> Option<bool> {
    let lines = || request.document.text.split('\n').take(2000);
    let (tabs, spaces) = (lines().any(|line| line.starts_with('\t')), lines().any(|line| line.starts_with("  ")));
    (tabs != spaces).then_some(tabs)
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    #[test]
    fn tabs_and_line_ends_of_the_file_are_kept() {
        check("def f():\n\tx = 1\n\t▁\n", "if x:\n        return 1\n", Some("if x:\n\t\treturn 1"));
        check("def f():\r\n    ▁\r\n", "x = 1\n    return x\n", Some("x = 1\r\n    return x"));
    }
}
