//! `foretype bench trace`, and what a trace is: files with their starting text, and the keys that somebody presses in them.
//!
//! The keys of a [`Stint`] spell its target: the text that stands there in the end. A key that a later backspace takes
//! back is a slip. The keys are what a person without suggestions would press; which of them suggestions save is found
//! out in the replay.

mod compose;
mod contents;
mod history;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use foretype_plugins::random::Random;
use serde::{Deserialize, Serialize};

/// Arguments of `foretype bench trace`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A git repository, or any folder of source text
    folder: PathBuf,
    /// Where to write the trace
    #[arg(long, short)]
    output: PathBuf,
    /// The same seed makes the same trace from the same folder
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What is typed: lines that commits added, or lines of the files as they are
    #[arg(long, value_enum, default_value_t = From::History)]
    from: From,
    /// With `--from history`: the newest commit to take
    #[arg(long, default_value = "HEAD")]
    revision: String,
    /// How many files the typist switches between
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=16))]
    files: u8,
    /// About how many keys to press; more where it takes more to type at a place of each file to its end
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u16).range(10..))]
    keys: u16,
    /// About how many lines to type at a place before going to another one
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u8).range(2..=24))]
    stay: u8,
    /// Only files with these ends of their names, for example `rs,lua`; all known languages when left out
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum From {
    /// Lines that commits added, one after the other typed into the files as they were
    History,
    /// Lines of the files that lie in the folder now
    Contents,
}

/// Typing into some files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::cli) struct Trace {
    /// The command that made it.
    pub(in crate::cli) about: String,
    /// The files, all of them open from the beginning.
    pub(in crate::cli) files: Vec<File>,
    /// What is typed, in this order.
    pub(in crate::cli) stints: Vec<Stint>,
}

/// A file as it is at the beginning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::cli) struct File {
    /// Relative to the workspace, with `/`.
    pub(in crate::cli) path: String,
    /// The text, with `\n` at the ends of lines.
    pub(in crate::cli) text: String,
}

/// Typing at one place without moving away.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::cli) struct Stint {
    /// Which file.
    pub(in crate::cli) file: usize,
    /// Byte offset of the cursor in the text as it is then.
    pub(in crate::cli) offset: usize,
    /// Milliseconds of looking and moving before the first key.
    pub(super) wait: u32,
    /// Whether the typist takes suggestions here; else all of them are typed through or against.
    pub(super) accepts: bool,
    /// Each key: milliseconds since the one before, and what it puts there. A line end brings the next line's indentation
    /// with it; [`BACKSPACE`] takes the last key back.
    pub(super) keys: Vec<(u32, String)>,
}

/// Takes the last key back.
pub(super) const BACKSPACE: &str = "\u{8}";

impl Stint {
    /// Which keys are slips or take one back; the others spell the target.
    pub(super) fn slips(&self) -> Vec<bool> {
        let mut slips = vec![false; self.keys.len()];
        let mut standing = Vec::new();
        for (at, (_, key)) in self.keys.iter().enumerate() {
            if key != BACKSPACE {
                standing.push(at);
                continue;
            }
            slips[at] = true;
            if let Some(taken) = standing.pop() {
                slips[taken] = true;
            }
        }
        slips
    }

    /// The text that stands at its place in the end.
    pub(in crate::cli) fn target(&self) -> String {
        let right = self.keys.iter().zip(self.slips()).filter(|(_, slip)| !slip);
        right.map(|((_, key), _)| key.as_str()).collect()
    }
}

impl Trace {
    /// Reads a trace and looks whether it can be replayed.
    pub(in crate::cli) fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let trace: Self = serde_json::from_str(&text).with_context(|| format!("{} is no trace", path.display()))?;
        trace.finished().with_context(|| format!("{} cannot be replayed", path.display()))?;
        Ok(trace)
    }

    /// The texts that stand in the files in the end.
    pub(super) fn finished(&self) -> Result<Vec<String>> {
        let mut texts: Vec<_> = self.files.iter().map(|file| file.text.clone()).collect();
        for (number, stint) in self.stints.iter().enumerate() {
            let text = texts.get_mut(stint.file).with_context(|| format!("stint {number} is in no file"))?;
            let place = text.is_char_boundary(stint.offset);
            ensure!(place, "stint {number} begins outside its file or inside a character");
            text.insert_str(stint.offset, &stint.target());
        }
        Ok(texts)
    }

    /// How many keys there are.
    pub(super) fn keys(&self) -> usize {
        self.stints.iter().map(|stint| stint.keys.len()).sum()
    }

    /// As JSON with a line for each file and each stint, so that a difference can be read.
    fn json(&self) -> Result<String> {
        let lines = |items: Vec<String>| items.join(",\n    ");
        let files = self.files.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        let stints = self.stints.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        Ok(format!(
            "{{\n  \"about\": {},\n  \"files\": [\n    {}\n  ],\n  \"stints\": [\n    {}\n  ]\n}}\n",
            serde_json::to_string(&self.about)?,
            lines(files),
            lines(stints)
        ))
    }
}

/// A file as it is in the end, and the runs of lines in it that are to be typed.
#[derive(Debug, Clone, PartialEq)]
struct Piece {
    path: String,
    text: String,
    /// First line (from 0) and number of lines, in rising order, apart from each other.
    runs: Vec<(usize, usize)>,
}

