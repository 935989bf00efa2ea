//! Laws of sharing: who is served when, and what is counted.

use super::*;

/// In which order jobs end that are all there before the engine begins: it is kept busy while they are queued.
fn order(jobs: Vec<(&'static str, Job)>) -> Vec<&'static str> {
    let engine = engine();
    let (ready, begin) = channel::<()>();
    let mut begin = Some(begin);
    let hold: StopCondition = Box::new(move |_, _| {
        // The queue is full once the other end is dropped.
        begin.take().map(|begin| begin.recv()).is_some()
    });
    engine.submit(Job { stop_condition: Some(hold), ..job(prompt("hold")) }, |_| {}).detach();
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
    drop((send, ready));
    ends.iter().collect()
}

#[test]
fn a_short_prompt_does_not_wait_for_a_long_one() {
    let long = || Job { max_tokens: 1, ..job(prompt(&"long ".repeat(90))) };
    let short = || Job { max_tokens: 1, ..job(prompt("short")) };
    assert_eq!(order(vec![("long", long()), ("short", short())]), ["short", "long"]);
}

#[test]
fn eight_short_prompts_share_a_step() {
    let engine = engine();
    let texts: Vec<String> = ('a'..='h').map(|letter| letter.to_string().repeat(20)).collect();
    for text in &texts {
        run(&engine, job(prompt(text)));
    }
    let asked: Vec<_> = texts.iter().map(|text| submit(&engine, job(prompt(&format!("{text}12"))))).collect();
    for ((_ticket, events, candidates), text) in asked.iter().zip(&texts) {
        let ended = collect(events, *candidates);
        assert_eq!((ended.evaluated, ended.reused), (2, 20), "{text}");
    }
}

#[test]
fn a_long_prompt_is_read_although_short_ones_keep_coming() {
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
        assert!(rounds < 500, "the long prompt is never read");
        let texts = (0..4).map(|number| format!("{}{rounds}.{number}", "s".repeat(60)));
        let asked: Vec<_> = texts.map(|text| submit(&engine, job(prompt(&text)))).collect();
        asked.iter().for_each(|(_, events, candidates)| drop(collect(events, *candidates)));
    }
}

#[test]
fn a_job_that_is_cancelled_counts_only_what_was_evaluated() {
    let engine = engine();
    let (ticket, events, candidates) = submit(&engine, job(prompt(&"long ".repeat(90))));
    drop(ticket);
    let ended = collect(&events, candidates);
    let known = run(&engine, job(prompt(&"long ".repeat(90))));
    assert_eq!(ended.evaluated + known.evaluated, 450, "what one has read the other need not");
    assert_eq!(engine.status().evaluated, 450);
}

#[test]
fn a_job_goes_on_from_what_a_cancelled_one_has_read() {
    let engine = engine();
    let ended = cancelled_at_first_text(&engine, Job { max_tokens: 400, ..job(prompt(THIRTY)) });
    assert_eq!(ended.evaluated, 30);
    let (slow, events, candidates) = submit(&engine, Job { max_tokens: 400, ..job(prompt(&format!("{THIRTY}1"))) });
    // Dropped and asked again at once: the engine sees both together.
    drop(slow);
    let next = run(&engine, job(prompt(&format!("{THIRTY}12"))));
    collect(&events, candidates);
    assert!(next.evaluated <= 2, "{next:?}");
}

#[test]
fn background_work_that_somebody_waits_for_is_no_longer_background() {
    let engine = engine();
    let hurried = Job { max_tokens: 60, priority: Priority::Background, ..job(prompt("hurried")) };
    let (ticket, events, candidates) = submit(&engine, hurried);
    ticket.promote();
    let crowd: Vec<_> =
        (0..3).map(|n| submit(&engine, Job { max_tokens: 400, ..job(prompt(&n.to_string())) })).collect();
    collect(&events, candidates);
    let running = crowd.iter().filter(|(_, events, _)| !events.try_iter().any(|e| matches!(e, Event::Done { .. })));
    assert_eq!(running.count(), 3, "it did not wait for the others to end");
}

#[test]
fn of_many_background_jobs_the_oldest_give_way() {
    let background =
        |name| (name, Job { max_tokens: 1, priority: Priority::Background, ..job(prompt(&format!("file {name}"))) });
    let mut jobs: Vec<_> = ["1", "2", "3", "4", "5", "6"].map(background).into();
    jobs.push(("now", Job { max_tokens: 1, ..job(prompt("now")) }));
    let ends = order(jobs);
    assert_eq!((&ends[..3], ends.len()), (&["1", "2", "now"][..], 7));
}

#[test]
fn answers_that_somebody_reads_are_all_written_however_many_there_are() {
    let engine = engine();
    let answer =
        |name: usize| Job { max_tokens: 4, priority: Priority::Streaming, ..job(prompt(&format!("file {name}"))) };
    let asked: Vec<_> = (0..6).map(|name| submit(&engine, answer(name))).collect();
    for (_ticket, events, candidates) in asked {
        assert_ne!(collect(&events, candidates).reasons[0], FinishReason::Cancelled);
    }
}
