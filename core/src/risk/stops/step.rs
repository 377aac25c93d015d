//! The convergent step: what should stand at the venue, against what is known to.

use super::leg::{Leg, LegKind, LegState};
use super::types::{Episode, ExitCause};
use super::{StopKeeper, StopOut};
use crate::fixed::{Price, Qty};
use crate::order::filters::{fit_stop, stop_trigger};
use crate::order::{ClientId, IdMaker, NewStop};
use crate::time::{NS_PER_MS, NS_PER_S, Now};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// Longest time a position may stand without a confirmed anchor, and a triggered stop without effect, liveness ns.
pub const UNPROTECTED_NS: u64 = NS_PER_S;
/// Shortest time between two moves of the trail, liveness ns.
const TRAIL_PAUSE_NS: u64 = NS_PER_S;
const ANCHOR_PAUSE_NS: u64 = 250 * NS_PER_MS;
const EXIT_PAUSE_NS: u64 = 500 * NS_PER_MS;
const READ_PAUSE_NS: u64 = 200 * NS_PER_MS;

impl StopKeeper {
    /// Asks for whatever is missing. Safe to call at any time: nothing is asked for twice while an answer is awaited.
    pub(super) fn step(&mut self, now: Now, ids: &mut IdMaker, out: &mut Vec<StopOut>) {
        if self.episode.is_some() {
            self.keep_one_anchor();
            self.protect(now, ids, out);
            self.trail(now, ids, out);
            self.watch(now, out);
        }
        let second = self.second_read_ns.is_some_and(|at| now.mono_ns >= at);
        if second {
            self.second_asked_ms.get_or_insert(now.market_ms);
        }
        let unproven =
            self.episode.is_none() && self.known && self.legs.is_empty() && !self.read_empty;
        if (self.read_due || second || unproven) && now.mono_ns >= self.read_after_ns {
            self.read_due = false;
            self.read_after_ns = now.mono_ns + READ_PAUSE_NS;
            self.read_asked = true;
            out.push(StopOut::Reconcile);
        }
        for (id, leg) in &mut self.legs {
            if leg.wants_cancel(now) {
                out.push(StopOut::Cancel(id.clone()));
            }
            if leg.ask(now) {
                out.push(StopOut::Query(id.clone()));
            }
        }
    }

    /// Once one anchor is confirmed, any other is superfluous: one sent in doubt, which the venue must have refused.
    fn keep_one_anchor(&mut self) {
        let Some(kept) = self
            .legs
            .values()
            .filter(|l| l.is_working() && l.kind() == LegKind::Anchor)
            .map(|l| l.number)
            .min()
        else {
            return;
        };
        self.doom_where(|l| l.kind() == LegKind::Anchor && l.number != kept);
    }

    fn protect(&mut self, now: Now, ids: &mut IdMaker, out: &mut Vec<StopOut>) {
        let guarded = self.legs.values().any(|l| {
            !l.doomed
                && l.kind() == LegKind::Anchor
                && matches!(l.state, LegState::Working | LegState::Firing)
        });
        let waiting = self
            .legs
            .values()
            .any(|l| !l.doomed && l.kind() == LegKind::Anchor && !l.may_be_missing(now));
        let Some(ep) = &mut self.episode else {
            return;
        };
        if guarded {
            ep.naked_ns = None;
            ep.anchor_exists = false;
            return;
        }
        let naked_ns = *ep.naked_ns.get_or_insert(now.mono_ns);
        if now.mono_since(naked_ns) >= UNPROTECTED_NS {
            self.request_exit(now, ExitCause::Unprotected, out);
        }
        let Some(ep) = &self.episode else {
            return;
        };
        if ep.anchor_exists {
            self.read();
        } else if !waiting && ep.fired_ns.is_none() && now.mono_ns >= ep.anchor_after_ns {
            self.place_anchor(now, ids, out);
        }
    }

    fn place_anchor(&mut self, now: Now, ids: &mut IdMaker, out: &mut Vec<StopOut>) {
        let entry = self.held.entry.or(self.mark);
        let Some(ep) = &mut self.episode else {
            return;
        };
        let exit_side = ep.side.opposite();
        let trigger = match (ep.anchor_trigger, ep.plan, entry) {
            (Some(t), _, _) => t,
            (None, Some(plan), Some(entry)) => {
                let t = stop_trigger(&self.inst, exit_side, ep.behind(entry, plan.distance));
                Price(t.0.max(1))
            }
            _ => return, // Nothing to reckon with: the deadline leads out.
        };
        ep.anchor_trigger = Some(trigger);
        ep.anchor_after_ns = now.mono_ns + ANCHOR_PAUSE_NS;
        self.place(now, trigger, None, ids, out);
    }

