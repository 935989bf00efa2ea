//! Typed access to the metadata of a GGUF file.

use super::GgufFile;
use super::value::MetadataValue;
use crate::weights::Fault;

impl GgufFile {
    fn read<T>(
        &self,
        key: &str,
        what: &str,
        as_type: impl Fn(&MetadataValue) -> Option<T>,
    ) -> Result<Option<T>, Fault> {
        let wrong = || Fault::Malformed(format!("the key '{key}' is not {what}"));
        self.values.get(key).map(|value| as_type(value).ok_or_else(wrong)).transpose()
    }

    /// A size. An array of equal sizes, one for each layer, counts as that size.
    pub(crate) fn size(&self, key: &str) -> Result<Option<usize>, Fault> {
        let single = |value: &MetadataValue| match value {
            MetadataValue::Integer(n) => usize::try_from(*n).ok(),
            _ => None,
        };
        self.read(key, "a size, the same for every layer", |value| match value.numbers(&self.map) {
            None => single(value),
            Some(all) => {
                let first = single(all.first()?)?;
                if all.iter().all(|value| single(value) == Some(first)) { Some(first) } else { None }
            }
        })
    }

    /// A token id.
    pub(crate) fn token_id(&self, key: &str) -> Result<Option<u32>, Fault> {
        self.read(key, "a token id", |value| match value {
            MetadataValue::Integer(n) => u32::try_from(*n).ok(),
            _ => None,
        })
    }

    /// A number.
    pub(crate) fn float(&self, key: &str) -> Result<Option<f64>, Fault> {
        self.read(key, "a number", |value| match value {
            MetadataValue::Float(x) => Some(*x),
            MetadataValue::Integer(n) => Some(*n as f64),
            _ => None,
        })
    }

    /// A boolean.
    pub(crate) fn bool_value(&self, key: &str) -> Result<Option<bool>, Fault> {
        self.read(key, "true or false", |value| match value {
            MetadataValue::Bool(flag) => Some(*flag),
            _ => None,
        })
    }

    /// A string that may be absent.
    pub(crate) fn optional_string(&self, key: &str) -> Result<Option<&str>, Fault> {
        self.read(key, "a string", |value| match value {
            MetadataValue::String(range) => std::str::from_utf8(&self.map[range.clone()]).ok(),
            _ => None,
        })
    }

    /// A string that must be present.
    pub(crate) fn string(&self, key: &str) -> Result<&str, Fault> {
        self.optional_string(key)?.ok_or_else(|| Fault::Missing(format!("the key '{key}'")))
    }

    /// A list of UTF-8 strings.
    pub(crate) fn strings(&self, key: &str) -> Result<Option<Vec<&str>>, Fault> {
        self.read(key, "a list of strings", |value| match value {
            MetadataValue::Strings(ranges) => {
                ranges.iter().map(|r| std::str::from_utf8(&self.map[r.clone()]).ok()).collect()
            }
            _ => None,
        })
    }

    /// A list of integers.
    pub(crate) fn integers(&self, key: &str) -> Result<Option<Vec<i64>>, Fault> {
        self.read(key, "a list of integers", |value| {
            let integer = |value: &MetadataValue| match value {
                MetadataValue::Integer(n) => i64::try_from(*n).ok(),
                _ => None,
            };
            value.numbers(&self.map)?.iter().map(integer).collect()
        })
    }

    /// A list of finite floats.
    pub(crate) fn float_list(&self, key: &str) -> Result<Option<Vec<f32>>, Fault> {
        self.read(key, "a list of numbers", |value| {
            let float = |value: &MetadataValue| match value {
                MetadataValue::Float(x) if x.is_finite() => Some(*x as f32),
                _ => None,
            };
            value.numbers(&self.map)?.iter().map(float).collect()
        })
    }
}
