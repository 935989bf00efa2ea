//! An existing docstring, parsed into lines.

use super::super::comment_marks::CommentMarks;

/// Existing docstring, line by line.
#[derive(Debug)]
pub(in super::super) struct ExistingDocstring {
    /// Lines from the opening to the closing marks; at least one.
    pub(super) rows: Vec<DocstringRow>,
    /// True for a string literal in which a backslash is a plain character.
    pub(super) is_raw_string: bool,
    /// Closing marks with the blanks before them, if they follow the words of the last row.
    pub(super) closing: Option<String>,
    /// Indentation of the docstring.
    pub(super) indentation: String,
}

/// Line of a docstring.
#[derive(Debug)]
pub(super) struct DocstringRow {
    /// The line as it is written, without closing marks that follow words.
    pub(super) raw: String,
    /// The line without its marks.
    pub(super) body: String,
}

/// Delimiters of a docstring.
struct Delimiters<'a> {
    /// Letters before the quotes of a string literal, such as `r`.
    string_prefix: &'a str,
    /// Bytes before the first word: the string prefix and the opening marks.
    opening_len: usize,
    /// Closing marks; empty for line comments.
    closing: &'a str,
}

impl<'a> Delimiters<'a> {
    fn parse(text: &'a str, marks: CommentMarks) -> Self {
        match marks {
            CommentMarks::Quotes => {
                let quoted = text.trim_start_matches(|c: char| c.is_ascii_alphabetic());
                let string_prefix = &text[..text.len() - quoted.len()];
                let quotes = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quotes| quoted.starts_with(quotes));
                let closing = quotes.unwrap_or_default();
                Self { string_prefix, opening_len: string_prefix.len() + closing.len(), closing }
            }
            CommentMarks::Block => {
                let opening_len = text.len() - text.trim_start_matches(['/', '*', '!']).len();
                Self { string_prefix: "", opening_len, closing: "*/" }
            }
            CommentMarks::Lines(mark) => Self { string_prefix: "", opening_len: mark.len(), closing: "" },
        }
    }

    /// Returns the docstring without its closing marks.
    fn without_closing<'t>(&self, text: &'t str) -> &'t str {
        match text.strip_suffix(self.closing) {
            Some(rest) if rest.len() >= self.opening_len => rest,
            _ => text,
        }
    }

    /// Returns true for a string literal that cannot have a second line.
    fn is_single_quoted(&self) -> bool {
        self.closing.len() == 1
    }
}

impl ExistingDocstring {
    /// Parses a docstring from its opening marks, without the indentation of its first line, to its closing marks.
    pub(in super::super) fn parse(text: &str, marks: CommentMarks, indentation: &str) -> Self {
        let delimiters = Delimiters::parse(text, marks);
        let content = delimiters.without_closing(text);
        let mut existing = Self {
            rows: parse_rows(content, delimiters.opening_len, marks, indentation),
            is_raw_string: delimiters.string_prefix.contains(['r', 'R']),
            closing: None,
            indentation: indentation.to_owned(),
        };
        let mut closing = delimiters.closing;
        if delimiters.is_single_quoted() {
            existing.use_triple_quotes(delimiters.string_prefix);
            closing = "\"\"\"";
        }
        existing.rows[0].raw.insert_str(0, indentation);
        existing.append_closing(content, closing);
        if marks == CommentMarks::Block && existing.rows.len() == 1 {
            existing.open_block();
        }
        existing
    }

    /// Replaces the single quote that opens the first row by three.
    fn use_triple_quotes(&mut self, string_prefix: &str) {
        let after_quote = &self.rows[0].raw[string_prefix.len() + 1..];
        self.rows[0].raw = format!("{string_prefix}\"\"\"{after_quote}");
    }

    /// Puts the closing marks behind the last row if they stand on a line of their own, or else into
    /// [`closing`](Self::closing).
    fn append_closing(&mut self, content: &str, closing: &str) {
        let has_own_line = self.rows.len() > 1 && self.rows.last().is_some_and(DocstringRow::is_blank);
        if has_own_line {
            let blanks = content.rsplit('\n').next().unwrap_or_default();
            self.rows.pop();
            self.rows.push(DocstringRow { raw: format!("{blanks}{closing}"), body: String::new() });
        } else if !closing.is_empty() {
            let blanks = &content[content.trim_end_matches(' ').len()..];
            self.closing = Some(format!("{blanks}{closing}"));
        }
    }

    /// Splits `/** words */` into three rows, so that more can follow the words.
    fn open_block(&mut self) {
        let body = std::mem::take(&mut self.rows[0].body);
        let opening = self.rows[0].raw.trim_end().strip_suffix(&*body).unwrap_or("/**").trim_end().to_owned();
        let raw = format!("{} * {body}", self.indentation);
        self.rows = vec![
            DocstringRow { raw: opening, body: String::new() },
            DocstringRow { raw, body },
            DocstringRow { raw: format!("{} */", self.indentation), body: String::new() },
        ];
        self.closing = None;
    }

    /// Returns the index after the last row with words.
    pub(super) fn end(&self) -> usize {
        self.rows.iter().rposition(|row| !row.is_blank()).map_or(0, |at| at + 1)
    }
}

/// Splits a docstring without its closing marks into rows. Blanks at its end are dropped.
fn parse_rows(content: &str, opening_len: usize, marks: CommentMarks, indentation: &str) -> Vec<DocstringRow> {
    let mut rows = Vec::new();
    for (at, line) in content.split('\n').enumerate() {
        let body = match marks {
            _ if at == 0 => line.get(opening_len..).unwrap_or_default().trim().to_owned(),
            CommentMarks::Quotes => line.strip_prefix(indentation).unwrap_or(line.trim_start()).trim_end().to_owned(),
            CommentMarks::Block => without_mark(line, "*"),
            CommentMarks::Lines(mark) => without_mark(line, mark),
        };
        rows.push(DocstringRow { raw: line.to_owned(), body });
    }
    if let Some(last) = rows.last_mut() {
        last.raw.truncate(last.raw.trim_end_matches(' ').len());
    }
    rows
}

impl DocstringRow {
    /// Returns true if the row has no words.
    pub(super) fn is_blank(&self) -> bool {
        self.body.trim().is_empty()
    }

    /// Returns the bytes of blanks before the row's words.
    pub(super) fn indent(&self) -> usize {
        self.body.len() - self.body.trim_start().len()
    }
}

fn without_mark(line: &str, mark: &str) -> String {
    let line = line.trim();
    let rest = line.strip_prefix(mark).unwrap_or(line);
    rest.strip_prefix(' ').unwrap_or(rest).to_owned()
}
