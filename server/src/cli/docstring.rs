//! `foretype docstring FILE:LINE`: writes the docstring of an item, or of all items that have none.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use foretype_model::{Engine, Usage};
use foretype_plugins::docstring::{self, DocItem, DocPromptContext, DocStyle, DocTask, DocstringMode, Edit};
use foretype_plugins::{Language, request, syntax};
use indicatif::{ProgressBar, ProgressStyle};

use super::output;
use crate::ask::AnswerSampling;
use crate::config::{self, Config};
use crate::docstring::{UP_TO_DATE_MESSAGE, max_context_bytes, nothing_to_document, write_docstring};
use crate::plugins::{TaskPlugins, WorkspacePlugins};
use crate::source_text::{self, SourceText};
use crate::{models, request_builder};

/// Arguments of `foretype docstring`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Location of the item to document, counted from line 1; with --all, a file
    #[arg(value_name = "FILE:LINE")]
    place: String,
    /// Document all items in the file that have no docstring
    #[arg(long)]
    all: bool,
    /// Update the existing docstring to match the signature: delete outdated entries, write missing ones and keep the
    /// rest; with --all, update every docstring in the file that has entries
    #[arg(long)]
    update: bool,
    /// Use this style: google, numpy, rest, rustdoc, jsdoc, tsdoc, javadoc, godoc, doxygen, xmldoc, yard, phpdoc or
    /// luacats [default: from the configuration, the file, its neighbours or the language]
    #[arg(long)]
    style: Option<DocStyle>,
    /// Limit lines to this many characters [default: docstring.width of the configuration]
    #[arg(long, value_parser = clap::value_parser!(u16).range(40..=400))]
    width: Option<u16>,
    /// Use this model: a name from `foretype model list` or a path
    #[arg(long)]
    model: Option<String>,
    /// Write the change to the file instead of printing a diff
    #[arg(long)]
    write: bool,
    /// Print the docstrings as JSON
    #[arg(long)]
    json: bool,
}

/// Docstring that was written.
#[derive(Debug, serde::Serialize)]
struct DocstringReport {
    name: String,
    style: DocStyle,
    parameters: Vec<String>,
    docstring: String,
    #[serde(rename = "plain")]
    placeholder_holes: usize,
    usage: Usage,
}

