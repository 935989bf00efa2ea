//! Detects third-party, generated and minified files by their paths.

/// Names of directories in which package managers and people keep third-party code.
const VENDORED_DIRECTORIES: &[&str] = &[
    "vendor",
    "vendored",
    "_vendor",
    "third_party",
    "third-party",
    "thirdparty",
    "3rdparty",
    "node_modules",
    "bower_components",
    "jspm_packages",
    "site-packages",
    "dist-packages",
    "venv",
    ".venv",
    ".tox",
    ".yarn",
    ".bundle",
    "pods",
    "carthage",
    "godeps",
];

/// Names of lock files that do not end in `.lock`.
const LOCK_FILE_NAMES: &[&str] = &[
    "package-lock.json",
    "npm-shrinkwrap.json",
    "pnpm-lock.yaml",
    "packages.lock.json",
    "conda-lock.yml",
    "gradle.lockfile",
    "package.resolved",
    "go.sum",
    "bun.lockb",
];

/// Suffixes that interface compilers and form designers give to generated files.
const GENERATED_SUFFIXES: &[&str] = &[
    "_pb2.py",
    "_pb2.pyi",
    "_pb2_grpc.py",
    "_pb.js",
    "_pb.d.ts",
    "_pb.rb",
    ".pb.go",
    ".pb.gw.go",
    ".pb.cc",
    ".pb.h",
    ".designer.cs",
    ".g.cs",
    ".g.i.cs",
];

/// Suffixes of minified files.
const MINIFIED_SUFFIXES: &[&str] = &[".min.js", ".min.mjs", ".min.css", "-min.js", "-min.css"];

/// Returns true if a path has this extension (`rs`, `.rs`) or this file name (`Makefile`).
pub(super) fn has_extension_or_name(path: &str, pattern: &str) -> bool {
    let name = file_name(path);
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    name == pattern
        || extension.is_some_and(|extension| extension.eq_ignore_ascii_case(pattern.trim_start_matches('.')))
}

/// Returns true if a directory on the path is one for third-party code.
pub(super) fn is_vendored(path: &str) -> bool {
    let folders = path.rsplit_once('/').map_or("", |(folders, _)| folders);
    folders.split('/').any(|folder| VENDORED_DIRECTORIES.iter().any(|name| folder.eq_ignore_ascii_case(name)))
}

/// Returns true if the file is the lock file of a package manager.
pub(super) fn is_lock_file(path: &str) -> bool {
    let name = file_name(path).to_ascii_lowercase();
    name.ends_with(".lock") || LOCK_FILE_NAMES.contains(&name.as_str())
}

/// Returns true if the file name is that of a generated file.
pub(super) fn is_generated(path: &str) -> bool {
    let name = file_name(path).to_ascii_lowercase();
    name.contains(".generated.") || ends_with_any(&name, GENERATED_SUFFIXES)
}

/// Returns true if the file name is that of a minified file.
pub(super) fn is_minified(path: &str) -> bool {
    ends_with_any(&file_name(path).to_ascii_lowercase(), MINIFIED_SUFFIXES)
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn ends_with_any(name: &str, suffixes: &[&str]) -> bool {
    suffixes.iter().any(|suffix| name.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The paths for which `predicate` is true.
    fn matching<'a>(predicate: fn(&str) -> bool, paths: &[&'a str]) -> Vec<&'a str> {
        paths.iter().copied().filter(|path| predicate(path)).collect()
    }

    #[test]
    fn third_party_code_is_detected_by_its_directory() {
        let paths = ["vendor/a.go", "x/Third_Party/b.c", "web/node_modules/c/i.js", "src/vendor.rs", "vendors/a.py"];
        assert_eq!(matching(is_vendored, &paths), &paths[..3]);
    }

    #[test]
    fn lock_files_are_detected_by_name() {
        let paths = ["Cargo.lock", "a/yarn.lock", "package-lock.json", "go.sum", "src/lock.rs", "package.json"];
        assert_eq!(matching(is_lock_file, &paths), &paths[..4]);
    }

    #[test]
    fn generated_and_minified_files_are_detected_by_name() {
        let paths = ["a/x_pb2.py", "api.pb.go", "Form.Designer.cs", "schema.generated.ts", "pb.go", "generated.rs"];
        assert_eq!(matching(is_generated, &paths), &paths[..4]);
        let paths = ["jquery.min.js", "a/site-min.css", "min.js", "admin.js"];
        assert_eq!(matching(is_minified, &paths), &paths[..2]);
    }
}
