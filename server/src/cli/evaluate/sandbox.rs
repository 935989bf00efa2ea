//! Runs a generated program where it can do no harm: in a folder of its own that is deleted afterwards, without the
//! user's environment, with limits on time, memory, processes and file size, and without network where the system lets an
//! ordinary user take it away (`unshare`).

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// What a program may use.
const SECONDS: u64 = 10;
const LIMITS: &str = "\
import resource as _r
_r.setrlimit(_r.RLIMIT_AS, (1 << 30, 1 << 30))
_r.setrlimit(_r.RLIMIT_CPU, (10, 10))
_r.setrlimit(_r.RLIMIT_FSIZE, (1 << 20, 1 << 20))
_r.setrlimit(_r.RLIMIT_NPROC, (64, 64))
del _r
";

/// Runs Python programs.
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
    pub(super) fn without_network(&self) -> bool {
        self.unshare
    }

    /// Whether `program` ends with success within its limits.
    pub(super) fn passes(&self, program: &str) -> Result<bool> {
        let folder = tempfile::tempdir()?;
        let mut command = if self.unshare { Command::new("unshare") } else { Command::new(&self.python) };
        if self.unshare {
            command.arg("-rn").arg(&self.python);
        }
        let mut child = command
            .args(["-I", "-"])
            .current_dir(folder.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start python3")?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that ends before it is read whole fails by its exit status.
            let _ = stdin.write_all(LIMITS.as_bytes()).and_then(|()| stdin.write_all(program.as_bytes()));
        }
        wait(&mut child)
    }
}

fn wait(child: &mut Child) -> Result<bool> {
    let deadline = Instant::now() + Duration::from_secs(SECONDS);
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
}
