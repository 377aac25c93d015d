//! One side of a contract's combined book: what the source says, minus what was taken, plus own resting orders.
//!
//! Levels are sorted vectors with the best at the end, where nearly all changes are. Consumption needs no store of its
//! own: a taker lowers the outside quantity in place, and the source's next word on that level replaces it.
//! Queue model: an own order remembers how much outside quantity stood before it when it arrived (`ahead`). Outside
//! trades at its price eat that first; a level that shrinks below `ahead` pulls it down (cancels are taken to come from
//! behind for as long as that is possible, which is the patient reading). Own orders queue among themselves by arrival.

use super::types::AccountId;
use helios_core::fixed::{Price, Qty, Side};
use helios_core::market::BookLevels;
use serde::{Deserialize, Serialize};

/// An own order on the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Resting {
    pub id: u64,
    pub account: AccountId,
    pub remaining: i64,
    /// Outside lots at this price that arrived earlier.
    pub ahead: i64,
}

/// Own orders at one price, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OwnLevel {
    key: i64,
    pub queue: Vec<Resting>,
}

/// One side. Keys are price × sign so that the best level has the greatest key on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BookSide {
    sign: i64,
    outside: Vec<(i64, i64)>,
    own: Vec<OwnLevel>,
    /// Prices whose combined quantity changed since the last frame went out, ascending, each once.
    dirty: Vec<i64>,
}

impl BookSide {
    pub fn new(side: Side) -> Self {
        Self {
            sign: side.sign(),
            outside: Vec::new(),
            own: Vec::new(),
            dirty: Vec::new(),
        }
    }

    fn find(&self, key: i64) -> Result<usize, usize> {
        self.outside.binary_search_by_key(&key, |l| l.0)
    }

    /// The source's word on one level.
    pub fn set(&mut self, price: Price, qty: Qty) {
        if price.0 <= 0 {
            return;
        }
        let key = price.0 * self.sign;
        match (self.find(key), qty.0 > 0) {
            (Ok(i), true) => self.outside[i].1 = qty.0,
            (Ok(i), false) => {
                self.outside.remove(i);
            }
            (Err(i), true) => self.outside.insert(i, (key, qty.0)),
            (Err(_), false) => {}
        }
        if !self.own.is_empty() {
            self.clamp(key, qty.0.max(0));
        }
    }

    /// Replaces all outside levels.
    pub fn replace(&mut self, levels: &BookLevels) {
        self.outside.clear();
        self.outside.extend(
            levels
                .iter()
                .filter(|(p, q)| p.0 > 0 && q.0 > 0)
                .map(|(p, q)| (p.0 * self.sign, q.0)),
        );
        self.outside.sort_unstable_by_key(|l| l.0);
        self.outside.dedup_by_key(|l| l.0);
        for i in 0..self.own.len() {
            let key = self.own[i].key;
            let qty = self.outside_at(Price(key * self.sign));
            self.clamp(key, qty);
        }
    }

    fn clamp(&mut self, key: i64, qty: i64) {
        if let Ok(i) = self.own.binary_search_by_key(&key, |l| l.key) {
            for r in &mut self.own[i].queue {
                r.ahead = r.ahead.min(qty);
            }
        }
    }

    /// Outside lots left at a price.
    pub fn outside_at(&self, price: Price) -> i64 {
        self.find(price.0 * self.sign)
            .map_or(0, |i| self.outside[i].1)
    }

    /// Own lots resting at a price.
    pub fn own_at(&self, price: Price) -> i64 {
        self.level(price).map_or(0, |l| {
            l.queue
                .iter()
                .fold(0, |s: i64, r| s.saturating_add(r.remaining))
        })
    }

    fn level(&self, price: Price) -> Option<&OwnLevel> {
        let key = price.0 * self.sign;
        self.own
            .binary_search_by_key(&key, |l| l.key)
            .ok()
            .map(|i| &self.own[i])
    }

    /// Best outside price.
    pub fn best_outside(&self) -> Option<Price> {
        self.outside.last().map(|l| Price(l.0 * self.sign))
    }

    /// Best price with an own order.
    pub fn best_own(&self) -> Option<Price> {
        self.own.last().map(|l| Price(l.key * self.sign))
    }

    /// Best combined price.
    pub fn best_price(&self) -> Option<Price> {
        let out = self.outside.last().map(|l| l.0);
        let own = self.own.last().map(|l| l.key);
        out.max(own).map(|k| Price(k * self.sign))
    }

    /// Best combined level.
    pub fn best(&self) -> Option<(Price, Qty)> {
        self.best_price().map(|p| (p, Qty(self.combined_at(p))))
    }

    /// Combined lots at a price.
    pub fn combined_at(&self, price: Price) -> i64 {
        self.outside_at(price).saturating_add(self.own_at(price))
    }

    /// True when `a` is at least as good as `b` for somebody resting on this side.
    pub fn at_least(&self, a: Price, b: Price) -> bool {
        a.0 * self.sign >= b.0 * self.sign
    }

    /// Oldest own order at a price.
    pub fn front(&self, price: Price) -> Option<Resting> {
        self.level(price).and_then(|l| l.queue.first()).copied()
    }

