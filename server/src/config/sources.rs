//! Sources of option values, and reports of invalid ones.
//!
//! Each source is a [`Layer`]. It is checked by itself, so that an error can name it, and then merged over the previous
//! ones. A layer with an error is left out as a whole; the others still apply.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use super::Config;
use super::declarations::{self, OptionDeclaration};

/// Options that have been renamed: the old path and the new one. The old name still works.
const RENAMED_OPTIONS: &[(&[&str], &[&str])] = &[(&["inline", "near_first"], &["inline", "progressive_context"])];

/// Values from one source.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Layer {
    /// Name of the source in messages.
    pub(crate) name: String,
    /// Values, with the names of `config.toml`.
    pub(crate) values: Value,
}

/// Configuration, with the faults of its sources.
#[derive(Debug, Clone, Default)]
pub(crate) struct LoadedConfig {
    /// Configuration without the layers that have errors.
    pub(crate) config: Config,
    /// Unknown keys.
    pub(crate) warnings: Vec<String>,
    /// Unreadable files and invalid values. Each message names the file, the line and the key.
    pub(crate) errors: Vec<String>,
}

/// Returns the user's file: `foretype/config.toml` in `XDG_CONFIG_HOME`, else `~/.config`, else `APPDATA`.
pub(crate) fn user_file() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || set("HOME").map(|home| home.join(".config"));
    let folder = set("XDG_CONFIG_HOME").or_else(home).or_else(|| set("APPDATA"))?;
    Some(folder.join("foretype").join("config.toml"))
}

/// Returns the file of the workspace at `root`.
pub(crate) fn workspace_file(root: &Path) -> PathBuf {
    root.join(".foretype").join("config.toml")
}

/// Loads the configuration of the workspace at `root` from the files, then the layers that the editor sent, then the
/// environment, whose variables `variable` looks up.
pub(crate) fn load(root: Option<&Path>, editor: &[Layer], variable: impl Fn(&str) -> Option<String>) -> LoadedConfig {
    let mut loaded = LoadedConfig::default();
    let mut merged = Value::Object(Map::new());
    for file in user_file().into_iter().chain(root.map(workspace_file)) {
        match std::fs::read_to_string(&file) {
            Ok(text) => loaded.apply(&mut merged, read_file(&file.display().to_string(), &text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => loaded.errors.push(format!("{}: {error}", file.display())),
        }
    }
    for layer in editor.iter().cloned() {
        loaded.apply(&mut merged, check(layer, |_| String::new()));
    }
    for layer in environment(variable) {
        loaded.apply(&mut merged, check(layer, |_| String::new()));
    }
    loaded.config = serde_json::from_value(merged).unwrap_or_default();
    if let (Some(root), Some(adapter)) = (root, &mut loaded.config.adapter) {
        *adapter = root.join(&*adapter).to_string_lossy().into_owned();
    }
    loaded
}

impl Config {
    /// Loads the configuration for the workspace at `root` from files and the environment. Warnings go to standard
    /// error.
    ///
    /// # Errors
    /// If a source cannot be read or contains an invalid value. The message names the file, the line and the key.
    pub fn load(root: Option<&Path>) -> anyhow::Result<Self> {
        let loaded = load(root, &[], |name| std::env::var(name).ok());
        if let Some(error) = loaded.errors.into_iter().next() {
            anyhow::bail!(error);
        }
        for warning in &loaded.warnings {
            eprintln!("foretype: {warning}");
        }
        Ok(loaded.config)
    }
}

impl LoadedConfig {
    fn apply(&mut self, merged: &mut Value, checked: CheckedLayer) {
        self.warnings.extend(checked.warnings);
        match checked.layer {
            Ok(layer) => merge(merged, layer.values),
            Err(error) => self.errors.push(error),
        }
    }
}

/// Layer after its check.
struct CheckedLayer {
    layer: Result<Layer, String>,
    warnings: Vec<String>,
}

/// Merges `over` into `under`: tables are merged, lists are concatenated, all other values are replaced.
fn merge(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (name, value) in over {
                merge(under.entry(name).or_insert(Value::Null), value);
            }
        }
        (Value::Array(under), Value::Array(over)) => under.extend(over),
        (under, over) => *under = over,
    }
}

