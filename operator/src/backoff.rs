//! Pauses after failures: one for each object, so that one that is refused for ever holds up no other.
//!
//! A pause counts from the failure and doubles only when the one before it has passed, so that a burst of news makes no long
//! pause. A success, or another generation of the object, forgets it.

use crate::writer::Failure;
use std::collections::BTreeMap;

/// The first pause.
const FIRST_MS: u64 = 1_000;
/// The longest.
const LONGEST_MS: u64 = 300_000;

#[derive(Clone, Debug)]
struct Pause {
    failures: u32,
    until_ms: u64,
    of: String,
    failure: Failure,
}

/// Pauses by object.
#[derive(Clone, Debug, Default)]
pub struct Backoff(BTreeMap<String, Pause>);

impl Backoff {
    /// The object failed as `of` (its generation or hash); returns when it may be tried again.
    pub fn failed(&mut self, object: &str, of: &str, failure: &Failure, now_ms: u64) -> u64 {
        let p = self.0.entry(object.into()).or_insert_with(|| Pause {
            failures: 0,
            until_ms: 0,
            of: of.into(),
            failure: failure.clone(),
        });
        if p.of != of {
            (p.failures, p.until_ms, p.of) = (0, 0, of.into());
        }
        p.failure = failure.clone();
        if now_ms >= p.until_ms {
            let pause = FIRST_MS << p.failures.min(9);
            // Objects that failed together are not all tried together again: up to a quarter more, by name.
            let spread = pause / 4 * (fold(object) % 100) / 100;
            p.failures += 1;
            p.until_ms = now_ms + (pause + spread).min(LONGEST_MS);
        }
        p.until_ms
    }

    /// Forgets what was not tried again long after it might have been: nobody wants it any more.
    pub fn tidy(&mut self, now_ms: u64) {
        self.0.retain(|_, p| now_ms < p.until_ms + LONGEST_MS);
    }

    /// The object is as wanted.
    pub fn succeeded(&mut self, object: &str) {
        self.0.remove(object);
    }

    /// It is not to be tried yet: until when, and what it failed with.
    pub fn waits(&self, object: &str, of: &str, now_ms: u64) -> Option<(u64, &Failure)> {
        let p = self.0.get(object).filter(|p| p.of == of)?;
        (now_ms < p.until_ms).then_some((p.until_ms, &p.failure))
    }

    /// Objects in a pause.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// None is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn fold(text: &str) -> u64 {
    text.bytes()
        .fold(7, |h: u64, b| h.wrapping_mul(31).wrapping_add(b.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn no() -> Failure {
        Failure::timeout(Duration::from_secs(1))
    }

    #[test]
    fn pauses_grow_with_failures_and_not_with_news() {
        let mut b = Backoff::default();
        let first = b.failed("x", "1", &no(), 0);
        assert!((1000..=1250).contains(&first), "{first}");
        assert_eq!(
            b.failed("x", "1", &no(), 10),
            first,
            "a second failure within the pause"
        );
        assert_eq!(b.waits("x", "1", first - 1), Some((first, &no())));
        assert_eq!(b.waits("x", "1", first), None);
        let second = b.failed("x", "1", &no(), first);
        assert!(second - first >= 2000);
        let mut now = second;
        for _ in 0..20 {
            now = b.failed("x", "1", &no(), now);
        }
        let last = b.failed("x", "1", &no(), now);
        assert!(last - now <= LONGEST_MS);
    }

    #[test]
    fn what_nobody_tries_again_is_forgotten() {
        let mut b = Backoff::default();
        let until = b.failed("x", "1", &no(), 0);
        b.tidy(until + LONGEST_MS - 1);
        assert_eq!(b.len(), 1);
        b.tidy(until + LONGEST_MS);
        assert!(b.is_empty());
    }

    #[test]
    fn a_success_or_another_generation_forgets() {
        let mut b = Backoff::default();
        let until = b.failed("x", "1", &no(), 0);
        assert_eq!(b.waits("x", "2", 1), None);
        assert!(b.failed("x", "2", &no(), until) - until <= 1250);
        b.succeeded("x");
        assert!(b.is_empty() && b.waits("x", "2", 1).is_none());
    }

    proptest! {
        /// However often somebody looks, an object that always fails is tried ever more rarely, and never given up.
        #[test]
        fn an_object_that_always_fails_is_tried_less_and_less(gaps in proptest::collection::vec(1u64..20_000, 50..400)) {
            let mut b = Backoff::default();
            let (mut now, mut tried) = (0, Vec::new());
            for gap in gaps {
                now += gap;
                if b.waits("x", "1", now).is_none() {
                    let until = b.failed("x", "1", &no(), now);
                    prop_assert!(now + FIRST_MS <= until && until <= now + LONGEST_MS);
                    prop_assert_eq!(b.waits("x", "1", until - 1).map(|w| w.0), Some(until));
                    prop_assert!(b.waits("x", "1", until).is_none());
                    tried.push((now, until - now));
                }
            }
            for pair in tried.windows(2) {
                prop_assert!(pair[1].0 >= pair[0].0 + pair[0].1, "not within a pause");
                prop_assert!(pair[1].1 >= pair[0].1, "no pause is shorter than the one before");
            }
        }
    }
}
