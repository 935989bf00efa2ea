//! From pieces of files to keys: where the typist goes, how fast the keys come, and what goes wrong.
//!
//! Keys come every 120 or every 240 milliseconds in the mean, in bursts with pauses between. Now and then a neighbouring
//! letter is hit and taken back. A place is left after some lines for another one, in the same file or in the next
//! file, and come back to.

use std::collections::VecDeque;

use anyhow::{Result, ensure};
use foretype::trace::{BACKSPACE, Trace, TraceFile, TypingSegment};
use foretype_plugins::random::Random;

use super::SourceFile;

/// Mean milliseconds between keys, of a fast typist and of a common one.
const MEAN_KEY_INTERVALS_MS: [f64; 2] = [120.0, 240.0];
/// Letters that are hit wrong.
const TYPO_PROBABILITY: f64 = 0.02;
/// Visits to a file in which a second place is typed at.
const SECOND_PLACE_PROBABILITY: f64 = 0.3;
/// Stints in which suggestions are taken.
const ACCEPT_PROBABILITY: f64 = 0.8;

/// Lines of one file that are typed in one go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PlannedSegment {
    file: usize,
    first_line: usize,
    line_count: usize,
}

/// A trace of about `keys` keys, of about `stay` lines at each place; each file is typed into.
pub(super) fn compose(about: String, pieces: &[SourceFile], keys: usize, stay: usize, random: &mut Random) -> Result<Trace> {
    let lines: Vec<Vec<&str>> = pieces.iter().map(|piece| piece.text.split('\n').collect()).collect();
    let order = schedule_segments(pieces, &lines, keys, stay, random);
    ensure!(!order.is_empty(), "there is nothing to type");
    let mut missing: Vec<Vec<bool>> = lines.iter().map(|lines| vec![false; lines.len()]).collect();
    let rows = |part: &PlannedSegment| part.first_line..part.first_line + part.line_count;
    order.iter().for_each(|part| missing[part.file][rows(part)].fill(true));
    let files = pieces.iter().zip(&lines).zip(&missing).map(|((piece, lines), missing)| {
        let present: Vec<_> = lines.iter().zip(missing).filter(|(_, gone)| !**gone).map(|(line, _)| *line).collect();
        TraceFile { path: piece.path.clone(), text: present.join("\n") }
    });
    let files = files.collect();
    let mut stints = Vec::new();
    let mut last = None;
    for part in &order {
        let before = lines[part.file].iter().zip(&missing[part.file]).take(part.first_line);
        let length: usize = before.filter(|(_, gone)| !**gone).map(|(line, _)| line.len() + 1).sum();
        missing[part.file][rows(part)].fill(false);
        let text: String = lines[part.file][rows(part)].iter().flat_map(|line| ["\n", line]).collect();
        let wait = random.between(400.0, 1200.0) + if last == Some(part.file) { 0.0 } else { 500.0 };
        let keys = type_text(&text, MEAN_KEY_INTERVALS_MS[random.below(MEAN_KEY_INTERVALS_MS.len())], random);
        let accepts = random.chance(ACCEPT_PROBABILITY);
        stints.push(TypingSegment { file: part.file, offset: length - 1, wait: wait as u32, accepts, keys });
        last = Some(part.file);
    }
    Ok(Trace { about, files, stints })
}

/// Which part comes after which: one place, another place of the same file, the first one again, then the next file.
fn schedule_segments(pieces: &[SourceFile], lines: &[Vec<&str>], keys: usize, stay: usize, random: &mut Random) -> Vec<PlannedSegment> {
    let mut queues: Vec<_> = pieces.iter().enumerate().map(|(file, piece)| split_runs(file, piece, stay, random)).collect();
    let mut order = Vec::new();
    let mut planned = 0;
    while planned < keys && queues.iter().any(|queue| !queue.is_empty()) {
        for queue in &mut queues {
            for _ in 0..1 + usize::from(random.chance(SECOND_PLACE_PROBABILITY)) {
                // Every file is visited once before the budget counts.
                let visited = |file: usize| order.iter().any(|part: &PlannedSegment| part.file == file);
                if planned >= keys && (0..pieces.len()).all(visited) {
                    return order;
                }
                let Some(part) = queue.pop_front() else { break };
                let typed = &lines[part.file][part.first_line..part.first_line + part.line_count];
                planned += typed.iter().map(|line| line.trim_start().len() + 1).sum::<usize>();
                order.push(part);
            }
        }
    }
    order
}

