//! What is typed, what was written, and what there is then.

use foretype_model::{Event, FinishReason, Usage};
use foretype_plugins::Answer;

use super::*;

/// A text and the place of `▁` in it.
fn place(marked: &str) -> (Arc<str>, usize) {
    (marked.replace('▁', "").into(), marked.find('▁').expect("a cursor"))
}

fn write(generation: &Generation, text: &str) {
    generation.on(Event::Text { candidate: 0, text: text.into(), logprob: -0.5 });
}

fn end(generation: &Generation) {
    let (reason, tokens) = (FinishReason::Until, Vec::new());
    generation.on(Event::Finished { candidate: 0, reason, tokens, confidence: -0.5 });
    generation.on(Event::Done { usage: Usage::default() });
}

/// What there is for `▁` in `now`.
fn found(shown: &Shown, now: &str) -> Option<Rest> {
    let (text, cursor) = place(now);
    shown.find(&text, cursor, 1).map(|(generation, spot)| generation.rest(&spot))
}

/// The text of the only answer for `▁` in `now`.
fn text(shown: &Shown, now: &str) -> Option<String> {
    match found(shown, now)? {
        Rest::Answers(answers) => answers.into_iter().next().map(|given| given.answer.text),
        _ => None,
    }
}

fn begin(shown: &mut Shown, base: &str, written: &str) -> Arc<Generation> {
    let (base, cursor) = place(base);
    let generation = shown.begin(&base, cursor, 1);
    write(&generation, written);
    generation
}

/// A run at `▁` in `base` that has written `written`; what it has for `▁` in `now`, and whether it is of use there.
fn check(base: &str, written: &str, over: bool, now: &str) -> (Option<Rest>, bool) {
    let mut shown = Shown::default();
    let generation = begin(&mut shown, base, written);
    if over {
        end(&generation);
    }
    (found(&shown, now), generation.follows(&place(now).0))
}

fn answer(text: &str, more: bool) -> Option<Rest> {
    answer_of(text, more, -0.5)
}

fn answer_of(text: &str, more: bool, likelihood: f32) -> Option<Rest> {
    let answer = Answer { text: text.into(), ended: false, confidence: -0.5 };
    Some(Rest::Answers(vec![Given { answer, candidate: 0, more, shown: false, likelihood }]))
}

#[test]
fn typing_into_the_suggestion_leaves_its_rest() {
    assert_eq!(check("x = ▁\n", "foo(1)", true, "x = ▁\n"), (answer("foo(1)", false), true));
    assert_eq!(check("x = ▁\n", "foo(1)", true, "x = fo▁\n"), (answer("o(1)", false), true));
    assert_eq!(check("x = ▁\n", "foo(1)", true, "x = foo(▁)\n"), (answer("1)", false), true));
    assert_eq!(check("a▁\r\nb", " {\r\n}", true, "a {\r\n▁\r\nb"), (answer("}", false), true));
}

#[test]
fn a_suggestion_becomes_likelier_as_it_is_typed_into() {
    let mut shown = Shown::default();
    let generation = begin(&mut shown, "x = ▁\n", "foo");
    generation.on(Event::Text { candidate: 0, text: ".bar()".into(), logprob: -0.25 });
    end(&generation);
    let likelihood = |now: &str| match found(&shown, now) {
        Some(Rest::Answers(given)) => given[0].likelihood,
        other => panic!("{other:?}"),
    };
    assert_eq!((likelihood("x = ▁\n"), likelihood("x = fo▁\n"), likelihood("x = foo.▁\n")), (-0.75, -0.75, -0.25));
}

#[test]
fn what_the_latest_runs_wrote_is_at_hand_for_drafts() {
    let mut shown = Shown::default();
    for number in 0..20 {
        let (base, cursor) = place(&format!("{}▁\n", "x".repeat(number + 1)));
        write(&shown.begin(&base, cursor, 1), &format!(" = {number}"));
    }
    let earlier = shown.earlier();
    assert_eq!(earlier.len(), 16);
    assert!(earlier[0].ends_with("x = 4") && earlier[15].ends_with("x = 19"), "{earlier:?}");
}

