//! The two-leg trailing stop of one symbol, as a machine of its own.
//!
//! **Anchor**: one `closePosition` stop at entry ∓ distance, placed on the first fill, never moved; any size is covered.
//! **Trail**: a reduce-only stop of the position's quantity at best mark ∓ distance, placed once it beats the anchor by a
//! replace step, moved by place new → seen NEW → cancel old, never backwards. Events only add knowledge; one convergent
//! step then compares what should stand at the venue with what is known to, and asks for the difference. A position
//! without a confirmed anchor for a second is left at market. Flat, own stops are cancelled by id and verified.
//! Borders: emits [`StopOut`]; the caller sends market exits and feeds every event of the symbol, in whatever sequence.

mod adopt;
mod evidence;
mod leg;
mod step;
#[cfg(test)]
mod tests;
mod types;

pub use types::{ExitCause, StopOut, StopPlan};

use crate::fixed::{Price, Qty};
use crate::instrument::Instrument;
use crate::messages::{Alert, Severity};
use crate::order::{
    AlgoUpdate, CancelTarget, ClientId, IdMaker, OrderUpdate, PositionUpdate, Refusal, ReplyTo,
    VenueReply,
};
use crate::time::{NS_PER_S, Now};
use leg::{Leg, LegKind};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, VecDeque};
use types::{Episode, Held};

const KEEP_GONE: usize = 256;
/// How long after a start a dead worker's last request may still arrive, liveness ns.
const START_HOLD_NS: u64 = 2 * NS_PER_S;

/// Keeps the venue's stops of one symbol what they must be.
#[derive(Clone, Debug)]
pub struct StopKeeper {
    inst: Instrument,
    plan: Option<StopPlan>,
    trailing: bool,
    /// The position was told at least once.
    known: bool,
    held: Held,
    mark: Option<Decimal>,
    legs: BTreeMap<ClientId, Leg>,
    /// Legs that are over; `true` where that was concluded and not shown.
    gone: VecDeque<(ClientId, bool)>,
    /// Stops seen NEW before the position was told.
    early: BTreeMap<ClientId, AlgoUpdate>,
    /// Plain orders that our stops became.
    fired_orders: VecDeque<u64>,
    episode: Option<Episode>,
    number: u64,
    /// The venue was read empty of own orders since the last flat.
    read_empty: bool,
    /// A read was asked for since the last flat.
    read_asked: bool,
    read_after_ns: u64,
    /// A read is wanted; see [`Self::read`].
    read_due: bool,
    /// Venue time of the youngest read.
    read_ms: i64,
    /// After a start: when the venue is read once more, because a dead worker's last request may have arrived since.
    second_read_ns: Option<u64>,
    second_asked_ms: Option<i64>,
    /// When people were last told of a refusal that only they can mend.
    config_told_ns: Option<u64>,
}

impl StopKeeper {
    /// A keeper that knows nothing: it cancels nothing and is not clear for entry until the position was told.
    pub fn new(inst: Instrument) -> Self {
        Self {
            inst,
            plan: None,
            trailing: true,
            known: false,
            held: Held::default(),
            mark: None,
            legs: BTreeMap::new(),
            gone: VecDeque::new(),
            early: BTreeMap::new(),
            fired_orders: VecDeque::new(),
            episode: None,
            number: 0,
            read_empty: false,
            read_asked: true,
            read_after_ns: 0,
            read_due: false,
            read_ms: i64::MIN,
            second_read_ns: None,
            second_asked_ms: None,
            config_told_ns: None,
        }
    }

    /// Sets the plan of the next position (when an entry is decided, and once ATR is known after a start). A running
    /// position keeps its own, unless it has none yet. A plan that isn't positive is ignored.
    pub fn arm(&mut self, plan: StopPlan) {
        if plan.distance <= Decimal::ZERO || plan.atr <= Decimal::ZERO {
            return;
        }
        self.plan = Some(plan);
        if let Some(ep) = &mut self.episode {
            ep.plan.get_or_insert(plan);
        }
    }

    /// Shrinks the trailing distance (margin ladder). The trail then follows at `to` behind the present mark, not behind the
    /// best one: tightening must not by itself close the position at once.
    pub fn tighten(&mut self, now: Now, to: Decimal, ids: &mut IdMaker, out: &mut Vec<StopOut>) {
        if let Some(ep) = &mut self.episode
            && let Some(plan) = &mut ep.plan
            && to > Decimal::ZERO
            && to < plan.distance
        {
            plan.distance = to;
            ep.extreme = self.mark.or(ep.extreme);
        }
        self.step(now, ids, out);
    }

