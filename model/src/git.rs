//! Runs the program `git` in folders that nobody vouches for.
//!
//! A repository's configuration and attributes can name programs: hooks, file system monitors, filters, text
//! converters, external diffs, pagers, signature checkers, transports. [`GitCommand`] switches all of them off, so that
//! reading a cloned or unpacked repository never runs code from it. It also bounds the time and the output of a run.
//!
//! This module is the only place that starts `git`.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

/// Time limit of a run, unless the caller sets another.
const DEFAULT_TIME_LIMIT: Duration = Duration::from_secs(60);
/// Output limit of a run, unless the caller sets another.
const DEFAULT_OUTPUT_BYTES: u64 = 64 << 20;
/// Bytes of an error message that are kept.
const MAX_MESSAGE_BYTES: u64 = 16 << 10;
/// Bytes that are read from git at a time, and how many such chunks may wait to be processed.
const CHUNK_BYTES: usize = 64 << 10;
const MAX_QUEUED_CHUNKS: usize = 16;
/// Interval at which the end of the process is polled once its output has ended.
const EXIT_POLL_INTERVAL: Duration = Duration::from_millis(1);

/// Settings that override those of the repository. The last group keeps the output parseable.
const SAFE_SETTINGS: &[&str] = &[
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "core.editor=false",
    "core.sshCommand=false",
    "core.askPass=",
    "credential.helper=",
    "protocol.allow=never",
    "log.showSignature=false",
    "commit.gpgSign=false",
    "gpg.program=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "init.templateDir=",
    "core.quotePath=false",
    "color.ui=false",
    "diff.submodule=short",
    "diff.mnemonicPrefix=false",
    "diff.noprefix=false",
    "diff.srcPrefix=a/",
    "diff.dstPrefix=b/",
];

/// Variables that override the environment: no prompt, no lock that a run can do without, no download of missing
/// objects. `GIT_ALLOW_PROTOCOL` also overrides the settings `protocol.NAME.allow`, which `protocol.allow` does not.
const SAFE_ENVIRONMENT: &[(&str, &str)] = &[
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_ASKPASS", ""),
    ("SSH_ASKPASS", ""),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_ALLOW_PROTOCOL", "none"),
];

/// Variables that make git look at another repository or another index. Git sets them for hooks and editors, which may
/// have started this process.
const REPOSITORY_VARIABLES: &[&str] = &[
    "GIT_DIR",
    "GIT_COMMON_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_PREFIX",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
];

/// Keys of settings that name a program and have a name of the repository's choice in them.
const NAMED_PROGRAM_KEYS: &str = r"^(filter\..*\.(clean|smudge|process|required)|hook\..*\.(command|event))$";

/// A run of git in a folder.
#[derive(Debug, Clone)]
pub struct GitCommand {
    folder: PathBuf,
    settings: Vec<String>,
    time_limit: Duration,
    max_output_bytes: u64,
    inherits_repository: bool,
}

/// Reason that a run of git failed.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The program cannot be started.
    #[error("cannot run the program git ({0}): install it")]
    Start(std::io::Error),
    /// Git reports an error; the message is its own.
    #[error("git says: {0}")]
    Failed(String),
    /// The output cannot be read.
    #[error("cannot read what git prints: {0}")]
    Read(std::io::Error),
    /// The run took longer than its time limit.
    #[error("git {command} took longer than {} s and was stopped: see what it does in a terminal", limit.as_secs_f32())]
    TimeLimit {
        /// Subcommand.
        command: String,
        /// Time limit of the run.
        limit: Duration,
    },
    /// The run printed more than its output limit.
    #[error("git {command} prints more than {limit} bytes: ask about less")]
    OutputLimit {
        /// Subcommand.
        command: String,
        /// Output limit of the run in bytes.
        limit: u64,
    },
    /// A filter or hook has a name that cannot be overridden on the command line of git.
    #[error("the git configuration has a setting {0:?} with an equals sign in its name: rename it")]
    UnsafeSetting(String),
}

