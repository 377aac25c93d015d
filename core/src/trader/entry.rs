//! Entering: every precondition in turn, each with its name, then one order.
//!
//! Cheap checks come first: this runs on each book that triggers. An entry is never resubmitted; what became of it is
//! waited for, then the next book is looked at anew.

use super::permission::{MIN_LEFT_MS, Wish};
use super::{Trader, TraderEffect};
use crate::fixed::{Price, Qty, Side};
use crate::messages::Grant;
use crate::order::filters::fit_order;
use crate::order::{ClientId, EndReason, EntryKind, NewOrder, OrderKind, Refusal, TimeInForce};
use crate::params::{CostGate, EntryStyle, Environment, Sizing};
use crate::risk::costs::{bp, round_trip_costs, stop_pays};
use crate::risk::kelly::{Kelly, kelly};
use crate::risk::protections::check_market;
use crate::risk::sizing::{SizeInputs, size};
use crate::risk::stops::StopPlan;
use crate::signal::{Effective, Gate, GateInputs, effective, gate};
use crate::time::{NS_PER_MS, NS_PER_S, Now};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// Wall ms within which the exchange must have accepted an entry, at most.
const ENTRY_RECV_WINDOW_MS: u64 = 1000;
/// After an entry that did not fill the next one waits, liveness.
const UNFILLED_PAUSE_NS: u64 = NS_PER_S;
/// A post-only entry is given up after this, liveness.
const REST_NS: u64 = 5 * NS_PER_S;
/// Dead man's switch of resting entries, and how often it is wound up.
const COUNTDOWN_MS: u64 = 10_000;
const COUNTDOWN_EVERY_NS: u64 = 3 * NS_PER_S;
/// Before the first grant nothing is known of equity: as much as this is asked for.
const FIRST_WISH: Decimal = Decimal::from_parts(1_000_000, 0, 0, false, 0);

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
    price: Price,
    /// Lots seen filled.
    pub seen: Qty,
    resting: bool,
    sent_ns: u64,
    wound_ns: u64,
}

/// Why no entry was sent.
struct Held {
    reason: &'static str,
    text: String,
}

fn held(reason: &'static str) -> Held {
    Held {
        reason,
        text: String::new(),
    }
}

/// What the market says about an entry of one side.
struct Terms {
    mid: Decimal,
    mark: Decimal,
    touch: Price,
    limit: Price,
    /// What each lot is valued at.
    value: Price,
    plan: StopPlan,
    costs: Decimal,
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
            let Held { reason, text } = h;
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
            .map_err(|h| Held {
                reason: h.name(),
                text: format!("{h:?}"),
            })?;
        let left_ms = self.permission.left_ms(now);
        let Some(grant) = self
            .permission
            .grant(now)
            .filter(|_| left_ms >= MIN_LEFT_MS)
        else {
            return Err(Held {
                reason: "NoGrant",
                text: match self.permission.denied() {
                    Some(d) => format!("no grant: {d:?}"),
                    None => format!("no grant: {left_ms} ms left"),
                },
            });
        };
        let k = kelly(&grant.kelly, &self.params.risk.prior, p_model);
        self.check_pays(&terms, &k, p_model, live)?;
        let sized = size(&self.size_inputs(&terms, &k, grant, e, live)).map_err(|n| Held {
            reason: n.name(),
            text: format!("{n:?}: ceiling {}, f {:.4}", grant.ceiling, k.f),
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
        let order = fit_order(inst, &order, Some(terms.mark)).map_err(|f| Held {
            reason: "Filtered",
            text: f.to_string(),
        })?;
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

    /// What orders, parameters and time forbid.
    fn check_orders_allowed(&self, now: Now, e: &Effective) -> Result<(), Held> {
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
    fn check_venue_known(&self) -> Result<(), Held> {
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
    fn terms(&self, now: Now, side: Side, e: &Effective) -> Result<Terms, Held> {
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
        check_market(&self.params.risk.protections, mid, mark, age).map_err(|h| Held {
            reason: h.name(),
            text: format!("{h:?}: mid {mid}, mark {mark}"),
        })?;
        let Some(atr) = self.feed.atr() else {
            return Err(held("AtrCold"));
        };
        let distance = atr * e.atr_multiplier;
        if distance <= Decimal::ZERO || distance * Decimal::TWO >= mid {
            return Err(Held {
                reason: "StopImpossible",
                text: format!("stop distance {distance} at mid {mid}"),
            });
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

    fn ask_model(&self, live: bool, e: &Effective) -> Result<Option<f64>, Held> {
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
    fn check_pays(
        &self,
        t: &Terms,
        k: &Kelly,
        p_model: Option<f64>,
        live: bool,
    ) -> Result<(), Held> {
        let risk = &self.params.risk;
        let enforce = live || risk.cost_gate == CostGate::Enforce;
        if enforce && !stop_pays(t.plan.distance, t.costs, t.mid) {
            return Err(Held {
                reason: "StopInsideCosts",
                text: format!(
                    "stop {:.1} bp < 3 × costs {:.1} bp",
                    bp(t.plan.distance / t.mid),
                    bp(t.costs)
                ),
            });
        }
        match p_model {
            // Per unit of loss at the stop, net: a win is R of it.
            Some(p) if p * k.r <= 1.0 - p => Err(Held {
                reason: "ModelExpectsLoss",
                text: format!("p {p:.3}, win/loss {:.2}", k.r),
            }),
            None if enforce
                && risk.sizing == Sizing::Kelly
                && k.n >= risk.min_trades
                && k.edge < t.costs.to_f64().unwrap_or(f64::INFINITY) =>
            {
                Err(Held {
                    reason: "EdgeBelowCosts",
                    text: format!(
                        "mean gross {:.2} bp of {} trades < costs {:.1} bp",
                        k.edge * 1e4,
                        k.n,
                        bp(t.costs)
                    ),
                })
            }
            _ => Ok(()),
        }
    }

    fn size_inputs<'a>(
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
            EndReason::Refused(Refusal::RateLimited { retry_after_ms }) => retry_after_ms
                .saturating_mul(NS_PER_MS)
                .max(UNFILLED_PAUSE_NS),
            EndReason::Refused(Refusal::Margin) => 30 * NS_PER_S,
            EndReason::Refused(Refusal::PostOnlyTakes) => UNFILLED_PAUSE_NS / 2,
            EndReason::Refused(_) | EndReason::Rejected => 5 * NS_PER_S,
            _ if filled.is_zero() => UNFILLED_PAUSE_NS,
            _ => 0,
        };
        if let EndReason::Refused(r) = end {
            self.decisions.held(
                now,
                "EntryRefused",
                || format!("{id} was refused: {r:?}"),
                out,
            );
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
