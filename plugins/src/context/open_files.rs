//! Snippets from other open files: from each the chunk that shares most names with the text around the cursor.
//!
//! A name found everywhere says little, so names are weighted by inverse document frequency over the chunks (Spärck
//! Jones, 1972).

use std::collections::{HashMap, HashSet};

use crate::prompt::Snippet;
use crate::request::Request;
use crate::syntax;

/// Number of open files that are searched, the most recently used first.
const MAX_FILES: usize = 6;
/// Length of a chunk in lines. Chunks overlap by half; they begin at fixed lines, so that a chunk stays the same while
/// the user types elsewhere.
const CHUNK_LINES: usize = 16;
/// Length to which a file is searched.
const MAX_FILE_BYTES: usize = 200_000;
/// Reach around the cursor in which names are collected, in bytes.
const CURSOR_REACH_BYTES: usize = 1000;
/// Number of names that a chunk must share to be shown.
const MIN_SHARED_NAMES: usize = 2;

/// Consecutive lines of an open file.
struct FileChunk<'a> {
    path: &'a str,
    text: &'a str,
    names: HashSet<&'a str>,
}

/// The best chunks that fit into `max_bytes`, at most one per open file, ordered by path so that the order stays when
/// the user switches files.
pub(super) fn snippets(request: &Request, max_bytes: usize) -> Vec<Snippet> {
    let document = &request.document;
    let names: HashSet<&str> =
        syntax::identifiers_near(&document.text, request.cursor, CURSOR_REACH_BYTES).into_iter().collect();
    let others = request.open_files.iter().filter(|file| file.path != document.path).take(MAX_FILES);
    let files: Vec<Vec<FileChunk>> = others.map(|file| split_chunks(&file.path, &file.text, max_bytes)).collect();
    let weights = inverse_frequencies(&names, files.iter().flatten());
    let mut best: Vec<(f32, &FileChunk)> = files.iter().filter_map(|chunks| best_chunk(chunks, &weights)).collect();
    best.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut remaining = max_bytes;
    best.retain(|(_, chunk)| {
        let fits = chunk.bytes() <= remaining;
        if fits {
            remaining -= chunk.bytes();
        }
        fits
    });
    best.sort_by_key(|(_, chunk)| chunk.path);
    let snippet =
        |chunk: &FileChunk| Snippet { path: chunk.path.into(), text: chunk.text.into(), origin: "open file".into() };
    best.into_iter().map(|(_, chunk)| snippet(chunk)).collect()
}

impl FileChunk<'_> {
    /// Bytes that the chunk takes of the budget.
    fn bytes(&self) -> usize {
        self.text.len() + self.path.len()
    }
}

/// The chunks of a text that take at most `max_bytes`.
fn split_chunks<'a>(path: &'a str, text: &'a str, max_bytes: usize) -> Vec<FileChunk<'a>> {
    let text = &text[..text.floor_char_boundary(MAX_FILE_BYTES)];
    let mut starts: Vec<usize> = vec![0];
    starts.extend(text.match_indices('\n').map(|(at, _)| at + 1));
    let chunk = |first: usize| {
        let end = starts.get(first + CHUNK_LINES).copied().unwrap_or(text.len());
        let text = text[starts[first]..end].trim_end();
        let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
        FileChunk { path, text, names: words.filter(|word| word.len() > 2).collect() }
    };
    let all = (0..starts.len()).step_by(CHUNK_LINES / 2).map(chunk);
    all.filter(|chunk| chunk.bytes() <= max_bytes).collect()
}

/// Inverse document frequency of each of `names` over the chunks.
fn inverse_frequencies<'a>(
    names: &HashSet<&'a str>,
    chunks: impl Iterator<Item = &'a FileChunk<'a>>,
) -> HashMap<&'a str, f32> {
    let mut document_frequencies: HashMap<&str, usize> = HashMap::new();
    let mut chunk_count = 0;
    for chunk in chunks {
        chunk_count += 1;
        for name in names.iter().filter(|name| chunk.names.contains(**name)) {
            *document_frequencies.entry(name).or_default() += 1;
        }
    }
    let weight = |frequency: usize| (1.0 + chunk_count as f32 / frequency as f32).ln();
    document_frequencies.into_iter().map(|(name, frequency)| (name, weight(frequency))).collect()
}

