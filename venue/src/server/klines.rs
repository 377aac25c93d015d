//! Candles: the source's closed bars, and the running one from the trades of the current minute.

use super::frames::{self, SymbolText};
use super::hub::Hub;
use super::interval::interval_name;
use super::stream::Topic;
use crate::engine::SymbolId;
use crate::market::MarketSource;
use helios_core::market::{AggTrade, Bar};
use std::collections::BTreeMap;
use tokio::time::Instant;

const MINUTE: i64 = 60_000;
/// The exchange sends a running candle at most this often, market ms.
const PUSH_EVERY_MS: i64 = 250;

/// Running minute of each contract, and when each candle stream was last sent.
#[derive(Default)]
pub(super) struct Klines {
    minutes: BTreeMap<SymbolId, Bar>,
    sent: BTreeMap<Topic, i64>,
}

fn merge(into: &mut Bar, b: &Bar) {
    into.high = into.high.max(b.high);
    into.low = into.low.min(b.low);
    into.close = b.close;
    into.volume.0 = into.volume.0.saturating_add(b.volume.0);
}

impl Klines {
    /// Adds a trade; the minute that it closed, if it did.
    pub(super) fn on_trade(&mut self, id: SymbolId, t: &AggTrade) -> Option<Bar> {
        let one = Bar {
            open_ms: t.transact_ms - t.transact_ms.rem_euclid(MINUTE),
            interval_ms: MINUTE,
            open: t.price,
            high: t.price,
            low: t.price,
            close: t.price,
            volume: t.qty,
        };
        let bar = self.minutes.entry(id).or_insert(Bar {
            volume: helios_core::fixed::Qty::ZERO,
            ..one
        });
        if bar.open_ms == one.open_ms {
            merge(bar, &one);
            None
        } else {
            Some(std::mem::replace(bar, one))
        }
    }

    /// The running bar of an interval; `None` before its first trade.
    pub(super) fn running(
        &self,
        id: SymbolId,
        interval_ms: i64,
        now_ms: i64,
        source: &dyn MarketSource,
    ) -> Option<Bar> {
        let open_ms = now_ms - now_ms.rem_euclid(interval_ms);
        let minute = self.minutes.get(&id).filter(|m| m.open_ms >= open_ms);
        let mut bars = Vec::new();
        if interval_ms > MINUTE {
            let until = minute.map_or(now_ms, |m| m.open_ms);
            let n = usize::try_from(interval_ms / MINUTE).unwrap_or(1);
            bars = source.history(id, MINUTE, until, n);
            bars.retain(|b| b.open_ms >= open_ms && b.open_ms < until);
        }
        bars.extend(minute);
        let mut bars = bars.into_iter();
        let mut out = bars.next()?;
        for b in bars {
            merge(&mut out, &b);
        }
        out.open_ms = open_ms;
        out.interval_ms = interval_ms;
        Some(out)
    }

    /// Sends the candle streams that a trade changed.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn publish(
        &mut self,
        id: SymbolId,
        t: &AggTrade,
        closed: Option<Bar>,
        text: &SymbolText,
        source: &dyn MarketSource,
        hub: &mut Hub,
        due: Option<Instant>,
    ) {
        let own = Topic::Kline(id, 0);
        let own = hub.topics_from(&own).map_while(|t| match t {
            Topic::Kline(s, i) if *s == id => Some((t.clone(), *i)),
            _ => None,
        });
        let pair = Topic::ContinuousKline(id, 0);
        let pair = hub.topics_from(&pair).map_while(|t| match t {
            Topic::ContinuousKline(s, i) if *s == id => Some((t.clone(), *i)),
            _ => None,
        });
        let wanted: Vec<(Topic, i64)> = own.chain(pair).collect();
        for (topic, interval_ms) in wanted {
            let name = interval_name(interval_ms);
            let frame = |bar: &Bar, closed| match topic {
                Topic::Kline(..) => frames::kline(text, name, t.event_ms, bar, closed),
                _ => frames::continuous_kline(text, name, t.event_ms, bar, closed),
            };
            let open_ms = t.transact_ms - t.transact_ms.rem_euclid(interval_ms);
            if closed.is_some_and(|c| c.open_ms < open_ms) {
                let done = source.history(id, interval_ms, open_ms, 1);
                if let Some(bar) = done.last() {
                    hub.publish(&topic, frame(bar, true), due);
                }
                self.sent.remove(&topic);
            }
            let last = self.sent.get(&topic).copied().unwrap_or(i64::MIN / 2);
            if t.event_ms - last >= PUSH_EVERY_MS {
                if let Some(bar) = self.running(id, interval_ms, t.transact_ms, source) {
                    hub.publish(&topic, frame(&bar, false), due);
                }
                self.sent.insert(topic, t.event_ms);
            }
        }
    }
}
