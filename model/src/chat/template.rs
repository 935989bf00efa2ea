//! Renders the Jinja chat template of a model. Templates are untrusted: they see nothing but the conversation, and the
//! number of their steps is limited.

use foretype_plugins::chat::Message;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, context};
use minijinja_contrib::pycompat::unknown_method_callback;

use super::error::ChatError;

/// Limit of a template's interpreter steps: far more than a long conversation needs, but over in a fraction of a
/// second.
const TEMPLATE_FUEL: u64 = 5_000_000;

/// Renders a conversation, up to where the answer begins.
pub(super) fn render(
    template: &str,
    messages: &[Message],
    start: Option<&str>,
    end: Option<&str>,
) -> Result<String, ChatError> {
    let mut environment = Environment::new();
    // The settings of Hugging Face transformers; templates rely on Python's string methods.
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

/// The template function with which a template rejects a conversation.
fn raise_exception(why: &str) -> Result<String, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, why.to_owned()))
}
