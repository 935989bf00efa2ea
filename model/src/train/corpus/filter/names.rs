//! What a path says: whose code it is, and who wrote it.

/// Folders in which package managers and people keep the code of others.
const VENDORED: &[&str] = &[
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

/// Lock files that do not end in `.lock`.
const LOCK_FILES: &[&str] = &[
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

/// How names end that compilers of interfaces and form designers give.
const GENERATED: &[&str] = &[
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

/// How names of minified files end.
const MINIFIED: &[&str] = &[".min.js", ".min.mjs", ".min.css", "-min.js", "-min.css"];

/// Whether a path has this ending (`rs`, `.rs`) or this name (`Makefile`).
pub(super) fn is(path: &str, wanted: &str) -> bool {
    let name = name(path);
    let ending = name.rsplit_once('.').map(|(_, ending)| ending);
    name == wanted || ending.is_some_and(|ending| ending.eq_ignore_ascii_case(wanted.trim_start_matches('.')))
}

/// Whether a folder on the path is one for the code of others.
pub(super) fn vendored(path: &str) -> bool {
    let folders = path.rsplit_once('/').map_or("", |(folders, _)| folders);
    folders.split('/').any(|folder| VENDORED.iter().any(|name| folder.eq_ignore_ascii_case(name)))
}

/// Whether a package manager wrote it.
pub(super) fn lock_file(path: &str) -> bool {
    let name = name(path).to_ascii_lowercase();
    name.ends_with(".lock") || LOCK_FILES.contains(&name.as_str())
}

/// Whether a generator wrote it.
pub(super) fn generated(path: &str) -> bool {
    let name = name(path).to_ascii_lowercase();
    name.contains(".generated.") || ends(&name, GENERATED)
}

/// Whether a minifier wrote it.
pub(super) fn minified(path: &str) -> bool {
    ends(&name(path).to_ascii_lowercase(), MINIFIED)
}

fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn ends(name: &str, endings: &[&str]) -> bool {
    endings.iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those of the paths for which something holds.
    fn those<'a>(holds: fn(&str) -> bool, paths: &[&'a str]) -> Vec<&'a str> {
        paths.iter().copied().filter(|path| holds(path)).collect()
    }

    #[test]
    fn the_code_of_others_is_known_by_its_folder() {
        let paths = ["vendor/a.go", "x/Third_Party/b.c", "web/node_modules/c/i.js", "src/vendor.rs", "vendors/a.py"];
        assert_eq!(those(vendored, &paths), &paths[..3]);
    }

    #[test]
    fn lock_files_are_known_by_name() {
        let paths = ["Cargo.lock", "a/yarn.lock", "package-lock.json", "go.sum", "src/lock.rs", "package.json"];
        assert_eq!(those(lock_file, &paths), &paths[..4]);
    }

    #[test]
    fn what_generators_and_minifiers_write_is_known_by_name() {
        let paths = ["a/x_pb2.py", "api.pb.go", "Form.Designer.cs", "schema.generated.ts", "pb.go", "generated.rs"];
        assert_eq!(those(generated, &paths), &paths[..4]);
        let paths = ["jquery.min.js", "a/site-min.css", "min.js", "admin.js"];
        assert_eq!(those(minified, &paths), &paths[..2]);
    }
}
