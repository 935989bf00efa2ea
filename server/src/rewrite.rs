//! Code that a chat model writes: translations, edits, and code for a comment or a signature. What it wrote is checked by the
//! grammar and asked for once more where it does not parse. Nothing here touches a document: the result is plain data.

pub mod comments;

use std::ops::Range;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Result, anyhow, bail, ensure};
use foretype_model::{Chat, Engine, Event, FinishReason, Job, Model, Priority, Usage};
use foretype_plugins::docstring::Edit;
use foretype_plugins::strategies::code::{Fault, Wanted, fault, from_elsewhere};
use foretype_plugins::strategies::{edit, generate, translate};
use foretype_plugins::{Document, Language, Part, Prompt, Source, syntax};
use similar::{ChangeTag, TextDiff};

use crate::config::Config;
use crate::plugins::Heard;

/// How often it is asked whether anybody still waits.
const LOOK: Duration = Duration::from_millis(50);
/// Bytes of text that are rewritten at once at the most.
const LONGEST: usize = 256 << 10;

/// Lets a model write. Blocks.
pub struct Writer<'a> {
    /// The model at work.
    pub engine: &'a Engine,
    /// For the limits of tokens.
    pub config: &'a Config,
    /// Whether anybody still waits.
    pub goes_on: &'a dyn Fn() -> bool,
    /// Is told each piece of text as it is written.
    pub show: &'a dyn Fn(&str),
    /// What all answers cost together.
    pub usage: Usage,
    /// What plugins show the model and say of its code.
    pub plugins: Heard,
}

/// Code, and what is wrong with it where asking twice did not help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The code.
    pub code: String,
    /// The first error of the syntax.
    pub fault: Option<Fault>,
}

impl Writer<'_> {
    /// The code for a question. A fault that `check` finds is told to the model once.
    ///
    /// # Errors
    /// If the model cannot answer, or nobody waits any more.
    pub fn write(&mut self, wanted: &Wanted, check: &dyn Fn(&str) -> Option<Fault>) -> Result<Written> {
        let wanted = &self.behind_plugins(wanted)?;
        write_twice(wanted, &mut |wanted| self.answer(wanted), check)
    }

    /// The question behind what plugins show, where that leaves the answer as much room as it takes.
    fn behind_plugins(&self, wanted: &Wanted) -> Result<Wanted> {
        if self.plugins.snippets.is_empty() {
            return Ok(wanted.clone());
        }
        let model = self.engine.model();
        let behind = wanted.behind(&self.plugins.snippets);
        let fits = model.count(&self.question(&behind)?.prompt)? <= context(model, self.config) / 2;
        Ok(if fits { behind } else { wanted.clone() })
    }

    fn question(&self, wanted: &Wanted) -> Result<Chat> {
        let model = self.engine.model();
        ready(model)?;
        let mut chat = model.chat(&wanted.messages)?;
        chat.prompt.parts.push(Part::text(wanted.opening(), Source::Conversation));
        chat.stop_texts.push(wanted.stop_text());
        Ok(chat)
    }

    fn answer(&mut self, wanted: &Wanted) -> Result<String> {
        let model = self.engine.model();
        let Chat { prompt, stop_texts } = self.question(wanted)?;
        let tokens = model.count(&prompt)?;
        let context = context(model, self.config);
        ensure!(tokens + 16 <= context, TooLong { tokens, context });
        // What is written is rarely longer than what was read.
        let job = Job {
            prompt,
            stop_texts,
            max_tokens: (context - tokens).min(tokens.max(self.config.ask.max_tokens)),
            priority: Priority::Answer,
            until: Some(Box::new(|_, text| crate::ask::goes_in_circles(text))),
            ..Job::default()
        };
        self.run(job)
    }

    fn run(&mut self, job: Job) -> Result<String> {
        let (send, receive) = channel();
        // The receiver is gone only when this call has ended.
        let _ticket = self.engine.submit(job, move |event| drop(send.send(event)));
        let mut answer = String::new();
        loop {
            ensure!((self.goes_on)(), "cancelled");
            match receive.recv_timeout(LOOK) {
                Ok(Event::Text { text, .. }) => {
                    (self.show)(&text);
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
                Err(RecvTimeoutError::Disconnected) => bail!("the model stopped without an answer"),
            }
        }
    }

    /// Bytes of `text` that leave as much room for the answer as they take.
    fn room(&self, text: &str) -> Result<usize> {
        /// The question around the code.
        const AROUND: usize = 128;
        let model = self.engine.model();
        let count = |text: &str| {
            let parts = vec![Part::text(text, Source::Conversation)];
            model.count(&Prompt { parts, ..Prompt::default() })
        };
        let tokens = count(text)?.max(1);
        let around = AROUND + count(&from_elsewhere(&self.plugins.snippets))?;
        let fit = (context(model, self.config) / 2).saturating_sub(around);
        Ok(if tokens <= fit { text.len() } else { text.len() * fit / tokens })
    }
}

