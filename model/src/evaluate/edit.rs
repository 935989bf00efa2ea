//! Edit similarity: one minus the Levenshtein distance over the length of the longer text, in characters.

/// The Levenshtein distance (1966): the minimum number of characters to insert, delete or replace to turn one text into
/// the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, own) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], line + 1);
        for (at, foreign) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(own != *foreign);
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row[other.len()]
}

/// Edit similarity: 1 for equal texts, 0 for texts with nothing in common.
pub fn similarity(one: &str, other: &str) -> f64 {
    match one.chars().count().max(other.chars().count()) {
        0 => 1.0,
        longest => 1.0 - distance(one, other) as f64 / longest as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn textbook_distances_are_reproduced() {
        for (one, other, expected) in [
            ("kitten", "sitting", 3),
            ("Saturday", "Sunday", 3),
            ("intention", "execution", 5),
            ("", "abc", 3),
            ("abc", "", 3),
            ("größe", "grosse", 3),
        ] {
            assert_eq!((distance(one, other), distance(other, one)), (expected, expected), "{one} {other}");
        }
    }

    #[test]
    fn similarity_is_relative_to_the_longer_text() {
        assert_eq!(similarity("äb", "äc"), 0.5);
        assert_eq!(similarity("", ""), 1.0);
        assert_eq!(similarity("", "abc"), 0.0);
        assert!((similarity("kitten", "sitting") - 4.0 / 7.0).abs() < 1e-12);
    }
}
