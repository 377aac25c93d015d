//! A lost, doubled or swapped depth frame is noticed by sequence and healed by a snapshot, at any place in a real recording
//! and in a synthetic market.
//!
//! What healing can mean: a snapshot shows 1000 levels a side; deeper ones are unknown until touched, so when the best
//! levels go, a level that the reference knows and the healed book can't know may move up into the best 1000 (on the real
//! recording it does). The healed book must know how deep it may be trusted, be equal to the reference down to there after
//! every event, and, when that is less than 1000, be equal in all 1000 after the refill it then asks for.

#![allow(clippy::unwrap_used)]

use helios_binance::decode::{Decoder, Kind, decode_combined, head};
use helios_core::fixed::{Price, Qty, Side};
use helios_core::instrument::Instrument;
use helios_core::market::{BookLevels, DepthOutcome, DepthSnapshot, DepthSync, DepthUpdate};
use proptest::prelude::*;
use rust_decimal::Decimal;
use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::OnceLock;

const LEVELS: usize = 1000;

/// A snapshot and the events from the first that applies to it.
struct Market {
    snapshot: DepthSnapshot,
    events: Vec<DepthUpdate>,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Drop,
    Double,
    /// The frame comes again, so many frames later.
    Echo(usize),
    Swap,
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::Drop),
        Just(Fault::Double),
        (1usize..20).prop_map(Fault::Echo),
        Just(Fault::Swap),
    ]
}

/// Frame numbers as delivered, from `k` on.
fn delivered(n: usize, k: usize, fault: Fault) -> Vec<usize> {
    let mut v: Vec<usize> = (k..n).collect();
    match fault {
        Fault::Drop => {
            v.remove(0);
        }
        Fault::Double => v.insert(1, k),
        Fault::Echo(after) => v.insert((1 + after).min(v.len()), k),
        Fault::Swap => v.swap(0, 1),
    }
    v
}

fn best(s: &DepthSync, side: Side, n: usize) -> BookLevels {
    s.book().map_or(Vec::new(), |b| b.top(side, n))
}

fn assert_equal(healed: &DepthSync, reference: &DepthSync, levels: usize, when: &str) {
    assert_eq!(healed.last_id(), reference.last_id(), "{when}");
    for side in [Side::Buy, Side::Sell] {
        assert!(
            best(healed, side, levels) == best(reference, side, levels),
            "{when}: the best {levels} of {side:?} differ"
        );
    }
}

/// The reference's best 1000 levels at this moment.
fn snapshot_of(reference: &DepthSync) -> DepthSnapshot {
    let book = reference.book().unwrap();
    book.snapshot(LEVELS, reference.last_id().unwrap(), 0)
}

/// Plays the market with one fault at frame `k`. A snapshot is taken when it is wanted and comes `latency` frames later;
/// a refill is asked for whenever fewer than `wanted` levels are known.
fn play(m: &Market, k: usize, fault: Fault, wanted: usize, latency: usize) {
    let mut reference = DepthSync::new();
    reference.on_snapshot(&m.snapshot);
    for e in &m.events[..k] {
        assert_eq!(reference.on_depth(e.clone()), DepthOutcome::Applied);
    }
    let mut healed = reference.clone();
    let mut at = k;
    let mut gaps = Vec::new();
    let mut coming: Option<(usize, DepthSnapshot)> = None;
    let frames = delivered(m.events.len(), k, fault);
    for (step, &i) in frames.iter().enumerate() {
        // The exchange has emitted everything up to the newest frame that was delivered.
        while at <= i {
            assert_eq!(
                reference.on_depth(m.events[at].clone()),
                DepthOutcome::Applied
            );
            at += 1;
        }
        let outcome = healed.on_depth(m.events[i].clone());
        assert!(
            !outcome.lost_sync() || matches!(outcome, DepthOutcome::Gap { .. }),
            "{outcome:?}"
        );
        if outcome.lost_sync() {
            gaps.push(step);
            coming = None;
            assert_eq!(healed.book(), None, "a book that broke is not shown");
        }
        if healed.wants_snapshot() && coming.is_none() {
            coming = Some((step + latency, snapshot_of(&reference)));
        }
        if let Some((_, s)) = coming.take_if(|c| c.0 <= step) {
            healed.on_snapshot(&s);
            if latency == 0 {
                assert_equal(&healed, &reference, LEVELS, "right after the snapshot");
            }
        }
        if healed.is_synced() && (step % 64 == 0 || step + 1 == frames.len()) {
            let known = healed.known_depth().min(LEVELS);
            assert_equal(&healed, &reference, known, "while running");
        }
        if healed.is_synced() && healed.known_depth() < wanted {
            healed.begin_refill();
        }
    }
    let first = match fault {
        Fault::Drop | Fault::Swap => 0,
        Fault::Double => 1,
        Fault::Echo(after) => (1 + after).min(frames.len() - 1),
    };
    assert_eq!(
        gaps.first(),
        Some(&first),
        "{fault:?} at {k} is noticed at once, by sequence"
    );
    // A swapped or echoed frame is noticed when it comes and, having been healed over, when it is not followed up.
    assert!(gaps.len() <= 2, "{gaps:?}");
    // Frames that came out of order may sit in the buffer: then the first snapshot shows it and the second heals.
    for _ in 0..3 {
        if healed.known_depth() < LEVELS {
            healed.begin_refill();
            healed.on_snapshot(&snapshot_of(&reference));
        }
    }
    assert_equal(&healed, &reference, LEVELS, "at the end");
}