impl GitCommand {
    /// Runs in `folder`, whatever repository the environment names.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            settings: Vec::new(),
            time_limit: DEFAULT_TIME_LIMIT,
            max_output_bytes: DEFAULT_OUTPUT_BYTES,
            inherits_repository: false,
        }
    }

    /// Lets the environment name the repository and the index, as it does in a hook of git.
    pub fn inherit_repository(self) -> Self {
        Self { inherits_repository: true, ..self }
    }

    /// Adds a setting `KEY=VALUE`.
    pub fn setting(mut self, setting: &str) -> Self {
        self.settings.push(setting.to_owned());
        self
    }

    /// Sets the time limit of a run.
    pub fn time_limit(self, time_limit: Duration) -> Self {
        Self { time_limit, ..self }
    }

    /// Sets the output limit of a run in bytes.
    pub fn max_output_bytes(self, max_output_bytes: u64) -> Self {
        Self { max_output_bytes, ..self }
    }

    /// Returns the whole output of a run. Bytes that are not UTF-8 are replaced.
    ///
    /// # Errors
    /// If git cannot be started, fails, or exceeds a limit.
    pub fn run(&self, arguments: &[&str]) -> Result<String, GitError> {
        let limit = self.max_output_bytes;
        let output = self.run_truncated(arguments, limit.saturating_add(1))?;
        if output.len() as u64 > limit {
            return Err(GitError::OutputLimit { command: subcommand(arguments), limit });
        }
        Ok(String::from_utf8_lossy(&output).into_owned())
    }

    /// Returns the output of a run up to the output limit. Bytes that are not UTF-8 are replaced.
    ///
    /// # Errors
    /// If git cannot be started, fails, or exceeds the time limit.
    pub fn run_head(&self, arguments: &[&str]) -> Result<String, GitError> {
        let output = self.run_truncated(arguments, self.max_output_bytes)?;
        Ok(String::from_utf8_lossy(&output).into_owned())
    }

    fn run_truncated(&self, arguments: &[&str], max_bytes: u64) -> Result<Vec<u8>, GitError> {
        self.stream(arguments, |output| {
            let mut bytes = Vec::new();
            output.take(max_bytes).read_to_end(&mut bytes)?;
            // Notices the end of output that fits exactly.
            if (bytes.len() as u64) < max_bytes {
                output.fill_buf()?;
            }
            Ok(bytes)
        })
    }

    /// Passes the output of a run to `read` as it arrives, without an output limit. Git is stopped when `read` returns
    /// before the end of the output.
    ///
    /// # Errors
    /// If git cannot be started, fails, or exceeds the time limit, or if `read` fails.
    pub(crate) fn stream<T>(
        &self,
        arguments: &[&str],
        read: impl FnOnce(&mut dyn BufRead) -> std::io::Result<T>,
    ) -> Result<T, GitError> {
        let overrides = if reads_no_files(arguments) { Vec::new() } else { self.named_program_overrides()? };
        self.stream_with(&overrides, arguments, read)
    }

    fn stream_with<T>(
        &self,
        overrides: &[String],
        arguments: &[&str],
        read: impl FnOnce(&mut dyn BufRead) -> std::io::Result<T>,
    ) -> Result<T, GitError> {
        let deadline = Instant::now() + self.time_limit;
        let mut child = self.command(overrides, arguments).spawn().map_err(GitError::Start)?;
        let message = read_message(&mut child);
        let mut output = BufReader::new(ChunkReader::new(&mut child, deadline));
        let result = read(&mut output);
        let ended = output.get_ref().ended;
        // A process whose pipe is closed has no reason to go on.
        drop(output);
        let status = if ended { wait_until(&mut child, deadline) } else { None };
        if status.is_none() {
            // It may have ended just now.
            let _ = child.kill();
            let _ = child.wait();
        }
        let timed_out = Instant::now() >= deadline;
        match (result, status) {
            (Ok(value), Some(status)) if status.success() => Ok(value),
            (Ok(_), Some(_)) => Err(GitError::Failed(message.recv_timeout(self.time_limit).unwrap_or_default())),
            (Ok(value), None) if !ended => Ok(value),
            (Ok(_), None) => Err(self.time_limit_error(arguments)),
            (Err(_), _) if timed_out => Err(self.time_limit_error(arguments)),
            (Err(error), _) => Err(GitError::Read(error)),
        }
    }

    fn time_limit_error(&self, arguments: &[&str]) -> GitError {
        GitError::TimeLimit { command: subcommand(arguments), limit: self.time_limit }
    }

    fn command(&self, overrides: &[String], arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.folder).arg("--no-pager");
        let settings = SAFE_SETTINGS.iter().copied().chain(self.settings.iter().map(String::as_str));
        for setting in settings.chain(overrides.iter().map(String::as_str)) {
            command.args(["-c", setting]);
        }
        if let [name, rest @ ..] = arguments {
            command.arg(name).args(safe_flags(name)).args(rest);
        }
        command.envs(SAFE_ENVIRONMENT.iter().map(|(name, value)| (OsStr::new(name), OsStr::new(value))));
        if !self.inherits_repository {
            for name in REPOSITORY_VARIABLES {
                command.env_remove(name);
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Returns settings that disable every filter and configured hook, whose names are the repository's choice. A
    /// filter without a command passes files through unless it is `required`.
    fn named_program_overrides(&self) -> Result<Vec<String>, GitError> {
        let list = ["config", "--null", "--name-only", "--get-regexp", NAMED_PROGRAM_KEYS];
        let read = |output: &mut dyn BufRead| {
            let mut bytes = Vec::new();
            output.take(MAX_MESSAGE_BYTES).read_to_end(&mut bytes)?;
            output.fill_buf()?;
            Ok(bytes)
        };
        let names = match self.stream_with(&[], &list, read) {
            Ok(names) => names,
            // Git fails without a message when no key matches.
            Err(GitError::Failed(message)) if message.is_empty() => Vec::new(),
            Err(error) => return Err(error),
        };
        if names.len() as u64 == MAX_MESSAGE_BYTES {
            return Err(GitError::OutputLimit { command: "config".to_owned(), limit: MAX_MESSAGE_BYTES });
        }
        let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        names.map(|name| override_of(&String::from_utf8_lossy(name))).collect()
    }
}

/// Returns the setting that disables the program that `key` names.
fn override_of(key: &str) -> Result<String, GitError> {
    let unsafe_setting = || GitError::UnsafeSetting(key.to_owned());
    if key.contains(['=', '\u{fffd}']) {
        return Err(unsafe_setting());
    }
    let (section, variable) = key.rsplit_once('.').ok_or_else(unsafe_setting)?;
    Ok(match variable {
        _ if section.starts_with("hook.") => format!("{section}.enabled=false"),
        "required" => format!("{key}=false"),
        _ => format!("{key}="),
    })
}

/// Returns true for commands that neither compare nor print a file, so that no filter can run. All others have the
/// filters disabled first: even a diff of two commits may reuse a file of the work tree and convert it.
fn reads_no_files(arguments: &[&str]) -> bool {
    matches!(arguments, ["branch" | "init" | "rev-parse" | "version", ..] | ["ls-files", "-z"])
}

/// Flags that keep a command from running programs that attributes and settings name.
fn safe_flags(command: &str) -> &'static [&'static str] {
    match command {
        "diff" | "diff-index" | "diff-tree" => &["--no-color", "--no-ext-diff", "--no-textconv"],
        "log" | "show" => &["--no-color", "--no-ext-diff", "--no-textconv", "--no-show-signature"],
        "commit" => &["--no-verify", "--no-gpg-sign"],
        _ => &[],
    }
}

