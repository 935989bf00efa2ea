//! Declarations of all options, derived from the JSON schema of [`Config`], and the check of their limits.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::Config;

/// Declaration of one option: its path and its schema.
#[derive(Debug, Clone)]
pub(crate) struct OptionDeclaration {
    /// Names from the outermost section down to the option, as in `config.toml`.
    pub(crate) path: Vec<String>,
    /// JSON schema, with `default` and `description`.
    pub(crate) schema: Value,
}

impl OptionDeclaration {
    /// Returns the name in `config.toml`, for example `inline.max_tokens`.
    pub(crate) fn name(&self) -> String {
        self.path.join(".")
    }

    /// Returns the environment variable that sets the option, for example `FORETYPE_INLINE_MAX_TOKENS`.
    pub(crate) fn environment_variable(&self) -> String {
        format!("FORETYPE_{}", self.path.join("_").to_uppercase())
    }
}

/// Returns the JSON schema of `config.toml`.
pub(crate) fn schema() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<Config>().to_value();
    fill_defaults(&mut schema, &default_value());
    schema
}

fn default_value() -> Value {
    serde_json::to_value(Config::default()).unwrap_or_default()
}

/// Gives each option its own default, and each section the defaults of its options.
fn fill_defaults(schema: &mut Value, default: &Value) {
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for (name, property) in properties {
        if property.get("properties").is_some() {
            fill_defaults(property, &default[name]);
        }
        property["default"] = default[name].clone();
    }
}

/// Returns all options, sorted by name.
pub(crate) fn options() -> Vec<OptionDeclaration> {
    let mut options = Vec::new();
    collect(&schema(), &mut Vec::new(), &mut options);
    options.sort_by(|a, b| (a.path.len().min(2), &a.path).cmp(&(b.path.len().min(2), &b.path)));
    options
}

fn collect(schema: &Value, path: &mut Vec<String>, options: &mut Vec<OptionDeclaration>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        path.push(name.clone());
        if property.get("properties").is_some() {
            collect(property, path, options);
        } else {
            options.push(OptionDeclaration { path: path.clone(), schema: property.clone() });
        }
        path.pop();
    }
}

/// Returns a message for each option whose value in `config` is outside its limits.
pub(crate) fn out_of_limits(config: &Value) -> Vec<String> {
    let broken = |option: &OptionDeclaration| {
        let value = option.path.iter().fold(config, |value, name| &value[name]).as_f64()?;
        let limit = |name: &str| option.schema[name].as_f64();
        let (low, high) = (limit("minimum"), limit("maximum"));
        if low.is_none_or(|low| value >= low) && high.is_none_or(|high| value <= high) {
            return None;
        }
        let end = |limit: Option<f64>| limit.map_or_else(|| "any".to_owned(), |limit| limit.to_string());
        Some(format!("{} = {value} is not between {} and {}", option.name(), end(low), end(high)))
    };
    options().iter().filter_map(broken).collect()
}
