//! Steps that are broken off and gone on with.

use super::*;
use crate::kv::PartialStep;
use crate::prefix_cache::{PrefixCache, Sequence};

const LAYERS: usize = 5;

fn decoder() -> &'static Decoder {
    static DECODER: OnceLock<Decoder> = OnceLock::new();
    DECODER.get_or_init(|| {
        Decoder::random(&Config { layers: LAYERS, ..Config::tiny() }, 7).expect("a tiny model of five layers")
    })
}

fn cache() -> KvCache {
    KvCache::new(decoder().config())
}

/// What came of a step.
struct Outcome {
    /// The logits of all rows, bit for bit; `None` if it was broken off.
    logits: Option<Vec<Vec<u32>>>,
    /// How often it was asked whether to go on, and so layers that it went through where it came to its end.
    asked: usize,
    went_on: bool,
}

/// One step over several caches that is broken off when it has gone through so many layers. Commits what came to its end.
fn step(caches: &mut [(&mut KvCache, &[u32])], most: usize) -> Outcome {
    let (mut tokens, mut positions) = (Vec::new(), Vec::new());
    for (cache, new) in caches.iter_mut() {
        cache.reserve(new.len());
        positions.extend((0..new.len()).map(|row| (cache.length() + row) as u32));
        tokens.extend_from_slice(new);
    }
    let wanted: Vec<usize> = (0..tokens.len()).rev().collect();
    let (asked, mut logits) = (AtomicUsize::new(0), Logits::default());
    let abort = || asked.fetch_add(1, Ordering::Relaxed) == most;
    let spans = caches.iter_mut().map(|(cache, new)| (&mut **cache, new.len())).collect();
    let mut step = KvBatch::new(spans, decoder().config().heads);
    let outcome = decoder().step(&tokens, &positions, LogitsRequest::whole(&wanted), &mut step, &abort, &mut logits);
    let went_on = step.resumed;
    let logits = match outcome {
        Ok(()) => {
            caches.iter_mut().for_each(|(cache, new)| cache.commit(new.len()));
            let bits = |at: usize| logits.row(at).values.iter().map(|logit| logit.to_bits()).collect();
            Some((0..wanted.len()).rev().map(bits).collect())
        }
        Err(ForwardError::Aborted) => None,
        Err(error) => panic!("{error}"),
    };
    Outcome { logits, asked: asked.into_inner(), went_on }
}

fn whole(cache: &mut KvCache, tokens: &[u32]) -> Outcome {
    step(&mut [(cache, tokens)], usize::MAX)
}

fn tokens(count: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(0u32..256, count)
}

#[test]
fn a_step_that_was_broken_off_goes_on_at_the_layer_that_it_came_to() {
    let text: Vec<u32> = (0..40).collect();
    let begin = || {
        let mut cache = cache();
        assert!(step(&mut [(&mut cache, &text)], 3).logits.is_none());
        cache
    };
    let again = whole(&mut begin(), &text);
    assert_eq!((again.asked, again.went_on), (2, true), "two layers are left");
    let part = whole(&mut begin(), &text[..20]);
    assert_eq!((part.asked, part.went_on), (2, true), "a part of it is known as well");
    let longer = whole(&mut begin(), &[&text[..], &[40]].concat());
    assert_eq!((longer.asked, longer.went_on), (5, true), "what is new goes through all layers, the rest through two");
    let other = whole(&mut begin(), &[&[7], &text[1..]].concat());
    assert_eq!((other.asked, other.went_on), (5, false), "nothing holds behind another token");
    let mut shorter = begin();
    whole(&mut shorter, &text[..4]);
    let rest = whole(&mut shorter, &text[4..]);
    assert_eq!((rest.asked, rest.went_on), (5, false), "it is gone with the first step over it");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn steps_that_were_broken_off_change_no_bit(
        before in prop_oneof![tokens(0..40), tokens(230..260)],
        text in tokens(1..70),
        tries in prop::collection::vec((any::<prop::sample::Index>(), tokens(0..30), 0..LAYERS), 1..5),
        company in tokens(1..10),
        shorter in 0usize..3,
    ) {
        let fresh = whole(&mut cache(), &[&before[..], &text].concat()).logits.expect("it came to its end");
        let alone = whole(&mut cache(), &company).logits.expect("it came to its end");
        let mut kept = cache();
        if !before.is_empty() {
            whole(&mut kept, &before);
        }
        for (cut, suffix, layers) in tries {
            let tried = [&text[..cut.index(text.len()) + 1], &suffix].concat();
if step(&mut [(&mut kept, &tried)], layers).logits.is_some() {
                // It had so few layers left.
                kept.truncate(before.len());
            }
        }
        let cut = before.len().saturating_sub(shorter);
        kept.truncate(cut);
        let rest = [&before[cut..], &text].concat();
        let mut other = cache();
        let together = step(&mut [(&mut other, &company), (&mut kept, &rest)], usize::MAX).logits.expect("it came to its end");
        prop_assert!(together[..company.len()] == alone, "the one beside it");
        prop_assert!(together[company.len()..] == fresh[cut..], "the one that was broken off");
    }
}

#[test]
fn a_prompt_whose_first_step_was_broken_off_is_found_again() {
    let config = decoder().config();
    let mut sequences = PrefixCache::new(64 << 20);
    let text: Vec<u32> = (0..40).collect();
    let mut begun = Sequence::new(config);
    begun.cache.save_partial(PartialStep { tokens: text.clone(), ..PartialStep::default() });
    sequences.release(begun);
    let mut other = Sequence::new(config);
    other.tokens.extend(&text[..10]);
    sequences.release(other);
    let taken = sequences.acquire(&[&text[..], &[1, 2, 3]].concat(), config);
    assert!(taken.tokens.is_empty(), "all that is known of it has only begun");
    assert_eq!(taken.cache.partial_step().map(|begun| begun.tokens.len()), Some(40));
}
