//! Prompts as whole texts, and the property that typing only appends to them.

use super::*;
use crate::fim_format::FIM_FORMATS;
use crate::finish::tests::request;
use crate::prompt::Content;
use std::sync::Arc;

fn written(prompt: &Prompt) -> String {
    let piece = |part: &Part| match &part.content {
        Content::Text(text) => text.clone(),
        Content::Special(name) => format!("⟨{name}⟩"),
    };
    prompt.parts.iter().map(piece).collect()
}

fn prompt(request: &Request) -> Prompt {
    Fill.prompt(request, &[]).expect("a prompt")
}

#[test]
fn every_format_spells_a_hole_in_its_own_way() {
    let expected = [
        ("qwen2.5-coder", "⟨<|file_sep|>⟩a.py\n⟨<|fim_prefix|>⟩⟨<|fim_suffix|>⟩\nb\n⟨<|fim_middle|>⟩a = "),
        ("starcoder2", "⟨<file_sep>⟩a.py\n⟨<fim_prefix>⟩⟨<fim_suffix>⟩\nb\n⟨<fim_middle>⟩a = "),
        ("mellum", "⟨<filename>⟩a.py\n⟨<fim_suffix>⟩\nb\n⟨<fim_prefix>⟩⟨<fim_middle>⟩a = "),
        ("starcoder", "⟨<fim_prefix>⟩# a.py\n⟨<fim_suffix>⟩\nb\n⟨<fim_middle>⟩a = "),
        ("santacoder", "⟨<fim-prefix>⟩# a.py\n⟨<fim-suffix>⟩\nb\n⟨<fim-middle>⟩a = "),
        ("codegemma", "⟨<|fim_prefix|>⟩# a.py\n⟨<|fim_suffix|>⟩\nb\n⟨<|fim_middle|>⟩a = "),
        ("codellama", "⟨▁<PRE>⟩# a.py\n⟨▁<SUF>⟩\nb\n⟨▁<MID>⟩a = "),
        ("deepseek-coder", "⟨<｜fim▁begin｜>⟩# a.py\n⟨<｜fim▁hole｜>⟩\nb\n⟨<｜fim▁end｜>⟩a = "),
        ("codestral", "⟨[SUFFIX]⟩\nb\n⟨[PREFIX]⟩# a.py\na = "),
    ];
    assert_eq!(expected.len(), FIM_FORMATS.len());
    for ((name, expected), format) in expected.into_iter().zip(FIM_FORMATS) {
        let mut request = request("a.py", "a = ▁\nb\n");
        request.format = Some(format);
        assert_eq!((format.name, written(&prompt(&request)).as_str()), (name, expected));
    }
}

#[test]
fn a_model_without_fim_continues_the_prefix() {
    assert_eq!(written(&prompt(&request("a.py", "a = ▁\nb\n"))), "# a.py\na = ");
}

#[test]
fn snippets_come_first_with_their_path() {
    let mut request = request("a.py", "a = ▁\n");
    let snippet = Snippet { path: "b.py".into(), text: "def b(): ...\n".into(), origin: "definition".into() };
    request.format = Some(&FIM_FORMATS[0]);
    request.repository = Some("shop".into());
    let prompt = Fill.prompt(&request, &[snippet]).expect("a prompt");
    let start = "⟨<|repo_name|>⟩shop\n⟨<|file_sep|>⟩b.py\ndef b(): ...\n⟨<|file_sep|>⟩a.py\n";
    assert!(written(&prompt).starts_with(start), "{}", written(&prompt));
}

/// The next request, with the window of the last prompt, and its prompt.
fn again(old: &Request, marked: &str, last: &Prompt) -> (Request, Prompt) {
    let mut new = request(&old.document.path, marked);
    new.format = old.format;
    new.window = last.window.clone().map(Arc::new);
    let prompt = prompt(&new);
    (new, prompt)
}

fn lines(count: usize) -> String {
    (0..count).map(|i| format!("line_{i} = {i}\n")).collect()
}

