//! Which of the many holes are asked for: the same for the same seed, whatever else lies in the folder.

use std::sync::Arc;

use foretype_plugins::Document;
use foretype_plugins::holes::{self, Hole, Kind};
use indicatif::ProgressBar;

use crate::request_builder;

/// A hole in a file.
#[derive(Debug, Clone)]
pub(in crate::cli) struct SelectedHole {
    pub(in crate::cli) file: Arc<Document>,
    pub(in crate::cli) hole: Hole,
    /// Path, line and column, counted from 1, and kind.
    pub(in crate::cli) id: String,
}

/// Which are taken.
#[derive(Debug, Clone)]
pub(in crate::cli) struct HoleSelection {
    /// The kinds that are wanted.
    pub(in crate::cli) kinds: Vec<Kind>,
    /// The same seed draws the same ones.
    pub(in crate::cli) seed: u64,
    /// One of so many of each kind; without it, `most` are drawn.
    pub(in crate::cli) every: Option<u32>,
    /// So many of each kind.
    pub(in crate::cli) max_per_kind: u32,
}

/// Some holes of each kind, in the order of the files.
pub(in crate::cli) fn select(files: &[Arc<Document>], draw: &HoleSelection) -> Vec<SelectedHole> {
    let bar = ProgressBar::new(files.len() as u64).with_message("looking for holes").with_style(super::progress_style());
    let all: Vec<SelectedHole> = bar.wrap_iter(files.iter()).flat_map(|file| holes_of_file(file, &draw.kinds, draw.seed)).collect();
    bar.finish_and_clear();
    let mut chosen: Vec<SelectedHole> = draw.kinds.iter().flat_map(|kind| select_of_kind(&all, *kind, draw)).collect();
    chosen.sort_by(|one, other| sort_key(one).cmp(&sort_key(other)));
    chosen.dedup_by(|one, other| one.id == other.id);
    chosen
}

fn sort_key(chosen: &SelectedHole) -> (&str, usize, Kind) {
    (&chosen.file.path, chosen.hole.range.start, chosen.hole.kind)
}

fn holes_of_file(file: &Arc<Document>, kinds: &[Kind], seed: u64) -> Vec<SelectedHole> {
    let parsed = request_builder::parse_document(file.path.clone(), file.text.to_string());
    let Some(tree) = &parsed.tree else { return Vec::new() };
    let holes = holes::holes(file.language, &file.text, tree, kinds, seed);
    let chosen = |hole: Hole| SelectedHole { id: hole_id(file, &hole), file: file.clone(), hole };
    holes.into_iter().map(chosen).collect()
}

fn hole_id(file: &Document, hole: &Hole) -> String {
    let before = &file.text[..hole.range.start];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("{}:{line}:{column} {}", file.path, hole.kind.name())
}

fn select_of_kind(all: &[SelectedHole], kind: Kind, draw: &HoleSelection) -> Vec<SelectedHole> {
    let own = all.iter().filter(|chosen| chosen.hole.kind == kind);
    match draw.every {
        Some(every) => own.step_by(every as usize).cloned().collect(),
        None => {
            let mut drawn: Vec<_> = own.map(|chosen| (lottery_number(&chosen.id, draw.seed), chosen)).collect();
            drawn.sort_by(|(lot, one), (other_lot, other)| (lot, &one.id).cmp(&(other_lot, &other.id)));
            drawn.into_iter().take(draw.max_per_kind as usize).map(|(_, chosen)| chosen.clone()).collect()
        }
    }
}

/// A number that looks random and follows from the hole and the seed (FNV-1a, then the end of SplitMix64).
fn lottery_number(id: &str, seed: u64) -> u64 {
    let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325 ^ seed, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let z = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::Args;
    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    fn draw(words: &[&str]) -> HoleSelection {
        Command::parse_from([&["evaluate", "."], words].concat()).args.draw()
    }

    fn files(count: usize) -> Vec<Arc<Document>> {
        let text = |file: usize| (0..20).map(|line| format!("value_{line} = other_{file}.call(line)\n")).collect();
        (0..count).map(|file| Arc::new(request_builder::parse_document(format!("f{file}.py"), text(file)))).collect()
    }

    fn ids(files: &[Arc<Document>], words: &[&str]) -> Vec<String> {
        select(files, &draw(words)).into_iter().map(|chosen| chosen.id).collect()
    }

    #[test]
    fn as_many_of_each_kind_are_drawn_as_are_asked_for() {
        let found = ids(&files(3), &["--most", "5", "--kinds", "line,call"]);
        let of = |kind: &str| found.iter().filter(|id| id.ends_with(kind)).count();
        assert_eq!((of("line"), of("call"), found.len()), (5, 5, 10));
    }

    #[test]
    fn the_draw_follows_from_the_seed_and_not_from_the_other_files() {
        let drawn = |count, seed| ids(&files(count), &["--most", "8", "--kinds", "line", "--seed", seed]);
        assert_eq!(drawn(3, "1"), drawn(3, "1"));
        assert_ne!(drawn(3, "1"), drawn(3, "2"));
        let in_old = |ids: Vec<String>| ids.into_iter().filter(|id| !id.starts_with("f3")).collect::<Vec<_>>();
        let (before, after) = (drawn(3, "1"), in_old(drawn(4, "1")));
        assert!(!after.is_empty() && after.iter().all(|id| before.contains(id)), "{before:?} {after:?}");
    }

    #[test]
    fn every_second_is_half_of_them() {
        let (all, half) = (["--every", "1"], ["--every", "2"]);
        let kinds = ["--kinds", "line"];
        let count = |every: [&str; 2]| ids(&files(2), &[every, kinds].concat()).len();
        assert_eq!((count(all), count(half)), (38, 19));
    }

    #[test]
    fn a_hole_is_named_by_its_place() {
        let found = ids(&files(1), &["--kinds", "call", "--every", "100"]);
        assert_eq!(found, ["f0.py:1:19 call"]);
    }
}
