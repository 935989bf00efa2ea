//! Rows against the prompts and files that they are generated from.

use std::sync::Arc;

use foretype_plugins::random::Random;
use foretype_plugins::sample::{Repository, Sample, SampleKind, SampleMix, samples};
use foretype_plugins::tasks::fill::Fill;
use foretype_plugins::{
    Budget, Content, Document as File, FimFormat, Language, Part, PartSource, Prompt, PromptStrategy, Request,
};

use super::*;
use crate::engine::prompt_encoder::PromptEncoder;

const SPECIALS: &[&str] = &[
    "<|endoftext|>",
    "<|im_end|>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|repo_name|>",
    "<|file_sep|>",
];

const CONTEXT: usize = 1024;

fn tokenizer() -> Tokenizer {
    Tokenizer::byte_level(&["def", " return", "value", " value"], SPECIALS)
}

fn format() -> Option<&'static FimFormat> {
    FimFormat::detect("tiny", |name| SPECIALS.contains(&name))
}

fn file(path: &str, text: String) -> File {
    File { path: path.into(), language: Language::from_path(path), text: text.into(), tree: None }
}

/// Files of different lengths that contain the names of special tokens.
fn repositories() -> Vec<Repository> {
    let function = |i: usize| format!("def f_{i}(value):\n    value += {i}  # <|fim_middle|>\n    return value\n\n\n");
    let text = |i: usize| (0..3 + i * 7 % 61).map(function).collect::<String>() + "print('<|endoftext|>')\n";
    let repository = |name: &str, files: std::ops::Range<usize>| {
        let files = files.map(|i| file(&format!("src/{name}_{i}.py"), text(i))).collect();
        Repository::new(Some(name.into()), files)
    };
    vec![repository("shop", 0..25), repository("tools", 25..60)]
}

fn options() -> SampleOptions {
    let mut options = SampleOptions::new(&tokenizer(), format(), CONTEXT).expect("the tokenizer has all tokens");
    // This tokenizer has about one token per byte.
    options.samples.budget = Budget { prefix: 200, suffix: 80, middle: 100, snippets: 100, answer: 80, reduced: false };
    options.samples.max_piece_bytes = 350;
    SampleOptions { epochs: Some(2), ..options }
}

fn rows(
    repositories: &[Repository],
    options: &SampleOptions,
    position: StreamPosition,
) -> Vec<(StreamPosition, PackedRow)> {
    let tokenizer = tokenizer();
    let mut rows =
        RowStream::new(repositories, &tokenizer, options.clone(), position).expect("the options are in order");
    let mut all = Vec::new();
    while let Some(row) = rows.next() {
        all.push((rows.position(), row.expect("a row")));
    }
    all
}

fn made(repository: &Repository, options: &SampleOptions, seed: u64) -> Vec<Sample> {
    let each = |file| samples(repository, file, &options.samples, &mut Random::new(seed)).expect("samples");
    (0..repository.files().len()).flat_map(each).collect()
}

fn decode(tokens: &[u32]) -> String {
    let tokenizer = tokenizer();
    let name = |id| tokenizer.special_tokens().find(|(_, other)| *other == id).map(|(name, _)| format!("⟨{name}⟩"));
    let piece = |id: &u32| name(*id).map_or_else(|| tokenizer.token_bytes(*id).to_vec(), String::into_bytes);
    String::from_utf8_lossy(&tokens.iter().flat_map(piece).collect::<Vec<_>>()).into_owned()
}

fn display(parts: &[Part]) -> String {
    let piece = |part: &Part| match &part.content {
        Content::Text(text) => text.clone(),
        Content::Special(name) => format!("⟨{name}⟩"),
    };
    parts.iter().map(piece).collect()
}

#[test]
fn tokens_decode_to_the_parts_of_a_sample() {
    let (tokenizer, options) = (tokenizer(), options());
    for repository in repositories() {
        for sample in made(&repository, &options, 3) {
            let document = Document::new(&sample, &tokenizer).expect("tokens");
            assert_eq!(decode(&document.tokens), display(&sample.parts()));
        }
    }
}

#[test]
fn file_text_never_produces_special_tokens() {
    let (tokenizer, options) = (tokenizer(), options());
    for sample in made(&repositories()[0], &options, 4) {
        let special = |part: &Part| match &part.content {
            Content::Special(name) => tokenizer.special_id(name),
            Content::Text(_) => None,
        };
        let expected: Vec<_> = sample.parts().iter().filter_map(special).collect();
        let document = Document::new(&sample, &tokenizer).expect("tokens");
        let found: Vec<_> = document.tokens.into_iter().filter(|id| tokenizer.is_special(*id)).collect();
        assert_eq!(found, expected);
    }
}

