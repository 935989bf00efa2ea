//! Selection of holes. The same seed selects the same holes of a file, whatever other files the folder has.

use std::sync::Arc;

use foretype_plugins::Document;
use foretype_plugins::holes::{self, Hole, HoleKind};
use foretype_plugins::random::{mix64, seeded_hash};
use indicatif::ProgressBar;

use super::progress;
use crate::request_builder;

/// A hole in a file, selected for completion.
#[derive(Debug, Clone)]
pub(crate) struct SelectedHole {
    /// File with the hole's original text in it.
    pub(crate) file: Arc<Document>,
    /// Kind and byte range.
    pub(crate) hole: Hole,
    /// Path, line and column, both counted from 1, and kind.
    pub(crate) id: String,
}

/// Rules for the selection of holes.
#[derive(Debug, Clone)]
pub(crate) struct HoleSelection {
    /// Kinds to select from.
    pub(crate) kinds: Vec<HoleKind>,
    /// Seed of the draw.
    pub(crate) seed: u64,
    /// Selects every Nth hole of each kind. `None` draws `max_per_kind` at random.
    pub(crate) every: Option<u32>,
    /// Number of holes to draw of each kind.
    pub(crate) max_per_kind: u32,
}

/// Selects holes of each kind and returns them in the order of the files.
pub(crate) fn select(files: &[Arc<Document>], rules: &HoleSelection) -> Vec<SelectedHole> {
    let bar = ProgressBar::new(files.len() as u64).with_message("looking for holes").with_style(progress::style());
    let mut all: Vec<SelectedHole> = Vec::new();
    for file in bar.wrap_iter(files.iter()) {
        all.extend(holes_of_file(file, &rules.kinds, rules.seed));
    }
    bar.finish_and_clear();
    let mut selected: Vec<SelectedHole> =
        rules.kinds.iter().flat_map(|kind| select_of_kind(&all, *kind, rules)).collect();
    selected.sort_by(|one, other| sort_key(one).cmp(&sort_key(other)));
    selected.dedup_by(|one, other| one.id == other.id);
    selected
}

fn sort_key(selected: &SelectedHole) -> (&str, usize, HoleKind) {
    (&selected.file.path, selected.hole.range.start, selected.hole.kind)
}

fn holes_of_file(file: &Arc<Document>, kinds: &[HoleKind], seed: u64) -> Vec<SelectedHole> {
    let parsed = request_builder::parse_document(file.path.clone(), file.text.to_string());
    let Some(tree) = &parsed.tree else { return Vec::new() };
    let holes = holes::find_holes(file.language, &file.text, tree, kinds, seed);
    holes.into_iter().map(|hole| SelectedHole { id: hole_id(file, &hole), file: file.clone(), hole }).collect()
}

fn hole_id(file: &Document, hole: &Hole) -> String {
    let before = &file.text[..hole.range.start];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("{}:{line}:{column} {}", file.path, hole.kind.name())
}

fn select_of_kind(all: &[SelectedHole], kind: HoleKind, rules: &HoleSelection) -> Vec<SelectedHole> {
    let of_kind = all.iter().filter(|selected| selected.hole.kind == kind);
    if let Some(every) = rules.every {
        return of_kind.step_by(every as usize).cloned().collect();
    }
    let mut shuffled: Vec<_> = of_kind.collect();
    shuffled.sort_by_cached_key(|selected| (lottery_number(&selected.id, rules.seed), selected.id.clone()));
    shuffled.into_iter().take(rules.max_per_kind as usize).cloned().collect()
}

/// Random number that depends on the hole and the seed alone.
fn lottery_number(id: &str, seed: u64) -> u64 {
    mix64(seeded_hash(id.as_bytes(), seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every(every: u32, kind: HoleKind) -> HoleSelection {
        HoleSelection { kinds: vec![kind], seed: 1, every: Some(every), max_per_kind: 100 }
    }

    fn at_most(max_per_kind: u32, kinds: &[HoleKind], seed: u64) -> HoleSelection {
        HoleSelection { kinds: kinds.into(), seed, every: None, max_per_kind }
    }

    fn files(count: usize) -> Vec<Arc<Document>> {
        let text = |file: usize| (0..20).map(|line| format!("value_{line} = other_{file}.call(line)\n")).collect();
        (0..count).map(|file| Arc::new(request_builder::parse_document(format!("f{file}.py"), text(file)))).collect()
    }

    fn ids(files: &[Arc<Document>], rules: &HoleSelection) -> Vec<String> {
        select(files, rules).into_iter().map(|selected| selected.id).collect()
    }

    #[test]
    fn the_requested_number_of_each_kind_is_drawn() {
        let found = ids(&files(3), &at_most(5, &[HoleKind::Line, HoleKind::Call], 1));
        let of = |kind: &str| found.iter().filter(|id| id.ends_with(kind)).count();
        assert_eq!((of("line"), of("call"), found.len()), (5, 5, 10));
    }

    #[test]
    fn the_draw_depends_on_the_seed_and_not_on_other_files() {
        let drawn = |count, seed| ids(&files(count), &at_most(8, &[HoleKind::Line], seed));
        assert_eq!(drawn(3, 1), drawn(3, 1));
        assert_ne!(drawn(3, 1), drawn(3, 2));
        let in_old = |ids: Vec<String>| ids.into_iter().filter(|id| !id.starts_with("f3")).collect::<Vec<_>>();
        let (before, after) = (drawn(3, 1), in_old(drawn(4, 1)));
        assert!(!after.is_empty() && after.iter().all(|id| before.contains(id)), "{before:?} {after:?}");
    }

    #[test]
    fn every_second_hole_is_half_of_them() {
        let count = |nth| ids(&files(2), &every(nth, HoleKind::Line)).len();
        assert_eq!((count(1), count(2)), (38, 19));
    }

    #[test]
    fn a_hole_is_named_by_its_position() {
        let found = ids(&files(1), &every(100, HoleKind::Call));
        assert_eq!(found, ["f0.py:1:19 call"]);
    }
}
