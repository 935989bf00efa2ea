//! The table that a plugin's file returns: its name, languages, tasks and functions. Nothing in it is called.

use mlua::{Function, Table, Value};

use crate::request::TaskKind;

/// Version of the plugin interface, which a plugin names in `api`.
const API_VERSION: u32 = 1;
/// Values of a list that are read.
const MAX_LIST_VALUES: usize = 100;
/// Keys of a plugin's table.
const MANIFEST_KEYS: &[&str] = &["api", "name", "languages", "tasks", "applies", "context", "prompt", "finish"];

/// Contents of a plugin's table.
pub(super) struct Manifest {
    /// Name.
    pub(super) name: String,
    /// LSP ids of its languages; `None` for all.
    pub(super) languages: Option<Vec<String>>,
    /// Tasks that it takes part in; at least one.
    pub(super) tasks: Vec<TaskKind>,
    /// Functions.
    pub(super) hooks: Hooks,
}

/// Functions of a plugin.
#[derive(Debug, Default)]
pub(super) struct Hooks {
    /// Decides whether the plugin has something to say for a request.
    pub(super) applies: Option<Function>,
    /// Returns snippets.
    pub(super) context: Option<Hook>,
    /// Lays out a prompt.
    pub(super) prompt: Option<Hook>,
    /// Changes or vetoes a result.
    pub(super) finish: Option<Hook>,
}

/// Function that the host calls.
#[derive(Debug)]
pub(super) struct Hook {
    /// The function.
    pub(super) function: Function,
    /// Line on which it begins, which faults in its result name.
    pub(super) line: Option<u32>,
}

impl Hook {
    fn new(function: Function) -> Self {
        let line = function.info().line_defined.and_then(|line| u32::try_from(line).ok());
        Self { function, line }
    }
}

/// Reads the table of a plugin.
///
/// # Errors
/// If a key is unknown, missing or of the wrong type; the message says what to write.
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
        other => Err(format!("{key} must be a function, not a {}", other.type_name())),
    };
    let hook = |key: &str| Ok::<_, String>(function(key)?.map(Hook::new));
    let functions = Hooks {
        applies: function("applies")?,
        context: hook("context")?,
        prompt: hook("prompt")?,
        finish: hook("finish")?,
    };
    if functions.context.is_none() && functions.prompt.is_none() && functions.finish.is_none() {
        return Err("it has neither context nor prompt nor finish, so it does nothing".to_owned());
    }
    let languages =
        parse_text_list(&raw("languages")?, "languages must be a list of LSP ids, such as { \"rust\", \"python\" }")?;
    Ok(Manifest { name, languages, tasks: parse_tasks(&raw("tasks")?)?, hooks: functions })
}

fn check_version(value: &Value) -> Result<(), String> {
    match value {
        Value::Nil => Err(format!("it does not name its interface version: write api = {API_VERSION}")),
        Value::Integer(number) if *number == i64::from(API_VERSION) => Ok(()),
        Value::Number(number) if *number == f64::from(API_VERSION) => Ok(()),
        _ => Err(format!("this version of Foretype supports api = {API_VERSION} only")),
    }
}

fn check_key(key: &Value) -> Result<(), String> {
    if matches!(key, Value::String(name) if MANIFEST_KEYS.iter().any(|known| *name == **known)) {
        return Ok(());
    }
    let key = key.as_string().map_or_else(|| "a number".to_owned(), |name| name.to_string_lossy());
    Err(format!("it has an unknown key {key}: the keys are {}", MANIFEST_KEYS.join(", ")))
}

fn parse_name(value: &Value) -> Result<String, String> {
    let name = match value {
        Value::String(name) => name.to_string_lossy(),
        _ => return Err("it has no name: write name = \"my-plugin\"".to_owned()),
    };
    if name.is_empty() || name.len() > 40 || !name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')) {
        return Err(format!("{name:?} is not a plugin's name: use at most 40 lowercase letters, digits and hyphens"));
    }
    Ok(name)
}

fn parse_tasks(value: &Value) -> Result<Vec<TaskKind>, String> {
    let all = TaskKind::ALL.map(|task| format!("{:?}", task.name())).join(", ");
    let advice = format!("tasks must be a list of {all}");
    let Some(names) = parse_text_list(value, &advice)? else { return Ok(vec![TaskKind::Fill]) };
    let tasks = names.iter().map(|name| TaskKind::from_name(name)).collect::<Option<Vec<_>>>();
    match tasks {
        Some(tasks) if !tasks.is_empty() => Ok(tasks),
        _ => Err(advice),
    }
}

/// Returns the texts of a list; `None` if there is no list.
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
    (1..=list.raw_len().min(MAX_LIST_VALUES)).map(text).collect::<Result<Vec<_>, _>>().map(Some)
}
