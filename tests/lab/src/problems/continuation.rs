//! Plain continuation: the model alone continues a text, without an editor's prompt, stop conditions and trimming.

use std::sync::Arc;

use foretype_plugins::{Answer, Part, PartSource, Prompt, PromptStrategy, Request, Snippet};

/// Finds the end of an answer, if it has ended.
pub(super) type AnswerEnd = fn(&str) -> Option<usize>;

/// Continues from left to right until the answer ends.
#[derive(Debug)]
struct PlainContinuation {
    end: AnswerEnd,
}

/// Strategy that continues after the cursor until `end` finds the end of the answer.
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
        let stops = request.format.map_or(&[][..], |format| format.stop_tokens);
        Ok(Prompt {
            parts: vec![Part::text(request.prefix(), PartSource::Prefix)],
            stop_tokens: stops.iter().copied().map(std::borrow::Cow::Borrowed).collect(),
            ..Prompt::default()
        })
    }

    fn is_done(&self, _: &Request, text: &str) -> bool {
        (self.end)(text).is_some()
    }

    fn finish(&self, _: &Request, answer: &Answer) -> Option<String> {
        let end = (self.end)(&answer.text).unwrap_or(answer.text.len());
        Some(answer.text[..end].to_owned())
    }
}