    /// Best first, at most `limit` combined levels.
    pub fn levels(&self, limit: usize) -> BookLevels {
        let mut out = Vec::with_capacity(limit.min(self.outside.len() + self.own.len()));
        let (mut i, mut j) = (self.outside.len(), self.own.len());
        while out.len() < limit && (i > 0 || j > 0) {
            let a = i.checked_sub(1).map(|i| self.outside[i]);
            let b = j.checked_sub(1).map(|j| self.own[j].key);
            let key = a.map(|l| l.0).max(b).unwrap_or_default();
            let mut qty = 0;
            if let Some((k, q)) = a
                && k == key
            {
                qty = q;
                i -= 1;
            }
            let price = Price(key * self.sign);
            if b == Some(key) {
                qty = qty.saturating_add(self.own_at(price));
                j -= 1;
            }
            out.push((price, Qty(qty)));
        }
        out
    }

    /// Lots that a taker could get down to `limit`, own orders of `but` left out.
    pub fn available(&self, limit: Option<Price>, but: Option<AccountId>) -> i64 {
        let floor = limit.map_or(i64::MIN, |p| p.0 * self.sign);
        let outside = self
            .outside
            .iter()
            .rev()
            .take_while(|l| l.0 >= floor)
            .map(|l| l.1);
        let own = self
            .own
            .iter()
            .rev()
            .take_while(|l| l.key >= floor)
            .flat_map(|l| l.queue.iter().filter(|r| Some(r.account) != but))
            .map(|r| r.remaining);
        outside.chain(own).fold(0, i64::saturating_add)
    }

    /// Lots that a taker could get down to `limit` before it meets an order of `account`.
    pub fn available_before(&self, limit: Option<Price>, account: AccountId) -> i64 {
        let floor = limit.map_or(i64::MIN, |p| p.0 * self.sign);
        let met = self
            .own
            .iter()
            .rev()
            .take_while(|l| l.key >= floor)
            .find(|l| l.queue.iter().any(|r| r.account == account));
        let Some(level) = met else {
            return self.available(limit, None);
        };
        let price = Price(level.key * self.sign);
        let better = Price(price.0 + self.sign);
        let before = level.queue.iter().take_while(|r| r.account != account);
        let own = before.map(|r| r.remaining).fold(0, i64::saturating_add);
        let first = level.queue.iter().find(|r| r.account == account);
        let ahead = first.map_or(0, |r| r.ahead.min(self.outside_at(price)));
        self.available(Some(better), None)
            .saturating_add(own)
            .saturating_add(ahead)
    }

    /// Puts an own order at the end of its price's queue, behind all outside quantity there.
    pub fn rest(&mut self, price: Price, id: u64, account: AccountId, remaining: i64) {
        let r = Resting {
            id,
            account,
            remaining,
            ahead: self.outside_at(price),
        };
        let key = price.0 * self.sign;
        match self.own.binary_search_by_key(&key, |l| l.key) {
            Ok(i) => self.own[i].queue.push(r),
            Err(i) => self.own.insert(
                i,
                OwnLevel {
                    key,
                    queue: vec![r],
                },
            ),
        }
        self.touch(price);
    }

    /// Takes an own order off.
    pub fn unrest(&mut self, price: Price, id: u64) {
        self.edit(price, |queue| queue.retain(|r| r.id != id));
    }

    /// Lowers an own order's remaining lots; gone at 0.
    pub fn reduce(&mut self, price: Price, id: u64, lots: i64) {
        self.edit(price, |queue| {
            if let Some(r) = queue.iter_mut().find(|r| r.id == id) {
                r.remaining -= lots;
            }
            queue.retain(|r| r.remaining > 0);
        });
    }

    fn edit(&mut self, price: Price, f: impl FnOnce(&mut Vec<Resting>)) {
        let key = price.0 * self.sign;
        if let Ok(i) = self.own.binary_search_by_key(&key, |l| l.key) {
            f(&mut self.own[i].queue);
            if self.own[i].queue.is_empty() {
                self.own.remove(i);
            }
            self.touch(price);
        }
    }

    /// A taker took outside lots: the level shrinks until the source speaks of it again, and so does every queue ahead.
    pub fn consume(&mut self, price: Price, lots: i64) {
        let key = price.0 * self.sign;
        if let Ok(i) = self.find(key) {
            self.outside[i].1 -= lots;
            if self.outside[i].1 <= 0 {
                self.outside.remove(i);
            }
        }
        self.advance_queue(price, lots);
        self.touch(price);
    }

    /// `lots` of outside quantity in front of own orders at `price` are gone.
    pub fn advance_queue(&mut self, price: Price, lots: i64) {
        let key = price.0 * self.sign;
        if let Ok(i) = self.own.binary_search_by_key(&key, |l| l.key) {
            for r in &mut self.own[i].queue {
                r.ahead = (r.ahead - lots).max(0);
            }
        }
    }

    fn touch(&mut self, price: Price) {
        if let Err(i) = self.dirty.binary_search(&price.0) {
            self.dirty.insert(i, price.0);
        }
    }

    /// Turns the source's changes into changes of the combined book, own changes since the last frame included.
    pub fn merge_into(&mut self, levels: &mut BookLevels) {
        if self.own.is_empty() && self.dirty.is_empty() {
            return;
        }
        for (p, q) in levels.iter_mut() {
            if self.dirty.binary_search(&p.0).is_ok() || self.level(*p).is_some() {
                *q = Qty(self.combined_at(*p));
            }
        }
        for p in std::mem::take(&mut self.dirty) {
            if !levels.iter().any(|(l, _)| l.0 == p) {
                levels.push((Price(p), Qty(self.combined_at(Price(p)))));
            }
        }
    }

    /// Every own order with its price, best first, oldest first.
    #[cfg(test)]
    pub fn own_orders(&self) -> Vec<(Price, Resting)> {
        self.own
            .iter()
            .rev()
            .flat_map(|l| l.queue.iter().map(move |r| (Price(l.key * self.sign), *r)))
            .collect()
    }
}