/// The runs of a file cut into parts of about `stay` lines, those of two runs by turns.
fn split_runs(file: usize, piece: &SourceFile, stay: usize, random: &mut Random) -> VecDeque<PlannedSegment> {
    let mut runs: Vec<_> = piece.line_runs.clone();
    random.shuffle(&mut runs);
    let mut cut: Vec<Vec<PlannedSegment>> = Vec::new();
    for (mut first, mut left) in runs {
        let mut parts = Vec::new();
        while left > 0 {
            let count = (stay - stay / 3 + random.below(stay / 3 * 2 + 1)).min(left);
            parts.push(PlannedSegment { file, first_line: first, line_count: count });
            (first, left) = (first + count, left - count);
        }
        cut.push(parts);
    }
    let turns = |pair: &[Vec<PlannedSegment>]| {
        let longest = pair.iter().map(Vec::len).max().unwrap_or(0);
        let pair = pair.to_vec();
        (0..longest).flat_map(move |at| pair.clone().into_iter().filter_map(move |parts| parts.get(at).copied()))
    };
    cut.chunks(2).flat_map(turns).collect()
}

/// The keys for a text.
fn type_text(text: &str, pace: f64, random: &mut Random) -> Vec<(u32, String)> {
    let mut keys = Vec::new();
    let mut rest = text;
    let mut burst = 0;
    while let Some(key) = next_key(rest) {
        rest = &rest[key.len()..];
        let mut gap = pace * 0.8 * random.between(0.7, 1.3);
        if burst == 0 {
            burst = 5 + random.below(9);
            // The pauses bring the mean back to the pace.
            gap += if keys.is_empty() { 0.0 } else { pace * random.between(0.5, 3.1) };
        }
        burst -= 1;
        let wrong = key.chars().next().and_then(neighbouring_letter).filter(|_| random.chance(TYPO_PROBABILITY));
        if let Some(wrong) = wrong {
            keys.push((gap as u32, wrong.to_string()));
            keys.push(((pace * 1.5) as u32, BACKSPACE.to_owned()));
        }
        keys.push((gap as u32, key.to_owned()));
    }
    keys
}

/// One letter, or a line end with the indentation that the editor puts behind it.
fn next_key(text: &str) -> Option<&str> {
    let first = text.chars().next()?;
    if first != '\n' {
        return Some(&text[..first.len_utf8()]);
    }
    let indent = text[1..].find(|c| c != ' ' && c != '\t').unwrap_or(text.len() - 1);
    let blank = text[1 + indent..].starts_with('\n');
    Some(if blank { &text[..1] } else { &text[..1 + indent] })
}

/// A letter beside it on an English keyboard.
fn neighbouring_letter(letter: char) -> Option<char> {
    const ROWS: [&str; 3] = ["qwertyuiop", "asdfghjkl", "zxcvbnm"];
    let row = ROWS.iter().find(|row| row.contains(letter))?.as_bytes();
    let at = row.iter().position(|other| char::from(*other) == letter)?;
    Some(char::from(row[if at + 1 < row.len() { at + 1 } else { at - 1 }]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces() -> Vec<SourceFile> {
        let text: String = (0..40).map(|line| format!("{}line_{line}(x)\n", " ".repeat(line % 3 * 4))).collect();
        let piece = |path: &str| SourceFile { path: path.into(), text: text.clone(), line_runs: vec![(3, 5), (8, 4), (20, 6)] };
        ["a.rs", "b.py", "c.lua"].map(piece).into()
    }

    fn made(seed: u64) -> Trace {
        compose("test".into(), &pieces(), 300, 3, &mut Random::new(seed)).expect("pieces with text")
    }

    #[test]
    fn the_same_seed_makes_the_same_trace() {
        assert_eq!(made(7), made(7));
        assert_ne!(made(7), made(8));
    }

    #[test]
    fn replaying_ends_in_the_texts_as_they_were() {
        for seed in 0..50 {
            let finished = made(seed).final_texts().expect("a trace that can be replayed");
            assert!(finished.iter().zip(pieces()).all(|(text, piece)| *text == piece.text), "seed {seed}");
        }
    }

    #[test]
    fn a_trace_visits_every_file_and_comes_back() {
        let trace = made(3);
        let visits: Vec<_> = trace.segments.iter().map(|stint| stint.file).collect();
        assert!((0..3).all(|file| visits.contains(&file)), "{visits:?}");
        assert!((280..450).contains(&trace.key_count()), "{}", trace.key_count());
    }

    #[test]
    fn keys_keep_the_pace_in_the_mean() {
        let keys = type_text(&"word ".repeat(400), 120.0, &mut Random::new(5));
        let mean = keys.iter().map(|(gap, _)| f64::from(*gap)).sum::<f64>() / keys.len() as f64;
        assert!((105.0..140.0).contains(&mean), "{mean}");
    }

    #[test]
    fn enter_brings_the_indentation_with_it() {
        let cut = |text| {
            let mut rest: &str = text;
            let mut keys = Vec::new();
            while let Some(key) = next_key(rest) {
                keys.push(key);
                rest = &rest[key.len()..];
            }
            keys
        };
        assert_eq!(cut("\n    a\n\n  b"), ["\n    ", "a", "\n", "\n  ", "b"]);
    }
}