fn read_file(name: &str, text: &str) -> CheckedLayer {
    let position = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
    let table = match toml::from_str::<toml::Table>(text) {
        Ok(table) => table,
        Err(error) => {
            let line = error.span().map_or(1, |span| position(span.start));
            return CheckedLayer { layer: Err(format!("{name}:{line}: {}", error.message())), warnings: Vec::new() };
        }
    };
    let values = serde_json::to_value(table).unwrap_or_default();
    let layer = Layer { name: name.to_owned(), values };
    check(layer, |path| key_offset(text, path).map_or_else(String::new, |at| format!(":{}", position(at))))
}

/// Returns the byte offset at which the value or table named by `path` is declared.
fn key_offset(text: &str, path: &[String]) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let mut table = document.get_ref();
    let mut found = None;
    for name in path {
        let (key, value) = table.iter().find(|(key, _)| key.get_ref() == name.as_str())?;
        found = Some(key.span().start);
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => break,
        }
    }
    found
}

/// Checks a layer by itself. `line` returns the position of a key, as it is appended to the name of the layer.
fn check(mut layer: Layer, line: impl Fn(&[String]) -> String) -> CheckedLayer {
    move_renamed(&mut layer.values);
    let line = |path: &[String]| {
        // The layer may still have the old name.
        let old = old_path(path).map_or_else(String::new, |old| line(&old));
        if old.is_empty() { line(path) } else { old }
    };
    let mut warnings = Vec::new();
    let options = declarations::options();
    let names: Vec<String> = options.iter().map(OptionDeclaration::name).collect();
    drop_unknown(&mut layer.values, &mut Vec::new(), &options, &mut |path| {
        let meant = closest_name(&path.join("."), names.iter().map(String::as_str));
        let near = meant.map_or_else(String::new, |name| format!("; did you mean {name}?"));
        warnings.push(format!("{}{}: unknown key {}{near}", layer.name, line(path), path.join(".")));
    });
    let wrong = options.iter().find_map(|option| {
        let value = option.path.iter().try_fold(&layer.values, |value, name| value.get(name))?;
        let fault = validation_error(option, value)?;
        Some(format!("{}{}: {}: {fault}", layer.name, line(&option.path), option.name()))
    });
    CheckedLayer { layer: wrong.map_or(Ok(layer), Err), warnings }
}

/// Moves the values of renamed options to their new names. A value under the new name takes precedence.
fn move_renamed(values: &mut Value) {
    for (old, new) in RENAMED_OPTIONS {
        let [old_parents @ .., old_name] = *old else { continue };
        let [new_parents @ .., new_name] = *new else { continue };
        let parent = old_parents.iter().try_fold(&mut *values, |value, name| value.get_mut(name));
        let Some(value) = parent.and_then(|parent| parent.as_object_mut()?.remove(*old_name)) else { continue };
        let parent = new_parents.iter().try_fold(&mut *values, |value, name| value.get_mut(name));
        if let Some(Value::Object(parent)) = parent {
            parent.entry(*new_name).or_insert(value);
        }
    }
}

/// Returns the path that an option had before it was renamed.
fn old_path(path: &[String]) -> Option<Vec<String>> {
    let (old, _) = RENAMED_OPTIONS.iter().find(|(_, new)| path.iter().eq(*new))?;
    Some(old.iter().map(|name| (*name).to_owned()).collect())
}

/// Returns the fault of an option's value, found by giving it to an otherwise empty configuration.
fn validation_error(option: &OptionDeclaration, value: &Value) -> Option<String> {
    let nested = option.path.iter().rev().fold(value.clone(), |value, name| serde_json::json!({ name: value }));
    match serde_json::from_value::<Config>(nested.clone()) {
        Err(error) => Some(error.to_string()),
        Ok(_) => declarations::out_of_limits(&nested).into_iter().next(),
    }
}

fn drop_unknown(
    values: &mut Value,
    path: &mut Vec<String>,
    options: &[OptionDeclaration],
    report: &mut impl FnMut(&[String]),
) {
    let Value::Object(table) = values else { return };
    table.retain(|name, value| {
        path.push(name.clone());
        let is_option = options.iter().any(|option| option.path == *path);
        let is_section = value.is_object() && options.iter().any(|option| option.path.starts_with(path));
        if !is_option && is_section {
            drop_unknown(value, path, options, report);
        } else if !is_option {
            report(path);
        }
        path.pop();
        is_option || is_section
    });
}

