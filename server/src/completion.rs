//! Completion pipeline: from a request to a prompt, the engine's job and trimmed suggestions.
//!
//! The language server (`inline_completion`) and the command line ([`complete`]) build
//! their jobs with `PreparedPrompt::job` and trim answers with `finish_suggestion`, so `foretype complete` prints
//! what an editor shows.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use foretype_model::{Engine, Event, FinishReason, Job, Model, Priority, StopCondition, TokenInfo, Usage};
use foretype_plugins::{Answer, Prompt, PromptStrategy, Request, finish};

use crate::config::InlineConfig;

/// Largest text that is searched for drafts in each step.
const MAX_NGRAM_SOURCE_BYTES: usize = 512 << 10;

/// Prompt, with the request and the strategy that it was built from. The stop condition of its job uses the same two.
pub(crate) struct PreparedPrompt {
    pub(crate) request: Arc<Request>,
    pub(crate) strategy: Arc<dyn PromptStrategy>,
    pub(crate) prompt: Prompt,
}

/// Properties of a job that do not follow from its prompt and the configuration.
pub(crate) struct JobOptions {
    /// Number of answers.
    pub(crate) candidates: usize,
    /// Urgency of the job.
    pub(crate) priority: Priority,
    /// Answers that are likely, as drafts.
    pub(crate) likely_completions: Vec<String>,
    /// Texts that the model wrote nearby, the likeliest last.
    pub(crate) recent_generations: Vec<Arc<str>>,
}

impl PreparedPrompt {
    /// Gathers context and builds the prompt. Plugins are called, which may take long.
    ///
    /// # Errors
    /// If the strategy fails.
    pub(crate) fn build(request: Arc<Request>, strategy: Arc<dyn PromptStrategy>) -> foretype_plugins::Result<Self> {
        let snippets = strategy.context(&request)?;
        let prompt = strategy.prompt(&request, &snippets)?;
        Ok(Self { request, strategy, prompt })
    }

    /// Builds the engine's job.
    pub(crate) fn job(self, model: &Model, inline: &InlineConfig, options: JobOptions) -> Job {
        let repeats = ngram_sources(&self.request);
        Job {
            max_tokens: inline.max_tokens,
            candidates: options.candidates,
            priority: options.priority,
            stop_condition: Some(stop_condition(self.strategy, self.request, inline.max_lines)),
            prompt: self.prompt,
            likely_completions: options.likely_completions,
            ngram_sources: repeats,
            recent_generations: options.recent_generations,
            cache_lm: inline.text_cache.is_enabled_for(model),
            ..Job::default()
        }
    }
}

/// Ends an answer where the strategy ends a suggestion, and past `max_lines` lines.
fn stop_condition(strategy: Arc<dyn PromptStrategy>, request: Arc<Request>, max_lines: usize) -> StopCondition {
    Box::new(move |_, text| text.matches('\n').count() > max_lines || strategy.is_done(&request, text))
}

/// Trims an answer to a suggestion of at most `inline.max_lines` lines; `None` if none of it is worth showing.
pub(crate) fn finish_suggestion(
    strategy: &dyn PromptStrategy,
    request: &Request,
    answer: &Answer,
    inline: &InlineConfig,
) -> Option<String> {
    let text = first_lines(&strategy.finish(request, answer)?, inline.max_lines);
    if text.is_empty() { None } else { Some(text) }
}

/// True if a suggestion adds nothing to those before it: they differ only in white space.
pub(crate) fn is_duplicate<'a>(text: &str, mut others: impl Iterator<Item = &'a String>) -> bool {
    others.any(|other| finish::equal_ignoring_whitespace(other, text))
}

/// Suggestion for insertion at the cursor.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Suggestion {
    /// Text to insert.
    pub text: String,
    /// Text of the model before it was trimmed.
    pub(crate) raw: String,
    /// Mean natural log-probability of the model's tokens.
    pub(crate) confidence: f32,
    /// Tokens of the model.
    #[serde(skip)]
    pub(crate) tokens: Vec<TokenInfo>,
}

/// Result of [`complete`].
#[derive(Debug)]
pub struct CompletionOutcome {
    /// Prompt that was evaluated.
    pub(crate) prompt: Prompt,
    /// Suggestions without duplicates, at most as many as were requested.
    pub suggestions: Vec<Suggestion>,
    /// Texts of the model that were trimmed to nothing, for diagnosis.
    pub(crate) vetoed: Vec<String>,
    /// Usage of the engine.
    pub(crate) usage: Usage,
    /// Time from the request to the first piece of text.
    pub(crate) first_text: Option<Duration>,
    /// Time from the request to the last suggestion.
    pub total: Duration,
}

