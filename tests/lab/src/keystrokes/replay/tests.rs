//! Replays into a system with a list of prepared suggestions.

use std::collections::VecDeque;

use foretype::trace::{BACKSPACE, TraceFile};

use super::super::system::ServerUsage;
use super::*;

/// Suggests at once, key by key, what the list has next.
struct ScriptedSystem {
    suggestions: VecDeque<&'static str>,
    /// Text of the editor after each key.
    texts: Vec<String>,
}

impl CompletionSystem for ScriptedSystem {
    fn key_pressed(
        &mut self,
        key_number: usize,
        editor: &SimulatedEditor,
        _: Option<&TextChange>,
    ) -> Result<Option<SuggestionUpdate>> {
        self.texts.push(editor.text().to_owned());
        let text = self.suggestions.pop_front().unwrap_or_default();
        let update = SuggestionUpdate::new(Instant::now(), key_number, text.to_owned());
        Ok(Some(SuggestionUpdate { stale: text == "stale", ..update }))
    }

    fn next_update(&mut self, deadline: Instant) -> Result<Option<SuggestionUpdate>> {
        std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
        Ok(None)
    }

    fn usage(&mut self) -> Result<ServerUsage> {
        Ok(ServerUsage::default())
    }

    fn pid(&self) -> u32 {
        0
    }
}

/// Replays the keys. Returns the run and the texts of the editor after each key.
fn run(keys: &[&str], suggestions: &[&'static str], accepts_suggestions: bool) -> (ReplayRun, Vec<String>) {
    let keys = keys.iter().map(|key| (10, (*key).to_owned())).collect();
    let trace = Trace {
        command: String::new(),
        files: vec![TraceFile { path: "a.py".into(), text: "\n".into() }],
        segments: vec![TypingSegment { file: 0, offset: 0, delay_ms: 0, accepts_suggestions, keys }],
    };
    let typist = TypistProfile { reaction_time: Duration::from_millis(5), min_characters: 3, speed: 1.0 };
    let mut system = ScriptedSystem { suggestions: suggestions.iter().copied().collect(), texts: Vec::new() };
    let run = replay(&mut system, &trace, typist).expect("the scripted system does not fail");
    (run, system.texts)
}

#[test]
fn a_correct_suggestion_saves_the_keys_of_its_text() {
    let keys = ["a", "b", "x", BACKSPACE, "c", "d", "\n", "e"];
    let (run, texts) = run(&keys, &["bcd"], true);
    assert_eq!(texts, ["a\n", "abcd\n", "abcd\n\n", "abcd\ne\n"]);
    assert_eq!((run.keys[1].accepted_characters, run.target_characters, run.keys.len()), (3, 6, 4));
}

#[test]
fn wrong_short_and_unwanted_suggestions_save_no_keys() {
    for (suggestion, accepts) in [("bcx", true), ("b", true), ("bcd", false)] {
        let (run, _) = run(&["a", "b", "c", "d"], &[suggestion], accepts);
        assert_eq!(run.keys.len(), 4, "{suggestion}");
        assert_eq!(run.keys[1].follows_suggestion, suggestion != "b", "{suggestion}");
    }
}

#[test]
fn suggestions_empty_answers_and_stale_answers_are_recorded_separately() {
    let (run, _) = run(&["a", "b", "c"], &["zz", "", "stale"], true);
    let [first, second, third] = &run.keys[..] else { panic!("three keys") };
    assert!(first.first_text_ms.is_some() && first.full_line_ms.is_some() && first.no_suggestion_ms.is_none());
    assert!(second.first_text_ms.is_none() && second.no_suggestion_ms.is_some());
    assert!(third.first_text_ms.is_none() && third.no_suggestion_ms.is_none());
    assert_eq!(run.stale, 1);
}