/// Runs `foretype docstring`.
pub(crate) fn run(args: Args) -> Result<ExitCode> {
    let (path, line) = place(&args)?;
    let file = DocumentedFile::read(path)?;
    let root = super::source_file::workspace_root(&file.path)?;
    let mut config = Config::load(Some(&root))?;
    let tasks = file.tasks(&args, &config.docstring, line)?;
    if tasks.is_empty() {
        eprintln!("foretype: {UP_TO_DATE_MESSAGE}");
        return Ok(ExitCode::SUCCESS);
    }
    config.model = args.model.clone().or(config.model);
    let model = models::load::load_model(&models::resolve(config.model.as_deref())?, &config)?;
    let most = max_context_bytes(&model, &config);
    let engine = models::load::start_engine(model, &config);
    let plugins = crate::plugins::PluginRegistry::default().for_workspace(Some(&root), &config);
    let (edits, reports) =
        file.write_all(&engine, &tasks, most, &|at| file.plugin_answers(&root, &plugins, at, &config))?;
    super::complete::print_plugin_notices(&plugins, false);
    file.check(&apply_edits(&file.source.lines, edits.clone()))?;
    let before = &*file.source.original;
    let after = apply_edits(before, edits.iter().map(|edit| file.source.original_edit(edit)).collect());
    if args.write {
        output::replace_file(&file.path, before, &after)?;
    }
    if args.json {
        super::output::print_json(&reports)?;
    } else if args.write {
        eprintln!(
            "foretype: {} documented in {}",
            output::item_names(reports.iter().map(|it| &*it.name)),
            file.path.display()
        );
    } else {
        print!("{}", output::unified_diff(&file.path, before, &after));
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the file and the line, counted from 0.
fn place(args: &Args) -> Result<(PathBuf, Option<usize>)> {
    if args.all {
        return Ok((PathBuf::from(&args.place), None));
    }
    let split = args.place.rsplit_once(':').map(|(path, line)| (path, line.parse::<usize>()));
    match split {
        Some((path, Ok(line))) if line > 0 => Ok((path.into(), Some(line - 1))),
        _ => bail!("{:?} has no line number: write FILE:LINE, counted from 1, or --all FILE", args.place),
    }
}

/// Applies edits, which must not overlap, to a text.
fn apply_edits(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| edit.range.start);
    edits.iter().rev().fold(text.to_owned(), |text, edit| edit.apply(&text))
}

/// File to document.
struct DocumentedFile {
    path: PathBuf,
    language: Language,
    source: SourceText,
}

impl DocumentedFile {
    fn read(path: PathBuf) -> Result<Self> {
        let source = super::source_file::read_source(&path)?;
        let language = Language::from_path(&path.to_string_lossy());
        Ok(Self { path, language, source })
    }

    /// Returns the tasks: for the item at `line`, or for all items that need one.
    fn tasks(&self, args: &Args, options: &config::DocstringConfig, line: Option<usize>) -> Result<Vec<DocTask>> {
        let tree = syntax::parse(self.language, &self.source.lines, None);
        let wanted = DocstringMode::from_update_flag(args.update);
        let items = match line {
            Some(line) => {
                let lines = self.source.lines.lines().count().max(1);
                ensure!(line < lines, "line {} is past the end of {} ({lines} lines)", line + 1, self.path.display());
                vec![docstring::find_item(self.language, tree.as_ref(), &self.source.lines, line)?]
            }
            None => self.items(tree.as_ref(), wanted)?,
        };
        let neighbours = neighbours(&self.path, self.language);
        let texts = std::iter::once(&*self.source.lines).chain(neighbours.iter().map(|text| &**text));
        let style = args.style.or_else(|| options.style_of(self.language, texts));
        let style = style.ok_or(docstring::DocstringError::UnsupportedLanguage(self.language.lsp_id()))?;
        let width = args.width.map_or(options.width, usize::from);
        let wanted = (wanted, line.is_none());
        let task = |item| DocTask::for_mode(wanted, item, self.language, style, &self.source.lines, width);
        Ok(items.into_iter().filter_map(|item| task(item).transpose()).collect::<Result<_, _>>()?)
    }

    fn items(&self, tree: Option<&tree_sitter::Tree>, wanted: DocstringMode) -> Result<Vec<DocItem>> {
        ensure!(
            !DocStyle::for_language(self.language).is_empty(),
            docstring::DocstringError::UnsupportedLanguage(self.language.lsp_id())
        );
        let items =
            docstring::items(self.language, tree.context(docstring::DocstringError::ParseTimeout)?, &self.source.lines);
        let found: Vec<_> = items.into_iter().filter(|item| wanted.selects(item)).collect();
        ensure!(!found.is_empty(), nothing_to_document(wanted, self.path.display()));
        Ok(found)
    }

    /// Calls the plugins for the docstring of the item at a byte offset.
    fn plugin_answers(&self, root: &Path, plugins: &WorkspacePlugins, at: usize, config: &Config) -> TaskPlugins {
        let full = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        let path = full.strip_prefix(root).unwrap_or(&self.path).to_string_lossy().replace('\\', "/");
        plugins.for_task(
            request::TaskKind::Docstring,
            request_builder::parse_document(path, self.source.lines.clone()),
            at,
            config,
        )
    }

    fn write_all(
        &self,
        engine: &Engine,
        tasks: &[DocTask],
        most: usize,
        asked: &dyn Fn(usize) -> TaskPlugins,
    ) -> Result<(Vec<Edit>, Vec<DocstringReport>)> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let format = engine.model().fim_format();
        let bar = ProgressBar::new(tasks.len() as u64);
        let style = ProgressStyle::with_template("{pos}/{len} {wide_bar} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let (mut edits, mut reports) = (Vec::new(), Vec::new());
        for task in tasks {
            bar.set_message(task.item.name.clone());
            let asked = asked(task.item.range.start);
            let (language, snippets) = (self.language, asked.snippets());
            let ground = DocPromptContext {
                language,
                path: &name,
                text: &self.source.lines,
                max_bytes: most,
                format,
                snippets: &snippets,
            };
            let written = write_docstring(engine, &ground, task, Some(&asked), AnswerSampling::Greedy, &|| true)?;
            bar.inc(1);
            reports.push(DocstringReport {
                name: task.item.name.clone(),
                style: task.template.style(),
                parameters: task.item.parameters.iter().map(|it| it.name.clone()).collect(),
                docstring: written.edit.text.clone(),
                placeholder_holes: written.placeholder_holes,
                usage: written.usage,
            });
            edits.push(written.edit);
        }
        bar.finish_and_clear();
        Ok((edits, reports))
    }

    /// Checks that all edits together change only comments.
    fn check(&self, after: &str) -> Result<()> {
        let trees = [&*self.source.lines, after].map(|text| syntax::parse(self.language, text, None));
        let [Some(one), Some(other)] = &trees else { bail!(docstring::DocstringError::ParseTimeout) };
        let same = docstring::same_code(self.language, (one, &self.source.lines), (other, after));
        ensure!(same, "the docstrings would have changed code: nothing was written");
        Ok(())
    }
}

/// Returns the texts of files in the same folder and language, from which the style is detected.
fn neighbours(path: &Path, language: Language) -> Vec<String> {
    const MAX_NEIGHBOURS: usize = 20;
    const MAX_NEIGHBOUR_BYTES: u64 = 1 << 18;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.retain(|other| other != path && Language::from_path(&other.to_string_lossy()) == language);
    paths.sort();
    let small =
        |path: &PathBuf| std::fs::metadata(path).is_ok_and(|data| data.is_file() && data.len() <= MAX_NEIGHBOUR_BYTES);
    paths
        .into_iter()
        .filter(small)
        .take(MAX_NEIGHBOURS)
        .filter_map(|path| source_text::read_lines(&path).ok())
        .collect()
}