/// Builds the prompt, runs the model and trims the answers. Blocks until all candidates are done. `likely_completions`
/// are drafts.
///
/// # Errors
/// If no prompt can be built, or the model fails.
pub fn complete(
    engine: &Engine,
    strategy: &Arc<dyn PromptStrategy>,
    request: Arc<Request>,
    candidates: usize,
    inline: &InlineConfig,
    likely_completions: Vec<String>,
) -> Result<CompletionOutcome> {
    let started = Instant::now();
    let prepared = PreparedPrompt::build(request.clone(), strategy.clone())?;
    let mut outcome = CompletionOutcome::new(prepared.prompt.clone());
    let options =
        JobOptions { candidates, priority: Priority::Interactive, likely_completions, recent_generations: Vec::new() };
    let job = prepared.job(engine.model(), inline, options);
    let (send, receive) = channel();
    let _ticket = engine.submit(job, move |event| {
        // The receiver is gone only when this call has failed already.
        let _ = send.send((event, Instant::now()));
    });
    let mut texts = vec![String::new(); candidates];
    for (event, at) in receive {
        match event {
            Event::Prefilled { .. } => {}
            Event::Text { candidate, text, .. } => {
                outcome.first_text.get_or_insert(at - started);
                texts[candidate].push_str(&text);
            }
            Event::Finished { reason: FinishReason::Failed(message), .. } => bail!("the model failed: {message}"),
            Event::Finished { candidate, reason, tokens, confidence } => {
                let raw = std::mem::take(&mut texts[candidate]);
                let answer =
                    Answer { text: raw.clone(), reached_end_token: reason == FinishReason::EndToken, confidence };
                let text = finish_suggestion(&**strategy, &request, &answer, inline);
                outcome.add(text, raw, confidence, tokens);
            }
            Event::Done { usage } => {
                outcome.usage = usage;
                break;
            }
        }
    }
    outcome.total = started.elapsed();
    Ok(outcome)
}

impl CompletionOutcome {
    fn new(prompt: Prompt) -> Self {
        Self {
            prompt,
            suggestions: Vec::new(),
            vetoed: Vec::new(),
            usage: Usage::default(),
            first_text: None,
            total: Duration::ZERO,
        }
    }

    fn add(&mut self, text: Option<String>, raw: String, confidence: f32, tokens: Vec<TokenInfo>) {
        let Some(text) = text else { return self.vetoed.push(raw) };
        if !is_duplicate(&text, self.suggestions.iter().map(|other| &other.text)) {
            self.suggestions.push(Suggestion { text, raw, confidence, tokens });
        }
    }
}

/// Texts that an answer may repeat a part of, for n-gram drafts and the cache model, the likeliest last: open files,
/// and the document on both sides of the cursor.
fn ngram_sources(request: &Request) -> Vec<Arc<str>> {
    let open = request.open_files.iter().rev().map(|file| file.text.clone());
    let own = [request.suffix(), request.prefix()].map(Arc::from);
    open.chain(own).filter(|text| text.len() <= MAX_NGRAM_SOURCE_BYTES).collect()
}

/// First `max_lines` lines of a suggestion.
pub(crate) fn first_lines(text: &str, max_lines: usize) -> String {
    text.split('\n').take(max_lines).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use foretype_plugins::{Document, Language, Snippet};

    use super::*;

    /// Strategy that leaves answers as they are.
    struct Verbatim;

    impl PromptStrategy for Verbatim {
        fn name(&self) -> &str {
            "verbatim"
        }

        fn context(&self, _: &Request) -> foretype_plugins::Result<Vec<Snippet>> {
            Ok(Vec::new())
        }

        fn prompt(&self, _: &Request, _: &[Snippet]) -> foretype_plugins::Result<Prompt> {
            Ok(Prompt::default())
        }

        fn is_done(&self, _: &Request, _: &str) -> bool {
            false
        }

        fn finish(&self, _: &Request, answer: &Answer) -> Option<String> {
            Some(answer.text.clone())
        }
    }

    #[test]
    fn max_lines_stops_decoding_and_cuts_the_suggestion() {
        let document = Document { path: "a".into(), language: Language::PlainText, text: "".into(), tree: None };
        let request = Arc::new(Request::new(document, 0));
        let inline = InlineConfig { max_lines: 2, ..InlineConfig::default() };
        let mut stops = stop_condition(Arc::new(Verbatim), request.clone(), inline.max_lines);
        assert!(!stops(0, "a\nb\n") && stops(0, "a\nb\n\n"));
        let answer = Answer { text: "a\nb\nc".into(), reached_end_token: false, confidence: 0.0 };
        assert_eq!(finish_suggestion(&Verbatim, &request, &answer, &inline).as_deref(), Some("a\nb"));
    }
}
