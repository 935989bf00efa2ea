//! Tests of the plugin strategy: order, budgets, secrets, and the cost of a keystroke.

use std::sync::Arc;

use super::*;
use crate::finish::tests::request;
use crate::luau::tests::{GENEROUS_LIMITS, MemoryWorkspace, OneSpecial, load};
use crate::request::RecentEdit;
use crate::tasks::fill::Fill;
use crate::{Part, PartSource};

fn strategy_with(sources: &[&str], snippet_bytes: usize) -> PluginStrategy {
    let plugins = sources.iter().map(|source| {
        Arc::new(load(&format!("return {{ api = 1, name = 'p', {source} }}")).unwrap_or_else(|fault| panic!("{fault}")))
    });
    PluginStrategy::new(Arc::new(Fill), plugins.collect(), snippet_bytes)
}

fn answer(text: &str) -> Answer {
    Answer { text: text.into(), reached_end_token: true, confidence: -0.1 }
}

#[test]
fn snippets_are_sorted_by_stability() {
    let strategy = strategy_with(
        &["context = function() return {
            { text = 'e', path = 'edit', stability = 'edit' },
            { text = 'f', path = 'file' },
            { text = 's', path = 'stable', stability = 'stable' } } end"],
        200,
    );
    let mut request = request("app.py", "x = ▁\n");
    request.recent_edits = [RecentEdit { path: "other.py".into(), text: "changed()".into() }].into();
    let snippets = strategy.context(&request).expect("snippets");
    let paths: Vec<_> = snippets.iter().map(|snippet| snippet.path.as_str()).collect();
    assert_eq!(paths, ["stable", "file", "other.py", "edit"]);
}

#[test]
fn snippets_are_cut_at_a_line_end_to_their_budget() {
    let strategy = strategy_with(&["context = function() return { ('line\\n'):rep(100), 'more' } end"; 3], 301);
    let request = request("app.py", "x = ▁\n");
    let snippets = strategy.context(&request).expect("snippets");
    let sizes: Vec<_> = snippets.iter().map(|snippet| snippet.text.len()).collect();
    // Each plugin has 301 bytes with the path, and all of them have 400.
    assert_eq!(sizes, [300, 95], "{snippets:?}");
    assert!(snippets.iter().all(|snippet| snippet.text.ends_with('\n')));
    // The second plugin has no budget for its whole snippets, the third none at all.
    assert_eq!(strategy.plugins.iter().map(|plugin| plugin.tally().truncated).collect::<Vec<_>>(), [2, 2, 2]);
}

#[test]
fn secrets_stay_out_of_the_prompt() {
    let strategy = strategy_with(
        &["context = function() return {
            { text = 'fine', path = '.env' }, 'token = \"ghp_' .. ('x'):rep(36) .. '\"' } end"],
        400,
    );
    assert_eq!(strategy.context(&request("app.py", "x = ▁\n")).expect("snippets"), []);
}

#[test]
fn a_keystroke_calls_no_plugin_and_keeps_the_prompt_prefix() {
    let counting = "context = function() calls = (calls or 0) + 1 return 'call ' .. calls end";
    let strategy = strategy_with(&[counting], 200);
    let mut keystroke = request("app.py", "x = ▁\n");
    let built = |request: &Request| {
        let snippets = strategy.context(request).expect("snippets");
        strategy.prompt(request, &snippets).expect("a prompt")
    };
    let first = built(&keystroke);
    assert!(first.parts.iter().any(|part| matches!(&part.source, PartSource::Snippet { origin, .. } if origin == "p")));
    keystroke = Request { window: first.window.clone().map(Arc::new), ..request("app.py", "x = some▁\n") };
    let second = built(&keystroke);
    let frozen = |prompt: &Prompt| prompt.parts[..prompt.parts.len() - 1].to_vec();
    assert_eq!(frozen(&first), frozen(&second));
    assert_eq!(strategy.plugins[0].tally().calls, 1);
}

/// Returns the prompts at two keystrokes, the second on the window of the first.
fn two_keys(strategy: &PluginStrategy, marked: [&str; 2]) -> [Prompt; 2] {
    let built = |request: &Request| {
        let snippets = strategy.context(request).expect("snippets");
        strategy.prompt(request, &snippets).expect("a prompt")
    };
    let request = |marked: &str| Request { tokenizer: Some(Arc::new(OneSpecial)), ..request("app.py", marked) };
    let first = built(&request(marked[0]));
    let second = built(&Request { window: first.window.clone().map(Arc::new), ..request(marked[1]) });
    [first, second]
}

const LAYOUT: &str = "prompt = function(_, window)
    return { parts = { window.after, { special = '<HOLE>' }, window.before }, stop = { '<HOLE>' } } end";

#[test]
fn a_plugin_lays_out_the_prompt_once_and_typed_text_follows() {
    let strategy = strategy_with(&[LAYOUT], 200);
    let prompts = two_keys(&strategy, ["x = ▁\n<HOLE>\n", "x = some▁\n<HOLE>\n"]);
    for (prompt, typed) in prompts.iter().zip(["x = ", "x = some"]) {
        let expected = [
            Part::text("\n<HOLE>\n", PartSource::Suffix),
            Part::special("<HOLE>"),
            Part::text("", PartSource::Prefix),
            Part::text(typed, PartSource::Middle),
        ];
        assert_eq!((prompt.parts.as_slice(), prompt.heal), (&expected[..], true));
        assert_eq!(prompt.stop_tokens, ["<HOLE>"]);
    }
    assert_eq!(strategy.plugins[0].tally().calls, 1);
}