/// A question does not fit into the context.
#[derive(Debug, thiserror::Error)]
#[error("the code has {tokens} tokens with the question, and {context} fit: select less")]
struct TooLong {
    tokens: usize,
    context: usize,
}

fn write_twice(
    wanted: &Wanted,
    answer: &mut dyn FnMut(&Wanted) -> Result<String>,
    check: &dyn Fn(&str) -> Option<Fault>,
) -> Result<Written> {
    let code = wanted.code(&answer(wanted)?);
    let Some(fault) = check(&code) else { return Ok(Written { code, fault: None }) };
    let again = wanted.again(&code, &fault);
    let second = match answer(&again) {
        // The complaint and the first answer do not fit: what there is stays.
        Err(error) if error.is::<TooLong>() => return Ok(Written { code, fault: Some(fault) }),
        second => again.code(&second?),
    };
    Ok(match check(&second) {
        None => Written { code: second, fault: None },
        // The first answer was not asked for under a complaint, so it is the better one.
        Some(_) => Written { code, fault: Some(fault) },
    })
}

/// Whether a model can be told what to write.
///
/// # Errors
/// If it was not trained to answer.
pub fn ready(model: &Model) -> Result<()> {
    crate::models::embedded::not_for_words(model)?;
    let why = || {
        anyhow!(
            "{} was not trained to do what it is told (it has no chat template): `foretype model list` shows models that answer",
            model.name
        )
    };
    model.chat_template.as_ref().map(|_| ()).ok_or_else(why)
}

fn context(model: &Model, config: &Config) -> usize {
    model.decoder.config().context_length.min(config.ask.context_tokens)
}

fn not_too_long(length: usize) -> Result<()> {
    let (have, most) = (length >> 10, LONGEST >> 10);
    ensure!(
        length <= LONGEST,
        "{have} KB are too much for a model to write again ({most} KB at the most): select less"
    );
    Ok(())
}

/// A piece of a translation that does not parse.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Broken {
    /// The first line of the source, from 1.
    pub first: usize,
    /// The last one.
    pub last: usize,
    /// What is wrong.
    pub why: String,
}

/// Code in another language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translation {
    /// All of it.
    pub text: String,
    /// Pieces that the target's grammar does not take.
    pub broken: Vec<Broken>,
}

