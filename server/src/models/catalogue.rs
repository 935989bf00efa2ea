//! Catalogue of the models that `foretype model pull` knows by name. Pure data.

/// Entry of the catalogue: the name of a model, its file on the hub, and its properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub(crate) struct CatalogueEntry {
    /// Name for `foretype model pull`.
    pub(crate) name: &'static str,
    /// Repository on the hub.
    pub(crate) repository: &'static str,
    /// Commit of the repository, or `main` if none is pinned.
    pub(crate) revision: &'static str,
    /// Path of the file in the repository.
    pub(crate) file: &'static str,
    /// SHA-256 of the file. If it is `None`, the hash that the hub gives for the file is checked instead.
    pub(crate) sha256: Option<&'static str>,
    /// Approximate size of the file in MB.
    pub(crate) megabytes: u32,
    /// Licence of the weights.
    pub(crate) licence: &'static str,
    /// True if the model was tuned to follow instructions, as questions and translation need.
    pub(crate) instruct: bool,
}

const fn instruct(name: &'static str, repository: &'static str, file: &'static str, megabytes: u32) -> CatalogueEntry {
    CatalogueEntry {
        name,
        repository,
        revision: "main",
        file,
        sha256: None,
        megabytes,
        licence: "Apache-2.0",
        instruct: true,
    }
}

const fn base(name: &'static str, repository: &'static str, file: &'static str, megabytes: u32) -> CatalogueEntry {
    CatalogueEntry { instruct: false, ..instruct(name, repository, file, megabytes) }
}

/// Models of the catalogue, the smallest first. Base models complete code better; instruct models also answer
/// questions.
pub(crate) static CATALOGUE: &[CatalogueEntry] = &[
    CatalogueEntry {
        revision: "ebb2015119c907b064c512bf053e945850b5875f",
        sha256: Some("1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32"),
        ..instruct(
            "qwen2.5-coder-0.5b-instruct",
            "Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
            "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
            491,
        )
    },
    base("qwen2.5-coder-0.5b", "ggml-org/Qwen2.5-Coder-0.5B-Q8_0-GGUF", "qwen2.5-coder-0.5b-q8_0.gguf", 531),
    instruct(
        "qwen2.5-coder-1.5b-instruct",
        "Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
        "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        1117,
    ),
    base("qwen2.5-coder-1.5b", "ggml-org/Qwen2.5-Coder-1.5B-Q8_0-GGUF", "qwen2.5-coder-1.5b-q8_0.gguf", 1647),
    CatalogueEntry {
        licence: "Qwen Research",
        ..instruct(
            "qwen2.5-coder-3b-instruct",
            "Qwen/Qwen2.5-Coder-3B-Instruct-GGUF",
            "qwen2.5-coder-3b-instruct-q4_k_m.gguf",
            2105,
        )
    },
    CatalogueEntry {
        licence: "Qwen Research",
        ..base("qwen2.5-coder-3b", "ggml-org/Qwen2.5-Coder-3B-Q8_0-GGUF", "qwen2.5-coder-3b-q8_0.gguf", 3285)
    },
    instruct(
        "qwen2.5-coder-7b-instruct",
        "Qwen/Qwen2.5-Coder-7B-Instruct-GGUF",
        "qwen2.5-coder-7b-instruct-q4_k_m.gguf",
        4683,
    ),
    base("qwen2.5-coder-7b", "ggml-org/Qwen2.5-Coder-7B-Q8_0-GGUF", "qwen2.5-coder-7b-q8_0.gguf", 8099),
];

/// Returns the entry with a name.
pub(crate) fn by_name(name: &str) -> Option<&'static CatalogueEntry> {
    CATALOGUE.iter().find(|entry| entry.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_hashes_are_hashes() {
        for (i, entry) in CATALOGUE.iter().enumerate() {
            assert!(CATALOGUE[..i].iter().all(|other| other.name != entry.name), "{}", entry.name);
            let hex = |hash: &str| hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
            assert!(entry.sha256.is_none_or(hex), "{}", entry.name);
            assert!(entry.file.ends_with(".gguf"), "{}", entry.name);
        }
    }

    #[test]
    fn the_catalogue_has_base_and_instruct_models_in_four_sizes() {
        for size in ["0.5b", "1.5b", "3b", "7b"] {
            assert!(by_name(&format!("qwen2.5-coder-{size}")).is_some_and(|e| !e.instruct));
            assert!(by_name(&format!("qwen2.5-coder-{size}-instruct")).is_some_and(|e| e.instruct));
        }
    }
}
