//! Numbers that look random and are the same for the same seed (SplitMix64, Steele et al. 2014).

/// A stream of numbers.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The stream of several numbers together, for example a seed, an epoch and a file: each of them makes another one.
    pub fn from_keys(keys: &[u64]) -> Self {
        let stir = |state: u64, key: &u64| Self::new(state ^ key).next_u64();
        Self::new(keys.iter().fold(keys.len() as u64, stir))
    }

    fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to below `count`; 0 if that is 0.
    pub fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.next_u64()) * count as u128) >> 64) as usize
    }

    /// A number in 0..1.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Whether something happens that does so with this probability.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A number between two.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + self.unit() * (high - low)
    }

    /// One of several things, each with this share of the chances.
    pub fn pick<T: Copy>(&mut self, shares: &[(T, f64)]) -> Option<T> {
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

    /// Puts things into another order.
    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            things.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_published_generator() {
        let mut random = Random::new(1_234_567);
        assert_eq!([random.next_u64(), random.next_u64()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn things_are_picked_by_their_shares() {
        let mut random = Random::new(1);
        let picked: Vec<_> = (0..1000).filter_map(|_| random.pick(&[('a', 1.0), ('b', 0.0), ('c', 3.0)])).collect();
        let count = |thing| picked.iter().filter(|it| **it == thing).count();
        assert!((200..300).contains(&count('a')) && count('b') == 0 && (700..800).contains(&count('c')));
        assert_eq!(random.pick::<char>(&[]), None);
    }

    #[test]
    fn each_key_and_their_order_make_another_stream() {
        let first = |keys: &[u64]| Random::from_keys(keys).next_u64();
        let all = [first(&[1, 2]), first(&[2, 1]), first(&[1, 3]), first(&[1]), first(&[1, 2, 0]), first(&[])];
        assert!((0..all.len()).all(|i| !all[..i].contains(&all[i])), "{all:?}");
        assert_eq!(first(&[1, 2]), all[0]);
    }

    #[test]
    fn numbers_stay_in_their_range() {
        let mut random = Random::new(1);
        assert!((0..1000).all(|_| random.below(3) < 3 && (0.0..1.0).contains(&random.unit())));
        assert_eq!(random.below(0), 0);
    }
}
