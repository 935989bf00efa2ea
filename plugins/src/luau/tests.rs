//! Tests: the plugin interface, and the faults of wrong plugins.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::finish::tests::request;
use crate::prompt::{PluginLayout, Stability};
use crate::request::TaskKind;
use crate::tasks::ask::SearchHit;
use crate::{Language, Part, PartSource, Request};

/// Workspace in memory.
pub(crate) struct MemoryWorkspace(pub(crate) &'static [(&'static str, &'static str)]);

impl WorkspaceAccess for MemoryWorkspace {
    fn read(&self, path: &str) -> Option<String> {
        self.0.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned())
    }

    fn files(&self, glob: &str, most: usize) -> Vec<String> {
        let pieces = || glob.split('*').filter(|piece| *piece != "/");
        let names = self.0.iter().map(|(name, _)| (*name).to_owned());
        names.filter(|name| pieces().all(|piece| name.contains(piece))).take(most).collect()
    }

    fn search(&self, words: &str, most: usize) -> Vec<SearchHit> {
        let hit = |(path, text): &(&str, &str)| {
            let at = text.find(words)?;
            Some(SearchHit { path: (*path).to_owned(), text: (*text).into(), range: at..text.len(), score: 1.0 })
        };
        self.0.iter().filter_map(hit).take(most).collect()
    }

    fn git(&self, _: Duration) -> Option<Arc<GitStatus>> {
        let staged = vec![("a.py".to_owned(), "+x = 1\n".to_owned())];
        Some(Arc::new(GitStatus { branch: Some("main".to_owned()), staged, recent_files: vec!["b.py".to_owned()] }))
    }

    fn log(&self, _: &str, _: &str) {}
}

/// Limits that a plugin keeps on a busy machine too.
pub(crate) const GENEROUS_LIMITS: Limits = Limits {
    call_time: Duration::from_secs(5),
    task_time: Duration::from_secs(5),
    load_time: Duration::from_secs(5),
    memory_bytes: 32 << 20,
    output_bytes: 4096,
};

pub(crate) fn load(source: &str) -> Result<Plugin, PluginFault> {
    let options = [("greeting".to_owned(), OptionValue::Text("hello".to_owned()))];
    Plugin::load(
        "p.luau",
        source,
        &options,
        Arc::new(MemoryWorkspace(&[("src/a_test.py", "def test_a(): ...\n")])),
        GENEROUS_LIMITS,
    )
}

/// Returns a plugin with this body of `context`.
pub(crate) fn with_context(body: &str) -> Plugin {
    let source = format!("return {{ api = 1, name = \"p\", context = function(request)\n{body}\nend }}");
    load(&source).expect("a plugin")
}

pub(crate) fn with_finish(body: &str) -> Plugin {
    let source = format!("return {{ api = 1, name = \"p\", finish = function(request, text)\n{body}\nend }}");
    load(&source).expect("a plugin")
}

fn snippet_texts(plugin: &Plugin) -> Vec<String> {
    let found = plugin.context(&request("src/a.py", "x = 1\ny = ▁\n"));
    assert_eq!(plugin.fault(), None);
    found.into_iter().map(|found| found.text).collect()
}

#[test]
fn a_plugin_sees_the_request_the_workspace_and_its_options() {
    let seen = with_context(
        "local before = request.before:match('[^\\n]*$')
        return { request.path, request.language, tostring(request.line), before, foretype.options.greeting,
          foretype.read('src/a_test.py') or 'none', foretype.read('../secret') or 'none',
          table.concat(foretype.files('**/*.py'), ' '), foretype.text(), tostring(foretype.tokens('123456')) }",
    );
    let expected = [
        "src/a.py",
        "python",
        "2",
        "y = ",
        "hello",
        "def test_a(): ...\n",
        "none",
        "src/a_test.py",
        "x = 1\ny = \n",
        "2",
    ];
    assert_eq!(snippet_texts(&seen), expected);
}

