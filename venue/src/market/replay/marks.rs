//! The mark price a recording lacks: a short mean of its mid, once a second; and what the mid tells of its volatility.

use super::ReplayStats;
use crate::engine::MarketInput;
use crate::market::replay::decode::SCALE_DIGITS;
use helios_core::market::{BookLevels, MarkPrice};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, VecDeque};

/// Pull of a second's mid on the mark price: a mean over some three seconds.
const MARK_WEIGHT: f64 = 0.3;
const FUNDING_MS: i64 = 8 * 3_600_000;

/// The events with their marks, and what was learnt of the mid (ticks).
pub(super) struct Marked {
    pub(super) events: VecDeque<(i64, MarketInput)>,
    pub(super) first_mid: i64,
    pub(super) last_ms: i64,
    pub(super) sigma: f64,
}

/// Follows the book, counts crossed ones, and puts in a mark price each second.
pub(super) fn add_marks(
    events: Vec<(i64, MarketInput)>,
    tick: i64,
    stats: &mut ReplayStats,
) -> Marked {
    let mut out = VecDeque::with_capacity(events.len() + events.len() / 8);
    let (mut bids, mut asks) = (BTreeMap::new(), BTreeMap::new());
    let (mut mark, mut last_mid) = (0.0, 0.0);
    let mut second = i64::MIN;
    let (mut squares, mut steps) = (0.0, 0u32);
    let mut m = Marked {
        events: VecDeque::new(),
        first_mid: 0,
        last_ms: 0,
        sigma: 0.5e-4,
    };
    for (t, e) in events {
        match &e {
            MarketInput::Snapshot(s) => {
                bids.clear();
                asks.clear();
                apply(&mut bids, &s.bids);
                apply(&mut asks, &s.asks);
            }
            MarketInput::Depth(d) => {
                apply(&mut bids, &d.bids);
                apply(&mut asks, &d.asks);
            }
            MarketInput::Trade(_) | MarketInput::Mark(_) => {}
        }
        let is_book = !matches!(e, MarketInput::Trade(_));
        out.push_back((t, e));
        m.last_ms = t;
        let (Some((&b, _)), Some((&a, _))) = (bids.last_key_value(), asks.first_key_value()) else {
            continue;
        };
        if is_book && b >= a {
            stats.crossed += 1;
        }
        if t.div_euclid(1000) == second {
            continue;
        }
        second = t.div_euclid(1000);
        let mid = 0.5 * (a + b) as f64;
        if m.first_mid == 0 {
            m.first_mid = (a + b) / 2;
            mark = mid;
        } else {
            squares += ((mid - last_mid) / mid).powi(2);
            steps += 1;
            mark += MARK_WEIGHT * (mid - mark);
        }
        last_mid = mid;
        let dec = |x: f64| Decimal::new((x * tick as f64 + 0.5).floor() as i64, SCALE_DIGITS);
        let price = MarkPrice {
            event_ms: t,
            mark: dec(mark),
            index: dec(mid),
            funding_rate: Decimal::new(1, 4),
            next_funding_ms: (t.div_euclid(FUNDING_MS) + 1) * FUNDING_MS,
        };
        out.push_back((t, MarketInput::Mark(price)));
    }
    if steps >= 10 && squares > 0.0 {
        m.sigma = (squares / f64::from(steps)).sqrt();
    }
    m.events = out;
    m
}

fn apply(side: &mut BTreeMap<i64, i64>, l: &BookLevels) {
    for (p, q) in l {
        if q.is_zero() {
            side.remove(&p.0);
        } else {
            side.insert(p.0, q.0);
        }
    }
}