/// Translates a part of a document. `signature`, if it is not empty, is what the translation begins with; `piece` is told how many
/// pieces there are and which one is next.
///
/// # Errors
/// If the part is too large or does not parse, or the model cannot write.
pub fn translate(
    writer: &mut Writer<'_>,
    document: &Document,
    selection: Option<Range<usize>>,
    to: Language,
    signature: &str,
    piece: &dyn Fn(usize, usize),
) -> Result<Translation> {
    ready(writer.engine.model())?;
    let text = &*document.text;
    let range = selection.unwrap_or(0..text.len());
    ensure!(document.language.is_program(), "{} holds no program that could be translated", document.path);
    ensure!(document.language != to, "{} is {} already", document.path, to.name());
    ensure!(!text[range.clone()].trim().is_empty(), "there is nothing to translate");
    not_too_long(range.len())?;
    parses(document, &range)?;
    let room = writer.room(&text[range.clone()])?;
    let pieces = translate::pieces(document.tree.as_ref(), text, range, room);
    let (mut texts, mut broken) = (Vec::new(), Vec::new());
    for (number, range) in pieces.iter().enumerate() {
        piece(number, pieces.len());
        let lines = edit::Lines::of(text, range.clone());
        let begins = if number == 0 { signature } else { "" };
        let wanted = translate::question(document.language, to, lines.bare.trim(), begins);
        let first = 1 + text[..range.start].matches('\n').count();
        let last = first + text[range.clone()].trim_end().matches('\n').count();
        let written = writer.write(&wanted, &|code| fault(to, code));
        let written = written.map_err(|error| anyhow!("lines {first} to {last}: {error:#}"))?;
        broken.extend(written.fault.map(|why| Broken { first, last, why: why.to_string() }));
        texts.push(written.code);
    }
    let written = translate::joined(to, &texts);
    let text = writer.plugins.finish(written.clone())?;
    if text != written && broken.is_empty() {
        let fault = fault(to, &text);
        ensure!(fault.is_none(), "what plugins made of the translation is no {}", to.name());
    }
    Ok(Translation { text, broken })
}

/// Whether a part of a document is valid code.
fn parses(document: &Document, range: &Range<usize>) -> Result<()> {
    let Some(tree) = &document.tree else { return Ok(()) };
    if syntax::errors(tree, range) == 0 {
        return Ok(());
    }
    // A part that is cut out of a broken file may be whole.
    match fault(document.language, &edit::Lines::of(&document.text, range.clone()).bare) {
        Some(fault) => bail!("{} does not parse ({fault}): mend it first", document.path),
        None => Ok(()),
    }
}

/// Changes the lines of a selection as `instruction` says.
///
/// # Errors
/// If the selection is too large, the model cannot write, or what it writes would break the file.
pub fn edit(writer: &mut Writer<'_>, document: &Document, selection: Range<usize>, instruction: &str) -> Result<Edit> {
    ready(writer.engine.model())?;
    let (language, text) = (document.language, &*document.text);
    ensure!(!instruction.trim().is_empty(), "say what is to be changed");
    not_too_long(selection.len())?;
    let lines = edit::Lines::of(text, selection);
    ensure!(!lines.bare.trim().is_empty(), "nothing is selected: `foretype generate` writes new code");
    let head = edit::head(document.tree.as_ref(), text, &lines);
    let wanted = lines.question(language, instruction, head);
    let check = |code: &str| match code.trim().is_empty() {
        true => Some(Fault::Empty),
        false => edit::fault(language, text, &lines.edit(text, code)),
    };
    let Written { code, fault } = writer.write(&wanted, &check)?;
    match fault {
        Some(fault) => bail!("the model's code would break {} ({fault}): say it in other words", document.path),
        None => finished(writer, document, lines.edit(text, &code)),
    }
}

/// Writes the code for the comment or the signature at a line that counts from 0.
///
/// # Errors
/// If nothing can be written there, the model cannot write, or what it writes would break the file.
pub fn generate(writer: &mut Writer<'_>, document: &Document, line: usize) -> Result<Edit> {
    ready(writer.engine.model())?;
    let (language, text) = (document.language, &*document.text);
    ensure!(language.is_program(), "{} is no program", document.path);
    let hole = generate::Hole::at(language, document.tree.as_ref(), text, line)?;
    let room = writer.room(text)?.min(4096);
    let wanted = hole.question(language, text, room);
    let check = |code: &str| {
        let edit = hole.edit(language, text, code);
        if edit.text.trim().is_empty() { Some(Fault::Empty) } else { edit::fault(language, text, &edit) }
    };
    let Written { code, fault } = writer.write(&wanted, &check)?;
    match fault {
        Some(fault) => bail!("the model wrote nothing that fits into {} ({fault})", document.path),
        None => finished(writer, document, hole.edit(language, text, &code)),
    }
}

