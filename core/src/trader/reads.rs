//! Reads of the venue, believed: what they prove about the position, whose orders stand there, and what is adopted.
//!
//! Fills newer than a read are no contradiction; a read that can't be placed in time is repeated; what is left is the
//! venue's. Numbers no account has make a read that failed, not a position (I22).

use super::ledger::FillContext;
use super::{Trader, TraderEffect};
use crate::fixed::{Money, Qty};
use crate::messages::{ExitReason, Severity};
use crate::order::client_id::{self, Role};
use crate::order::{ClientId, IdMaker, TradeFill, VenueState};
use crate::risk::stops::StopPlan;
use crate::time::{NS_PER_MS, Now};
use rust_decimal::Decimal;

/// Fills and the venue's word on the position may differ for this long before the venue is read.
const CLAIM_PATIENCE_NS: u64 = 300 * NS_PER_MS;
/// A position found without ATR gets its stop at this fraction of the price after [`ATR_PATIENCE_NS`].
const FALLBACK_STOP: Decimal = Decimal::from_parts(1, 0, 0, false, 2);
/// Beyond these no account has a position, a price or money.
const MAX_LOTS: i64 = 1_000_000_000_000;
const MAX_TICKS: i64 = 1_000_000_000_000;
const MOST: Decimal = Decimal::from_parts(0xd4a5_1000, 0xe8, 0, false, 0);
const ATR_PATIENCE_NS: u64 = 500 * NS_PER_MS;

impl Trader {
    /// The stream's word on the position against the sum of fills: a lasting difference is a doubt.
    pub(super) fn check_claim(&mut self, now: Now) {
        let differs = self.claim.is_some_and(|(q, _)| q != self.ledger.qty());
        if !differs {
            self.claim_differs_ns = None;
            return;
        }
        let since = *self.claim_differs_ns.get_or_insert(now.mono_ns);
        if now.mono_since(since) >= CLAIM_PATIENCE_NS {
            self.recon.want();
        }
    }

    /// Something at the venue is not as it was: nothing is entered on what was believed.
    pub(super) fn on_doubt(&mut self, now: Now, why: &str, out: &mut Vec<TraderEffect>) {
        self.doubt_ns = Some(now.mono_ns);
        self.recon.want();
        out.push(self.alert(Severity::Warning, "VenueDoubt", why.into()));
    }

    pub(super) fn on_reconciled(
        &mut self,
        now: Now,
        asked_at: u64,
        s: &VenueState,
        out: &mut Vec<TraderEffect>,
    ) {
        if !plausible(s.position.qty, s.position.entry_price)
            || !s.trades.iter().all(|(_, f)| plausible_fill(f))
        {
            // Numbers no account has: a read that failed, not a position (I22).
            self.recon.failed(now, asked_at);
            out.push(self.alert(
                Severity::Critical,
                "ImplausibleRead",
                format!(
                    "position {} lots at {}",
                    s.position.qty.0, s.position.entry_price
                ),
            ));
            return;
        }
        if !self.recon.answered(now, asked_at) {
            return;
        }
        let ids = all_ids(s);
        if ids.iter().any(|id| self.check_id(id, out)) {
            return;
        }
        let first = self.ids.is_none();
        if first {
            let incarnation =
                client_id::next_incarnation(&self.config.account, s.venue_ms, ids.iter().copied());
            self.ids = Some(IdMaker::new(
                &self.config.account,
                Role::Worker,
                &self.config.strategy_uid,
                &self.config.info.instrument.symbol,
                incarnation,
            ));
        }
        self.foreign = s.orders.iter().any(|o| self.is_foreign(&o.client_id))
            || s.stops.iter().any(|o| self.is_foreign(&o.client_id));
        self.isolated = s.position.isolated;
        let before = self.ledger.qty();
        let mut outs = std::mem::take(&mut self.order_outs);
        self.orders.on_reconciled(now, s, &mut outs);
        for o in outs.drain(..) {
            self.on_orders_out(now, o, false, out);
        }
        self.order_outs = outs;
        self.settle_position(now, s, asked_at, before, first, out);
        self.arm_adopted(now, out);
        self.with_stops(now, out, |k, ids, o| k.on_reconciled(now, s, ids, o));
        if self.user_up && !self.user_reconciled {
            if asked_at >= self.user_up_ns {
                self.user_reconciled = true;
            } else {
                self.recon.want();
            }
        }
    }

    fn is_foreign(&self, id: &ClientId) -> bool {
        !client_id::is_ours(&self.config.account, id) && !client_id::is_forced_close(id)
    }

