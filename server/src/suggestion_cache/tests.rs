//! Edits against what generations have written, and the completions that remain.

use foretype_model::{Event, FinishReason, Usage};
use foretype_plugins::Answer;

use super::*;

/// Text and byte offset of `▁` in it.
fn place(marked: &str) -> (Arc<str>, usize) {
    (marked.replace('▁', "").into(), marked.find('▁').expect("a cursor"))
}

fn write(generation: &Generation, text: &str) {
    generation.handle_event(Event::Text { candidate: 0, text: text.into(), logprob: -0.5 });
}

fn end(generation: &Generation) {
    let (reason, tokens) = (FinishReason::StopCondition, Vec::new());
    generation.handle_event(Event::Finished { candidate: 0, reason, tokens, confidence: -0.5 });
    generation.handle_event(Event::Done { usage: Usage::default() });
}

/// Result of the lookup of `▁` in `now`.
fn found(cache: &SuggestionCache, now: &str) -> Option<Lookup> {
    let (text, cursor) = place(now);
    cache.find(&text, cursor, 1).map(|(generation, cursor)| generation.lookup(&cursor))
}

/// Text of the first completion at `▁` in `now`.
fn text(cache: &SuggestionCache, now: &str) -> Option<String> {
    match found(cache, now)? {
        Lookup::Hit(answers) => answers.into_iter().next().map(|given| given.answer.text),
        _ => None,
    }
}

fn begin(cache: &mut SuggestionCache, base: &str, written: &str) -> Arc<Generation> {
    let (base, cursor) = place(base);
    let generation = cache.start(&base, cursor, 1);
    write(&generation, written);
    generation
}

/// A generation at `▁` in `base` that has written `written`: the result of looking up `▁` in `now`, and whether it
/// survives that edit.
fn check(base: &str, written: &str, over: bool, now: &str) -> (Option<Lookup>, bool) {
    let mut cache = SuggestionCache::default();
    let generation = begin(&mut cache, base, written);
    if over {
        end(&generation);
    }
    (found(&cache, now), generation.survives_edit(&place(now).0))
}

fn answer(text: &str, incomplete: bool) -> Option<Lookup> {
    answer_of(text, incomplete, -0.5)
}

fn answer_of(text: &str, incomplete: bool, logprob: f32) -> Option<Lookup> {
    let answer = Answer { text: text.into(), reached_end_token: false, confidence: -0.5 };
    Some(Lookup::Hit(vec![Completion { answer, candidate: 0, incomplete, shown: false, logprob }]))
}

#[test]
fn typing_into_a_suggestion_leaves_its_rest() {
    assert_eq!(check("x = ▁\n", "foo(1)", true, "x = ▁\n"), (answer("foo(1)", false), true));
    assert_eq!(check("x = ▁\n", "foo(1)", true, "x = fo▁\n"), (answer("o(1)", false), true));
    assert_eq!(check("x = ▁\n", "foo(1)", true, "x = foo(▁)\n"), (answer("1)", false), true));
    assert_eq!(check("a▁\nb", " {\r\n}", true, "a {\n▁\nb"), (answer("}", false), true));
}

#[test]
fn the_log_probability_covers_only_the_rest_of_a_suggestion() {
    let mut cache = SuggestionCache::default();
    let generation = begin(&mut cache, "x = ▁\n", "foo");
    generation.handle_event(Event::Text { candidate: 0, text: ".bar()".into(), logprob: -0.25 });
    end(&generation);
    let likelihood = |now: &str| match found(&cache, now) {
        Some(Lookup::Hit(given)) => given[0].logprob,
        other => panic!("{other:?}"),
    };
    assert_eq!((likelihood("x = ▁\n"), likelihood("x = fo▁\n"), likelihood("x = foo.▁\n")), (-0.75, -0.75, -0.25));
}

