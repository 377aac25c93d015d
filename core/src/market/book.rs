//! The order book of one contract: absolute levels, integers, two sorted vectors.
//!
//! Each side keeps its best level at the END of its vector, because almost every change is near the top and then moves few
//! elements. Asks are stored under the negated price, so that one piece of code serves both sides.
//! Borders: knows nothing of sequence numbers; [`super::DepthSync`] decides what may be applied.

use super::{BookLevels, DepthSnapshot, DepthUpdate};
use crate::fixed::{Price, Qty, Side};
use crate::instrument::Instrument;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// Largest tick or lot count a book accepts: products of two of them, summed over any real book, fit 128 bits.
pub const MAX_LEVEL: i64 = 1 << 53;

/// A level no book may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum BadLevel {
    /// Prices must lie in `1..=MAX_LEVEL` ticks.
    #[error("price of {0} ticks")]
    Price(i64),
    /// Quantities must lie in `0..=MAX_LEVEL` lots.
    #[error("quantity of {0} lots")]
    Qty(i64),
}

/// One side, ascending by key, best last. Key = price for bids, −price for asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Levels(Vec<(i64, i64)>);

impl Levels {
    /// Position of `key`: gallops from the best level down, since that is where changes are.
    fn find(&self, key: i64) -> Result<usize, usize> {
        let v = &self.0;
        let mut hi = v.len();
        let mut step = 4;
        while hi > 0 {
            let lo = hi.saturating_sub(step);
            if v[lo].0 <= key {
                return match v[lo..hi].binary_search_by_key(&key, |l| l.0) {
                    Ok(i) => Ok(lo + i),
                    Err(i) => Err(lo + i),
                };
            }
            hi = lo;
            step *= 4;
        }
        Err(0)
    }

    fn set(&mut self, key: i64, qty: i64) {
        match (self.find(key), qty) {
            (Ok(i), 0) => {
                self.0.remove(i);
            }
            (Ok(i), q) => self.0[i].1 = q,
            // Removing an unknown level is normal: it lay deeper than the snapshot.
            (Err(_), 0) => {}
            (Err(i), q) => self.0.insert(i, (key, q)),
        }
    }

    fn load(&mut self, sign: i64, levels: &BookLevels) {
        self.0.clear();
        self.0.reserve(levels.len() + levels.len() / 2);
        self.0.extend(
            levels
                .iter()
                .filter(|l| l.1.0 != 0)
                .map(|&(p, q)| (sign * p.0, q.0)),
        );
        self.0.sort_by_key(|l| l.0);
        self.0.dedup_by_key(|l| l.0);
    }
}

/// Bids and asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Book {
    bids: Levels,
    asks: Levels,
}

impl Book {
    /// An empty book.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets every level.
    pub fn clear(&mut self) {
        self.bids.0.clear();
        self.asks.0.clear();
    }

    /// Replaces everything by a snapshot; its levels may come in any order.
    ///
    /// # Errors
    /// [`BadLevel`] before anything is changed.
    pub fn load(&mut self, snapshot: &DepthSnapshot) -> Result<(), BadLevel> {
        check(&snapshot.bids)?;
        check(&snapshot.asks)?;
        self.bids.load(1, &snapshot.bids);
        self.asks.load(-1, &snapshot.asks);
        Ok(())
    }

    /// Applies one event's absolute quantities; 0 removes.
    ///
    /// # Errors
    /// [`BadLevel`] before anything is changed.
    pub fn apply(&mut self, event: &DepthUpdate) -> Result<(), BadLevel> {
        check(&event.bids)?;
        check(&event.asks)?;
        for &(p, q) in &event.bids {
            self.bids.set(p.0, q.0);
        }
        for &(p, q) in &event.asks {
            self.asks.set(-p.0, q.0);
        }
        Ok(())
    }

    /// Sets one level; 0 removes.
    ///
    /// # Errors
    /// [`BadLevel`] before anything is changed.
    pub fn set(&mut self, side: Side, price: Price, qty: Qty) -> Result<(), BadLevel> {
        check_level(price, qty)?;
        match side {
            Side::Buy => self.bids.set(price.0, qty.0),
            Side::Sell => self.asks.set(-price.0, qty.0),
        }
        Ok(())
    }