#[test]
fn definitions_come_from_the_symbol_index() {
    let plugin = with_context("return foretype.definitions('alpha')");
    let request = request("src/a.py", "y = ▁\n");
    request.symbols.update("b.py", Language::Python, "def alpha(x):\n    return x\n");
    let found = plugin.context(&request);
    assert_eq!(found.len(), 1, "{:?}", plugin.fault());
    assert_eq!((found[0].path.as_str(), found[0].text.starts_with("def alpha(x):")), ("b.py", true));
}

#[test]
fn references_are_whole_words_in_readable_files() {
    let plugin = with_context(
        "local found = {}
        for _, it in foretype.references('test_a') do table.insert(found, `{it.path}:{it.line}:{it.text}`) end
        return found",
    );
    let request = request("src/a.py", "x = 1\ny = test_a▁\nz = test_ab\n");
    // A file that is indexed but no longer readable is skipped.
    for (path, text) in [("src/a_test.py", "def test_a(): ...\n"), ("gone.py", "test_a()\n"), ("b.py", "test_ab()\n")] {
        request.symbols.update(path, Language::Python, text);
    }
    let found: Vec<_> = plugin.context(&request).into_iter().map(|found| found.text).collect();
    assert_eq!(found, ["src/a.py:2:y = test_a", "src/a_test.py:1:def test_a(): ..."], "{:?}", plugin.fault());
}

#[test]
fn an_unknown_function_fails_with_the_known_names() {
    let wrong = with_context("return foretype.serach('x')");
    wrong.context(&request("a.py", "▁"));
    let fault = wrong.fault().expect("it fails");
    assert!(
        fault.message.starts_with("foretype has no serach: it has read, ") && fault.message.contains(", search, "),
        "{fault}"
    );
    assert_eq!(fault.line, Some(2));
    let curious = with_context("return { tostring(getmetatable(foretype)), tostring(rawget(foretype, 'serach')) }");
    assert_eq!(snippet_texts(&curious), ["false", "nil"]);
}

#[test]
fn a_late_call_is_reported_with_line_and_limit() {
    let source = "return { api = 1, name = 'p', tasks = { 'fill', 'ask' }, context = function()\n    local x = 1\n    while true do\n        x += 1\n    end\nend }";
    let limits = Limits { call_time: Duration::from_millis(5), task_time: Duration::from_millis(8), ..GENEROUS_LIMITS };
    for (task, limit) in
        [(TaskKind::Fill, "5 ms (option plugins.time_ms)"), (TaskKind::Ask, "8 ms (option plugins.task_time_ms)")]
    {
        let plugin = Plugin::load("p.luau", source, &[], Arc::new(MemoryWorkspace(&[])), limits).expect("a plugin");
        plugin.context(&Request { task, ..request("a.py", "▁") });
        let fault = plugin.last_fault().expect("it is late");
        assert!(matches!(fault.line, Some(3..=5)), "{fault}");
        assert!(fault.message.contains(&format!("longer than {limit}")), "{fault}");
        assert_eq!(plugin.fault(), None, "once is forgiven");
    }
}

#[test]
fn declined_calls_are_counted() {
    let source =
        "return { api = 1, name = 'p', applies = function() return false end, context = function() return 'x' end }";
    let plugin = load(source).expect("a plugin");
    plugin.context(&request("a.py", "▁"));
    assert_eq!((plugin.tally().calls, plugin.tally().declined), (1, 1));
}

