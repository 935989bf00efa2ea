//! Code that a chat model writes: translations, edits, and code for a comment or a signature. The code is parsed, and
//! requested once more if it has a syntax error. Documents are not modified: the result is plain data.

pub(crate) mod comments;
pub(crate) mod open_document;

use std::ops::Range;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Result, anyhow, bail, ensure};
use foretype_model::{ChatPrompt, Engine, Event, FinishReason, Job, Model, Priority, Usage};
use foretype_plugins::docstring::Edit;
use foretype_plugins::tasks::code::{CodeFault, CodePrompt, fenced_snippets, find_fault};
use foretype_plugins::tasks::{edit, generate, translate};
use foretype_plugins::{Document, Language, Part, PartSource, Prompt, syntax};
use similar::{ChangeTag, TextDiff};

use crate::config::Config;
use crate::plugins::CodePlugins;

/// Interval at which cancellation is checked.
const CANCEL_POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Maximum number of bytes that are rewritten at once.
const MAX_REWRITE_BYTES: usize = 256 << 10;

/// Writer of code with a chat model. Its methods block.
pub struct CodeWriter<'a> {
    /// Engine of the model.
    pub engine: &'a Engine,
    /// Configuration, for the token limits.
    pub config: &'a Config,
    /// Returns false once the result is no longer wanted.
    pub is_wanted: &'a dyn Fn() -> bool,
    /// Receives each piece of text as it is generated.
    pub on_text: &'a dyn Fn(&str),
    /// Token counts of all answers together.
    pub usage: Usage,
    /// Snippets and finishing rules of plugins.
    pub plugins: CodePlugins,
}

/// Code, with its fault if the second attempt has one, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedCode {
    /// Code.
    pub code: String,
    /// First syntax error.
    pub fault: Option<CodeFault>,
}

impl CodeWriter<'_> {
    /// Generates the code for a question. If `check` finds a fault, the model gets one chance to correct it.
    ///
    /// # Errors
    /// If the model cannot answer, or the result is no longer wanted.
    pub fn write(&mut self, wanted: &CodePrompt, check: &dyn Fn(&str) -> Option<CodeFault>) -> Result<GeneratedCode> {
        let wanted = &self.with_plugin_snippets(wanted)?;
        write_with_retry(wanted, &mut |wanted| self.answer(wanted), check)
    }

    /// Puts the snippets of plugins before the question, unless the prompt would then fill more than half of the
    /// context.
    fn with_plugin_snippets(&self, wanted: &CodePrompt) -> Result<CodePrompt> {
        if self.plugins.snippets.is_empty() {
            return Ok(wanted.clone());
        }
        let model = self.engine.model();
        let behind = wanted.with_snippets(&self.plugins.snippets);
        let fits =
            model.count_tokens(&self.chat_prompt(&behind)?.prompt)? <= max_context_tokens(model, self.config) / 2;
        Ok(if fits { behind } else { wanted.clone() })
    }

    fn chat_prompt(&self, wanted: &CodePrompt) -> Result<ChatPrompt> {
        let model = self.engine.model();
        ensure_follows_instructions(model)?;
        let mut chat = model.chat_prompt(&wanted.messages)?;
        chat.prompt.parts.push(Part::text(wanted.answer_prefix(), PartSource::Conversation));
        chat.stop_texts.push(wanted.stop_text());
        Ok(chat)
    }

    fn answer(&mut self, wanted: &CodePrompt) -> Result<String> {
        let model = self.engine.model();
        let ChatPrompt { prompt, stop_texts } = self.chat_prompt(wanted)?;
        let tokens = model.count_tokens(&prompt)?;
        let context = max_context_tokens(model, self.config);
        ensure!(tokens + 16 <= context, PromptTooLong { tokens, context });
        // An answer is rarely longer than its question.
        let job = Job {
            prompt,
            stop_texts,
            max_tokens: (context - tokens).min(tokens.max(self.config.ask.max_tokens)),
            priority: Priority::Streaming,
            stop_condition: Some(Box::new(|_, text| crate::ask::is_looping(text))),
            ..Job::default()
        };
        self.run(job)
    }

    fn run(&mut self, job: Job) -> Result<String> {
        let (send, receive) = channel();
        // The receiver is gone once this call has returned.
        let _ticket = self.engine.submit(job, move |event| drop(send.send(event)));
        let mut answer = String::new();
        loop {
            ensure!((self.is_wanted)(), "cancelled");
            match receive.recv_timeout(CANCEL_POLL_INTERVAL) {
                Ok(Event::Text { text, .. }) => {
                    (self.on_text)(&text);
                    answer.push_str(&text);
                }
                Ok(Event::Finished { reason: FinishReason::Failed(why), .. }) => bail!("the model failed: {why}"),
                Ok(Event::Done { usage }) => {
                    self.usage.evaluated += usage.evaluated;
                    self.usage.reused += usage.reused;
                    self.usage.generated += usage.generated;
                    return Ok(answer);
                }
                Ok(Event::Prefilled { .. } | Event::Finished { .. }) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => bail!("the model stopped before it finished the answer"),
            }
        }
    }

    /// Returns the number of bytes of `text` that leave equal room for the answer.
    fn max_input_bytes(&self, text: &str) -> Result<usize> {
        /// Tokens of the question around the code.
        const QUESTION_TOKENS: usize = 128;
        let model = self.engine.model();
        let count = |text: &str| {
            let parts = vec![Part::text(text, PartSource::Conversation)];
            model.count_tokens(&Prompt { parts, ..Prompt::default() })
        };
        let tokens = count(text)?.max(1);
        let around = QUESTION_TOKENS + count(&fenced_snippets(&self.plugins.snippets))?;
        let fit = (max_context_tokens(model, self.config) / 2).saturating_sub(around);
        Ok(if tokens <= fit { text.len() } else { text.len() * fit / tokens })
    }
}

