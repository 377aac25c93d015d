//! Bars of trade prices at market time, and larger bars from smaller ones.
//!
//! An interval without a trade yields a flat bar at the last close, volume 0, as the exchange's own klines do: ATR then
//! decays in a quiet market instead of standing still. An interval that was not observed from its start to its end
//! (start of the stream, [`BarBuilder::interrupt`]) yields no bar, because its range would be understated.
//! Borders: never reads a clock; time comes with trades and [`BarBuilder::on_time`].

use super::{AggTrade, Bar};
use crate::fixed::{Price, Qty};

/// Flat bars emitted in a row at most; a longer silence is an outage, and the builder starts anew.
const MAX_FLAT: i64 = 500;

/// Builds bars from aggregate trades.
#[derive(Clone, Debug)]
pub struct BarBuilder {
    interval_ms: i64,
    /// Trades of the running interval, `None` before its first.
    running: Option<Bar>,
    /// Open time of the first interval that may be emitted or is running; `None` before any time is known.
    open_ms: Option<i64>,
    last_close: Option<Price>,
    last_id: Option<u64>,
    outside: u64,
}

impl BarBuilder {
    /// Bars of `interval_ms` (at least 1), opening at multiples of it.
    pub fn new(interval_ms: i64) -> Self {
        Self {
            interval_ms: interval_ms.max(1),
            running: None,
            open_ms: None,
            last_close: None,
            last_id: None,
            outside: 0,
        }
    }

    /// Bar length, ms.
    pub const fn interval_ms(&self) -> i64 {
        self.interval_ms
    }

    /// Trades in no bar: before the first whole interval, or after theirs was closed.
    pub const fn outside(&self) -> u64 {
        self.outside
    }

    /// The close that flat bars take when no trade was seen yet, e.g. the newest bar of the history.
    pub fn seed_close(&mut self, close: Price) {
        self.last_close.get_or_insert(close);
    }

    /// The trade stream was lost: the running bar and all intervals until the stream is back yield nothing.
    pub fn interrupt(&mut self) {
        self.running = None;
        self.open_ms = None;
    }

    /// Takes a trade (at its trade time `T`), appending the bars it closes. Repeated ids are dropped.
    pub fn on_trade(&mut self, t: &AggTrade, out: &mut Vec<Bar>) {
        if self.last_id.is_some_and(|id| t.id <= id) {
            return;
        }
        self.last_id = Some(t.id);
        self.close_until(t.transact_ms, out);
        let open_ms = self.start_of(t.transact_ms);
        if self.open_ms != Some(open_ms) {
            self.outside += 1;
            if self.running.is_none() {
                self.last_close = Some(t.price);
            }
            return;
        }
        self.last_close = Some(t.price);
        let bar = self.running.get_or_insert(Bar {
            open_ms,
            interval_ms: self.interval_ms,
            open: t.price,
            high: t.price,
            low: t.price,
            close: t.price,
            volume: Qty::ZERO,
        });
        bar.high = bar.high.max(t.price);
        bar.low = bar.low.min(t.price);
        bar.close = t.price;
        bar.volume.0 = bar.volume.0.saturating_add(t.qty.0);
    }

    /// Market time passed: appends the bars that are over. A trade of the closing moment may still be under way, so a bar
    /// closes by time a tenth of its length (at most 1 s) after its end.
    pub fn on_time(&mut self, market_ms: i64, out: &mut Vec<Bar>) {
        self.close_until(market_ms - (self.interval_ms / 10).min(1000), out);
    }

    fn start_of(&self, ms: i64) -> i64 {
        ms.div_euclid(self.interval_ms) * self.interval_ms
    }

    /// Closes every interval that ended at or before `ms`.
    fn close_until(&mut self, ms: i64, out: &mut Vec<Bar>) {
        let now_open = self.start_of(ms);
        let Some(mut open) = self.open_ms else {
            // The running interval was not seen from its start unless time stands exactly at it.
            let whole = if now_open == ms {
                now_open
            } else {
                now_open + self.interval_ms
            };
            self.open_ms = Some(whole);
            return;
        };
        if (now_open - open) / self.interval_ms > MAX_FLAT {
            self.interrupt();
            self.last_close = None;
            return self.close_until(ms, out);
        }
        while open < now_open {
            let bar = self.running.take().or_else(|| {
                self.last_close.map(|c| Bar {
                    open_ms: open,
                    interval_ms: self.interval_ms,
                    open: c,
                    high: c,
                    low: c,
                    close: c,
                    volume: Qty::ZERO,
                })
            });
            out.extend(bar);
            open += self.interval_ms;
        }
        self.open_ms = Some(open);
    }
}