#[test]
fn each_candidate_says_for_itself_whether_more_will_come() {
    let mut shown = Shown::default();
    let (base, cursor) = place("x = ▁\n");
    let generation = shown.begin(&base, cursor, 2);
    for (candidate, text) in ["foo", "bar"].into_iter().enumerate() {
        generation.on(Event::Text { candidate, text: text.into(), logprob: -0.5 });
    }
    generation.on(Event::Finished { candidate: 0, reason: FinishReason::End, tokens: Vec::new(), confidence: -0.5 });
    let Some(Rest::Answers(given)) = found(&shown, "x = ▁\n") else { panic!("both have something") };
    let more: Vec<_> = given.iter().map(|given| (given.answer.text.as_str(), given.more)).collect();
    assert_eq!(more, [("foo", false), ("bar", true)]);
    assert!(matches!(found(&shown, "x = fo▁\n"), Some(Rest::Answers(given)) if !given[0].more));
    assert_eq!(found(&shown, "x = foox▁\n"), None, "what has ended does not go on");
    assert_eq!(found(&shown, "x = bart▁\n"), Some(Rest::Wait));
}

#[test]
fn typing_ahead_of_a_run_waits_for_it() {
    assert_eq!(check("x = ▁", "fo", false, "x = foo▁"), (Some(Rest::Wait), true));
    assert_eq!(check("x = ▁", "fo", false, "x = f▁"), (answer("o", true), true));
    assert_eq!(check("x = ▁", "fo", true, "x = foo▁").0, None);
}

#[test]
fn typing_something_else_ends_it() {
    assert_eq!(check("x = ▁\n", "foo", false, "x = b▁\n"), (None, false));
    assert_eq!(check("x = ▁\n", "foo", false, "y = ▁\n"), (None, false));
    assert_eq!(check("x = ▁\n", "foo", false, "x = ▁\nmore"), (None, false));
    assert_eq!(check("x = ▁", "foo", true, "x = foo▁").0, None);
}

#[test]
fn deleting_and_typing_again_is_answered_from_what_was_written_however_long_ago() {
    let mut shown = Shown::default();
    let bases: Vec<String> = (0..200).map(|number| format!("x{}", "y".repeat(number))).collect();
    for (number, base) in bases.iter().enumerate() {
        end(&begin(&mut shown, &format!("{base}▁\nrest"), &format!(" = {number}")));
    }
    for (number, base) in bases.iter().enumerate().rev() {
        assert_eq!(text(&shown, &format!("{base} =▁\nrest")), Some(format!(" {number}")));
    }
    assert_eq!(found(&shown, "z▁\nrest"), None);
    assert_eq!(found(&shown, "xy▁\nother"), None);
}

#[test]
fn what_is_kept_is_bounded_in_bytes_and_the_oldest_goes_first() {
    let mut shown = Shown::default();
    let long = "long ".repeat(KEPT / 50);
    for number in 0..10 {
        end(&begin(&mut shown, &format!("{number}▁"), &long));
    }
    let bytes: usize = shown.order.iter().map(|generation| generation.bytes()).sum();
    assert!(bytes <= KEPT + long.len() * 2, "{bytes}");
    assert_eq!((found(&shown, "0▁"), text(&shown, "9▁").map(|text| text.len())), (None, Some(long.len())));
    assert_eq!(shown.runs.values().map(Vec::len).sum::<usize>(), shown.order.len());
}

