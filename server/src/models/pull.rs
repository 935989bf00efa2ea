//! Downloads models from the Hugging Face hub, or from a mirror with the same routes (`HF_ENDPOINT`).
//!
//! A file is written as `*.part`, resumed if the connection is lost, checked against its hash, and only then renamed: a
//! file under its own name is complete and is the one that was published. (The crate `hf-hub` does not check hashes.)
//! Proxies come from the usual environment variables (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`), a token for private
//! repositories from `HF_TOKEN`.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use super::catalogue;

/// Number of requests for a file before the download fails.
const MAX_DOWNLOAD_ATTEMPTS: u32 = 8;

/// Reference to a model on the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModelReference {
    /// Repository, as `owner/name`.
    pub(crate) repository: String,
    /// Branch or commit.
    pub(crate) revision: String,
    /// File to download. Without one, it is the 4-bit GGUF file of the repository, or else its safetensors with the
    /// files that belong to them.
    pub(crate) file: Option<String>,
    /// SHA-256 of the file, if the catalogue has it.
    pub(crate) sha256: Option<String>,
    /// True if the reference is a name of the catalogue.
    pub(crate) from_catalogue: bool,
}

impl ModelReference {
    /// Parses a name of the catalogue, `owner/name` or `owner/name:file`.
    ///
    /// # Errors
    /// If the text is none of these.
    pub(crate) fn parse(name: &str) -> Result<Self> {
        if let Some(entry) = catalogue::by_name(name) {
            return Ok(Self {
                repository: entry.repository.into(),
                revision: entry.revision.into(),
                file: Some(entry.file.into()),
                sha256: entry.sha256.map(Into::into),
                from_catalogue: true,
            });
        }
        let name = name.trim_start_matches("https://").trim_start_matches("hf.co/");
        let (repository, file) = name.split_once(':').map_or((name, None), |(name, file)| (name, Some(file)));
        ensure!(
            repository.split('/').count() == 2 && repository.split('/').all(is_repository_word),
            "there is no model {name}: give a name from `foretype model list`, or a repository of the hub as \
             owner/name[:file]"
        );
        let (repository, file) = (repository.into(), file.map(Into::into));
        Ok(Self { repository, revision: "main".into(), file, sha256: None, from_catalogue: false })
    }

    /// Returns the path of the model if it is installed and complete. Only models of the catalogue are looked for,
    /// because for others only the hub knows the current file.
    fn installed(&self, folder: &Path) -> Option<PathBuf> {
        let name = self.file.as_deref()?;
        let path = folder.join(base_name(name));
        let file = RemoteFile { name: name.to_owned(), bytes: None, sha256: self.sha256.clone() };
        let is_complete = self.from_catalogue && path.is_file() && verify(&path, &file).is_ok();
        if is_complete { Some(path) } else { None }
    }
}

fn is_repository_word(word: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !word.is_empty() && word != "." && word != ".." && word.bytes().all(allowed)
}

/// File as the hub describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct RemoteFile {
    name: String,
    bytes: Option<u64>,
    sha256: Option<String>,
}

/// Downloads a model into `folder` and returns its path. `progress` is called with the name of the current file, the
/// number of bytes that have been downloaded, and its size.
///
/// # Errors
/// If the model does not exist, the hub cannot be reached, a hash differs, or a file cannot be written.
pub(crate) fn pull(wanted: &ModelReference, folder: &Path, progress: &dyn Fn(&str, u64, u64)) -> Result<PathBuf> {
    if let Some(path) = wanted.installed(folder) {
        return Ok(path);
    }
    let hub = HubClient::from_environment()?;
    let (commit, files) = hub.files(wanted)?;
    let chosen = select_files(wanted, &files)?;
    let single = chosen.len() == 1;
    let name = wanted.repository.split('/').next_back().unwrap_or_default();
    let target = if single { folder.to_owned() } else { folder.join(name) };
    std::fs::create_dir_all(&target).with_context(|| format!("cannot create the folder {}", target.display()))?;
    for file in &chosen {
        let url = hub.file_url(&wanted.repository, &commit, &file.name);
        hub.download(&url, file, &target.join(base_name(&file.name)), progress)?;
    }
    Ok(if single { target.join(base_name(&chosen[0].name)) } else { target })
}

