//! Laws of speculative decoding: the output is the same, bit for bit, whatever is drafted.

use super::*;

/// An engine without speculative decoding.
fn plain() -> Engine {
    let options = EngineOptions { kv_bytes: 64 << 20, max_draft_tokens: 0, ..EngineOptions::default() };
    Engine::start(model(), options)
}

/// A job that can be submitted to several engines.
#[derive(Debug, Clone)]
struct JobSpec {
    text: String,
    heal: bool,
    max_tokens: usize,
    candidates: usize,
    stop: Option<String>,
    /// Characters after which the stop condition ends a candidate.
    max_characters: Option<usize>,
    cache_lm: bool,
}

fn spec() -> impl Strategy<Value = JobSpec> {
    let text = prop_oneof!["[a-c ]{1,12}", "(ab){4,9}c?", "x = re", "foo return x{1,2}"];
    let (stop, until) = (prop::option::of("[a-z ]"), prop::option::of(1usize..6));
    (text, any::<bool>(), 0usize..30, 1usize..4, stop, until, any::<bool>()).prop_map(
        |(text, heal, max_tokens, candidates, stop, max_characters, cache_lm)| JobSpec {
            text,
            heal,
            max_tokens,
            candidates,
            stop,
            max_characters,
            cache_lm,
        },
    )
}

impl JobSpec {
    fn job(&self) -> Job {
        let stop_condition = self.max_characters.map(|max_characters| {
            Box::new(move |_: usize, text: &str| text.chars().count() >= max_characters) as StopCondition
        });
        Job {
            max_tokens: self.max_tokens,
            candidates: self.candidates,
            stop_texts: self.stop.clone().into_iter().collect(),
            stop_condition,
            cache_lm: self.cache_lm,
            ..job(Prompt { heal: self.heal, ..prompt(&self.text) })
        }
    }
}

/// The outcome of a job without its usage.
fn output_of(engine: &Engine, job: Job) -> JobOutcome {
    let outcome = run(engine, job);
    JobOutcome { evaluated: 0, reused: 0, drafted: 0, accepted: 0, ..outcome }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn drafts_do_not_change_the_output(
        specs in prop::collection::vec((spec(), 0usize..6, any::<prop::sample::Index>()), 1..4),
        noise in "[a-c ]{0,40}",
    ) {
        let (plain, drafting) = (plain(), engine());
        for (spec, kind, cut) in specs {
            let expected = output_of(&plain, spec.job());
            let right = expected.texts[0].clone();
            let cut = right.floor_char_boundary(cut.index(right.len() + 1));
            let half = format!("{}{noise}", &right[..cut]);
            let drafts = [vec![], vec![right.clone()], vec![half], vec![noise.clone()], vec![String::new()], vec![]];
            let sources = if kind == 5 { vec![format!("{}{right}{noise}", spec.text).into()] } else { Vec::new() };
            // N-gram sources change the output only through the cache language model.
            let expected = if spec.cache_lm {
                output_of(&plain, Job { ngram_sources: sources.clone(), ..spec.job() })
            } else {
                expected
            };
            let job = Job { likely_completions: drafts[kind].clone(), ngram_sources: sources, ..spec.job() };
            prop_assert_eq!(&output_of(&drafting, job), &expected, "{:?}", spec);
        }
    }

    #[test]
    fn drafts_of_concurrent_jobs_do_not_change_the_output(specs in prop::collection::vec(spec(), 2..6)) {
        let expected: Vec<_> = specs.iter().map(|spec| run(&plain(), spec.job())).collect();
        let shared = engine();
        let submit_drafted = |(spec, known): (&JobSpec, &JobOutcome)| {
            submit(&shared, Job { likely_completions: vec![known.texts[0].clone()], ..spec.job() })
        };
        let submitted: Vec<_> = specs.iter().zip(&expected).map(submit_drafted).collect();
        for ((_ticket, events, candidates), expected) in submitted.iter().zip(&expected) {
            prop_assert_eq!(output_bits(&collect(events, *candidates)), output_bits(expected));
        }
    }
}

/// Returns the prompt whose output begins with the most ASCII text, and that output.
fn readable() -> (String, JobOutcome) {
    let prompts = ('a'..='z').flat_map(|letter| (1..5).map(move |length| letter.to_string().repeat(length)));
    let outcomes = prompts.map(|text| (run(&plain(), job(prompt(&text))), text));
    let (outcome, text) =
        outcomes.into_iter().max_by_key(|(outcome, _)| readable_part(outcome).len()).expect("prompts");
    (text, outcome)
}

