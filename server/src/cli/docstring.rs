//! `foretype docstring FILE:LINE`: writes the docstring of an item, or of all that have none.

pub(super) mod output;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use foretype_model::{Engine, Usage};
use foretype_plugins::docstring::{self, Edit, Ground, Item, Style, Task, Wanted};
use foretype_plugins::{Language, request, syntax};
use indicatif::{ProgressBar, ProgressStyle};

use crate::ask::Draw;
use crate::config::{self, Config};
use crate::docstring::{RIGHT, context_bytes, none, write};
use crate::plugins::{Asked, Plugins};
use crate::{completion, models};

/// Arguments of `foretype docstring`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A line of what is to be documented, counted from 1; with --all, a file
    #[arg(value_name = "FILE:LINE")]
    place: String,
    /// Document everything in the file that has no docstring
    #[arg(long)]
    all: bool,
    /// Bring the docstring that is there up to date: parts that the signature no longer has go, new ones are written, the rest
    /// stays as it is; with --all, every docstring in the file that names its parts
    #[arg(long)]
    update: bool,
    /// The style: google, numpy, rest, rustdoc, jsdoc, tsdoc, javadoc, godoc, doxygen, xmldoc, yard, phpdoc or luacats; unset,
    /// that of the configuration, of the file, of its neighbours or of the language
    #[arg(long)]
    style: Option<Style>,
    /// Characters that a line may have; unset, docstring.width of the configuration, which is 88 unless set
    #[arg(long, value_parser = clap::value_parser!(u16).range(40..=400))]
    width: Option<u16>,
    /// The model: a name that `model list` shows or a path
    #[arg(long)]
    model: Option<String>,
    /// Change the file; unset, the change is shown as a diff
    #[arg(long)]
    write: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// What was written.
#[derive(Debug, serde::Serialize)]
struct Report {
    name: String,
    style: Style,
    parameters: Vec<String>,
    docstring: String,
    plain: usize,
    usage: Usage,
}

/// Runs `foretype docstring`.
pub fn run(args: Args) -> Result<ExitCode> {
    let (path, line) = place(&args)?;
    let file = File::read(path)?;
    let root = super::complete::root_of(&file.path)?;
    let mut config = Config::load(Some(&root))?;
    let tasks = file.tasks(&args, &config.docstring, line)?;
    if tasks.is_empty() {
        eprintln!("foretype: {RIGHT}");
        return Ok(ExitCode::SUCCESS);
    }
    config.model = args.model.clone().or(config.model);
    let model = completion::load(&models::resolve(config.model.as_deref())?, &config)?;
    let most = context_bytes(&model, &config);
    let engine = completion::start(model, &config);
    let plugins = crate::plugins::Open::default().of(Some(&root), &config);
    let (edits, reports) = file.document(&engine, &tasks, most, &|at| file.asked(&root, &plugins, at, &config))?;
    super::complete::tell(&plugins, false);
    let after = applied(&file.text, edits);
    file.check(&after)?;
    if args.write {
        output::write(&file.path, &file.text, &after)?;
    }
    if args.json {
        super::print_json(&reports)?;
    } else if args.write {
        eprintln!(
            "foretype: {} documented in {}",
            output::names(reports.iter().map(|it| &*it.name)),
            file.path.display()
        );
    } else {
        print!("{}", output::diff(&file.path, &file.text, &after));
    }
    Ok(ExitCode::SUCCESS)
}

/// The file, and the line that counts from 0.
fn place(args: &Args) -> Result<(PathBuf, Option<usize>)> {
    if args.all {
        return Ok((PathBuf::from(&args.place), None));
    }
    let split = args.place.rsplit_once(':').map(|(path, line)| (path, line.parse::<usize>()));
    match split {
        Some((path, Ok(line))) if line > 0 => Ok((path.into(), Some(line - 1))),
        _ => bail!("{:?} names no line: write FILE:LINE, counted from 1, or --all FILE", args.place),
    }
}

/// The edits made, which do not touch each other.
fn applied(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| edit.range.start);
    edits.iter().rev().fold(text.to_owned(), |text, edit| edit.apply(&text))
}

/// A file that is to be documented.
struct File {
    path: PathBuf,
    language: Language,
    text: String,
}