    /// Whether the trail may be placed and moved (off while the coordinator is silent for long).
    pub fn set_trailing(&mut self, on: bool) {
        self.trailing = on;
    }

    /// ACCOUNT_UPDATE of the symbol, in any sequence.
    pub fn on_position(
        &mut self,
        now: Now,
        p: &PositionUpdate,
        ids: &mut IdMaker,
        out: &mut Vec<StopOut>,
    ) {
        let stamp = (p.transact_ms, p.event_ms);
        if stamp >= self.held.stamp {
            self.hold(now, p.qty, p.entry_price, stamp, false);
            self.adopt_early(now, ids, out);
        } else if p.qty.position_side() != self.held.qty.position_side() {
            // Late news of a moment in which the position was gone or turned: the venue may have taken its stops off then.
            for leg in self.legs.values_mut() {
                leg.doubt(now);
            }
        }
        self.step(now, ids, out);
    }

    /// Mark price.
    pub fn on_mark(&mut self, now: Now, mark: Decimal, ids: &mut IdMaker, out: &mut Vec<StopOut>) {
        if mark > Decimal::ZERO {
            self.mark = Some(mark);
            self.step(now, ids, out);
        }
    }

    /// ALGO_UPDATE before the first read: the read may have begun before it.
    pub fn hear_early(&mut self, u: &AlgoUpdate) {
        self.early.remove(&u.client_id);
        if u.status.is_final() {
            self.forget(&u.client_id, false);
        } else if u.status.is_working() {
            self.early.insert(u.client_id.clone(), u.clone());
        }
    }

    /// ALGO_UPDATE.
    pub fn on_algo(&mut self, now: Now, u: &AlgoUpdate, ids: &mut IdMaker, out: &mut Vec<StopOut>) {
        if let Some(leg) = self.legs.get_mut(&u.client_id) {
            if u.transact_ms < self.read_ms && !leg.is_working() {
                leg.doubt(now); // A read since didn't list it.
            }
            self.on_status(now, &u.client_id, u.status, u.transact_ms, out);
        } else if self.known {
            self.adopt(now, u.into(), ids, out);
        } else {
            self.hear_early(u);
        }
        if let Some(order) = u.order_id
            && ids.is_ours(&u.client_id)
            && !self.fired_orders.contains(&order)
        {
            remember(&mut self.fired_orders, order);
        }
        self.step(now, ids, out);
    }

    /// ORDER_TRADE_UPDATE: the first fill of an own entry calls for the anchor before ACCOUNT_UPDATE comes.
    pub fn on_order(
        &mut self,
        now: Now,
        u: &OrderUpdate,
        ids: &mut IdMaker,
        out: &mut Vec<StopOut>,
    ) {
        if let Some(leg) = self.legs.get_mut(&u.client_id) {
            leg.firing(now);
            let side = leg.side;
            self.fired(now, side, u.transact_ms);
        } else if let Some(fill) = &u.fill
            && self.known
            && self.held.qty.is_zero()
            && !u.reduce_only
            && u.transact_ms > self.held.stamp.0
            && ids.is_ours(&u.client_id)
            && !self.owns_order(&u.client_id, u.order_id)
        {
            let qty = Qty(u.side.sign() * fill.qty.0);
            let price = self.inst.price_dec(fill.price);
            // Event time 0: the ACCOUNT_UPDATE of the same instant knows better.
            self.hold(now, qty, price, (u.transact_ms, 0), false);
        }
        self.step(now, ids, out);
    }

    /// A reply; those to other requests are ignored.
    pub fn on_reply(
        &mut self,
        now: Now,
        to: &ReplyTo,
        reply: &VenueReply,
        ids: &mut IdMaker,
        out: &mut Vec<StopOut>,
    ) {
        let id = match to {
            ReplyTo::PlaceStop(id)
            | ReplyTo::Cancel(CancelTarget::Stop(id))
            | ReplyTo::Query(CancelTarget::Stop(id)) => id,
            _ => return,
        };
        let Some(leg) = self.legs.get_mut(id) else {
            return;
        };
        if let VenueReply::Stop(o) = reply {
            leg.shown();
            self.on_status(now, id, o.status, o.update_ms, out);
        } else {
            match to {
                ReplyTo::PlaceStop(_) => self.on_place_reply(now, id, reply, out),
                ReplyTo::Cancel(_) => leg.cancel_answered(),
                _ if *reply == VenueReply::Refused(Refusal::NotFound) => {
                    if leg.missed(now) {
                        self.vanished(id, out);
                    }
                }
                _ => leg.unanswered(),
            }
        }
        self.step(now, ids, out);
    }

