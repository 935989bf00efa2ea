//! `foretype train --dry-run`: what would be learned from, and why files are left out.

mod languages;

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use foretype_model::train::corpus::{Corpus, CorpusError, LeftOut, Licences, Reason, Source};
use serde::Serialize;

use super::super::print_json;
use super::collect;
use languages::Row;

/// How to report.
#[derive(Debug, clap::Args)]
pub(super) struct ReportArgs {
    /// List all files that were left out for this reason
    #[arg(long, value_name = "REASON", value_parser = reason())]
    left_out: Option<Reason>,
    /// How many examples to name for each reason
    #[arg(long, default_value_t = 3)]
    examples: usize,
    /// As JSON
    #[arg(long)]
    json: bool,
}

fn reason() -> impl TypedValueParser<Value = Reason> {
    PossibleValuesParser::new(Reason::ALL.map(Reason::id)).try_map(|name| name.parse::<Reason>())
}

/// A rough number of tokens: in source text one is about so many bytes long.
const BYTES_A_TOKEN: f64 = 3.3;

#[derive(Debug, Serialize)]
struct Report<'a> {
    sources: &'a [Source],
    languages: Vec<Row>,
    total: Row,
    /// Rough.
    tokens: u64,
    left_out: Vec<Group<'a>>,
    secrets: usize,
    licences: &'a Licences,
    warnings: Vec<String>,
}

/// The files that were left out for one reason.
#[derive(Debug, Serialize)]
struct Group<'a> {
    reason: Reason,
    meaning: &'static str,
    files: usize,
    examples: Vec<&'a LeftOut>,
}

/// Collects a corpus and reports on it.
pub(super) fn run(corpus: &collect::CorpusArgs, args: &ReportArgs) -> Result<ExitCode> {
    let corpus = collected(corpus, args)?;
    let report = Report::new(&corpus, args);
    match args.json {
        true => print_json(&report)?,
        false => report.print(args),
    }
    Ok(ExitCode::SUCCESS)
}

/// The corpus; where nothing was left of it, an error with all that is known of why.
pub(super) fn collected(corpus: &collect::CorpusArgs, args: &ReportArgs) -> Result<Corpus> {
    corpus.collect().map_err(|error| refused(error, args))
}

/// What somebody should know before learning from a corpus.
pub(super) fn warn(corpus: &Corpus) {
    let (_, total) = languages::table(&corpus.files);
    warnings(corpus, &total).iter().for_each(|warning| eprintln!("foretype: {warning}"));
}

/// Why there is no corpus; where nothing was left, with all that is known of it.
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

impl<'a> Report<'a> {
    fn new(corpus: &'a Corpus, args: &ReportArgs) -> Self {
        let (languages, total) = languages::table(&corpus.files);
        let tokens = (total.bytes as f64 / BYTES_A_TOKEN) as u64;
        let secrets = corpus.counts().get(&Reason::Secret).copied().unwrap_or_default();
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
        println!("\nabout {} tokens, roughly: {BYTES_A_TOKEN} bytes each\n", self.tokens);
        print_left_out(&self.left_out, args);
        print_licences(self.licences);
        for warning in &self.warnings {
            println!("warning: {warning}");
        }
    }
}

/// By reason, with examples; with `--left-out` only that reason, and all of its files.
fn groups<'a>(left_out: &'a [LeftOut], args: &ReportArgs) -> Vec<Group<'a>> {
    let mut files: BTreeMap<Reason, Vec<&LeftOut>> = BTreeMap::new();
    for file in left_out {
        files.entry(file.reason).or_default().push(file);
    }
    let group = |(reason, files): (Reason, Vec<&'a LeftOut>)| {
        let all = args.left_out == Some(reason);
        let examples = files.iter().take(if all { usize::MAX } else { args.examples }).copied().collect();
        Group { reason, meaning: reason.meaning(), files: files.len(), examples }
    };
    files.into_iter().map(group).collect()
}

/// What a user should know before training.
fn warnings(corpus: &Corpus, total: &Row) -> Vec<String> {
    let mut warnings = Vec::new();
    let copyleft = corpus.licences.copyleft();
    if !copyleft.is_empty() {
        let names = copyleft.join(", ");
        warnings.push(format!("copyleft ({names}): ask before you share a model that learned from this"));
    }
    if !corpus.licences.missing.is_empty() {
        let names = corpus.licences.missing.join(", ");
        warnings.push(format!("no licence at the root of {names}: see that you may learn from it"));
    }
    if total.held_out == 0 {
        warnings.push("no file is held out, so nothing will tell how well it was learned; raise --held-out".into());
    }
    warnings
}

/// Which options bring back what was left out.
fn remedies(groups: &[Group]) -> String {
    let remedy = |group: &Group| {
        Some(match group.reason {
            Reason::UnknownLanguage => "name their ends with --only, for example --only kt,swift",
            Reason::NotAsked => "name other ends with --only",
            Reason::TooLarge => "raise --max-file-bytes",
            Reason::Data => "keep data with --keep-data",
            Reason::Ignored => "shorten .foretypeignore",
            Reason::Vendored => "name the vendored folder itself",
            _ => return None,
        })
    };
    let remedies: Vec<_> = groups.iter().filter_map(remedy).collect();
    if remedies.is_empty() { String::new() } else { format!(". To bring them back, {}", remedies.join("; ")) }
}

fn print_left_out(groups: &[Group], args: &ReportArgs) {
    if let Some(wanted) = args.left_out {
        let listed = groups.iter().filter(|group| group.reason == wanted).flat_map(|group| &group.examples);
        listed.for_each(|file| println!("{}", described(file)));
        return;
    }
    if groups.is_empty() {
        return;
    }
    println!("left out (all of a reason with --left-out REASON):");
    for group in groups {
        println!("{:>7} {:16} {}", group.files, group.reason.id(), group.meaning);
        group.examples.iter().for_each(|file| println!("{:24} {}", "", described(file)));
    }
    println!();
}

fn described(file: &LeftOut) -> String {
    let original = file.duplicate_of.as_ref().map(|other| format!(" (like {other})")).unwrap_or_default();
    format!("{}/{}{original}", file.repository, file.path)
}

fn print_licences(licences: &Licences) {
    println!("licences:");
    for licence in &licences.found {
        println!("  {}/{}: {}", licence.repository, licence.path, licence.names.join(", "));
    }
    for (name, files) in &licences.identifiers {
        println!("  {files} files say {name}");
    }
    if licences.found.is_empty() && licences.identifiers.is_empty() {
        println!("  none found");
    }
}