#[test]
fn the_latest_texts_are_kept_as_drafts() {
    let mut cache = SuggestionCache::default();
    for number in 0..20 {
        let (base, cursor) = place(&format!("{}▁\n", "x".repeat(number + 1)));
        write(&cache.start(&base, cursor, 1), &format!(" = {number}"));
    }
    let earlier = cache.recent_generations();
    assert_eq!(earlier.len(), 16);
    assert!(earlier[0].ends_with("x = 4") && earlier[15].ends_with("x = 19"), "{earlier:?}");
}

#[test]
fn each_candidate_is_complete_on_its_own() {
    let mut cache = SuggestionCache::default();
    let (base, cursor) = place("x = ▁\n");
    let generation = cache.start(&base, cursor, 2);
    for (candidate, text) in ["foo", "bar"].into_iter().enumerate() {
        generation.handle_event(Event::Text { candidate, text: text.into(), logprob: -0.5 });
    }
    generation.handle_event(Event::Finished {
        candidate: 0,
        reason: FinishReason::EndToken,
        tokens: Vec::new(),
        confidence: -0.5,
    });
    let Some(Lookup::Hit(given)) = found(&cache, "x = ▁\n") else { panic!("both have something") };
    let more: Vec<_> = given.iter().map(|given| (given.answer.text.as_str(), given.incomplete)).collect();
    assert_eq!(more, [("foo", false), ("bar", true)]);
    assert!(matches!(found(&cache, "x = fo▁\n"), Some(Lookup::Hit(given)) if !given[0].incomplete));
    assert_eq!(found(&cache, "x = foox▁\n"), None, "a finished candidate does not grow");
    assert_eq!(found(&cache, "x = bart▁\n"), Some(Lookup::Pending));
}

#[test]
fn typing_ahead_of_a_generation_waits_for_it() {
    assert_eq!(check("x = ▁", "fo", false, "x = foo▁"), (Some(Lookup::Pending), true));
    assert_eq!(check("x = ▁", "fo", false, "x = f▁"), (answer("o", true), true));
    assert_eq!(check("x = ▁", "fo", true, "x = foo▁").0, None);
}

#[test]
fn typing_something_else_is_a_miss() {
    assert_eq!(check("x = ▁\n", "foo", false, "x = b▁\n"), (None, false));
    assert_eq!(check("x = ▁\n", "foo", false, "y = ▁\n"), (None, false));
    assert_eq!(check("x = ▁\n", "foo", false, "x = ▁\nmore"), (None, false));
    assert_eq!(check("x = ▁", "foo", true, "x = foo▁").0, None);
}

#[test]
fn deleting_and_typing_again_is_answered_from_the_cache() {
    let mut cache = SuggestionCache::default();
    let bases: Vec<String> = (0..200).map(|number| format!("x{}", "y".repeat(number))).collect();
    for (number, base) in bases.iter().enumerate() {
        end(&begin(&mut cache, &format!("{base}▁\nrest"), &format!(" = {number}")));
    }
    for (number, base) in bases.iter().enumerate().rev() {
        assert_eq!(text(&cache, &format!("{base} =▁\nrest")), Some(format!(" {number}")));
    }
    assert_eq!(found(&cache, "z▁\nrest"), None);
    assert_eq!(found(&cache, "xy▁\nother"), None);
}

#[test]
fn the_cache_is_bounded_in_bytes_and_evicts_the_oldest() {
    let mut cache = SuggestionCache::default();
    let long = "long ".repeat(MAX_CACHED_BYTES / 50);
    for number in 0..10 {
        end(&begin(&mut cache, &format!("{number}▁"), &long));
    }
    let bytes: usize = cache.generations.iter().map(|generation| generation.size_bytes()).sum();
    assert!(bytes <= MAX_CACHED_BYTES + long.len() * 2, "{bytes}");
    assert_eq!((found(&cache, "0▁"), text(&cache, "9▁").map(|text| text.len())), (None, Some(long.len())));
    assert_eq!(cache.by_path.values().map(Vec::len).sum::<usize>(), cache.generations.len());
}

