//! What is generated from the declarations: JSON schema, VS Code settings, manual page.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::Config;

/// One option: where it stands and what the schema says of it.
#[derive(Debug, Clone)]
pub struct Opt {
    /// Names from the outermost section to the option, as in `config.toml`.
    pub path: Vec<String>,
    /// Its JSON schema, with `default` and `description`.
    pub schema: Value,
}

impl Opt {
    /// The name in `config.toml`, for example `inline.max_tokens`.
    pub fn name(&self) -> String {
        self.path.join(".")
    }

    /// The environment variable that sets it, for example `FORETYPE_INLINE_MAX_TOKENS`.
    pub fn variable(&self) -> String {
        format!("FORETYPE_{}", self.path.join("_").to_uppercase())
    }

    /// The name in an editor's settings, for example `foretype.inline.maxTokens`.
    pub fn setting(&self) -> String {
        let parts: Vec<_> = self.path.iter().map(|part| camel(part)).collect();
        format!("foretype.{}", parts.join("."))
    }

    fn description(&self) -> String {
        self.schema["description"].as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| name + &word[..1].to_uppercase() + &word[1..])
}

/// The JSON schema of `config.toml`.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<Config>().to_value();
    fill_defaults(&mut schema, &default_value());
    schema
}

fn default_value() -> Value {
    serde_json::to_value(Config::default()).unwrap_or_default()
}

/// A section's default is that of its options; each option gets its own.
fn fill_defaults(schema: &mut Value, default: &Value) {
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for (name, property) in properties {
        if property.get("properties").is_some() {
            fill_defaults(property, &default[name]);
        }
        property["default"] = default[name].clone();
    }
}

/// All options, by name.
pub fn options() -> Vec<Opt> {
    let mut options = Vec::new();
    collect(&schema(), &mut Vec::new(), &mut options);
    options.sort_by(|a, b| (a.path.len().min(2), &a.path).cmp(&(b.path.len().min(2), &b.path)));
    options
}

fn collect(schema: &Value, path: &mut Vec<String>, options: &mut Vec<Opt>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        path.push(name.clone());
        if property.get("properties").is_some() {
            collect(property, path, options);
        } else {
            options.push(Opt { path: path.clone(), schema: property.clone() });
        }
        path.pop();
    }
}

/// The names of the options whose value in `config` breaks a limit, each with the limit.
pub fn out_of_limits(config: &Value) -> Vec<String> {
    let broken = |option: &Opt| {
        let value = option.path.iter().fold(config, |value, name| &value[name]).as_f64()?;
        let limit = |name: &str| option.schema[name].as_f64();
        let (low, high) = (limit("minimum"), limit("maximum"));
        (low.is_some_and(|low| value < low) || high.is_some_and(|high| value > high)).then(|| {
            let end = |limit: Option<f64>| limit.map_or_else(|| "any".to_owned(), |limit| limit.to_string());
            format!("{} = {value} is not between {} and {}", option.name(), end(low), end(high))
        })
    };
    options().iter().filter_map(broken).collect()
}

/// The value of `contributes.configuration` in the VS Code extension's `package.json`.
pub fn vscode() -> Value {
    let properties: Map<_, _> = options().iter().map(|option| (option.setting(), setting(option))).collect();
    json!({ "title": "Foretype", "properties": properties })
}

fn setting(option: &Opt) -> Value {
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

/// The values that an option may have, with their descriptions.
fn choices(option: &Opt) -> Option<Vec<(String, String)>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let variants = option.schema.get("oneOf")?.as_array()?;
    Some(variants.iter().map(|variant| (text(&variant["const"]), text(&variant["description"]))).collect())
}

/// The manual page, as Markdown.
pub fn manual() -> String {
    let mut page = String::from(INTRODUCTION);
    for option in options() {
        page += &format!("\n### `{}`\n\n{}\n\n", option.name(), option.description());
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
            option.setting(),
            option.variable()
        );
    }
    page
}

fn limits(option: &Opt) -> String {
    let (low, high) = (&option.schema["minimum"], &option.schema["maximum"]);
    if high.is_null() { String::new() } else { format!(" · from {low} to {high}") }
}

const INTRODUCTION: &str = "\
# Options

<!-- Generated from server/src/config.rs by `FORETYPE_UPDATE=1 cargo test -p foretype`. -->

Foretype works without any. Options are read from these places; what comes later wins:

1. `foretype/config.toml` in your configuration folder (`$XDG_CONFIG_HOME`, else `~/.config`);
2. `.foretype/config.toml` in the workspace;
3. your editor's settings (an editor's value that equals the default counts as not set);
4. the environment.

A file looks like this:

```toml
model = \"qwen2.5-coder-1.5b\"

[enable]
markdown = false

[inline]
trigger = \"manual\"
```

A wrong value is reported with its file, line and key, and that file is left out; an unknown key is reported and
ignored.
";

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// Compares a committed copy with what it is generated from; `FORETYPE_UPDATE=1` writes it.
    fn check_copy(path: &str, generated: &str) {
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

    /// Names in order, whether or not some crate of the build asks serde_json to keep the order of insertion.
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
    fn the_manual_page_is_fresh() {
        check_copy("docs/configuration.md", &manual());
    }

    #[test]
    fn the_schema_is_fresh() {
        check_copy("docs/config.schema.json", &pretty(&schema()));
    }

    #[test]
    fn the_settings_of_vs_code_are_fresh() {
        check_copy("docs/vscode-configuration.json", &pretty(&vscode()));
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../editors/vscode/package.json");
        let Ok(package) = std::fs::read_to_string(&path) else { return };
        let (range, section) = section(&package);
        let mut fresh = vscode();
        fresh["properties"].as_object_mut().expect("settings").extend(own_settings(&section));
        if std::env::var_os("FORETYPE_UPDATE").is_some() && section != fresh {
            let text = pretty(&fresh).trim_end().replace('\n', "\n    ");
            std::fs::write(&path, [&package[..range.start], &text, &package[range.end..]].concat()).expect("writable");
            return;
        }
        assert!(section == fresh, "package.json is stale: run FORETYPE_UPDATE=1 cargo test -p foretype");
    }

    /// Where the section stands in the text of `package.json`, and its value.
    fn section(package: &str) -> (std::ops::Range<usize>, Value) {
        const KEY: &str = "\"configuration\":";
        let start = package.find(KEY).expect("package.json has a section for settings") + KEY.len();
        let start = package.len() - package[start..].trim_start().len();
        let mut values = serde_json::Deserializer::from_str(&package[start..]).into_iter::<Value>();
        let value = values.next().expect("a value").expect("package.json is JSON");
        (start..start + values.byte_offset(), value)
    }

    /// Settings of the extension alone, which the server does not know: where the binary lies, what to trace.
    fn own_settings(section: &Value) -> Map<String, Value> {
        let own = ["foretype.serverPath", "foretype.trace.server"];
        let properties = section["properties"].as_object().cloned().unwrap_or_default();
        properties.into_iter().filter(|(name, _)| own.contains(&name.as_str())).collect()
    }

    #[test]
    fn every_option_is_described_and_has_three_names() {
        let options = options();
        assert!(options.len() > 20, "only {} options", options.len());
        assert!(options.iter().all(|option| !option.description().is_empty()));
        let option = options.iter().find(|option| option.name() == "inline.max_tokens").expect("an option");
        assert_eq!(option.setting(), "foretype.inline.maxTokens");
        assert_eq!(option.variable(), "FORETYPE_INLINE_MAX_TOKENS");
    }
}