/// Returns true if a text is the address of a web server.
fn is_address(text: &str) -> bool {
    let uri = text.parse::<ureq::http::Uri>().ok();
    uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|it| !it.is_empty())
    })
}

fn base_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// Selects the files to download, the large ones last.
fn select_files(wanted: &ModelReference, files: &[RemoteFile]) -> Result<Vec<RemoteFile>> {
    for file in files {
        let plain = Path::new(&file.name).components().all(|part| matches!(part, Component::Normal(_)));
        ensure!(plain, "{} has a file with the unsafe name {:?}: use another repository", wanted.repository, file.name);
    }
    if let Some(name) = &wanted.file {
        let found = files.iter().find(|file| &file.name == name);
        let file = found.with_context(|| format!("{} has no file {name}", wanted.repository))?;
        let sha256 = wanted.sha256.clone().or_else(|| file.sha256.clone());
        return Ok(vec![RemoteFile { sha256, ..file.clone() }]);
    }
    if let Some(file) = four_bit_gguf(files) {
        return Ok(vec![file.clone()]);
    }
    let wanted_file = |file: &&RemoteFile| {
        file.name.ends_with(".safetensors")
            || ["config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"].contains(&&*file.name)
            || file.name == "generation_config.json"
            || file.name == "model.safetensors.index.json"
    };
    let mut chosen: Vec<RemoteFile> = files.iter().filter(wanted_file).cloned().collect();
    chosen.sort_by_key(|file| file.bytes);
    ensure!(
        chosen.iter().any(|file| file.name.ends_with(".safetensors")),
        "{} contains neither a GGUF file nor safetensors: name another repository",
        wanted.repository
    );
    Ok(chosen)
}

fn four_bit_gguf(files: &[RemoteFile]) -> Option<&RemoteFile> {
    let gguf = || files.iter().filter(|file| file.name.to_ascii_lowercase().ends_with(".gguf"));
    let named = |mark: &str| gguf().find(|file| file.name.to_ascii_lowercase().contains(mark));
    named("q4_k_m").or_else(|| named("q4_0")).or_else(|| named("q8_0")).or_else(|| gguf().next())
}

struct HubClient {
    agent: ureq::Agent,
    endpoint: String,
    token: Option<String>,
}

impl HubClient {
    fn from_environment() -> Result<Self> {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let endpoint = set("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".into());
        ensure!(
            is_address(&endpoint),
            "HF_ENDPOINT is {endpoint:?}, which is not a valid address: use one like https://huggingface.co, or unset \
             it"
        );
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(20)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            .timeout_per_read(Some(Duration::from_secs(60)))
            .user_agent(concat!("foretype/", env!("CARGO_PKG_VERSION")))
            .build();
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        Ok(Self { agent: config.new_agent(), endpoint, token: set("HF_TOKEN") })
    }

    fn file_url(&self, repository: &str, commit: &str, file: &str) -> String {
        format!("{}/{repository}/resolve/{commit}/{file}", self.endpoint)
    }