fn readable_part(outcome: &JobOutcome) -> &str {
    let text = &outcome.texts[0];
    &text[..text.find(|letter: char| !letter.is_ascii()).unwrap_or(text.len())]
}

#[test]
fn a_right_draft_behind_the_prompt_is_accepted_and_a_wrong_one_rejected() {
    let (text, expected) = readable();
    let part = readable_part(&expected);
    assert!(part.len() >= 2, "the random model generates nothing readable: {:?}", expected.texts);
    let right = run(&engine(), Job { likely_completions: vec![part.to_owned()], ..job(prompt(&text)) });
    assert_eq!(output_bits(&right), output_bits(&expected));
    assert!(right.accepted >= 1 && right.drafted >= right.accepted, "{right:?}");
    let noise = || vec!["\u{1}\u{2}\u{3}".to_owned()];
    let noisy = run(&engine(), Job { likely_completions: noise(), ..job(prompt(&text)) });
    assert_eq!(output_bits(&noisy), output_bits(&expected));
    // With two tokens there is one draft only; later ones could repeat the prompt and be accepted.
    let short = || Job { max_tokens: 2, ..job(prompt(&text)) };
    let wrong = run(&engine(), Job { likely_completions: noise(), ..short() });
    assert_eq!((output_bits(&wrong), wrong.accepted), (output_bits(&run(&plain(), short())), 0));
    assert!(wrong.drafted > 0);
    assert_eq!(
        (right.evaluated, right.reused),
        (expected.evaluated, expected.reused),
        "draft tokens do not count as prompt tokens"
    );
}

#[test]
fn drafts_continue_the_healing_prefix() {
    let engine = engine();
    let expected = run(&plain(), job(healed("abc x = ret")));
    let drafted = Job { likely_completions: vec!["urn".into()], ..job(healed("abc x = ret")) };
    let outcome = run(&engine, drafted);
    assert_eq!(output_bits(&outcome), output_bits(&expected));
    assert!(outcome.drafted > 0);
}

#[test]
fn nothing_is_drafted_at_a_temperature() {
    let sampling = SamplingParams { temperature: 1.5, seed: 3, ..SamplingParams::default() };
    let drafts = vec![run(&plain(), job(prompt("abc"))).texts.remove(0)];
    let outcome = run(&engine(), Job { sampling: sampling.clone(), likely_completions: drafts, ..job(prompt("abc")) });
    assert_eq!(outcome.drafted, 0);
    assert_eq!(output_bits(&outcome), output_bits(&run(&plain(), Job { sampling, ..job(prompt("abc")) })));
}

#[test]
fn a_job_cancelled_while_drafting_leaves_its_sequence_usable() {
    let engine = engine();
    let fresh = run(&plain(), Job { max_tokens: 40, ..job(prompt(THIRTY)) });
    let drafts = vec![fresh.texts[0].clone()];
    cancelled_at_first_text(
        &engine,
        Job { max_tokens: 400, likely_completions: drafts.clone(), ..job(prompt(THIRTY)) },
    );
    let again = run(&engine, Job { max_tokens: 40, likely_completions: drafts, ..job(prompt(THIRTY)) });
    assert_eq!((again.evaluated, output_bits(&again)), (0, output_bits(&fresh)));
    let longer = format!("{THIRTY}12");
    assert_eq!(output_bits(&run(&engine, job(prompt(&longer)))), output_bits(&run(&plain(), job(prompt(&longer)))));
}

#[test]
fn the_cache_lm_prefers_a_seen_continuation_to_a_slightly_likelier_one() {
    let text = "foo return x and then some";
    let ask = |job: Job| output_of(&plain(), job);
    let several = ask(Job { candidates: 8, ..job(prompt(text)) });
    let first = |at: usize| several.tokens[at][0].text.as_str();
    // A token that is not valid text cannot be in a source.
    let other = (1..8).find(|at| first(*at).is_ascii()).expect("a likely ASCII token");
    let (argmax, second) = (first(0), first(other));
    let seen: Arc<str> = format!("{text}{second} and on").into();
    let first_token = |cache_lm| {
        let outcome = ask(Job { cache_lm, ngram_sources: vec![seen.clone(); 30], ..job(prompt(text)) });
        outcome.tokens[0][0].text.clone()
    };
    assert_eq!((&*first_token(false), &*first_token(true)), (argmax, second));
}