#[test]
fn a_search_returns_pieces_with_their_lines() {
    let plugin = with_context(
        "local found = foretype.search('test_a')
        return { `{#found} {found[1].path}:{found[1].line}:{found[1].text}`, tostring(#foretype.search('test_a', 0)) }",
    );
    assert_eq!(snippet_texts(&plugin), ["1 src/a_test.py:1:test_a(): ...\n", "0"]);
}

#[test]
fn a_query_captures_in_the_document_and_in_files() {
    let query = "local function names(path)
            local found = {}
            for _, it in foretype.query('(function_definition name: (identifier) @name)', path) or {} do
                table.insert(found, `{it.name} {it.text} {it.line}`)
            end
            return table.concat(found, ',')
        end
        return { names(), names('src/a_test.py'), tostring(foretype.query('(module) @m', 'missing.py')),
          tostring(foretype.query('(x) @m', 'NOTES')) }";
    let plugin = with_context(query);
    let found = plugin.context(&request("src/a.py", "import b\ndef one(): pass\ndef two(): ▁pass\n"));
    let found: Vec<_> = found.into_iter().map(|found| found.text).collect();
    assert_eq!(found, ["name one 2,name two 3", "name test_a 1", "nil", "nil"], "{:?}", plugin.fault());
    let wrong = with_context("return foretype.query('(no_such_node) @x')");
    wrong.context(&request("a.py", "▁"));
    assert!(wrong.fault().is_some_and(|fault| fault.message.contains("the query is wrong")), "{:?}", wrong.fault());
}

#[test]
fn the_git_status_is_a_table() {
    let plugin = with_context(
        "local git = foretype.git()
        return { git.branch, git.staged[1].path, git.staged[1].text, git.recent[1] }",
    );
    assert_eq!(snippet_texts(&plugin), ["main", "a.py", "+x = 1\n", "b.py"]);
}

#[test]
fn tokens_are_counted_by_the_model_if_there_is_one() {
    #[derive(Debug)]
    struct CharCounter;
    impl crate::TokenizerInfo for CharCounter {
        fn count_tokens(&self, text: &str) -> usize {
            text.chars().count()
        }

        fn has_special_token(&self, _: &str) -> bool {
            false
        }
    }
    let plugin =
        with_context("return { tostring(foretype.tokens('äbc')), tostring(foretype.tokens(('x'):rep(30000))) }");
    let mut request = request("a.py", "▁");
    request.tokenizer = Some(Arc::new(CharCounter));
    let found: Vec<_> = plugin.context(&request).into_iter().map(|found| found.text).collect();
    assert_eq!(found, ["3", "10000"]);
}

/// Tokenizer with one special token.
#[derive(Debug)]
pub(crate) struct OneSpecial;

impl crate::TokenizerInfo for OneSpecial {
    fn count_tokens(&self, text: &str) -> usize {
        text.len()
    }

    fn has_special_token(&self, special: &str) -> bool {
        special == "<HOLE>"
    }
}

/// Runs a plugin with this body of `prompt` below ten lines.
fn run_prompt_hook(body: &str) -> (Option<PluginLayout>, Plugin) {
    let source = format!("return {{ api = 1, name = 'p', prompt = function(request, window)\n{body}\nend }}");
    let plugin = load(&source).expect("a plugin");
    let mut request = request("a.py", &format!("{}x = ▁)\nafter\n", "line\n".repeat(10)));
    request.tokenizer = Some(Arc::new(OneSpecial));
    let snippet = crate::Snippet { path: "b.py".into(), text: "b()".into(), origin: "definition".into() };
    let layout = plugin.prompt(&request, &crate::Window::new(&request), &[snippet]);
    (layout, plugin)
}

#[test]
fn a_prompt_consists_of_texts_and_named_special_tokens() {
    let (layout, plugin) = run_prompt_hook(
        "local snippet = window.snippets[1]
        assert(foretype.special('<HOLE>') and not foretype.special('<OTHER>') and request.format == nil)
        return { parts = { window.before, { special = '<HOLE>' }, window.after, `<HOLE> {snippet.path} {snippet.why}` },
          stop = { '<HOLE>', '<OTHER>' } }",
    );
    assert_eq!(plugin.fault(), None);
    let layout = layout.expect("a layout");
    let expected = [
        Part::text("line\nline\nline\n", PartSource::Prefix),
        Part::special("<HOLE>"),
        Part::text("\nafter\n", PartSource::Suffix),
        Part::text("<HOLE> b.py definition", PartSource::Plugin { name: "p".into() }),
    ];
    assert_eq!((layout.parts.as_slice(), layout.plugin.as_str()), (&expected[..], "p"));
    assert_eq!(layout.stop_tokens, ["<HOLE>", "<OTHER>"]);
    assert_eq!(run_prompt_hook("return nil").0, None);
}

#[test]
fn a_wrong_prompt_is_a_fault_with_a_line() {
    let cases = [
        ("return 'text'", "prompt must be a table of parts"),
        ("return { 'text' }", "parts must be a list"),
        ("return { parts = { 5 } }", "a part of a prompt must be a text"),
        ("return { parts = { { text = 'x' } } }", "special must be the name"),
        ("return { parts = { { special = '<OTHER>' } } }", "no special token \"<OTHER>\""),
        ("return { parts = { ('x'):rep(4000), ('x'):rep(4000) } }", "the budget is"),
        ("return { parts = table.create(500, ('x'):rep(4000)) }", "2000000 bytes"),
        ("return { parts = { { special = ('x'):rep(4000) } } }", "more than 200 bytes"),
        ("return { parts = {}, stop = '<HOLE>' }", "stop must be a list"),
        ("return { parts = {}, stop = { 5 } }", "a stop token"),
        ("\nreturn window.none.at_all", "nil"),
    ];
    for (body, says) in cases {
        let (layout, plugin) = run_prompt_hook(body);
        let fault = plugin.fault().expect(body);
        assert!(layout.is_none() && fault.message.contains(says), "{body}: {fault}");
        assert_eq!(fault.line, Some(if body.starts_with('\n') { 3 } else { 1 }), "{body}: {fault}");
    }
}

#[test]
fn a_snippet_is_a_text_or_a_table_with_path_and_stability() {
    let plugin = with_context("return { 'one', { text = 'two', path = 'b.py', stability = 'stable' } }");
    let found = plugin.context(&request("a.py", "▁"));
    let told: Vec<_> = found.iter().map(|f| (f.path.as_str(), f.text.as_str(), f.stability)).collect();
    assert_eq!(told, [("p", "one", Stability::File), ("b.py", "two", Stability::Stable)]);
    assert_eq!(snippet_texts(&with_context("return { text = 'only' }")), ["only"]);
    assert_eq!(snippet_texts(&with_context("")), [""; 0]);
}

#[test]
fn finish_changes_vetoes_or_keeps_a_suggestion() {
    let says = |body: &str| with_finish(body).finish(&request("a.py", "y = ▁\n"), "print(x)");
    assert_eq!(says("return text:upper()"), Verdict::Change("PRINT(X)".to_owned()));
    assert_eq!(says("return false"), Verdict::Veto);
    for body in ["", "return text", "return true", "return nil"] {
        assert_eq!(says(body), Verdict::Keep, "{body}");
    }
}

#[test]
fn a_plugin_runs_only_for_its_languages_and_if_it_applies() {
    let source = "return { api = 1, name = 'p', languages = { 'rust' },
        applies = function(request) return request.path:find('lib') ~= nil end,
        context = function() return 'yes' end }";
    let plugin = load(source).expect("a plugin");
    let run = |path: &str| plugin.context(&request(path, "▁")).len();
    assert_eq!([run("src/lib.rs"), run("src/main.rs"), run("lib.py")], [1, 0, 0]);
}

#[test]
fn a_plugin_runs_only_for_its_tasks_by_default_suggestions() {
    let run = |tasks: &str, task: TaskKind| {
        let source = format!(
            "return {{ api = 1, name = 'p', {tasks}
            context = function(request) return request.task .. (request.question or '') end }}"
        );
        let plugin = load(&source).expect("a plugin");
        let request = crate::Request { task, question: Some("?".into()), ..request("a.py", "▁") };
        plugin.context(&request).into_iter().map(|found| found.text).collect::<Vec<_>>()
    };
    assert_eq!(run("", TaskKind::Fill), ["fill?"]);
    assert_eq!(run("", TaskKind::Docstring), [""; 0]);
    assert_eq!(run("tasks = { 'docstring', 'ask' },", TaskKind::Ask), ["ask?"]);
    assert_eq!(run("tasks = { 'docstring', 'ask' },", TaskKind::Fill), [""; 0]);
}

