//! Samples compared with their files and with live prompts.

use super::*;
use crate::Language;
use crate::fim_format::FIM_FORMATS;
use crate::finish;
use crate::prompt::Content;

const STORE: &str = "import os\nimport json\n\n\nclass Store:\n    \"\"\"Keeps orders in a folder.\"\"\"\n\n    \
    def __init__(self, folder):\n        self.folder = folder\n\n    def load_order(self, order_id, customer):\n\
    \x20       \"\"\"Reads one order.\n\n        Raises KeyError where there is none.\n        \"\"\"\n        path = \
    os.path.join(self.folder, f\"{customer}-{order_id}.json\")\n        if not os.path.exists(path):\n            \
    raise KeyError(order_id)\n        with open(path) as file:\n            return json.load(file)\n";
const APP: &str = "from store import Store\n\n\ndef main(order_id, customer):\n    store = Store('orders')\n    \
    order = store.load_order(order_id, customer)\n    print(order['total'])\n\n\nmain(1, 'ann')\n";

fn document(path: &str, text: &str) -> Document {
    Document { path: path.into(), language: Language::from_path(path), text: text.into(), tree: None }
}

fn shop() -> Repository {
    Repository::new(Some("shop".into()), vec![document("store.py", STORE), document("app.py", APP)])
}

fn options() -> SampleOptions {
    let budget = Budget { prefix: 500, suffix: 200, middle: 300, snippets: 400, answer: 150, reduced: false };
    SampleOptions { max_piece_bytes: 600, budget, ..SampleOptions::new(Some(&FIM_FORMATS[0]), "<|endoftext|>", 1024) }
}

fn only(kind: SampleKind) -> SampleOptions {
    let share = |it: SampleKind| f64::from(u8::from(it == kind));
    let mix = SampleMix {
        fim_rate: 1.0 - share(SampleKind::Whole),
        usual: share(SampleKind::Psm) + share(SampleKind::Whole),
        suffix_first: share(SampleKind::SuffixFirst),
        anchored: share(SampleKind::Anchored),
        docstring: share(SampleKind::Docstring),
        ..SampleMix::default()
    };
    assert_eq!(mix.check(), Ok(()));
    SampleOptions { mix, ..options() }
}

fn all(repository: &Repository, options: &SampleOptions, seed: u64) -> Vec<(String, Sample)> {
    let mut random = Random::new(seed);
    let mut made = Vec::new();
    for (i, file) in repository.files().iter().enumerate() {
        let samples = samples(repository, i, options, &mut random).expect("samples");
        made.extend(samples.into_iter().map(|sample| (file.text.to_string(), sample)));
    }
    made
}

/// Texts of one source, joined.
fn shown(sample: &Sample, source: &PartSource) -> String {
    let texts = sample.prompt.parts.iter().filter(|part| part.source == *source);
    texts.filter_map(|part| if let Content::Text(text) = &part.content { Some(text.as_str()) } else { None }).collect()
}

fn written(parts: &[Part]) -> String {
    let piece = |part: &Part| match &part.content {
        Content::Text(text) => text.clone(),
        Content::Special(name) => format!("⟨{name}⟩"),
    };
    parts.iter().map(piece).collect()
}

/// The piece of the file that a sample shows, put together again, and its byte offset in the file.
fn restored(sample: &Sample) -> (String, usize) {
    let before = shown(sample, &PartSource::Prefix) + &shown(sample, &PartSource::Middle);
    let start = sample.answer_range.start - before.len();
    (before + &sample.answer + &shown(sample, &PartSource::Suffix), start)
}