fn subcommand(arguments: &[&str]) -> String {
    arguments.first().copied().unwrap_or_default().to_owned()
}

/// Reads the error output in the background, so that git never blocks on it.
fn read_message(child: &mut Child) -> Receiver<String> {
    let (send, receive) = channel();
    if let Some(mut errors) = child.stderr.take() {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            // An incomplete message is better than none.
            let _ = (&mut errors).take(MAX_MESSAGE_BYTES).read_to_end(&mut bytes);
            let _ = std::io::copy(&mut errors, &mut std::io::sink());
            // The run may have ended without a need for the message.
            let _ = send.send(String::from_utf8_lossy(&bytes).trim().to_owned());
        });
    }
    receive
}

fn wait_until(child: &mut Child, deadline: Instant) -> Option<ExitStatus> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(EXIT_POLL_INTERVAL),
            _ => return None,
        }
    }
}

/// Output of a process, read by a thread, so that waiting for it can end at a deadline even if the pipe stays open.
struct ChunkReader {
    chunks: Receiver<std::io::Result<Vec<u8>>>,
    current: std::io::Cursor<Vec<u8>>,
    deadline: Instant,
    ended: bool,
}

impl ChunkReader {
    fn new(child: &mut Child, deadline: Instant) -> Self {
        let (send, chunks) = sync_channel(MAX_QUEUED_CHUNKS);
        if let Some(output) = child.stdout.take() {
            std::thread::spawn(move || send_chunks(output, &send));
        }
        Self { chunks, current: std::io::Cursor::default(), deadline, ended: false }
    }
}

