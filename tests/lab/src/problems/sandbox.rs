//! Sandbox for generated programs in Python, C++ and Java: a temporary folder, none of the user's environment, limits
//! for time, memory, processes and file size, and no network if the system lets an ordinary user remove it (`unshare`).

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Time limit for a program that is not compiled.
const RUN_TIMEOUT: Duration = Duration::from_secs(10);
/// Time limit for compiling and running a program.
const COMPILE_AND_RUN_TIMEOUT: Duration = Duration::from_secs(60);
/// Time between checks for the end of a program.
const POLL_INTERVAL: Duration = Duration::from_millis(2);
/// Python code that sets the limits of its process. `MEMORY` (bytes) and `PROCESSES` are placeholders.
const PYTHON_LIMITS: &str = "\
import resource as _r
_r.setrlimit(_r.RLIMIT_AS, (MEMORY, MEMORY))
_r.setrlimit(_r.RLIMIT_CPU, (10, 10))
_r.setrlimit(_r.RLIMIT_FSIZE, (1 << 20, 1 << 20))
_r.setrlimit(_r.RLIMIT_NPROC, (PROCESSES, PROCESSES))
del _r
";

/// Language of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProgramLanguage {
    Python,
    Cpp,
    Java,
}

impl ProgramLanguage {
    /// Language with this name in Markdown.
    pub(super) fn from_markdown_name(name: &str) -> Option<Self> {
        match name {
            "python" => Some(Self::Python),
            "cpp" => Some(Self::Cpp),
            "java" => Some(Self::Java),
            _ => None,
        }
    }

    /// Compiler, for a language that needs one.
    fn compiler(self) -> Option<&'static str> {
        match self {
            Self::Python => None,
            Self::Cpp => Some("g++"),
            Self::Java => Some("javac"),
        }
    }

    fn limits(self) -> String {
        // A Java virtual machine reserves much more memory than it uses, and has many threads.
        let (memory, processes) = if self == Self::Java { (8u64 << 30, 4096) } else { (1 << 30, 64) };
        PYTHON_LIMITS.replace("MEMORY", &memory.to_string()).replace("PROCESSES", &processes.to_string())
    }

    /// Python program that compiles and runs the program.
    fn script(self, program: &str) -> String {
        let (compile, run) = match self {
            Self::Python => return self.limits() + program,
            Self::Cpp => (r#"["g++", "-std=c++17", "-w", "-pipe", "-o", "main", "main.cpp"]"#, r#"["./main"]"#),
            Self::Java => (r#"["javac", "-nowarn", "Main.java"]"#, r#"["java", "-Xmx256m", "-cp", ".", "Main"]"#),
        };
        let limits = self.limits();
        format!(
            "import os, subprocess, sys\nif subprocess.run({compile}).returncode:\n    sys.exit(1)\n{limits}\
             command = {run}\nos.execvp(command[0], command)\n"
        )
    }

    fn file(self) -> &'static str {
        match self {
            Self::Python => "main.py",
            Self::Cpp => "main.cpp",
            Self::Java => "Main.java",
        }
    }
}

/// Sandbox for generated programs.
#[derive(Debug)]
pub(super) struct Sandbox {
    python: std::path::PathBuf,
    unshare: bool,
}

impl Sandbox {
    /// Finds Python 3 and checks whether the network can be removed.
    ///
    /// # Errors
    /// If there is no Python 3.
    pub(super) fn new() -> Result<Self> {
        let query = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output();
        let output = query.context("python3 is needed to run the tests of the problems: install it")?;
        let python = String::from_utf8_lossy(&output.stdout).trim().into();
        let probe = Command::new("unshare").args(["-rn", "true"]).stdin(Stdio::null()).output();
        Ok(Self { python, unshare: probe.is_ok_and(|output| output.status.success()) })
    }

    /// Returns true if programs run without network.
    pub(super) fn is_offline(&self) -> bool {
        self.unshare
    }

    /// Returns true if the compiler of the language is installed.
    pub(super) fn can_run(&self, language: ProgramLanguage) -> bool {
        let Some(compiler) = language.compiler() else { return true };
        Command::new(compiler).arg("-version").stdin(Stdio::null()).output().is_ok()
    }

    /// Runs a Python program. Returns true if it succeeds within its limits.
    pub(super) fn passes(&self, program: &str) -> Result<bool> {
        self.passes_as(ProgramLanguage::Python, program)
    }

    /// Compiles and runs a program. Returns true if it succeeds within its limits.
    pub(super) fn passes_as(&self, language: ProgramLanguage, program: &str) -> Result<bool> {
        let folder = tempfile::tempdir()?;
        if language != ProgramLanguage::Python {
            std::fs::write(folder.path().join(language.file()), program)?;
        }
        let mut command = if self.unshare { Command::new("unshare") } else { Command::new(&self.python) };
        if self.unshare {
            command.arg("-rn").arg(&self.python);
        }
        let mut child = command
            .args(["-I", "-"])
            .current_dir(folder.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("TMPDIR", folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start python3")?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that ends before it is read completely fails by its exit status.
            let _ = stdin.write_all(language.script(program).as_bytes());
        }
        wait_for_exit(
            &mut child,
            if language == ProgramLanguage::Python { RUN_TIMEOUT } else { COMPILE_AND_RUN_TIMEOUT },
        )
    }
}

/// Waits for the end of a process and ends it after the timeout. Returns true if it succeeds.
fn wait_for_exit(child: &mut Child, timeout: Duration) -> Result<bool> {
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            return Ok(false);
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_passes_if_it_succeeds_within_its_limits() {
        let sandbox = Sandbox::new().expect("python3");
        let passes = |program: &str| sandbox.passes(program).expect("a run");
        assert!(passes("assert 1 + 1 == 2"));
        assert!(!passes("assert 1 + 1 == 3"));
        assert!(!passes("this is no Python"));
        assert!(!passes("x = bytearray(1 << 31)"));
        assert!(!passes("import os; open('/proc/self/environ').read().index('HOME')"));
    }

    #[test]
    fn programs_in_cpp_and_java_are_compiled_first() {
        let sandbox = Sandbox::new().expect("python3");
        let cpp = |value: u8| {
            format!("#include <stdexcept>\nint main() {{ if (1 + 1 != {value}) throw std::runtime_error(\"no\"); }}\n")
        };
        let java = |value: u8| {
            let test = format!("if (1 + 1 != {value}) throw new RuntimeException();");
            format!("class Main {{ public static void main(String[] arguments) {{ {test} }} }}\n")
        };
        for (language, good, bad) in [(ProgramLanguage::Cpp, cpp(2), cpp(3)), (ProgramLanguage::Java, java(2), java(3))]
        {
            if !sandbox.can_run(language) {
                println!("skipped: {language:?} has no compiler here");
                continue;
            }
            assert!(sandbox.passes_as(language, &good).expect("a run"), "{language:?}");
            assert!(!sandbox.passes_as(language, &bad).expect("a run"), "{language:?}");
            assert!(!sandbox.passes_as(language, "this is no program").expect("a run"), "{language:?}");
        }
    }
}
