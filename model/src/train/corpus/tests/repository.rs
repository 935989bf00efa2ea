//! A git repository for tests, isolated from the user's git configuration.

use std::path::Path;
use std::process::Command;

pub(super) struct Repository(tempfile::TempDir);

impl Repository {
    pub(super) fn new() -> Self {
        let repository = Self(tempfile::tempdir().expect("a temporary folder"));
        repository.git(&["init", "--quiet"]);
        repository
    }

    pub(super) fn bare() -> Self {
        let repository = Self(tempfile::tempdir().expect("a temporary folder"));
        repository.git(&["init", "--quiet", "--bare"]);
        repository
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn git(&self, arguments: &[&str]) {
        self.git_at(arguments, 0);
    }

    /// Writes files and commits them at a time in Unix seconds.
    pub(super) fn commit(&self, files: &[(&str, &str)], time: i64) {
        super::write(self.path(), files);
        self.git(&["add", "--all"]);
        self.git_at(&["commit", "--quiet", "--message", "a change"], time);
    }

    fn git_at(&self, arguments: &[&str], time: i64) {
        let mut command = Command::new("git");
        command.arg("-C").arg(self.path()).args(arguments);
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
            command.env_remove(name);
        }
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Test").env(format!("GIT_{who}_EMAIL"), "test@example.com");
            command.env(format!("GIT_{who}_DATE"), format!("@{time} +0000"));
        }
        let output = command.output().expect("git is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
