//! Laws of drafting: an answer is the same, bit for bit, whatever was guessed.

use super::*;

/// An engine that guesses nothing.
fn plain() -> Engine {
    let options = EngineOptions { kv_bytes: 64 << 20, max_draft_tokens: 0, ..EngineOptions::default() };
    Engine::start(model(), options)
}

/// What is asked of both engines.
#[derive(Debug, Clone)]
struct Question {
    text: String,
    heal: bool,
    max_tokens: usize,
    candidates: usize,
    stop: Option<String>,
    until: Option<usize>,
    cache: bool,
}

fn question() -> impl Strategy<Value = Question> {
    let text = prop_oneof!["[a-c ]{1,12}", "(ab){4,9}c?", "x = re", "foo return x{1,2}"];
    let stop = prop::option::of("[a-z ]");
    (text, any::<bool>(), 0usize..30, 1usize..4, stop, prop::option::of(1usize..6), any::<bool>()).prop_map(
        |(text, heal, max_tokens, candidates, stop, until, cache)| Question {
            text,
            heal,
            max_tokens,
            candidates,
            stop,
            until,
            cache,
        },
    )
}

impl Question {
    fn job(&self) -> Job {
        let most = self.until;
        let until =
            most.map(|most| Box::new(move |_: usize, text: &str| text.chars().count() >= most) as StopCondition);
        Job {
            max_tokens: self.max_tokens,
            candidates: self.candidates,
            stop_texts: self.stop.clone().into_iter().collect(),
            stop_condition: until,
            cache_lm: self.cache,
            ..job(Prompt { heal: self.heal, ..prompt(&self.text) })
        }
    }
}

/// What came of a job, without what it cost.
fn outcome(engine: &Engine, job: Job) -> Ended {
    let ended = run(engine, job);
    Ended { evaluated: 0, reused: 0, drafted: 0, accepted: 0, ..ended }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn drafts_change_no_answer(
        questions in prop::collection::vec((question(), 0usize..6, any::<prop::sample::Index>()), 1..4),
        noise in "[a-c ]{0,40}",
    ) {
        let (plain, drafting) = (plain(), engine());
        for (question, kind, cut) in questions {
            let expected = outcome(&plain, question.job());
            let right = expected.texts[0].clone();
            let cut = (0..=cut.index(right.len() + 1)).rev().find(|at| right.is_char_boundary(*at)).unwrap_or(0);
            let half = format!("{}{noise}", &right[..cut]);
            let drafts = [vec![], vec![right.clone()], vec![half], vec![noise.clone()], vec![String::new()], vec![]];
            let repeats = if kind == 5 { vec![format!("{}{right}{noise}", question.text).into()] } else { Vec::new() };
            // What is repeated changes an answer only where it is a cache, too.
            let expected = if question.cache {
                outcome(&plain, Job { ngram_sources: repeats.clone(), ..question.job() })
            } else {
                expected
            };
            let guessing = Job { likely_completions: drafts[kind].clone(), ngram_sources: repeats, ..question.job() };
            prop_assert_eq!(&outcome(&drafting, guessing), &expected, "{:?}", question);
        }
    }

    #[test]
    fn drafts_of_several_jobs_at_once_change_no_answer(questions in prop::collection::vec(question(), 2..6)) {
        let expected: Vec<_> = questions.iter().map(|question| run(&plain(), question.job())).collect();
        let crowd = engine();
        let ask = |(question, known): (&Question, &Ended)| {
            submit(&crowd, Job { likely_completions: vec![known.texts[0].clone()], ..question.job() })
        };
        let asked: Vec<_> = questions.iter().zip(&expected).map(ask).collect();
        for ((_ticket, events, candidates), expected) in asked.iter().zip(&expected) {
            prop_assert_eq!(answer(&collect(events, *candidates)), answer(expected));
        }
    }
}

/// A prompt, and the answer to it, which is plain ASCII.
fn readable() -> (String, Ended) {
    let prompts = ('a'..='z').flat_map(|letter| (1..5).map(move |length| letter.to_string().repeat(length)));
    let asked = prompts.map(|text| (run(&plain(), job(prompt(&text))), text));
    let (ended, text) = asked.into_iter().max_by_key(|(ended, _)| readable_part(ended).len()).expect("prompts");
    (text, ended)
}