#[test]
fn a_wrong_file_is_reported_with_a_remedy() {
    let cases = [
        ("return 1", "end it with return"),
        ("return {}", "write api = 1"),
        ("return { api = 2 }", "api = 1 only"),
        ("return { api = 1 }", "write name ="),
        ("return { api = 1, name = 'p' }", "neither context nor prompt nor finish"),
        ("return { api = 1, name = 'q', context = function() end }", "must be q.luau"),
        ("return { api = 1, name = 'p', finsh = function() end }", "unknown key finsh"),
        ("return { api = 1, name = 'p', context = 3 }", "must be a function"),
        ("return { api = 1, name = 'p', languages = 'rust', context = function() end }", "list of LSP ids"),
        ("return { api = 1, name = 'p', tasks = { 'cook' }, context = function() end }", "list of \"fill\""),
        ("return { api = 1, name = 'p', tasks = {}, context = function() end }", "list of \"fill\""),
    ];
    for (source, advice) in cases {
        let fault = load(source).expect_err(source);
        assert!(fault.message.contains(advice), "{source}: {fault}");
    }
    let syntax = load("local x = 1\nreturn {{\n").expect_err("no Luau");
    assert_eq!(syntax.line, Some(3), "{syntax}");
    assert!(load(&" ".repeat(300 << 10)).expect_err("too large").message.contains("256 KB"));
}

