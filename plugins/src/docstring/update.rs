//! Brings a docstring up to date with its signature: the lines that still hold stay as they are.

mod entries;
mod facts;

use std::collections::{BTreeMap, BTreeSet};

use super::doc_template::{CommentMarks, Field};
use super::item::DocItem;
use super::sections::TemplateLine;
use super::style::DocStyle;
use entries::{ExistingEntry, FieldGroup, Heading};

/// A docstring that is there, line by line.
#[derive(Debug)]
pub(super) struct ExistingDocstring {
    rows: Vec<DocstringRow>,
    /// A string in which a backslash is one.
    is_raw_string: bool,
    /// The closing marks, where they stand behind the last row's words.
    closing: Option<String>,
    indentation: String,
}

/// A line of a docstring.
#[derive(Debug)]
struct DocstringRow {
    /// As it is written, without closing marks that follow words.
    raw: String,
    /// Without its marks.
    body: String,
}

impl ExistingDocstring {
    /// `text` begins with its marks, without the indentation of its first line.
    pub(super) fn new(text: &str, marks: CommentMarks, indentation: &str) -> Self {
        let quotes = text.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        let verbatim = marks == CommentMarks::Quotes && text[..text.len() - quotes.len()].contains(['r', 'R']);
        let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| quotes.starts_with(quote)).unwrap_or("");
        let (opening, close) = match marks {
            CommentMarks::Quotes => (text.len() - quotes.len() + quote.len(), quote),
            CommentMarks::Block => (text.len() - text.trim_start_matches(['/', '*', '!']).len(), "*/"),
            CommentMarks::Lines(mark) => (mark.len(), ""),
        };
        let inner = text.strip_suffix(close).filter(|inner| inner.len() >= opening && !close.is_empty());
        let inner = inner.unwrap_or(text);
        let body = |at: usize, line: &str| match marks {
            _ if at == 0 => line.get(opening..).unwrap_or_default().trim().to_owned(),
            CommentMarks::Quotes => line.strip_prefix(indentation).unwrap_or(line.trim_start()).trim_end().to_owned(),
            CommentMarks::Block => without_mark(line, "*"),
            CommentMarks::Lines(mark) => without_mark(line, mark),
        };
        let mut rows: Vec<DocstringRow> = inner
            .split('\n')
            .map(|line| line.strip_suffix('\r').unwrap_or(line))
            .enumerate()
            .map(|(at, line)| DocstringRow { raw: line.to_owned(), body: body(at, line) })
            .collect();
        if let Some(last) = rows.last_mut() {
            last.raw.truncate(last.raw.trim_end_matches(' ').len());
        }
        let alone = rows.len() > 1 && rows.last().is_some_and(|row| row.body.trim().is_empty());
        let between = &inner[inner.trim_end_matches(' ').len()..];
        // A string in single quotes has no room for a second line.
        let close = if quote.len() == 1 { "\"\"\"" } else { close };
        if quote.len() == 1 {
            let prefix = &text[..text.len() - quotes.len()];
            rows[0].raw = format!("{prefix}\"\"\"{}", &rows[0].raw[prefix.len() + 1..]);
        }
        rows[0].raw.insert_str(0, indentation);
        let mut closing = None;
        if alone {
            let last = inner.rsplit('\n').next().unwrap_or_default();
            rows.pop();
            rows.push(DocstringRow { raw: format!("{last}{close}"), body: String::new() });
        } else if !close.is_empty() {
            closing = Some(format!("{between}{close}"));
        }
        let mut existing = Self { rows, closing, indentation: indentation.to_owned(), is_raw_string: verbatim };
        if marks == CommentMarks::Block && existing.rows.len() == 1 {
            existing.open_block();
        }
        existing
    }

    /// `/** words` becomes two lines: more are to follow.
    fn open_block(&mut self) {
        let body = std::mem::take(&mut self.rows[0].body);
        let opening = self.rows[0].raw.trim_end().strip_suffix(&*body).unwrap_or("/**").trim_end().to_owned();
        let raw = format!("{} * {body}", self.indentation);
        self.rows = vec![DocstringRow { raw: opening, body: String::new() }, DocstringRow { raw, body }];
        self.closing = None;
        self.rows.push(DocstringRow { raw: format!("{} */", self.indentation), body: String::new() });
    }

    /// Behind the last row that holds words.
    fn end(&self) -> usize {
        self.rows.iter().rposition(|row| !row.is_blank()).map_or(0, |at| at + 1)
    }
}