#[test]
fn the_first_layout_wins_and_a_failure_leaves_the_built_in_format() {
    let marked = ["x = ▁\n", "x = y▁\n"];
    let strategy = strategy_with(&["prompt = function() return nil end", LAYOUT, LAYOUT], 200);
    assert_eq!(two_keys(&strategy, marked)[0].parts[1], Part::special("<HOLE>"));
    assert_eq!(strategy.plugins[2].tally().calls, 0);
    for wrong in ["return { parts = { { special = '<OTHER>' } } }", "error('no')"] {
        let failing = strategy_with(&[&format!("prompt = function() {wrong} end")], 200);
        assert_eq!(two_keys(&failing, marked), two_keys(&strategy_with(&[], 200), marked), "{wrong}");
    }
}

#[test]
fn plugins_finish_suggestions_in_their_order() {
    let request = request("app.py", "x = ▁\n");
    let add = |text: &str| format!("finish = function(_, text) return text .. '{text}' end");
    let strategy = strategy_with(&[&add("a"), &add("b")], 0);
    assert_eq!(strategy.finish(&request, &answer("call()")).as_deref(), Some("call()ab"));
    let veto = "finish = function(_, text) if text:find('call') then return false end end";
    assert_eq!(strategy_with(&[veto], 0).finish(&request, &answer("call()")), None);
    assert_eq!(strategy_with(&[veto], 0).finish(&request, &answer("other()")).as_deref(), Some("other()"));
}

#[test]
fn a_failing_plugin_changes_nothing() {
    let request = request("app.py", "x = ▁\n");
    let strategy = strategy_with(&["context = function() error('no') end, finish = function() error('no') end"], 100);
    assert_eq!(strategy.context(&request).expect("snippets"), Fill.context(&request).expect("snippets"));
    assert_eq!(strategy.finish(&request, &answer("call()")).as_deref(), Some("call()"));
}

/// Returns a plugin with this name.
fn named(name: &str, source: &str) -> Arc<Plugin> {
    let source = format!("return {{ api = 1, name = '{name}', {source} }}");
    let plugin = Plugin::load(&format!("{name}.luau"), &source, &[], Arc::new(MemoryWorkspace(&[])), GENEROUS_LIMITS);
    Arc::new(plugin.unwrap_or_else(|fault| panic!("{fault}")))
}

#[test]
fn a_plugin_replaces_the_context_source_of_its_name_and_can_call_it() {
    let mut request = request("app.py", "x = ▁\n");
    request.recent_edits = [RecentEdit { path: "other.py".into(), text: "changed()".into() }].into();
    let shows = |source: &str| {
        let strategy = PluginStrategy::new(Arc::new(Fill), vec![named("recent-edits", source)], 300);
        let snippets = strategy.context(&request).expect("snippets");
        snippets.into_iter().map(|snippet| (snippet.origin, snippet.text)).collect::<Vec<_>>()
    };
    let of = |why: &str, text: &str| vec![(why.to_owned(), text.to_owned())];
    assert_eq!(shows("context = function() return nil end"), []);
    let wraps = "context = function() return foretype.builtin()[1].text .. ' as it was' end";
    assert_eq!(shows(wraps), of("recent-edits", "changed() as it was"));
    for silent in ["context = function() error('no') end", "finish = function() end"] {
        assert_eq!(shows(silent), of("recent edit", "changed()"), "{silent}");
    }
    let elsewhere = "applies = function() return false end, context = function() return 'x' end";
    assert_eq!(shows(elsewhere), of("recent edit", "changed()"));
}

#[test]
fn a_plugin_replaces_the_finishing_rule_of_its_name() {
    let request = request("app.py", "x = f(▁)\n");
    let says = |source: &str| {
        let strategy = PluginStrategy::new(Arc::new(Fill), vec![named("brackets", source)], 0);
        (strategy.is_done(&request, "1)]"), strategy.finish(&request, &answer("1)]")))
    };
    assert_eq!(says("finish = function(_, text) return text .. '!' end"), (false, Some("1)]!".to_owned())));
    let trims = "finish = function(_, text) return foretype.trimmed(text) .. '!' end";
    assert_eq!(says(trims), (false, Some("1!".to_owned())));
    for silent in ["finish = function() error('no') end", "context = function() end"] {
        assert_eq!(says(silent).1.as_deref(), Some("1"), "{silent}");
    }
}

#[test]
fn the_users_order_and_budgets_apply_to_plugins_and_built_ins() {
    let strategy = strategy_with(&["context = function() return ('line\\n'):rep(20) end"], 400);
    let mut request = request("app.py", "x = other(▁)\n");
    request.symbols.update("b.py", crate::Language::Python, "def other(x):\n    return x\n");
    let whys = |request: &Request| {
        let snippets = strategy.context(request).expect("snippets");
        snippets.into_iter().map(|snippet| (snippet.origin, snippet.text.len())).collect::<Vec<_>>()
    };
    let usual = whys(&request);
    assert_eq!(usual.iter().map(|(why, _)| why.as_str()).collect::<Vec<_>>(), ["definition", "p"]);
    let (order, room) = (vec!["p".to_owned()], [("p".to_owned(), 22)].into());
    request.builtins = Arc::new(crate::Builtins { order, byte_limits: room, ..Default::default() });
    assert_eq!(whys(&request), [("p".to_owned(), 20), usual[0].clone()]);
}
