//! Docstrings: the model's prose, hole by hole, into the frame that the syntax gives.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Result, anyhow, bail, ensure};
use foretype_model::{Engine, Event, FinishReason, Job, Model, Priority, Usage};
use foretype_plugins::docstring::{self, About, Edit, Ground, STOPS, SUMMARY_STOPS, Task, Wanted};
use foretype_plugins::{Language, syntax};

use crate::ask::Draw;
use crate::config::Config;
use crate::plugins::Asked;

/// Tokens of one hole at the most.
const TOKENS: usize = 64;
/// Tokens of a summary at the most, which may have several sentences.
const SUMMARY_TOKENS: usize = 192;
/// How often it is asked whether anybody still waits.
const LOOK: Duration = Duration::from_millis(50);

/// What is said where there is nothing to update.
pub const RIGHT: &str = "nothing to update: what the docstring says of the signature is right";

/// What is said where nothing in a place (`a.py`, `this document`) is what is [`Wanted`].
pub fn none(wanted: Wanted, place: impl std::fmt::Display) -> anyhow::Error {
    match wanted {
        Wanted::New => anyhow!("nothing in {place} lacks a docstring: name a line to replace one"),
        Wanted::Updated => anyhow!("nothing in {place} has a docstring to update"),
    }
}

/// A docstring that can be put into a text.
#[derive(Debug, Clone)]
pub struct Written {
    /// What is to be replaced.
    pub edit: Edit,
    /// Holes that the model left empty, or filled with something else than prose: they hold words made of names.
    pub plain: usize,
    /// What all holes cost together.
    pub usage: Usage,
}

/// Bytes of code that a prompt may show to this model.
pub fn context_bytes(model: &Model, config: &Config) -> usize {
    const BYTES_PER_TOKEN: usize = 3;
    // The docstring itself and its last answer need room, too.
    const KEPT: usize = 512;
    let context = model.decoder.config().context_length.min(config.context.max_tokens.max(1024));
    context.saturating_sub(KEPT).max(256) * BYTES_PER_TOKEN
}

/// Writes the docstring of a task, drawn as `draw` says; plugins have the last word, if any are `asked`. Blocks; ends early with an
/// error where `goes_on` says no.
///
/// # Errors
/// If the model fails, if a plugin vetoes, and if the result would be another program, which nothing should bring about.
pub fn write(
    engine: &Engine,
    ground: &Ground<'_>,
    task: &Task,
    asked: Option<&Asked>,
    draw: Draw,
    goes_on: &dyn Fn() -> bool,
) -> Result<Written> {
    if task.frame.holes().next().is_some() {
        crate::models::embedded::not_for_words(engine.model())?;
    }
    let mut prose: Vec<String> = Vec::new();
    let mut written = Written { edit: Edit { range: 0..0, text: String::new() }, plain: 0, usage: Usage::default() };
    for (hole, about) in task.frame.holes().enumerate() {
        let mut words = None;
        let jobs = if *about == About::Summary { vec![summary(ground, task, draw)] } else { Vec::new() };
        for job in jobs.into_iter().chain([job(ground, task, &prose, draw)]) {
            let (answers, usage) = fill(engine, job, goes_on)?;
            add(&mut written.usage, &usage);
            words = answers.iter().map(|answer| task.clean(hole, answer)).find(|words| !words.is_empty());
            if words.is_some() {
                break;
            }
        }
        written.plain += usize::from(words.is_none());
        prose.push(words.unwrap_or_else(|| task.plain(about)));
    }
    written.edit = task.edit(ground.text, &prose);
    let text = asked.map_or_else(|| Ok(written.edit.text.clone()), |asked| asked.finish(written.edit.text.clone()));
    written.edit.text = text.map_err(|name| anyhow!("the plugin {name} does not want this docstring"))?;
    ensure!(
        is_same_code(ground.language, ground.text, &written.edit),
        "the docstring of `{}` would have changed code: nothing was written",
        task.item.name
    );
    Ok(written)
}

/// What the model writes into the first hole without prose, the likeliest first.
fn fill(engine: &Engine, job: Job, goes_on: &dyn Fn() -> bool) -> Result<(Vec<String>, Usage)> {
    let mut answers = vec![String::new(); job.candidates];
    let (send, receive) = channel();
    let _ticket = engine.submit(job, move |event| {
        // The receiver is gone only when this call has ended.
        let _ = send.send(event);
    });
    loop {
        ensure!(goes_on(), "cancelled");
        match receive.recv_timeout(LOOK) {
            Ok(Event::Text { candidate, text, .. }) => answers[candidate].push_str(&text),
            Ok(Event::Finished { reason: FinishReason::Failed(why), .. }) => bail!("the model failed: {why}"),
            Ok(Event::Done { usage }) => return Ok((answers, usage)),
            Ok(Event::Prefilled { .. } | Event::Finished { .. }) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => bail!("the model stopped before it had answered"),
        }
    }
}

/// What is asked of the engine for the summary.
fn summary(ground: &Ground<'_>, task: &Task, draw: Draw) -> Job {
    Job {
        prompt: docstring::summary_prompt(ground, task),
        max_tokens: SUMMARY_TOKENS,
        sampling: draw.sampling(),
        // A small model may begin with a tag; then the next likeliest beginning is taken.
        candidates: 3,
        priority: Priority::Interactive,
        stop_texts: SUMMARY_STOPS.iter().map(|stop| (*stop).to_owned()).collect(),
        until: Some(Box::new(|_, text| docstring::is_over(text))),
        ..Job::default()
    }
}

/// What is asked of the engine for the first hole without prose.
fn job(ground: &Ground<'_>, task: &Task, prose: &[String], draw: Draw) -> Job {
    Job {
        prompt: docstring::prompt(ground, task, prose),
        max_tokens: TOKENS,
        sampling: draw.sampling(),
        candidates: if prose.is_empty() { 3 } else { 1 },
        priority: Priority::Interactive,
        stop_texts: STOPS.iter().map(|stop| (*stop).to_owned()).collect(),
        ..Job::default()
    }
}

fn add(sum: &mut Usage, usage: &Usage) {
    sum.evaluated += usage.evaluated;
    sum.reused += usage.reused;
    sum.generated += usage.generated;
}

/// Whether an edit changes nothing but comments: the trees before and after are compared.
fn is_same_code(language: Language, text: &str, edit: &Edit) -> bool {
    let after = edit.apply(text);
    let trees = syntax::parse(language, text, None).zip(syntax::parse(language, &after, None));
    trees.is_some_and(|(one, other)| docstring::same_code(language, (&one, text), (&other, &after)))
}