#[test]
fn a_failure_is_reported_once_with_file_and_line_and_stops_the_plugin() {
    let plugin = with_context("local x = nil\nreturn x.y");
    let request = request("a.py", "▁");
    assert_eq!(plugin.context(&request), []);
    let fault = plugin.take_fault().expect("news");
    assert_eq!((fault.file.as_str(), fault.line), ("p.luau", Some(3)), "{fault}");
    assert!(fault.message.contains("nil"), "{fault}");
    assert_eq!(plugin.take_fault(), None);
    plugin.context(&request);
    assert_eq!((plugin.tally().calls, plugin.tally().failures), (1, 1), "it is stopped");
}

#[test]
fn a_wrong_result_is_a_fault() {
    let cases = [
        ("return 5", "snippets"),
        ("return { { text = {} } }", "a text"),
        ("return { { text = 'x', stability = 'never' } }", "stability"),
        ("return ('x'):rep(5000)", "5000 bytes"),
    ];
    for (body, says) in cases {
        let plugin = with_context(body);
        plugin.context(&request("a.py", "▁"));
        assert!(plugin.fault().expect(body).message.contains(says), "{body}: {:?}", plugin.fault());
    }
}

#[test]
fn the_generated_types_are_current_and_complete() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/luau/foretype.d.luau");
    if std::env::var_os("FORETYPE_UPDATE").is_some() {
        std::fs::write(path, declarations()).expect("a writable tree");
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == declarations(), "stale: run FORETYPE_UPDATE=1 cargo test -p foretype-plugins --lib luau");
    let plugin = with_context(
        "local names = {}
        for name in pairs(request) do table.insert(names, name) end
        for name in pairs(foretype) do table.insert(names, name) end
        return table.concat(names, ' ')",
    );
    for name in snippet_texts(&plugin)[0].split(' ') {
        assert!(committed.contains(&format!("\t{name}: ")), "{name} is not declared");
    }
}