#[test]
fn places_far_apart_have_stretches_of_their_own() {
    let mut shown = Shown::default();
    let far = "line\n".repeat(1000);
    end(&begin(&mut shown, &format!("a▁\n{far}b"), "1"));
    end(&begin(&mut shown, &format!("a\n{far}b▁"), "2"));
    assert_eq!(text(&shown, &format!("a▁\n{far}b")).as_deref(), Some("1"));
    assert_eq!(text(&shown, &format!("a\n{far}b▁")).as_deref(), Some("2"));
    assert_eq!(found(&shown, &format!("a▁\n{far}c")), None, "the text below has changed");
    (0..10).for_each(|number| end(&begin(&mut shown, &format!("{number}\n{far}▁"), "x")));
    assert_eq!(shown.frames.len(), FRAMES);
    assert!(shown.order.iter().all(|run| shown.frames.iter().any(|frame| Arc::ptr_eq(frame, &run.spot().frame))));
}

#[test]
fn a_run_that_was_stopped_has_nothing() {
    let mut shown = Shown::default();
    let (base, cursor) = place("x▁");
    let generation = shown.begin(&base, cursor, 1);
    shown.edited("xy");
    assert!(!generation.is_cancelled(), "y may be what comes");
    write(&generation, "z");
    shown.edited("xy");
    assert!(generation.is_cancelled() && found(&shown, "x▁").is_none());
}

#[test]
fn what_was_shown_is_what_is_typed_into() {
    let mut shown = Shown::default();
    let generation = begin(&mut shown, "x = ▁\n", "foo()\n\nbar");
    end(&generation);
    let (now, cursor) = place("x = f▁\n");
    let (_, spot) = shown.find(&now, cursor, 1).expect("it fits");
    generation.showed(&spot, 0, "oo( )");
    assert_eq!(text(&shown, "x = foo(▁\n").as_deref(), Some(" )"));
    assert_eq!(found(&shown, "x = foo( )▁\n"), None, "what was cut off is not worth more now");
    assert!(generation.follows("x = foo( \n"));
}

#[test]
fn a_run_ahead_lives_while_the_suggestion_before_it_is_typed_or_taken() {
    let ahead = |now: &str| {
        let mut shown = Shown::default();
        end(&begin(&mut shown, "x = ▁\n", "foo(1)"));
        let (text, cursor) = place("x = foo(1)▁\n");
        let run = shown.begin_ahead(&text, cursor, "foo(1)".len()).expect("nothing else runs");
        assert!(shown.begin_ahead(&text, cursor, 6).is_none(), "it runs already");
        write(&run, "; y");
        shown.edited(&place(now).0);
        (!run.is_cancelled(), text_of(&shown, now))
    };
    fn text_of(shown: &Shown, now: &str) -> Option<String> {
        text(shown, now)
    }
    assert_eq!(ahead("x = fo▁\n"), (true, Some("o(1)".into())));
    assert_eq!(ahead("x = foo(▁)\n"), (true, Some("1)".into())));
    assert_eq!(ahead("x = foo(1)▁\n"), (true, Some("; y".into())));
    assert_eq!(ahead("x = foo(1);▁\n"), (true, Some(" y".into())));
    assert_eq!(ahead("x = fa▁\n"), (false, None));
    assert_eq!(ahead("x =▁\n"), (false, None));
    assert_eq!(ahead("x = ▁\n#"), (false, None));
}

#[test]
fn a_run_ahead_waits_until_nothing_else_runs() {
    let mut shown = Shown::default();
    let generation = begin(&mut shown, "x = ▁\n", "foo");
    let (text, cursor) = place("x = foo▁\n");
    assert!(shown.begin_ahead(&text, cursor, 3).is_none());
    end(&generation);
    let first = shown.begin_ahead(&text, cursor, 3).expect("nothing else runs");
    let (text, cursor) = place("x = fox▁\n");
    assert!(shown.begin_ahead(&text, cursor, 3).is_some() && first.is_cancelled(), "one at a time");
}