    /// Best bid and its quantity.
    pub fn best_bid(&self) -> Option<(Price, Qty)> {
        self.bids.0.last().map(|&(k, q)| (Price(k), Qty(q)))
    }

    /// Best ask and its quantity.
    pub fn best_ask(&self) -> Option<(Price, Qty)> {
        self.asks.0.last().map(|&(k, q)| (Price(-k), Qty(q)))
    }

    /// Best level of a side (`Buy` = bids).
    pub fn best(&self, side: Side) -> Option<(Price, Qty)> {
        match side {
            Side::Buy => self.best_bid(),
            Side::Sell => self.best_ask(),
        }
    }

    /// Bids, best first.
    pub fn bids(
        &self,
    ) -> impl DoubleEndedIterator<Item = (Price, Qty)> + ExactSizeIterator + Clone + '_ {
        self.bids.0.iter().rev().map(|&(k, q)| (Price(k), Qty(q)))
    }

    /// Asks, best first.
    pub fn asks(
        &self,
    ) -> impl DoubleEndedIterator<Item = (Price, Qty)> + ExactSizeIterator + Clone + '_ {
        self.asks.0.iter().rev().map(|&(k, q)| (Price(-k), Qty(q)))
    }

    /// The best `n` levels of a side, best first.
    pub fn top(&self, side: Side, n: usize) -> BookLevels {
        match side {
            Side::Buy => self.bids().take(n).collect(),
            Side::Sell => self.asks().take(n).collect(),
        }
    }

    /// The best `n` levels a side as a REST snapshot would show them.
    pub fn snapshot(&self, n: usize, last_id: u64, event_ms: i64) -> DepthSnapshot {
        DepthSnapshot {
            last_id,
            event_ms,
            bids: self.top(Side::Buy, n),
            asks: self.top(Side::Sell, n),
        }
    }

    /// Number of levels of a side.
    pub fn len(&self, side: Side) -> usize {
        match side {
            Side::Buy => self.bids.0.len(),
            Side::Sell => self.asks.0.len(),
        }
    }

    /// True when neither side has a level.
    pub fn is_empty(&self) -> bool {
        self.bids.0.is_empty() && self.asks.0.is_empty()
    }

    /// Quantity at a price, zero where there is none.
    pub fn qty_at(&self, side: Side, price: Price) -> Qty {
        let found = match side {
            Side::Buy => self.bids.find(price.0).map(|i| self.bids.0[i].1),
            Side::Sell => self.asks.find(-price.0).map(|i| self.asks.0[i].1),
        };
        found.map_or(Qty::ZERO, Qty)
    }

    /// Number of levels of a side that are no worse than `price`.
    pub fn count_within(&self, side: Side, price: Price) -> usize {
        let (levels, key) = match side {
            Side::Buy => (&self.bids, price.0),
            Side::Sell => (&self.asks, -price.0),
        };
        levels.0.len() - levels.find(key).unwrap_or_else(|i| i)
    }

    /// Twice the mid price in ticks: an integer even when the mid lies between two ticks.
    pub fn mid_x2(&self) -> Option<i64> {
        Some(self.best_bid()?.0.0 + self.best_ask()?.0.0)
    }

    /// Mid price, exact.
    pub fn mid(&self, instrument: &Instrument) -> Option<Decimal> {
        Some(Decimal::from(self.mid_x2()?) * instrument.tick / Decimal::TWO)
    }

    /// Best ask − best bid, ticks.
    pub fn spread(&self) -> Option<i64> {
        Some(self.best_ask()?.0.0 - self.best_bid()?.0.0)
    }

    /// True when the best bid is at or above the best ask: no such book exists at the exchange.
    pub fn is_crossed(&self) -> bool {
        self.spread().is_some_and(|s| s <= 0)
    }
}

fn check_level(p: Price, q: Qty) -> Result<(), BadLevel> {
    if !(1..=MAX_LEVEL).contains(&p.0) {
        return Err(BadLevel::Price(p.0));
    }
    if !(0..=MAX_LEVEL).contains(&q.0) {
        return Err(BadLevel::Qty(q.0));
    }
    Ok(())
}