/// The live prompt at the sample's hole.
fn live(sample: &Sample, text: &str, options: &SampleOptions) -> Prompt {
    let text: Arc<str> = [&text[..sample.answer_range.start], &text[sample.answer_range.end..]].concat().into();
    let document = File { path: String::new(), language: Language::Python, text, tree: None };
    let empty = Request::new(document, sample.answer_range.start);
    let request = Request { format: format(), budget: options.samples.budget, ..empty };
    Fill.prompt(&request, &[]).expect("a prompt")
}

#[test]
fn samples_begin_with_the_tokens_of_the_live_prompt() {
    let tokenizer = tokenizer();
    let mut options = options();
    let mix = SampleMix {
        fim_rate: 1.0,
        usual: 0.0,
        suffix_first: 0.0,
        anchored: 1.0,
        docstring: 0.0,
        ..SampleMix::default()
    };
    options.samples.mix = SampleMix { header: 0.0, ..mix };
    let mut healed = 0;
    for repository in repositories() {
        for (i, file) in repository.files().iter().enumerate() {
            let made = samples(&repository, i, &options.samples, &mut Random::new(5)).expect("samples");
            for sample in made.iter().filter(|sample| sample.kind == SampleKind::Anchored) {
                let tokens =
                    PromptEncoder::default().encode(&live(sample, &file.text, &options), &tokenizer).expect("tokens");
                let document = Document::new(sample, &tokenizer).expect("tokens");
                assert_eq!(document.tokens[..document.answer], tokens.ids);
                let answer = format!("{}{}⟨<|endoftext|>⟩", tokens.healing_prefix, sample.answer);
                assert_eq!(decode(&document.tokens[document.answer..]), answer);
                healed += usize::from(!tokens.healing_prefix.is_empty());
            }
        }
    }
    assert!(healed > 10, "{healed}");
}

#[test]
fn rows_fit_the_context_and_contain_every_sample() {
    let (repositories, tokenizer, options) = (repositories(), tokenizer(), options());
    let all = rows(&repositories, &options, StreamPosition::default());
    let end = tokenizer.special_id("<|endoftext|>").expect("it has one");
    for (_, row) in &all {
        assert!(row.tokens.len() <= CONTEXT && row.segments.last().is_some_and(|last| last.end == row.tokens.len()));
        for segment in &row.segments {
            assert!(!row.tokens[segment.start..segment.end - 1].contains(&end));
            assert_eq!(row.targets[segment.end - 1], None);
        }
    }
    let documents: usize = all.iter().map(|(_, row)| row.segments.len()).sum();
    let once = first_epoch_statistics(&repositories, &tokenizer, &options).expect("statistics");
    let first: usize = all.iter().filter(|(at, _)| at.epoch == 0).map(|(_, row)| row.segments.len()).sum();
    assert_eq!(once.kinds.values().sum::<usize>(), first);
    assert!(documents > first && once.files == 60 && once.kinds.len() > 3, "{once:?}");
    assert!(once.padding_share() < 0.2, "{once:?}");
}

#[test]
fn a_stream_resumes_at_any_position() {
    let repositories = repositories();
    let options = options();
    let all = rows(&repositories, &options, StreamPosition::default());
    assert!(all.last().expect("rows").0.epoch == 1 && all.iter().any(|(at, _)| at.file > 0), "several windows");
    for (i, (position, _)) in all.iter().enumerate().step_by(23) {
        let written = serde_json::to_string(position).expect("JSON");
        let rest = rows(&repositories, &options, serde_json::from_str(&written).expect("a position"));
        assert!(rest == all[i + 1..], "from {written}");
    }
}

#[test]
fn rows_depend_on_epoch_and_seed() {
    let repositories = repositories();
    let all = rows(&repositories, &options(), StreamPosition::default());
    assert!(all == rows(&repositories, &options(), StreamPosition::default()));
    let of = |epoch| all.iter().filter(move |(at, _)| at.epoch == epoch).map(|(_, row)| row.tokens.clone());
    assert!(of(0).next() != of(1).next());
    assert!(all[0].1 != rows(&repositories, &SampleOptions { seed: 2, ..options() }, StreamPosition::default())[0].1);
}

/// A prefix-first sample.
fn sample(prefix: &str, answer: &str) -> Sample {
    let parts = vec![
        Part::special("<|file_sep|>"),
        Part::text("a.py\n", PartSource::Header),
        Part::special("<|fim_prefix|>"),
        Part::text(prefix, PartSource::Prefix),
        Part::special("<|fim_suffix|>"),
        Part::text("\nend\n", PartSource::Suffix),
        Part::special("<|fim_middle|>"),
    ];
    let prompt = Prompt { parts, ..Prompt::default() };
    Sample {
        kind: SampleKind::Psm,
        conversation: Vec::new(),
        prompt,
        answer: answer.into(),
        end_token: Some("<|endoftext|>".into()),
        answer_range: 0..0,
    }
}

