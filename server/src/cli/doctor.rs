//! `foretype doctor`: checks the installation and suggests remedies.

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use anyhow::Result;
use foretype_model::{Engine, EngineOptions, Model};

use super::output::print_json;
use crate::config::Config;
use crate::models;
use crate::speed::EngineSpeed;

/// Arguments of `foretype doctor`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Workspace to check
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum Severity {
    Good,
    Note,
    Bad,
}

/// Result of one check.
#[derive(Debug, serde::Serialize)]
struct Finding {
    #[serde(rename = "what")]
    subject: &'static str,
    #[serde(rename = "state")]
    severity: Severity,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Finding {
    fn new(what: &'static str, state: Severity, found: impl Into<String>) -> Self {
        Self { subject: what, severity: state, found: found.into(), remedy: None }
    }

    fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }
}

/// Runs `foretype doctor`. The exit code is 1 if a finding is bad.
pub(crate) fn run(args: Args) -> Result<ExitCode> {
    let mut findings = vec![processor(), memory()];
    if !args.folder.is_dir() {
        let found = format!("there is no folder {}", args.folder.display());
        findings.push(
            Finding::new("workspace", Severity::Bad, found)
                .remedy("name an existing folder, or none for the current one"),
        );
    }
    match Config::load(Some(&args.folder)) {
        Ok(config) => {
            findings.push(Finding::new("configuration", Severity::Good, "valid"));
            findings.push(device(&config));
            findings.extend(model(&config));
        }
        Err(error) => findings.push(
            Finding::new("configuration", Severity::Bad, format!("{error:#}"))
                .remedy("correct this file; docs/reference/configuration.md lists every option"),
        ),
    }
    findings.extend([editor("Neovim", "nvim"), editor("VS Code", "code"), on_path()]);
    let bad = findings.iter().any(|finding| finding.severity == Severity::Bad);
    if args.json {
        print_json(&findings)?;
    } else {
        for finding in &findings {
            print(finding);
        }
    }
    Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(finding: &Finding) {
    let mark = match finding.severity {
        Severity::Good => "ok  ",
        Severity::Note => "note",
        Severity::Bad => "BAD ",
    };
    println!("{mark} {:14} {}", finding.subject, finding.found);
    if let Some(remedy) = &finding.remedy {
        println!("     {:14} -> {remedy}", "");
    }
}

fn processor() -> Finding {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let features = features();
    let found =
        format!("{cores} cores, {}", if features.is_empty() { "no vector units".into() } else { features.join(" ") });
    if cfg!(target_arch = "x86_64") && !features.contains(&"avx2") {
        return Finding::new("processor", Severity::Note, found)
            .remedy("without AVX2, the model runs several times slower: choose a small model");
    }
    Finding::new("processor", Severity::Good, found)
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<&'static str> {
    let all = [
        ("avx2", is_x86_feature_detected!("avx2")),
        ("fma", is_x86_feature_detected!("fma")),
        ("f16c", is_x86_feature_detected!("f16c")),
        ("avxvnni", is_x86_feature_detected!("avxvnni")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
        ("avx512vnni", is_x86_feature_detected!("avx512vnni")),
    ];
    all.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn features() -> Vec<&'static str> {
    if cfg!(target_arch = "aarch64") { vec!["neon"] } else { Vec::new() }
}

fn memory() -> Finding {
    let available = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemAvailable:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    match available {
        None => Finding::new("memory", Severity::Note, "unknown on this system"),
        Some(kb) if kb < 1_500_000 => Finding::new("memory", Severity::Note, format!("{} MB free", kb / 1000))
            .remedy("a 0.5B model needs about 800 MB: close something or choose a smaller model"),
        Some(kb) => Finding::new("memory", Severity::Good, format!("{:.1} GB free", kb as f64 / 1e6)),
    }
}

fn device(config: &Config) -> Finding {
    match models::load::parse_device(&config.device.0) {
        Ok(device) => Finding::new("device", Severity::Good, format!("{device:?} (device = {:?})", config.device.0)),
        Err(error) => Finding::new("device", Severity::Bad, format!("{error:#}")).remedy("set device = \"cpu\""),
    }
}

fn model(config: &Config) -> Vec<Finding> {
    let path = match models::resolve(config.model.as_deref()) {
        Ok(path) => path,
        Err(error) => return vec![Finding::new("model", Severity::Bad, "none").remedy(format!("{error:#}"))],
    };
    let started = std::time::Instant::now();
    match models::load::load_model(&path, config) {
        Ok(model) => {
            let format = model.fim_format().map_or("none", |format| format.name);
            let seconds = started.elapsed().as_secs_f64();
            let found = format!("{}, fill-in-the-middle format {format}, loaded in {seconds:.1} s", path.display());
            vec![Finding::new("model", Severity::Good, found), speed(model, config)]
        }
        Err(error) => vec![
            Finding::new("model", Severity::Bad, format!("{error:#}"))
                .remedy("download it again with `foretype model pull`, or set FORETYPE_MODEL to another"),
        ],
    }
}

/// Acceptable time in seconds for the first suggestion in a new place.
const MAX_PROMPT_SECONDS: f64 = 3.0;

/// Measures the speed of the model, and what it means for a prompt that is not in the KV cache.
fn speed(model: Arc<Model>, config: &Config) -> Finding {
    let longest = model.decoder.config().context_length.min(config.context.max_tokens);
    // Drafts are off, because their acceptance rate depends on the text.
    let options = EngineOptions { threads: config.threads, max_draft_tokens: 0, ..EngineOptions::default() };
    match EngineSpeed::measure(&Engine::start(model, options)) {
        Ok(speed) => speed_finding(&speed, longest),
        Err(error) => Finding::new("speed", Severity::Bad, format!("{error:#}")).remedy("please report this as a bug"),
    }
}

/// Returns the finding for prompts of at most `longest` tokens.
fn speed_finding(speed: &EngineSpeed, longest: usize) -> Finding {
    let EngineSpeed { prefill_rate, decode_rate } = *speed;
    let decode = decode_rate.map_or(String::new(), |rate| format!(", decode {rate:.0} tokens/s"));
    let seconds = |tokens: usize| tokens as f64 / prefill_rate;
    let found = format!(
        "prefill {prefill_rate:.0} tokens/s{decode}; the longest prompt ({longest} tokens) takes {:.1} s in a new \
         place",
        seconds(longest)
    );
    if seconds(longest) <= MAX_PROMPT_SECONDS {
        return Finding::new("speed", Severity::Good, found);
    }
    let fewer = ((prefill_rate * MAX_PROMPT_SECONDS) as usize / 128 * 128).max(256);
    let mut remedy = "choose a smaller model".to_owned();
    if fewer < longest {
        remedy += &format!(
            ", or a smaller context: context.max_tokens = {fewer} ({:.1} s), for suggestions that see less of the file",
            seconds(fewer)
        );
    }
    Finding::new("speed", Severity::Note, found).remedy(remedy)
}

fn editor(name: &'static str, program: &str) -> Finding {
    let output = Command::new(program).arg("--version").stdin(std::process::Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => {
            let version = String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned();
            Finding::new(name, Severity::Good, version)
        }
        _ => Finding::new(name, Severity::Note, "not found on PATH"),
    }
}

fn on_path() -> Finding {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("foretype")).find(|file| file.is_file());
    match found {
        Some(file) => Finding::new("foretype", Severity::Good, file.display().to_string()),
        None => Finding::new("foretype", Severity::Note, "not on PATH")
            .remedy("editors look for it there: run `cargo install --path server`, or set the path in the extension"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remedy(prefill_rate: f64, longest: usize) -> Option<String> {
        speed_finding(&EngineSpeed { prefill_rate, decode_rate: Some(9.0) }, longest).remedy
    }

    #[test]
    fn a_slow_model_is_noted_with_a_suitable_context_size() {
        assert_eq!(remedy(1000.0, 2048), None);
        assert!(remedy(200.0, 2048).is_some_and(|it| it.contains("context.max_tokens = 512 (2.6 s)")));
        assert!(remedy(20.0, 2048).is_some_and(|it| it.contains("context.max_tokens = 256 (12.8 s)")));
        assert_eq!(remedy(20.0, 256).as_deref(), Some("choose a smaller model"));
    }
}
