//! Plain continuation: what a bare model writes behind a text, without an editor's prompt, stops and trimming.

use std::sync::Arc;

use foretype_plugins::{Answer, Part, Prompt, PromptStrategy, Request, Snippet, Source};

/// Where an answer ends, if it has ended.
pub(super) type AnswerEnd = fn(&str) -> Option<usize>;

/// Writes on from left to right until the answer ends.
#[derive(Debug)]
struct PlainContinuation {
    end: AnswerEnd,
}

/// The strategy that writes on behind the cursor until `end` says so.
pub(super) fn continue_until(end: AnswerEnd) -> Arc<dyn PromptStrategy> {
    Arc::new(PlainContinuation { end })
}

impl PromptStrategy for PlainContinuation {
    fn name(&self) -> &str {
        "plain"
    }

    fn context(&self, _: &Request) -> foretype_plugins::Result<Vec<Snippet>> {
        Ok(Vec::new())
    }

    fn prompt(&self, request: &Request, _: &[Snippet]) -> foretype_plugins::Result<Prompt> {
        let stops = request.format.map_or(&[][..], |format| format.stops);
        Ok(Prompt {
            parts: vec![Part::text(request.before(), Source::Before)],
            stop_specials: stops.iter().copied().map(std::borrow::Cow::Borrowed).collect(),
            ..Prompt::default()
        })
    }

    fn done(&self, _: &Request, text: &str) -> bool {
        (self.end)(text).is_some()
    }

    fn finish(&self, _: &Request, answer: &Answer) -> Option<String> {
        Some(answer.text[..(self.end)(&answer.text).unwrap_or(answer.text.len())].to_owned())
    }
}
