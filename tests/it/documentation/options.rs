//! Options that the documentation names, checked against the generated JSON schema and the manifest of the VS Code
//! extension.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::page::CodeBlock;

/// Extensions of text that may name a page.
pub(super) const SOURCE_EXTENSIONS: [&str; 8] = ["rs", "lua", "luau", "ts", "mjs", "py", "txt", "toml"];

/// Names that configuration examples may use.
pub(super) struct Names {
    /// JSON schema of `config.toml`.
    schema: Value,
    /// Settings and commands of the VS Code extension.
    vscode: BTreeSet<String>,
}

impl Names {
    /// Reads the names from `docs/config.schema.json` and from the extension's `package.json`.
    pub(super) fn parse(schema: &str, package: &str) -> Self {
        let package: Value = serde_json::from_str(package).expect("a manifest in JSON");
        let contributes = &package["contributes"];
        let settings = contributes["configuration"]["properties"].as_object().into_iter().flatten();
        let commands = contributes["commands"].as_array().into_iter().flatten();
        let commands = commands.filter_map(|command| command["command"].as_str().map(str::to_owned));
        Self {
            schema: serde_json::from_str(schema).expect("a schema in JSON"),
            vscode: settings.map(|(name, _)| name.clone()).chain(commands).collect(),
        }
    }

    /// Returns what is wrong with a configuration example, in TOML or JSON.
    pub(super) fn check_block(&self, block: &CodeBlock) -> Vec<String> {
        match block.language.as_str() {
            "toml" => match block.text.parse::<toml::Table>() {
                Ok(table) => self.check_toml(&block.text, &table),
                Err(error) => vec![format!("no TOML: {}", error.message())],
            },
            "json" => match serde_json::from_str::<Value>(&block.text) {
                Ok(value) => self.check_json(&value),
                Err(error) => vec![format!("no JSON: {error}")],
            },
            _ => Vec::new(),
        }
    }

    /// Returns what is wrong with a name in a sentence: `inline.max_tokens` or `foretype.inline.maxTokens`.
    pub(super) fn check_span(&self, code: &str) -> Option<String> {
        let is_name = code.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_'));
        let parts: Vec<&str> = code.split('.').collect();
        if !is_name || parts.len() < 2 {
            return None;
        }
        if parts[0] == "foretype" {
            let of_section = parts.len() > 2 && self.is_section(parts[1]);
            return (of_section && !self.vscode.contains(code)).then(|| format!("no setting `{code}`"));
        }
        let is_file = is_source_file(code);
        (!is_file && self.is_section(parts[0])).then(|| self.find(&parts)).flatten()
    }

    fn is_section(&self, name: &str) -> bool {
        self.schema["properties"][name]["properties"].is_object()
    }

    /// Returns what is wrong with a path of names in `config.toml`. Keys below an option are the user's own.
    fn find(&self, path: &[&str]) -> Option<String> {
        let mut schema = &self.schema;
        for name in path {
            let properties = schema["properties"].as_object()?;
            match properties.get(*name) {
                Some(property) => schema = property,
                None => return Some(format!("no option `{}`", path.join("."))),
            }
        }
        None
    }

    fn check_toml(&self, text: &str, table: &toml::Table) -> Vec<String> {
        let mut problems = Vec::new();
        for (name, value) in table {
            match value {
                toml::Value::Table(section) if self.is_section(name) => {
                    problems.extend(section.keys().filter_map(|key| self.find(&[name, key])));
                }
                _ => problems.extend(self.find(&[name])),
            }
        }
        if let Err(error) = toml::from_str::<foretype::config::Config>(text) {
            problems.push(error.message().to_owned());
        }
        problems
    }

    /// Checks each name that begins with `foretype.`, be it a key or a value.
    fn check_json(&self, value: &Value) -> Vec<String> {
        let mut names = Vec::new();
        collect_names(value, &mut names);
        let unknown = names.into_iter().filter(|name| name.starts_with("foretype.") && !self.vscode.contains(*name));
        unknown.map(|name| format!("no setting or command `{name}`")).collect()
    }
}

fn collect_names<'a>(value: &'a Value, names: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => names.push(text),
        Value::Array(values) => values.iter().for_each(|value| collect_names(value, names)),
        Value::Object(entries) => {
            for (name, value) in entries {
                names.push(name);
                collect_names(value, names);
            }
        }
        _ => {}
    }
}

/// True if the name ends like a file of source text or documentation.
fn is_source_file(name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    extension == "md" || extension == "json" || SOURCE_EXTENSIONS.contains(&extension)
}

#[cfg(test)]
mod tests {
    use super::Names;
    use crate::documentation::page::CodeBlock;

    fn names() -> Names {
        let schema = r#"{"properties": {"model": {}, "inline": {"properties": {"trigger": {}, "max_tokens": {}}},
            "plugins": {"properties": {"options": {}}}}}"#;
        let package = r#"{"contributes": {"commands": [{"command": "foretype.ask"}],
            "configuration": {"properties": {"foretype.inline.trigger": {}}}}}"#;
        Names::parse(schema, package)
    }

    fn problems(language: &str, text: &str) -> Vec<String> {
        names().check_block(&CodeBlock { line: 1, language: language.to_owned(), text: text.to_owned() })
    }

    #[test]
    fn options_that_exist_pass() {
        let toml = "model = \"m\"\n[inline]\ntrigger = \"manual\"\n[plugins.options.mine]\nanything = 1\n";
        assert_eq!(problems("toml", toml), Vec::<String>::new());
        assert_eq!(
            problems("json", r#"{"foretype.inline.trigger": 1, "command": "foretype.ask"}"#),
            Vec::<String>::new()
        );
        assert_eq!(problems("lua", "{ tokens = 1 }"), Vec::<String>::new());
        for span in
            ["inline.max_tokens", "inline.rs", "plugins.options.mine", "foretype.read", "a.b", "inline.tokens()"]
        {
            assert_eq!(names().check_span(span), None, "{span}");
        }
    }

    #[test]
    fn options_that_do_not_exist_are_found() {
        assert_eq!(problems("toml", "modle = \"m\"\n"), ["no option `modle`"]);
        assert_eq!(problems("toml", "[inline]\ntokens = 1\n"), ["no option `inline.tokens`"]);
        assert_eq!(problems("toml", "[inlines]\ntokens = 1\n"), ["no option `inlines`"]);
        assert_eq!(problems("toml", "[inline]\ntrigger = \"magic\"\n").len(), 1);
        assert_eq!(problems("toml", "[inline\n").len(), 1);
        assert_eq!(problems("json", r#"{"a": [{"foretype.tokens": 1}]}"#), ["no setting or command `foretype.tokens`"]);
        assert_eq!(names().check_span("inline.tokens"), Some("no option `inline.tokens`".to_owned()));
        assert_eq!(
            names().check_span("foretype.inline.tokens"),
            Some("no setting `foretype.inline.tokens`".to_owned())
        );
    }
}
