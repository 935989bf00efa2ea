//! A Markdown page, parsed: the links, headings, code and prose that the rules look at.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// Abbreviations whose period ends no sentence.
const ABBREVIATIONS: [&str; 6] = ["e.g.", "i.e.", "cf.", "vs.", "no.", "approx."];

/// Text with the line of the page on which it begins, from 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Located {
    pub(super) line: usize,
    pub(super) text: String,
}

/// A fenced code block.
#[derive(Debug)]
pub(super) struct CodeBlock {
    /// Line of the first line of code.
    pub(super) line: usize,
    /// First word of the info string; empty for none.
    pub(super) language: String,
    pub(super) text: String,
}

/// A Markdown page.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// Path from the root of the repository.
    pub(super) path: String,
    /// Targets of links and images.
    pub(super) links: Vec<Located>,
    pub(super) anchors: BTreeSet<String>,
    pub(super) code_blocks: Vec<CodeBlock>,
    pub(super) code_spans: Vec<Located>,
    /// Lines of prose on which a second sentence begins.
    pub(super) crowded_lines: Vec<Located>,
}

impl Page {
    /// Parses the page at `path`.
    pub(super) fn parse(path: &str, text: &str) -> Self {
        let page = Self { path: path.to_owned(), ..Self::default() };
        let mut reader = PageReader { text, page, ..PageReader::default() };
        for (event, range) in Parser::new_ext(text, Options::ENABLE_GFM | Options::ENABLE_TABLES).into_offset_iter() {
            reader.read(event, range);
        }
        reader.page
    }
}

#[derive(Default)]
struct PageReader<'a> {
    text: &'a str,
    page: Page,
    /// Text of the heading that is open.
    heading: Option<String>,
    in_code_block: bool,
    in_table: bool,
    /// Number of headings per slug.
    slugs: BTreeMap<String, usize>,
}

impl PageReader<'_> {
    fn read(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(Tag::Heading { .. }) => self.heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                let heading = self.heading.take().unwrap_or_default();
                self.add_anchor(&heading);
            }
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                let link = self.located(&range, &dest_url);
                self.page.links.push(link);
            }
            Event::Start(Tag::CodeBlock(kind)) => self.open_code_block(&kind, &range),
            Event::End(TagEnd::CodeBlock) => self.in_code_block = false,
            Event::Start(Tag::Table(_)) => self.in_table = true,
            Event::End(TagEnd::Table) => self.in_table = false,
            Event::Code(code) => {
                if let Some(heading) = &mut self.heading {
                    heading.push_str(&code);
                }
                let span = self.located(&range, &code);
                self.page.code_spans.push(span);
            }
            Event::Text(text) => self.read_text(&text, &range),
            _ => {}
        }
    }

    fn open_code_block(&mut self, kind: &CodeBlockKind<'_>, range: &Range<usize>) {
        let CodeBlockKind::Fenced(info) = kind else { return };
        let language = info.split_whitespace().next().unwrap_or_default().to_owned();
        let line = self.line(range) + 1;
        self.page.code_blocks.push(CodeBlock { line, language, text: String::new() });
        self.in_code_block = true;
    }

    fn read_text(&mut self, text: &str, range: &Range<usize>) {
        if self.in_code_block {
            if let Some(block) = self.page.code_blocks.last_mut() {
                block.text.push_str(text);
            }
        } else if let Some(heading) = &mut self.heading {
            heading.push_str(text);
        } else if !self.in_table && begins_a_second_sentence(text) {
            let line = self.located(range, text);
            self.page.crowded_lines.push(line);
        }
    }

    /// Adds the anchor that GitHub gives a heading: a repeated one gets a number.
    fn add_anchor(&mut self, heading: &str) {
        let slug = slug(heading);
        let count = self.slugs.entry(slug.clone()).or_default();
        self.page.anchors.insert(if *count == 0 { slug } else { format!("{slug}-{count}") });
        *count += 1;
    }

    fn line(&self, range: &Range<usize>) -> usize {
        self.text[..range.start].matches('\n').count() + 1
    }

    fn located(&self, range: &Range<usize>, text: &str) -> Located {
        Located { line: self.line(range), text: text.to_owned() }
    }
}

/// Anchor of a heading by GitHub's rules: lower case, spaces as hyphens, no punctuation but hyphens and underscores.
fn slug(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    heading.trim().to_lowercase().chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// True if a sentence ends within one line of text and another begins: a word ends in a full stop and the next one
/// begins with a capital letter.
fn begins_a_second_sentence(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.windows(2).any(|pair| {
        let end = pair[0].trim_end_matches(['"', '\'', ')']);
        end.len() > 2
            && end.ends_with(['.', '!', '?'])
            && !ABBREVIATIONS.contains(&end.trim_start_matches('(').to_lowercase().as_str())
            && pair[1].trim_start_matches(['"', '\'', '(']).starts_with(char::is_uppercase)
    })
}

#[test]
fn an_anchor_is_the_one_of_github() {
    let text = "# A `code` heading: 2,5 & [more](x.md)\n\n## Same\n\nSame\n----\n\n```sh\n# no heading\n```\n";
    let page = Page::parse("a.md", text);
    let anchors: Vec<&str> = page.anchors.iter().map(String::as_str).collect();
    assert_eq!(anchors, ["a-code-heading-25--more", "same", "same-1"]);
}

#[test]
fn code_is_found_wherever_it_stands() {
    let page =
        Page::parse("a.md", "1. Run\n   `x y`:\n\n   ```sh\n   a \\\n     b\n   ```\n\n| `p \\| q` |\n| --- |\n");
    assert_eq!(page.code_spans[0], Located { line: 2, text: "x y".to_owned() });
    assert_eq!(page.code_spans[1], Located { line: 9, text: "p | q".to_owned() });
    let [block] = &page.code_blocks[..] else { panic!("one code block: {page:?}") };
    assert_eq!((block.line, block.language.as_str(), block.text.as_str()), (5, "sh", "a \\\n  b\n"));
}

#[test]
fn only_a_line_with_two_sentences_is_crowded() {
    let lines = |text| Page::parse("a.md", text).crowded_lines.iter().map(|line| line.line).collect::<Vec<_>>();
    assert_eq!(lines("One ends. Another begins.\n"), [1]);
    assert_eq!(lines("* An item.\n* It works (really!) Does it?\n"), [2]);
    for clean in [
        "One ends.\nAnother begins, e.g. Vim or a. B, version 3. of it.\n\n**Label.** Text.\n",
        "| In a table. Two |\n| --- |\n\n```text\nCode. Too.\n```\n",
    ] {
        assert!(lines(clean).is_empty(), "{clean}");
    }
}
