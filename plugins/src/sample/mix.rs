//! Kinds of training sample and their shares.

use serde::{Deserialize, Serialize};

use crate::random::Random;

/// Kind of a training sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SampleKind {
    /// Text from left to right, without a hole.
    Whole,
    /// Prefix, suffix, hole (PSM).
    #[serde(rename = "usual")]
    Psm,
    /// Suffix, then prefix and hole as one text: the live order with the anchor at the beginning of the piece. An empty
    /// prefix is spelled before the suffix, as the common formats require.
    SuffixFirst,
    /// The live order: prefix up to an anchor above the cursor, suffix, text since the anchor, hole
    /// ([`window`](crate::window)).
    Anchored,
    /// PSM order, where the hole is a docstring or doc comment.
    Docstring,
    /// A conversation that asks for the body of a documented function.
    Chat,
}

/// Shares of the kinds of sample. `usual`, `suffix_first`, `anchored` and `docstring` add up to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SampleMix {
    /// Share of conversations about a documented function, drawn first, where the piece has one; for models with a chat
    /// template only. Default 0.
    pub chat: f64,
    /// Share of samples with a hole among the others; the rest are whole. Default 0.7.
    pub fim_rate: f64,
    /// Share of PSM order among samples with a hole. Default 0.25.
    pub usual: f64,
    /// Share of suffix-first order among samples with a hole. Default 0.25.
    pub suffix_first: f64,
    /// Share of the live order among samples with a hole. Default 0.4.
    pub anchored: f64,
    /// Share of docstring holes among samples with a hole; without a docstring in the piece, PSM order takes its place.
    /// Default 0.1.
    pub docstring: f64,
    /// Share of samples that begin with the repository's name, snippets of other files and the path, as live prompts
    /// do. Default 0.5.
    pub header: f64,
    /// Share of samples without imports and signatures from outside the window among those with a header, so that the
    /// model learns to do without. Default 0.5.
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

/// Fault in the options of sampling.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum OptionsError {
    /// A share is not between 0 and 1.
    #[error("`{name}` is {value}: give a share between 0 and 1")]
    NotAShare {
        /// Name of the option.
        name: &'static str,
        /// Value of the option.
        value: f64,
    },
    /// Shares that belong together do not add up to 1.
    #[error("{names} add up to {sum}: change them so that they add up to 1")]
    NotOne {
        /// Names of the options.
        names: String,
        /// Their sum.
        sum: f64,
    },
    /// A piece is too short for a hole.
    #[error("pieces of {piece} bytes are too short to learn from: take at least {smallest}")]
    PieceTooShort {
        /// Length of a piece, in bytes.
        piece: usize,
        /// Minimum length of a piece, in bytes.
        smallest: usize,
    },
}

impl SampleMix {
    /// Checks the shares.
    ///
    /// # Errors
    /// If a share is not between 0 and 1, or shares do not add up to 1. The message names the option.
    pub(crate) fn check(&self) -> Result<(), OptionsError> {
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

    /// Draws a kind other than [`SampleKind::Chat`].
    pub(super) fn draw(&self, random: &mut Random) -> SampleKind {
        let shares = [
            (SampleKind::Psm, self.usual),
            (SampleKind::SuffixFirst, self.suffix_first),
            (SampleKind::Anchored, self.anchored),
            (SampleKind::Docstring, self.docstring),
        ];
        let has_hole = random.happens(self.fim_rate);
        // The kind is drawn in any case, so that the stream of numbers does not depend on the outcome.
        let kind = random.pick(&shares);
        if has_hole { kind.unwrap_or(SampleKind::Whole) } else { SampleKind::Whole }
    }
}

/// Checks that an option is between 0 and 1.
pub(super) fn check_share(name: &'static str, value: f64) -> Result<(), OptionsError> {
    if (0.0..=1.0).contains(&value) { Ok(()) } else { Err(OptionsError::NotAShare { name, value }) }
}

/// Checks that options are shares that add up to 1.
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
    fn default_shares_are_valid() {
        assert_eq!(SampleMix::default().check(), Ok(()));
    }

    #[test]
    fn errors_name_the_share_and_the_remedy() {
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
    fn kinds_are_drawn_by_their_shares() {
        let mut random = Random::new(3);
        let mix = SampleMix::default();
        let drawn: Vec<_> = (0..10_000).map(|_| mix.draw(&mut random)).collect();
        let share = |kind| drawn.iter().filter(|it| **it == kind).count() as f64 / drawn.len() as f64;
        for (kind, expected) in [
            (SampleKind::Whole, 0.3),
            (SampleKind::Psm, 0.175),
            (SampleKind::SuffixFirst, 0.175),
            (SampleKind::Anchored, 0.28),
            (SampleKind::Docstring, 0.07),
        ] {
            assert!((share(kind) - expected).abs() < 0.02, "{kind:?}: {}", share(kind));
        }
    }
}
