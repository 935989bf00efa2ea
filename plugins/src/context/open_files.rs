//! What the other open files say about the names around the cursor: the piece of each that shares most of them.
//!
//! A name that stands everywhere tells nothing, so names are weighed by how few pieces hold them (inverse document
//! frequency, Spärck Jones 1972).

use std::collections::{HashMap, HashSet};

use crate::prompt::Snippet;
use crate::request::Request;
use crate::syntax;

/// Files that are looked at, the most recently used first.
const MAX_FILES: usize = 6;
/// Lines of a piece. Pieces begin at every half of it, whatever was typed, so that a piece stays the same while it is useful.
const CHUNK_LINES: usize = 16;
/// Bytes of a file that are looked at.
const MAX_FILE_BYTES: usize = 200_000;
/// Bytes around the cursor whose names count.
const CURSOR_REACH_BYTES: usize = 1000;
/// Names that a piece has to share at the least.
const MIN_SHARED_NAMES: usize = 2;

struct FileChunk<'a> {
    path: &'a str,
    text: &'a str,
    names: HashSet<&'a str>,
}

/// The best piece of each open file, if it fits into `room` bytes, in the order of their paths, which stays when the user
/// goes from file to file.
pub(super) fn snippets(request: &Request, room: usize) -> Vec<Snippet> {
    let own = &request.document;
    let wanted: HashSet<&str> =
        syntax::identifiers_near(&own.text, request.cursor, CURSOR_REACH_BYTES).into_iter().collect();
    let others = request.open_files.iter().filter(|file| file.path != own.path).take(MAX_FILES);
    let files: Vec<Vec<FileChunk>> = others.map(|file| split_chunks(&file.path, &file.text, room)).collect();
    let weights = inverse_frequencies(&wanted, files.iter().flatten());
    let mut best: Vec<(f32, &FileChunk)> = files.iter().filter_map(|pieces| best_chunk(pieces, &weights)).collect();
    best.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut left = room;
    best.retain(|(_, piece)| {
        let size = piece.text.len() + piece.path.len();
        let fits = size <= left;
        left -= if fits { size } else { 0 };
        fits
    });
    best.sort_by_key(|(_, piece)| piece.path);
    let snippet =
        |piece: &FileChunk| Snippet { path: piece.path.into(), text: piece.text.into(), origin: "open file".into() };
    best.into_iter().map(|(_, piece)| snippet(piece)).collect()
}

/// The pieces of a text that are at most `room` bytes long.
fn split_chunks<'a>(path: &'a str, text: &'a str, room: usize) -> Vec<FileChunk<'a>> {
    let text = &text[..text.floor_char_boundary(MAX_FILE_BYTES)];
    let mut starts: Vec<usize> = vec![0];
    starts.extend(text.match_indices('\n').map(|(at, _)| at + 1));
    let piece = |first: usize| {
        let end = starts.get(first + CHUNK_LINES).copied().unwrap_or(text.len());
        let text = text[starts[first]..end].trim_end();
        let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
        FileChunk { path, text, names: words.filter(|word| word.len() > 2).collect() }
    };
    let all = (0..starts.len()).step_by(CHUNK_LINES / 2).map(piece);
    all.filter(|piece| piece.text.len() + path.len() <= room).collect()
}

/// How telling each wanted name is.
fn inverse_frequencies<'a>(
    wanted: &HashSet<&'a str>,
    pieces: impl Iterator<Item = &'a FileChunk<'a>>,
) -> HashMap<&'a str, f32> {
    let mut holders: HashMap<&str, usize> = HashMap::new();
    let mut count = 0;
    for piece in pieces {
        count += 1;
        for name in wanted.iter().filter(|name| piece.names.contains(**name)) {
            *holders.entry(name).or_default() += 1;
        }
    }
    holders.into_iter().map(|(name, holders)| (name, (1.0 + count as f32 / holders as f32).ln())).collect()
}

/// The piece with the most telling names, if it shares enough of them.
fn best_chunk<'a>(pieces: &'a [FileChunk<'a>], weights: &HashMap<&str, f32>) -> Option<(f32, &'a FileChunk<'a>)> {
    let weighed = pieces.iter().filter_map(|piece| {
        let mut shared: Vec<f32> = piece.names.iter().filter_map(|name| weights.get(name).copied()).collect();
        // The names come in any order, and a sum of floats depends on its order.
        shared.sort_by(f32::total_cmp);
        (shared.len() >= MIN_SHARED_NAMES).then(|| (shared.iter().sum::<f32>(), piece))
    });
    // Of equals the first, so that the choice does not move.
    weighed.reduce(|best, other| if other.0 > best.0 { other } else { best })
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
    fn the_piece_that_shares_the_names_around_the_cursor_is_shown() {
        let store = format!("{}def load_order(order_id, customer):\n    return order_id\n", FILLER.repeat(30));
        let request = with_open("order = load_order(order_id, ▁)\n", &[("store.py", &store), ("other.py", FILLER)]);
        let found = snippets(&request, 800);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].path.as_str(), found[0].origin.as_str()), ("store.py", "open file"));
        assert!(found[0].text.contains("def load_order") && found[0].text.lines().count() <= CHUNK_LINES);
    }

    #[test]
    fn names_that_stand_everywhere_tell_nothing() {
        let common = "return self value\n".repeat(40);
        let telling = format!("{common}return self value shipping_rate discount_rate\n");
        let request = with_open("return self shipping_rate discount_rate ▁\n", &[("a.py", &telling)]);
        assert!(snippets(&request, 2000)[0].text.contains("shipping_rate"));
    }

    #[test]
    fn of_equal_pieces_the_first_is_shown_every_time() {
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
    fn snippets_stay_in_order_and_within_their_room() {
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
    fn a_piece_with_a_secret_is_left_out() {
        let secret = format!("alpha_beta = gamma_delta = '{}{}'\n", "ghp_", "x".repeat(36));
        let request = with_open("alpha_beta gamma_delta ▁\n", &[("a.py", &secret)]);
        assert!(context::gather(&request).is_empty());
    }
}