    /// Compares the position read with the one fills make. Fills newer than the read are no contradiction; a read that
    /// can't be placed in time is repeated; what is left is the venue's.
    fn settle_position(
        &mut self,
        now: Now,
        s: &VenueState,
        sent_ns: u64,
        before: Qty,
        first: bool,
        out: &mut Vec<TraderEffect>,
    ) {
        let venue = s.position.qty;
        let dated = s.position.update_ms > 0;
        let as_of_ms = if dated {
            s.position.update_ms
        } else {
            i64::MAX
        };
        if self.ledger.qty() == venue {
            self.claim = None;
            self.doubt_ns = self.doubt_ns.filter(|t| *t > sent_ns);
            return;
        }
        if !first {
            if dated && self.ledger.qty_as_of(as_of_ms) == venue {
                return;
            }
            let undatable = !dated && self.ledger.filled_since(sent_ns);
            let fills_ahead = before == venue && self.ledger.qty() != before;
            if undatable || fills_ahead {
                self.recon.want();
                return;
            }
            out.push(self.alert(
                Severity::Warning,
                "PositionMismatch",
                format!(
                    "fills make {} lots, the venue says {}: the venue's position is taken over",
                    self.ledger.qty().0,
                    venue.0
                ),
            ));
        }
        let (entry_id, fees) = opening_fills(s);
        let mid = self
            .feed
            .mid()
            .or(self.feed.last_mark())
            .unwrap_or(s.position.entry_price);
        let cx = FillContext {
            client_id: entry_id,
            mid,
            reason: self
                .leaving
                .as_ref()
                .map_or(ExitReason::External, |l| l.reason),
            transact_ms: if dated {
                s.position.update_ms
            } else {
                s.venue_ms
            },
            streamed_ns: None,
        };
        let closed = self
            .ledger
            .adopt(venue, s.position.entry_price, as_of_ms, fees, &cx);
        if let Some(trade) = closed {
            self.on_closed(now, trade, out);
        }
        self.claim = None;
        self.claim_differs_ns = None;
        self.doubt_ns = self.doubt_ns.filter(|t| *t > sent_ns);
    }

    /// An adopted position needs a stop plan: ATR as it is now, or a fallback when ATR does not come.
    pub(super) fn arm_adopted(&mut self, now: Now, out: &mut Vec<TraderEffect>) {
        if self.ledger.qty().is_zero() || self.plan.is_some() || self.ids.is_none() {
            return;
        }
        let e = crate::signal::effective(&self.params, self.feed.regime());
        let plan = match self.feed.atr() {
            Some(atr) => StopPlan {
                atr,
                distance: atr * e.atr_multiplier,
            },
            None => {
                let since = *self.atr_awaited_ns.get_or_insert(now.mono_ns);
                let entry = self.ledger.entry_price().unwrap_or(Decimal::ZERO);
                if now.mono_since(since) < ATR_PATIENCE_NS || entry <= Decimal::ZERO {
                    return;
                }
                out.push(self.alert(
                    Severity::Warning,
                    "StopWithoutAtr",
                    "a position was found and ATR is not known: its stop stands 1 % away".into(),
                ));
                let distance = entry * FALLBACK_STOP;
                StopPlan {
                    atr: distance / Decimal::TWO,
                    distance,
                }
            }
        };
        self.atr_awaited_ns = None;
        self.plan = Some(plan);
        self.stops.arm(plan);
        self.with_stops(now, out, |s, ids, o| s.on_tick(now, ids, o));
    }
}

/// A position any account could have.
pub(super) fn plausible(qty: Qty, entry: Decimal) -> bool {
    qty.0.unsigned_abs() <= MAX_LOTS as u64 && entry >= Decimal::ZERO && entry < MOST
}

pub(super) fn plausible_fill(f: &TradeFill) -> bool {
    (1..=MAX_LOTS).contains(&f.qty.0)
        && (1..=MAX_TICKS).contains(&f.price.0)
        && f.fee.abs() < MOST
        && f.realised.abs() < MOST
}

fn all_ids(s: &VenueState) -> Vec<&ClientId> {
    s.orders
        .iter()
        .map(|o| &o.client_id)
        .chain(s.stops.iter().map(|o| &o.client_id))
        .chain(s.recent_ids.iter())
        .chain(s.trades.iter().filter_map(|(id, _)| id.as_ref()))
        .collect()
}

/// Id and fees of the fills that opened the position read: the newest ones that realised nothing, if they add up to it.
fn opening_fills(s: &VenueState) -> (String, Money) {
    let (mut lots, mut fees, mut id) = (0, Decimal::ZERO, String::new());
    for (client_id, fill) in s.trades.iter().rev() {
        if lots >= s.position.qty.0.abs() || !fill.realised.is_zero() {
            break;
        }
        lots += fill.qty.0;
        fees += fill.fee;
        if let Some(c) = client_id {
            id = c.to_string();
        }
    }
    if lots == s.position.qty.0.abs() {
        (id, fees)
    } else {
        (id, Decimal::ZERO)
    }
}
