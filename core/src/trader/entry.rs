//! Entering: every precondition in turn, each with its name, then one order.
//!
//! Cheap checks come first: this runs on each book that triggers. An entry is never resubmitted; what became of it is
//! waited for, then the next book is looked at anew.

use super::gates::{Held, held};
use super::permission::MIN_LEFT_MS;
use super::shadow::{Policy, Prices};
use super::{Trader, TraderEffect};
use crate::fixed::{Price, Qty, Side};
use crate::messages::Severity;
use crate::order::filters::fit_order;
use crate::order::{
    ClientId, EndReason, EntryKind, NewOrder, OrderKind, RefusalClass, TimeInForce,
};
use crate::params::{CostGate, EntryStyle, Environment};
use crate::risk::costs::{bp, stop_pays};
use crate::risk::kelly::kelly;
use crate::risk::sizing::{NoSize, size};
use crate::signal::{Effective, effective};
use crate::time::{NS_PER_MS, NS_PER_S, Now};
use rust_decimal::Decimal;

/// Wall ms within which the exchange must have accepted an entry, at most.
const ENTRY_RECV_WINDOW_MS: u64 = 1000;
/// After an entry that did not fill the next one waits, liveness.
const UNFILLED_PAUSE_NS: u64 = NS_PER_S;
/// A post-only entry is given up after this, liveness.
const REST_NS: u64 = 5 * NS_PER_S;
/// Dead man's switch of resting entries, and how often it is wound up.
const COUNTDOWN_MS: u64 = 10_000;
const COUNTDOWN_EVERY_NS: u64 = 3 * NS_PER_S;

/// The newest entry sent.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its id.
    pub id: ClientId,
    /// Direction.
    pub side: Side,
    /// Mid at decision.
    pub mid: Decimal,
    /// Best price it would meet at decision.
    pub touch: Decimal,
    /// What each of its lots is valued at against the ceiling.
    pub price: Price,
    /// Lots seen filled.
    pub seen: Qty,
    resting: bool,
    sent_ns: u64,
    wound_ns: u64,
}

impl Trader {
    /// Looks at the newest book: exits first, then an entry if the signal asks for one.
    pub(super) fn consider(&mut self, now: Now, out: &mut Vec<TraderEffect>) {
        let e = effective(&self.params, self.feed.regime());
        self.signal = self.trigger.update(
            now.market_ms,
            self.feed.nobi(),
            e.nobi_trigger_threshold,
            self.params.signals.persistence_ms,
        );
        if !self.ledger.qty().is_zero() {
            self.check_exits(now, out);
            return;
        }
        let Some(side) = self.signal else { return };
        if !self.orders.open_entry_qty().is_zero() {
            return;
        }
        if let Err(h) = self.try_enter(now, side, &e, out) {
            if h.shadow {
                self.enter_shadow(now, side, &e);
            }
            let Held { reason, text, .. } = h;
            self.decisions.held(
                now,
                reason,
                || {
                    if text.is_empty() {
                        reason.to_owned()
                    } else {
                        text
                    }
                },
                out,
            );
        }
    }

    fn try_enter(
        &mut self,
        now: Now,
        side: Side,
        e: &Effective,
        out: &mut Vec<TraderEffect>,
    ) -> Result<(), Held> {
        self.check_orders_allowed(now, e)?;
        self.check_venue_known()?;
        let live = self.config.environment == Environment::Live;
        let terms = self.terms(now, side, e)?;
        let p_model = self.ask_model(live, e)?;
        self.protections
            .check(&self.params.risk.protections, now.market_ms)
            .map_err(|h| self.held_with(now, h.name(), || format!("{h:?}")))?;
        let (grant, left_ms) = self.permitted(now)?;
        let k = kelly(&grant.kelly, &self.params.risk.prior, p_model);
        self.check_pays(now, &terms, &k, p_model, live)?;
        let sized = size(&self.size_inputs(&terms, &k, grant, e, live)).map_err(|n| {
            self.held_with(now, n.name(), || {
                format!("{n:?}: ceiling {}, f {:.4}", grant.ceiling, k.f)
            })
            .shadowed(n != NoSize::Unknown)
        })?;
        let epoch = grant.epoch;
        let post_only = self.params.execution.entry == EntryStyle::PostOnly;
        let Some(ids) = &mut self.ids else {
            return Err(held("NotReconciled"));
        };
        let order = NewOrder {
            client_id: ids.next_id(),
            side,
            kind: OrderKind::Limit {
                price: terms.limit,
                tif: if post_only {
                    TimeInForce::Gtx
                } else {
                    TimeInForce::Ioc
                },
            },
            qty: sized.qty,
            reduce_only: false,
            purpose: EntryKind::Entry,
            recv_window_ms: left_ms.min(ENTRY_RECV_WINDOW_MS) as u32,
        };
        let inst = &self.config.info.instrument;
        let order = fit_order(inst, &order, Some(terms.mark))
            .map_err(|f| self.held_with(now, "Filtered", || f.to_string()))?;
        let text = format!(
            "{} {} at limit {} (mid {}), notional {} bound by {}, NOBI {:.3}, stop {:.1} bp, costs {:.1} bp, epoch {epoch}",
            if side == Side::Buy { "long" } else { "short" },
            inst.qty_dec(order.qty),
            inst.price_dec(terms.limit),
            terms.mid,
            sized.notional.round_dp(2),
            sized.binding.name(),
            self.feed.nobi().unwrap_or(f64::NAN),
            bp(terms.plan.distance / terms.mid),
            bp(terms.costs),
        );
        self.entry = Some(Entry {
            id: order.client_id.clone(),
            side,
            mid: terms.mid,
            touch: inst.price_dec(terms.touch),
            price: terms.value,
            seen: Qty::ZERO,
            resting: post_only,
            sent_ns: now.mono_ns,
            wound_ns: now.mono_ns,
        });
        self.plan = Some(terms.plan);
        self.stops.arm(terms.plan);
        self.orders.on_sent(now, &order);
        self.decisions
            .sent("Entered", text, order.client_id.clone(), out);
        if post_only {
            out.push(TraderEffect::Countdown { ms: COUNTDOWN_MS });
        }
        out.push(TraderEffect::Place(order));
        Ok(())
    }

