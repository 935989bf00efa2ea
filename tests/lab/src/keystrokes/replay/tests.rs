//! Replays into a system that says what a list has.

use std::collections::VecDeque;

use super::super::super::trace::{BACKSPACE, File};
use super::super::system::Costs;
use super::*;

/// Says at once for each key what a list has for it.
struct Script {
    says: VecDeque<&'static str>,
    texts: Vec<String>,
}

impl System for Script {
    fn key(&mut self, number: usize, desk: &Desk, _: Option<&Change>) -> Result<Option<Said>> {
        self.texts.push(desk.text().to_owned());
        let text = self.says.pop_front().unwrap_or_default();
        Ok(Some(Said { stale: text == "stale", ..Said::new(Instant::now(), number, text.to_owned()) }))
    }

    fn listen(&mut self, until: Instant) -> Result<Option<Said>> {
        std::thread::sleep(until.saturating_duration_since(Instant::now()));
        Ok(None)
    }

    fn costs(&mut self) -> Result<Costs> {
        Ok(Costs::default())
    }

    fn pid(&self) -> u32 {
        0
    }
}

fn run(keys: &[&str], says: &[&'static str], accepts: bool) -> (Run, Vec<String>) {
    let keys = keys.iter().map(|key| (10, (*key).to_owned())).collect();
    let trace = Trace {
        about: String::new(),
        files: vec![File { path: "a.py".into(), text: "\n".into() }],
        stints: vec![Stint { file: 0, offset: 0, wait: 0, accepts, keys }],
    };
    let typist = Typist { reaction: Duration::from_millis(5), shortest: 3, speed: 1.0 };
    let mut script = Script { says: says.iter().copied().collect(), texts: Vec::new() };
    let run = replay(&mut script, &trace, typist).expect("a script does not fail");
    (run, script.texts)
}

#[test]
fn a_right_suggestion_saves_the_keys_that_it_spells() {
    let keys = ["a", "b", "x", BACKSPACE, "c", "d", "\n", "e"];
    let (run, texts) = run(&keys, &["bcd"], true);
    assert_eq!(texts, ["a\n", "abcd\n", "abcd\n\n", "abcd\ne\n"]);
    assert_eq!((run.keys[1].taken, run.wanted, run.keys.len()), (3, 6, 4));
}

#[test]
fn a_wrong_a_short_and_an_unwanted_suggestion_save_nothing() {
    for (says, accepts) in [("bcx", true), ("b", true), ("bcd", false)] {
        let (run, _) = run(&["a", "b", "c", "d"], &[says], accepts);
        assert_eq!(run.keys.len(), 4, "{says}");
        assert_eq!(run.keys[1].followed, says != "b", "{says}");
    }
}

#[test]
fn text_nothing_and_what_is_stale_are_told_apart() {
    let (run, _) = run(&["a", "b", "c"], &["zz", "", "stale"], true);
    let [first, second, third] = &run.keys[..] else { panic!("three keys") };
    assert!(first.first.is_some() && first.full.is_some() && first.nothing.is_none());
    assert!(second.first.is_none() && second.nothing.is_some());
    assert!(third.first.is_none() && third.nothing.is_none());
    assert_eq!(run.stale, 1);
}