    fn get(&self, url: &str, from: u64) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
        let mut request = self.agent.get(url);
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        if from > 0 {
            request = request.header("Range", format!("bytes={from}-"));
        }
        request.call()
    }

    /// Returns the commit of the revision, and the files in it.
    fn files(&self, wanted: &ModelReference) -> Result<(String, Vec<RemoteFile>)> {
        let ModelReference { repository, revision, .. } = wanted;
        let url = format!("{}/api/models/{repository}/revision/{revision}?blobs=true", self.endpoint);
        let unreachable = || {
            format!("cannot reach {}: check the network and HTTPS_PROXY, or set HF_ENDPOINT to a mirror", self.endpoint)
        };
        let mut response = self.get(&url, 0).with_context(unreachable)?;
        check_status(response.status().as_u16(), repository)?;
        let body = response.body_mut().with_config().limit(64 << 20).read_to_string().with_context(unreachable)?;
        let answer: serde_json::Value =
            serde_json::from_str(&body).with_context(|| format!("the answer of {url} is not JSON"))?;
        let commit = answer["sha"].as_str().unwrap_or(revision).to_owned();
        let siblings = answer["siblings"].as_array().map(Vec::as_slice).unwrap_or_default();
        Ok((commit, siblings.iter().filter_map(parse_remote_file).collect()))
    }

    /// Downloads `file` to `target`, resuming an earlier download.
    fn download(&self, url: &str, file: &RemoteFile, target: &Path, progress: &dyn Fn(&str, u64, u64)) -> Result<()> {
        if target.is_file() && verify(target, file).is_ok() {
            return Ok(());
        }
        let mark = file.sha256.as_deref().map_or("", |hash| hash.get(..8).unwrap_or(hash));
        let part = target.with_file_name(format!("{}.{mark}.part", base_name(&file.name)));
        let lock = open_part(&part)?;
        lock.try_lock().map_err(|_| {
            anyhow::anyhow!("{} is already being downloaded: wait for the other download", target.display())
        })?;
        let mut last = None;
        for attempt in 0..MAX_DOWNLOAD_ATTEMPTS {
            std::thread::sleep(Duration::from_millis(250) * attempt.min(8));
            match self.continue_part(url, file, &part, progress) {
                Ok(()) => {
                    last = None;
                    break;
                }
                Err(error) if error.is::<DownloadRefused>() => return Err(error),
                Err(error) => last = Some(error),
            }
        }
        if let Some(error) = last {
            let kept = part.metadata().map_or(0, |data| data.len());
            let advice = format!("{} stopped after {kept} bytes: run the same command to continue", file.name);
            return Err(error.context(advice));
        }
        if let Err(error) = verify(&part, file) {
            std::fs::remove_file(&part)?;
            return Err(error.context("the download was discarded: run the same command to start again"));
        }
        std::fs::rename(&part, target).with_context(|| format!("cannot write {}", target.display()))
    }

    /// Appends the missing bytes to the part, in one request.
    fn continue_part(
        &self,
        url: &str,
        file: &RemoteFile,
        part: &Path,
        progress: &dyn Fn(&str, u64, u64),
    ) -> Result<()> {
        let mut there = part.metadata().map_or(0, |data| data.len());
        if file.bytes.is_some_and(|bytes| there >= bytes) {
            return Ok(());
        }
        let mut response = self.get(url, there)?;
        let status = response.status().as_u16();
        let mut out = match status {
            206 => OpenOptions::new().append(true).open(part)?,
            200 | 416 => {
                there = 0;
                OpenOptions::new().write(true).truncate(true).open(part)?
            }
            _ => {
                check_status(status, url)?;
                bail!("{url} answered {status}")
            }
        };
        ensure!(status != 416, "the partial download does not match the file: starting again");
        let total = file.bytes.unwrap_or(0);
        let mut body = response.body_mut().with_config().limit(u64::MAX).reader();
        let mut buffer = vec![0; 1 << 20];
        loop {
            let read = body.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            out.write_all(&buffer[..read])
                .map_err(|error| DownloadRefused(format!("cannot write {}: {error}", part.display())))?;
            there += read as u64;
            progress(&file.name, there, total.max(there));
        }
        ensure!(total == 0 || there >= total, "the connection was lost after {there} of {total} bytes");
        Ok(())
    }
}

/// Failure that a retry does not resolve.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct DownloadRefused(String);

