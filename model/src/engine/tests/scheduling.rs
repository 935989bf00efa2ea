//! Laws of scheduling: the order of jobs, and their token counts.

use super::*;

/// Returns the order in which jobs end that are all queued before the engine sees the first: a job that blocks the
/// engine runs meanwhile.
fn order_of_completion(jobs: Vec<(&'static str, Job)>) -> Vec<&'static str> {
    let engine = engine();
    let (queued, all_queued) = channel::<()>();
    let mut all_queued = Some(all_queued);
    let block: StopCondition = Box::new(move |_, _| {
        // All jobs are queued once the other end is dropped.
        match all_queued.take() {
            Some(all_queued) => {
                let _ = all_queued.recv();
                true
            }
            None => false,
        }
    });
    engine.submit(Job { stop_condition: Some(block), ..job(prompt("hold")) }, |_| {}).detach();
    let (send, ends) = channel();
    for (name, job) in jobs {
        let send = send.clone();
        let done = move |event| {
            if matches!(event, Event::Done { .. }) {
                let _ = send.send(name);
            }
        };
        engine.submit(job, done).detach();
    }
    drop((send, queued));
    ends.iter().collect()
}

#[test]
fn a_short_prompt_does_not_wait_for_a_long_one() {
    let long = || Job { max_tokens: 1, ..job(prompt(&"long ".repeat(90))) };
    let short = || Job { max_tokens: 1, ..job(prompt("short")) };
    assert_eq!(order_of_completion(vec![("long", long()), ("short", short())]), ["short", "long"]);
}

#[test]
fn eight_short_prompts_share_a_step() {
    let engine = engine();
    let texts: Vec<String> = ('a'..='h').map(|letter| letter.to_string().repeat(20)).collect();
    for text in &texts {
        run(&engine, job(prompt(text)));
    }
    let submitted: Vec<_> = texts.iter().map(|text| submit(&engine, job(prompt(&format!("{text}12"))))).collect();
    for ((_ticket, events, candidates), text) in submitted.iter().zip(&texts) {
        let outcome = collect(events, *candidates);
        assert_eq!((outcome.evaluated, outcome.reused), (2, 20), "{text}");
    }
}

#[test]
fn a_long_prompt_does_not_starve_behind_short_ones() {
    let engine = engine();
    let (send, ends) = channel();
    let long = Job { max_tokens: 1, ..job(prompt(&"long ".repeat(90))) };
    let done = move |event| {
        if matches!(event, Event::Done { .. }) {
            let _ = send.send(());
        }
    };
    let _ticket = engine.submit(long, done);
    let mut rounds = 0;
    while ends.try_recv().is_err() {
        rounds += 1;
        assert!(rounds < 500, "the long prompt starves");
        let texts = (0..4).map(|number| format!("{}{rounds}.{number}", "s".repeat(60)));
        let submitted: Vec<_> = texts.map(|text| submit(&engine, job(prompt(&text)))).collect();
        for (_ticket, events, candidates) in &submitted {
            collect(events, *candidates);
        }
    }
}

#[test]
fn a_cancelled_job_counts_only_evaluated_tokens() {
    let engine = engine();
    let (ticket, events, candidates) = submit(&engine, job(prompt(&"long ".repeat(90))));
    drop(ticket);
    let outcome = collect(&events, candidates);
    let second = run(&engine, job(prompt(&"long ".repeat(90))));
    assert_eq!(outcome.evaluated + second.evaluated, 450, "no token is evaluated twice");
    assert_eq!(engine.status().evaluated, 450);
}

#[test]
fn a_job_continues_the_sequence_of_a_cancelled_one() {
    let engine = engine();
    let outcome = cancelled_at_first_text(&engine, Job { max_tokens: 400, ..job(prompt(THIRTY)) });
    assert_eq!(outcome.evaluated, 30);
    let (slow, events, candidates) = submit(&engine, Job { max_tokens: 400, ..job(prompt(&format!("{THIRTY}1"))) });
    // The engine sees the cancellation and the next job together.
    drop(slow);
    let next = run(&engine, job(prompt(&format!("{THIRTY}12"))));
    collect(&events, candidates);
    assert!(next.evaluated <= 2, "{next:?}");
}

#[test]
fn a_promoted_background_job_runs_with_the_interactive_ones() {
    let engine = engine();
    let background = Job { max_tokens: 60, priority: Priority::Background, ..job(prompt("promoted")) };
    let (ticket, events, candidates) = submit(&engine, background);
    ticket.promote();
    let others: Vec<_> =
        (0..3).map(|n| submit(&engine, Job { max_tokens: 400, ..job(prompt(&n.to_string())) })).collect();
    collect(&events, candidates);
    let running = others.iter().filter(|(_, events, _)| !events.try_iter().any(|e| matches!(e, Event::Done { .. })));
    assert_eq!(running.count(), 3, "it waited for the others to end");
}

#[test]
fn the_oldest_background_jobs_are_cancelled_at_the_limit() {
    let background =
        |name| (name, Job { max_tokens: 1, priority: Priority::Background, ..job(prompt(&format!("file {name}"))) });
    let mut jobs: Vec<_> = ["1", "2", "3", "4", "5", "6"].map(background).into();
    jobs.push(("now", Job { max_tokens: 1, ..job(prompt("now")) }));
    let ends = order_of_completion(jobs);
    assert_eq!((&ends[..3], ends.len()), (&["1", "2", "now"][..], 7));
}

#[test]
fn streaming_jobs_are_never_cancelled_for_each_other() {
    let engine = engine();
    let streaming =
        |name: usize| Job { max_tokens: 4, priority: Priority::Streaming, ..job(prompt(&format!("file {name}"))) };
    let submitted: Vec<_> = (0..6).map(|name| submit(&engine, streaming(name))).collect();
    for (_ticket, events, candidates) in submitted {
        assert_ne!(collect(&events, candidates).reasons[0], FinishReason::Cancelled);
    }
}
