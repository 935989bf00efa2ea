//! `foretype train --dry-run`: reports the files of the corpus, and why others are left out.

mod languages;

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use foretype_model::train::corpus::{Corpus, CorpusError, CorpusSource, ExcludedFile, ExclusionReason, Licences};
use serde::Serialize;

use super::super::output::print_json;
use super::collect;
use languages::LanguageRow;

/// Options of the report.
#[derive(Debug, clap::Args)]
pub(super) struct ReportArgs {
    /// List all files that are left out for this reason
    #[arg(long, value_name = "REASON", value_parser = reason())]
    left_out: Option<ExclusionReason>,
    /// Print this many examples for each reason
    #[arg(long, default_value_t = 3)]
    examples: usize,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

fn reason() -> impl TypedValueParser<Value = ExclusionReason> {
    PossibleValuesParser::new(ExclusionReason::ALL.map(ExclusionReason::id))
        .try_map(|name| name.parse::<ExclusionReason>())
}

/// Average length of a token in source text, for estimates.
const BYTES_PER_TOKEN: f64 = 3.3;

#[derive(Debug, Serialize)]
struct CorpusReport<'a> {
    sources: &'a [CorpusSource],
    languages: Vec<LanguageRow>,
    total: LanguageRow,
    /// Estimate.
    tokens: u64,
    left_out: Vec<LeftOutGroup<'a>>,
    secrets: usize,
    licences: &'a Licences,
    warnings: Vec<String>,
}

/// Files that are left out for one reason.
#[derive(Debug, Serialize)]
struct LeftOutGroup<'a> {
    reason: ExclusionReason,
    meaning: &'static str,
    files: usize,
    examples: Vec<&'a ExcludedFile>,
}

/// Collects a corpus and reports on it.
pub(super) fn run(corpus: &collect::CorpusArgs, args: &ReportArgs) -> Result<ExitCode> {
    let corpus = collected(corpus, args)?;
    let report = CorpusReport::new(&corpus, args);
    if args.json {
        print_json(&report)?;
    } else {
        report.print(args);
    }
    Ok(ExitCode::SUCCESS)
}

/// Collects the corpus.
///
/// # Errors
/// If the corpus cannot be collected. If no file is left, the reasons are printed, too.
pub(super) fn collected(corpus: &collect::CorpusArgs, args: &ReportArgs) -> Result<Corpus> {
    corpus.collect().map_err(|error| refused(error, args))
}

/// Prints the warnings about a corpus.
pub(super) fn warn(corpus: &Corpus) {
    let (_, total) = languages::table(&corpus.files);
    for warning in warnings(corpus, &total) {
        eprintln!("foretype: {warning}");
    }
}

/// Adds remedies to an error of the collection, and prints the reasons if no file is left.
fn refused(error: CorpusError, args: &ReportArgs) -> anyhow::Error {
    let left_out = match &error {
        CorpusError::NothingLeft { left_out } => left_out,
        CorpusError::Untracked { .. } => return anyhow!("{error} (--no-git)"),
        _ => return error.into(),
    };
    let groups = groups(left_out, args);
    if !args.json {
        print_left_out(&groups, args);
    }
    anyhow!("{error}{}", remedies(&groups))
}

impl<'a> CorpusReport<'a> {
    fn new(corpus: &'a Corpus, args: &ReportArgs) -> Self {
        let (languages, total) = languages::table(&corpus.files);
        let tokens = (total.bytes as f64 / BYTES_PER_TOKEN) as u64;
        let secrets = corpus.counts().get(&ExclusionReason::Secret).copied().unwrap_or_default();
        let warnings = warnings(corpus, &total);
        let left_out = groups(&corpus.left_out, args);
        let (sources, licences) = (&corpus.sources, &corpus.licences);
        Self { sources, languages, total, tokens, left_out, secrets, licences, warnings }
    }

