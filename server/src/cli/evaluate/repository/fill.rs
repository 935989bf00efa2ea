//! Takes a piece out, asks for it the way an editor would, and compares.

use std::sync::Arc;

use anyhow::{Result, bail};
use foretype_model::Engine;
use foretype_model::score::{ScoreError, Scorer};
use foretype_plugins::holes::Kind;
use foretype_plugins::{Document, Prompt, PromptStrategy, Request, Trigger, syntax};

use super::selection::SelectedHole;
use super::{Args, files};
use crate::completion;
use crate::request_builder;
use crate::evaluate::items::{EncodingCost, EvaluationItem, ItemScores, surrounding_lines, normalized};
use crate::evaluate::{EvaluatedModel, OrderArg, typing};
use crate::workspace::Workspace;

/// Files that stand for open ones.
const MAX_OPEN_FILES: usize = 6;

/// What the rest of the folder has to say.
#[derive(Debug)]
pub(super) struct RepositoryContext<'a> {
    pub(super) workspace: &'a Workspace,
    pub(super) corpus: &'a [Arc<Document>],
}

/// One way to ask for all holes. Its engine remembers nothing of another's prompts.
pub(super) struct HoleEvaluator<'a> {
    model: &'a EvaluatedModel,
    engine: Engine,
    strategy: Arc<dyn PromptStrategy>,
    typing: bool,
    scorer: Option<Scorer<'a>>,
    surroundings: Option<&'a RepositoryContext<'a>>,
    order: OrderArg,
}

impl<'a> HoleEvaluator<'a> {
    pub(super) fn new(
        asked: &'a EvaluatedModel,
        strategy: Arc<dyn PromptStrategy>,
        args: &Args,
        surroundings: Option<&'a RepositoryContext<'a>>,
        order: OrderArg,
    ) -> Self {
        let scorer = args.bits.then(|| Scorer::new(&asked.model));
        Self { model: asked, engine: asked.engine(), strategy, typing: args.typing, scorer, surroundings, order }
    }

    /// The hole and what was written into it.
    pub(super) fn item(&self, chosen: &SelectedHole) -> Result<EvaluationItem> {
        let (file, hole) = (&chosen.file, &chosen.hole);
        let expected = &file.text[hole.range.clone()];
        let (before, after) = (&file.text[..hole.range.start], &file.text[hole.range.end..]);
        let request = self.request(chosen, before, after);
        let outcome = self.complete(request.clone(), Vec::new())?;
        let shown = outcome.suggestions.first().map_or("", |suggestion| suggestion.text.as_str());
        let answer = completion::first_lines(shown, self.lines(hole.kind));
        let scores = ItemScores {
            parses: (!answer.trim().is_empty()).then(|| parses(file, [before, &answer, after])).flatten(),
            cost: self.cost(&outcome.prompt, expected)?,
            typing: if self.typing {
                Some(typing::simulate_typing(request, expected, |request, drafts| self.complete(request, drafts))?)
            } else {
                None
            },
            ..ItemScores::new(expected, &answer, outcome.total.as_secs_f64() * 1000.0)
        };
        let (above, below) = surrounding_lines(before, after);
        let (id, kind, language) = (chosen.id.clone(), hole.kind.name().into(), file.language.id().into());
        Ok(EvaluationItem { id, kind, language, above, below, expected: normalized(expected), answer: normalized(&answer), scores })
    }

    /// Lines of a suggestion that are looked at.
    fn lines(&self, kind: Kind) -> usize {
        if kind == Kind::Block { self.model.config.inline.max_lines } else { 1 }
    }

    fn request(&self, chosen: &SelectedHole, before: &str, after: &str) -> Request {
        let document = request_builder::parse_document(chosen.file.path.clone(), [before, after].concat());
        let mut request = request_builder::request_for_model(document, before.len(), &self.model.model, &self.model.config);
        request.trigger = Trigger::Invoked;
        request.multi_line = chosen.hole.kind == Kind::Block;
        request.order = self.order.order();
        if let Some(around) = self.surroundings {
            request.repository = around.workspace.name();
            request.symbols = around.workspace.symbols.clone();
            if self.model.config.context.open_files {
                request.open_files = files::nearest_files(around.corpus, &chosen.file, MAX_OPEN_FILES);
            }
        }
        request
    }

    /// Asks as an editor would.
    fn complete(&self, request: Request, drafts: Vec<String>) -> Result<completion::CompletionOutcome> {
        completion::complete(&self.engine, &self.strategy, Arc::new(request), 1, &self.model.config.inline, drafts)
    }

    /// What the expected text costs the model; unknown where it does not fit behind the prompt.
    fn cost(&self, prompt: &Prompt, expected: &str) -> Result<Option<EncodingCost>> {
        let Some(scorer) = &self.scorer else { return Ok(None) };
        match scorer.score(prompt, expected) {
            Ok(score) => Ok(Some(EncodingCost { bits: score.bits, bytes: score.bytes })),
            Err(ScoreError::TooLong { .. }) => Ok(None),
            Err(error) => bail!("the model failed: {error}"),
        }
    }
}

/// Whether the file with the answer has no more errors of syntax than it had. Unknown where it cannot be parsed in time.
fn parses(file: &Document, pieces: [&str; 3]) -> Option<bool> {
    let errors = |text: &str| {
        let tree = syntax::parse(file.language, text, None)?;
        Some(syntax::errors(&tree, &(0..text.len())))
    };
    Some(errors(&pieces.concat())? <= errors(&file.text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_parses_when_it_brings_no_new_error() {
        let parses = |original: &str, pieces| {
            super::parses(&request_builder::parse_document("a.py".into(), original.into()), pieces).expect("small texts")
        };
        assert!(parses("x = f(1)\n", ["x = f(", "2, 3", ")\n"]));
        assert!(!parses("x = f(1)\n", ["x = f(", "2, (", ")\n"]));
        assert!(parses("x = f(1))\n", ["x = f(", "2", "))\n"]), "an old error is forgiven");
    }
}