fn check(levels: &BookLevels) -> Result<(), BadLevel> {
    levels.iter().try_for_each(|&(p, q)| check_level(p, q))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn levels(max: usize) -> impl Strategy<Value = BookLevels> {
        prop::collection::vec((1i64..60, 0i64..4), 0..max)
            .prop_map(|v| v.into_iter().map(|(p, q)| (Price(p), Qty(q))).collect())
    }

    proptest! {
        #[test]
        fn a_book_equals_a_tree_map_after_every_event(
            snap in (levels(40), levels(40)),
            events in prop::collection::vec((levels(12), levels(12)), 1..30),
        ) {
            let mut book = Book::new();
            let mut want: [BTreeMap<Price, Qty>; 2] = Default::default();
            // A snapshot never names a level twice.
            let unique = |v: &BookLevels| v.iter().copied().collect::<BTreeMap<_, _>>();
            let (b, a) = (unique(&snap.0), unique(&snap.1));
            book.load(&DepthSnapshot { bids: b.clone().into_iter().collect(), asks: a.clone().into_iter().collect(), ..Default::default() }).unwrap();
            for (m, s) in want.iter_mut().zip([b, a]) {
                m.extend(s.into_iter().filter(|l| l.1.0 != 0));
            }
            for (bids, asks) in events {
                book.apply(&DepthUpdate { bids: bids.clone(), asks: asks.clone(), ..Default::default() }).unwrap();
                for (m, ls) in want.iter_mut().zip([&bids, &asks]) {
                    for &(p, q) in ls {
                        if q.is_zero() { m.remove(&p); } else { m.insert(p, q); }
                    }
                }
                let wb: Vec<_> = want[0].iter().rev().map(|(p, q)| (*p, *q)).collect();
                let wa: Vec<_> = want[1].iter().map(|(p, q)| (*p, *q)).collect();
                prop_assert_eq!(book.bids().collect::<Vec<_>>(), wb.clone());
                prop_assert_eq!(book.asks().collect::<Vec<_>>(), wa.clone());
                prop_assert_eq!(book.best_bid(), wb.first().copied());
                prop_assert_eq!(book.best_ask(), wa.first().copied());
                for p in 1..60 {
                    let p = Price(p);
                    prop_assert_eq!(book.qty_at(Side::Buy, p), want[0].get(&p).copied().unwrap_or_default());
                    prop_assert_eq!(book.count_within(Side::Buy, p), want[0].range(p..).count());
                    prop_assert_eq!(book.count_within(Side::Sell, p), want[1].range(..=p).count());
                }
            }
        }
    }

    #[test]
    fn a_bad_level_changes_nothing() {
        let mut book = Book::new();
        book.set(Side::Buy, Price(10), Qty(1)).unwrap();
        let before = book.clone();
        for bad in [
            (Price(0), Qty(1)),
            (Price(-3), Qty(1)),
            (Price(5), Qty(-1)),
            (Price(5), Qty(i64::MAX)),
        ] {
            let ev = DepthUpdate {
                bids: vec![(Price(11), Qty(2)), bad],
                ..Default::default()
            };
            assert!(book.apply(&ev).is_err());
            assert_eq!(book, before);
        }
    }

    #[test]
    fn mid_and_spread_are_exact_between_ticks() {
        let mut book = Book::new();
        assert_eq!(book.mid_x2(), None);
        book.set(Side::Buy, Price(618002), Qty(1)).unwrap();
        book.set(Side::Sell, Price(618003), Qty(1)).unwrap();
        let i = Instrument::with_grid("X", Decimal::new(1, 1), Decimal::new(1, 3)).unwrap();
        assert_eq!(book.mid_x2(), Some(1_236_005));
        assert_eq!(book.mid(&i), Some(Decimal::new(6_180_025, 2)));
        assert_eq!(book.spread(), Some(1));
        assert!(!book.is_crossed());
        book.set(Side::Sell, Price(618002), Qty(1)).unwrap();
        assert!(book.is_crossed(), "a locked book is crossed");
    }
}