/// Returns the known name that shares the most letter pairs with `name`, if it shares at least half of them.
pub(crate) fn closest_name<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let pairs = |text: &str| text.as_bytes().windows(2).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let own = pairs(name);
    let likeness = |other: &str| {
        let other = pairs(other);
        let common = own.iter().filter(|pair| other.contains(pair)).count();
        common * 100 / own.len().max(other.len()).max(1)
    };
    known.map(|name| (likeness(name), name)).filter(|(likeness, _)| *likeness >= 50).max().map(|(_, name)| name)
}

/// Settings of the editor extensions themselves, which editors send along.
const EXTENSION_SETTINGS: &[&str] = &["server_path", "trace"];

/// Returns the layer of the settings that an editor sends. Names are in camelCase or as in `config.toml`; nulls and
/// defaults count as unset.
pub(crate) fn editor_layer(name: &str, values: &Value) -> Layer {
    let default = serde_json::to_value(Config::default()).unwrap_or_default();
    let mut values = explicit_values(values, Some(&default)).unwrap_or_else(|| Value::Object(Map::new()));
    if let Value::Object(table) = &mut values {
        for name in EXTENSION_SETTINGS {
            table.remove(*name);
        }
    }
    Layer { name: name.to_owned(), values }
}

fn explicit_values(values: &Value, default: Option<&Value>) -> Option<Value> {
    match (values, default) {
        (Value::Null, _) => None,
        // The names in a table of the user's own are not options and are not converted.
        (Value::Object(_), Some(Value::Object(defaults))) if defaults.contains_key("*") => {
            if Some(values) == default {
                None
            } else {
                Some(values.clone())
            }
        }
        (Value::Object(table), _) => {
            let convert = |(name, value): (&String, &Value)| {
                let name = to_snake_case(name);
                explicit_values(value, default.and_then(|default| default.get(&name))).map(|value| (name, value))
            };
            Some(Value::Object(table.iter().filter_map(convert).collect()))
        }
        (value, default) if is_default(value, default) => None,
        (value, _) => Some(value.clone()),
    }
}

fn is_default(value: &Value, default: Option<&Value>) -> bool {
    match (value.as_f64(), default.and_then(Value::as_f64)) {
        (Some(value), Some(default)) => value == default,
        _ => Some(value) == default,
    }
}

