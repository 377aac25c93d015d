//! What sizing looks at, and what the coordinator is asked for.

use super::Trader;
use super::gates::Terms;
use super::permission::Wish;
use crate::fixed::Side;
use crate::messages::Grant;
use crate::params::{Environment, Sizing};
use crate::risk::kelly::{Kelly, kelly};
use crate::risk::sizing::{SizeInputs, size};
use crate::signal::{Effective, effective};
use crate::time::Now;
use rust_decimal::Decimal;

/// Before the first grant nothing is known of equity: as much as this is asked for.
const FIRST_WISH: Decimal = Decimal::from_parts(1_000_000, 0, 0, false, 0);

impl Trader {
    pub(super) fn size_inputs<'a>(
        &'a self,
        t: &Terms,
        k: &Kelly,
        grant: &Grant,
        e: &Effective,
        live: bool,
    ) -> SizeInputs<'a> {
        let inst = &self.config.info.instrument;
        SizeInputs {
            info: &self.config.info,
            risk: &self.params.risk,
            kelly_fraction: e.kelly_fraction,
            live,
            kelly: *k,
            equity: grant.equity,
            available: grant.available,
            ceiling: grant.ceiling,
            // The account's limit on the symbol is in the ceiling: only the coordinator knows it.
            symbol_limit: None,
            position_notional: inst.notional(t.value, self.ledger.qty()),
            open_entries: inst.notional(t.value, self.orders.open_entry_qty()),
            price: t.value,
            stop_distance: t.plan.distance,
            costs: t.costs,
        }
    }

    /// What the next grant question asks for: the size an entry would have now, without a ceiling.
    pub(super) fn wish(&self, now: Now) -> Wish {
        let inst = &self.config.info.instrument;
        let qty = self.ledger.qty();
        let mark = self
            .feed
            .last_mark()
            .or_else(|| self.feed.mid())
            .or(self.ledger.entry_price())
            .unwrap_or(Decimal::ZERO);
        let open = self.orders.open_entry_qty();
        let open_entries = match &self.entry {
            Some(e) if !open.is_zero() => inst.notional(e.price, open),
            _ => inst.qty_dec(open) * mark,
        };
        let position = inst.qty_dec(qty) * mark;
        let held_now = position.abs() + open_entries;
        let idle = self.params.suspend || self.draining.is_some() || self.shutting.is_some();
        let e = effective(&self.params, self.feed.regime());
        let risk_rate = Decimal::new(2, 2);
        let mut wish = Wish {
            notional: held_now,
            position,
            open_entries,
            risk: held_now * risk_rate,
        };
        let terms = self.terms(now, self.signal.unwrap_or(Side::Buy), &e).ok();
        let rate = terms
            .as_ref()
            .map_or(risk_rate, |t| t.plan.distance / t.mid + t.costs);
        if !idle {
            let floor = inst.min_notional * Decimal::from(4);
            let size = match (self.permission.newest(), &terms) {
                (Some(g), Some(t)) => {
                    let live = self.config.environment == Environment::Live;
                    let k = kelly(&g.kelly, &self.params.risk.prior, None);
                    let x = SizeInputs {
                        ceiling: FIRST_WISH * FIRST_WISH,
                        position_notional: Decimal::ZERO,
                        open_entries: Decimal::ZERO,
                        ..self.size_inputs(t, &k, g, &e, live)
                    };
                    // A little more, so that the next tick's size still fits.
                    size(&x).map_or(floor, |s| s.notional * Decimal::new(102, 2))
                }
                (Some(_), None) => floor,
                (None, _) => self
                    .params
                    .risk
                    .fixed_notional
                    .filter(|_| self.params.risk.sizing == Sizing::FixedNotional)
                    .unwrap_or(FIRST_WISH),
            };
            wish.notional = held_now.max(size).max(floor);
        }
        wish.risk = wish.notional * rate;
        wish
    }
}