fn real() -> Option<&'static Market> {
    static MARKET: OnceLock<Option<Market>> = OnceLock::new();
    MARKET
        .get_or_init(|| {
            let path = concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../shared/data/capture/usdm_btcusdt_20240808.jsonl.gz"
            );
            let Ok(file) = std::fs::File::open(path) else {
                eprintln!("SKIPPED: {path} is not there");
                return None;
            };
            let (tick, step) = (Decimal::new(1, 1), Decimal::new(1, 3));
            let d = Decoder::new(&Instrument::with_grid("BTCUSDT", tick, step).unwrap()).unwrap();
            let (mut snapshot, mut events) = (None, Vec::new());
            let gz = flate2::read::MultiGzDecoder::new(file);
            for line in std::io::BufReader::new(gz).lines() {
                let line = line.unwrap();
                let json = line.split_once(' ').unwrap().1.as_bytes();
                let payload = decode_combined(json).map_or(json, |c| c.data);
                match head(payload).unwrap().kind {
                    Kind::Depth => events.push(d.depth(payload).unwrap()),
                    Kind::Snapshot => snapshot = Some(d.snapshot(payload).unwrap()),
                    _ => {}
                }
            }
            let snapshot = snapshot.unwrap();
            events.retain(|e| e.last_id >= snapshot.last_id);
            Some(Market { snapshot, events })
        })
        .as_ref()
}

/// A market whose price wanders through a deep book: 1500 levels a side at first, so that snapshots are cut.
fn synthetic(seed: u64, n: usize) -> Market {
    let mut state = seed | 1;
    let mut random = move |below: i64| {
        // xorshift64: only for spreading test data.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as i64
    };
    let mut mid = 100_000i64;
    // Key: distance order is the price itself; bids below mid, asks above.
    let mut book: BTreeMap<i64, i64> = (1..=1500)
        .flat_map(|i| [(mid - i * 2, i), (mid + i * 2, i)])
        .collect();
    let side = |book: &BTreeMap<i64, i64>, bid: bool, mid: i64| -> BookLevels {
        let mut v: BookLevels = book
            .iter()
            .filter(|(p, _)| (**p < mid) == bid)
            .map(|(p, q)| (Price(*p), Qty(*q)))
            .collect();
        if bid {
            v.reverse();
        }
        v.truncate(LEVELS);
        v
    };
    let snapshot = DepthSnapshot {
        last_id: 1005,
        event_ms: 0,
        bids: side(&book, true, mid),
        asks: side(&book, false, mid),
    };
    let drift = random(3) - 1;
    let mut events = Vec::new();
    for i in 0..n as u64 {
        let mut changes = BTreeMap::new();
        let to = mid + drift * random(4) + random(9) - 4;
        // The price moves through levels: they are gone, on whichever side they were.
        for p in mid.min(to)..=mid.max(to) {
            if book.remove(&p).is_some() {
                changes.insert((p, p < mid), 0);
            }
        }
        mid = to;
        for _ in 0..random(30) {
            let far = if random(10) == 0 { 4000 } else { 60 };
            let p = mid + random(2 * far) - far;
            if p != mid {
                let q = if random(3) == 0 { 0 } else { random(50) };
                if q == 0 {
                    book.remove(&p);
                } else {
                    book.insert(p, q);
                }
                changes.insert((p, p < mid), q);
            }
        }
        let of = |bid: bool| -> BookLevels {
            let mine = changes.iter().filter(|((_, b), _)| *b == bid);
            mine.map(|((p, _), q)| (Price(*p), Qty(*q))).collect()
        };
        events.push(DepthUpdate {
            first_id: 1000 + i * 10 + 1,
            last_id: 1000 + i * 10 + 10,
            prev_last_id: 1000 + i * 10,
            bids: of(true),
            asks: of(false),
            ..Default::default()
        });
    }
    Market { snapshot, events }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn one_fault_anywhere_in_the_real_recording_is_noticed_and_healed(
        at in 0.0f64..1.0, fault in fault(), wanted in prop_oneof![Just(0usize), Just(100), Just(600)], latency in 0usize..6,
    ) {
        if let Some(m) = real() {
            // After the first applied and before the last.
            let k = 1 + (at * (m.events.len() - 2) as f64) as usize;
            play(m, k, fault, wanted, latency);
        }
    }

    #[test]
    fn one_fault_anywhere_in_a_synthetic_market_is_noticed_and_healed(
        seed in any::<u64>(), at in 0.0f64..1.0, fault in fault(), wanted in 0usize..800, latency in 0usize..6,
    ) {
        let m = synthetic(seed, 600);
        let k = 1 + (at * (m.events.len() - 2) as f64) as usize;
        play(&m, k, fault, wanted, latency);
    }
}

#[test]
fn the_edges_are_healed_too() {
    let m = synthetic(7, 40);
    for k in [1, 2, 37, 38] {
        for fault in [
            Fault::Drop,
            Fault::Double,
            Fault::Echo(1),
            Fault::Echo(19),
            Fault::Swap,
        ] {
            play(&m, k, fault, 0, 0);
            play(&m, k, fault, 900, 3);
        }
    }
}