    fn trail(&mut self, now: Now, ids: &mut IdMaker, out: &mut Vec<StopOut>) {
        let kept = self.keep_one_trail();
        let Some(mark) = self.mark else {
            return;
        };
        let entry = self.held.entry;
        let Some(ep) = &mut self.episode else {
            return;
        };
        ep.extreme = Some(match ep.extreme {
            Some(e) => ep.best_mark(e, mark),
            None => first_extreme(ep, mark, entry, &self.inst.tick),
        });
        let Some(ep) = &self.episode else {
            return;
        };
        let busy = self
            .legs
            .values()
            .any(|l| l.kind() == LegKind::Trail && (l.doomed || l.state != LegState::Working));
        if busy
            || !self.trailing
            || !self.anchor_confirmed()
            || ep.exit_refused
            || ep.exit.is_some()
            || ep.fired_ns.is_some()
            || now.mono_ns < ep.trail_hold_ns
            || self.second_read_ns.is_some()
        {
            return;
        }
        let (Some(plan), Some(extreme), Some(anchor)) = (ep.plan, ep.extreme, ep.anchor_trigger)
        else {
            return;
        };
        let exit_side = ep.side.opposite();
        let by_mark = stop_trigger(&self.inst, exit_side, ep.behind(extreme, plan.distance));
        let target = match ep.trail_floor {
            Some(floor) if ep.gain(floor, by_mark) > 0 => floor,
            _ => by_mark,
        };
        let step = replace_step(plan.atr, self.inst.tick);
        let qty = self
            .held
            .qty
            .abs()
            .min(self.inst.market_max_qty)
            .min(self.inst.max_qty);
        let may_move = now.mono_ns >= ep.trail_after_ns;
        let resize = kept.is_some_and(|(_, q)| q != qty);
        let better = match kept {
            Some((at, _)) => ep.gain(target, at) >= step,
            None => ep.trail_floor.is_some() || ep.gain(target, anchor) >= step,
        };
        if !(resize || (better && may_move)) {
            return;
        }
        let side = Decimal::from(ep.side.sign());
        let beyond = |t: Price| side * (mark - self.inst.price_dec(t)) <= Decimal::ZERO;
        let trigger = if better && may_move {
            if beyond(target) {
                // The stop that should stand is hit already.
                self.request_exit(now, ExitCause::WouldTrigger, out);
                return;
            }
            target
        } else {
            // A resize alone: never behind what was sent, unless the mark leaves only what stands.
            let standing = kept.map_or(target, |(at, _)| at);
            let sent = ep.trail_floor.unwrap_or(standing);
            let trigger = if beyond(sent) { standing } else { sent };
            if beyond(trigger) {
                return;
            }
            trigger
        };
        self.place_trail(now, trigger, qty, ids, out);
    }

    fn place_trail(
        &mut self,
        now: Now,
        trigger: Price,
        qty: Qty,
        ids: &mut IdMaker,
        out: &mut Vec<StopOut>,
    ) {
        if self.place(now, trigger, Some(qty), ids, out)
            && let Some(ep) = &mut self.episode
        {
            ep.trail_floor = Some(trigger);
            ep.trail_after_ns = now.mono_ns + TRAIL_PAUSE_NS;
        }
    }

    /// Of several confirmed trails the best stays (the newest of equals), the others go. Returns its trigger and quantity.
    fn keep_one_trail(&mut self) -> Option<(Price, Qty)> {
        let ep = self.episode.as_ref()?;
        let kept = self
            .legs
            .values()
            .filter(|l| l.is_working() && l.kind() == LegKind::Trail)
            .max_by_key(|l| (ep.gain(l.trigger, Price(0)), l.number))?;
        let (number, trigger, qty) = (kept.number, kept.trigger, kept.qty?);
        self.doom_where(|l| l.is_working() && l.kind() == LegKind::Trail && l.number != number);
        Some((trigger, qty))
    }

    fn place(
        &mut self,
        now: Now,
        trigger: Price,
        qty: Option<Qty>,
        ids: &mut IdMaker,
        out: &mut Vec<StopOut>,
    ) -> bool {
        let Some(ep) = &self.episode else {
            return false;
        };
        let stop = NewStop {
            client_id: ClientId::from(""),
            side: ep.side.opposite(),
            trigger,
            qty,
        };
        let Ok(mut stop) = fit_stop(&self.inst, &stop) else {
            return false; // Dust below the lot: the anchor covers it.
        };
        stop.client_id = ids.next_id();
        self.number += 1;
        let leg = Leg::new(
            now,
            self.number,
            LegState::Sent,
            stop.side,
            stop.trigger,
            stop.qty,
        );
        self.legs.insert(stop.client_id.clone(), leg);
        out.push(StopOut::Place(stop));
        true
    }

    /// Deadlines of a position that should be going, and of an exit that was asked for.
    fn watch(&mut self, now: Now, out: &mut Vec<StopOut>) {
        let no_trail = !self.legs.values().any(|l| l.kind() == LegKind::Trail);
        let Some(ep) = &mut self.episode else {
            return;
        };
        if let Some((cause, told_ns)) = &mut ep.exit
            && now.mono_since(*told_ns) >= EXIT_PAUSE_NS
        {
            *told_ns = now.mono_ns;
            out.push(StopOut::MarketExit(*cause));
        }
        if ep.exit_refused && no_trail && ep.exit.is_none() {
            self.request_exit(now, ExitCause::ExitRefused, out);
        }
        let Some(fired_ns) = self.episode.as_ref().and_then(|e| e.fired_ns) else {
            return;
        };
        if now.mono_since(fired_ns) >= UNPROTECTED_NS {
            self.request_exit(now, ExitCause::Remainder, out);
        }
        if now.mono_since(fired_ns) >= UNPROTECTED_NS / 2 {
            self.read();
        }
    }
}

/// Where the best mark starts: at the present one, or where an adopted trail shows that it has been.
fn first_extreme(ep: &Episode, mark: Decimal, entry: Option<Decimal>, tick: &Decimal) -> Decimal {
    let seen = match (ep.trail_floor, ep.plan) {
        (Some(floor), Some(plan)) => {
            let at = Decimal::from(floor.0) * tick;
            Some(ep.behind(at, -plan.distance))
        }
        _ if ep.found => entry,
        _ => None,
    };
    seen.map_or(mark, |s| ep.best_mark(s, mark))
}

/// The smallest improvement worth a replace, ticks: a tenth of ATR, at least two.
fn replace_step(atr: Decimal, tick: Decimal) -> i64 {
    (atr / Decimal::TEN / tick)
        .ceil()
        .to_i64()
        .unwrap_or(i64::MAX)
        .max(2)
}