#[test]
fn a_sample_that_is_too_long_loses_the_first_lines_of_its_prefix() {
    let sample = sample("one = 1\ntwo = 2\nthree = ", "3");
    let whole = Document::new(&sample, &tokenizer()).expect("tokens");
    let within = |context| Document::fit(context, &sample, &tokenizer()).expect("tokens");
    assert_eq!(within(whole.tokens.len()), Fit::Whole(whole.clone()));
    let cut = |context| match within(context) {
        Fit::Truncated(document) => decode(&document.tokens),
        other => panic!("{other:?}"),
    };
    let text = |prefix: &str| {
        format!("⟨<|file_sep|>⟩a.py\n⟨<|fim_prefix|>⟩{prefix}⟨<|fim_suffix|>⟩\nend\n⟨<|fim_middle|>⟩3⟨<|endoftext|>⟩")
    };
    assert_eq!(cut(whole.tokens.len() - 1), text("two = 2\nthree = "));
    assert_eq!(cut(whole.tokens.len() - 8), text("two = 2\nthree = "));
    assert_eq!(cut(whole.tokens.len() - 9), text("three = "));
    assert_eq!(within(whole.tokens.len() - 17), Fit::TooLong);
}

#[test]
fn truncated_and_dropped_samples_are_counted() {
    let long = format!("{}\n{}", "x = 1\n".repeat(300), "y".repeat(3000));
    let repositories = [Repository::new(None, vec![file("a.py", long)])];
    let mut options = options();
    (options.samples.max_piece_bytes, options.samples.mix.fim_rate) = (2000, 0.0);
    let counted = first_epoch_statistics(&repositories, &tokenizer(), &options).expect("statistics");
    assert!(counted.cut > 0 && counted.dropped > 0, "{counted:?}");
}

#[test]
fn a_stream_without_rows_ends() {
    let mut options = options();
    options.epochs = None;
    let blank = Repository::new(None, vec![file("a.py", "\n\n".into())]);
    assert!(rows(&[], &options, StreamPosition::default()).is_empty());
    assert!(rows(&[blank], &options, StreamPosition::default()).is_empty());
}

#[test]
fn an_endless_stream_continues_with_the_next_epoch() {
    let options = SampleOptions { epochs: None, ..options() };
    let repositories = [Repository::new(None, vec![file("a.py", "x = 1\n".into())])];
    let tokenizer = tokenizer();
    let mut stream = RowStream::new(&repositories, &tokenizer, options, StreamPosition::default()).expect("in order");
    assert_eq!(stream.by_ref().take(5).filter_map(Result::ok).count(), 5);
    assert_eq!(stream.position().epoch, 4);
}

#[test]
fn invalid_options_are_named() {
    let message =
        |options: SampleOptions, tokenizer: &Tokenizer| options.check(tokenizer).expect_err("wrong").to_string();
    assert_eq!(
        message(SampleOptions { context: 3, ..options() }, &tokenizer()),
        "rows of 3 tokens are too short to train on: use at least 16"
    );
    let bare = Tokenizer::byte_level(&[], &["<|endoftext|>"]);
    assert_eq!(
        message(options(), &bare),
        "the model has no token <|fim_prefix|>: choose a format whose tokens the tokenizer has"
    );
    let none = Tokenizer::byte_level(&[], &[]);
    assert!(
        SampleOptions::new(&none, None, 512).expect_err("no end").to_string().contains("no token that ends a text")
    );
    assert_eq!(SampleOptions::new(&bare, None, 512).expect("in order").samples.end_token, "<|endoftext|>");
}

#[test]
fn conversations_are_formatted_by_the_template() {
    const TEMPLATE: &str =
        "{% for m in messages %}<|file_sep|>{{ m.role }}\n{{ m.content }}\n{% endfor %}<|file_sep|>assistant{{ '\n' }}";
    let text = "def f(x):\n    \"\"\"Twice <|fim_middle|>.\"\"\"\n    return x + x\n";
    let repository = [Repository::new(Some("shop".into()), vec![file("a.py", text.into())])];
    let mut options = SampleOptions { epochs: Some(1), ..options() };
    options.samples.mix.chat = 1.0;
    assert!(matches!(options.check(&tokenizer()), Err(SampleError::NoChatTemplate)));
    options.chat_template = Some(TEMPLATE.into());
    let row = rows(&repository, &options, StreamPosition::default()).remove(0).1;
    let expected = "⟨<|file_sep|>⟩user\nComplete this Python function. Give the whole function.\n\n\
                    ```python\ndef f(x):\n    \"\"\"Twice <|fim_middle|>.\"\"\"\n```\n⟨<|file_sep|>⟩assistant\n\
                    ```python\ndef f(x):\n    \"\"\"Twice <|fim_middle|>.\"\"\"\n    return x + x\n```⟨<|endoftext|>⟩";
    assert_eq!(decode(&row.tokens), expected);
}
