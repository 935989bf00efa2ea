//! Line ends: a file with `\r\n` gets what the same file with `\n` gets, in its own line ends.

use foretype_plugins::Language;
use foretype_tests::client::Client;
use foretype_tests::{TestEnv, real_model, stub_model};
use serde_json::{Value, json};

/// Beginnings of files in every language with a grammar. `▁` is the cursor.
const FILES: &[(Language, &str)] = &[
    (Language::Python, "def total(prices):\n    result = 0\n    for price in prices:\n▁\n\n\nprint(total([1, 2]))\n"),
    (
        Language::Rust,
        "fn total(prices: &[u32]) -> u32 {\n    let mut result = 0;\n    for price in prices {\n▁\n    }\n    result\n}\n",
    ),
    (Language::JavaScript, "function total(prices) {\n  let result = 0;\n▁\n}\n\nmodule.exports = { total };\n"),
    (
        Language::TypeScript,
        "function total(prices: number[]): number {\n  let result = 0;\n▁\n}\n\nexport { total };\n",
    ),
    (
        Language::Tsx,
        "export function List({ names }: { names: string[] }) {\n  return (\n    <ul>\n▁\n    </ul>\n  );\n}\n",
    ),
    (Language::Go, "package shop\n\nfunc total(prices []int) int {\n\tresult := 0\n▁\n}\n"),
    (Language::Java, "class Shop {\n    int total(int[] prices) {\n        int result = 0;\n▁\n    }\n}\n"),
    (Language::C, "int total(const int *prices, int count) {\n    int result = 0;\n▁\n}\n"),
    (Language::Cpp, "int total(const std::vector<int>& prices) {\n    int result = 0;\n▁\n}\n"),
    (Language::CSharp, "class Shop {\n    int Total(int[] prices) {\n        int result = 0;\n▁\n    }\n}\n"),
    (Language::Ruby, "def total(prices)\n  result = 0\n▁\nend\n\nputs total([1, 2])\n"),
    (Language::Php, "<?php\nfunction total(array $prices): int {\n    $result = 0;\n▁\n}\n"),
    (Language::Lua, "local function total(prices)\n  local result = 0\n▁\nend\n\nprint(total({ 1, 2 }))\n"),
    (Language::Bash, "total() {\n  local result=0\n  for price in \"$@\"; do\n▁\n  done\n  echo \"$result\"\n}\n"),
    (
        Language::Html,
        "<!doctype html>\n<html>\n  <body>\n    <ul>\n      <li>One</li>\n▁\n    </ul>\n  </body>\n</html>\n",
    ),
    (Language::Css, "body {\n  margin: 0;\n}\n\nul {\n▁\n}\n"),
    (Language::Json, "{\n  \"name\": \"shop\",\n  \"scripts\": {\n▁\n  }\n}\n"),
    (Language::Yaml, "services:\n  shop:\n    image: shop\n    ports:\n▁\n"),
    (Language::Toml, "[package]\nname = \"shop\"\nversion = \"0.1.0\"\n▁\n\n[dependencies]\n"),
    (Language::Markdown, "# Shop\n\nThings to do:\n\n- Count the prices\n▁\n\n# Licence\n"),
    (Language::PlainText, "Dear Anna,\n\nthank you for\n▁\n\nYours,\nBert\n"),
];

fn suggestions(client: &mut Client, uri: &str, language: Language, marked: &str) -> Vec<String> {
    let (before, after) = marked.split_once('▁').expect("a cursor");
    let position = json!({ "line": before.matches('\n').count(), "character": 0 });
    client.open(uri, language.lsp_id(), &format!("{before}{after}"));
    let context = json!({ "triggerKind": 1 });
    let params = json!({ "textDocument": { "uri": uri }, "position": position, "context": context });
    let answer = client.request("textDocument/inlineCompletion", params);
    let items = answer["items"].as_array().expect("items");
    items.iter().map(|item| text_of(&item["insertText"]).to_owned()).collect()
}

#[test]
fn a_file_gets_the_same_suggestions_with_either_line_end() {
    let Some(model) = real_model() else { return };
    let env = TestEnv::new();
    let mut command = env.command(&["lsp", "--standalone"]);
    command.env("FORETYPE_MODEL", model);
    let mut client = Client::start(command);
    let options = json!({ "inline": { "deadline_ms": 60_000 } });
    client.initialize(json!({ "capabilities": {}, "initializationOptions": options }));
    let mut with_several_lines = 0;
    for language in Language::all() {
        let (_, marked) = FILES.iter().find(|file| file.0 == language).expect("a file in each language");
        let uri = |name| format!("file:///w/{name}/{}", language.lsp_id());
        let lf = suggestions(&mut client, &uri("lf"), language, marked);
        let crlf = suggestions(&mut client, &uri("crlf"), language, &marked.replace('\n', "\r\n"));
        let expected: Vec<_> = lf.iter().map(|text| text.replace('\n', "\r\n")).collect();
        assert_eq!(crlf, expected, "{language:?}");
        with_several_lines += usize::from(crlf.iter().any(|text| text.contains('\n')));
    }
    assert!(with_several_lines >= 5, "{with_several_lines} suggestions had several lines");
}

