//! Pieces of a file that fit into one sample.

use std::ops::Range;

use crate::random::Random;
use crate::text;

/// Minimum value of the maximum length of a piece.
pub(super) const MIN_PIECE_BYTES: usize = 64;

/// Splits a text into pieces of at most `max_bytes` bytes at line ends, except for a line that is longer. The first of
/// several pieces has a random length, so that the borders differ from epoch to epoch. Blank pieces are left out.
pub(super) fn split_pieces(text: &str, max_bytes: usize, random: &mut Random) -> Vec<Range<usize>> {
    let max_bytes = max_bytes.max(MIN_PIECE_BYTES);
    let mut length = max_bytes;
    if text.len() > max_bytes {
        length = max_bytes / 2 + random.below(max_bytes / 2 + 1);
    }
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let end = at + text::whole_lines_len(&text[at..], length);
        pieces.push(at..end);
        (at, length) = (end, max_bytes);
    }
    pieces.retain(|piece| !text[piece.clone()].trim().is_empty());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn pieces_cover_the_text_and_end_with_lines(text in "([a-zé]{1,15}\n){0,60}", most in 64..300usize, seed: u64) {
            let pieces = split_pieces(&text, most, &mut Random::new(seed));
            let joined: String = pieces.iter().map(|piece| &text[piece.clone()]).collect();
            proptest::prop_assert_eq!(&joined, &text);
            for piece in pieces {
                proptest::prop_assert!(piece.len() <= most);
                proptest::prop_assert!(text[..piece.end].ends_with('\n'), "{:?}", piece);
            }
        }
    }

    #[test]
    fn a_long_line_is_cut_at_a_character_boundary() {
        let text = "é".repeat(500);
        let pieces = split_pieces(&text, 100, &mut Random::new(1));
        assert!(
            pieces.len() >= 10 && pieces.iter().all(|piece| piece.len() <= 100 && text.is_char_boundary(piece.end))
        );
        assert_eq!(pieces.iter().map(|piece| piece.len()).sum::<usize>(), text.len());
    }

    #[test]
    fn blank_pieces_are_left_out_and_borders_are_random() {
        assert!(split_pieces("\n \n", 100, &mut Random::new(1)).is_empty());
        let text = "a = 1\n".repeat(100);
        let first = |seed| split_pieces(&text, 300, &mut Random::new(seed))[0].clone();
        assert!((0..20).any(|seed| first(seed) != first(100)));
    }
}
