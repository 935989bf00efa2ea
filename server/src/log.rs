//! Logging to standard error, where editors collect it.

use crate::config::Config;

/// Starts the log with the configured level.
pub(crate) fn start(config: &Config) {
    let filter = format!("{0},tower_lsp=error,ignore=error", config.log.name());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    // A second call in one process, as in tests, keeps the first log.
    let _ = log.try_init();
}

/// Shows the messages that plugins log, for commands about plugins.
pub(crate) fn show_plugin_messages() {
    let log = tracing_subscriber::fmt()
        .with_env_filter("foretype::plugins::workspace_files=info")
        .with_writer(std::io::stderr);
    // A second call keeps the first log.
    let _ = log.with_ansi(false).without_time().with_target(false).with_level(false).try_init();
}
