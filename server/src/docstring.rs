//! Docstring generation: the model fills the holes of a template that is built from the syntax tree, one after the
//! other.

pub(crate) mod open_document;

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Result, anyhow, bail, ensure};
use foretype_model::{Engine, Event, FinishReason, Job, Model, Priority, Usage};
use foretype_plugins::docstring::{
    self, DocPromptContext, DocTask, DocstringMode, Edit, FIELD_STOPS, Field, SUMMARY_STOPS,
};
use foretype_plugins::{Language, syntax};

use crate::ask::AnswerSampling;
use crate::config::Config;
use crate::plugins::TaskPlugins;

/// Maximum number of tokens in one hole.
const MAX_HOLE_TOKENS: usize = 64;
/// Maximum number of tokens in a summary, which may have several sentences.
const MAX_SUMMARY_TOKENS: usize = 192;
/// Interval at which cancellation is checked.
const CANCEL_POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Message for a docstring that needs no update.
pub(crate) const UP_TO_DATE_MESSAGE: &str = "nothing to update: the docstring agrees with the signature";

/// Creates the error for a place (`a.py`, `this document`) without items that need a docstring, or an update of one.
pub(crate) fn nothing_to_document(wanted: DocstringMode, place: impl std::fmt::Display) -> anyhow::Error {
    match wanted {
        DocstringMode::Write => anyhow!("every item in {place} has a docstring: name a line to replace one"),
        DocstringMode::Update => anyhow!("no item in {place} has a docstring to update"),
    }
}

/// Docstring, as an edit of the text.
#[derive(Debug, Clone)]
pub struct WrittenDocstring {
    /// Edit that inserts the docstring, or replaces an old one.
    pub edit: Edit,
    /// Number of holes for which the model gave no prose. They contain words derived from names.
    pub(crate) placeholder_holes: usize,
    /// Token counts of all jobs together.
    pub(crate) usage: Usage,
}

/// Returns the maximum number of bytes of code in a prompt for this model.
pub fn max_context_bytes(model: &Model, config: &Config) -> usize {
    const BYTES_PER_TOKEN: usize = 3;
    // Tokens reserved for the docstring and the answer.
    const RESERVED_TOKENS: usize = 512;
    let context = model.decoder.config().context_length.min(config.context.max_tokens.max(1024));
    context.saturating_sub(RESERVED_TOKENS).max(256) * BYTES_PER_TOKEN
}

/// Generates the docstring of a task. The plugins in `plugin_answers` may change or veto it. Blocks; fails early once
/// `is_wanted` returns false.
///
/// # Errors
/// If the model fails, a plugin vetoes the docstring, the job is cancelled, or the edit would change code.
pub fn write_docstring(
    engine: &Engine,
    ground: &DocPromptContext<'_>,
    task: &DocTask,
    plugin_answers: Option<&TaskPlugins>,
    sampling: AnswerSampling,
    is_wanted: &dyn Fn() -> bool,
) -> Result<WrittenDocstring> {
    if task.template.fields().next().is_some() {
        crate::models::embedded::ensure_writes_prose(engine.model())?;
    }
    let mut prose: Vec<String> = Vec::new();
    let mut written = WrittenDocstring {
        edit: Edit { range: 0..0, text: String::new() },
        placeholder_holes: 0,
        usage: Usage::default(),
    };
    for (hole, about) in task.template.fields().enumerate() {
        let mut words = None;
        let jobs = if *about == Field::Summary { vec![summary_job(ground, task, sampling)] } else { Vec::new() };
        for job in jobs.into_iter().chain([hole_job(ground, task, &prose, sampling)]) {
            let (answers, usage) = run_job(engine, job, is_wanted)?;
            add(&mut written.usage, &usage);
            words = answers.iter().map(|answer| task.clean(hole, answer)).find(|words| !words.is_empty());
            if words.is_some() {
                break;
            }
        }
        written.placeholder_holes += usize::from(words.is_none());
        prose.push(words.unwrap_or_else(|| task.fallback_prose(about)));
    }
    written.edit = task.edit(ground.text, &prose);
    if let Some(plugins) = plugin_answers {
        let finished = plugins.finish(written.edit.text.clone());
        written.edit.text = finished.map_err(|name| anyhow!("the plugin {name} rejects this docstring"))?;
    }
    ensure!(
        preserves_code(ground.language, ground.text, &written.edit),
        "the docstring of `{}` would have changed code: nothing was written",
        task.item.name
    );
    Ok(written)
}

/// Runs a job and returns its candidates, the likeliest first.
fn run_job(engine: &Engine, job: Job, is_wanted: &dyn Fn() -> bool) -> Result<(Vec<String>, Usage)> {
    let mut answers = vec![String::new(); job.candidates];
    let (send, receive) = channel();
    let _ticket = engine.submit(job, move |event| {
        // The receiver is gone once this call has returned.
        let _ = send.send(event);
    });
    loop {
        ensure!(is_wanted(), "cancelled");
        match receive.recv_timeout(CANCEL_POLL_INTERVAL) {
            Ok(Event::Text { candidate, text, .. }) => answers[candidate].push_str(&text),
            Ok(Event::Finished { reason: FinishReason::Failed(why), .. }) => bail!("the model failed: {why}"),
            Ok(Event::Done { usage }) => return Ok((answers, usage)),
            Ok(Event::Prefilled { .. } | Event::Finished { .. }) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => bail!("the model stopped before it finished the docstring"),
        }
    }
}

/// Creates the job for the summary.
fn summary_job(ground: &DocPromptContext<'_>, task: &DocTask, sampling: AnswerSampling) -> Job {
    Job {
        prompt: docstring::summary_prompt(ground, task),
        max_tokens: MAX_SUMMARY_TOKENS,
        sampling: sampling.parameters(),
        // A small model may begin with a tag. Then the next candidate is used.
        candidates: 3,
        priority: Priority::Interactive,
        stop_texts: SUMMARY_STOPS.iter().map(|stop| (*stop).to_owned()).collect(),
        stop_condition: Some(Box::new(|_, text| docstring::is_summary_complete(text))),
        ..Job::default()
    }
}

/// Creates the job for the first hole without prose.
fn hole_job(ground: &DocPromptContext<'_>, task: &DocTask, prose: &[String], sampling: AnswerSampling) -> Job {
    Job {
        prompt: docstring::prompt(ground, task, prose),
        max_tokens: MAX_HOLE_TOKENS,
        sampling: sampling.parameters(),
        candidates: if prose.is_empty() { 3 } else { 1 },
        priority: Priority::Interactive,
        stop_texts: FIELD_STOPS.iter().map(|stop| (*stop).to_owned()).collect(),
        ..Job::default()
    }
}

fn add(sum: &mut Usage, usage: &Usage) {
    sum.evaluated += usage.evaluated;
    sum.reused += usage.reused;
    sum.generated += usage.generated;
}

/// Returns true if an edit changes only comments. The syntax trees before and after it are compared.
fn preserves_code(language: Language, text: &str, edit: &Edit) -> bool {
    let after = edit.apply(text);
    let trees = syntax::parse(language, text, None).zip(syntax::parse(language, &after, None));
    trees.is_some_and(|(one, other)| docstring::same_code(language, (&one, text), (&other, &after)))
}
