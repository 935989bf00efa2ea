//! Runs a generated program (in Python, or compiled from C++ or Java) where it can do no harm: in a folder of its own that is deleted afterwards, without the
//! user's environment, with limits on time, memory, processes and file size, and without network where the system lets an
//! ordinary user take it away (`unshare`).

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Seconds that a program may take, with what compiles it.
const RUN_TIMEOUT_SECONDS: u64 = 10;
const COMPILE_AND_RUN_TIMEOUT_SECONDS: u64 = 60;
/// What sets the limits of the process that it runs in, with the bytes of memory and the number of processes to be filled in.
const PYTHON_LIMITS: &str = "\
import resource as _r
_r.setrlimit(_r.RLIMIT_AS, (MEMORY, MEMORY))
_r.setrlimit(_r.RLIMIT_CPU, (10, 10))
_r.setrlimit(_r.RLIMIT_FSIZE, (1 << 20, 1 << 20))
_r.setrlimit(_r.RLIMIT_NPROC, (PROCESSES, PROCESSES))
del _r
";

/// What a program is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProgramLanguage {
    Python,
    Cpp,
    Java,
}

impl ProgramLanguage {
    /// By the name that Markdown has for the language.
    pub(super) fn from_markdown_name(language: &str) -> Option<Self> {
        [(Self::Python, "python"), (Self::Cpp, "cpp"), (Self::Java, "java")]
            .into_iter()
            .find(|it| it.1 == language)
            .map(|it| it.0)
    }

    /// What compiles it; none for what is run as it is.
    fn compiler(self) -> Option<&'static str> {
        match self {
            Self::Python => None,
            Self::Cpp => Some("g++"),
            Self::Java => Some("javac"),
        }
    }

    fn limits(self) -> String {
        // A Java machine reserves much more than it uses, and has many threads.
        let (memory, processes) = if self == Self::Java { (8u64 << 30, 4096) } else { (1 << 30, 64) };
        PYTHON_LIMITS.replace("MEMORY", &memory.to_string()).replace("PROCESSES", &processes.to_string())
    }

    /// A Python program that compiles and runs the file of its folder.
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

/// Runs programs.
#[derive(Debug)]
pub(super) struct Sandbox {
    python: std::path::PathBuf,
    unshare: bool,
}

impl Sandbox {
    /// Finds a Python 3 and whether the network can be taken away.
    pub(super) fn new() -> Result<Self> {
        let query = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output();
        let output = query.context("python3 is needed to run the tests of the problems: install it")?;
        let python = String::from_utf8_lossy(&output.stdout).trim().into();
        let probe = Command::new("unshare").args(["-rn", "true"]).stdin(Stdio::null()).output();
        Ok(Self { python, unshare: probe.is_ok_and(|output| output.status.success()) })
    }

    /// Whether programs run without network.
    pub(super) fn has_no_network(&self) -> bool {
        self.unshare
    }

    /// Whether what compiles such programs is installed.
    pub(super) fn can_run(&self, runs: ProgramLanguage) -> bool {
        let there = |name| Command::new(name).arg("-version").stdin(Stdio::null()).output();
        runs.compiler().is_none_or(|compiler| there(compiler).is_ok())
    }

    /// Whether a Python `program` ends with success within its limits.
    pub(super) fn passes(&self, program: &str) -> Result<bool> {
        self.passes_as(ProgramLanguage::Python, program)
    }

    /// Whether `program` can be compiled and ends with success within its limits.
    pub(super) fn passes_as(&self, runs: ProgramLanguage, program: &str) -> Result<bool> {
        let folder = tempfile::tempdir()?;
        if runs != ProgramLanguage::Python {
            std::fs::write(folder.path().join(runs.file()), program)?;
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
            // A program that ends before it is read whole fails by its exit status.
            let _ = stdin.write_all(runs.script(program).as_bytes());
        }
        wait_for_exit(&mut child, if runs == ProgramLanguage::Python { RUN_TIMEOUT_SECONDS } else { COMPILE_AND_RUN_TIMEOUT_SECONDS })
    }
}

fn wait_for_exit(child: &mut Child, seconds: u64) -> Result<bool> {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_passes_when_it_ends_well_within_its_limits() {
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
        for (runs, good, bad) in [(ProgramLanguage::Cpp, cpp(2), cpp(3)), (ProgramLanguage::Java, java(2), java(3))] {
            if !sandbox.can_run(runs) {
                println!("skipped: {runs:?} has no compiler here");
                continue;
            }
            assert!(sandbox.passes_as(runs, &good).expect("a run"), "{runs:?}");
            assert!(!sandbox.passes_as(runs, &bad).expect("a run"), "{runs:?}");
            assert!(!sandbox.passes_as(runs, "this is no program").expect("a run"), "{runs:?}");
        }
    }
}
