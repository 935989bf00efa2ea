//! Metadata by key, as the type that the reader of it needs.

use super::Gguf;
use super::value::Value;
use crate::weights::Fault;

impl Gguf {
    fn read<T>(&self, key: &str, what: &str, as_type: impl Fn(&Value) -> Option<T>) -> Result<Option<T>, Fault> {
        let wrong = || Fault::Malformed(format!("the key '{key}' is not {what}"));
        self.values.get(key).map(|value| as_type(value).ok_or_else(wrong)).transpose()
    }

    /// A size. An array of sizes that are all the same is that size.
    pub(crate) fn size(&self, key: &str) -> Result<Option<usize>, Fault> {
        let single = |value: &Value| match value {
            Value::Integer(n) => usize::try_from(*n).ok(),
            _ => None,
        };
        self.read(key, "a size, the same for every layer", |value| match value.numbers(&self.map) {
            None => single(value),
            Some(all) => {
                let first = single(all.first()?)?;
                all.iter().all(|value| single(value) == Some(first)).then_some(first)
            }
        })
    }

    /// A token id.
    pub(crate) fn id(&self, key: &str) -> Result<Option<u32>, Fault> {
        self.read(key, "a token id", |value| match value {
            Value::Integer(n) => u32::try_from(*n).ok(),
            _ => None,
        })
    }

    /// A number.
    pub(crate) fn float(&self, key: &str) -> Result<Option<f64>, Fault> {
        self.read(key, "a number", |value| match value {
            Value::Float(x) => Some(*x),
            Value::Integer(n) => Some(*n as f64),
            _ => None,
        })
    }

    /// A yes or no.
    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>, Fault> {
        self.read(key, "true or false", |value| match value {
            Value::Flag(flag) => Some(*flag),
            _ => None,
        })
    }

    /// A text that may be absent.
    pub(crate) fn optional_text(&self, key: &str) -> Result<Option<&str>, Fault> {
        self.read(key, "a text", |value| match value {
            Value::Text(range) => std::str::from_utf8(&self.map[range.clone()]).ok(),
            _ => None,
        })
    }

    /// A text that must be there.
    pub(crate) fn text(&self, key: &str) -> Result<&str, Fault> {
        self.optional_text(key)?.ok_or_else(|| Fault::Missing(format!("the key '{key}'")))
    }

    /// A list of texts, absent or all of them UTF-8.
    pub(crate) fn texts(&self, key: &str) -> Result<Option<Vec<&str>>, Fault> {
        self.read(key, "a list of texts", |value| match value {
            Value::Texts(ranges) => ranges.iter().map(|r| std::str::from_utf8(&self.map[r.clone()]).ok()).collect(),
            _ => None,
        })
    }

    /// A list of whole numbers.
    pub(crate) fn integers(&self, key: &str) -> Result<Option<Vec<i64>>, Fault> {
        self.read(key, "a list of whole numbers", |value| {
            let number = |value: &Value| match value {
                Value::Integer(n) => i64::try_from(*n).ok(),
                _ => None,
            };
            value.numbers(&self.map)?.iter().map(number).collect()
        })
    }

    /// A list of numbers.
    pub(crate) fn scores(&self, key: &str) -> Result<Option<Vec<f32>>, Fault> {
        self.read(key, "a list of numbers", |value| {
            let number = |value: &Value| match value {
                Value::Float(x) if x.is_finite() => Some(*x as f32),
                _ => None,
            };
            value.numbers(&self.map)?.iter().map(number).collect()
        })
    }
}