/// Error of a question that does not fit into the context.
#[derive(Debug, thiserror::Error)]
#[error("the code and the question have {tokens} tokens, but only {context} fit: select less")]
struct PromptTooLong {
    tokens: usize,
    context: usize,
}

fn write_with_retry(
    wanted: &CodePrompt,
    answer: &mut dyn FnMut(&CodePrompt) -> Result<String>,
    check: &dyn Fn(&str) -> Option<CodeFault>,
) -> Result<GeneratedCode> {
    let code = wanted.extract_code(&answer(wanted)?);
    let Some(fault) = check(&code) else { return Ok(GeneratedCode { code, fault: None }) };
    let again = wanted.retry(&code, &fault);
    let second = match answer(&again) {
        // The first answer and its fault do not fit into the prompt, so the first answer stays.
        Err(error) if error.is::<PromptTooLong>() => return Ok(GeneratedCode { code, fault: Some(fault) }),
        second => again.extract_code(&second?),
    };
    Ok(match check(&second) {
        None => GeneratedCode { code: second, fault: None },
        // The first answer is usually the better one.
        Some(_) => GeneratedCode { code, fault: Some(fault) },
    })
}

/// Checks that a model follows instructions.
///
/// # Errors
/// If the model has no chat template, or is the built-in one.
pub(crate) fn ensure_follows_instructions(model: &Model) -> Result<()> {
    crate::models::embedded::ensure_writes_prose(model)?;
    ensure!(
        model.chat_template.is_some(),
        "{} was not trained to follow instructions (it has no chat template): `foretype model list` shows models that \
         were",
        model.name
    );
    Ok(())
}

fn max_context_tokens(model: &Model, config: &Config) -> usize {
    model.decoder.config().context_length.min(config.ask.context_tokens)
}

fn ensure_size(length: usize) -> Result<()> {
    let (have, most) = (length >> 10, MAX_REWRITE_BYTES >> 10);
    ensure!(
        length <= MAX_REWRITE_BYTES,
        "the selection is too large for a model to rewrite ({have} KB of at most {most} KB): select less"
    );
    Ok(())
}

/// Piece of a translation that does not parse.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct InvalidPiece {
    /// First line in the source, counted from 1.
    #[serde(rename = "first")]
    pub(crate) first_line: usize,
    /// Last line in the source.
    #[serde(rename = "last")]
    pub(crate) last_line: usize,
    /// Description of the fault.
    pub(crate) why: String,
}

/// Translation of code into another language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Translation {
    /// Translated code.
    pub(crate) text: String,
    /// Pieces that are not valid in the target language.
    pub(crate) invalid_pieces: Vec<InvalidPiece>,
}

