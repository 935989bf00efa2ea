//! Documents generated from the option declarations: JSON schema, VS Code settings, manual page. A test fails when a
//! committed copy is stale; `FORETYPE_UPDATE=1` writes the copies.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::declarations::{OptionDeclaration, options, schema};

impl OptionDeclaration {
    /// Returns the name in editor settings, for example `foretype.inline.maxTokens`.
    pub(crate) fn editor_setting(&self) -> String {
        let parts: Vec<_> = self.path.iter().map(|part| to_camel_case(part)).collect();
        format!("foretype.{}", parts.join("."))
    }

    fn description(&self) -> String {
        self.schema["description"].as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

fn to_camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| name + &word[..1].to_uppercase() + &word[1..])
}

/// Returns the value of `contributes.configuration` in the `package.json` of the VS Code extension.
fn vscode_settings() -> Value {
    let properties: Map<_, _> = options().iter().map(|option| (option.editor_setting(), setting(option))).collect();
    json!({ "title": "Foretype", "properties": properties })
}

fn setting(option: &OptionDeclaration) -> Value {
    let mut setting = json!({ "markdownDescription": option.description() });
    for name in ["type", "minimum", "maximum", "items", "additionalProperties", "default", "scope"] {
        if let Some(value) = option.schema.get(name) {
            setting[name] = value.clone();
        }
    }
    if let Some(choices) = choices(option) {
        setting["type"] = json!("string");
        setting["enum"] = choices.iter().map(|(name, _)| json!(name)).collect();
        setting["enumDescriptions"] = choices.iter().map(|(_, text)| json!(text)).collect();
    }
    setting
}

/// Returns the allowed values of an enumerated option, with their descriptions.
fn choices(option: &OptionDeclaration) -> Option<Vec<(String, String)>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let variants = option.schema.get("oneOf")?.as_array()?;
    Some(variants.iter().map(|variant| (text(&variant["const"]), text(&variant["description"]))).collect())
}

/// Returns the manual page as Markdown.
fn manual_page() -> String {
    let mut page = String::from(INTRODUCTION);
    for option in options() {
        // One sentence per line.
        let description = option.description().replace(". ", ".\n");
        page += &format!("\n### `{}`\n\n{description}\n\n", option.name());
        for (name, text) in choices(&option).into_iter().flatten() {
            page += &format!("* `{name}`: {text}\n");
        }
        if choices(&option).is_some() {
            page.push('\n');
        }
        let default = match &option.schema["default"] {
            Value::Null => "unset".to_owned(),
            default => format!("`{default}`"),
        };
        page += &format!(
            "Default: {default}{} · editor: `{}` · environment: `{}`\n",
            limits(&option),
            option.editor_setting(),
            option.environment_variable()
        );
    }
    page
}

fn limits(option: &OptionDeclaration) -> String {
    let (low, high) = (&option.schema["minimum"], &option.schema["maximum"]);
    if high.is_null() { String::new() } else { format!(" · from {low} to {high}") }
}

const INTRODUCTION: &str = "\
# Options

<!-- Generated from server/src/config.rs by `FORETYPE_UPDATE=1 cargo test -p foretype`. -->

All options are optional.
They are read from the following sources; later sources override earlier ones:

1. `foretype/config.toml` in your configuration folder (`$XDG_CONFIG_HOME`, or `~/.config` if that is unset)
2. `.foretype/config.toml` in the workspace
3. the settings of your editor (a value that equals the default counts as unset)
4. environment variables

An example of a configuration file:

```toml
model = \"qwen2.5-coder-1.5b\"

[enable]
markdown = false

[inline]
trigger = \"manual\"
```

An invalid value is reported with its file, line and key, and the whole file is ignored.
An unknown key is reported, and only that key is ignored.
";

/// Compares a committed copy with the generated text. `FORETYPE_UPDATE=1` writes the copy.
pub(crate) fn check_copy(path: &str, generated: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    if std::env::var_os("FORETYPE_UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a writable tree");
        std::fs::write(&path, generated).expect("a writable tree");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == generated, "{} is stale: run FORETYPE_UPDATE=1 cargo test -p foretype", path.display());
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(&sorted(value)).expect("plain JSON") + "\n"
}

/// Sorts the names, because another crate of the build may make serde_json keep the order of insertion.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(table) => {
            let mut entries: Vec<_> = table.iter().map(|(name, value)| (name.clone(), sorted(value))).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().collect())
        }
        Value::Array(values) => values.iter().map(sorted).collect(),
        value => value.clone(),
    }
}

#[test]
fn the_manual_page_is_up_to_date() {
    check_copy("docs/reference/configuration.md", &manual_page());
}

#[test]
fn the_schema_is_up_to_date() {
    check_copy("docs/config.schema.json", &pretty(&schema()));
}

#[test]
fn the_vs_code_settings_are_up_to_date() {
    check_copy("docs/vscode-configuration.json", &pretty(&vscode_settings()));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../editors/vscode/package.json");
    let Ok(package) = std::fs::read_to_string(&path) else { return };
    let (range, section) = section(&package);
    let mut fresh = vscode_settings();
    fresh["properties"].as_object_mut().expect("settings").extend(own_settings(&section));
    if std::env::var_os("FORETYPE_UPDATE").is_some() && section != fresh {
        let text = pretty(&fresh).trim_end().replace('\n', "\n    ");
        std::fs::write(&path, [&package[..range.start], &text, &package[range.end..]].concat()).expect("writable");
        return;
    }
    assert!(section == fresh, "package.json is stale: run FORETYPE_UPDATE=1 cargo test -p foretype");
}

/// Returns the range of the section in the text of `package.json`, and its value.
fn section(package: &str) -> (std::ops::Range<usize>, Value) {
    const KEY: &str = "\"configuration\":";
    let start = package.find(KEY).expect("package.json has a section for settings") + KEY.len();
    let start = package.len() - package[start..].trim_start().len();
    let mut values = serde_json::Deserializer::from_str(&package[start..]).into_iter::<Value>();
    let value = values.next().expect("a value").expect("package.json is JSON");
    (start..start + values.byte_offset(), value)
}

/// Returns the settings that belong to the extension alone: the path of the binary and the trace level.
fn own_settings(section: &Value) -> Map<String, Value> {
    let own = ["foretype.serverPath", "foretype.trace.server"];
    let properties = section["properties"].as_object().cloned().unwrap_or_default();
    properties.into_iter().filter(|(name, _)| own.contains(&name.as_str())).collect()
}

#[test]
fn every_option_has_a_description_and_three_names() {
    let options = options();
    assert!(options.len() > 20, "only {} options", options.len());
    assert!(options.iter().all(|option| !option.description().is_empty()));
    let option = options.iter().find(|option| option.name() == "inline.max_tokens").expect("an option");
    assert_eq!(option.editor_setting(), "foretype.inline.maxTokens");
    assert_eq!(option.environment_variable(), "FORETYPE_INLINE_MAX_TOKENS");
}