    fn print(&self, args: &ReportArgs) {
        if args.left_out.is_some() {
            return print_left_out(&self.left_out, args);
        }
        for source in self.sources {
            let kind = if source.git { "tracked by git" } else { "a folder without git" };
            println!("{}: {} ({kind})", source.repository, source.folder.display());
        }
        println!();
        languages::print(&self.languages, &self.total);
        println!("\nabout {} tokens (estimated at {BYTES_PER_TOKEN} bytes each)\n", self.tokens);
        print_left_out(&self.left_out, args);
        print_licences(self.licences);
        for warning in &self.warnings {
            println!("warning: {warning}");
        }
    }
}

/// Groups files by reason, with examples. With `--left-out`, that reason has all of its files.
fn groups<'a>(left_out: &'a [ExcludedFile], args: &ReportArgs) -> Vec<LeftOutGroup<'a>> {
    let mut files: BTreeMap<ExclusionReason, Vec<&ExcludedFile>> = BTreeMap::new();
    for file in left_out {
        files.entry(file.reason).or_default().push(file);
    }
    let group = |(reason, files): (ExclusionReason, Vec<&'a ExcludedFile>)| {
        let all = args.left_out == Some(reason);
        let examples = files.iter().take(if all { usize::MAX } else { args.examples }).copied().collect();
        LeftOutGroup { reason, meaning: reason.meaning(), files: files.len(), examples }
    };
    files.into_iter().map(group).collect()
}

/// Returns the warnings about a corpus.
fn warnings(corpus: &Corpus, total: &LanguageRow) -> Vec<String> {
    let mut warnings = Vec::new();
    let copyleft = corpus.licences.copyleft();
    if !copyleft.is_empty() {
        let names = copyleft.join(", ");
        warnings.push(format!("copyleft ({names}): seek advice before you share a model trained on this code"));
    }
    if !corpus.licences.missing.is_empty() {
        let names = corpus.licences.missing.join(", ");
        warnings.push(format!("no licence at the root of {names}: make sure that you may train on this code"));
    }
    if total.held_out == 0 {
        warnings.push("no file is held out, so the result cannot be evaluated: raise --held-out".into());
    }
    warnings
}

/// Names the options that bring back files that are left out.
fn remedies(groups: &[LeftOutGroup]) -> String {
    let remedy = |group: &LeftOutGroup| {
        Some(match group.reason {
            ExclusionReason::UnknownLanguage => "name their extensions with --only, for example --only kt,swift",
            ExclusionReason::NotRequested => "name other extensions with --only",
            ExclusionReason::TooLarge => "raise --max-file-bytes",
            ExclusionReason::Data => "keep data with --keep-data",
            ExclusionReason::Ignored => "shorten .foretypeignore",
            ExclusionReason::Vendored => "name the vendored folder itself",
            _ => return None,
        })
    };
    let remedies: Vec<_> = groups.iter().filter_map(remedy).collect();
    if remedies.is_empty() { String::new() } else { format!(". To bring them back, {}", remedies.join("; ")) }
}

fn print_left_out(groups: &[LeftOutGroup], args: &ReportArgs) {
    if let Some(wanted) = args.left_out {
        for file in groups.iter().filter(|group| group.reason == wanted).flat_map(|group| &group.examples) {
            println!("{}", described(file));
        }
        return;
    }
    if groups.is_empty() {
        return;
    }
    println!("left out (use --left-out REASON to list all files of a reason):");
    for group in groups {
        println!("{:>7} {:16} {}", group.files, group.reason.id(), group.meaning);
        for file in &group.examples {
            println!("{:24} {}", "", described(file));
        }
    }
    println!();
}

fn described(file: &ExcludedFile) -> String {
    let original = file.duplicate_of.as_ref().map(|other| format!(" (duplicate of {other})")).unwrap_or_default();
    format!("{}/{}{original}", file.repository, file.path)
}

fn print_licences(licences: &Licences) {
    println!("licences:");
    for licence in &licences.found {
        println!("  {}/{}: {}", licence.repository, licence.path, licence.names.join(", "));
    }
    for (name, files) in &licences.identifiers {
        println!("  {name} in {files} files");
    }
    if licences.found.is_empty() && licences.identifiers.is_empty() {
        println!("  none found");
    }
}
