//! Packs documents into rows.

use std::ops::Range;

use super::{Document, LossTokens};

/// A row of whole documents, one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackedRow {
    /// The tokens, at most as many as the context length. Padding is left to the reader.
    pub tokens: Vec<u32>,
    /// For each token, the next token of the same document, or `None` if it does not contribute to the loss.
    pub targets: Vec<Option<u32>>,
    /// The range of each document, in order and without gaps. Attention must not cross a border, and positions begin at
    /// 0 in each.
    pub segments: Vec<Range<usize>>,
}

impl PackedRow {
    fn push(&mut self, document: &Document, loss: LossTokens) {
        let first = self.tokens.len();
        let first_target = match loss {
            LossTokens::All => 1,
            LossTokens::Answer => document.answer.max(1),
        };
        let target = |at: usize| if at >= first_target { document.tokens.get(at).copied() } else { None };
        self.targets.extend((1..=document.tokens.len()).map(target));
        self.tokens.extend(&document.tokens);
        self.segments.push(first..self.tokens.len());
    }
}

/// Packs documents into rows of at most `context` tokens by best-fit decreasing: the longest first, each into the row
/// where it leaves the least room. A longer document gets an oversized row of its own.
pub(super) fn pack(mut documents: Vec<Document>, context: usize, loss: LossTokens) -> Vec<PackedRow> {
    documents.sort_by_key(|document| std::cmp::Reverse(document.tokens.len()));
    let mut rows: Vec<PackedRow> = Vec::new();
    for document in documents.iter().filter(|document| !document.tokens.is_empty()) {
        let room_left = |row: &PackedRow| context.checked_sub(row.tokens.len() + document.tokens.len());
        let best = (0..rows.len()).filter_map(|row| Some((room_left(&rows[row])?, row))).min();
        let row = match best {
            Some((_, row)) => row,
            None => {
                rows.push(PackedRow::default());
                rows.len() - 1
            }
        };
        rows[row].push(document, loss);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(tokens: Range<u32>, answer: usize) -> Document {
        Document { tokens: tokens.collect(), answer }
    }

    #[test]
    fn each_token_predicts_the_next_of_its_document() {
        let rows = pack(vec![document(10..14, 2), document(20..22, 0)], 8, LossTokens::All);
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].tokens, [10, 11, 12, 13, 20, 21]);
        assert_eq!(rows[0].targets, [Some(11), Some(12), Some(13), None, Some(21), None]);
        assert_eq!(rows[0].segments, [0..4, 4..6]);
    }

    #[test]
    fn only_the_answer_is_predicted_on_request() {
        let rows = pack(vec![document(10..14, 2), document(20..22, 0)], 8, LossTokens::Answer);
        assert_eq!(rows[0].targets, [None, Some(12), Some(13), None, Some(21), None]);
    }

    #[test]
    fn a_document_goes_to_the_row_where_it_fits_best() {
        let lengths = [5, 7, 3, 2, 3];
        let documents = lengths.iter().map(|length| document(0..*length, 0)).collect();
        let rows = pack(documents, 10, LossTokens::All);
        let mut sums: Vec<_> = rows.iter().map(|row| row.tokens.len()).collect();
        sums.sort_unstable();
        assert_eq!(sums, [10, 10]);
    }

    proptest::proptest! {
        #[test]
        fn packing_keeps_all_tokens_and_document_borders(
            lengths in proptest::collection::vec(1..40u32, 0..60),
            context in 40..100usize,
        ) {
            let (mut documents, mut start) = (Vec::new(), 0);
            for length in lengths {
                documents.push(document(start..start + length, 0));
                start += length;
            }
            let rows = pack(documents.clone(), context, LossTokens::All);
            let mut found = Vec::new();
            for row in &rows {
                proptest::prop_assert!(row.tokens.len() <= context && row.targets.len() == row.tokens.len());
                let mut end = 0;
                for segment in &row.segments {
                    proptest::prop_assert_eq!(segment.start, end);
                    end = segment.end;
                    let (tokens, targets) = (&row.tokens[segment.clone()], &row.targets[segment.clone()]);
                    found.push(tokens.to_vec());
                    let next: Vec<_> = tokens[1..].iter().map(|token| Some(*token)).chain([None]).collect();
                    proptest::prop_assert_eq!(targets, &next[..]);
                }
                proptest::prop_assert_eq!(end, row.tokens.len());
            }
            let mut expected: Vec<_> = documents.into_iter().map(|document| document.tokens).collect();
            found.sort();
            expected.sort();
            proptest::prop_assert_eq!(found, expected);
        }
    }
}