/// Larger bars from smaller ones, oldest first. Only bars whose length divides `interval_ms` count, and only groups that
/// are complete: what is missing would understate the range. Flat bars without volume repeat a close from before, so
/// beside real trades they count for nothing.
pub fn aggregate(bars: &[Bar], interval_ms: i64) -> Vec<Bar> {
    let mut out: Vec<Bar> = Vec::new();
    let mut covered = 0;
    let mut group: Option<Bar> = None;
    let mut end = i64::MIN;
    for b in bars {
        let fits = b.interval_ms > 0
            && interval_ms % b.interval_ms == 0
            && b.open_ms.rem_euclid(b.interval_ms) == 0;
        if !fits || b.open_ms < end {
            continue;
        }
        end = b.open_ms + b.interval_ms;
        let open_ms = b.open_ms.div_euclid(interval_ms) * interval_ms;
        match &mut group {
            Some(g) if g.open_ms == open_ms => {
                if g.volume.is_zero() && !b.volume.is_zero() {
                    (g.open, g.high, g.low) = (b.open, b.high, b.low);
                } else if !b.volume.is_zero() {
                    g.high = g.high.max(b.high);
                    g.low = g.low.min(b.low);
                }
                g.close = b.close;
                g.volume.0 = g.volume.0.saturating_add(b.volume.0);
                covered += b.interval_ms;
            }
            _ => {
                covered = b.interval_ms;
                group = Some(Bar {
                    open_ms,
                    interval_ms,
                    ..*b
                });
            }
        }
        if covered == interval_ms {
            out.extend(group.take());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn trade(id: u64, ms: i64, price: i64, qty: i64) -> AggTrade {
        AggTrade {
            id,
            event_ms: ms,
            transact_ms: ms,
            price: Price(price),
            qty: Qty(qty),
            buyer_is_maker: false,
        }
    }

    fn run(b: &mut BarBuilder, trades: &[AggTrade]) -> Vec<Bar> {
        let mut out = Vec::new();
        trades.iter().for_each(|t| b.on_trade(t, &mut out));
        out
    }

    #[test]
    fn a_bar_has_first_highest_lowest_last_and_the_sum() {
        let mut b = BarBuilder::new(1000);
        let bars = run(
            &mut b,
            &[
                trade(1, 1000, 10, 1),
                trade(2, 1200, 14, 2),
                trade(3, 1900, 8, 3),
                trade(4, 1999, 9, 4),
                trade(5, 2000, 11, 1),
            ],
        );
        assert_eq!(
            bars,
            [Bar {
                open_ms: 1000,
                interval_ms: 1000,
                open: Price(10),
                high: Price(14),
                low: Price(8),
                close: Price(9),
                volume: Qty(10)
            }]
        );
    }

    #[test]
    fn an_interval_not_seen_from_its_start_yields_no_bar() {
        let mut b = BarBuilder::new(1000);
        let bars = run(
            &mut b,
            &[
                trade(1, 1500, 10, 1),
                trade(2, 2100, 12, 1),
                trade(3, 3000, 13, 1),
            ],
        );
        assert_eq!(bars.iter().map(|b| b.open_ms).collect::<Vec<_>>(), [2000]);
        b.interrupt();
        let bars = run(
            &mut b,
            &[
                trade(4, 7200, 20, 1),
                trade(5, 8001, 21, 1),
                trade(6, 9000, 22, 1),
            ],
        );
        assert_eq!(bars.iter().map(|b| b.open_ms).collect::<Vec<_>>(), [8000]);
    }

    #[test]
    fn an_empty_interval_yields_a_flat_bar_at_the_last_close() {
        let mut b = BarBuilder::new(1000);
        let bars = run(&mut b, &[trade(1, 1000, 10, 1), trade(2, 4500, 12, 1)]);
        assert_eq!(bars.len(), 3);
        assert!(
            bars[1..]
                .iter()
                .all(|b| b.open == Price(10) && b.high == b.low && b.volume.is_zero())
        );
    }

    #[test]
    fn time_alone_closes_a_bar_after_its_grace_and_repeats_are_dropped() {
        let mut b = BarBuilder::new(1000);
        let mut out = run(&mut b, &[trade(1, 1000, 10, 1), trade(1, 1000, 99, 1)]);
        b.on_time(2099, &mut out);
        assert!(out.is_empty());
        b.on_time(2100, &mut out);
        assert_eq!(out.len(), 1);
        assert_eq!(out[0].high, Price(10));
        b.on_trade(&trade(2, 1999, 50, 1), &mut out);
        assert_eq!(out.len(), 1, "late: its bar is gone");
    }

    #[test]
    fn a_jump_in_time_does_not_flood() {
        let mut b = BarBuilder::new(1000);
        let bars = run(
            &mut b,
            &[trade(1, 1000, 10, 1), trade(2, 9_000_000_000_000, 12, 1)],
        );
        assert!(bars.len() <= MAX_FLAT as usize);
    }

    proptest! {
        #[test]
        fn small_bars_aggregate_to_the_bars_built_directly(
            steps in prop::collection::vec((0i64..1500, 1i64..100, 1i64..5), 1..200),
        ) {
            let mut ms = 0;
            let trades: Vec<_> = steps.iter().enumerate().map(|(i, &(dt, p, q))| {
                let t = trade(i as u64, ms, p, q);
                ms += dt;
                t
            }).collect();
            let small = run(&mut BarBuilder::new(1000), &trades);
            let large = run(&mut BarBuilder::new(5000), &trades);
            prop_assert_eq!(aggregate(&small, 5000), large.clone());
            prop_assert!(large.windows(2).all(|w| w[1].open_ms == w[0].open_ms + 5000));
        }
    }
}