proptest::proptest! {
    #[test]
    fn prefix_answer_and_suffix_are_the_text(seed: u64, text in "([a-zé🙂 (){}\"':,\t]{0,40}\r?\n){0,40}[a-z]{0,5}") {
        let repository = Repository::new(None, vec![document("a.py", &text), document("store.py", STORE)]);
        let format = Some(&FIM_FORMATS[(seed % FIM_FORMATS.len() as u64) as usize]);
        for (text, sample) in all(&repository, &SampleOptions { format, ..options() }, seed) {
            let (restored, start) = restored(&sample);
            proptest::prop_assert_eq!(&text[sample.answer_range.clone()], &sample.answer);
            proptest::prop_assert_eq!(&text[start..start + restored.len()], restored);
            proptest::prop_assert!(!sample.answer.trim().is_empty());
        }
    }

    #[test]
    fn an_anchored_sample_is_the_live_prompt_and_the_answer(seed: u64) {
        let mut options = only(SampleKind::Anchored);
        (options.mix.header, options.mix.drop_imports) = (1.0, 0.0);
        // Another file that is open is drawn by chance; none are here.
        let repository = Repository::new(Some("shop".into()), vec![document("store.py", &STORE.repeat(3))]);
        for (text, sample) in all(&repository, &options, seed) {
            if sample.kind != SampleKind::Anchored {
                continue;
            }
            let marked = format!("{}▁{}", &text[..sample.answer_range.start], &text[sample.answer_range.end..]);
            let mut live = finish::tests::request("store.py", &marked);
            (live.format, live.budget, live.repository) = (options.format, options.budget, Some("shop".into()));
            let snippets = Fill.context(&live).expect("snippets");
            let mut expected = Fill.prompt(&live, &snippets).expect("a prompt");
            expected.window = None;
            proptest::prop_assert_eq!(&sample.prompt, &expected);
            let ending = [Part::text(sample.answer.as_str(), PartSource::Answer), Part::special("<|endoftext|>")];
            proptest::prop_assert_eq!(sample.parts(), [expected.parts, ending.to_vec()].concat());
        }
    }
}

#[test]
fn anchored_samples_show_definitions_and_open_files() {
    let mut options = only(SampleKind::Anchored);
    options.mix.header = 1.0;
    let made: Vec<_> = (0..40).flat_map(|seed| all(&shop(), &options, seed)).collect();
    let snippets: Vec<_> = made.iter().flat_map(|(_, sample)| &sample.prompt.parts).map(|part| &part.source).collect();
    for wanted in ["definition", "open file"] {
        let found =
            snippets.iter().any(|source| matches!(source, PartSource::Snippet { origin, .. } if origin == wanted));
        assert!(found, "{wanted}");
    }
}

#[test]
fn suffix_first_samples_begin_with_an_empty_prefix() {
    let mut options = only(SampleKind::SuffixFirst);
    options.mix.header = 0.0;
    for (text, sample) in (0..20).flat_map(|seed| all(&shop(), &options, seed)) {
        let (piece, start) = restored(&sample);
        let (before, after) =
            (&text[start..sample.answer_range.start], &text[sample.answer_range.end..start + piece.len()]);
        let expected =
            format!("⟨<|fim_prefix|>⟩⟨<|fim_suffix|>⟩{after}⟨<|fim_middle|>⟩{before}{}⟨<|endoftext|>⟩", sample.answer);
        assert_eq!(written(&sample.parts()), expected);
        assert!(sample.prompt.heal);
    }
}

#[test]
fn psm_samples_end_with_the_middle_marker() {
    for (_, sample) in all(&shop(), &only(SampleKind::Psm), 5) {
        let text = written(&sample.parts());
        let ending = format!("⟨<|fim_middle|>⟩{}⟨<|endoftext|>⟩", sample.answer);
        assert!(text.ends_with(&ending) && !sample.prompt.heal, "{text}");
    }
}

#[test]
fn docstring_samples_fill_in_a_docstring() {
    let second = "Reads one order.\n\n        Raises KeyError where there is none.\n        \"\"\"";
    let docstrings = ["Keeps orders in a folder.\"\"\"", second];
    let made: Vec<_> = (0..20).flat_map(|seed| all(&shop(), &only(SampleKind::Docstring), seed)).collect();
    let (filled, others): (Vec<_>, Vec<_>) = made.iter().partition(|(_, sample)| sample.kind == SampleKind::Docstring);
    for wanted in docstrings {
        assert!(filled.iter().any(|(_, sample)| sample.answer == wanted), "{wanted}");
    }
    assert!(filled.iter().all(|(_, sample)| docstrings.contains(&sample.answer.as_str())));
    assert!(!others.is_empty() && others.iter().all(|(_, sample)| sample.kind == SampleKind::Psm));
}

