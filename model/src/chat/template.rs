//! Runs the Jinja template of a model's file. Templates are untrusted: they see the conversation and nothing else, and stop
//! after a while.

use foretype_plugins::chat::Message;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, context};
use minijinja_contrib::pycompat::unknown_method_callback;

use super::ChatError;

/// Steps that a template may take: far more than a long conversation needs, few enough to end at once.
const TEMPLATE_FUEL: u64 = 5_000_000;

/// What the template makes of the conversation, up to where the answer begins.
pub(super) fn render(
    template: &str,
    messages: &[Message],
    start: Option<&str>,
    end: Option<&str>,
) -> Result<String, ChatError> {
    let mut environment = Environment::new();
    // As transformers sets Jinja up, whose methods of Python's strings templates use.
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_unknown_method_callback(unknown_method_callback);
    environment.set_fuel(Some(TEMPLATE_FUEL));
    environment.add_function("raise_exception", raise_exception);
    let values = context! {
        messages,
        bos_token => start.unwrap_or_default(),
        eos_token => end.unwrap_or_default(),
        add_generation_prompt => true,
        enable_thinking => false,
    };
    environment.render_str(template, values).map_err(|error| ChatError::Template(error.to_string()))
}

/// The template does not want the conversation, and says why.
fn raise_exception(why: &str) -> Result<String, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, why.to_owned()))
}
