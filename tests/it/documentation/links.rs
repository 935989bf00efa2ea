//! Links between pages, and the table of contents of the book.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use super::page::{Located, Page};

/// Folder of the pages that make up the book, and its table of contents.
const BOOK: &str = "docs/";
const CONTENTS: &str = "docs/SUMMARY.md";

/// Pages by path from the root of the repository.
pub(super) type Pages = BTreeMap<String, Page>;

/// Returns each relative link of `page` that leads nowhere: to no file, to no heading, or from the book out of it.
/// `exists` tells whether the repository has a file or folder.
pub(super) fn broken(page: &Page, pages: &Pages, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let problem = |link: &Located| {
        let why = target_problem(page, &link.text, pages, &exists)?;
        Some(format!("{}:{}: {}: {why}", page.path, link.line, link.text))
    };
    page.links.iter().filter_map(problem).collect()
}

fn target_problem(page: &Page, link: &str, pages: &Pages, exists: impl Fn(&str) -> bool) -> Option<String> {
    if is_external(link) {
        return None;
    }
    let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
    let target = if file.is_empty() { Some(page.path.clone()) } else { resolve(&page.path, file) };
    let Some(target) = target.filter(|target| exists(target)) else {
        return Some("no such file".to_owned());
    };
    if page.path.starts_with(BOOK) && !target.starts_with(BOOK) {
        return Some("the book has no such page; name the file in code instead".to_owned());
    }
    let anchor = anchor?;
    match pages.get(&target) {
        Some(other) if other.anchors.contains(anchor) => None,
        Some(_) => Some(format!("{target} has no heading #{anchor}")),
        None => Some(format!("{target} is no page")),
    }
}

fn is_external(link: &str) -> bool {
    let scheme = link.split(['/', '#', '?']).next().unwrap_or_default();
    scheme.contains(':')
}

/// Resolves a relative link of a page; `None` if it leads out of the repository.
fn resolve(page: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for component in Path::new(link).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                parts.pop()?;
            }
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}

/// Returns the pages of the book that its table of contents lacks or has twice.
pub(super) fn misfiled(pages: &Pages) -> Vec<String> {
    let contents = pages.get(CONTENTS).map(|page| page.links.as_slice()).unwrap_or_default();
    let entries: Vec<String> = contents.iter().filter_map(|link| resolve(CONTENTS, &link.text)).collect();
    let mut seen = BTreeSet::new();
    let twice = entries.iter().filter(|entry| !seen.insert(entry.as_str())).map(|entry| format!("{entry}: twice"));
    let twice: Vec<String> = twice.collect();
    let of_the_book = pages.keys().filter(|path| path.starts_with(BOOK) && *path != CONTENTS);
    let absent = of_the_book.filter(|path| !seen.contains(path.as_str())).map(|path| format!("{path}: absent"));
    twice.into_iter().chain(absent).collect()
}

#[cfg(test)]
mod tests {
    use super::{Pages, broken, misfiled};
    use crate::documentation::page::Page;

    fn pages(sources: &[(&str, &str)]) -> Pages {
        sources.iter().map(|(path, text)| ((*path).to_owned(), Page::parse(path, text))).collect()
    }

    fn check(sources: &[(&str, &str)]) -> Vec<String> {
        let pages = pages(sources);
        let exists = |path: &str| pages.contains_key(path) || path == "docs/a.png" || path == "model";
        pages.values().flat_map(|page| broken(page, &pages, exists)).collect()
    }

    #[test]
    fn links_that_lead_somewhere_pass() {
        let readme =
            "[a](docs/a.md#two-1) ![p](docs/a.png) [m](model) [w](https://example.org/x#y) [s](#one)\n\n# One\n";
        let page = "[b](guides/b.md) <mailto:a@example.org>\n\n# Two\n\n# Two\n";
        let guide = "[up](../a.md#two)\n";
        let sources = [("README.md", readme), ("docs/a.md", page), ("docs/guides/b.md", guide)];
        assert_eq!(check(&sources), Vec::<String>::new());
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        let nowhere =
            |link: &str| check(&[("docs/a.md", &format!("# One\n\n[x]({link})\n")), ("README.md", "# Two\n")]);
        assert_eq!(nowhere("b.md"), ["docs/a.md:3: b.md: no such file"]);
        assert_eq!(nowhere("../../a.md"), ["docs/a.md:3: ../../a.md: no such file"]);
        assert_eq!(nowhere("/docs/a.md"), ["docs/a.md:3: /docs/a.md: no such file"]);
        assert_eq!(nowhere("#two"), ["docs/a.md:3: #two: docs/a.md has no heading #two"]);
        assert_eq!(nowhere("a.png#one"), ["docs/a.md:3: a.png#one: docs/a.png is no page"]);
        assert_eq!(nowhere("../README.md").len(), 1, "a page outside the book");
    }

    #[test]
    fn the_table_of_contents_has_each_page_once() {
        let contents = "[A](a.md)\n\n- [B](guides/b.md)\n- [B again](guides/b.md)\n";
        let sources = [("docs/SUMMARY.md", contents), ("docs/a.md", ""), ("docs/guides/b.md", ""), ("docs/c.md", "")];
        assert_eq!(misfiled(&pages(&sources)), ["docs/guides/b.md: twice", "docs/c.md: absent"]);
    }
}
