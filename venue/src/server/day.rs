//! The last 24 hours of each contract, for the ticker endpoint and the ticker streams.
//!
//! Open, extremes and volumes are those of the last 96 closed quarters of an hour, and are put together once for each
//! quarter; the last trade moves price and extremes at once.

use super::frames::SymbolText;
use super::text::{fixed, plain};
use crate::engine::{Engine, SymbolId};
use crate::market::MarketSource;
use helios_core::fixed::{Price, Qty};
use helios_core::market::Bar;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

const DAY: i64 = 86_400_000;
const QUARTER: i64 = 900_000;

/// What is known of a contract's last 24 hours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Day {
    pub(super) open_ms: i64,
    pub(super) close_ms: i64,
    pub(super) open: Price,
    pub(super) high: Price,
    pub(super) low: Price,
    pub(super) last: Price,
    pub(super) last_qty: Qty,
    pub(super) last_id: u64,
    pub(super) volume: Qty,
    /// Quote volume, each quarter's at its close.
    quote: Decimal,
}

/// The quarters of each contract that were put together last, and when.
#[derive(Default)]
pub(super) struct Days(BTreeMap<SymbolId, (i64, Day)>);

impl Days {
    /// A contract's last 24 hours; `None` before there is any history.
    pub(super) fn of(
        &mut self,
        id: SymbolId,
        now_ms: i64,
        engine: &Engine,
        source: &dyn MarketSource,
        text: &SymbolText,
    ) -> Option<Day> {
        let quarter = now_ms.div_euclid(QUARTER);
        let known = self.0.get(&id).filter(|(q, _)| *q == quarter);
        let mut day = match known {
            Some((_, day)) => *day,
            None => {
                let bars = source.history(id, QUARTER, now_ms, (DAY / QUARTER) as usize);
                let day = together(&bars, text)?;
                self.0.insert(id, (quarter, day));
                day
            }
        };
        day.close_ms = now_ms;
        if let Some(t) = engine.last_trade(id) {
            (day.last, day.last_qty, day.last_id) = (t.price, t.qty, t.id);
            day.high = day.high.max(t.price);
            day.low = day.low.min(t.price);
        }
        Some(day)
    }
}

fn together(bars: &[Bar], text: &SymbolText) -> Option<Day> {
    let (first, last) = (bars.first()?, bars.last()?);
    let mut day = Day {
        open_ms: first.open_ms,
        close_ms: 0,
        open: first.open,
        high: first.high,
        low: first.low,
        last: last.close,
        last_qty: Qty::ZERO,
        last_id: 0,
        volume: Qty::ZERO,
        quote: Decimal::ZERO,
    };
    for b in bars {
        day.high = day.high.max(b.high);
        day.low = day.low.min(b.low);
        day.volume = Qty(day.volume.0.saturating_add(b.volume.0));
        day.quote = day.quote.saturating_add(text.quote(b.close, b.volume));
    }
    Some(day)
}

impl Day {
    /// Last price less the first, as text.
    pub(super) fn change(&self, text: &SymbolText) -> String {
        fixed(self.moved(text), text.price.decimals() as u32)
    }

    /// The same in percent of the first.
    pub(super) fn percent(&self, text: &SymbolText) -> String {
        let part = self.moved(text).checked_div(text.price_dec(self.open));
        fixed(part.unwrap_or_default() * Decimal::ONE_HUNDRED, 3)
    }

    /// Average price by volume.
    pub(super) fn average(&self, text: &SymbolText) -> String {
        let base = Decimal::from(self.volume.0).checked_mul(text.step);
        let price = base.and_then(|b| self.quote.checked_div(b));
        plain(price.unwrap_or_default().round_dp(8))
    }

    /// Quote volume.
    pub(super) fn quote_volume(&self) -> String {
        fixed(self.quote, 2)
    }

    fn moved(&self, text: &SymbolText) -> Decimal {
        text.price_dec(self.last) - text.price_dec(self.open)
    }
}
