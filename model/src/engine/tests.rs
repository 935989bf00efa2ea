//! Laws of the engine: outputs do not depend on the cache, on the batch, or on the order of jobs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, OnceLock};

use foretype_plugins::{Part, PartSource, Prompt};
use parking_lot::Mutex;
use proptest::prelude::*;

mod partial_steps;
mod scheduling;
mod speculation;

use super::*;
use crate::decoder::{Logits, LogitsRequest, LogitsRow};
use crate::kv::{KvBatch, KvCache};
use crate::{Config, Decoder, ForwardError, SamplingParams, Tokenizer};

const WORDS: &[&str] = &["ret", "return", " return", "turn", " x", "foo"];
const SPECIALS: &[&str] = &["<|endoftext|>", "<|fim_middle|>"];

fn model() -> Arc<Model> {
    static MODEL: OnceLock<Arc<Model>> = OnceLock::new();
    MODEL
        .get_or_init(|| {
            Arc::new(Model {
                decoder: Decoder::random(&Config::tiny(), 7).expect("a tiny model"),
                tokenizer: Tokenizer::byte_level(WORDS, SPECIALS).into(),
                chat_template: None,
                name: "tiny".into(),
                path: "tiny".into(),
                bytes: 0,
                adapter: None,
            })
        })
        .clone()
}

fn engine() -> Engine {
    Engine::start(model(), EngineOptions { kv_bytes: 64 << 20, ..EngineOptions::default() })
}

fn prompt(text: &str) -> Prompt {
    Prompt { parts: vec![Part::text(text, PartSource::Prefix)], ..Prompt::default() }
}

fn healed(text: &str) -> Prompt {
    Prompt { heal: true, ..prompt(text) }
}

fn job(prompt: Prompt) -> Job {
    Job { prompt, max_tokens: 12, candidates: 1, ..Job::default() }
}

/// The events of a job, put together.
#[derive(Debug, Clone, PartialEq)]
struct JobOutcome {
    texts: Vec<String>,
    tokens: Vec<Vec<TokenInfo>>,
    reasons: Vec<FinishReason>,
    evaluated: usize,
    reused: usize,
    drafted: usize,
    accepted: usize,
}

/// Collects all events of a job up to `Done`. Panics if a candidate ends twice or never.
fn collect(events: &Receiver<Event>, candidates: usize) -> JobOutcome {
    let mut texts = vec![String::new(); candidates];
    let mut ends = vec![None; candidates];
    for event in events {
        match event {
            Event::Prefilled { .. } => {}
            Event::Text { candidate, text, .. } => {
                assert!(ends[candidate].is_none(), "text after the end");
                texts[candidate].push_str(&text);
            }
            Event::Finished { candidate, reason, tokens, .. } => {
                assert!(ends[candidate].replace((reason, tokens)).is_none(), "outcome twice");
            }
            Event::Done { usage } => {
                let ends = ends.into_iter().map(|end| end.expect("every candidate ends before its job"));
                let (reasons, tokens) = ends.unzip();
                let Usage { evaluated, reused, drafted, accepted, .. } = usage;
                return JobOutcome { texts, tokens, reasons, evaluated, reused, drafted, accepted };
            }
        }
    }
    panic!("the engine dropped a job without Done");
}

fn submit(engine: &Engine, job: Job) -> (Ticket, Receiver<Event>, usize) {
    let (send, receive) = channel();
    let candidates = job.candidates;
    let ticket = engine.submit(job, move |event| drop(send.send(event)));
    (ticket, receive, candidates)
}

fn run(engine: &Engine, job: Job) -> JobOutcome {
    let (_ticket, events, candidates) = submit(engine, job);
    let outcome = collect(&events, candidates);
    assert!(events.recv().is_err(), "an event after Done");
    outcome
}

/// The texts and tokens of a job, without its usage, and log-probabilities as bits.
fn output_bits(outcome: &JobOutcome) -> (Vec<String>, Vec<Vec<(String, u32)>>) {
    let bits = |tokens: &Vec<TokenInfo>| tokens.iter().map(|t| (t.text.clone(), t.logprob.to_bits())).collect();
    (outcome.texts.clone(), outcome.tokens.iter().map(bits).collect())
}

