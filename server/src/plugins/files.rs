//! What plugins may see of a workspace: what may enter a prompt, and nothing else.

use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use foretype_plugins::context::secrets;
use foretype_plugins::luau::World;
use ignore::overrides::OverrideBuilder;

use crate::config::Config;
use crate::workspace::{Workspace, Workspaces};

/// Larger files are made by machines.
const LARGEST: u64 = 512 << 10;
/// How long a list of all files is good for, and how long making one may take.
const LISTED: (Duration, Duration) = (Duration::from_secs(5), Duration::from_millis(50));

/// The files of a workspace as plugins see them.
#[derive(Debug)]
pub(super) struct Files {
    workspace: Option<Arc<Workspace>>,
    listed: Mutex<Option<(Instant, Arc<Vec<String>>)>>,
}

impl Files {
    /// Of the workspace at `root`; without one there are none.
    pub(super) fn new(root: Option<&Path>, config: &Config) -> Self {
        let workspace = root.map(|root| Workspaces::default().open(root, config));
        Self { workspace, listed: Mutex::default() }
    }

    /// Where a file lies that may be read: inside, not hidden, neither ignored nor secret, and no link that leads outside.
    fn allowed(&self, path: &str) -> Option<PathBuf> {
        let workspace = self.workspace.as_ref()?;
        let plain = |part: Component<'_>| match part {
            Component::Normal(name) => !name.to_string_lossy().starts_with('.'),
            _ => false,
        };
        if !Path::new(path).components().all(plain) {
            return None;
        }
        let full = workspace.root.join(path);
        let real = full.canonicalize().ok()?;
        let inside = real.starts_with(workspace.root.canonicalize().ok()?) && !workspace.excludes(&full);
        let fits = real.metadata().is_ok_and(|data| data.is_file() && data.len() <= LARGEST);
        (inside && fits && !secrets::in_path(&real.to_string_lossy())).then_some(full)
    }

    fn list(&self) -> Arc<Vec<String>> {
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, files)) = &*listed
            && at.elapsed() < LISTED.0
        {
            return files.clone();
        }
        let started = Instant::now();
        let mut files: Vec<_> = self
            .workspace
            .iter()
            .flat_map(|workspace| {
                let found = workspace.files().take_while(|_| started.elapsed() < LISTED.1);
                found.filter_map(|path| workspace.relative(&path)).filter(|path| !secrets::in_path(path))
            })
            .collect();
        files.sort();
        let files = Arc::new(files);
        *listed = Some((Instant::now(), files.clone()));
        files
    }
}

impl World for Files {
    fn read(&self, path: &str) -> Option<String> {
        let text = std::fs::read_to_string(self.allowed(path)?).ok()?;
        (!secrets::in_text(&text)).then_some(text)
    }

    fn files(&self, glob: &str, most: usize) -> Vec<String> {
        let Some(workspace) = &self.workspace else { return Vec::new() };
        let mut builder = OverrideBuilder::new(&workspace.root);
        let Ok(Ok(rules)) = builder.add(glob).map(|builder| builder.build()) else { return Vec::new() };
        let fits = |path: &&String| rules.matched(path, false).is_whitelist();
        self.list().iter().filter(fits).take(most).cloned().collect()
    }

    fn log(&self, plugin: &str, message: &str) {
        tracing::info!("plugin {plugin}: {message}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_read_what_may_enter_a_prompt_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let outside = tempfile::tempdir().expect("another");
        std::fs::write(outside.path().join("o.py"), "outside").expect("writable");
        let secret = format!("key = '{}{}'", "ghp_", "x".repeat(36));
        for (name, text) in [
            ("src/a.py", "a = 1"),
            (".gitignore", "out/\n"),
            ("out/b.py", "b"),
            (".env", "c"),
            ("src/d.py", &secret),
            (".git/config", "e"),
        ] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
            std::fs::write(path, text).expect("writable");
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink(outside.path().join("o.py"), folder.path().join("link.py")).expect("a link");
        let files = Files::new(Some(folder.path()), &Config::default());
        assert_eq!(files.read("src/a.py").as_deref(), Some("a = 1"));
        let absolute = outside.path().join("o.py").to_string_lossy().into_owned();
        let back = format!("../{}/o.py", outside.path().file_name().expect("a name").to_string_lossy());
        for refused in
            ["out/b.py", ".env", "src/d.py", ".git/config", "link.py", "src", "", "src/../src/a.py", &absolute, &back]
        {
            assert_eq!(files.read(refused), None, "{refused}");
        }
        assert_eq!(files.files("src/**/*.py", 10), ["src/a.py", "src/d.py"]);
        assert_eq!(files.files("*.py", 1).len(), 1);
        assert_eq!(files.files("[", 9), [""; 0]);
    }
}