fn readable_part(ended: &Ended) -> &str {
    let text = &ended.texts[0];
    &text[..text.find(|letter: char| !letter.is_ascii()).unwrap_or(text.len())]
}

#[test]
fn a_right_draft_is_accepted_along_with_the_prompt_and_a_wrong_one_is_not() {
    let (text, expected) = readable();
    let part = readable_part(&expected);
    assert!(part.len() >= 2, "the random model writes nothing readable: {:?}", expected.texts);
    let right = run(&engine(), Job { likely_completions: vec![part.to_owned()], ..job(prompt(&text)) });
    assert_eq!(answer(&right), answer(&expected));
    assert!(right.accepted >= 1 && right.drafted >= right.accepted, "{right:?}");
    let noise = || vec!["\u{1}\u{2}\u{3}".to_owned()];
    assert_eq!(answer(&run(&engine(), Job { likely_completions: noise(), ..job(prompt(&text)) })), answer(&expected));
    // Of two tokens only the first is drafted for; later ones may repeat the prompt.
    let short = || Job { max_tokens: 2, ..job(prompt(&text)) };
    let wrong = run(&engine(), Job { likely_completions: noise(), ..short() });
    assert_eq!((answer(&wrong), wrong.accepted), (answer(&run(&plain(), short())), 0));
    assert!(wrong.drafted > 0);
    assert_eq!((right.evaluated, right.reused), (expected.evaluated, expected.reused), "a draft is no prompt");
}

#[test]
fn a_draft_agrees_with_what_has_to_be_spelt() {
    let engine = engine();
    let expected = run(&plain(), job(healed("abc x = ret")));
    let drafted = Job { likely_completions: vec!["urn".into()], ..job(healed("abc x = ret")) };
    let ended = run(&engine, drafted);
    assert_eq!(answer(&ended), answer(&expected));
    assert!(ended.drafted > 0);
}

#[test]
fn nothing_is_drafted_where_tokens_are_drawn_by_chance() {
    let sampling = SamplingParams { temperature: 1.5, seed: 3, ..SamplingParams::default() };
    let drafts = vec![run(&plain(), job(prompt("abc"))).texts.remove(0)];
    let ended = run(&engine(), Job { sampling: sampling.clone(), likely_completions: drafts, ..job(prompt("abc")) });
    assert_eq!(ended.drafted, 0);
    assert_eq!(answer(&ended), answer(&run(&plain(), Job { sampling, ..job(prompt("abc")) })));
}

#[test]
fn a_job_that_is_cancelled_while_it_drafts_leaves_its_sequence_usable() {
    let engine = engine();
    let fresh = run(&plain(), Job { max_tokens: 40, ..job(prompt(THIRTY)) });
    let drafts = vec![fresh.texts[0].clone()];
    cancelled_at_first_text(
        &engine,
        Job { max_tokens: 400, likely_completions: drafts.clone(), ..job(prompt(THIRTY)) },
    );
    let again = run(&engine, Job { max_tokens: 40, likely_completions: drafts, ..job(prompt(THIRTY)) });
    assert_eq!((again.evaluated, answer(&again)), (0, answer(&fresh)));
    let longer = format!("{THIRTY}12");
    assert_eq!(answer(&run(&engine, job(prompt(&longer)))), answer(&run(&plain(), job(prompt(&longer)))));
}

#[test]
fn with_a_cache_what_stood_there_before_wins_over_what_is_a_little_likelier() {
    let text = "foo return x and then some";
    let ask = |job: Job| outcome(&plain(), job);
    let several = ask(Job { candidates: 8, ..job(prompt(text)) });
    let first = |at: usize| several.tokens[at][0].text.as_str();
    // Bytes that are no text cannot stand in one.
    let other = (1..8).find(|at| first(*at).is_ascii()).expect("some letter is likely");
    let (likeliest, second) = (first(0), first(other));
    let seen: Arc<str> = format!("{text}{second} and on").into();
    let cached = |cache| {
        ask(Job { cache_lm: cache, ngram_sources: vec![seen.clone(); 30], ..job(prompt(text)) }).tokens[0][0]
            .text
            .clone()
    };
    assert_eq!((&*cached(false), &*cached(true)), (likeliest, second));
}