/// Translates a part of a document. The translation begins with `signature`, unless that is empty. `piece` is called
/// with the index of the next piece and the number of pieces.
///
/// # Errors
/// If the part is too large or has syntax errors, or the model fails.
pub(crate) fn translate(
    writer: &mut CodeWriter<'_>,
    document: &Document,
    selection: Option<Range<usize>>,
    to: Language,
    signature: &str,
    piece: &dyn Fn(usize, usize),
) -> Result<Translation> {
    ensure_follows_instructions(writer.engine.model())?;
    let text = &*document.text;
    let range = selection.unwrap_or(0..text.len());
    ensure!(document.language.is_programming_language(), "{} is not a program that can be translated", document.path);
    ensure!(document.language != to, "{} is already {}", document.path, to.name());
    ensure!(!text[range.clone()].trim().is_empty(), "there is nothing to translate");
    ensure_size(range.len())?;
    ensure_parses(document, &range)?;
    let room = writer.max_input_bytes(&text[range.clone()])?;
    let pieces = translate::split(document.tree.as_ref(), text, range, room);
    let (mut texts, mut broken) = (Vec::new(), Vec::new());
    for (number, range) in pieces.iter().enumerate() {
        piece(number, pieces.len());
        let lines = edit::SelectedLines::touching(text, range.clone());
        let begins = if number == 0 { signature } else { "" };
        let wanted = translate::prompt(document.language, to, lines.dedented.trim(), begins);
        let first = 1 + text[..range.start].matches('\n').count();
        let last = first + text[range.clone()].trim_end().matches('\n').count();
        let written = writer.write(&wanted, &|code| find_fault(to, code));
        let written = written.map_err(|error| anyhow!("lines {first} to {last}: {error:#}"))?;
        broken.extend(written.fault.map(|why| InvalidPiece {
            first_line: first,
            last_line: last,
            why: why.to_string(),
        }));
        texts.push(written.code);
    }
    let written = translate::join(to, &texts);
    let text = writer.plugins.finish(written.clone())?;
    if text != written && broken.is_empty() {
        let fault = find_fault(to, &text);
        ensure!(fault.is_none(), "plugins turned the translation into invalid {}", to.name());
    }
    Ok(Translation { text, invalid_pieces: broken })
}

/// Checks that a part of a document is valid code.
fn ensure_parses(document: &Document, range: &Range<usize>) -> Result<()> {
    let Some(tree) = &document.tree else { return Ok(()) };
    if syntax::count_errors(tree, range) == 0 {
        return Ok(());
    }
    // A part of a broken file may be valid by itself.
    match find_fault(document.language, &edit::SelectedLines::touching(&document.text, range.clone()).dedented) {
        Some(fault) => bail!("{} does not parse ({fault}): correct it first", document.path),
        None => Ok(()),
    }
}

/// Edits the lines of a selection according to `instruction`.
///
/// # Errors
/// If the selection is too large, the model fails, or its code would break the file.
pub(crate) fn edit(
    writer: &mut CodeWriter<'_>,
    document: &Document,
    selection: Range<usize>,
    instruction: &str,
) -> Result<Edit> {
    ensure_follows_instructions(writer.engine.model())?;
    let (language, text) = (document.language, &*document.text);
    ensure!(!instruction.trim().is_empty(), "the instruction is empty: say what to change");
    ensure_size(selection.len())?;
    let lines = edit::SelectedLines::touching(text, selection);
    ensure!(!lines.dedented.trim().is_empty(), "nothing is selected: `foretype generate` writes new code");
    let head = edit::enclosing_signature(document.tree.as_ref(), text, &lines);
    let wanted = lines.prompt(language, instruction, head);
    let check = |code: &str| {
        if code.trim().is_empty() {
            Some(CodeFault::Empty)
        } else {
            edit::introduced_fault(language, text, &lines.replacement(code))
        }
    };
    let GeneratedCode { code, fault } = writer.write(&wanted, &check)?;
    match fault {
        Some(fault) => bail!("the model's code would break {} ({fault}): reword the instruction", document.path),
        None => apply_plugins(writer, document, lines.replacement(&code)),
    }
}

/// Generates the code for the comment or the signature at a line, counted from 0.
///
/// # Errors
/// If there is no comment or signature, the model fails, or its code would break the file.
pub fn generate(writer: &mut CodeWriter<'_>, document: &Document, line: usize) -> Result<Edit> {
    ensure_follows_instructions(writer.engine.model())?;
    let (language, text) = (document.language, &*document.text);
    ensure!(language.is_programming_language(), "{} is not a program", document.path);
    let hole = generate::GenerationTarget::at(language, document.tree.as_ref(), text, line)?;
    let room = writer.max_input_bytes(text)?.min(4096);
    let wanted = hole.prompt(language, text, room);
    let check = |code: &str| {
        let edit = hole.insertion(language, text, code);
        if edit.text.trim().is_empty() { Some(CodeFault::Empty) } else { edit::introduced_fault(language, text, &edit) }
    };
    let GeneratedCode { code, fault } = writer.write(&wanted, &check)?;
    match fault {
        Some(fault) => bail!("the model's code would break {} ({fault}): reword the comment", document.path),
        None => apply_plugins(writer, document, hole.insertion(language, text, &code)),
    }
}