fn check_status(status: u16, what: &str) -> Result<()> {
    let message = match status {
        200..=299 => return Ok(()),
        401 | 403 => format!("the hub denies access to {what} ({status}), which is private or gated: set HF_TOKEN"),
        404 => format!("the hub has no {what} ({status}): check the name"),
        429 | 500..=599 => bail!("the hub is busy ({status} for {what})"),
        _ => format!("the hub answered {status} for {what}"),
    };
    Err(DownloadRefused(message).into())
}

fn open_part(part: &Path) -> Result<File> {
    let open = OpenOptions::new().create(true).append(true).open(part);
    open.with_context(|| format!("cannot write {}: set FORETYPE_MODELS to another folder", part.display()))
}

fn parse_remote_file(sibling: &serde_json::Value) -> Option<RemoteFile> {
    let lfs = &sibling["lfs"];
    Some(RemoteFile {
        name: sibling["rfilename"].as_str()?.to_owned(),
        bytes: lfs["size"].as_u64().or_else(|| sibling["size"].as_u64()),
        sha256: lfs["sha256"].as_str().map(str::to_ascii_lowercase),
    })
}

/// Checks that the file on disk is the published one, by size and, if known, by hash.
fn verify(path: &Path, file: &RemoteFile) -> Result<()> {
    let bytes = path.metadata()?.len();
    if let Some(expected) = file.bytes {
        ensure!(bytes == expected, "{} has {bytes} bytes, but the published file has {expected}", file.name);
    }
    if let Some(expected) = &file.sha256 {
        let found = sha256(path)?;
        ensure!(&found == expected, "{} has SHA-256 {found}, but the published file has {expected}", file.name);
    }
    Ok(())
}

fn sha256(path: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    std::io::copy(&mut File::open(path)?, &mut hash)?;
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remotes(names: &[&str]) -> Vec<RemoteFile> {
        names.iter().map(|name| RemoteFile { name: (*name).into(), bytes: None, sha256: None }).collect()
    }

    fn chosen(name: &str, files: &[&str]) -> Result<Vec<String>> {
        let wanted = ModelReference::parse(name)?;
        Ok(select_files(&wanted, &remotes(files))?.into_iter().map(|file| file.name).collect())
    }

    #[test]
    fn a_catalogue_name_refers_to_a_pinned_file() {
        let wanted = ModelReference::parse("qwen2.5-coder-0.5b-instruct").expect("a known name");
        assert_eq!(wanted.repository, "Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF");
        assert!(wanted.sha256.is_some());
    }

    #[test]
    fn an_invalid_repository_name_is_refused_with_a_remedy() {
        for name in ["nonsense", "a/b/c", "../etc", "a/..", "a b/c"] {
            let error = ModelReference::parse(name).expect_err(name).to_string();
            assert!(error.contains("foretype model list"), "{name}: {error}");
        }
    }

    #[test]
    fn the_four_bit_gguf_is_preferred() {
        let files = ["README.md", "m-q8_0.gguf", "m-Q4_K_M.gguf", "m-f16.gguf"];
        assert_eq!(chosen("a/b", &files).expect("a file"), ["m-Q4_K_M.gguf"]);
        assert_eq!(chosen("a/b:m-f16.gguf", &files).expect("the named file"), ["m-f16.gguf"]);
    }

    #[test]
    fn safetensors_come_with_their_configuration_and_tokenizer() {
        let files = ["README.md", "config.json", "tokenizer.json", "model.safetensors", "x.bin"];
        assert_eq!(chosen("a/b", &files).expect("files"), ["config.json", "tokenizer.json", "model.safetensors"]);
    }

    #[test]
    fn a_file_name_outside_the_folder_is_refused() {
        for name in ["../evil.gguf", "/etc/evil.gguf", "a/../../evil.gguf"] {
            assert!(chosen("a/b", &[name]).is_err(), "{name}");
        }
    }

    #[test]
    fn a_repository_without_weights_is_an_error() {
        assert!(chosen("a/b", &["README.md", "config.json"]).is_err());
    }
}