#[test]
fn typing_only_appends_to_the_prompt() {
    let (above, below) = (lines(100), lines(100));
    let text = |typed: &str| format!("{above}{typed}▁\n{below}");
    let mut old = request("a.py", &text(""));
    old.format = Some(&FIM_FORMATS[0]);
    let mut last = prompt(&old);
    let mut typed = String::new();
    for c in "value = compute(1)\nother = value.field\n".chars() {
        typed.push(c);
        let (_, next) = again(&old, &text(&typed), &last);
        assert_eq!(written(&next), format!("{}{c}", written(&last)));
        last = next;
    }
}

#[test]
fn auto_closed_brackets_keep_the_window() {
    let (above, below) = (lines(50), lines(50));
    let mut old = request("a.py", &format!("{above}x = f▁\n{below}"));
    old.format = Some(&FIM_FORMATS[0]);
    let last = prompt(&old);
    let (_, next) = again(&old, &format!("{above}x = f(▁)\n{below}"), &last);
    assert_eq!(written(&next), format!("{}(", written(&last)));
}

#[test]
fn edits_above_the_window_shift_it_and_others_replace_it() {
    let (above, below) = (lines(100), lines(100));
    let mut old = request("a.py", &format!("{above}x = ▁\n{below}"));
    old.format = Some(&FIM_FORMATS[0]);
    let last = prompt(&old);
    let (_, shifted) = again(&old, &format!("# new first line\n{above}x = ▁\n{below}"), &last);
    assert_eq!(written(&shifted), written(&last));
    let (_, changed) = again(&old, &format!("{above}x = ▁\nnew\n{below}"), &last);
    assert_ne!(written(&changed), written(&last));
    let (new, back) = again(&old, &format!("{}▁\n{below}", lines(50)), &last);
    assert!(written(&back).contains("line_49") && !written(&back).contains("line_60 = 60\nline_61 = 61\n⟨"));
    assert!(new.cursor > 0);
}

#[test]
fn new_snippets_wait_for_the_next_window() {
    let mut old = request("a.py", &format!("{}x = ▁\n", lines(20)));
    old.format = Some(&FIM_FORMATS[0]);
    let first = prompt(&old);
    let (new, second) = again(&old, &format!("{}x = f▁\n", lines(20)), &first);
    let snippet = Snippet { path: "b.py".into(), text: "def f(): ...\n".into(), origin: "definition".into() };
    assert_eq!(Fill.prompt(&new, &[snippet]).expect("a prompt"), second);
    assert_eq!(written(&second), format!("{}f", written(&first)));
}

#[test]
fn an_expired_window_is_replaced() {
    let mut old = request("a.py", &format!("{}▁\n", lines(20)));
    old.budget.middle = 600;
    let first = prompt(&old);
    let (mut new, kept) = again(&old, &format!("{}{}x▁\n", lines(20), "y = 1\n".repeat(40)), &first);
    new.budget.middle = 600;
    assert!(!window::should_reanchor(&Request { window: new.window.clone(), ..old }) && window::should_reanchor(&new));
    assert_eq!(kept.window, first.window);
    let expired = Window { expired: true, ..first.window.clone().expect("a window") };
    let second = prompt(&Request { window: Some(Arc::new(expired)), ..new.clone() });
    let window = second.window.expect("a window");
    assert!(!window.expired && window.anchor > kept.window.expect("a window").anchor);
    assert!(!window::should_reanchor(&Request { window: Some(Arc::new(window)), ..new }));
}

#[test]
fn a_reduced_window_is_reused_until_it_expires() {
    let (above, below) = (lines(200), lines(100));
    let mut old = request("a.py", &format!("{above}x = ▁\n{below}"));
    old.format = Some(&FIM_FORMATS[0]);
    let full_budget = old.budget;
    old.budget = full_budget.reduced(100);
    let reduced = prompt(&old);
    let (mut new, second) = again(&old, &format!("{above}x = f▁\n{below}"), &reduced);
    new.budget = full_budget;
    assert_eq!(prompt(&new), second, "it is reused with a larger budget");
    assert_eq!(written(&second), format!("{}f", written(&reduced)));
    assert!(window::should_reanchor(&new));
    let expired = Window { expired: true, ..reduced.window.clone().expect("a window") };
    new.window = Some(Arc::new(expired));
    let (full, reduced) = (prompt(&new).window.expect("a window"), reduced.window.expect("a window"));
    assert!(reduced.reduced && !full.reduced);
    assert!(
        reduced.prefix.len() <= 180
            && full.prefix.len() > 4 * reduced.prefix.len()
            && full.prefix.ends_with(&reduced.prefix)
    );
    assert!(full.suffix.len() > 4 * reduced.suffix.len() && full.suffix.starts_with(&reduced.suffix));
}

