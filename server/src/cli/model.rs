//! `foretype model`: which models there are, and getting one.

use std::cell::RefCell;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use foretype_model::Packing;
use indicatif::{ProgressBar, ProgressStyle};

use super::print_json;
use crate::models::{self, catalogue::CATALOGUE, embedded, pull};

/// Arguments of `foretype model`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Models that are installed, and models that `pull` knows by name
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Download a model from the Hugging Face hub (or the mirror that HF_ENDPOINT names)
    Pull {
        /// A name that `list` shows, or a repository of the hub as owner/name[:file]
        name: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Work an adapter into a model: a GGUF file becomes a GGUF file, a Hugging Face directory a directory
    Merge {
        /// The base model: a name that `list` shows or a path
        model: String,
        /// The adapter's folder
        adapter: PathBuf,
        /// Where the merged model goes
        output: PathBuf,
    },
    /// Write a Hugging Face directory as a GGUF file
    Convert {
        /// The directory
        directory: PathBuf,
        /// The file
        output: PathBuf,
        /// How its matrices are packed
        #[arg(long, value_enum, default_value_t = PackedAs::Q8_0)]
        packing: PackedAs,
        /// What the model calls itself; the directory's name when left out
        #[arg(long)]
        name: Option<String>,
    },
    /// What a model is: architecture, size, context length, how it fills in the middle
    Show {
        /// A name that `list` shows or a path; without one, the model that would be used
        name: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum PackedAs {
    /// 16-bit floats
    F16,
    /// 8 bits a number
    #[value(name = "q8_0")]
    Q8_0,
    /// 4 bits a number
    #[value(name = "q4_1")]
    Q4_1,
}

impl From<PackedAs> for Packing {
    fn from(packed: PackedAs) -> Self {
        match packed {
            PackedAs::F16 => Self::F16,
            PackedAs::Q8_0 => Self::Q8_0,
            PackedAs::Q4_1 => Self::Q4_1,
        }
    }
}

/// Runs `foretype model`.
pub fn run(args: Args) -> Result<ExitCode> {
    match args.command {
        Command::List { json } => list(json)?,
        Command::Pull { name, json } => pull_one(&name, json)?,
        Command::Merge { model, adapter, output } => {
            foretype_model::merge(&models::resolve(Some(&model))?, &adapter, &output)?;
            println!("{}", output.display());
        }
        Command::Convert { directory, output, packing, name } => {
            let own = || directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
            foretype_model::convert(&directory, &output, &name.unwrap_or_else(own), packing.into())?;
            println!("{}", output.display());
        }
        Command::Show { name, json } => show(name.as_deref(), json)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(json: bool) -> Result<()> {
    let folder = models::folder()?;
    let installed = models::installed(&folder)?;
    if json {
        let built_in = embedded::BYTES.map(|bytes| serde_json::json!({ "name": embedded::NAME, "bytes": bytes.len() }));
        return print_json(&serde_json::json!({
            "folder": folder, "installed": installed, "built_in": built_in, "catalogue": CATALOGUE,
        }));
    }
    if let Some(bytes) = embedded::BYTES {
        println!("Built in, for when no other is installed or named:");
        println!("  {:32} {:>6} MB  fills\n", embedded::NAME, bytes.len() / 1_000_000);
    }
    println!("Installed in {}:", folder.display());
    if installed.is_empty() {
        println!("  none yet");
    }
    for model in &installed {
        println!("  {:32} {:>6} MB", model.name, model.bytes / 1_000_000);
    }
    println!("\nTo be had with `foretype model pull NAME`:");
    for entry in CATALOGUE {
        let kind = if entry.instruct { "fills, answers" } else { "fills" };
        println!("  {:32} {:>6} MB  {kind:16} {}", entry.name, entry.megabytes, entry.licence);
    }
    println!(
        "\nAny other GGUF file or Hugging Face directory works by its path (FORETYPE_MODEL, or `model` in config.toml)."
    );
    Ok(())
}

fn pull_one(name: &str, json: bool) -> Result<()> {
    let wanted = pull::Wanted::parse(name)?;
    let bar = RefCell::new(None);
    let progress = |file: &str, done: u64, total: u64| show_progress(&bar, file, done, total);
    let path = pull::pull(&wanted, &models::folder()?, &progress)?;
    if let Some((_, bar)) = bar.take() {
        bar.finish_and_clear();
    }
    if json {
        return print_json(&serde_json::json!({ "name": name, "path": path }));
    }
    println!("{name} is in {}", path.display());
    Ok(())
}

fn show_progress(bar: &RefCell<Option<(String, ProgressBar)>>, file: &str, done: u64, total: u64) {
    let mut bar = bar.borrow_mut();
    let same_file = bar.as_ref().is_some_and(|(name, _)| name == file);
    if !same_file {
        let new = ProgressBar::new(total).with_message(file.to_owned()).with_position(done);
        let style = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        new.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
        new.reset_eta();
        *bar = Some((file.to_owned(), new));
    }
    if let Some((_, bar)) = bar.as_ref() {
        bar.set_position(done);
    }
}

fn show(name: Option<&str>, json: bool) -> Result<()> {
    let config = crate::config::Config::load(None)?;
    let path = models::resolve(name.or(config.model.as_deref()))?;
    let model = crate::completion::load(&path, &config)?;
    let shape = model.decoder.config();
    let format = model.fim_format().map(|format| format.name);
    let report = serde_json::json!({
        "name": model.name,
        "path": path,
        "architecture": format!("{:?}", shape.architecture),
        "layers": shape.layers,
        "hidden_size": shape.hidden_size,
        "heads": shape.heads,
        "kv_heads": shape.kv_heads,
        "vocabulary": shape.vocab_size,
        "context_length": shape.context_length,
        "fill_in_the_middle": format,
        "chat_template": model.chat_template.is_some(),
    });
    if json {
        return print_json(&report);
    }
    for (key, value) in report.as_object().into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        println!("{:20} {value}", key.replace('_', " "));
    }
    Ok(())
}
