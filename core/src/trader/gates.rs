//! The preconditions of an entry, each with its name: what is ordered, what is known at the venue, what the market offers,
//! what the model says, and whether it pays.

use super::Trader;
use super::permission::MIN_LEFT_MS;
use crate::fixed::{Price, Side};
use crate::messages::Grant;
use crate::params::{CostGate, EntryStyle, Environment, Sizing};
use crate::risk::costs::{bp, round_trip_costs, stop_pays};
use crate::risk::kelly::Kelly;
use crate::risk::protections::check_market;
use crate::risk::stops::StopPlan;
use crate::signal::{Effective, Gate, GateInputs, gate};
use crate::time::{NS_PER_S, Now};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// Without permission for this long (liveness), a shadow trade stands in.
const SHADOW_AFTER_NS: u64 = 5 * NS_PER_S;

/// Why no entry was sent.
pub(super) struct Held {
    /// Stable name.
    pub reason: &'static str,
    /// In words; empty where it adds nothing or nobody records it.
    pub text: String,
    /// Signal and market are there and only permission or size is missing: a shadow trade may be made instead.
    pub shadow: bool,
}

pub(super) fn held(reason: &'static str) -> Held {
    Held {
        reason,
        text: String::new(),
        shadow: false,
    }
}

impl Held {
    pub(super) fn shadowed(mut self, yes: bool) -> Self {
        self.shadow = yes;
        self
    }
}

/// What the market says about an entry of one side.
pub(super) struct Terms {
    pub mid: Decimal,
    pub mark: Decimal,
    pub touch: Price,
    pub limit: Price,
    /// What each lot is valued at: no valuation of the coordinator is higher.
    pub value: Price,
    pub plan: StopPlan,
    pub costs: Decimal,
}

impl Trader {
    /// A reason with its text, which is only written when it will be recorded.
    pub(super) fn held_with(
        &self,
        now: Now,
        reason: &'static str,
        text: impl FnOnce() -> String,
    ) -> Held {
        Held {
            text: if self.decisions.due(now, reason) {
                text()
            } else {
                String::new()
            },
            ..held(reason)
        }
    }

    /// What orders, parameters and time forbid.
    pub(super) fn check_orders_allowed(&self, now: Now, e: &Effective) -> Result<(), Held> {
        if self.shutting.is_some() {
            return Err(held("ShuttingDown"));
        }
        if self.draining.is_some() {
            return Err(held("Draining"));
        }
        if self.params.suspend {
            return Err(held("Suspended"));
        }
        if self.schema_unknown {
            return Err(held("SchemaUnknown"));
        }
        if self.pending.is_some() {
            return Err(held("ParametersChanging"));
        }
        if e.halt_entries {
            return Err(held("RegimeHalt"));
        }
        if self.config.environment == Environment::Live
            && self.params.risk.sizing == Sizing::FixedNotional
        {
            return Err(held("FixedNotionalInLive"));
        }
        if now.market_ms < self.cooldown_until_ms {
            return Err(held("Cooldown"));
        }
        if now.mono_ns < self.entry_not_before_ns {
            return Err(held("Pause"));
        }
        Ok(())
    }

    /// What is not known, or not clear, at the venue.
    pub(super) fn check_venue_known(&self) -> Result<(), Held> {
        if !self.user_up {
            return Err(held("UserStreamDown"));
        }
        if !self.user_reconciled || self.ids.is_none() {
            return Err(held("NotReconciled"));
        }
        if self.foreign {
            return Err(held("ForeignOrders"));
        }
        if self.isolated {
            return Err(held("IsolatedPosition"));
        }
        if self.doubt_ns.is_some() || self.claim.is_some_and(|(q, _)| q != self.ledger.qty()) {
            return Err(held("PositionMismatch"));
        }
        if self.orders.any_unknown() {
            return Err(held("OutcomeUnknown"));
        }
        if !self.orders.is_idle() || self.leaving.is_some() {
            return Err(held("OrderInFlight"));
        }
        if !self.stops.clear_for_entry() {
            return Err(held("StopsNotCleared"));
        }
        Ok(())
    }

