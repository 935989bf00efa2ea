//! Recorded typing: the files of a workspace as they are at the start, and the keys that are pressed in them.
//!
//! The keys of a [`TypingSegment`] spell its target: the text that it leaves behind. A key that a later backspace takes
//! back is a typing mistake. The keys are those of a person without suggestions; a replay finds out which of them
//! suggestions save. `foretype-lab trace` writes traces; `foretype-lab keystrokes` and `foretype plugin check --replay`
//! read them.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

/// Key that takes the previous one back.
pub const BACKSPACE: &str = "\u{8}";

/// Recorded typing in the files of one workspace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// Command that made the trace.
    #[serde(rename = "about")]
    pub command: String,
    /// Files of the workspace. All of them are open from the start.
    pub files: Vec<TraceFile>,
    /// Typing in the order in which it happens.
    #[serde(rename = "stints")]
    pub segments: Vec<TypingSegment>,
}

/// A file before anything is typed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TraceFile {
    /// Path relative to the workspace, with `/` as separator.
    pub path: String,
    /// Text, with `\n` as line ending.
    pub text: String,
}

/// Typing at one place, until the cursor moves elsewhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TypingSegment {
    /// Index of the file in [`Trace::files`].
    pub file: usize,
    /// Byte offset of the cursor in the file's text at that time.
    pub offset: usize,
    /// Milliseconds between arriving at the place and the first key.
    #[serde(rename = "wait")]
    pub delay_ms: u32,
    /// True if the typist accepts suggestions here, false if the typist ignores all of them.
    #[serde(rename = "accepts")]
    pub accepts_suggestions: bool,
    /// Milliseconds since the previous key, and the text that the key inserts. A line break comes with the indentation
    /// of the next line. [`BACKSPACE`] takes the previous key back.
    pub keys: Vec<(u32, String)>,
}

impl TypingSegment {
    /// Returns for each key whether it is a typing mistake or takes one back. The other keys spell the target.
    pub fn typos(&self) -> Vec<bool> {
        let mut typos = vec![false; self.keys.len()];
        let mut standing = Vec::new();
        for (index, (_, key)) in self.keys.iter().enumerate() {
            if key != BACKSPACE {
                standing.push(index);
                continue;
            }
            typos[index] = true;
            if let Some(removed) = standing.pop() {
                typos[removed] = true;
            }
        }
        typos
    }

    /// Text that the segment leaves at its place.
    pub fn target(&self) -> String {
        let kept = self.keys.iter().zip(self.typos()).filter(|(_, typo)| !typo);
        kept.map(|((_, key), _)| key.as_str()).collect()
    }
}

impl Trace {
    /// Reads a trace and checks that it can be replayed.
    ///
    /// # Errors
    /// If the file cannot be read, is not a trace, or has a segment outside its file.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let trace: Self = serde_json::from_str(&text).with_context(|| format!("{} is not a trace", path.display()))?;
        trace.final_texts().with_context(|| format!("{} cannot be replayed", path.display()))?;
        Ok(trace)
    }

    /// Texts of all files after the last key.
    ///
    /// # Errors
    /// If a segment lies outside its file.
    pub fn final_texts(&self) -> Result<Vec<String>> {
        let mut texts: Vec<_> = self.files.iter().map(|file| file.text.clone()).collect();
        for (number, segment) in self.segments.iter().enumerate() {
            let text =
                texts.get_mut(segment.file).with_context(|| format!("segment {number} names no file of the trace"))?;
            let valid = text.is_char_boundary(segment.offset);
            ensure!(valid, "segment {number} begins outside its file or inside a character");
            text.insert_str(segment.offset, &segment.target());
        }
        Ok(texts)
    }

    /// Number of keys in all segments.
    pub fn key_count(&self) -> usize {
        self.segments.iter().map(|segment| segment.keys.len()).sum()
    }

    /// JSON with one line per file and per segment, which keeps diffs readable.
    ///
    /// # Errors
    /// If the trace cannot be serialized.
    pub fn to_json(&self) -> Result<String> {
        let files: Vec<_> = self.files.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        let segments: Vec<_> = self.segments.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        let separator = ",\n    ";
        Ok(format!(
            "{{\n  \"about\": {},\n  \"files\": [\n    {}\n  ],\n  \"stints\": [\n    {}\n  ]\n}}\n",
            serde_json::to_string(&self.command)?,
            files.join(separator),
            segments.join(separator)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(keys: &[&str]) -> TypingSegment {
        let keys = keys.iter().map(|key| (100, (*key).to_owned())).collect();
        TypingSegment { file: 0, offset: 0, delay_ms: 0, accepts_suggestions: true, keys }
    }

    #[test]
    fn a_typo_and_its_backspace_leave_nothing_behind() {
        let segment = segment(&["a", "x", "y", BACKSPACE, BACKSPACE, "b"]);
        assert_eq!(segment.target(), "ab");
        assert_eq!(segment.typos(), [false, true, true, true, true, false]);
    }

    #[test]
    fn a_segment_outside_its_file_is_rejected() {
        let mut trace = Trace {
            command: String::new(),
            files: vec![TraceFile { path: "a.py".into(), text: "ä".into() }],
            segments: vec![segment(&["b"])],
        };
        assert_eq!(trace.final_texts().expect("a good trace"), ["bä"]);
        for (file, offset) in [(1, 0), (0, 1), (0, 9)] {
            (trace.segments[0].file, trace.segments[0].offset) = (file, offset);
            assert!(trace.final_texts().is_err(), "{file} {offset}");
        }
    }

    #[test]
    fn a_trace_survives_a_round_trip_through_json() {
        let trace = Trace {
            command: "by hand".into(),
            files: vec![TraceFile { path: "a.py".into(), text: "x\n\"y\"\n".into() }],
            segments: vec![segment(&["b", "\n    "])],
        };
        let read: Trace = serde_json::from_str(&trace.to_json().expect("plain data")).expect("what was written");
        assert_eq!(read, trace);
    }
}