impl DocstringRow {
    fn is_blank(&self) -> bool {
        self.body.trim().is_empty()
    }

    /// What its words are indented by.
    fn indent(&self) -> usize {
        self.body.len() - self.body.trim_start().len()
    }
}

fn without_mark(line: &str, mark: &str) -> String {
    let line = line.trim();
    let rest = line.strip_prefix(mark).unwrap_or(line);
    rest.strip_prefix(' ').unwrap_or(rest).to_owned()
}

/// What the frame has for one part of an item.
struct TemplateEntry<'a> {
    about: &'a Field,
    group: FieldGroup,
    /// Its section's title, if it is the first of it.
    title: &'a [TemplateLine],
    lines: &'a [TemplateLine],
}

/// The parts of a frame that are not its summary.
fn template_entries(frame: &[TemplateLine], style: DocStyle) -> Vec<TemplateEntry<'_>> {
    let mut found = Vec::new();
    let mut from = 0;
    for (at, line) in frame.iter().enumerate() {
        let Some(about) = &line.field else { continue };
        if let Some(group) = FieldGroup::for_field(about) {
            // Beside a name stands a line of its own.
            let start = if style == DocStyle::Numpy { at - 1 } else { at };
            found.push(TemplateEntry { about, group, title: &frame[from..start], lines: &frame[start..=at] });
        } else if style == DocStyle::Xmldoc {
            // The summary's closing tag.
            from = at + 2;
            continue;
        }
        from = at + 1;
    }
    found
}

/// The lines of the docstring brought up to date; nothing where it is, and where it cannot be read.
pub(super) fn updated_lines(
    item: &DocItem,
    frame: &[TemplateLine],
    style: DocStyle,
    existing: &ExistingDocstring,
    only_parts: bool,
) -> Option<Vec<TemplateLine>> {
    let (entries, headings) = entries::read_entries(style, &existing.rows)?;
    if only_parts && entries.is_empty() {
        return None;
    }
    let parts = template_entries(frame, style);
    let mut change = UpdatePlan {
        item,
        style,
        existing,
        entries: &entries,
        headings: &headings,
        removed: BTreeSet::new(),
        inserted: BTreeMap::new(),
        replaced: BTreeMap::new(),
    };
    for group in FieldGroup::ALL {
        change.plan_group(group, &parts);
    }
    change.close_gap();
    let UpdatePlan { removed, inserted, replaced: mended, .. } = change;
    if removed.is_empty() && inserted.is_empty() && mended.is_empty() {
        return None;
    }
    let mut out = Vec::new();
    for at in 0..=existing.rows.len() {
        out.extend(inserted.get(&at).into_iter().flatten().cloned());
        if let Some(row) = existing.rows.get(at).filter(|_| !removed.contains(&at)) {
            out.push(TemplateLine::existing(mended.get(&at).unwrap_or(&row.raw)));
        }
    }
    if let Some(closing) = &existing.closing {
        let kept = !removed.contains(&(existing.rows.len() - 1)) && !inserted.contains_key(&existing.rows.len());
        match out.last_mut().filter(|last| kept && last.existing) {
            Some(last) => last.text.push_str(closing),
            None => out.push(TemplateLine::existing(format!("{}{}", existing.indentation, closing.trim_start()))),
        }
    }
    Some(out)
}

