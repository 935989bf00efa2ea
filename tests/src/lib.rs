//! Support of the black-box tests: finding and running the binaries, the test environment, and stand-ins for the
//! outside world.

pub mod client;
pub mod hub;
pub mod stub_model;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// Path of the `foretype` binary under test: `FORETYPE_BIN`, or the one that cargo builds in the profile of these
/// tests.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| std::env::var_os("FORETYPE_BIN").map_or_else(|| built("foretype"), PathBuf::from))
}

/// Path of the `foretype-lab` binary that cargo builds in the profile of these tests.
pub fn lab_binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| built("foretype-lab"))
}

/// Path of an executable of this workspace, built if necessary.
fn built(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(build).join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// Builds the executables and returns their folder. Cargo builds no executables for the tests of another crate; when
/// they are fresh this takes no time. They are built together with the tests: alone they would have some dependencies
/// with fewer features, and everything above those would be compiled again.
fn build() -> PathBuf {
    let own = std::env::current_exe().expect("a test knows its own path");
    let folder = own.parent().and_then(Path::parent).expect("tests lie in TARGET/PROFILE/deps").to_owned();
    let profile = if folder.ends_with("release") { "release" } else { "dev" };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["build", "--quiet", "--package", "foretype", "--package", "foretype-lab", "--package", "foretype-tests"])
        .args(["--bin", "foretype", "--bin", "foretype-lab", "--test", "it", "--profile", profile])
        .current_dir(repository());
    // Some build scripts would rerun because of the variables that cargo sets for a test.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            command.env_remove(name);
        }
    }
    let status = command.status();
    assert!(status.is_ok_and(|status| status.success()), "cargo could not build the executables");
    folder
}

/// Root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the repository")
}

/// Path of the real model that `tests/fetch-models` downloads. If it is missing, prints that the test is skipped.
pub fn real_model() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache/foretype-test-models"));
    let folder = std::env::var_os("FORETYPE_TEST_MODELS").map(PathBuf::from).or(home)?;
    let file = folder.join("qwen2.5-coder-0.5b-instruct-q4_k_m.gguf");
    if !file.is_file() {
        println!("SKIPPED: {} is not there; tests/fetch-models puts it in place", file.display());
        return None;
    }
    Some(file)
}

/// Test environment of one run of the binary: home, configuration and cache lie in a temporary folder.
#[derive(Debug)]
pub struct TestEnv {
    folder: tempfile::TempDir,
}

impl TestEnv {
    /// Creates an empty environment.
    #[expect(clippy::new_without_default, reason = "creating one touches the disk")]
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// Folder of the environment.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file and returns its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("a writable folder");
        std::fs::write(&path, content).expect("a writable folder");
        path
    }

    /// Command that runs `foretype` without the user's settings.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.isolated(binary(), arguments)
    }

    /// Command that runs `foretype-lab` without the user's settings.
    pub fn lab(&self, arguments: &[&str]) -> Command {
        self.isolated(lab_binary(), arguments)
    }

    fn isolated(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.path());
        for name in
            ["FORETYPE_MODEL", "FORETYPE_MODELS", "HF_ENDPOINT", "HF_TOKEN", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]
        {
            command.env_remove(name).env_remove(name.to_lowercase());
        }
        for (name, folder) in [
            ("HOME", "home"),
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_DATA_HOME", "data"),
            ("XDG_STATE_HOME", "state"),
            ("XDG_CACHE_HOME", "cache"),
            ("XDG_RUNTIME_DIR", "run"),
        ] {
            command.env(name, self.path().join(folder));
        }
        command
    }

    /// Runs `foretype` to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the binary starts")
    }

    /// Command that runs `foretype` in the folder `work` with the stub model of this environment.
    pub fn with_stub_model(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        command.current_dir(self.path().join("work")).env("FORETYPE_MODEL", self.path().join("stub-model"));
        command
    }

    /// Runs [`with_stub_model`](Self::with_stub_model); returns success, standard output and standard error.
    pub fn run_with_stub_model(&self, arguments: &[&str]) -> (bool, String, String) {
        text(&self.with_stub_model(arguments).output().expect("the binary starts"))
    }
}

/// Runs a command that must succeed, and returns its standard output.
pub fn output_of(command: &mut Command) -> String {
    let (ok, out, err) = text(&command.output().expect("the binary starts"));
    assert!(ok, "{command:?}: {err}");
    out
}

/// Runs a command that must fail without a panic, and returns its standard error.
pub fn error_of(command: &mut Command) -> String {
    let (ok, out, err) = text(&command.output().expect("the binary starts"));
    assert!(!ok, "{command:?} succeeded: {out}");
    assert!(!err.contains("panicked"), "{err}");
    err
}

/// Runs git in a folder, with an identity of its own and without the user's settings. Commits are dated `seconds` after
/// 1970. Returns the standard output.
pub fn git(folder: &Path, seconds: u64, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(arguments);
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "Test").env(format!("GIT_{role}_EMAIL"), "test@example.com");
        command.env(format!("GIT_{role}_DATE"), format!("@{seconds} +0000"));
    }
    output_of(&mut command)
}

/// Success, standard output and standard error of a run.
pub fn text(output: &Output) -> (bool, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}
