//! Updates of a docstring to the signature of its function: lines that match the signature stay as they are.

mod entries;
mod existing;
mod facts;

use std::collections::{BTreeMap, BTreeSet};

use super::field::Field;
use super::item::DocItem;
use super::sections::TemplateLine;
use super::style::DocStyle;
use entries::{ExistingEntry, FieldGroup, Heading};
pub(super) use existing::ExistingDocstring;

/// Entry of the template for one field.
struct TemplateEntry<'a> {
    field: &'a Field,
    group: FieldGroup,
    /// Title of its section, if it is the section's first entry.
    title: &'a [TemplateLine],
    lines: &'a [TemplateLine],
}

/// Returns the entries of a template, without its summary.
fn template_entries(template: &[TemplateLine], style: DocStyle) -> Vec<TemplateEntry<'_>> {
    let mut found = Vec::new();
    let mut title_start = 0;
    for (at, line) in template.iter().enumerate() {
        let Some(field) = &line.field else { continue };
        if let Some(group) = FieldGroup::for_field(field) {
            // In NumPy style the name has a line of its own.
            let start = if style == DocStyle::Numpy { at - 1 } else { at };
            let (title, lines) = (&template[title_start..start], &template[start..=at]);
            found.push(TemplateEntry { field, group, title, lines });
        } else if style == DocStyle::Xmldoc {
            // Skips the closing tag of the summary.
            title_start = at + 2;
            continue;
        }
        title_start = at + 1;
    }
    found
}

/// Returns the lines of the updated docstring; `None` if it is up to date or cannot be read.
pub(super) fn updated_lines(
    item: &DocItem,
    template: &[TemplateLine],
    style: DocStyle,
    existing: &ExistingDocstring,
    only_documented_fields: bool,
) -> Option<Vec<TemplateLine>> {
    let (entries, headings) = entries::read_entries(style, &existing.rows)?;
    if only_documented_fields && entries.is_empty() {
        return None;
    }
    let template_entries = template_entries(template, style);
    let mut plan = UpdatePlan {
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
        plan.plan_group(group, &template_entries);
    }
    plan.close_gap();
    if plan.is_empty() { None } else { Some(plan.apply()) }
}

/// Changes to the rows of a docstring.
struct UpdatePlan<'a> {
    item: &'a DocItem,
    style: DocStyle,
    existing: &'a ExistingDocstring,
    entries: &'a [ExistingEntry],
    headings: &'a [Heading],
    /// Rows that are deleted.
    removed: BTreeSet<usize>,
    /// New lines before a row.
    inserted: BTreeMap<usize, Vec<TemplateLine>>,
    /// Rows with a new text.
    replaced: BTreeMap<usize, String>,
}

/// Entry of the updated docstring.
enum UpdatedEntry<'a> {
    Existing(&'a ExistingEntry),
    Added(&'a TemplateEntry<'a>),
}

impl<'a> UpdatedEntry<'a> {
    fn existing(&self) -> Option<&'a ExistingEntry> {
        match self {
            Self::Existing(entry) => Some(entry),
            Self::Added(_) => None,
        }
    }

    fn is_existing(&self, entry: &ExistingEntry) -> bool {
        self.existing().is_some_and(|existing| std::ptr::eq(existing, entry))
    }
}

/// Entries of one group in their new order, each with its field if it exists and the signature has the field.
type GroupOrder<'a> = Vec<(UpdatedEntry<'a>, Option<&'a Field>)>;

