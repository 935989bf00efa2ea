//! Secrets, which must never enter a prompt, an index or a training set: files that hold them by convention, and texts
//! that look like credentials.

/// Names of files that hold secrets by convention.
const SECRET_FILE_NAMES: &[&str] = &[
    ".env",
    ".envrc",
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".pgpass",
    ".htpasswd",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    "credentials",
    "secrets.yml",
    "secrets.yaml",
    "secrets.json",
    "secrets.toml",
];

/// Suffixes of key files.
const SECRET_FILE_SUFFIXES: &[&str] = &[".pem", ".key", ".p12", ".pfx", ".jks", ".keystore", ".kdbx"];

/// Prefixes of well-known credentials, each with the minimum number of characters that follow it.
const SECRET_PREFIXES: &[(&str, usize)] = &[
    ("-----BEGIN RSA PRIVATE KEY", 0),
    ("-----BEGIN PRIVATE KEY", 0),
    ("-----BEGIN ENCRYPTED PRIVATE KEY", 0),
    ("-----BEGIN EC PRIVATE KEY", 0),
    ("-----BEGIN OPENSSH PRIVATE KEY", 0),
    ("AKIA", 16),
    ("ASIA", 16),
    ("ghp_", 30),
    ("gho_", 30),
    ("ghs_", 30),
    ("ghu_", 30),
    ("npm_", 36),
    ("sk-", 40),
    ("github_pat_", 30),
    ("glpat-", 20),
    ("xoxb-", 20),
    ("xoxp-", 20),
    ("sk_live_", 20),
    ("rk_live_", 20),
    ("AIza", 35),
    ("hf_", 30),
];

/// Returns true for a path whose file must not be read.
pub fn is_secret_path(path: &str) -> bool {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path).to_ascii_lowercase();
    let example = [".example", ".sample", ".template"].iter().any(|ending| name.ends_with(ending));
    let env = name.starts_with(".env.") && !example;
    env || SECRET_FILE_NAMES.contains(&name.as_str())
        || SECRET_FILE_SUFFIXES.iter().any(|ending| name.ends_with(ending))
}

/// Returns true if a text contains what looks like a credential.
pub fn contains_secret(text: &str) -> bool {
    SECRET_PREFIXES.iter().any(|(prefix, min_length)| {
        text.match_indices(prefix).any(|(at, _)| {
            let is_word = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
            let starts_word = text[..at].chars().next_back().is_none_or(|c| !c.is_ascii_alphanumeric());
            let rest = text[at + prefix.len()..].chars();
            starts_word && rest.take_while(is_word).take(*min_length).count() >= *min_length
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_files_are_known_by_name() {
        for path in [".env", "a/.env.local", "deploy/server.pem", "C:\\x\\id_rsa"] {
            assert!(is_secret_path(path), "{path}");
        }
        for path in ["src/env.rs", ".env.example", "keyboard.rs", "environment.py"] {
            assert!(!is_secret_path(path), "{path}");
        }
    }

    #[test]
    fn credentials_are_known_by_their_prefix() {
        assert!(contains_secret(&format!("key = \"{}{}\"", "AKIA", "A".repeat(16))));
        assert!(contains_secret(&format!("token: {}{}", "ghp_", "x".repeat(36))));
        assert!(!contains_secret("AKIA is a prefix; graph_path = hf_model; SLAVAKIAAAAAAAAAAAAAAAAAA"));
    }
}