#[test]
fn what_was_written_before_is_likely_to_come_again() {
    let drafts = |now: &str, change: &dyn Fn(&mut Shown)| {
        let mut shown = Shown::default();
        end(&begin(&mut shown, "total = ▁\n", "price * count"));
        change(&mut shown);
        let (text, cursor) = place(now);
        let spot = shown.keep(&text, cursor, 1, None).spot().clone();
        shown.drafts(&spot)
    };
    assert_eq!(drafts("total = pri▁\n", &|_| {}), ["ce * count"]);
    assert_eq!(drafts("total = pri▁\n", &Shown::forget), ["ce * count"]);
    assert_eq!(drafts("import x\ntotal = ▁\n", &Shown::forget), ["price * count"]);
    assert!(drafts("other = ▁\n", &Shown::forget).is_empty());
}

#[test]
fn a_run_that_somebody_waits_for_is_not_stopped_by_one_who_left() {
    let (base, cursor) = place("x▁");
    let generation = Shown::default().begin(&base, cursor, 1);
    assert!(generation.is_cancelled(), "what was shown went with the document");
    let mut shown = Shown::default();
    let generation = shown.begin(&base, cursor, 1);
    let first = generation.wait();
    assert!(first.is_some() && generation.abandon(), "nobody is left");
    assert!(generation.wait().is_some(), "somebody comes in time");
    generation.cancel_if_abandoned();
    assert!(!generation.is_cancelled());
    assert!(generation.abandon());
    generation.cancel_if_abandoned();
    assert!(generation.is_cancelled() && generation.wait().is_none(), "too late");
}

#[test]
fn the_complete_part_ends_at_a_line_or_a_word() {
    assert_eq!(complete_part("a + b\n    retu"), "a + b");
    assert_eq!(complete_part("print(hel"), "print(");
    assert_eq!(complete_part("\nret"), "\n");
}

/// `cargo test -p foretype --lib -- --ignored --nocapture a_key_in_a_large_file` prints what a key costs here.
#[test]
#[ignore = "a measurement"]
fn a_key_in_a_large_file_that_follows_what_was_shown() {
    let half = "    some_value = another_value + 1  # a line\n".repeat(5000);
    let mut shown = Shown::default();
    for number in 0..500 {
        end(&begin(&mut shown, &format!("{half}x{}▁\n{half}", "y".repeat(number)), &format!(" = {number}")));
    }
    let (base, cursor) = place(&format!("{half}▁\n{half}"));
    let generation = shown.begin(&base, cursor, 1);
    let written = "result = compute(first, second)";
    write(&generation, written);
    end(&generation);
    let mut times = Vec::new();
    for typed in 1..written.len() {
        let text: Arc<str> = [&half, &written[..typed], "\n", &half].concat().into();
        let started = Instant::now();
        shown.edited(&text);
        let found = shown.find(&text, cursor + typed, 1);
        times.push(started.elapsed());
        assert!(found.is_some());
    }
    times.sort_unstable();
    println!("{} bytes, {} runs: median {:?}, most {:?}", base.len(), shown.order.len(), times[15], times[29]);
}

#[test]
fn a_run_that_is_forgotten_writes_on_for_those_who_wait_and_for_nobody_else() {
    let mut shown = Shown::default();
    let generation = begin(&mut shown, "x = ▁\n", "foo");
    generation.wait().expect("it runs");
    shown.forget();
    assert!(generation.runs());
    assert_eq!(found(&shown, "x = ▁\n"), None);
    write(&generation, "(1)");
    end(&generation);
    let spot = generation.spot().clone();
    assert_eq!(Some(generation.rest(&spot)), answer_of("foo(1)", false, -1.0));
}

#[test]
fn a_run_that_is_forgotten_stops_when_nobody_waits() {
    let mut shown = Shown::default();
    let heard = begin(&mut shown, "x = ▁\n", "foo");
    heard.wait().expect("it runs");
    shown.forget();
    assert!(heard.abandon() && heard.is_cancelled());
    let unheard = begin(&mut shown, "x = ▁\n", "foo");
    shown.forget();
    assert!(unheard.is_cancelled());
}
