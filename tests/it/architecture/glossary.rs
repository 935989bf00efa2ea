//! Reader of `docs/glossary.md`.

/// One term of the glossary.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) term: String,
    /// Places in the code: an identifier, if the entry names one, and the file or folder that holds it.
    pub(super) places: Vec<(Option<String>, String)>,
    /// Names that the code had for it before.
    pub(super) former: Vec<String>,
}

/// The words of a line that stand between backticks.
fn quoted(line: &str) -> Vec<String> {
    line.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Parses the glossary: a heading of level three a term, a `* Code:` line and perhaps a `* Formerly:` line below it.
pub(super) fn entries(text: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for line in text.lines() {
        if let Some(term) = line.strip_prefix("### ") {
            entries.push(Entry { term: term.to_owned(), ..Entry::default() });
            continue;
        }
        let Some(entry) = entries.last_mut() else { continue };
        if line.starts_with("* Formerly:") {
            entry.former = quoted(line);
        } else if line.starts_with("* Code:") {
            let mut identifier = None;
            for word in quoted(line) {
                if word.contains('/') {
                    entry.places.push((identifier.take(), word));
                } else {
                    identifier = Some(word);
                }
            }
        }
    }
    entries
}
