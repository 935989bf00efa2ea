//! `foretype model`: lists, downloads, merges, converts and describes models.

use std::cell::RefCell;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use foretype_model::WeightFormat;
use indicatif::{ProgressBar, ProgressStyle};

use super::output::print_json;
use crate::models::{self, catalogue::CATALOGUE, embedded, pull};

/// Arguments of `foretype model`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List installed models and the models that `pull` knows by name
    List {
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Download a model from the Hugging Face hub, or from the mirror in HF_ENDPOINT
    Pull {
        /// Name from `foretype model list`, or repository of the hub as `owner/name[:file]`
        name: String,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Merge an adapter into a model and keep the format of the model
    Merge {
        /// Base model: a name from `foretype model list` or a path
        model: String,
        /// Folder of the adapter
        adapter: PathBuf,
        /// Path of the merged model
        output: PathBuf,
    },
    /// Convert a Hugging Face directory to a GGUF file
    Convert {
        /// Hugging Face directory
        directory: PathBuf,
        /// GGUF file to write
        output: PathBuf,
        /// Store matrices in this format
        #[arg(long, value_enum, default_value_t = PackingArg::Q8_0)]
        packing: PackingArg,
        /// Name of the model in the file [default: the name of the directory]
        #[arg(long)]
        name: Option<String>,
    },
    /// Show the architecture, size, context length and fill-in-the-middle format of a model
    Show {
        /// Name from `foretype model list`, or path [default: the configured model]
        name: Option<String>,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum PackingArg {
    /// 16-bit floats
    F16,
    /// 8 bits per weight
    #[value(name = "q8_0")]
    Q8_0,
    /// 4 bits per weight
    #[value(name = "q4_1")]
    Q4_1,
}

impl From<PackingArg> for WeightFormat {
    fn from(packed: PackingArg) -> Self {
        match packed {
            PackingArg::F16 => Self::F16,
            PackingArg::Q8_0 => Self::Q8_0,
            PackingArg::Q4_1 => Self::Q4_1,
        }
    }
}

/// Runs `foretype model`.
pub(crate) fn run(args: Args) -> Result<ExitCode> {
    match args.command {
        Command::List { json } => list(json)?,
        Command::Pull { name, json } => pull_one(&name, json)?,
        Command::Merge { model, adapter, output } => {
            foretype_model::merge_adapter(&models::resolve(Some(&model))?, &adapter, &output)?;
            println!("{}", output.display());
        }
        Command::Convert { directory, output, packing, name } => {
            let own = || directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
            foretype_model::convert_to_gguf(&directory, &output, &name.unwrap_or_else(own), packing.into())?;
            println!("{}", output.display());
        }
        Command::Show { name, json } => show(name.as_deref(), json)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(json: bool) -> Result<()> {
    let folder = models::models_folder()?;
    let installed = models::installed(&folder)?;
    if json {
        let built_in =
            embedded::BYTES.map(|bytes| serde_json::json!({ "name": embedded::MODEL_NAME, "bytes": bytes.len() }));
        return print_json(&serde_json::json!({
            "folder": folder, "installed": installed, "built_in": built_in, "catalogue": CATALOGUE,
        }));
    }
    if let Some(bytes) = embedded::BYTES {
        println!("Built in, used if no other model is installed or configured:");
        println!("  {:32} {:>6} MB  completes\n", embedded::MODEL_NAME, bytes.len() / 1_000_000);
    }
    println!("Installed in {}:", folder.display());
    if installed.is_empty() {
        println!("  none yet");
    }
    for model in &installed {
        println!("  {:32} {:>6} MB", model.name, model.bytes / 1_000_000);
    }
    println!("\nAvailable with `foretype model pull NAME`:");
    for entry in CATALOGUE {
        let kind = if entry.instruct { "completes, answers" } else { "completes" };
        println!("  {:32} {:>6} MB  {kind:20} {}", entry.name, entry.megabytes, entry.licence);
    }
    println!(
        "\nTo use any other GGUF file or Hugging Face directory, set FORETYPE_MODEL, or `model` in config.toml, to its \
         path."
    );
    Ok(())
}

fn pull_one(name: &str, json: bool) -> Result<()> {
    let wanted = pull::ModelReference::parse(name)?;
    let bar = RefCell::new(None);
    let progress = |file: &str, done: u64, total: u64| show_progress(&bar, file, done, total);
    let path = pull::pull(&wanted, &models::models_folder()?, &progress)?;
    if let Some((_, bar)) = bar.take() {
        bar.finish_and_clear();
    }
    if json {
        return print_json(&serde_json::json!({ "name": name, "path": path }));
    }
    println!("{name} is installed in {}", path.display());
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
    let model = crate::models::load::load_model(&path, &config)?;
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
