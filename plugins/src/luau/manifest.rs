//! What the table says that a plugin's file returns: its name, what it takes part in, its functions. Nothing in it is called.

use mlua::{Function, Table, Value};

use super::API_VERSION;
use crate::request::TaskKind;

/// What a plugin's table may hold.
const MANIFEST_KEYS: &[&str] = &["api", "name", "languages", "tasks", "applies", "context", "prompt", "finish"];

/// What a plugin is.
pub(super) struct Manifest {
    pub(super) name: String,
    pub(super) languages: Option<Vec<String>>,
    pub(super) tasks: Vec<TaskKind>,
    pub(super) hooks: Hooks,
}

/// What a plugin does.
#[derive(Debug, Default)]
pub(super) struct Hooks {
    pub(super) applies: Option<Function>,
    pub(super) context: Option<Hook>,
    pub(super) prompt: Option<Hook>,
    pub(super) finish: Option<Hook>,
}

/// A function that the host calls.
#[derive(Debug)]
pub(super) struct Hook {
    pub(super) function: Function,
    /// Where it begins: the place of what is wrong with its answer.
    pub(super) line: Option<u32>,
}

impl Hook {
    fn new(function: Function) -> Self {
        let line = function.info().line_defined.and_then(|line| u32::try_from(line).ok());
        Self { function, line }
    }
}

/// Reads the table.
///
/// # Errors
/// What is wrong with it and what to write.
pub(super) fn read(table: &Table) -> Result<Manifest, String> {
    let raw = |key: &str| table.raw_get::<Value>(key).map_err(|error| error.to_string());
    check_version(&raw("api")?)?;
    for pair in table.pairs::<Value, Value>() {
        let (key, _) = pair.map_err(|error| error.to_string())?;
        check_key(&key)?;
    }
    let name = parse_name(&raw("name")?)?;
    let function = |key: &str| match raw(key)? {
        Value::Nil => Ok(None),
        Value::Function(function) => Ok(Some(function)),
        other => Err(format!("{key} has to be a function, not a {}", other.type_name())),
    };
    let hook = |key: &str| Ok::<_, String>(function(key)?.map(Hook::new));
    let functions = Hooks {
        applies: function("applies")?,
        context: hook("context")?,
        prompt: hook("prompt")?,
        finish: hook("finish")?,
    };
    if functions.context.is_none() && functions.prompt.is_none() && functions.finish.is_none() {
        return Err("it has neither context nor prompt nor finish, so it can do nothing".to_owned());
    }
    let languages =
        parse_text_list(&raw("languages")?, "languages has to be a list of LSP ids, such as { \"rust\", \"python\" }")?;
    Ok(Manifest { name, languages, tasks: parse_tasks(&raw("tasks")?)?, hooks: functions })
}

fn check_version(value: &Value) -> Result<(), String> {
    match value {
        Value::Nil => Err(format!("it does not say which interface it is for: write api = {API_VERSION}")),
        Value::Integer(number) if *number == i64::from(API_VERSION) => Ok(()),
        Value::Number(number) if *number == f64::from(API_VERSION) => Ok(()),
        _ => Err(format!("this Foretype knows the interface api = {API_VERSION} only")),
    }
}

fn check_key(key: &Value) -> Result<(), String> {
    if matches!(key, Value::String(name) if MANIFEST_KEYS.iter().any(|known| *name == **known)) {
        return Ok(());
    }
    let key = key.as_string().map_or_else(|| "a number".to_owned(), |name| name.to_string_lossy());
    Err(format!("it has no use for {key}: a plugin has {}", MANIFEST_KEYS.join(", ")))
}

fn parse_name(value: &Value) -> Result<String, String> {
    let name = match value {
        Value::String(name) => name.to_string_lossy(),
        _ => return Err("it has no name: write name = \"my-plugin\"".to_owned()),
    };
    if name.is_empty() || name.len() > 40 || !name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')) {
        return Err(format!("a plugin's name has small letters, digits and hyphens, at most 40: {name:?}"));
    }
    Ok(name)
}

fn parse_tasks(value: &Value) -> Result<Vec<TaskKind>, String> {
    let all = TaskKind::ALL.map(|task| format!("{:?}", task.name())).join(", ");
    let advice = format!("tasks has to be a list of {all}");
    let Some(names) = parse_text_list(value, &advice)? else { return Ok(vec![TaskKind::Fill]) };
    let tasks = names.iter().map(|name| TaskKind::from_name(name)).collect::<Option<Vec<_>>>();
    tasks.filter(|tasks| !tasks.is_empty()).ok_or(advice)
}

/// The texts of a list, if there is one.
fn parse_text_list(value: &Value, advice: &str) -> Result<Option<Vec<String>>, String> {
    let list = match value {
        Value::Nil => return Ok(None),
        Value::Table(list) => list,
        _ => return Err(advice.to_owned()),
    };
    let text = |at| match list.raw_get::<Value>(at) {
        Ok(Value::String(text)) => Ok(text.to_string_lossy()),
        _ => Err(advice.to_owned()),
    };
    (1..=list.raw_len().min(100)).map(text).collect::<Result<Vec<_>, _>>().map(Some)
}