    /// Prices, stop and costs of an entry now.
    pub(super) fn terms(&self, now: Now, side: Side, e: &Effective) -> Result<Terms, Held> {
        let inst = &self.config.info.instrument;
        let (Some(book), Some(age)) = (self.feed.book(), self.feed.book_age_ns(now)) else {
            return Err(held("BookNotSynced"));
        };
        let (Some(mid), Some(spread)) = (book.mid(inst), book.spread().filter(|s| *s > 0)) else {
            return Err(held("BookNotSynced"));
        };
        if !self.feed.book_deep_enough() {
            return Err(held("BookDoubtful"));
        }
        let Some(mark) = self.feed.mark(now) else {
            return Err(held("MarkUnknown"));
        };
        check_market(&self.params.risk.protections, mid, mark, age).map_err(|h| {
            self.held_with(now, h.name(), || format!("{h:?}: mid {mid}, mark {mark}"))
        })?;
        let Some(atr) = self.feed.atr() else {
            return Err(held("AtrCold"));
        };
        let distance = atr * e.atr_multiplier;
        if distance <= Decimal::ZERO || distance * Decimal::TWO >= mid {
            return Err(self.held_with(now, "StopImpossible", || {
                format!("stop distance {distance} at mid {mid}")
            }));
        }
        let post_only = self.params.execution.entry == EntryStyle::PostOnly;
        let slip = self.params.execution.max_slippage_bps / Decimal::from(10_000);
        let best = |s| book.best(s).map(|l| l.0).ok_or(held("BookNotSynced"));
        let (touch, limit) = match (side, post_only) {
            (s, true) => (best(s)?, best(s)?),
            (Side::Buy, false) => {
                let bound = inst.price_floor(mark * inst.multiplier_up);
                let worst = inst.price_inside(side, mid * (Decimal::ONE + slip));
                (best(Side::Sell)?, worst.min(bound))
            }
            (Side::Sell, false) => {
                let bound = inst.price_ceil(mark * inst.multiplier_down);
                let worst = inst.price_inside(side, mid * (Decimal::ONE - slip));
                (best(Side::Buy)?, worst.max(bound))
            }
        };
        let value = limit
            .max(touch)
            .max(inst.price_ceil(mid))
            .max(inst.price_ceil(mark));
        let spread = Decimal::from(spread) * inst.tick / mid;
        Ok(Terms {
            mid,
            mark,
            touch,
            limit,
            value,
            plan: StopPlan { atr, distance },
            costs: round_trip_costs(&self.config.info.fees, post_only, spread, &self.slippage),
        })
    }

    pub(super) fn ask_model(&self, live: bool, e: &Effective) -> Result<Option<f64>, Held> {
        let answer = gate(&GateInputs {
            mode: self.params.signals.model.mode,
            live,
            threshold: e.confidence_threshold,
            output: self.model,
            book_last_id: self.feed.last_id().unwrap_or(0),
        });
        match answer {
            Gate::Act(p) => Ok(p),
            Gate::Wait => Err(held("ModelAwaited")),
            Gate::Skip(reason) => Err(held(reason)),
        }
    }

    /// The cost gate, and whether the trade is expected to earn more than it costs.
    pub(super) fn check_pays(
        &self,
        now: Now,
        t: &Terms,
        k: &Kelly,
        p_model: Option<f64>,
        live: bool,
    ) -> Result<(), Held> {
        let risk = &self.params.risk;
        let enforce = live || risk.cost_gate == CostGate::Enforce;
        if enforce && !stop_pays(t.plan.distance, t.costs, t.mid) {
            return Err(self.held_with(now, "StopInsideCosts", || {
                format!(
                    "stop {:.1} bp < 3 × costs {:.1} bp",
                    bp(t.plan.distance / t.mid),
                    bp(t.costs)
                )
            }));
        }
        match p_model {
            // Per unit of loss at the stop, net: a win is R of it.
            Some(p) if p * k.r <= 1.0 - p => Err(self.held_with(now, "ModelExpectsLoss", || {
                format!("p {p:.3}, win/loss {:.2}", k.r)
            })),
            None if enforce
                && risk.sizing == Sizing::Kelly
                && k.n >= risk.min_trades
                && k.edge < t.costs.to_f64().unwrap_or(f64::INFINITY) =>
            {
                Err(self
                    .held_with(now, "EdgeBelowCosts", || {
                        format!(
                            "mean gross {:.2} bp of {} trades < costs {:.1} bp",
                            k.edge * 1e4,
                            k.n,
                            bp(t.costs)
                        )
                    })
                    .shadowed(true))
            }
            _ => Ok(()),
        }
    }

    /// The grant in force, with enough of it left to send an order under it.
    pub(super) fn permitted(&self, now: Now) -> Result<(&Grant, u64), Held> {
        let left_ms = self.permission.left_ms(now);
        match self.permission.grant(now) {
            Some(g) if left_ms >= MIN_LEFT_MS => Ok((g, left_ms)),
            _ => Err(self
                .held_with(now, "NoGrant", || match self.permission.denied() {
                    Some(d) => format!("no grant: {d:?}"),
                    None => format!("no grant: {left_ms} ms left"),
                })
                .shadowed(self.permission.ungranted_ns(now) >= SHADOW_AFTER_NS)),
        }
    }
}