/// Runs one step that adds tokens to several caches. Returns the logits of all rows as bits.
fn step(caches: &mut [(&mut KvCache, &[u32])]) -> Vec<Vec<u32>> {
    step_on_threads(caches, false)
}

/// Runs the same step on one thread or on all.
fn step_on_threads(caches: &mut [(&mut KvCache, &[u32])], single_threaded: bool) -> Vec<Vec<u32>> {
    let (mut tokens, mut positions) = (Vec::new(), Vec::new());
    for (cache, new) in caches.iter_mut() {
        cache.reserve(new.len());
        positions.extend((0..new.len()).map(|row| (cache.length() + row) as u32));
        tokens.extend_from_slice(new);
    }
    let spans = caches.iter_mut().map(|(cache, new)| (&mut **cache, new.len())).collect();
    let logits_rows: Vec<usize> = (0..tokens.len()).collect();
    let model = model();
    let mut kv_batch = KvBatch { single_threaded, ..KvBatch::new(spans, model.decoder.config().heads) };
    let mut logits = Logits::default();
    model
        .decoder
        .step(&tokens, &positions, LogitsRequest::all_full(&logits_rows), &mut kv_batch, &|| false, &mut logits)
        .expect("a step");
    for (cache, new) in caches.iter_mut() {
        cache.commit(new.len());
    }
    logits_rows.iter().map(|row| logits.row(*row).values.iter().map(|logit| logit.to_bits()).collect()).collect()
}

fn cache() -> KvCache {
    KvCache::new(model().decoder.config())
}