/// Applies the finishing rules of plugins to an edit. The result must not add syntax errors to the document.
fn apply_plugins(writer: &CodeWriter<'_>, document: &Document, written: Edit) -> Result<Edit> {
    let edit = Edit { text: writer.plugins.finish(written.text.clone())?, ..written.clone() };
    if edit != written
        && let Some(fault) = edit::introduced_fault(document.language, &document.text, &edit)
    {
        bail!("the code as changed by plugins would break {} ({fault})", document.path);
    }
    Ok(edit)
}

/// Splits an edit into hunks that can be applied separately: runs of changed lines, in the order of the text.
pub(crate) fn hunks(text: &str, edit: &Edit) -> Vec<Edit> {
    let before = &text[edit.range.clone()];
    let mut hunks: Vec<Edit> = Vec::new();
    let mut at = edit.range.start;
    let mut open = false;
    for change in TextDiff::from_lines(before, &*edit.text).iter_all_changes() {
        let value = change.value();
        if change.tag() == ChangeTag::Equal {
            at += value.len();
            open = false;
            continue;
        }
        if !open {
            hunks.push(Edit { range: at..at, text: String::new() });
            open = true;
        }
        let Some(hunk) = hunks.last_mut() else { continue };
        if change.tag() == ChangeTag::Delete {
            at += value.len();
            hunk.range.end = at;
        } else {
            hunk.text.push_str(value);
        }
    }
    hunks
}

/// Applies edits, which must be sorted and must not overlap, to a text.
pub(crate) fn apply_edits(text: &str, edits: &[Edit]) -> String {
    edits.iter().rev().fold(text.to_owned(), |text, edit| edit.apply(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn twice(answers: &[&str]) -> (GeneratedCode, Vec<String>) {
        let wanted = translate::prompt(Language::Python, Language::Lua, "f()", "");
        let mut answers = answers.iter();
        let mut asked = Vec::new();
        let mut answer = |wanted: &CodePrompt| {
            asked.push(wanted.messages.last().map(|it| it.content.clone()).unwrap_or_default());
            Ok((*answers.next().expect("asked too often")).to_owned())
        };
        let written =
            write_with_retry(&wanted, &mut answer, &|code| find_fault(Language::Lua, code)).expect("no error");
        (written, asked)
    }

    #[test]
    fn code_with_a_syntax_error_is_requested_once_more_with_the_line() {
        assert_eq!(twice(&["f()"]).1.len(), 1);
        let (written, asked) = twice(&["f()\ng(", "f()\ng()"]);
        assert_eq!(written, GeneratedCode { code: "f()\ng()\n".into(), fault: None });
        assert!(asked[1].contains("Line 2 of this is not valid Lua: `g(`"), "{asked:?}");
        let (written, asked) = twice(&["f(", "g("]);
        assert_eq!((written.code.as_str(), asked.len()), ("f(\n", 2));
        assert!(written.fault.is_some_and(|fault| fault.to_string().contains("line 1")));
    }

    #[test]
    fn a_second_request_that_does_not_fit_leaves_the_first_answer() {
        let wanted = translate::prompt(Language::Python, Language::Lua, "f()", "");
        let mut asked = 0;
        let mut answer = |_: &CodePrompt| {
            asked += 1;
            if asked == 1 { Ok("f(".to_owned()) } else { Err(PromptTooLong { tokens: 9, context: 8 }.into()) }
        };
        let written =
            write_with_retry(&wanted, &mut answer, &|code| find_fault(Language::Lua, code)).expect("no error");
        assert_eq!((written.code.as_str(), written.fault.is_some(), asked), ("f(\n", true, 2));
        let mut answer = |_: &CodePrompt| bail!("cancelled");
        assert!(write_with_retry(&wanted, &mut answer, &|_| None).is_err());
    }

    #[test]
    fn hunks_can_be_applied_separately() {
        let text = "head\na\nb\nc\nd\ntail\n";
        let edit = Edit { range: 5..13, text: "A\nb\nc\nd\ne\n".into() };
        let hunks = hunks(text, &edit);
        assert_eq!(hunks.len(), 2);
        assert_eq!(apply_edits(text, &hunks), edit.apply(text));
        assert_eq!(apply_edits(text, &hunks[..1]), "head\nA\nb\nc\nd\ntail\n");
        assert_eq!(apply_edits(text, &hunks[1..]), "head\na\nb\nc\nd\ne\ntail\n");
        let same = Edit { range: 5..7, text: "a\n".into() };
        assert_eq!(self::hunks(text, &same), []);
    }

    #[test]
    fn a_megabyte_is_too_large() {
        assert!(ensure_size(1 << 20).expect_err("too long").to_string().contains("1024 KB"));
        assert!(ensure_size(1 << 10).is_ok());
    }
}
