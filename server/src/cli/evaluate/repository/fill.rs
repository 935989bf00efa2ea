//! Completes a hole as an editor would, and scores the answer.

use std::sync::Arc;

use anyhow::{Result, bail};
use foretype_model::Engine;
use foretype_model::score::{ScoreError, Scorer};
use foretype_plugins::holes::HoleKind;
use foretype_plugins::{Document, Prompt, PromptStrategy, Request, Trigger, syntax};

use super::files;
use super::selection::SelectedHole;
use crate::completion;
use crate::evaluate::items::{EncodingCost, EvaluationItem, ItemScores, normalized, surrounding_lines};
use crate::evaluate::{EvaluatedModel, OrderArg, typing};
use crate::request_builder;
use crate::workspace::Workspace;

/// Files that a request has as open files.
const MAX_OPEN_FILES: usize = 6;

/// Context from the rest of the folder.
#[derive(Debug)]
pub(super) struct RepositoryContext<'a> {
    pub(super) workspace: &'a Workspace,
    pub(super) corpus: &'a [Arc<Document>],
}

/// Optional measurements that take extra time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measures {
    /// Type each hole key by key.
    pub(super) typing: bool,
    /// Score the original text under the model.
    pub(super) bits: bool,
}

/// Completes holes with one choice of context and prompt order. It has an engine of its own, so that its KV cache holds
/// nothing of other runs.
pub(super) struct HoleEvaluator<'a> {
    model: &'a EvaluatedModel,
    engine: Engine,
    strategy: Arc<dyn PromptStrategy>,
    typing: bool,
    scorer: Option<Scorer<'a>>,
    context: Option<&'a RepositoryContext<'a>>,
    order: OrderArg,
}

impl<'a> HoleEvaluator<'a> {
    /// Starts an engine for one choice of context and prompt order.
    pub(super) fn new(
        model: &'a EvaluatedModel,
        strategy: Arc<dyn PromptStrategy>,
        measures: Measures,
        context: Option<&'a RepositoryContext<'a>>,
        order: OrderArg,
    ) -> Self {
        let scorer = if measures.bits { Some(Scorer::new(&model.model)) } else { None };
        Self { model, engine: model.engine(), strategy, typing: measures.typing, scorer, context, order }
    }

    /// Completes a hole.
    pub(super) fn item(&self, selected: &SelectedHole) -> Result<EvaluationItem> {
        let (file, hole) = (&selected.file, &selected.hole);
        let expected = &file.text[hole.range.clone()];
        let (before, after) = (&file.text[..hole.range.start], &file.text[hole.range.end..]);
        let request = self.request(selected, before, after);
        let outcome = self.complete(request.clone(), Vec::new())?;
        let shown = outcome.suggestions.first().map_or("", |suggestion| suggestion.text.as_str());
        let answer = completion::first_lines(shown, self.max_lines(hole.kind));
        let parses = if answer.trim().is_empty() { None } else { still_parses(file, [before, &answer, after]) };
        let scores = ItemScores {
            parses,
            cost: self.cost(&outcome.prompt, expected)?,
            typing: if self.typing {
                Some(typing::simulate_typing(request, expected, |request, drafts| self.complete(request, drafts))?)
            } else {
                None
            },
            ..ItemScores::new(expected, &answer, outcome.total.as_secs_f64() * 1000.0)
        };
        let (above, below) = surrounding_lines(before, after);
        let (id, kind, language) = (selected.id.clone(), hole.kind.name().into(), file.language.lsp_id().into());
        Ok(EvaluationItem {
            id,
            kind,
            language,
            above,
            below,
            expected: normalized(expected),
            answer: normalized(&answer),
            scores,
        })
    }

    /// Number of lines of a suggestion that count.
    fn max_lines(&self, kind: HoleKind) -> usize {
        if kind == HoleKind::Block { self.model.config.inline.max_lines } else { 1 }
    }

    fn request(&self, selected: &SelectedHole, before: &str, after: &str) -> Request {
        let document = request_builder::parse_document(selected.file.path.clone(), [before, after].concat());
        let mut request =
            request_builder::request_for_model(document, before.len(), &self.model.model, &self.model.config);
        request.trigger = Trigger::Invoked;
        request.multi_line = selected.hole.kind == HoleKind::Block;
        request.order = self.order.order();
        if let Some(context) = self.context {
            request.repository = context.workspace.name();
            request.symbols = context.workspace.symbols.clone();
            if self.model.config.context.open_files {
                request.open_files = files::nearest_files(context.corpus, &selected.file, MAX_OPEN_FILES);
            }
        }
        request
    }

    /// Runs the completion pipeline of an editor.
    fn complete(&self, request: Request, drafts: Vec<String>) -> Result<completion::CompletionOutcome> {
        completion::complete(&self.engine, &self.strategy, Arc::new(request), 1, &self.model.config.inline, drafts)
    }

    /// Information content of the expected text. `None` if it was not requested or the text does not fit behind the
    /// prompt.
    fn cost(&self, prompt: &Prompt, expected: &str) -> Result<Option<EncodingCost>> {
        let Some(scorer) = &self.scorer else { return Ok(None) };
        match scorer.score(prompt, expected) {
            Ok(score) => Ok(Some(EncodingCost { bits: score.bits, bytes: score.bytes })),
            Err(ScoreError::TooLong { .. }) => Ok(None),
            Err(error) => bail!("the model failed: {error}"),
        }
    }
}

/// Returns true if the file with the answer has no more syntax errors than the original. `None` if parsing takes too
/// long.
fn still_parses(file: &Document, pieces: [&str; 3]) -> Option<bool> {
    let errors = |text: &str| {
        let tree = syntax::parse(file.language, text, None)?;
        Some(syntax::count_errors(&tree, &(0..text.len())))
    };
    Some(errors(&pieces.concat())? <= errors(&file.text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_parses_if_it_adds_no_syntax_error() {
        let parses = |original: &str, pieces| {
            still_parses(&request_builder::parse_document("a.py".into(), original.into()), pieces).expect("small texts")
        };
        assert!(parses("x = f(1)\n", ["x = f(", "2, 3", ")\n"]));
        assert!(!parses("x = f(1)\n", ["x = f(", "2, (", ")\n"]));
        assert!(parses("x = f(1))\n", ["x = f(", "2", "))\n"]), "an old error is forgiven");
    }
}