    /// Time passed.
    pub fn on_tick(&mut self, now: Now, ids: &mut IdMaker, out: &mut Vec<StopOut>) {
        self.step(now, ids, out);
    }

    /// A reduce-only exit was refused with [`Refusal::ReduceOnly`]: the trail goes, the anchor stays, the venue is read, and
    /// [`StopOut::MarketExit`] follows once the trail is gone and a position still stands.
    pub fn on_exit_refused(&mut self, now: Now, ids: &mut IdMaker, out: &mut Vec<StopOut>) {
        if let Some(ep) = &mut self.episode
            && !ep.exit_refused
        {
            ep.exit_refused = true;
            ep.exit = None;
            self.doom_where(|l| l.kind() == LegKind::Trail);
        }
        self.read();
        self.step(now, ids, out);
    }

    /// True when this plain order is what a stop of ours became.
    pub fn owns_order(&self, client_id: &ClientId, order_id: u64) -> bool {
        self.fired_orders.contains(&order_id)
            || self.legs.get(client_id).is_some_and(|l| !l.foreign)
            || self.gone.iter().any(|(id, _)| id == client_id)
    }

    /// An anchor was seen NEW and nothing ended it since.
    pub fn anchor_confirmed(&self) -> bool {
        self.legs
            .values()
            .any(|l| l.is_working() && l.kind() == LegKind::Anchor)
    }

    /// The better trigger of the confirmed stops; `None` when flat.
    pub fn best_stop(&self) -> Option<Price> {
        let ep = self.episode.as_ref()?;
        self.legs
            .values()
            .filter(|l| l.is_working() && l.side != ep.side)
            .map(|l| l.trigger)
            .max_by_key(|p| ep.gain(*p, Price(0)))
    }

    /// The trailing distance in force, price units; `None` when flat.
    pub fn distance(&self) -> Option<Decimal> {
        self.episode.as_ref()?.plan.map(|p| p.distance)
    }

    /// The position as this machine believes it, signed.
    pub const fn position(&self) -> Qty {
        self.held.qty
    }

    /// Flat, no own stop known or in doubt, and the venue was read empty of own orders since.
    pub fn clear_for_entry(&self) -> bool {
        self.known && self.episode.is_none() && self.legs.is_empty() && self.read_empty
    }

    /// Takes over a newer position.
    fn hold(&mut self, now: Now, qty: Qty, entry: Decimal, stamp: (i64, i64), found: bool) {
        let first = !self.known;
        self.known = true;
        if first {
            self.second_read_ns = Some(now.mono_ns + START_HOLD_NS);
        }
        let before = self.held.qty.position_side();
        self.held = Held {
            qty,
            entry: Some(entry).filter(|e| *e > Decimal::ZERO),
            stamp,
            heard_ns: now.mono_ns,
        };
        if before == qty.position_side() {
            return;
        }
        if !first {
            self.doom_where(|_| true);
        }
        self.read_empty = false;
        self.read_asked = first;
        self.read_after_ns = 0;
        self.episode = qty
            .position_side()
            .map(|side| Episode::new(side, stamp.0, found, self.plan));
    }

    fn doom_where(&mut self, which: impl Fn(&Leg) -> bool) {
        for leg in self.legs.values_mut().filter(|l| which(l)) {
            leg.doomed = true;
        }
        self.legs.retain(|_, l| !(l.foreign && l.doomed));
    }

    fn request_exit(&mut self, now: Now, cause: ExitCause, out: &mut Vec<StopOut>) {
        let Some(ep) = &mut self.episode else {
            return;
        };
        if ep.exit.is_some() {
            return;
        }
        ep.exit = Some((cause, now.mono_ns));
        out.push(StopOut::MarketExit(cause));
        out.push(self.alert(
            Severity::Critical,
            "StopExit",
            format!(
                "{cause:?}: leaving {} lots at market, reduce-only",
                self.held.qty.0
            ),
        ));
    }

    /// The venue is to be read: [`Self::step`] asks for it, at most five times a second.
    fn read(&mut self) {
        self.read_due = true;
    }

    fn alert(&self, severity: Severity, code: &str, text: String) -> StopOut {
        StopOut::Alert(Alert {
            severity,
            code: code.into(),
            symbol: Some(self.inst.symbol.to_string()),
            text,
        })
    }
}

fn remember<T>(list: &mut VecDeque<T>, item: T) {
    list.push_back(item);
    if list.len() > KEEP_GONE {
        list.pop_front();
    }
}