#[test]
fn a_lone_carriage_return_ends_a_line_but_not_for_neovim() {
    for (name, lines) in [("Emacs", 3), ("Neovim", 2)] {
        let env = TestEnv::new();
        let mut command = env.command(&["lsp", "--standalone"]);
        command.env("FORETYPE_MODEL", stub_model::write(env.path()));
        let mut client = Client::start(command);
        client.initialize(json!({ "capabilities": {}, "clientInfo": { "name": name } }));
        let uri = "file:///w/a.py";
        client.open(uri, "python", "x = 1\ry = 2\nz =");
        let mut suggest = |line: u32| {
            let position = json!({ "line": line, "character": 3 });
            let params = json!({ "textDocument": { "uri": uri }, "position": position });
            client.request("textDocument/inlineCompletion", params)["items"].as_array().map_or(0, Vec::len)
        };
        assert_eq!(suggest(lines - 1), 1, "{name}: the last line is complete");
        assert_eq!(suggest(lines), 0, "{name}: there is no such line");
    }
}

/// Runs a command that writes `name`, in a folder where the file has `\n` and in one where it has `\r\n`. The stub
/// model replies with `reply`.
fn written_with_both_ends(reply: &str, name: &str, source: &str, arguments: &[&str]) -> [String; 2] {
    ["\n", "\r\n"].map(|end| {
        let env = TestEnv::new();
        stub_model::write_with_reply(env.path(), reply);
        env.write("stub-model/chat_template.jinja", stub_model::PLAIN_CHAT_TEMPLATE);
        env.write("work/.git/HEAD", "ref: refs/heads/main\n");
        let path = env.write(&format!("work/{name}"), source.replace('\n', end));
        let (succeeded, out, err) = env.run_with_stub_model(arguments);
        assert!(succeeded, "{arguments:?}: {out}{err}");
        std::fs::read_to_string(path).expect("the file")
    })
}

#[test]
fn commands_write_a_file_with_its_own_line_ends() {
    let shop = "class Shop:\n    def total(self, items):\n        # Adds up.\n        return tax(sum(items))\n";
    let code = "items = list(items)\nreturn sum(items)\n";
    let german = "Die Summe der Preise, die in der Liste stehen, ohne die Steuer, die noch dazukommt.\n";
    let commands: [(&str, &[&str]); 4] = [
        (code, &["edit", "shop.py:4", "No tax.", "--write"]),
        ("total = 1\n", &["generate", "shop.py:3", "--write"]),
        (german, &["translate", "shop.py", "--comments", "german", "--write"]),
        ("", &["docstring", "shop.py:2", "--write"]),
    ];
    for (reply, arguments) in commands {
        let [lf, crlf] = written_with_both_ends(reply, "shop.py", shop, arguments);
        assert!(lf != shop && !lf.contains('\r'), "{arguments:?}: {lf:?}");
        assert_eq!(crlf, lf.replace('\n', "\r\n"), "{arguments:?}");
    }
}

#[test]
fn a_diff_of_a_file_with_carriage_returns_applies_to_it() {
    let env = TestEnv::new();
    stub_model::write_with_reply(env.path(), "items = list(items)\nreturn sum(items)\n");
    env.write("stub-model/chat_template.jinja", stub_model::PLAIN_CHAT_TEMPLATE);
    env.write("work/shop.py", "def total(items):\r\n    return tax(sum(items))\r\n");
    let (succeeded, out, err) = env.run_with_stub_model(&["edit", "shop.py:2", "No tax."]);
    assert!(succeeded, "{err}");
    assert!(out.contains("-    return tax(sum(items))\r\n+    items = list(items)\r\n"), "{out:?}");
}

#[test]
fn an_editor_gets_edits_with_the_line_ends_of_its_file() {
    let env = TestEnv::new();
    stub_model::write_with_reply(env.path(), "items = list(items)\nreturn sum(items)\n");
    env.write("stub-model/chat_template.jinja", stub_model::PLAIN_CHAT_TEMPLATE);
    let mut command = env.command(&["lsp", "--standalone"]);
    command.env("FORETYPE_MODEL", env.path().join("stub-model"));
    let mut client = Client::start(command);
    client.initialize(json!({ "capabilities": {} }));
    let uri = "file:///w/shop.py";
    client.open(uri, "python", "def total(items):\r\n    return tax(sum(items))\r\nprint(1)\n");
    let range = json!({ "start": { "line": 1, "character": 4 }, "end": { "line": 1, "character": 10 } });
    let params = json!({ "textDocument": { "uri": uri }, "range": range, "instruction": "No tax." });
    let answer = client.request("foretype/edit", params);
    let texts: String =
        answer["hunks"].as_array().into_iter().flatten().map(|hunk| text_of(&hunk["newText"])).collect();
    assert!(texts.contains("items = list(items)\r\n    return sum(items)"), "{answer}");
    assert!(!texts.replace("\r\n", "").contains('\n'), "{answer}");
}

fn text_of(value: &Value) -> &str {
    value.as_str().expect("a text")
}
