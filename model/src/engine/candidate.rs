//! A candidate that is being decoded.

use super::detokenizer::Detokenizer;
use super::job::TokenInfo;
use crate::prefix_cache::Sequence;
use crate::sampler::Sampler;

/// The decoding state of one candidate of a job.
pub(super) struct ActiveCandidate {
    /// The candidate's number in its job.
    pub(super) index: usize,
    pub(super) sequence: Sequence,
    pub(super) output: Detokenizer,
    pub(super) sampler: Sampler,
    pub(super) generated_ids: Vec<u32>,
    pub(super) token_infos: Vec<TokenInfo>,
    /// The last sampled token, whose keys and values are not in the cache yet.
    pub(super) pending_token: u32,
}
