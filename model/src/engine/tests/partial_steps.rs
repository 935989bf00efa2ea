//! Laws of partial steps: an aborted step resumes where it stopped, and changes no bit.

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

/// The outcome of a step.
struct StepOutcome {
    /// The logits of all rows as bits; `None` if the step was aborted.
    logits: Option<Vec<Vec<u32>>>,
    /// Number of checks of the abort flag, which is the number of layers that a complete step ran.
    layers: usize,
    resumed: bool,
}

/// Runs a step over several caches that is aborted after `max_layers` layers. Commits a complete step.
fn step(caches: &mut [(&mut KvCache, &[u32])], max_layers: usize) -> StepOutcome {
    let (mut tokens, mut positions) = (Vec::new(), Vec::new());
    for (cache, new) in caches.iter_mut() {
        cache.reserve(new.len());
        positions.extend((0..new.len()).map(|row| (cache.length() + row) as u32));
        tokens.extend_from_slice(new);
    }
    let logits_rows: Vec<usize> = (0..tokens.len()).rev().collect();
    let (checks, mut logits) = (AtomicUsize::new(0), Logits::default());
    let abort = || checks.fetch_add(1, Ordering::Relaxed) == max_layers;
    let spans = caches.iter_mut().map(|(cache, new)| (&mut **cache, new.len())).collect();
    let mut kv_batch = KvBatch::new(spans, decoder().config().heads);
    let outcome =
        decoder().step(&tokens, &positions, LogitsRequest::all_full(&logits_rows), &mut kv_batch, &abort, &mut logits);
    let resumed = kv_batch.resumed;
    let logits = match outcome {
        Ok(()) => {
            for (cache, new) in caches.iter_mut() {
                cache.commit(new.len());
            }
            let bits = |at: usize| logits.row(at).values.iter().map(|logit| logit.to_bits()).collect();
            Some((0..logits_rows.len()).rev().map(bits).collect())
        }
        Err(ForwardError::Aborted) => None,
        Err(error) => panic!("{error}"),
    };
    StepOutcome { logits, layers: checks.into_inner(), resumed }
}

fn complete(cache: &mut KvCache, tokens: &[u32]) -> StepOutcome {
    step(&mut [(cache, tokens)], usize::MAX)
}

fn tokens(count: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(0u32..256, count)
}

#[test]
fn an_aborted_step_resumes_at_its_layer() {
    let text: Vec<u32> = (0..40).collect();
    let aborted = || {
        let mut cache = cache();
        assert!(step(&mut [(&mut cache, &text)], 3).logits.is_none());
        cache
    };
    let again = complete(&mut aborted(), &text);
    assert_eq!((again.layers, again.resumed), (2, true), "two layers are left");
    let part = complete(&mut aborted(), &text[..20]);
    assert_eq!((part.layers, part.resumed), (2, true), "a prefix of the step resumes, too");
    let longer = complete(&mut aborted(), &[&text[..], &[40]].concat());
    assert_eq!((longer.layers, longer.resumed), (5, true), "new tokens run through all layers, the others through two");
    let other = complete(&mut aborted(), &[&[7], &text[1..]].concat());
    assert_eq!((other.layers, other.resumed), (5, false), "nothing is reused after a different token");
    let mut shorter = aborted();
    complete(&mut shorter, &text[..4]);
    let rest = complete(&mut shorter, &text[4..]);
    assert_eq!((rest.layers, rest.resumed), (5, false), "the first step over it discards it");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn aborted_steps_change_no_bit(
        before in prop_oneof![tokens(0..40), tokens(230..260)],
        text in tokens(1..70),
        tries in prop::collection::vec((any::<prop::sample::Index>(), tokens(0..30), 0..LAYERS), 1..5),
        company in tokens(1..10),
        shorter in 0usize..3,
    ) {
        let fresh = complete(&mut cache(), &[&before[..], &text].concat()).logits.expect("a complete step");
        let alone = complete(&mut cache(), &company).logits.expect("a complete step");
        let mut kept = cache();
        if !before.is_empty() {
            complete(&mut kept, &before);
        }
        for (cut, suffix, layers) in tries {
            let tried = [&text[..cut.index(text.len()) + 1], &suffix].concat();
            if step(&mut [(&mut kept, &tried)], layers).logits.is_some() {
                // So few layers were left that the step was not aborted.
                kept.truncate(before.len());
            }
        }
        let cut = before.len().saturating_sub(shorter);
        kept.truncate(cut);
        let rest = [&before[cut..], &text].concat();
        let mut other = cache();
        let together = step(&mut [(&mut other, &company), (&mut kept, &rest)], usize::MAX);
        let together = together.logits.expect("a complete step");
        prop_assert!(together[..company.len()] == alone, "the other sequence");
        prop_assert!(together[company.len()..] == fresh[cut..], "the aborted sequence");
    }
}

#[test]
fn a_prompt_whose_first_step_was_aborted_is_found_in_the_prefix_cache() {
    let config = decoder().config();
    let mut prefix_cache = PrefixCache::new(64 << 20);
    let text: Vec<u32> = (0..40).collect();
    let mut aborted = Sequence::new(config);
    aborted.cache.save_partial(PartialStep { tokens: text.clone(), ..PartialStep::default() });
    prefix_cache.release(aborted);
    let mut other = Sequence::new(config);
    other.tokens.extend(&text[..10]);
    prefix_cache.release(other);
    let acquired = prefix_cache.acquire(&[&text[..], &[1, 2, 3]].concat(), config);
    assert!(acquired.tokens.is_empty(), "only a partial step is cached");
    assert_eq!(acquired.cache.partial_step().map(|partial| partial.tokens.len()), Some(40));
}