impl UpdatePlan<'_> {
    fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.inserted.is_empty() && self.replaced.is_empty()
    }

    /// Returns the lines of the updated docstring.
    fn apply(&self) -> Vec<TemplateLine> {
        let rows = &self.existing.rows;
        let mut out = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            out.extend(self.inserted.get(&at).into_iter().flatten().cloned());
            if !self.removed.contains(&at) {
                out.push(TemplateLine::existing(self.replaced.get(&at).unwrap_or(&row.raw)));
            }
        }
        out.extend(self.inserted.get(&rows.len()).into_iter().flatten().cloned());
        let Some(closing) = &self.existing.closing else { return out };
        let is_last_row_kept = !self.removed.contains(&(rows.len() - 1)) && !self.inserted.contains_key(&rows.len());
        match out.last_mut() {
            Some(last) if is_last_row_kept && last.existing => last.text.push_str(closing),
            _ => {
                let own_line = format!("{}{}", self.existing.indentation, closing.trim_start());
                out.push(TemplateLine::existing(own_line));
            }
        }
        out
    }

    fn plan_group(&mut self, group: FieldGroup, template_entries: &[TemplateEntry<'_>]) {
        let wanted: Vec<_> = template_entries.iter().filter(|entry| entry.group == group).collect();
        let existing: Vec<_> = self.entries.iter().filter(|entry| entry.group == group).collect();
        if existing.is_empty() {
            // Rust documents parameters in prose: a missing section is added for errors and panics only.
            let is_customary = self.style != DocStyle::Rustdoc || group == FieldGroup::Raises;
            // A section without recognized entries may describe the fields in its own way.
            let has_heading = self.headings.iter().any(|heading| heading.group == Some(group));
            if is_customary && !wanted.is_empty() && !has_heading {
                self.add_section(group, &wanted);
            }
            return;
        }
        let updated = self.updated_entries(group, &wanted, &existing);
        for (entry, field) in &updated {
            if let (Some(entry), Some(field)) = (entry.existing(), field) {
                self.correct_facts(entry, field);
            }
        }
        let is_unchanged = updated.len() == existing.len()
            && updated.iter().zip(&existing).all(|((entry, _), existing)| entry.is_existing(existing));
        if !is_unchanged {
            self.rewrite_group(group, &existing, updated.into_iter().map(|(entry, _)| entry).collect());
        }
    }

    /// Returns the entries of a group in the order of the signature.
    fn updated_entries<'a>(
        &self,
        group: FieldGroup,
        wanted: &[&'a TemplateEntry<'a>],
        existing: &[&'a ExistingEntry],
    ) -> GroupOrder<'a> {
        if group == FieldGroup::Raises {
            return self.updated_errors(wanted, existing);
        }
        let is_in =
            |updated: &GroupOrder<'a>, entry: &ExistingEntry| updated.iter().any(|(other, _)| other.is_existing(entry));
        let is_stale = |entry: &ExistingEntry| !wanted.iter().any(|wanted| entry.describes(wanted.field));
        let mut updated: GroupOrder<'a> = Vec::new();
        for wanted in wanted {
            let mut found: Vec<_> = existing.iter().filter(|entry| entry.describes(wanted.field)).collect();
            // A destructured parameter has no name in the signature: the docstring names it.
            if found.is_empty() && *wanted.field == Field::Parameter("options".into()) {
                let names = existing.iter().find(|entry| is_stale(entry)).map(|entry| &entry.names);
                found = existing.iter().filter(|entry| Some(&entry.names) == names).collect();
            }
            let Some(first) = found.first() else {
                updated.push((UpdatedEntry::Added(wanted), None));
                continue;
            };
            // One entry may describe several parameters.
            if !is_in(&updated, first) {
                updated.extend(found.iter().map(|entry| (UpdatedEntry::Existing(entry), Some(wanted.field))));
            }
        }
        let mut kept: GroupOrder<'a> = Vec::new();
        for entry in existing {
            if !is_in(&updated, entry) && self.is_outside_signature(group, entry) {
                kept.push((UpdatedEntry::Existing(entry), None));
            }
        }
        // The receiver comes first.
        kept.extend(updated);
        kept
    }

    /// Returns the entries of errors: existing ones are kept, because called functions raise errors too, and new ones
    /// come last. In Rust, the section on errors comes first.
    fn updated_errors<'a>(&self, wanted: &[&'a TemplateEntry<'a>], existing: &[&'a ExistingEntry]) -> GroupOrder<'a> {
        let mut updated: GroupOrder<'a> = existing.iter().map(|entry| (UpdatedEntry::Existing(entry), None)).collect();
        let is_new = |wanted: &&&TemplateEntry<'_>| !existing.iter().any(|entry| entry.describes(wanted.field));
        for wanted in wanted.iter().filter(is_new) {
            let is_first = *wanted.field == Field::Raises("Errors".into()) && self.style == DocStyle::Rustdoc;
            updated.insert(if is_first { 0 } else { updated.len() }, (UpdatedEntry::Added(wanted), None));
        }
        updated
    }

    /// Returns true if the entry may be right although the signature does not show its field.
    fn is_outside_signature(&self, group: FieldGroup, entry: &ExistingEntry) -> bool {
        match group {
            // The receiver, and variadic arguments.
            FieldGroup::Parameters => entry.names.iter().any(|name| matches!(&**name, "" | "self" | "cls" | "this")),
            // The signature may leave the result open, and some write `@return void`.
            FieldGroup::Returns => {
                let rows = entry.rows.clone().map(|at| &*self.existing.rows[at].body).collect::<String>();
                !self.item.declares_no_result || rows.contains("void") || rows.contains("None")
            }
            FieldGroup::TypeParameters | FieldGroup::Raises => false,
        }
    }

    /// Corrects the type and the default of a parameter where they contradict the signature.
    fn correct_facts(&mut self, entry: &ExistingEntry, field: &Field) {
        let Field::Parameter(name) = field else { return };
        let Some(parameter) = self.item.parameters.iter().find(|it| it.name == *name) else { return };
        let at = entry.rows.start;
        if let Some(text) = facts::corrected(self.style, &self.existing.rows[at].raw, parameter) {
            self.replaced.insert(at, text);
        }
    }

    /// Replaces all entries of a group.
    fn rewrite_group(&mut self, group: FieldGroup, existing: &[&ExistingEntry], updated: Vec<UpdatedEntry<'_>>) {
        let first = existing.iter().map(|entry| entry.rows.start).min().unwrap_or_default();
        self.removed.extend(existing.iter().flat_map(|entry| entry.rows.clone()));
        if updated.is_empty() {
            let headings = self.headings.iter().filter(|heading| heading.group == Some(group));
            self.removed.extend(headings.flat_map(|heading| heading.rows.clone()));
            if entries::is_sectioned(self.style) {
                self.remove_blanks_before(self.removed_run_start(first));
            }
            return;
        }
        let mut lines = Vec::new();
        for (at, entry) in updated.into_iter().enumerate() {
            match entry {
                UpdatedEntry::Existing(entry) => {
                    lines.extend(entry.rows.clone().map(|row| TemplateLine::existing(self.updated_row(row))));
                }
                // In Rust, errors and panics each have a section.
                UpdatedEntry::Added(entry) if self.style == DocStyle::Rustdoc && group == FieldGroup::Raises => {
                    lines.extend(section_lines(entry.title, entry.lines.to_vec(), at == 0));
                }
                UpdatedEntry::Added(entry) => lines.extend(self.formatted_like(existing[0], entry.lines)),
            }
        }
        self.inserted.entry(first).or_default().extend(lines);
    }

    /// Returns the first row of the run of removed rows that `row` belongs to.
    fn removed_run_start(&self, row: usize) -> usize {
        (0..=row).rev().take_while(|it| self.removed.contains(it)).last().unwrap_or(row)
    }

    /// Removes the blank rows right above `row`.
    fn remove_blanks_before(&mut self, row: usize) {
        let rows = &self.existing.rows;
        let blanks: Vec<_> = (1..row).rev().take_while(|it| rows[*it].is_blank()).collect();
        self.removed.extend(blanks);
    }

    /// Returns the new text of an existing row.
    fn updated_row(&self, row: usize) -> &str {
        self.replaced.get(&row).unwrap_or(&self.existing.rows[row].raw)
    }

    /// Returns new lines with the indentation and the tag mark of an existing entry.
    fn formatted_like(&self, entry: &ExistingEntry, lines: &[TemplateLine]) -> Vec<TemplateLine> {
        let row = &self.existing.rows[entry.rows.start];
        let indent_of = |line: &TemplateLine| line.text.len() - line.text.trim_start().len();
        let template_indent = lines.first().map_or(0, indent_of);
        let reindented = |indent: usize| (indent + row.indent()).saturating_sub(template_indent);
        let has_backslash_tags = row.body.trim_start().starts_with('\\');
        let mut formatted = Vec::new();
        for line in lines {
            let mut text = line.text.trim_start().to_owned();
            if self.existing.is_raw_string {
                text = text.replace("\\\\", "\\");
            }
            if has_backslash_tags {
                text = text.replacen('@', "\\", 1);
            }
            text.insert_str(0, &" ".repeat(reindented(indent_of(line))));
            formatted.push(TemplateLine { text, hanging_indent: reindented(line.hanging_indent), ..line.clone() });
        }
        formatted
    }

    /// Adds the entries of a group that the docstring has no entry of.
    fn add_section(&mut self, group: FieldGroup, wanted: &[&TemplateEntry<'_>]) {
        let mut lines = Vec::new();
        for (at, entry) in wanted.iter().enumerate() {
            lines.extend(self.new_entry_lines(at, entry));
        }
        let title = wanted[0].title;
        let (row, is_before) = self.section_row(group);
        if entries::is_sectioned(self.style) {
            lines = section_lines(title, lines, is_before);
        } else if !is_before && self.entries.is_empty() && self.inserted.is_empty() {
            lines = section_lines(title, lines, false);
        }
        self.inserted.entry(row).or_default().extend(lines);
    }

    /// Returns the row before which a group's new section is inserted, and true if the row begins a later section,
    /// false if the new section follows an earlier one or the end.
    fn section_row(&self, group: FieldGroup) -> (usize, bool) {
        if let Some(row) = self.entries.iter().filter(|it| it.group < group).map(|it| it.rows.end).max() {
            return (row, false);
        }
        let entries = self.entries.iter().filter(|it| it.group > group).map(|it| it.rows.start);
        let headings = self.headings.iter().filter(|it| it.group.is_none_or(|it| it > group));
        match entries.chain(headings.map(|it| it.rows.start)).min() {
            Some(row) => (row, true),
            None => (self.existing.end(), false),
        }
    }

    /// Returns the lines of entry number `at` of a new section. In Rust, each entry is a section of its own.
    fn new_entry_lines(&self, at: usize, entry: &TemplateEntry<'_>) -> Vec<TemplateLine> {
        let title = if at > 0 && self.style == DocStyle::Rustdoc { entry.title } else { &[] };
        let lines = match self.entries.first() {
            Some(model) if !entries::is_sectioned(self.style) => self.formatted_like(model, entry.lines),
            _ => entry.lines.to_vec(),
        };
        [title.to_vec(), lines].concat()
    }

    /// Removes the blank rows above the tags if all tags are removed.
    fn close_gap(&mut self) {
        let Some(first) = self.entries.iter().map(|entry| entry.rows.start).min() else { return };
        let is_removed = |entry: &ExistingEntry| entry.rows.clone().all(|row| self.removed.contains(&row));
        let is_gone = self.inserted.is_empty() && self.entries.iter().all(is_removed);
        if is_gone && !entries::is_sectioned(self.style) {
            self.remove_blanks_before(first);
        }
    }
}

/// Returns a section with its title. A blank line separates it from the text above, or below if it is `before` other
/// text.
fn section_lines(title: &[TemplateLine], lines: Vec<TemplateLine>, before: bool) -> Vec<TemplateLine> {
    let (blank, title) = title.split_at(title.len().min(1));
    if before { [title, &lines, blank].concat() } else { [blank, title, &lines].concat() }
}

#[cfg(test)]
mod tests;
