#![allow(clippy::unwrap_used)]
use super::*;
use crate::fixed::Qty;
use crate::market::BookLevels;

fn levels(prices: &[i64]) -> BookLevels {
    prices.iter().map(|p| (Price(*p), Qty(1))).collect()
}

fn snapshot(last_id: u64) -> DepthSnapshot {
    DepthSnapshot {
        last_id,
        event_ms: 0,
        bids: levels(&[100, 99, 98]),
        asks: levels(&[101, 102, 103]),
    }
}

/// An event over ids `first..=last` after `prev`.
fn event(first: u64, last: u64, prev: u64) -> DepthUpdate {
    DepthUpdate {
        first_id: first,
        last_id: last,
        prev_last_id: prev,
        bids: vec![(Price(100), Qty(last as i64))],
        ..Default::default()
    }
}

fn synced(last_id: u64) -> DepthSync {
    let mut s = DepthSync::with_bounds(4, 3);
    assert!(matches!(
        s.on_snapshot(&snapshot(last_id)),
        SnapshotOutcome::Synced { .. }
    ));
    s
}

#[test]
fn the_first_event_is_the_one_that_spans_the_snapshot() {
    for (first, last, prev, want) in [
        (10, 19, 9, DepthOutcome::Stale),
        (10, 20, 9, DepthOutcome::Applied),
        (20, 20, 15, DepthOutcome::Applied),
        (20, 30, 15, DepthOutcome::Applied),
        (15, 30, 14, DepthOutcome::Applied),
        // Follows without a hole, though its own ids begin later.
        (21, 30, 20, DepthOutcome::Applied),
        (25, 30, 20, DepthOutcome::Applied),
        (
            21,
            30,
            19,
            DepthOutcome::Gap {
                expected: 20,
                got: 19,
            },
        ),
        (
            25,
            30,
            24,
            DepthOutcome::Gap {
                expected: 20,
                got: 24,
            },
        ),
    ] {
        let mut s = synced(20);
        assert_eq!(
            s.on_depth(event(first, last, prev)),
            want,
            "{first} {last} {prev}"
        );
        assert_eq!(s.is_synced(), !want.lost_sync());
        // The same through the buffer.
        let mut s = DepthSync::new();
        assert_eq!(s.on_depth(event(first, last, prev)), DepthOutcome::Buffered);
        let got = s.on_snapshot(&snapshot(20));
        assert_eq!(
            matches!(got, SnapshotOutcome::Synced { .. }),
            !want.lost_sync(),
            "{got:?}"
        );
        assert_eq!(s.stats().applied, u64::from(want == DepthOutcome::Applied));
    }
}

#[test]
fn after_the_first_event_only_pu_counts() {
    let mut s = synced(20);
    s.on_depth(event(15, 30, 14));
    // An old event is no longer merely stale: something is out of order.
    assert_eq!(
        s.clone().on_depth(event(15, 30, 14)),
        DepthOutcome::Gap {
            expected: 30,
            got: 14
        }
    );
    assert_eq!(s.on_depth(event(35, 40, 30)), DepthOutcome::Applied);
    assert_eq!(s.book().unwrap().best_bid(), Some((Price(100), Qty(40))));
    assert_eq!(
        s.on_depth(event(41, 50, 39)),
        DepthOutcome::Gap {
            expected: 40,
            got: 39
        }
    );
    assert_eq!((s.book(), s.last_id()), (None, None));
    // The event that showed the gap was kept: a snapshot within it heals at once.
    assert_eq!(
        s.on_snapshot(&snapshot(45)),
        SnapshotOutcome::Synced {
            applied: 1,
            stale: 0
        }
    );
    assert_eq!(s.last_id(), Some(50));
    assert_eq!(
        (s.stats().gaps, s.stats().resyncs, s.stats().snapshots),
        (1, 1, 2)
    );
}

#[test]
fn a_snapshot_older_than_the_buffer_leaves_it_for_a_newer_one() {
    let mut s = DepthSync::new();
    s.on_depth(event(31, 40, 30));
    s.on_depth(event(41, 50, 40));
    assert_eq!(
        s.on_snapshot(&snapshot(20)),
        SnapshotOutcome::TooOld {
            snapshot: 20,
            needed: 31
        }
    );
    assert!(s.wants_snapshot());
    let mut seen = Vec::new();
    let got = s.on_snapshot_with(&snapshot(35), |b, e| {
        seen.push((e.last_id, b.best_bid().unwrap().1.0));
    });
    assert_eq!(
        got,
        SnapshotOutcome::Synced {
            applied: 2,
            stale: 0
        }
    );
    assert_eq!(seen, [(40, 40), (50, 50)]);
}

#[test]
fn a_hole_within_the_buffer_is_found_and_the_rest_kept() {
    let mut s = DepthSync::new();
    s.on_depth(event(31, 40, 30));
    s.on_depth(event(51, 60, 50));
    s.on_depth(event(61, 70, 60));
    let why = DepthOutcome::Gap {
        expected: 40,
        got: 50,
    };
    assert_eq!(
        s.on_snapshot(&snapshot(30)),
        SnapshotOutcome::Broken { applied: 1, why }
    );
    assert_eq!((s.is_synced(), s.stats().gaps), (false, 1));
    assert_eq!(
        s.on_snapshot(&snapshot(55)),
        SnapshotOutcome::Synced {
            applied: 2,
            stale: 0
        }
    );
}