fn to_snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// Returns one layer for each variable that is set, so that an error names the variable.
fn environment(variable: impl Fn(&str) -> Option<String>) -> Vec<Layer> {
    let layer = |option: OptionDeclaration| {
        let text = variable(&option.environment_variable()).filter(|text| !text.is_empty())?;
        let is_text = |kind: &Value| kind == "string";
        let kinds = &option.schema["type"];
        let text_only = is_text(kinds) || kinds.as_array().is_some_and(|kinds| kinds.iter().any(is_text));
        let parsed = if text_only { None } else { serde_json::from_str(&text).ok() };
        let value = parsed.unwrap_or(Value::String(text));
        let values = option.path.iter().rev().fold(value, |value, name| serde_json::json!({ name: value }));
        Some(Layer { name: option.environment_variable(), values })
    };
    let mut options = declarations::options();
    for option in declarations::options() {
        if let Some(path) = old_path(&option.path) {
            // The new variable comes later and wins.
            options.insert(0, OptionDeclaration { path, ..option });
        }
    }
    options.into_iter().filter_map(layer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check_file(text: &str) -> (Result<Config, String>, Vec<String>) {
        let checked = read_file("config.toml", text);
        let config = checked.layer.map(|layer| serde_json::from_value(layer.values).expect("a checked layer"));
        (config, checked.warnings)
    }

    #[test]
    fn a_file_sets_only_the_options_that_it_names() {
        let (config, warnings) = check_file("model = \"m\"\n[inline]\nmax_tokens = 7\n[enable]\nmarkdown = false\n");
        let config = config.expect("a good file");
        assert_eq!((config.model.as_deref(), config.inline.max_tokens), (Some("m"), 7));
        assert_eq!(config.inline.deadline_ms, Config::default().inline.deadline_ms);
        assert!(!config.enables("markdown") && config.enables("rust"));
        assert!(warnings.is_empty(), "{warnings:?}");
    }

    #[test]
    fn an_error_names_file_line_and_key() {
        let error = |text| check_file(text).0.expect_err(text);
        assert!(error("\n[inline]\nmax_tokens = \"many\"\n").starts_with("config.toml:3: inline.max_tokens: "));
        assert!(
            error("[inline]\n\nminimum_confidence = 3\n").starts_with("config.toml:3: inline.minimum_confidence: ")
        );
        assert!(error("a = 1\nb = = 2\n").starts_with("config.toml:2: "));
        assert!(error("inline.trigger = \"often\"").contains("automatic"));
    }

    #[test]
    fn an_unknown_key_is_reported_with_a_suggestion() {
        let (config, warnings) = check_file("[inline]\nmax_token = 3\n[inlin]\nx = 1\n");
        assert_eq!(config.expect("still good"), Config::default());
        let meant = "config.toml:2: unknown key inline.max_token; did you mean inline.max_tokens?";
        assert!(warnings.iter().any(|warning| warning == meant), "{warnings:?}");
        assert!(warnings.iter().any(|warning| warning.starts_with("config.toml:3: unknown key inlin")));
    }

    #[test]
    fn later_layers_win_and_lists_are_concatenated() {
        let mut merged = json!({ "model": "a", "context": { "excluded": ["x"] }, "enable": { "*": true } });
        merge(&mut merged, json!({ "model": "b", "context": { "excluded": ["y"] }, "enable": { "lua": false } }));
        let expected =
            json!({ "model": "b", "context": { "excluded": ["x", "y"] }, "enable": { "*": true, "lua": false } });
        assert_eq!(merged, expected);
    }

    #[test]
    fn settings_of_the_extension_itself_are_dropped() {
        let layer = editor_layer("editor", &json!({ "serverPath": "/x", "trace": { "server": "off" }, "threads": 2 }));
        assert_eq!(layer.values, json!({ "threads": 2 }));
    }

    #[test]
    fn editor_settings_are_in_camel_case_and_defaults_count_as_unset() {
        let sent = json!({
            "model": null, "device": "auto", "enable": { "*": true, "fooBar": false },
            "inline": { "maxTokens": 9, "deadlineMs": 1500, "minimumConfidence": -2 },
        });
        let expected = json!({ "enable": { "*": true, "fooBar": false }, "inline": { "max_tokens": 9 } });
        assert_eq!(editor_layer("editor", &sent).values, expected);
    }

    #[test]
    fn a_renamed_option_works_under_both_names() {
        for name in ["near_first", "progressive_context"] {
            let (config, warnings) = check_file(&format!("[inline]\n{name} = false\n"));
            assert!(!config.expect("a good file").inline.progressive_context, "{name}");
            assert!(warnings.is_empty(), "{warnings:?}");
            let error = check_file(&format!("[inline]\n\n{name} = 3\n")).0.expect_err("not a boolean");
            assert!(error.starts_with("config.toml:3: inline.progressive_context: "), "{error}");
        }
        let (both, _) = check_file("[inline]\nnear_first = true\nprogressive_context = false\n");
        assert!(!both.expect("the new name wins").inline.progressive_context);
        let direct: Config = serde_json::from_value(json!({ "inline": { "near_first": false } })).expect("an alias");
        assert!(!direct.inline.progressive_context);
        let set = |name: &str| (name == "FORETYPE_INLINE_NEAR_FIRST").then(|| "false".to_owned());
        let editor = editor_layer("editor", &json!({ "inline": { "nearFirst": false } }));
        for layer in environment(set).into_iter().chain([editor]) {
            let checked = check(layer, |_| String::new());
            let expected = json!({ "inline": { "progressive_context": false } });
            assert_eq!((checked.layer.expect("valid").values, checked.warnings), (expected, Vec::new()));
        }
    }

    #[test]
    fn the_environment_sets_every_option() {
        let set = |name: &str| match name {
            "FORETYPE_MODEL" => Some("7".to_owned()),
            "FORETYPE_INLINE_MAX_TOKENS" => Some("7".to_owned()),
            "FORETYPE_INLINE_TRIGGER" => Some("manual".to_owned()),
            "FORETYPE_THREADS" => Some("two".to_owned()),
            _ => None,
        };
        let checked: Vec<_> = environment(set).into_iter().map(|layer| check(layer, |_| String::new()).layer).collect();
        let errors: Vec<_> = checked.iter().filter_map(|layer| layer.as_ref().err()).collect();
        assert!(errors.len() == 1 && errors[0].starts_with("FORETYPE_THREADS: threads: "), "{errors:?}");
        let values: Vec<_> = checked.iter().flatten().map(|layer| layer.values.clone()).collect();
        let expected = [
            json!({ "model": "7" }),
            json!({ "inline": { "max_tokens": 7 } }),
            json!({ "inline": { "trigger": "manual" } }),
        ];
        assert_eq!(values, expected);
    }
}
