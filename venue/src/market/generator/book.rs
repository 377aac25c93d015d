//! The outside book of one contract: quantities on a ring of ticks around the mid, and what changed since the last event.
//!
//! Where levels stand, how large they are and which of them change follows tables fitted to a recorded book, by distance
//! from the best price in bp; coarse ticks put several of the recorded levels on one. The sizes of the best ten levels a
//! side are then set so that their imbalance is the one asked for, whatever the price did.

use crate::market::rng::{QUANTILES, Rng, exp, ln, normal_quantiles};
use helios_core::fixed::{Price, Qty};
use helios_core::market::BookLevels;

const RING: usize = 1 << 14;
const MASK: i64 = RING as i64 - 1;
/// Levels a side that the imbalance is made of.
const TOP: usize = 10;

/// What the book is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// A tick, in bp of the price at the start.
    pub(crate) tick_bp: f64,
    /// Lots in one BTC worth of this contract, times its depth: scales every size.
    pub(crate) lots_per_unit: f64,
}

/// One contract's book.
#[derive(Clone, Debug)]
pub(crate) struct RingBook {
    ring: Vec<u32>,
    bid: i64,
    ask: i64,
    /// Ticks kept on each side.
    reach: i64,
    /// Probability that a tick at this distance is occupied, of 2^16.
    occupied: Vec<u16>,
    /// Quantiles of the distance of a change, ticks.
    distance: Vec<i64>,
    /// Quantiles of a level's size, lots.
    size: Vec<u32>,
    /// Mean of the best ten levels' total of both sides, lots.
    top_lots: f64,
    bids: Vec<i64>,
    asks: Vec<i64>,
}

impl RingBook {
    /// A filled book with the given best bid.
    pub(crate) fn new(shape: Shape, bid: i64, rng: &mut Rng) -> Self {
        let reach = ((66.0 / shape.tick_bp) as i64)
            .clamp(1_200, 4_096)
            .min(bid / 2);
        let ratio = shape.tick_bp / BTC_TICK_BP;
        let occupied = (0..=reach)
            .map(|d| {
                let one = occupancy(d as f64 * shape.tick_bp / BTC_TICK_BP);
                let any = 1.0 - exp(ratio * ln(1.0 - one));
                (any.clamp(0.02, 0.97) * 65_536.0) as u16
            })
            .collect();
        let distance = normal_quantiles()
            .iter()
            .map(|&z| {
                // Median 418 recorded ticks, the far tail fatter than the near one.
                let s = if z < 0.0 { 1.5 } else { 1.75 };
                let d = 418.0 * exp(s * z) * BTC_TICK_BP / shape.tick_bp;
                (d as i64).clamp(1, reach - 2)
            })
            .collect();
        let size = normal_quantiles()
            .iter()
            .map(|z| {
                let q = 0.12 * exp(1.9 * z).min(160.0) * ratio.max(1.0).sqrt();
                lots(q * shape.lots_per_unit)
            })
            .collect();
        let mut b = Self {
            ring: vec![0; RING],
            bid,
            ask: bid + 1,
            reach,
            occupied,
            distance,
            size,
            top_lots: 10.5 * shape.lots_per_unit,
            bids: Vec::new(),
            asks: Vec::new(),
        };
        for p in bid - reach..=bid + 1 + reach {
            let q = b.draw(rng, p);
            b.set(p, q);
        }
        b
    }

    /// Best bid, ticks.
    pub(crate) fn bid(&self) -> i64 {
        self.bid
    }

    /// Best ask, ticks.
    pub(crate) fn ask(&self) -> i64 {
        self.ask
    }

    /// Moves the best prices; levels that are passed change sides or go.
    pub(crate) fn shift(&mut self, rng: &mut Rng, bid: i64, ask: i64) {
        let (ob, oa) = (self.bid, self.ask);
        if (bid, ask) == (ob, oa) {
            return;
        }
        let (lo, hi) = (ob.min(bid), oa.max(ask));
        for p in lo..=hi {
            let was = side(p, ob, oa);
            let is = side(p, bid, ask);
            if was == is {
                continue;
            }
            if was != 0 && self.get(p) > 0 {
                self.touch(was, p);
            }
            self.set(p, 0);
        }
        (self.bid, self.ask) = (bid, ask);
        for p in lo..=hi {
            let is = side(p, bid, ask);
            if is != 0 && is != side(p, ob, oa) {
                self.refill(rng, is, p);
            }
        }
        self.edge(rng, ob - self.reach, bid - self.reach, -1);
        self.edge(rng, oa + self.reach, ask + self.reach, 1);
    }

    /// The far edge of a side goes from `old` to `new`: what lies beyond it is removed, what comes in is filled.
    fn edge(&mut self, rng: &mut Rng, old: i64, new: i64, side: i8) {
        let inward = (new - old) * i64::from(side) < 0;
        let (lo, hi) = if side < 0 {
            (old.min(new), old.max(new) - 1)
        } else {
            (old.min(new) + 1, old.max(new))
        };
        for p in lo..=hi {
            if inward {
                if self.get(p) > 0 {
                    self.touch(side, p);
                    self.set(p, 0);
                }
            } else {
                self.refill(rng, side, p);
            }
        }
    }

