//! How a long file is cut into pieces that fit a sample.

use std::ops::Range;

use crate::random::Random;
use crate::text;

/// The shortest piece that may be asked for, in bytes.
pub(super) const MIN_PIECE_BYTES: usize = 64;

/// Pieces of at most `most` bytes that begin and end at line borders, except where a line is longer. The first of several
/// is shorter by chance, so that a line does not stand at a border in every epoch. Blank pieces are left out.
pub(super) fn split_pieces(text: &str, most: usize, random: &mut Random) -> Vec<Range<usize>> {
    let most = most.max(MIN_PIECE_BYTES);
    let mut room = if text.len() > most { most / 2 + random.below(most / 2 + 1) } else { most };
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let end = at + text::whole_lines_len(&text[at..], room);
        pieces.push(at..end);
        (at, room) = (end, most);
    }
    pieces.retain(|piece| !text[piece.clone()].trim().is_empty());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn pieces_are_the_text_cut_at_lines(text in "([a-zé]{1,15}\n){0,60}", most in 64..300usize, seed: u64) {
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
    fn a_line_longer_than_a_piece_is_cut_at_a_character() {
        let text = "é".repeat(500);
        let pieces = split_pieces(&text, 100, &mut Random::new(1));
        assert!(
            pieces.len() >= 10 && pieces.iter().all(|piece| piece.len() <= 100 && text.is_char_boundary(piece.end))
        );
        assert_eq!(pieces.iter().map(|piece| piece.len()).sum::<usize>(), text.len());
    }

    #[test]
    fn blank_text_makes_no_piece_and_borders_move_with_the_seed() {
        assert!(split_pieces("\n \n", 100, &mut Random::new(1)).is_empty());
        let text = "a = 1\n".repeat(100);
        let first = |seed| split_pieces(&text, 300, &mut Random::new(seed))[0].clone();
        assert!((0..20).any(|seed| first(seed) != first(100)));
    }
}