/// Runs `foretype bench trace`.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let mut random = Random::new(args.seed);
    let pieces = match args.from {
        From::History => history::pieces(args, &mut random)?,
        From::Contents => contents::pieces(args, &mut random)?,
    };
    let about = args.about()?;
    let trace = compose::trace(about, &pieces, args.keys.into(), args.stay.into(), &mut random)?;
    std::fs::write(&args.output, trace.json()?).with_context(|| format!("cannot write {}", args.output.display()))?;
    println!("{}: {} keys in {} files", args.output.display(), trace.keys(), trace.files.len());
    Ok(ExitCode::SUCCESS)
}

impl Args {
    /// The command that makes the same trace again, but for the folder and the output.
    fn about(&self) -> Result<String> {
        let source = match self.from {
            From::History => format!("history --revision {}", history::commit(&self.folder, &self.revision)?),
            From::Contents => "contents".to_owned(),
        };
        let only = if self.only.is_empty() { String::new() } else { format!(" --only {}", self.only.join(",")) };
        let Self { seed, files, keys, stay, .. } = self;
        Ok(format!(
            "foretype bench trace --from {source} --seed {seed} --files {files} --keys {keys} --stay {stay}{only}"
        ))
    }

    /// How many lines may be typed one below the other.
    fn run(&self) -> std::ops::RangeInclusive<usize> {
        let stay = usize::from(self.stay);
        (stay / 2).max(2)..=stay * 5 / 2
    }

    /// Whether a file may be typed into: of a known language, and of those that were asked for.
    fn takes(&self, path: &str) -> bool {
        let known = foretype_plugins::Language::from_path(path) != foretype_plugins::Language::PlainText;
        let end = path.rsplit('.').next().unwrap_or_default();
        known && (self.only.is_empty() || self.only.iter().any(|only| only == end))
    }
}

/// So many pieces, of as many different languages as there are.
fn choose(pieces: Vec<Piece>, wanted: usize) -> Result<Vec<Piece>> {
    ensure!(pieces.len() >= wanted, "only {} files have lines to type, {wanted} were asked for", pieces.len());
    let end = |piece: &Piece| piece.path.rsplit('.').next().map(str::to_owned);
    let (mut first, mut more): (Vec<Piece>, Vec<Piece>) = (Vec::new(), Vec::new());
    for piece in pieces {
        let known = first.iter().any(|other| end(other) == end(&piece));
        if known { more.push(piece) } else { first.push(piece) }
    }
    first.append(&mut more);
    first.truncate(wanted);
    Ok(first)
}

/// Lines that a file may have: prompts of all systems then show about the same of it.
const MOST_LINES: usize = 300;
/// Runs of one file, or of one long piece that a commit added.
const RUNS: usize = 4;

/// Some random runs of lines that are worth typing, within a range of lines and apart from each other, in rising order.
fn draw(
    lines: &[&str],
    within: std::ops::Range<usize>,
    run: &std::ops::RangeInclusive<usize>,
    random: &mut Random,
) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    // Many draws fail: they overlap an earlier run or are not worth typing.
    for _ in 0..RUNS * 10 {
        let count = run.start() + random.below(run.end() - run.start() + 1);
        let first = within.start + random.below((within.len() + 1).saturating_sub(count));
        let apart = runs.iter().all(|(other, length)| first > other + length || first + count < *other);
        let fits = first + count <= within.end && runs.len() < RUNS && apart;
        if fits && lines.get(first..first + count).is_some_and(typable) {
            runs.push((first, count));
        }
    }
    runs.sort_unstable();
    runs
}

/// Whether lines are worth typing: none is very long, few are blank, few are prose.
fn typable(lines: &[&str]) -> bool {
    let is_prose = |line: &&&str| ["//", "#", "--", "*", "/*"].iter().any(|mark| line.trim().starts_with(mark));
    let prose = lines.iter().filter(is_prose).count();
    let blank = lines.iter().filter(|line| line.trim().is_empty()).count();
    let plain = lines.iter().all(|line| line.len() <= 80 && !line.contains('\u{8}'));
    let ends = lines.first().is_some_and(|line| !line.trim().is_empty());
    plain
        && ends
        && blank * 4 <= lines.len()
        && prose * 4 <= lines.len()
        && lines.iter().map(|line| line.trim().len()).sum::<usize>() >= 20
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stint(keys: &[&str]) -> Stint {
        let keys = keys.iter().map(|key| (100, (*key).to_owned())).collect();
        Stint { file: 0, offset: 0, wait: 0, accepts: true, keys }
    }

    #[test]
    fn a_slip_and_its_backspace_leave_no_trace() {
        let stint = stint(&["a", "x", "y", BACKSPACE, BACKSPACE, "b"]);
        assert_eq!(stint.target(), "ab");
        assert_eq!(stint.slips(), [false, true, true, true, true, false]);
    }

    #[test]
    fn a_trace_that_leaves_its_files_is_refused() {
        let mut trace = Trace {
            about: String::new(),
            files: vec![File { path: "a.py".into(), text: "ä".into() }],
            stints: vec![stint(&["b"])],
        };
        assert_eq!(trace.finished().expect("a good trace"), ["bä"]);
        for (file, offset) in [(1, 0), (0, 1), (0, 9)] {
            (trace.stints[0].file, trace.stints[0].offset) = (file, offset);
            assert!(trace.finished().is_err(), "{file} {offset}");
        }
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let trace = Trace {
            about: "by hand".into(),
            files: vec![File { path: "a.py".into(), text: "x\n\"y\"\n".into() }],
            stints: vec![stint(&["b", "\n    "])],
        };
        let read: Trace = serde_json::from_str(&trace.json().expect("plain data")).expect("what was written");
        assert_eq!(read, trace);
    }
}