#[test]
fn distant_cursors_have_regions_of_their_own() {
    let mut cache = SuggestionCache::default();
    let far = "line\n".repeat(1000);
    end(&begin(&mut cache, &format!("a▁\n{far}b"), "1"));
    end(&begin(&mut cache, &format!("a\n{far}b▁"), "2"));
    assert_eq!(text(&cache, &format!("a▁\n{far}b")).as_deref(), Some("1"));
    assert_eq!(text(&cache, &format!("a\n{far}b▁")).as_deref(), Some("2"));
    assert_eq!(found(&cache, &format!("a▁\n{far}c")), None, "the text below has changed");
    for number in 0..10 {
        end(&begin(&mut cache, &format!("{number}\n{far}▁"), "x"));
    }
    assert_eq!(cache.regions.len(), MAX_REGIONS);
    assert!(
        cache
            .generations
            .iter()
            .all(|generation| { cache.regions.iter().any(|region| Arc::ptr_eq(region, &generation.origin().region)) })
    );
}

#[test]
fn a_cancelled_generation_is_a_miss() {
    let mut cache = SuggestionCache::default();
    let (base, cursor) = place("x▁");
    let generation = cache.start(&base, cursor, 1);
    cache.apply_edit("xy");
    assert!(!generation.is_cancelled(), "the model may write y");
    write(&generation, "z");
    cache.apply_edit("xy");
    assert!(generation.is_cancelled() && found(&cache, "x▁").is_none());
}

#[test]
fn a_shown_suggestion_takes_precedence_over_the_text() {
    let mut cache = SuggestionCache::default();
    let generation = begin(&mut cache, "x = ▁\n", "foo()\n\nbar");
    end(&generation);
    let (now, cursor) = place("x = f▁\n");
    let (_, cursor) = cache.find(&now, cursor, 1).expect("it fits");
    generation.record_shown(&cursor, 0, "oo( )");
    assert_eq!(text(&cache, "x = foo(▁\n").as_deref(), Some(" )"));
    assert_eq!(found(&cache, "x = foo( )▁\n"), None, "the trimmed text is not suggested again");
    assert!(generation.survives_edit("x = foo( \n"));
}