#[test]
fn the_buffer_is_bounded_and_keeps_the_newest() {
    let mut s = DepthSync::with_bounds(4, 1000);
    for i in 1..=10 {
        s.on_depth(event(i * 10 + 1, i * 10 + 10, i * 10));
    }
    assert_eq!(s.stats().overflowed, 6);
    assert_eq!(
        s.on_snapshot(&snapshot(85)),
        SnapshotOutcome::Synced {
            applied: 3,
            stale: 1
        }
    );
}

#[test]
fn impossible_events_and_snapshots_never_make_a_book() {
    let mut negative = event(21, 30, 20);
    negative.asks = vec![(Price(101), Qty(-1))];
    let mut crossing = event(21, 30, 20);
    crossing.bids = vec![(Price(101), Qty(1))];
    let mut backward = event(21, 30, 20);
    backward.first_id = 31;
    for (e, want) in [
        (negative, DepthOutcome::Refused(BadLevel::Qty(-1))),
        (crossing, DepthOutcome::Crossed),
        (backward.clone(), DepthOutcome::Malformed),
    ] {
        let mut s = synced(20);
        assert_eq!(s.on_depth(e.clone()), want);
        assert_eq!((s.book(), s.wants_snapshot()), (None, true));
        assert_eq!(s.stats().crossed + s.stats().refused, 1);
        let mut s = DepthSync::new();
        s.on_depth(e);
        let via_buffer = s.on_snapshot(&snapshot(20));
        if want != DepthOutcome::Malformed {
            assert_eq!(
                via_buffer,
                SnapshotOutcome::Broken {
                    applied: 0,
                    why: want
                }
            );
        }
    }
    let mut s = DepthSync::new();
    let mut bad = snapshot(20);
    bad.asks = levels(&[100, 102]);
    assert_eq!(s.on_snapshot(&bad), SnapshotOutcome::Crossed);
    bad.asks = levels(&[-5]);
    assert_eq!(
        s.on_snapshot(&bad),
        SnapshotOutcome::Refused(BadLevel::Price(-5))
    );
    assert!(!s.is_synced());
}

#[test]
fn the_known_depth_shrinks_as_the_price_leaves_the_snapshot() {
    // Limit 3: the snapshot was cut at 98 and 103.
    let mut s = synced(20);
    assert_eq!(s.known_depth(), 3);
    let mut e = event(21, 30, 20);
    e.bids = vec![
        (Price(100), Qty(0)),
        (Price(97), Qty(5)),
        (Price(96), Qty(5)),
    ];
    s.on_depth(e);
    assert_eq!(s.book().unwrap().len(Side::Buy), 4);
    assert_eq!(s.known_depth(), 2, "97 and 96 were touched, 97.5 may exist");
    assert_eq!(s.horizon(Side::Buy), Some(Price(98)));
    // A side with fewer levels than asked for is known to its end.
    let mut whole = DepthSync::with_bounds(4, 1000);
    whole.on_snapshot(&snapshot(20));
    assert_eq!(whole.known_depth(), usize::MAX);
}

#[test]
fn a_refill_renews_a_live_book_without_interrupting_it() {
    let mut s = synced(20);
    assert_eq!(s.on_snapshot(&snapshot(25)), SnapshotOutcome::Ignored);
    s.on_depth(event(21, 30, 20));
    s.begin_refill();
    assert!(s.wants_snapshot() && s.is_synced());
    s.on_depth(event(31, 40, 30));
    s.on_depth(event(41, 50, 40));
    // Older than what is kept: of no use, the live book stays.
    assert!(matches!(
        s.on_snapshot(&snapshot(25)),
        SnapshotOutcome::TooOld { .. }
    ));
    assert_eq!(s.last_id(), Some(50));
    let mut deeper = snapshot(35);
    deeper.bids = levels(&[100, 99, 98, 97]);
    assert_eq!(
        s.on_snapshot(&deeper),
        SnapshotOutcome::Synced {
            applied: 2,
            stale: 0
        }
    );
    assert_eq!(s.last_id(), Some(50));
    assert_eq!(s.book().unwrap().best_bid(), Some((Price(100), Qty(50))));
    assert_eq!((s.known_depth(), s.stats().refills), (3, 1));
    assert_eq!(
        s.stats().applied,
        3,
        "replayed events are not counted twice"
    );
    assert_eq!(s.on_depth(event(51, 60, 50)), DepthOutcome::Applied);
    // One that moves backward is refused even when nothing was buffered.
    s.begin_refill();
    assert!(matches!(
        s.on_snapshot(&snapshot(55)),
        SnapshotOutcome::TooOld { .. }
    ));
    assert_eq!(s.last_id(), Some(60));
}

#[test]
fn reset_forgets_the_book_and_the_buffer() {
    let mut s = synced(20);
    s.begin_refill();
    s.on_depth(event(21, 30, 20));
    s.reset();
    assert_eq!(s.on_depth(event(51, 60, 50)), DepthOutcome::Buffered);
    assert_eq!(
        s.on_snapshot(&snapshot(55)),
        SnapshotOutcome::Synced {
            applied: 1,
            stale: 0
        }
    );
    assert_eq!(s.stats().resyncs, 1);
}