/// The chunk with the highest total weight of shared names, if it shares at least [`MIN_SHARED_NAMES`].
fn best_chunk<'a>(chunks: &'a [FileChunk<'a>], weights: &HashMap<&str, f32>) -> Option<(f32, &'a FileChunk<'a>)> {
    let mut best: Option<(f32, &FileChunk)> = None;
    for chunk in chunks {
        let mut shared: Vec<f32> = chunk.names.iter().filter_map(|name| weights.get(name).copied()).collect();
        if shared.len() < MIN_SHARED_NAMES {
            continue;
        }
        // A set iterates in any order, and a sum of floats depends on the order.
        shared.sort_by(f32::total_cmp);
        let weight: f32 = shared.iter().sum();
        // The first of equals wins, so that the choice is stable.
        if best.is_none_or(|(best_weight, _)| weight > best_weight) {
            best = Some((weight, chunk));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::finish::tests::request;
    use crate::request::Document;
    use crate::{Language, context};

    fn with_open(marked: &str, files: &[(&str, &str)]) -> Request {
        let open = files.iter().map(|(path, text)| {
            let language = Language::from_path(path);
            Arc::new(Document { path: (*path).into(), language, text: (*text).into(), tree: None })
        });
        Request { open_files: open.collect(), ..request("app.py", marked) }
    }

    const FILLER: &str = "one = 1\ntwo = 2\n";

    #[test]
    fn the_chunk_that_shares_names_with_the_cursor_is_shown() {
        let store = format!("{}def load_order(order_id, customer):\n    return order_id\n", FILLER.repeat(30));
        let request = with_open("order = load_order(order_id, ▁)\n", &[("store.py", &store), ("other.py", FILLER)]);
        let found = snippets(&request, 800);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].path.as_str(), found[0].origin.as_str()), ("store.py", "open file"));
        assert!(found[0].text.contains("def load_order") && found[0].text.lines().count() <= CHUNK_LINES);
    }

    #[test]
    fn ubiquitous_names_have_little_weight() {
        let common = "return self value\n".repeat(40);
        let telling = format!("{common}return self value shipping_rate discount_rate\n");
        let request = with_open("return self shipping_rate discount_rate ▁\n", &[("a.py", &telling)]);
        assert!(snippets(&request, 2000)[0].text.contains("shipping_rate"));
    }

    #[test]
    fn the_first_of_equal_chunks_is_shown_every_time() {
        let names: Vec<_> = (0..30).map(|i| format!("name_{i}")).collect();
        let (wanted, rare) = (names.join(" "), names[..20].join(" "));
        let filler = "one = 1\n".repeat(CHUNK_LINES - 1);
        let piece = |at: &str| format!("{at} {wanted}\n{filler}");
        let store = format!("{}{}{}", piece("first"), piece("second"), format!("{rare}\n{filler}").repeat(7));
        let request = with_open(&format!("{wanted} ▁\n"), &[("store.py", &store), ("other.py", &names[..7].join(" "))]);
        for _ in 0..50 {
            assert!(snippets(&request, 2000).iter().any(|found| found.text.starts_with("first")));
        }
    }

    #[test]
    fn snippets_are_ordered_by_path_and_fit_the_budget() {
        let piece = |name: &str| format!("def {name}(alpha_beta, gamma_delta):\n    pass\n");
        let files = [("z.py", piece("z")), ("a.py", piece("a"))];
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let request = with_open("x = f(alpha_beta, gamma_delta▁)\n", &files);
        let paths = |room| snippets(&request, room).into_iter().map(|snippet| snippet.path).collect::<Vec<_>>();
        assert_eq!(paths(800), ["a.py", "z.py"]);
        assert_eq!(paths(70).len(), 1);
        assert!(paths(10).is_empty());
    }

    #[test]
    fn a_chunk_with_a_secret_is_left_out() {
        let secret = format!("alpha_beta = gamma_delta = '{}{}'\n", "ghp_", "x".repeat(36));
        let request = with_open("alpha_beta gamma_delta ▁\n", &[("a.py", &secret)]);
        assert!(context::gather(&request).is_empty());
    }
}
