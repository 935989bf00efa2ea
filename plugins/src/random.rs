//! The only pseudorandom generator of Foretype: SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
//! generators", 2014).
//!
//! Training samples, token sampling, bootstrap resampling and random test weights all draw from it. The numbers are
//! part of their contract: the same seed makes the same samples in every version, on every platform.

use std::hash::Hasher;

use fnv::FnvHasher;

/// A stream of pseudorandom numbers.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// Starts the stream of `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Starts a stream that depends on all of `keys` and their order, for example on a seed, an epoch and a file.
    pub fn from_keys(keys: &[u64]) -> Self {
        let stir = |state: u64, key: &u64| Self::new(state ^ key).next_u64();
        Self::new(keys.iter().fold(keys.len() as u64, stir))
    }

    /// Draws 64 random bits.
    pub(crate) fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix64(self.state)
    }

    /// Draws an integer from `0..count`; 0 if `count` is 0.
    pub fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.next_u64()) * count as u128) >> 64) as usize
    }

    /// Draws a number from `0.0..1.0` with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Draws a number from `0.0..1.0` with 24 random bits.
    pub fn unit_f32(&mut self) -> f32 {
        (self.next_u64() >> 40) as f32 / (1u32 << 24) as f32
    }

    /// Returns true with this probability.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Draws a number from `low..high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + self.unit() * (high - low)
    }

    /// Draws one of several things; the probability of each is proportional to its share. `None` without a positive
    /// share.
    pub(crate) fn pick<T: Copy>(&mut self, shares: &[(T, f64)]) -> Option<T> {
        let mut left = self.unit() * shares.iter().map(|(_, share)| share).sum::<f64>();
        let mut picked = None;
        for (thing, share) in shares.iter().filter(|(_, share)| *share > 0.0) {
            picked = Some(*thing);
            if left < *share {
                break;
            }
            left -= share;
        }
        picked
    }

    /// Shuffles `things` in place (Fisher and Yates).
    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            things.swap(last, self.below(last + 1));
        }
    }
}

/// Hash of bytes that differs between seeds: FNV-1a with 64 bits, its initial state combined with the seed.
pub fn seeded_hash(bytes: &[u8], seed: u64) -> u64 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    let mut hasher = FnvHasher::with_key(OFFSET_BASIS ^ seed);
    hasher.write(bytes);
    hasher.finish()
}

/// Finalizer of SplitMix64: a bijection in which every input bit affects every output bit.
pub fn mix64(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_match_the_published_generator() {
        let mut random = Random::new(1_234_567);
        assert_eq!([random.next_u64(), random.next_u64()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn picks_follow_the_shares() {
        let mut random = Random::new(1);
        let picked: Vec<_> = (0..1000).filter_map(|_| random.pick(&[('a', 1.0), ('b', 0.0), ('c', 3.0)])).collect();
        let count = |thing| picked.iter().filter(|it| **it == thing).count();
        assert!((200..300).contains(&count('a')) && count('b') == 0 && (700..800).contains(&count('c')));
        assert_eq!(random.pick::<char>(&[]), None);
    }

    #[test]
    fn streams_depend_on_every_key_and_on_their_order() {
        let first = |keys: &[u64]| Random::from_keys(keys).next_u64();
        let all = [first(&[1, 2]), first(&[2, 1]), first(&[1, 3]), first(&[1]), first(&[1, 2, 0]), first(&[])];
        assert!((0..all.len()).all(|i| !all[..i].contains(&all[i])), "{all:?}");
        assert_eq!(first(&[1, 2]), all[0]);
    }

    #[test]
    fn numbers_stay_in_their_range() {
        let mut random = Random::new(1);
        assert!((0..1000).all(|_| random.below(3) < 3 && (0.0..1.0).contains(&random.unit())));
        assert!((0..1000).all(|_| (0.0..1.0).contains(&random.unit_f32())));
        assert_eq!(random.below(0), 0);
    }
}
