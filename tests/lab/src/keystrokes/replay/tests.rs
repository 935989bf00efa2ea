//! Replays into a system that says what a list has.

use std::collections::VecDeque;

use foretype::trace::{BACKSPACE, TraceFile};
use super::super::system::ServerUsage;
use super::*;

/// Says at once for each key what a list has for it.
struct Script {
    says: VecDeque<&'static str>,
    texts: Vec<String>,
}

impl CompletionSystem for Script {
    fn key_pressed(&mut self, number: usize, desk: &SimulatedEditor, _: Option<&TextChange>) -> Result<Option<SuggestionUpdate>> {
        self.texts.push(desk.text().to_owned());
        let text = self.says.pop_front().unwrap_or_default();
        Ok(Some(SuggestionUpdate { stale: text == "stale", ..SuggestionUpdate::new(Instant::now(), number, text.to_owned()) }))
    }

    fn next_update(&mut self, until: Instant) -> Result<Option<SuggestionUpdate>> {
        std::thread::sleep(until.saturating_duration_since(Instant::now()));
        Ok(None)
    }

    fn usage(&mut self) -> Result<ServerUsage> {
        Ok(ServerUsage::default())
    }

    fn pid(&self) -> u32 {
        0
    }
}

fn run(keys: &[&str], says: &[&'static str], accepts: bool) -> (ReplayRun, Vec<String>) {
    let keys = keys.iter().map(|key| (10, (*key).to_owned())).collect();
    let trace = Trace {
        command: String::new(),
        files: vec![TraceFile { path: "a.py".into(), text: "\n".into() }],
        segments: vec![TypingSegment { file: 0, offset: 0, delay_ms: 0, accepts_suggestions: accepts, keys }],
    };
    let typist = Typist { reaction_time: Duration::from_millis(5), min_characters: 3, speed: 1.0 };
    let mut script = Script { says: says.iter().copied().collect(), texts: Vec::new() };
    let run = replay(&mut script, &trace, typist).expect("a script does not fail");
    (run, script.texts)
}

#[test]
fn a_right_suggestion_saves_the_keys_that_it_spells() {
    let keys = ["a", "b", "x", BACKSPACE, "c", "d", "\n", "e"];
    let (run, texts) = run(&keys, &["bcd"], true);
    assert_eq!(texts, ["a\n", "abcd\n", "abcd\n\n", "abcd\ne\n"]);
    assert_eq!((run.keys[1].accepted_characters, run.target_characters, run.keys.len()), (3, 6, 4));
}

#[test]
fn a_wrong_a_short_and_an_unwanted_suggestion_save_nothing() {
    for (says, accepts) in [("bcx", true), ("b", true), ("bcd", false)] {
        let (run, _) = run(&["a", "b", "c", "d"], &[says], accepts);
        assert_eq!(run.keys.len(), 4, "{says}");
        assert_eq!(run.keys[1].follows_suggestion, says != "b", "{says}");
    }
}

#[test]
fn text_nothing_and_what_is_stale_are_told_apart() {
    let (run, _) = run(&["a", "b", "c"], &["zz", "", "stale"], true);
    let [first, second, third] = &run.keys[..] else { panic!("three keys") };
    assert!(first.first_text_ms.is_some() && first.full_line_ms.is_some() && first.no_suggestion_ms.is_none());
    assert!(second.first_text_ms.is_none() && second.no_suggestion_ms.is_some());
    assert!(third.first_text_ms.is_none() && third.no_suggestion_ms.is_none());
    assert_eq!(run.stale, 1);
}
