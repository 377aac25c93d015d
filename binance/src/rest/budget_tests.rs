//! The rate budget's promises.
#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

/// Instant, lane, weight, orders.
type Sent = (u64, Lane, u64, u64);

const SMALL: RateLimits = RateLimits {
    weight_1m: 100,
    orders_10s: 10,
    orders_1m: 40,
};

#[test]
fn a_fifth_is_kept_for_exits() {
    let b = RateBudget::new(SMALL);
    let entries = (0..20)
        .filter(|_| b.try_acquire_at(0, Lane::Entry, 0, 1).is_ok())
        .count();
    assert_eq!(entries, 8);
    let exits = (0..20)
        .filter(|_| b.try_acquire_at(0, Lane::Exit, 0, 1).is_ok())
        .count();
    assert_eq!(exits, 2);
    let wait = b.try_acquire_at(0, Lane::Entry, 0, 1).unwrap_err();
    assert_eq!(wait, Duration::from_secs(10));
    assert!(b.try_acquire_at(10 * NS_PER_S, Lane::Entry, 0, 1).is_ok());
}

#[test]
fn a_share_bounds_own_reads_and_entries_and_never_an_exit_nor_what_protects_reads() {
    let b = RateBudget::new(SMALL);
    b.set_share(Some(helios_core::messages::RateShare {
        weight_1m: 20,
        orders_10s: 2,
        orders_1m: 3,
    }));
    b.try_acquire_at(0, Lane::Read, 15, 0).unwrap();
    assert!(b.try_acquire_at(0, Lane::Read, 6, 0).is_err());
    assert!(b.try_acquire_at(0, Lane::Read, 5, 0).is_ok());
    assert!(b.try_acquire_at(0, Lane::Read, 1, 0).is_err());
    b.try_acquire_at(0, Lane::Guard, 10, 0).unwrap();
    for _ in 0..2 {
        b.try_acquire_at(0, Lane::Entry, 0, 1).unwrap();
    }
    assert!(b.try_acquire_at(0, Lane::Entry, 0, 1).is_err());
    assert!(b.try_acquire_at(0, Lane::Exit, 60, 5).is_ok());
    // Larger than the share: alone, when nothing else of ours counts any more.
    assert!(b.try_acquire_at(61 * NS_PER_S, Lane::Read, 30, 0).is_ok());
    assert!(b.try_acquire_at(61 * NS_PER_S, Lane::Read, 1, 0).is_err());
    b.set_share(None);
    assert!(b.try_acquire_at(61 * NS_PER_S, Lane::Read, 1, 0).is_ok());
}

#[test]
fn weight_that_others_used_on_the_same_address_counts() {
    let b = RateBudget::new(SMALL);
    b.try_acquire_at(0, Lane::Read, 10, 0).unwrap();
    b.observe_at(
        0,
        UsedHeaders {
            weight_1m: Some(75),
            ..UsedHeaders::default()
        },
    );
    assert!(b.try_acquire_at(1, Lane::Read, 6, 0).is_err());
    assert!(b.try_acquire_at(1, Lane::Exit, 6, 0).is_ok());
    assert!(b.try_acquire_at(61 * NS_PER_S, Lane::Read, 6, 0).is_ok());
}

#[test]
fn a_429_stops_entries_at_once_and_lets_an_exit_try_each_second() {
    let b = RateBudget::new(SMALL);
    b.limited_at(0, 429, 5_000);
    assert!(b.try_acquire_at(1, Lane::Entry, 0, 1).is_err());
    assert!(b.try_acquire_at(1, Lane::Read, 1, 0).is_err());
    assert!(b.try_acquire_at(NS_PER_S, Lane::Exit, 0, 1).is_ok());
    assert!(b.try_acquire_at(NS_PER_S + 1, Lane::Exit, 0, 1).is_err());
    assert!(b.try_acquire_at(2 * NS_PER_S, Lane::Exit, 0, 1).is_ok());
    assert!(b.try_acquire_at(5 * NS_PER_S, Lane::Entry, 0, 1).is_ok());
    b.limited_at(6 * NS_PER_S, 418, 120_000);
    assert!(b.try_acquire_at(10 * NS_PER_S, Lane::Exit, 0, 1).is_err());
    assert!(b.try_acquire_at(126 * NS_PER_S, Lane::Exit, 0, 1).is_ok());
}

#[test]
fn a_read_heavier_than_its_room_may_go_alone() {
    let b = RateBudget::new(SMALL);
    assert!(b.try_acquire_at(0, Lane::Background, 60, 0).is_ok());
    assert!(b.try_acquire_at(1, Lane::Background, 60, 0).is_err());
}

fn lane() -> impl Strategy<Value = Lane> {
    prop_oneof![
        Just(Lane::Background),
        Just(Lane::Read),
        Just(Lane::Guard),
        Just(Lane::Entry),
        Just(Lane::Exit)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_window_ever_holds_more_than_its_limit_and_entries_leave_the_fifth(
        requests in prop::collection::vec((lane(), 0_u32..20, 0_u32..2, 0_u64..3_000), 1..300)
    ) {
        let b = RateBudget::new(SMALL);
        let mut now = 0_u64;
        let mut sent: Vec<Sent> = Vec::new();
        for (lane, weight, orders, gap_ms) in requests {
            now += gap_ms * NS_PER_MS;
            if b.try_acquire_at(now, lane, weight, orders).is_ok() {
                sent.push((now, lane, u64::from(weight), u64::from(orders)));
            }
            let sum = |span_s: u64, f: &dyn Fn(&Sent) -> u64| -> u64 {
                sent.iter().filter(|s| now - s.0 < span_s * NS_PER_S).map(f).sum()
            };
            prop_assert!(sum(60, &|s| s.2) <= 100);
            prop_assert!(sum(10, &|s| s.3) <= 10);
            prop_assert!(sum(60, &|s| s.3) <= 40);
            let entries = |s: &Sent| if s.1 == Lane::Exit { 0 } else { s.3 };
            prop_assert!(sum(10, &entries) <= 8);
        }
    }

    #[test]
    fn after_the_wait_it_names_a_request_fits(
        weights in prop::collection::vec(1_u32..40, 1..40)
    ) {
        let b = RateBudget::new(SMALL);
        let mut now = 0_u64;
        for w in weights {
            let mut turns = 0;
            while let Err(wait) = b.try_acquire_at(now, Lane::Read, w, 0) {
                now += wait.as_nanos() as u64;
                turns += 1;
                prop_assert!(turns <= 3, "still refused after {turns} waits");
            }
        }
    }
}

#[test]
fn what_protects_the_account_reads_where_others_have_used_theirs_up_and_leaves_room_to_exits() {
    let b = RateBudget::new(SMALL);
    b.try_acquire_at(0, Lane::Read, 80, 0).unwrap();
    assert!(b.try_acquire_at(0, Lane::Read, 1, 0).is_err());
    b.try_acquire_at(0, Lane::Guard, 10, 0).unwrap();
    assert!(b.try_acquire_at(0, Lane::Guard, 1, 0).is_err());
    b.try_acquire_at(0, Lane::Exit, 10, 0).unwrap();
}