fn send_chunks(mut output: impl Read, chunks: &SyncSender<std::io::Result<Vec<u8>>>) {
    loop {
        let mut chunk = vec![0; CHUNK_BYTES];
        let result = match output.read(&mut chunk) {
            Ok(0) => return,
            Ok(count) => {
                chunk.truncate(count);
                Ok(chunk)
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let failed = result.is_err();
        // The receiver is gone once the caller has read enough.
        if chunks.send(result).is_err() || failed {
            return;
        }
    }
}

impl Read for ChunkReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.current.read(buffer)?;
        if count > 0 || self.ended || buffer.is_empty() {
            return Ok(count);
        }
        match self.chunks.recv_timeout(self.deadline.saturating_duration_since(Instant::now())) {
            Ok(chunk) => {
                self.current = std::io::Cursor::new(chunk?);
                self.current.read(buffer)
            }
            Err(RecvTimeoutError::Timeout) => Err(std::io::ErrorKind::TimedOut.into()),
            Err(RecvTimeoutError::Disconnected) => {
                self.ended = true;
                Ok(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> GitCommand {
        GitCommand::new(Path::new("."))
    }

    #[test]
    fn a_run_that_exceeds_a_limit_says_which() {
        // On a busy machine git may have finished before its output is first waited for.
        let late = (0..50).find_map(|_| here().time_limit(Duration::ZERO).run(&["version"]).err());
        let late = late.expect("no time").to_string();
        assert!(late.starts_with("git version took longer than 0 s"), "{late}");
        let long = here().max_output_bytes(4).run(&["version"]).expect_err("no room").to_string();
        assert!(long.starts_with("git version prints more than 4 bytes"), "{long}");
        assert_eq!(here().max_output_bytes(4).run_head(&["version"]).expect("a head"), "git ");
        let all = here().run(&["version"]).expect("git is installed");
        assert_eq!(here().max_output_bytes(all.len() as u64).run(&["version"]).expect("it fits exactly"), all);
    }

    #[test]
    fn a_failure_has_the_message_of_git_and_reading_may_stop_early() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let failed = GitCommand::new(folder.path()).run(&["rev-parse", "--git-dir"]).expect_err("no repository");
        assert!(failed.to_string().contains("not a git repository"), "{failed}");
        let first = here().stream(&["version"], |output| {
            let mut byte = [0];
            output.read_exact(&mut byte)?;
            Ok(byte)
        });
        assert_eq!(first.expect("a byte"), *b"g");
    }

    #[test]
    fn filters_and_configured_hooks_are_overridden_by_name() {
        let overridden = |key: &str| override_of(key).expect("a safe name");
        assert_eq!(overridden("filter.a b.c.clean"), "filter.a b.c.clean=");
        assert_eq!(overridden("filter.lfs.required"), "filter.lfs.required=false");
        assert_eq!(overridden("hook.lint.command"), "hook.lint.enabled=false");
        assert!(override_of("filter.a=b.clean").is_err());
    }
}