/// What is to be done with the rows of a docstring.
struct UpdatePlan<'a> {
    item: &'a DocItem,
    style: DocStyle,
    existing: &'a ExistingDocstring,
    entries: &'a [ExistingEntry],
    headings: &'a [Heading],
    removed: BTreeSet<usize>,
    /// New lines before a row.
    inserted: BTreeMap<usize, Vec<TemplateLine>>,
    /// Rows that get another text.
    replaced: BTreeMap<usize, String>,
}

/// A part of the docstring as it is to be.
enum UpdatedEntry<'a> {
    Existing(&'a ExistingEntry),
    Added(&'a TemplateEntry<'a>),
}

impl UpdatePlan<'_> {
    fn plan_group(&mut self, group: FieldGroup, parts: &[TemplateEntry<'_>]) {
        let wanted: Vec<_> = parts.iter().filter(|part| part.group == group).collect();
        let own: Vec<_> = self.entries.iter().filter(|entry| entry.group == group).collect();
        // Rust's custom is to name parameters in prose: only a docstring with such a section keeps it.
        let custom = self.style != DocStyle::Rustdoc || group == FieldGroup::Raises;
        if own.is_empty() {
            // A section in which nothing could be read has its own way to tell of them.
            let told = self.headings.iter().any(|heading| heading.group == Some(group));
            if custom && !wanted.is_empty() && !told {
                self.add_section(group, &wanted);
            }
            return;
        }
        let next = self.updated_entries(group, &wanted, &own);
        for (entry, about) in next.iter().filter_map(|(next, about)| Some((next.existing()?, (*about)?))) {
            self.correct_facts(entry, about);
        }
        let is_old = |((next, _), own): (&(UpdatedEntry<'_>, _), &&ExistingEntry)| {
            next.existing().is_some_and(|old| std::ptr::eq(old, *own))
        };
        let same = next.len() == own.len() && next.iter().zip(&own).all(is_old);
        if !same {
            self.rewrite_group(group, &own, next.into_iter().map(|(next, _)| next).collect());
        }
    }

    /// The parts of a group in the order of the signature, each with what it is about if the signature has it.
    fn updated_entries<'a>(
        &self,
        group: FieldGroup,
        wanted: &[&'a TemplateEntry<'a>],
        own: &[&'a ExistingEntry],
    ) -> Vec<(UpdatedEntry<'a>, Option<&'a Field>)> {
        let is_next = |next: &[(UpdatedEntry<'a>, _)], entry: &ExistingEntry| {
            next.iter().any(|(next, _)| next.existing().is_some_and(|old| std::ptr::eq(old, entry)))
        };
        if group == FieldGroup::Raises {
            return self.updated_errors(wanted, own);
        }
        let gone = |entry: &ExistingEntry| !wanted.iter().any(|part| entry.describes(part.about));
        let mut next: Vec<(UpdatedEntry<'a>, Option<&'a Field>)> = Vec::new();
        for part in wanted {
            let mut found: Vec<_> = own.iter().filter(|entry| entry.describes(part.about)).collect();
            // What is taken apart has no name in the signature: it has the one that the docstring gives it.
            if found.is_empty() && *part.about == Field::Parameter("options".into()) {
                let names = own.iter().find(|entry| gone(entry)).map(|entry| &entry.names);
                found = own.iter().filter(|entry| Some(&entry.names) == names).collect();
            }
            let taken = found.first().is_some_and(|entry| is_next(&next, entry));
            if found.is_empty() {
                next.push((UpdatedEntry::Added(part), None));
            } else if !taken {
                next.extend(found.iter().map(|entry| (UpdatedEntry::Existing(entry), Some(part.about))));
            }
        }
        let kept: Vec<_> =
            own.iter().filter(|entry| !is_next(&next, entry) && self.is_outside_signature(group, entry)).collect();
        let kept = kept.into_iter().map(|entry| (UpdatedEntry::Existing(entry), None));
        // A receiver comes first.
        next.splice(0..0, kept);
        next
    }

    /// The errors, which come from what is called, too, and in no order; new ones come last. In Rust, the section for errors comes first.
    fn updated_errors<'a>(
        &self,
        wanted: &[&'a TemplateEntry<'a>],
        own: &[&'a ExistingEntry],
    ) -> Vec<(UpdatedEntry<'a>, Option<&'a Field>)> {
        let mut next: Vec<_> = own.iter().map(|entry| (UpdatedEntry::Existing(entry), None)).collect();
        let new = wanted.iter().filter(|part| !own.iter().any(|entry| entry.describes(part.about)));
        for part in new {
            let first = *part.about == Field::Raises("Errors".into()) && self.style == DocStyle::Rustdoc;
            next.insert(if first { 0 } else { next.len() }, (UpdatedEntry::Added(part), None));
        }
        next
    }

    /// Whether a part is about something that the signature would not show if it were there.
    fn is_outside_signature(&self, group: FieldGroup, entry: &ExistingEntry) -> bool {
        match group {
            // The receiver, and what `...` stands for.
            FieldGroup::Parameters => entry.names.iter().any(|name| matches!(&**name, "" | "self" | "cls" | "this")),
            // Without a word in the signature, a result may come from somewhere else; some say `@return void`.
            FieldGroup::Returns => {
                let rows = entry.rows.clone().map(|at| &*self.existing.rows[at].body).collect::<String>();
                !self.item.declares_no_result || rows.contains("void") || rows.contains("None")
            }
            FieldGroup::Generics | FieldGroup::Raises => false,
        }
    }

    fn correct_facts(&mut self, entry: &ExistingEntry, about: &Field) {
        let Field::Parameter(name) = about else { return };
        let Some(parameter) = self.item.parameters.iter().find(|it| it.name == *name) else { return };
        let at = entry.rows.start;
        if let Some(text) = facts::corrected(self.style, &self.existing.rows[at].raw, parameter) {
            self.replaced.insert(at, text);
        }
    }

    /// Writes the parts of a group that is there anew.
    fn rewrite_group(&mut self, group: FieldGroup, own: &[&ExistingEntry], next: Vec<UpdatedEntry<'_>>) {
        let first = own.iter().map(|entry| entry.rows.start).min().unwrap_or_default();
        self.removed.extend(own.iter().flat_map(|entry| entry.rows.clone()));
        if next.is_empty() {
            let headings = self.headings.iter().filter(|heading| heading.group == Some(group));
            self.removed.extend(headings.flat_map(|heading| heading.rows.clone()));
            if entries::is_sectioned(self.style) {
                self.remove_blanks_before(self.removed_run_start(first));
            }
            return;
        }
        let mut lines = Vec::new();
        for (at, next) in next.into_iter().enumerate() {
            match next {
                UpdatedEntry::Existing(entry) => {
                    lines.extend(entry.rows.clone().map(|at| TemplateLine::existing(self.text(at))))
                }
                // In Rust each of these is a section.
                UpdatedEntry::Added(part) if self.style == DocStyle::Rustdoc && group == FieldGroup::Raises => {
                    lines.extend(section_lines(part.title, part.lines.to_vec(), at == 0));
                }
                UpdatedEntry::Added(part) => lines.extend(self.formatted_like(own[0], part.lines)),
            }
        }
        self.inserted.entry(first).or_default().extend(lines);
    }

    /// Where the removed rows begin that `at` belongs to.
    fn removed_run_start(&self, at: usize) -> usize {
        (0..=at).rev().take_while(|it| self.removed.contains(it)).last().unwrap_or(at)
    }

    fn remove_blanks_before(&mut self, at: usize) {
        let rows = &self.existing.rows;
        let blanks: Vec<_> = (1..at).rev().take_while(|it| rows[*it].is_blank()).collect();
        self.removed.extend(blanks);
    }

    /// A row as it is to be.
    fn text(&self, at: usize) -> &str {
        self.replaced.get(&at).unwrap_or(&self.existing.rows[at].raw)
    }

    /// New lines with the indentation and the mark of tags that another part has.
    fn formatted_like(&self, entry: &ExistingEntry, lines: &[TemplateLine]) -> Vec<TemplateLine> {
        let row = &self.existing.rows[entry.rows.start];
        let usual = lines.first().map_or(0, |line| line.text.len() - line.text.trim_start().len());
        let indent = row.indent();
        let backslash = row.body.trim_start().starts_with('\\');
        let like = |line: &TemplateLine| {
            let own = line.text.len() - line.text.trim_start().len();
            let text = line.text.trim_start();
            let text = &if self.existing.is_raw_string { text.replace("\\\\", "\\") } else { text.to_owned() };
            let text = if backslash { text.replacen('@', "\\", 1) } else { text.to_owned() };
            let text = format!("{}{text}", " ".repeat((own + indent).saturating_sub(usual)));
            TemplateLine { text, hanging_indent: (line.hanging_indent + indent).saturating_sub(usual), ..line.clone() }
        };
        lines.iter().map(like).collect()
    }

    /// Adds the parts of a group of which the docstring has none.
    fn add_section(&mut self, group: FieldGroup, wanted: &[&TemplateEntry<'_>]) {
        let lines: Vec<_> = wanted.iter().enumerate().flat_map(|(at, part)| self.new_entry_lines(at, part)).collect();
        let behind = self.entries.iter().filter(|it| it.group < group).map(|it| it.rows.end).max();
        let later = self.entries.iter().filter(|it| it.group > group).map(|it| it.rows.start);
        let headings = self.headings.iter().filter(|it| it.group.is_none_or(|it| it > group));
        let before = later.chain(headings.map(|it| it.rows.start)).min();
        let title = wanted[0].title;
        let sectioned = entries::is_sectioned(self.style);
        let (at, before) = match (behind, before) {
            (Some(at), _) => (at, false),
            (None, Some(at)) => (at, true),
            (None, None) => (self.existing.end(), false),
        };
        let lines = if sectioned {
            section_lines(title, lines, before)
        } else if before || !self.entries.is_empty() || !self.inserted.is_empty() {
            lines
        } else {
            section_lines(title, lines, false)
        };
        self.inserted.entry(at).or_default().extend(lines);
    }

    /// The lines of a part of a new section: in Rust, sections of their own.
    fn new_entry_lines(&self, at: usize, part: &TemplateEntry<'_>) -> Vec<TemplateLine> {
        let title = if at > 0 && self.style == DocStyle::Rustdoc { part.title } else { &[] };
        let like = self.entries.first().filter(|_| !entries::is_sectioned(self.style));
        let own = like.map_or_else(|| part.lines.to_vec(), |entry| self.formatted_like(entry, part.lines));
        [title.to_vec(), own].concat()
    }

    /// Where all tags are gone, so is the blank line before them.
    fn close_gap(&mut self) {
        let gone = |entry: &ExistingEntry| entry.rows.clone().all(|at| self.removed.contains(&at));
        let first = self.entries.iter().map(|entry| entry.rows.start).min();
        let none = self.inserted.is_empty() && self.entries.iter().all(gone);
        if let Some(first) = first.filter(|_| none && !entries::is_sectioned(self.style)) {
            self.remove_blanks_before(first);
        }
    }
}

impl<'a> UpdatedEntry<'a> {
    fn existing(&self) -> Option<&'a ExistingEntry> {
        match self {
            Self::Existing(entry) => Some(entry),
            Self::Added(_) => None,
        }
    }
}

/// A section with its title: before what follows it, or behind what is there.
fn section_lines(title: &[TemplateLine], lines: Vec<TemplateLine>, before: bool) -> Vec<TemplateLine> {
    let (blank, title) = title.split_at(title.len().min(1));
    if before { [title, &lines, blank].concat() } else { [blank, title, &lines].concat() }
}

#[cfg(test)]
mod tests;