impl File {
    fn read(path: PathBuf) -> Result<Self> {
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let text = String::from_utf8(bytes).ok().with_context(|| format!("{} is no UTF-8 text", path.display()))?;
        let language = Language::from_path(&path.to_string_lossy());
        Ok(Self { path, language, text })
    }

    /// What is to be written: for the item at a line, or for all that are meant.
    fn tasks(&self, args: &Args, options: &config::Docstring, line: Option<usize>) -> Result<Vec<Task>> {
        let tree = syntax::parse(self.language, &self.text, None);
        let wanted = Wanted::of(args.update);
        let items = match line {
            Some(line) => {
                let lines = self.text.lines().count().max(1);
                ensure!(line < lines, "{} has {lines} lines: line {} is outside", self.path.display(), line + 1);
                vec![docstring::find(self.language, tree.as_ref(), &self.text, line)?]
            }
            None => self.items(tree.as_ref(), wanted)?,
        };
        let neighbours = neighbours(&self.path, self.language);
        let texts = std::iter::once(&*self.text).chain(neighbours.iter().map(|text| &**text));
        let style = args.style.or_else(|| options.style_of(self.language, texts));
        let style = style.ok_or(docstring::Refusal::Language(self.language.id()))?;
        let width = args.width.map_or(options.width, usize::from);
        let wanted = (wanted, line.is_none());
        let task = |item| Task::wanted(wanted, item, self.language, style, &self.text, width);
        Ok(items.into_iter().filter_map(|item| task(item).transpose()).collect::<Result<_, _>>()?)
    }

    fn items(&self, tree: Option<&tree_sitter::Tree>, wanted: Wanted) -> Result<Vec<Item>> {
        ensure!(!Style::of(self.language).is_empty(), docstring::Refusal::Language(self.language.id()));
        let items = docstring::items(self.language, tree.context(docstring::Refusal::Unparsed)?, &self.text);
        let found: Vec<_> = items.into_iter().filter(|item| wanted.is_for(item)).collect();
        ensure!(!found.is_empty(), none(wanted, self.path.display()));
        Ok(found)
    }

    /// The plugins that have something to say of the docstring of the item at a byte.
    fn asked(&self, root: &Path, plugins: &Plugins, at: usize, config: &Config) -> Asked {
        let full = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        let path = full.strip_prefix(root).unwrap_or(&self.path).to_string_lossy().replace('\\', "/");
        plugins.asked(request::Task::Docstring, completion::document(path, self.text.clone()), at, config)
    }

    fn document(
        &self,
        engine: &Engine,
        tasks: &[Task],
        most: usize,
        asked: &dyn Fn(usize) -> Asked,
    ) -> Result<(Vec<Edit>, Vec<Report>)> {
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
            let ground = Ground { language, path: &name, text: &self.text, most, format, snippets: &snippets };
            let written = write(engine, &ground, task, Some(&asked), Draw::Likeliest, &|| true)?;
            bar.inc(1);
            reports.push(Report {
                name: task.item.name.clone(),
                style: task.frame.style(),
                parameters: task.item.parameters.iter().map(|it| it.name.clone()).collect(),
                docstring: written.edit.text.clone(),
                plain: written.plain,
                usage: written.usage,
            });
            edits.push(written.edit);
        }
        bar.finish_and_clear();
        Ok((edits, reports))
    }

    /// All edits together, too, may change nothing but comments.
    fn check(&self, after: &str) -> Result<()> {
        let trees = [&*self.text, after].map(|text| syntax::parse(self.language, text, None));
        let [Some(one), Some(other)] = &trees else { bail!(docstring::Refusal::Unparsed) };
        let same = docstring::same_code(self.language, (one, &self.text), (other, after));
        ensure!(same, "the docstrings would have changed code: nothing was written");
        Ok(())
    }
}

/// Texts of the files beside a file that are written in the same language, for the style that they have.
fn neighbours(path: &Path, language: Language) -> Vec<String> {
    const MOST: usize = 20;
    const LONGEST: u64 = 1 << 18;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.retain(|other| other != path && Language::from_path(&other.to_string_lossy()) == language);
    paths.sort();
    let small = |path: &PathBuf| std::fs::metadata(path).is_ok_and(|data| data.is_file() && data.len() <= LONGEST);
    paths.into_iter().filter(small).take(MOST).filter_map(|path| std::fs::read_to_string(path).ok()).collect()
}
