//! Which kinds of sample there are, and in which shares.

use serde::{Deserialize, Serialize};

use crate::random::Random;

/// In which way a sample is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SampleKind {
    /// From left to right, without a hole.
    Whole,
    /// Prefix, suffix, hole.
    Usual,
    /// Suffix, then prefix and hole in one: the live order with the anchor at the beginning. It is spelt with an empty
    /// prefix before the suffix, as the tokens of the common formats ask for.
    SuffixFirst,
    /// The live order: prefix and suffix frozen at an anchor above the cursor, then what was typed since, and the hole.
    Anchored,
    /// The usual order, where the hole is the text of a docstring or doc comment.
    Docstring,
    /// A conversation in which the body of a documented function is asked for.
    Chat,
}

/// Shares of the kinds of sample. `usual`, `suffix_first`, `anchored` and `docstring` add up to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SampleMix {
    /// Of all samples, the ones that are a conversation about a documented function, where there is one; only for models
    /// with a chat template. Default 0.
    pub chat: f64,
    /// Of the others, samples with a hole; what remains is whole. Default 0.7.
    pub fim_rate: f64,
    /// Of those with a hole, the ones in the usual order. Default 0.25.
    pub usual: f64,
    /// Of those with a hole, the ones with the suffix first. Default 0.25.
    pub suffix_first: f64,
    /// Of those with a hole, the ones in the live order. Default 0.4.
    pub anchored: f64,
    /// Of those with a hole, the ones that fill in a docstring; where there is none, the usual order takes its place.
    /// Default 0.1.
    pub docstring: f64,
    /// Samples that begin with the repository's name, pieces of other files and the path, as live prompts do. Default 0.5.
    pub header: f64,
    /// Of those with a header, the ones that lack the imports and signatures from outside the window, so that the model
    /// learns to manage without. Default 0.5.
    pub drop_imports: f64,
}

impl Default for SampleMix {
    fn default() -> Self {
        Self {
            chat: 0.0,
            fim_rate: 0.7,
            usual: 0.25,
            suffix_first: 0.25,
            anchored: 0.4,
            docstring: 0.1,
            header: 0.5,
            drop_imports: 0.5,
        }
    }
}

/// What is wrong with the options of samples.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum OptionsError {
    /// A share is not one.
    #[error("`{name}` is {value}: give a share between 0 and 1")]
    NotAShare {
        /// The option.
        name: &'static str,
        /// Its value.
        value: f64,
    },
    /// Shares do not add up to 1.
    #[error("{names} add up to {sum}: change them so that they add up to 1")]
    NotOne {
        /// The options.
        names: String,
        /// Their sum.
        sum: f64,
    },
    /// A piece is too short for a hole.
    #[error("pieces of {piece} bytes are too short to learn from: take at least {smallest}")]
    PieceTooShort {
        /// The option's value.
        piece: usize,
        /// The least that it may be.
        smallest: usize,
    },
}

impl SampleMix {
    /// Whether the shares are shares and add up.
    ///
    /// # Errors
    /// Names the option and says what it may be.
    pub fn check(&self) -> Result<(), OptionsError> {
        check_share("chat", self.chat)?;
        check_share("fim_rate", self.fim_rate)?;
        check_share("header", self.header)?;
        check_share("drop_imports", self.drop_imports)?;
        check_sum(&[
            ("usual", self.usual),
            ("suffix_first", self.suffix_first),
            ("anchored", self.anchored),
            ("docstring", self.docstring),
        ])
    }

    pub(super) fn draw(&self, random: &mut Random) -> SampleKind {
        let shares = [
            (SampleKind::Usual, self.usual),
            (SampleKind::SuffixFirst, self.suffix_first),
            (SampleKind::Anchored, self.anchored),
            (SampleKind::Docstring, self.docstring),
        ];
        let hole = random.happens(self.fim_rate);
        random.pick(&shares).filter(|_| hole).unwrap_or(SampleKind::Whole)
    }
}

/// Whether an option is a share.
pub(super) fn check_share(name: &'static str, value: f64) -> Result<(), OptionsError> {
    if (0.0..=1.0).contains(&value) { Ok(()) } else { Err(OptionsError::NotAShare { name, value }) }
}

/// Whether options are shares that add up to 1.
pub(super) fn check_sum(shares: &[(&'static str, f64)]) -> Result<(), OptionsError> {
    for (name, value) in shares {
        check_share(name, *value)?;
    }
    let sum: f64 = shares.iter().map(|(_, value)| value).sum();
    let names = shares.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if (sum - 1.0).abs() < 1e-6 { Ok(()) } else { Err(OptionsError::NotOne { names, sum }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_in_order() {
        assert_eq!(SampleMix::default().check(), Ok(()));
    }

    #[test]
    fn a_wrong_share_is_named_with_what_to_do() {
        let message = |mix: SampleMix| mix.check().expect_err("it is wrong").to_string();
        assert_eq!(
            message(SampleMix { header: 1.5, ..SampleMix::default() }),
            "`header` is 1.5: give a share between 0 and 1"
        );
        let nan = SampleMix { fim_rate: f64::NAN, ..SampleMix::default() };
        assert!(message(nan).contains("`fim_rate`"));
        assert!(
            message(SampleMix { anchored: -0.1, usual: 0.75, ..SampleMix::default() }).contains("`anchored` is -0.1")
        );
        assert_eq!(
            message(SampleMix { usual: 0.75, ..SampleMix::default() }),
            "`usual`, `suffix_first`, `anchored`, `docstring` add up to 1.5: change them so that they add up to 1"
        );
    }

    #[test]
    fn kinds_come_in_their_shares() {
        let mut random = Random::new(3);
        let mix = SampleMix::default();
        let drawn: Vec<_> = (0..10_000).map(|_| mix.draw(&mut random)).collect();
        let share = |kind| drawn.iter().filter(|it| **it == kind).count() as f64 / drawn.len() as f64;
        for (kind, expected) in [
            (SampleKind::Whole, 0.3),
            (SampleKind::Usual, 0.175),
            (SampleKind::SuffixFirst, 0.175),
            (SampleKind::Anchored, 0.28),
            (SampleKind::Docstring, 0.07),
        ] {
            assert!((share(kind) - expected).abs() < 0.02, "{kind:?}: {}", share(kind));
        }
    }
}