#[test]
fn headers_show_repository_snippets_and_path() {
    let mut options = only(SampleKind::Whole);
    options.mix.header = 1.0;
    let repository = shop();
    let texts: Vec<_> =
        (0..40).flat_map(|seed| all(&repository, &options, seed)).map(|it| written(&it.1.parts())).collect();
    let full = texts.iter().find(|text| text.starts_with("⟨<|repo_name|>⟩shop\n⟨<|file_sep|>⟩store.py\n"));
    let (_, own) =
        full.and_then(|text| text.split_once("⟨<|file_sep|>⟩app.py\n")).expect("one with a piece of another file");
    assert_eq!(own, format!("{APP}⟨<|endoftext|>⟩"));
    options.mix.header = 0.0;
    assert!(all(&repository, &options, 1).iter().all(|(_, sample)| sample.prompt.parts.is_empty()));
}

#[test]
fn imports_can_be_dropped() {
    let text = format!("{STORE}{}", "\n\ndef more(value):\n    return value + 1\n".repeat(40));
    let repository = Repository::new(None, vec![document("store.py", &text)]);
    for (kind, drop, shows) in
        [(SampleKind::Psm, 0.0, true), (SampleKind::Anchored, 0.0, true), (SampleKind::Psm, 1.0, false)]
    {
        let mut options = only(kind);
        (options.mix.header, options.mix.drop_imports) = (1.0, drop);
        let made = all(&repository, &options, 2);
        let last = made.last().expect("samples");
        assert_eq!(shown(&last.1, &PartSource::Imports) == "import os\nimport json\n", shows, "{kind:?} {drop}");
    }
}

#[test]
fn without_a_format_all_samples_are_whole() {
    let options = SampleOptions { format: None, ..only(SampleKind::Anchored) };
    let made = all(&shop(), &options, 1);
    assert!(!made.is_empty() && made.iter().all(|(_, sample)| sample.kind == SampleKind::Whole));
    let joined: String = made.iter().map(|(_, sample)| sample.answer.as_str()).collect();
    assert_eq!(joined, format!("{APP}{STORE}"));
}

#[test]
fn only_the_last_piece_of_a_file_ends_it() {
    let text = format!("{}\n\n", "x = 1\n".repeat(300));
    let repository = Repository::new(None, vec![document("a.py", &text)]);
    let ends: Vec<_> =
        all(&repository, &only(SampleKind::Whole), 1).into_iter().map(|it| it.1.end_token.is_some()).collect();
    assert!(ends.len() > 2 && ends.iter().rposition(|end| !end) == Some(ends.len() - 2), "{ends:?}");
    let holes = all(&repository, &only(SampleKind::Psm), 1);
    assert!(holes.iter().all(|(_, sample)| sample.kind == SampleKind::Whole || sample.end_token.is_some()));
}

#[test]
fn the_same_seed_makes_the_same_samples() {
    let made = |seed| all(&shop(), &options(), seed);
    assert_eq!(made(7), made(7));
    assert_ne!(made(7), made(8));
}

#[test]
fn the_hole_does_not_influence_the_snippets() {
    let hidden = "compute_everything";
    let text = format!("x = 1\ny = {hidden}(2)\n");
    let other = format!("def {hidden}(value):\n    return value\n");
    let repository = Repository::new(None, vec![document("a.py", &text), document("b.py", &other)]);
    let mut options = only(SampleKind::Psm);
    options.mix.header = 1.0;
    let made = |seed| samples(&repository, 0, &options, &mut Random::new(seed)).expect("samples");
    let made: Vec<_> = (0..60).flat_map(made).collect();
    let foreign =
        |sample: &Sample| sample.prompt.parts.iter().any(|part| matches!(part.source, PartSource::Snippet { .. }));
    let (without, with): (Vec<_>, Vec<_>) = made.iter().partition(|sample| sample.answer.contains(hidden));
    assert!(!without.is_empty() && without.iter().all(|sample| !foreign(sample)));
    assert!(with.iter().any(|sample| foreign(sample)), "it is shown where the name is known");
}

#[test]
fn invalid_options_are_refused() {
    assert_eq!(options().check(), Ok(()));
    let message = SampleOptions { max_piece_bytes: 3, ..options() }.check().expect_err("too short").to_string();
    assert_eq!(message, "pieces of 3 bytes are too short to learn from: take at least 64");
    assert!(SampleOptions { mix: SampleMix { usual: 2.0, ..SampleMix::default() }, ..options() }.check().is_err());
}
