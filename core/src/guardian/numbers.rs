//! The account in numbers, for people and for metrics. Nothing is decided on what is made here.

use super::Guardian;
use super::ledger::Slot;
use super::picture::SymbolView;
use super::usage::both;
use crate::instrument::{Symbol, SymbolInfo};
use crate::messages::{AccountNumbers, Health, RateReport, SymbolNumbers, WorkerHealth};
use crate::risk::margin::{CrossPosition, HUNDRED, Margin, liquidation_price};
use crate::time::{NS_PER_MS, Now};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

impl Guardian {
    pub(super) fn numbers(&self, now: Now) -> AccountNumbers {
        let m = self.margin.unwrap_or_default();
        let age = |at: u64| now.mono_since(at) / NS_PER_MS;
        let symbols = self.picture.open().filter_map(|(s, v)| {
            let info = self.info(s)?;
            Some((s.to_string(), self.symbol_numbers(now, s, v, info)))
        });
        AccountNumbers {
            wallet: self.picture.wallet.unwrap_or_default(),
            available: self.available(),
            maintenance: m.maintenance,
            gross_leverage: per_equity(m.gross_notional, &m),
            promised: self.promised(),
            peak_equity: self.state.peak_equity,
            day_start_equity: self.state.day_start_equity,
            input_age_ms: self.picture.age(now).map(|a| a / NS_PER_MS),
            read_age_ms: self.picture.read.map(|r| age(r.1)),
            symbols: symbols.collect(),
        }
    }

    /// Σ over symbols of what is held or may still be opened under promises.
    fn promised(&self) -> Decimal {
        let held = both(&self.picture.symbols, self.ledger.slots()).map(|(s, view, slot)| {
            let reserved = slot.map_or(Decimal::ZERO, Slot::reserved);
            let used = view.filter(|v| !v.is_idle());
            let used = used.and_then(|v| v.usage(self.info(s)));
            used.unwrap_or_default().max(reserved)
        });
        held.sum()
    }

    fn symbol_numbers(
        &self,
        now: Now,
        symbol: &Symbol,
        v: &SymbolView,
        info: &SymbolInfo,
    ) -> SymbolNumbers {
        let m = self.margin.unwrap_or_default();
        let notional = v
            .value()
            .and_then(|p| info.instrument.qty_dec(v.qty).checked_mul(p))
            .unwrap_or_default();
        SymbolNumbers {
            notional,
            leverage: per_equity(notional.abs(), &m),
            maintenance: self.maintenance_of(symbol, v).unwrap_or_default(),
            mark: v.mark.map(|m| m.0),
            mark_age_ms: v.mark.map(|m| now.mono_since(m.2) / NS_PER_MS),
            stop: v.nearest_stop(),
            liquidation_distance_percent: self.liquidation_distance(symbol, v, info),
        }
    }

    /// `|mark − liquidation price| / mark`, percent, where the liquidation price is the mark of this symbol alone at which
    /// `wallet + Σ unrealised = Σ maintenance` with this symbol's maintenance reckoned in the bracket of its notional
    /// there ([`liquidation_price`]). 0 when it is reached already; `None` for an isolated position, for numbers that are
    /// unknown, and where no positive price does it.
    fn liquidation_distance(
        &self,
        symbol: &str,
        v: &SymbolView,
        info: &SymbolInfo,
    ) -> Option<Decimal> {
        if v.isolated {
            return None;
        }
        let mut others = Margin::default();
        for (s, o) in self.picture.open() {
            if **s == *symbol || o.isolated {
                continue;
            }
            let p = cross(o, self.info(s)?)?;
            others.unrealised += p.unrealised()?;
            others.maintenance += p.maintenance()?;
        }
        let wallet = self.picture.wallet?;
        let own = cross(v, info)?;
        let price = liquidation_price(wallet, &others, &own)?;
        let adverse = if v.qty.0 > 0 {
            own.mark - price
        } else {
            price - own.mark
        };
        adverse
            .max(Decimal::ZERO)
            .checked_mul(HUNDRED)?
            .checked_div(own.mark)
    }

    pub(super) fn health(&self, now: Now) -> Health {
        let workers = self.heard.iter().map(|(s, h)| {
            let health = WorkerHealth {
                task_uid: h.task_uid.clone(),
                life: h.life.clone(),
                strategy: h.strategy.clone(),
                ready: h.ready,
                heard_ms: now.mono_since(h.heard_at) / NS_PER_MS,
                epoch: h.epoch,
                schema: h.schema,
                protected: h.protected,
                params: h.params,
                refused: h.refused,
                alarms: h.alarms,
                realised_net: h.realised_net,
            };
            (s.to_string(), health)
        });
        let mut rates: BTreeMap<String, RateReport> = BTreeMap::new();
        for r in self.heard.values().filter_map(|h| h.rates.as_ref()) {
            let sum = rates.entry(r.egress.clone()).or_default();
            sum.egress.clone_from(&r.egress);
            sum.weight_1m = sum.weight_1m.saturating_add(r.weight_1m);
            sum.orders_1m = sum.orders_1m.saturating_add(r.orders_1m);
            sum.held_back = sum.held_back.saturating_add(r.held_back);
            sum.limited = sum.limited.saturating_add(r.limited);
            // Everybody on the IP sees the same counter.
            sum.weight_seen_1m = sum.weight_seen_1m.max(r.weight_seen_1m);
        }
        Health {
            workers: workers.collect(),
            rates,
        }
    }
}

fn cross<'a>(v: &SymbolView, info: &'a SymbolInfo) -> Option<CrossPosition<'a>> {
    Some(CrossPosition {
        qty: info.instrument.qty_dec(v.qty),
        entry: v.entry,
        mark: v.value()?,
        brackets: &info.brackets,
    })
}

fn per_equity(notional: Decimal, m: &Margin) -> Decimal {
    if m.balance <= Decimal::ZERO {
        return Decimal::ZERO;
    }
    notional.checked_div(m.balance).unwrap_or_default()
}
