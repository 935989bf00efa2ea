//! Composition of a trace: the places that the typist visits, the times of the keys, and the typing mistakes.
//!
//! The mean time between keys is 120 or 240 milliseconds; keys come in bursts with pauses between them. Sometimes a
//! neighbouring letter is hit and taken back. After some lines the typist moves to another place in the same file or in
//! the next file, and comes back later.

use std::collections::VecDeque;
use std::ops::Range;

use anyhow::{Result, ensure};
use foretype::trace::{BACKSPACE, Trace, TraceFile, TypingSegment};
use foretype_plugins::random::Random;

use super::source_file::SourceFile;

/// Mean milliseconds between keys, of a fast and of an average typist.
const MEAN_KEY_INTERVALS_MS: [f64; 2] = [120.0, 240.0];
/// Probability that a letter is mistyped.
const TYPO_PROBABILITY: f64 = 0.02;
/// Probability that a visit to a file includes a second place.
const SECOND_PLACE_PROBABILITY: f64 = 0.3;
/// Probability that suggestions are accepted in a segment.
const ACCEPT_PROBABILITY: f64 = 0.8;
/// Range of the milliseconds between arriving at a place and the first key.
const DELAY_MS: (f64, f64) = (400.0, 1200.0);
/// Additional milliseconds if the place is in another file.
const FILE_SWITCH_DELAY_MS: f64 = 500.0;

/// Lines of one file that are typed without moving away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PlannedSegment {
    file: usize,
    first_line: usize,
    line_count: usize,
}

impl PlannedSegment {
    fn lines(&self) -> Range<usize> {
        self.first_line..self.first_line + self.line_count
    }
}

/// Composes a trace of about `key_count` keys, with about `lines_per_place` lines at each place. Every file is typed
/// into.
///
/// # Errors
/// If there is nothing to type.
pub(super) fn compose(
    command: String,
    sources: &[SourceFile],
    key_count: usize,
    lines_per_place: usize,
    random: &mut Random,
) -> Result<Trace> {
    let lines: Vec<Vec<&str>> = sources.iter().map(|source| source.text.split('\n').collect()).collect();
    let plan = schedule_segments(sources, &lines, key_count, lines_per_place, random);
    ensure!(!plan.is_empty(), "there is nothing to type");
    // Lines that are not typed yet, by file.
    let mut missing: Vec<Vec<bool>> = lines.iter().map(|lines| vec![false; lines.len()]).collect();
    for planned in &plan {
        missing[planned.file][planned.lines()].fill(true);
    }
    let mut files = Vec::new();
    for ((source, lines), missing) in sources.iter().zip(&lines).zip(&missing) {
        let present: Vec<&str> = present_lines(lines, missing).collect();
        files.push(TraceFile { path: source.path.clone(), text: present.join("\n") });
    }
    let mut segments = Vec::new();
    let mut last_file = None;
    for planned in &plan {
        let file = planned.file;
        let above = 0..planned.first_line;
        let bytes_above: usize =
            present_lines(&lines[file][above.clone()], &missing[file][above]).map(|line| line.len() + 1).sum();
        missing[file][planned.lines()].fill(false);
        let text: String = lines[file][planned.lines()].iter().flat_map(|line| ["\n", line]).collect();
        let switch_delay_ms = if last_file == Some(file) { 0.0 } else { FILE_SWITCH_DELAY_MS };
        let delay_ms = (random.between(DELAY_MS.0, DELAY_MS.1) + switch_delay_ms) as u32;
        let mean_interval_ms = MEAN_KEY_INTERVALS_MS[random.below(MEAN_KEY_INTERVALS_MS.len())];
        let keys = type_text(&text, mean_interval_ms, random);
        let accepts_suggestions = random.happens(ACCEPT_PROBABILITY);
        // The cursor is at the end of the line above.
        segments.push(TypingSegment { file, offset: bytes_above - 1, delay_ms, accepts_suggestions, keys });
        last_file = Some(file);
    }
    Ok(Trace { command, files, segments })
}

fn present_lines<'a>(lines: &[&'a str], missing: &[bool]) -> impl Iterator<Item = &'a str> {
    lines.iter().zip(missing).filter(|(_, is_missing)| !**is_missing).map(|(line, _)| *line)
}

/// Order of the segments: one place, perhaps another place of the same file, then the next file, and the first file
/// again.
fn schedule_segments(
    sources: &[SourceFile],
    lines: &[Vec<&str>],
    key_count: usize,
    lines_per_place: usize,
    random: &mut Random,
) -> Vec<PlannedSegment> {
    let mut queues = Vec::new();
    for (file, source) in sources.iter().enumerate() {
        queues.push(split_runs(file, source, lines_per_place, random));
    }
    let mut plan: Vec<PlannedSegment> = Vec::new();
    let mut planned_keys = 0;
    while planned_keys < key_count && queues.iter().any(|queue| !queue.is_empty()) {
        for queue in &mut queues {
            for _ in 0..1 + usize::from(random.happens(SECOND_PLACE_PROBABILITY)) {
                // The number of keys counts only after every file has been visited.
                let is_visited = |file: usize| plan.iter().any(|planned| planned.file == file);
                if planned_keys >= key_count && (0..sources.len()).all(is_visited) {
                    return plan;
                }
                let Some(planned) = queue.pop_front() else { break };
                let typed = &lines[planned.file][planned.lines()];
                planned_keys += typed.iter().map(|line| line.trim_start().len() + 1).sum::<usize>();
                plan.push(planned);
            }
        }
    }
    plan
}