#[test]
fn a_prefetch_survives_while_its_suggestion_is_typed_or_accepted() {
    let ahead = |now: &str| {
        let mut cache = SuggestionCache::default();
        end(&begin(&mut cache, "x = ▁\n", "foo(1)"));
        let (text, cursor) = place("x = foo(1)▁\n");
        let prefetch = cache.start_prefetch(&text, cursor, "foo(1)".len()).expect("nothing else is running");
        assert!(cache.start_prefetch(&text, cursor, 6).is_none(), "it is already running");
        write(&prefetch, "; y");
        cache.apply_edit(&place(now).0);
        (!prefetch.is_cancelled(), text_of(&cache, now))
    };
    fn text_of(cache: &SuggestionCache, now: &str) -> Option<String> {
        text(cache, now)
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
fn a_prefetch_starts_when_nothing_else_is_running() {
    let mut cache = SuggestionCache::default();
    let generation = begin(&mut cache, "x = ▁\n", "foo");
    let (text, cursor) = place("x = foo▁\n");
    assert!(cache.start_prefetch(&text, cursor, 3).is_none());
    end(&generation);
    let first = cache.start_prefetch(&text, cursor, 3).expect("nothing else is running");
    let (text, cursor) = place("x = fox▁\n");
    assert!(cache.start_prefetch(&text, cursor, 3).is_some() && first.is_cancelled(), "one at a time");
}

#[test]
fn earlier_texts_become_drafts() {
    let drafts = |now: &str, change: &dyn Fn(&mut SuggestionCache)| {
        let mut cache = SuggestionCache::default();
        end(&begin(&mut cache, "total = ▁\n", "price * count"));
        change(&mut cache);
        let (text, cursor) = place(now);
        let generation = cache.insert(&text, cursor, 1, None);
        cache.likely_completions(generation.origin())
    };
    assert_eq!(drafts("total = pri▁\n", &|_| {}), ["ce * count"]);
    assert_eq!(drafts("total = pri▁\n", &SuggestionCache::invalidate), ["ce * count"]);
    assert_eq!(drafts("import x\ntotal = ▁\n", &SuggestionCache::invalidate), ["price * count"]);
    assert!(drafts("other = ▁\n", &SuggestionCache::invalidate).is_empty());
}

#[test]
fn a_generation_is_not_cancelled_while_a_request_waits_for_it() {
    let (base, cursor) = place("x▁");
    let generation = SuggestionCache::default().start(&base, cursor, 1);
    assert!(generation.is_cancelled(), "the cache is dropped with the document");
    let mut cache = SuggestionCache::default();
    let generation = cache.start(&base, cursor, 1);
    let first = generation.subscribe();
    assert!(first.is_some() && generation.unsubscribe(), "no request is left");
    assert!(generation.subscribe().is_some(), "another request arrives in time");
    generation.cancel_if_unsubscribed();
    assert!(!generation.is_cancelled());
    assert!(generation.unsubscribe());
    generation.cancel_if_unsubscribed();
    assert!(generation.is_cancelled() && generation.subscribe().is_none(), "too late");
}

#[test]
fn the_displayable_prefix_ends_at_a_line_or_a_word() {
    assert_eq!(displayable_prefix("a + b\n    retu"), "a + b");
    assert_eq!(displayable_prefix("print(hel"), "print(");
    assert_eq!(displayable_prefix("\nret"), "\n");
}

/// `cargo test -p foretype --lib -- --ignored --nocapture a_key_in_a_large_file` prints the cost of a key in the cache.
#[test]
#[ignore = "a measurement"]
fn a_key_in_a_large_file_that_types_into_a_suggestion() {
    let half = "    some_value = another_value + 1  # a line\n".repeat(5000);
    let mut cache = SuggestionCache::default();
    for number in 0..500 {
        end(&begin(&mut cache, &format!("{half}x{}▁\n{half}", "y".repeat(number)), &format!(" = {number}")));
    }
    let (base, cursor) = place(&format!("{half}▁\n{half}"));
    let generation = cache.start(&base, cursor, 1);
    let written = "result = compute(first, second)";
    write(&generation, written);
    end(&generation);
    let mut times = Vec::new();
    for typed in 1..written.len() {
        let text: Arc<str> = [&half, &written[..typed], "\n", &half].concat().into();
        let started = Instant::now();
        cache.apply_edit(&text);
        let found = cache.find(&text, cursor + typed, 1);
        times.push(started.elapsed());
        assert!(found.is_some());
    }
    times.sort_unstable();
    println!(
        "{} bytes, {} generations: median {:?}, most {:?}",
        base.len(),
        cache.generations.len(),
        times[15],
        times[29]
    );
}

#[test]
fn a_detached_generation_serves_only_those_who_wait_for_it() {
    let mut cache = SuggestionCache::default();
    let generation = begin(&mut cache, "x = ▁\n", "foo");
    generation.subscribe().expect("it is running");
    cache.invalidate();
    assert!(generation.is_running());
    assert_eq!(found(&cache, "x = ▁\n"), None);
    write(&generation, "(1)");
    end(&generation);
    assert_eq!(Some(generation.lookup(generation.origin())), answer_of("foo(1)", false, -1.0));
}

#[test]
fn a_detached_generation_is_cancelled_when_nobody_waits() {
    let mut cache = SuggestionCache::default();
    let waited_for = begin(&mut cache, "x = ▁\n", "foo");
    waited_for.subscribe().expect("it is running");
    cache.invalidate();
    assert!(waited_for.unsubscribe() && waited_for.is_cancelled());
    let unawaited = begin(&mut cache, "x = ▁\n", "foo");
    cache.invalidate();
    assert!(unawaited.is_cancelled());
}