fn tokens() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(0u32..256, 2..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn reused_kv_gives_the_same_bits_as_a_fresh_run(
        tokens in tokens(), other in tokens(), at in any::<prop::sample::Index>(), cut in any::<prop::sample::Index>(),
    ) {
        let fresh = step(&mut [(&mut cache(), &tokens)]);
        let at = 1 + at.index(tokens.len() - 1);
        let mut reused = cache();
        // The shared prefix was followed by other tokens before, and the rest comes in two chunks.
        step(&mut [(&mut reused, &tokens[..at])]);
        step(&mut [(&mut reused, &other)]);
        reused.truncate(at);
        let mut copy = reused.fork(at);
        let cut = at + cut.index(tokens.len() - at + 1);
        let mut rows = Vec::new();
        for piece in [&tokens[at..cut], &tokens[cut..]].into_iter().filter(|piece| !piece.is_empty()) {
            rows.extend(step(&mut [(&mut reused, piece)]));
        }
        prop_assert!(rows == fresh[at..], "truncated");
        if at < tokens.len() {
            prop_assert!(step(&mut [(&mut copy, &tokens[at..])]) == fresh[at..], "forked");
        }
    }

    #[test]
    fn a_row_does_not_depend_on_the_rest_of_the_batch(sequences in prop::collection::vec(tokens(), 2..5)) {
        let alone: Vec<_> = sequences.iter().flat_map(|tokens| step(&mut [(&mut cache(), tokens)])).collect();
        let mut caches: Vec<_> = sequences.iter().map(|_| cache()).collect();
        let mut spans: Vec<_> = caches.iter_mut().zip(&sequences).map(|(cache, tokens)| (cache, &tokens[..])).collect();
        prop_assert!(step(&mut spans) == alone);
    }

    #[test]
    fn one_thread_computes_the_same_bits_as_all_threads(tokens in tokens()) {
        prop_assert!(step_on_threads(&mut [(&mut cache(), &tokens)], true) == step(&mut [(&mut cache(), &tokens)]));
    }

    #[test]
    fn logits_computed_after_the_step_have_the_same_bits(
        tokens in tokens(), ids in prop::collection::vec(0u32..400, 0..60),
    ) {
        let whole = step(&mut [(&mut cache(), &tokens)]);
        let decoder = &model().decoder;
        let (mut kept, mut logits) = (cache(), Logits::default());
        kept.reserve(tokens.len());
        let rows = [tokens.len() - 1, 0, tokens.len() / 2];
        let request = LogitsRequest { rows: &rows, full: 1, argmax: 1 };
        let positions: Vec<u32> = (0..tokens.len() as u32).collect();
        let mut kv_batch = KvBatch::new(vec![(&mut kept, tokens.len())], decoder.config().heads);
        decoder.step(&tokens, &positions, request, &mut kv_batch, &|| false, &mut logits).expect("a step");
        let bits = |logits: &[f32]| -> Vec<u32> { logits.iter().map(|logit| logit.to_bits()).collect() };
        for (at, row) in rows.into_iter().enumerate() {
            prop_assert_eq!(logits.row(at).values.is_empty(), at > 0);
            prop_assert_eq!(logits.row(at).argmax.is_some(), at < 2);
            let state = LogitsRow { hidden_state: logits.row(at).hidden_state, ..LogitsRow::default() };
            prop_assert_eq!(&bits(&decoder.all_logits(&state)), &whole[row]);
            let computed = decoder.logits_of(&state, &ids, false).into_iter();
            let computed: Vec<(u32, u32)> = computed.map(|(id, logit)| (id, logit.to_bits())).collect();
            let inside = ids.iter().filter(|id| (**id as usize) < whole[row].len());
            prop_assert_eq!(computed, inside.map(|id| (*id, whole[row][*id as usize])).collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_aborted_step_leaves_the_sequence_usable(tokens in tokens(), lost in tokens(), layers in 0usize..2) {
        let mut kept = cache();
        let at = tokens.len() / 2;
        step(&mut [(&mut kept, &tokens[..at])]);
        kept.reserve(lost.len());
        let positions: Vec<u32> = (0..lost.len()).map(|row| (at + row) as u32).collect();
        let checks = AtomicUsize::new(0);
        let abort = || checks.fetch_add(1, Ordering::Relaxed) == layers;
        let mut aborted = KvBatch::new(vec![(&mut kept, lost.len())], model().decoder.config().heads);
        let (request, mut logits) = (LogitsRequest::all_full(&[0]), Logits::default());
        let outcome = model().decoder.step(&lost, &positions, request, &mut aborted, &abort, &mut logits);
        prop_assert!(matches!(outcome, Err(ForwardError::Aborted)));
        prop_assert!(checks.into_inner() == layers + 1, "the flag is read once before each layer");
        let fresh = step(&mut [(&mut cache(), &tokens)]);
        prop_assert!(step(&mut [(&mut kept, &tokens[at..])]) == fresh[at..]);
    }

    #[test]
    fn earlier_jobs_do_not_change_the_output(
        texts in prop::collection::vec("[a-c ]{1,12}", 1..6), heal in any::<bool>(),
    ) {
        let old = engine();
        for text in texts {
            let ask = |engine: &Engine| run(engine, job(Prompt { heal, ..prompt(&text) }));
            prop_assert_eq!(output_bits(&ask(&old)), output_bits(&ask(&engine())));
        }
    }

    #[test]
    fn concurrent_jobs_do_not_change_the_output(texts in prop::collection::vec("[a-c ]{1,12}", 2..6)) {
        let alone: Vec<_> = texts.iter().map(|text| output_bits(&run(&engine(), job(prompt(text))))).collect();
        let shared = engine();
        let submitted: Vec<_> = texts.iter().map(|text| submit(&shared, job(prompt(text)))).collect();
        let together: Vec<_> = submitted.iter().map(|(_, events, n)| output_bits(&collect(events, *n))).collect();
        prop_assert_eq!(together, alone);
    }

    #[test]
    fn every_job_ends_exactly_once(
        jobs in prop::collection::vec((0usize..6, 0usize..4, 0usize..6, any::<bool>(), any::<bool>()), 1..12),
        stops in any::<bool>(),
    ) {
        let engine = engine();
        let mut submitted = Vec::new();
        for (kind, candidates, max_tokens, background, drops) in jobs {
            let long = "long ".repeat(200);
            let text = ["", "a", "return", &long, "ü𝄞", "x = "][kind];
            let mut parts = vec![Part::text(text, PartSource::Prefix)];
            if kind == 1 {
                parts.push(Part::special("<|nothing|>"));
            }
            let priority = if background { Priority::Background } else { Priority::Interactive };
            let prompt = Prompt { parts, heal: kind == 2, ..Prompt::default() };
            let job = Job { max_tokens, candidates, priority, ..job(prompt) };
            let (ticket, events, candidates) = submit(&engine, job);
            submitted.push((events, candidates.max(1)));
            if drops { drop(ticket) } else { ticket.detach() }
        }
        let _running = if stops { None } else { Some(engine) };
        for (events, candidates) in submitted {
            collect(&events, candidates);
            prop_assert!(events.recv().is_err(), "an event after Done");
        }
    }
}

/// Thirty bytes, one token each.
const THIRTY: &str = "abcdefghijklmnopqrstuvwxyzabcd";

#[test]
fn only_new_prompt_tokens_are_evaluated() {
    let engine = engine();
    let cost = |text: &str| {
        let outcome = run(&engine, job(prompt(text)));
        (outcome.evaluated, outcome.reused)
    };
    assert_eq!(cost(THIRTY), (30, 0));
    assert_eq!(cost(&format!("{THIRTY}12")), (2, 30));
    assert_eq!(cost(&THIRTY[..28]), (1, 27), "the last token is evaluated again for its logits");
}

#[test]
fn a_repeated_prompt_is_not_evaluated_again() {
    let engine = engine();
    let first = run(&engine, job(prompt(THIRTY)));
    let again = run(&engine, job(prompt(THIRTY)));
    assert_eq!((again.evaluated, again.reused), (0, 30));
    assert_eq!(output_bits(&again), output_bits(&first));
}

#[test]
fn typing_inside_a_word_evaluates_nothing_and_the_output_spells_the_word() {
    let engine = engine();
    run(&engine, job(healed(&format!("{THIRTY} r"))));
    for word in [" re", " ret", " retu"] {
        let outcome = run(&engine, job(healed(&format!("{THIRTY}{word}"))));
        assert_eq!(outcome.evaluated, 0, "{word}");
        let generated: String = outcome.tokens[0].iter().map(|token| token.text.as_str()).collect();
        assert_eq!(generated, format!("{word}{}", outcome.texts[0]));
        let forced: String =
            outcome.tokens[0].iter().filter(|token| token.forced).map(|token| token.text.as_str()).collect();
        assert!(word.starts_with(&forced), "{forced:?} was forced, {word:?} was typed");
    }
}

#[test]
fn each_of_two_files_keeps_its_sequence() {
    let engine = engine();
    let (one, other) = ("a".repeat(40), "b".repeat(40));
    run(&engine, job(prompt(&one)));
    run(&engine, job(prompt(&other)));
    assert_eq!(run(&engine, job(prompt(&format!("{one}x")))).evaluated, 1);
    assert_eq!(run(&engine, job(prompt(&format!("{other}x")))).evaluated, 1);
}

#[test]
fn a_short_shared_prefix_is_forked_from_a_long_sequence() {
    let engine = engine();
    let shared = "s".repeat(30);
    let long = format!("{shared}{}", "l".repeat(100));
    run(&engine, job(prompt(&long)));
    assert_eq!(run(&engine, job(prompt(&format!("{shared}other")))).evaluated, 5, "the prefix is forked");
    assert_eq!(run(&engine, job(prompt(&format!("{long}x")))).evaluated, 1, "the long sequence is still there");
}

#[test]
fn the_prefix_cache_evicts_the_least_recently_used_sequence_at_its_limit() {
    let config = Config::tiny();
    let one = KvCache::bytes_per_position(&config) * 256;
    let engine = Engine::start(model(), EngineOptions { kv_bytes: 3 * one, ..EngineOptions::default() });
    let texts: Vec<String> = ('a'..='e').map(|letter| letter.to_string().repeat(20)).collect();
    for text in &texts {
        run(&engine, job(prompt(text)));
        let status = engine.status();
        assert!(status.kv_bytes <= status.kv_limit && status.sequences <= 3, "{status:?}");
    }
    assert_eq!(run(&engine, job(prompt(&texts[4]))).evaluated, 0);
    assert_eq!(run(&engine, job(prompt(&texts[0]))).evaluated, 20);
}

#[test]
fn candidates_differ_and_the_first_equals_a_single_one() {
    let single = run(&engine(), job(prompt("abc")));
    let several = run(&engine(), Job { candidates: 4, ..job(prompt("abc")) });
    assert_eq!((several.texts[0].clone(), several.evaluated), (single.texts[0].clone(), single.evaluated));
    let firsts: std::collections::HashSet<_> = several.tokens.iter().map(|tokens| tokens[0].text.clone()).collect();
    assert_eq!(firsts.len(), 4, "{firsts:?}");
}

#[test]
fn sampling_is_determined_by_the_seed() {
    let sampling = |seed| SamplingParams { temperature: 1.5, seed, ..SamplingParams::default() };
    let ask = |seed| run(&engine(), Job { sampling: sampling(seed), ..job(prompt("abc")) }).texts;
    assert_eq!(ask(1), ask(1));
    assert!((2..10).any(|seed| ask(seed) != ask(1)));
}

#[test]
fn a_candidate_ends_at_its_limit_stop_condition_or_stop_text() {
    let all = run(&engine(), job(prompt("abc")));
    assert_eq!((all.tokens[0].len(), &all.reasons[0]), (12, &FinishReason::Length));
    let two_characters: StopCondition = Box::new(|_, text| text.chars().count() >= 2);
    let early = run(&engine(), Job { stop_condition: Some(two_characters), ..job(prompt("abc")) });
    assert_eq!(early.reasons, [FinishReason::StopCondition]);
    assert!(early.tokens[0].len() < 12 && all.texts[0].starts_with(&early.texts[0]));
    let stop = all.tokens[0].iter().map(|token| token.text.clone()).find(|text| !text.contains('\u{fffd}'));
    let stop = stop.expect("a token that is a whole character");
    let stopped = run(&engine(), Job { stop_texts: vec![stop.clone()], ..job(prompt("abc")) });
    assert_eq!(stopped.reasons, [FinishReason::StopText]);
    assert!(!stopped.texts[0].contains(&stop));
}

#[test]
fn the_status_counts_what_an_event_reports_before_the_event_is_sent() {
    let engine = engine();
    let (send, statuses) = channel();
    let handler_engine = engine.clone();
    let handler = move |event| drop(send.send((event, handler_engine.status())));
    engine.submit(Job { candidates: 2, ..job(prompt(THIRTY)) }, handler).detach();
    let mut generated = 0;
    for (event, status) in statuses {
        match event {
            Event::Prefilled { .. } | Event::Text { .. } => {}
            Event::Finished { tokens, .. } => generated += tokens.len() as u64,
            Event::Done { usage } => {
                assert_eq!((status.running, status.sequences), (0, 2), "{status:?}");
                assert_eq!((status.generated, status.drafted), (generated, usage.drafted as u64));
            }
        }
        assert_eq!(status.evaluated, 30);
        assert!(status.generated >= generated, "{status:?}");
    }
    assert!(generated > 0);
}

/// Runs a job whose ticket is dropped at its first text.
fn cancelled_at_first_text(engine: &Engine, job: Job) -> JobOutcome {
    let (send, receive) = channel();
    let slot: Arc<Mutex<Option<Ticket>>> = Arc::default();
    let (handler_slot, candidates) = (slot.clone(), job.candidates);
    // The handler waits until the ticket is in the slot.
    let mut guard = slot.lock();
    let ticket = engine.submit(job, move |event| {
        if matches!(event, Event::Text { .. }) {
            drop(handler_slot.lock().take());
        }
        drop(send.send(event));
    });
    *guard = Some(ticket);
    drop(guard);
    collect(&receive, candidates)
}

#[test]
fn dropping_the_ticket_cancels_the_job_and_keeps_its_sequence() {
    let engine = engine();
    let outcome = cancelled_at_first_text(&engine, Job { max_tokens: 400, ..job(prompt(THIRTY)) });
    assert_eq!(outcome.reasons, [FinishReason::Cancelled]);
    assert!(outcome.tokens[0].len() < 100, "it continued for {} tokens", outcome.tokens[0].len());
    let again = run(&engine, job(prompt(THIRTY)));
    let fresh = run(&super::tests::engine(), job(prompt(THIRTY)));
    assert_eq!((again.evaluated, output_bits(&again)), (0, output_bits(&fresh)));
}

#[test]
fn a_more_urgent_job_goes_first_and_does_not_change_the_output() {
    check_precedence(Priority::Interactive, Priority::Background);
    check_precedence(Priority::Interactive, Priority::Streaming);
    check_precedence(Priority::Streaming, Priority::Background);
}

fn check_precedence(first: Priority, second: Priority) {
    let engine = engine();
    let alone = run(&super::tests::engine(), Job { max_tokens: 100, ..job(prompt("background")) });
    let (order, ends) = channel();
    let (background_order, handler_engine) = (order.clone(), engine.clone());
    let mut submitted = false;
    let (send, events) = channel();
    let background = Job { max_tokens: 100, priority: second, ..job(prompt("background")) };
    let _ticket = engine.submit(background, move |event| {
        if matches!(event, Event::Text { .. }) && !std::mem::replace(&mut submitted, true) {
            let order = order.clone();
            let interactive =
                handler_engine.submit(Job { priority: first, ..job(prompt("interactive")) }, move |event| {
                    if matches!(event, Event::Done { .. }) {
                        let _ = order.send("interactive");
                    }
                });
            interactive.detach();
        }
        if matches!(event, Event::Done { .. }) {
            let _ = background_order.send("background");
        }
        drop(send.send(event));
    });
    let outcome = collect(&events, 1);
    assert_eq!(ends.iter().take(2).collect::<Vec<_>>(), ["interactive", "background"]);
    assert_eq!(output_bits(&outcome), output_bits(&alone));
}

#[test]
fn a_panic_in_a_job_fails_only_that_job() {
    let engine = engine();
    let (_ticket, bystander, _) = submit(&engine, Job { max_tokens: 60, ..job(prompt("bystander")) });
    let panics: StopCondition = Box::new(|_, _| panic!("a stop condition that panics"));
    let outcome = run(&engine, Job { stop_condition: Some(panics), ..job(prompt("abc")) });
    assert!(matches!(outcome.reasons[0], FinishReason::Failed(_)), "{:?}", outcome.reasons);
    assert_eq!(collect(&bystander, 1).reasons, [FinishReason::Length]);
    assert_eq!(run(&engine, job(prompt("abc"))).reasons, [FinishReason::Length]);
}

#[test]
fn a_prompt_that_does_not_fit_fails_with_a_reason() {
    let engine = Engine::start(model(), EngineOptions { kv_bytes: 4096, ..EngineOptions::default() });
    let why = |prompt| match run(&engine, job(prompt)).reasons.remove(0) {
        FinishReason::Failed(why) => why,
        other => panic!("{other:?}"),
    };
    assert!(why(prompt(&"a".repeat(600))).contains("context length is 512"));
    assert!(why(prompt(&"a".repeat(100))).contains("KV cache"));
    let special = Prompt { parts: vec![Part::special("<|nothing|>")], ..Prompt::default() };
    assert!(why(special).contains("<|nothing|>"));
}

#[test]
fn dropping_the_engine_ends_its_jobs() {
    let engine = engine();
    let (_ticket, events, _) = submit(&engine, Job { max_tokens: 400, ..job(prompt("abc")) });
    drop(engine);
    assert!(matches!(collect(&events, 1).reasons[0], FinishReason::Cancelled | FinishReason::Failed(_)));
}