    /// Changes `n` levels somewhere in the book.
    pub(crate) fn churn(&mut self, rng: &mut Rng, n: u32) {
        for _ in 0..n {
            let r = rng.bits();
            let i = (r & 1023) as usize;
            let d = self.distance[i];
            // Anywhere up to the next quantile.
            let gap = self.distance[(i + 1).min(QUANTILES - 1)] - d;
            let d = d + if gap > 1 {
                (((r >> 10) & 0xffff) as i64 * gap) >> 16
            } else {
                0
            };
            let (s, p) = if r >> 63 == 0 {
                (-1, self.bid - d)
            } else {
                (1, self.ask + d)
            };
            let q = if ((r >> 26) & 0xffff) as u16 >= self.occupied[d as usize] {
                0
            } else {
                self.size[((r >> 42) & 1023) as usize]
            };
            if q != self.get(p) {
                self.set(p, q);
                self.touch(s, p);
            }
        }
    }

    /// Sets the sizes of the best ten levels a side: `nobi` is their imbalance, `depth` their total relative to its mean.
    pub(crate) fn balance(&mut self, nobi: f64, depth: f64) {
        let total = self.top_lots * depth;
        self.balance_side(-1, 0.5 * total * (1.0 - nobi));
        self.balance_side(1, 0.5 * total * (1.0 + nobi));
    }

    fn balance_side(&mut self, side: i8, target: f64) {
        let best = if side < 0 { self.bid } else { self.ask };
        let mut found = [0i64; TOP - 1];
        let mut n = 0;
        let mut others = 0.0;
        for d in 1..self.reach {
            let p = best + d * i64::from(side);
            let q = self.get(p);
            if q > 0 {
                found[n] = p;
                n += 1;
                others += f64::from(q);
                if n == TOP - 1 {
                    break;
                }
            }
        }
        // The best level holds at least this share: as recorded, it is most of the ten.
        let room = 0.42 * target;
        if others > room {
            let f = room / others;
            others = 0.0;
            for &p in &found[..n] {
                let q = lots(f64::from(self.get(p)) * f);
                others += f64::from(q);
                if q != self.get(p) {
                    self.set(p, q);
                    self.touch(side, p);
                }
            }
        }
        let q = lots(target - others);
        if q != self.get(best) {
            self.set(best, q);
        }
        self.touch(side, best);
    }

    /// What changed since the last call, bids then asks, each in ascending order of price.
    pub(crate) fn take_changes(&mut self) -> (BookLevels, BookLevels) {
        let mut b = std::mem::take(&mut self.bids);
        let mut a = std::mem::take(&mut self.asks);
        let (bid, ask) = (self.bid, self.ask);
        let out = |v: &mut Vec<i64>, ours: &dyn Fn(i64) -> bool| -> BookLevels {
            v.sort_unstable();
            v.dedup();
            v.iter()
                .map(|&p| {
                    (
                        Price(p),
                        Qty(if ours(p) { i64::from(self.get(p)) } else { 0 }),
                    )
                })
                .collect()
        };
        let lows = bid - self.reach;
        let highs = ask + self.reach;
        let bids = out(&mut b, &|p| p <= bid && p >= lows);
        let asks = out(&mut a, &|p| p >= ask && p <= highs);
        b.clear();
        a.clear();
        (self.bids, self.asks) = (b, a);
        (bids, asks)
    }

    /// The whole book, best first.
    pub(crate) fn levels(&self) -> (BookLevels, BookLevels) {
        let one = |p: i64| {
            let q = self.get(p);
            (q > 0).then(|| (Price(p), Qty(i64::from(q))))
        };
        (
            (0..=self.reach).filter_map(|d| one(self.bid - d)).collect(),
            (0..=self.reach).filter_map(|d| one(self.ask + d)).collect(),
        )
    }

    fn get(&self, p: i64) -> u32 {
        self.ring[(p & MASK) as usize]
    }

    fn set(&mut self, p: i64, q: u32) {
        self.ring[(p & MASK) as usize] = q;
    }

    fn touch(&mut self, side: i8, p: i64) {
        if side < 0 {
            &mut self.bids
        } else {
            &mut self.asks
        }
        .push(p);
    }

    fn draw(&self, rng: &mut Rng, p: i64) -> u32 {
        let d = (self.bid - p).max(p - self.ask).clamp(0, self.reach) as usize;
        let r = rng.bits();
        if d > 0 && (r & 0xffff) as u16 >= self.occupied[d] {
            return 0;
        }
        self.size[((r >> 16) & 1023) as usize]
    }

    fn refill(&mut self, rng: &mut Rng, side: i8, p: i64) {
        let q = self.draw(rng, p);
        self.set(p, q);
        if q > 0 {
            self.touch(side, p);
        }
    }
}

/// A tick of BTCUSDT at the recording's price.
const BTC_TICK_BP: f64 = 0.0162;

/// Share of occupied ticks in the recorded book, by distance from the best in recorded ticks.
fn occupancy(ticks: f64) -> f64 {
    const AT: [(f64, f64); 6] = [
        (0.0, 0.2),
        (60.0, 0.35),
        (250.0, 0.55),
        (900.0, 0.65),
        (2_000.0, 0.5),
        (4_500.0, 0.15),
    ];
    let mut last = AT[0];
    for p in AT {
        if ticks <= p.0 {
            let w = if p.0 > last.0 {
                (ticks - last.0) / (p.0 - last.0)
            } else {
                0.0
            };
            return last.1 + w * (p.1 - last.1);
        }
        last = p;
    }
    last.1
}

fn side(p: i64, bid: i64, ask: i64) -> i8 {
    if p <= bid { -1 } else { i8::from(p >= ask) }
}

fn lots(x: f64) -> u32 {
    (x + 0.5).clamp(1.0, 4e9) as u32
}

#[cfg(test)]
mod tests;