    /// Prices of this moment for the shadow account; `None` without book or mark.
    fn shadow_prices(&self, now: Now) -> Option<Prices> {
        let book = self.feed.book()?;
        Some(Prices {
            market_ms: now.market_ms,
            mid: self.feed.mid()?,
            best: (book.best_bid()?.0, book.best_ask()?.0),
            mark: self.feed.mark(now)?,
            slippage: self.slippage.mean(),
        })
    }

    fn enter_shadow(&mut self, now: Now, side: Side, e: &Effective) {
        if !self.shadow.may_enter(now.market_ms) {
            return;
        }
        let (Ok(t), Some(p)) = (self.terms(now, side, e), self.shadow_prices(now)) else {
            return;
        };
        let live = self.config.environment == Environment::Live;
        let enforce = live || self.params.risk.cost_gate == CostGate::Enforce;
        if !enforce || stop_pays(t.plan.distance, t.costs, t.mid) {
            self.shadow.enter(&self.config.info, side, t.plan, &p);
        }
    }

    /// Lets the exit policy end the shadow trade, if one runs.
    pub(super) fn step_shadow(&mut self, now: Now, out: &mut Vec<TraderEffect>) {
        if !self.shadow.is_open() {
            return;
        }
        let Some(p) = self.shadow_prices(now) else {
            return;
        };
        let hold = effective(&self.params, self.feed.regime()).max_hold_seconds;
        let policy = Policy {
            exits: &self.params.exits,
            max_hold_seconds: hold,
            cooldown_seconds: self.params.signals.cooldown_seconds,
            signal: self.signal,
        };
        let (info, strategy) = (&self.config.info, &self.config.strategy);
        let closed = self.shadow.step(info, strategy, &policy, &p);
        out.extend(closed.map(|t| TraderEffect::Closed(Box::new(t))));
    }

    pub(super) fn on_entry_ended(
        &mut self,
        now: Now,
        id: &ClientId,
        filled: Qty,
        end: &EndReason,
        out: &mut Vec<TraderEffect>,
    ) {
        if self
            .entry
            .as_ref()
            .is_some_and(|e| e.id == *id && e.resting)
        {
            out.push(TraderEffect::Countdown { ms: 0 });
        }
        if self.ledger.qty().is_zero() && filled.is_zero() {
            self.plan = None;
        }
        let seen = self
            .entry
            .as_ref()
            .filter(|e| e.id == *id)
            .map_or(Qty::ZERO, |e| e.seen);
        if filled > seen {
            // The venue tells of fills that no frame brought: only a read knows the position now.
            self.doubt_ns = Some(now.mono_ns);
            self.recon.want();
        }
        let pause = match end {
            EndReason::Refused(r) => r.waits().entry.saturating_mul(NS_PER_MS),
            EndReason::Rejected => 5 * NS_PER_S,
            _ if filled.is_zero() => UNFILLED_PAUSE_NS,
            _ => 0,
        };
        if let EndReason::Refused(r) = end {
            self.decisions.held(
                now,
                "EntryRefused",
                || format!("{id} was refused: {r}"),
                out,
            );
            if r.class() == RefusalClass::Config {
                out.push(self.alert(
                    Severity::Critical,
                    "EntryRefused",
                    format!("{id}: {r}; no entries for a minute: key, account mode or address must be changed"),
                ));
            }
        }
        self.entry_not_before_ns = self
            .entry_not_before_ns
            .max(now.mono_ns.saturating_add(pause));
    }

    /// A post-only entry rests only while everything it was sent under still holds, and under a countdown.
    pub(super) fn mind_resting_entry(&mut self, now: Now, out: &mut Vec<TraderEffect>) {
        let Some(e) = self.entry.as_ref().filter(|e| e.resting) else {
            return;
        };
        if self.orders.open_entry_qty().is_zero() {
            return;
        }
        let stays = now.mono_since(e.sent_ns) < REST_NS
            && self.signal == Some(e.side)
            && self.ledger.qty().is_zero()
            && self.permission.left_ms(now) >= MIN_LEFT_MS
            && !self.params.suspend;
        let wind = now.mono_since(e.wound_ns) >= COUNTDOWN_EVERY_NS;
        if !stays {
            self.cancel_entries(now, out);
        } else if wind {
            if let Some(e) = &mut self.entry {
                e.wound_ns = now.mono_ns;
            }
            out.push(TraderEffect::Countdown { ms: COUNTDOWN_MS });
        }
    }
}