#[test]
fn the_full_window_starts_at_a_stable_place() {
    let mut old = request("a.py", &format!("{}x = ▁\n", lines(400)));
    let full_budget = old.budget;
    old.budget = full_budget.reduced(100);
    let reduced = prompt(&old);
    let window_start = |count: usize| {
        let (mut new, kept) = again(&old, &format!("{}{}x = ▁\n", lines(400), "y = 1\n".repeat(count)), &reduced);
        let expired = Window { expired: true, ..kept.window.expect("a window") };
        (new.window, new.budget) = (Some(Arc::new(expired)), full_budget);
        let window = prompt(&new).window.expect("a window");
        assert!(window.prefix.len() >= full_budget.prefix / 2 && window.prefix.len() <= full_budget.prefix);
        window.anchor - window.prefix.len()
    };
    let starts: std::collections::BTreeSet<usize> = (0..12).map(window_start).collect();
    assert!(starts.len() <= 2, "{starts:?}");
}

#[test]
fn a_short_document_has_no_reduced_window() {
    let mut request = request("a.py", "x = ▁\ny = 1\n");
    request.budget = request.budget.reduced(100);
    assert!(!prompt(&request).window.expect("a window").reduced);
}

#[test]
fn text_shared_with_the_last_window_is_cached() {
    let mut old = request("a.py", &format!("{}▁\n{}", lines(60), lines(9)));
    let first = prompt(&old).window.expect("a window");
    let (before, after) = (old.prefix().len(), old.suffix().len());
    assert_eq!(window::uncached_bytes(&old), before + after);
    old.window = Some(Arc::new(Window { suffix: String::new(), expired: true, ..first.clone() }));
    assert_eq!(window::uncached_bytes(&old), before + after - first.prefix.len());
}

#[test]
fn imports_and_signatures_outside_the_window_are_shown() {
    let mut text = String::from("import alpha\n\n\ndef outer(argument):\n");
    for i in 0..300 {
        text.push_str(&format!("    value_{i} = {i}\n"));
    }
    let mut request = request("a.py", &format!("{text}    x = ▁\n"));
    request.format = Some(&FIM_FORMATS[0]);
    let all = written(&prompt(&request));
    assert!(all.contains("import alpha\ndef outer(argument):"), "{}", &all[..200]);
}

proptest::proptest! {
    #[test]
    fn a_prompt_shows_the_text_around_the_cursor(
        before in "[a-zé🙂\\r\\n\\t (){}]{0,300}",
        typed in proptest::collection::vec("[a-z(\n]", 0..12),
        after in "[a-zé\\n )]{0,300}",
    ) {
        let mut old = request("a.py", &format!("{before}▁{after}"));
        old.format = Some(&FIM_FORMATS[0]);
        old.budget.prefix = 200;
        old.budget.middle = 120;
        let mut last = prompt(&old);
        let mut text = before.clone();
        for key in typed {
            text.push_str(&key);
            let mut new = request("a.py", &format!("{text}▁{after}"));
            (new.format, new.budget) = (old.format, old.budget);
            new.window = last.window.clone().map(Arc::new);
            last = prompt(&new);
            let window = last.window.clone().expect("a window");
            let shown = format!("{}{}", window.prefix, middle_text(&new, &window));
            proptest::prop_assert!(text.ends_with(&shown));
            proptest::prop_assert!(window.prefix.len() <= new.budget.prefix);
            proptest::prop_assert!(new.cursor - window.anchor <= new.budget.middle);
            proptest::prop_assert!(new.suffix().contains(&window.suffix));
        }
    }
}