/// The edit after plugins have had their word. What they make of it has to parse as well as what it replaces.
fn finished(writer: &Writer<'_>, document: &Document, written: Edit) -> Result<Edit> {
    let edit = Edit { text: writer.plugins.finish(written.text.clone())?, ..written.clone() };
    if edit != written
        && let Some(fault) = edit::fault(document.language, &document.text, &edit)
    {
        bail!("what plugins made of the code would break {} ({fault})", document.path);
    }
    Ok(edit)
}

/// The pieces of an edit that can be taken one by one: runs of lines that differ, in the order of the text.
pub fn hunks(text: &str, edit: &Edit) -> Vec<Edit> {
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

/// The text with some of these edits made, which do not touch each other and come in order.
pub fn applied(text: &str, edits: &[Edit]) -> String {
    edits.iter().rev().fold(text.to_owned(), |text, edit| edit.apply(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn twice(answers: &[&str]) -> (Written, Vec<String>) {
        let wanted = translate::question(Language::Python, Language::Lua, "f()", "");
        let mut answers = answers.iter();
        let mut asked = Vec::new();
        let mut answer = |wanted: &Wanted| {
            asked.push(wanted.messages.last().map(|it| it.content.clone()).unwrap_or_default());
            Ok((*answers.next().expect("asked too often")).to_owned())
        };
        let written = write_twice(&wanted, &mut answer, &|code| fault(Language::Lua, code)).expect("no error");
        (written, asked)
    }

    #[test]
    fn what_does_not_parse_is_asked_for_once_more_with_its_place() {
        assert_eq!(twice(&["f()"]).1.len(), 1);
        let (written, asked) = twice(&["f()\ng(", "f()\ng()"]);
        assert_eq!(written, Written { code: "f()\ng()\n".into(), fault: None });
        assert!(asked[1].contains("Line 2 of this is not valid Lua: `g(`"), "{asked:?}");
        let (written, asked) = twice(&["f(", "g("]);
        assert_eq!((written.code.as_str(), asked.len()), ("f(\n", 2));
        assert!(written.fault.is_some_and(|fault| fault.to_string().contains("line 1")));
    }

    #[test]
    fn a_second_question_that_does_not_fit_leaves_the_first_answer_with_its_fault() {
        let wanted = translate::question(Language::Python, Language::Lua, "f()", "");
        let mut asked = 0;
        let mut answer = |_: &Wanted| {
            asked += 1;
            if asked == 1 { Ok("f(".to_owned()) } else { Err(TooLong { tokens: 9, context: 8 }.into()) }
        };
        let written = write_twice(&wanted, &mut answer, &|code| fault(Language::Lua, code)).expect("no error");
        assert_eq!((written.code.as_str(), written.fault.is_some(), asked), ("f(\n", true, 2));
        let mut answer = |_: &Wanted| bail!("cancelled");
        assert!(write_twice(&wanted, &mut answer, &|_| None).is_err());
    }

    #[test]
    fn hunks_can_be_taken_one_by_one() {
        let text = "head\na\nb\nc\nd\ntail\n";
        let edit = Edit { range: 5..13, text: "A\nb\nc\nd\ne\n".into() };
        let hunks = hunks(text, &edit);
        assert_eq!(hunks.len(), 2);
        assert_eq!(applied(text, &hunks), edit.apply(text));
        assert_eq!(applied(text, &hunks[..1]), "head\nA\nb\nc\nd\ntail\n");
        assert_eq!(applied(text, &hunks[1..]), "head\na\nb\nc\nd\ne\ntail\n");
        let same = Edit { range: 5..7, text: "a\n".into() };
        assert_eq!(self::hunks(text, &same), []);
    }

    #[test]
    fn a_megabyte_is_too_much() {
        assert!(not_too_long(1 << 20).expect_err("too long").to_string().contains("1024 KB"));
        assert!(not_too_long(1 << 10).is_ok());
    }
}