/// Splits the runs of a file into segments of about `lines_per_place` lines. The segments of two runs alternate.
fn split_runs(
    file: usize,
    source: &SourceFile,
    lines_per_place: usize,
    random: &mut Random,
) -> VecDeque<PlannedSegment> {
    let mut runs: Vec<_> = source.line_runs.clone();
    random.shuffle(&mut runs);
    let mut split: Vec<Vec<PlannedSegment>> = Vec::new();
    for (mut first_line, mut lines_left) in runs {
        let mut segments = Vec::new();
        while lines_left > 0 {
            let spread = random.below(lines_per_place / 3 * 2 + 1);
            let line_count = (lines_per_place - lines_per_place / 3 + spread).min(lines_left);
            segments.push(PlannedSegment { file, first_line, line_count });
            first_line += line_count;
            lines_left -= line_count;
        }
        split.push(segments);
    }
    let mut queue = VecDeque::new();
    for pair in split.chunks(2) {
        let longest = pair.iter().map(Vec::len).max().unwrap_or(0);
        for index in 0..longest {
            queue.extend(pair.iter().filter_map(|segments| segments.get(index)));
        }
    }
    queue
}

/// Keys that type a text, with the milliseconds before each key.
fn type_text(text: &str, mean_interval_ms: f64, random: &mut Random) -> Vec<(u32, String)> {
    let mut keys = Vec::new();
    let mut rest = text;
    let mut keys_left_in_burst = 0;
    while let Some(key) = next_key(rest) {
        rest = &rest[key.len()..];
        let mut interval_ms = mean_interval_ms * 0.8 * random.between(0.7, 1.3);
        if keys_left_in_burst == 0 {
            keys_left_in_burst = 5 + random.below(9);
            if !keys.is_empty() {
                // The pauses between bursts restore the mean.
                interval_ms += mean_interval_ms * random.between(0.5, 3.1);
            }
        }
        keys_left_in_burst -= 1;
        if let Some(wrong) = key.chars().next().and_then(neighbouring_letter)
            && random.happens(TYPO_PROBABILITY)
        {
            keys.push((interval_ms as u32, wrong.to_string()));
            keys.push(((mean_interval_ms * 1.5) as u32, BACKSPACE.to_owned()));
        }
        keys.push((interval_ms as u32, key.to_owned()));
    }
    keys
}

/// One character, or a line break with the indentation that the editor inserts after it.
fn next_key(text: &str) -> Option<&str> {
    let first = text.chars().next()?;
    if first != '\n' {
        return Some(&text[..first.len_utf8()]);
    }
    let indent = text[1..].find(|c| c != ' ' && c != '\t').unwrap_or(text.len() - 1);
    let next_line_is_blank = text[1 + indent..].starts_with('\n');
    Some(if next_line_is_blank { &text[..1] } else { &text[..1 + indent] })
}

/// Letter next to this one on an English keyboard.
fn neighbouring_letter(letter: char) -> Option<char> {
    const KEYBOARD_ROWS: [&str; 3] = ["qwertyuiop", "asdfghjkl", "zxcvbnm"];
    let row = KEYBOARD_ROWS.iter().find(|row| row.contains(letter))?.as_bytes();
    let index = row.iter().position(|other| char::from(*other) == letter)?;
    Some(char::from(row[if index + 1 < row.len() { index + 1 } else { index - 1 }]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> Vec<SourceFile> {
        let text: String = (0..40).map(|line| format!("{}line_{line}(x)\n", " ".repeat(line % 3 * 4))).collect();
        let line_runs = vec![(3, 5), (8, 4), (20, 6)];
        let source = |path: &str| SourceFile { path: path.into(), text: text.clone(), line_runs: line_runs.clone() };
        ["a.rs", "b.py", "c.lua"].map(source).into()
    }

    fn composed(seed: u64) -> Trace {
        compose("test".into(), &sources(), 300, 3, &mut Random::new(seed)).expect("files with text")
    }

    #[test]
    fn the_same_seed_makes_the_same_trace() {
        assert_eq!(composed(7), composed(7));
        assert_ne!(composed(7), composed(8));
    }

    #[test]
    fn replaying_restores_the_original_texts() {
        for seed in 0..50 {
            let finished = composed(seed).final_texts().expect("a trace that can be replayed");
            assert!(finished.iter().zip(sources()).all(|(text, source)| *text == source.text), "seed {seed}");
        }
    }

    #[test]
    fn a_trace_visits_every_file_and_comes_back() {
        let trace = composed(3);
        let visits: Vec<_> = trace.segments.iter().map(|segment| segment.file).collect();
        assert!((0..3).all(|file| visits.contains(&file)), "{visits:?}");
        assert!((280..450).contains(&trace.key_count()), "{}", trace.key_count());
    }

    #[test]
    fn keys_keep_the_mean_interval() {
        let keys = type_text(&"word ".repeat(400), 120.0, &mut Random::new(5));
        let mean = keys.iter().map(|(interval_ms, _)| f64::from(*interval_ms)).sum::<f64>() / keys.len() as f64;
        assert!((105.0..140.0).contains(&mean), "{mean}");
    }

    #[test]
    fn a_line_break_includes_the_indentation() {
        let split = |text| {
            let mut rest: &str = text;
            let mut keys = Vec::new();
            while let Some(key) = next_key(rest) {
                keys.push(key);
                rest = &rest[key.len()..];
            }
            keys
        };
        assert_eq!(split("\n    a\n\n  b"), ["\n    ", "a", "\n", "\n  ", "b"]);
    }
}
