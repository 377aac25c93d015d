//! Stops this machine did not place: those of an earlier life, of an older strategy, of the coordinator, of a person.

use super::leg::{Leg, LegKind, LegState};
use super::types::StopPlan;
use super::{StopKeeper, StopOut};
use crate::fixed::{Price, Qty, Side};
use crate::messages::Severity;
use crate::order::{AlgoOrder, AlgoStatus, AlgoUpdate, ClientId, IdMaker, VenueState};
use crate::time::{NS_PER_S, Now};
use rust_decimal::Decimal;

/// A conditional order as stream or read shows it.
pub(super) struct Shown<'a> {
    id: &'a ClientId,
    side: Side,
    status: AlgoStatus,
    trigger: Price,
    qty: Option<Qty>,
    /// Venue time of the news.
    at_ms: i64,
    by_read: bool,
}

impl<'a> From<&'a AlgoUpdate> for Shown<'a> {
    fn from(u: &'a AlgoUpdate) -> Self {
        Self {
            id: &u.client_id,
            side: u.side,
            status: u.status,
            trigger: u.trigger,
            qty: u.qty,
            at_ms: u.transact_ms,
            by_read: false,
        }
    }
}

impl<'a> From<&'a AlgoOrder> for Shown<'a> {
    fn from(o: &'a AlgoOrder) -> Self {
        Self {
            id: &o.client_id,
            side: o.side,
            status: o.status,
            trigger: o.trigger,
            qty: o.qty,
            at_ms: o.update_ms,
            by_read: true,
        }
    }
}

impl StopKeeper {
    /// A read of the venue: takes over the position, adopts, confirms, sweeps.
    pub fn on_reconciled(
        &mut self,
        now: Now,
        s: &VenueState,
        ids: &mut IdMaker,
        out: &mut Vec<StopOut>,
    ) {
        self.take_position(now, s);
        if self
            .second_asked_ms
            .is_some_and(|asked| s.venue_ms >= asked)
        {
            self.second_read_ns = None;
        }
        for stop in &s.stops {
            if self.legs.contains_key(&stop.client_id) {
                self.on_status(now, &stop.client_id, stop.status, stop.update_ms, out);
            } else {
                self.adopt(now, stop.into(), ids, out);
            }
        }
        self.read_ms = s.venue_ms;
        self.adopt_early(now, ids, out);
        let listed = |id: &ClientId| s.stops.iter().any(|o| o.client_id == *id);
        for (id, leg) in &mut self.legs {
            if leg.state == LegState::Working && leg.shown_ms < s.venue_ms && !listed(id) {
                leg.doubt(now);
            }
        }
        let ours = s.orders.iter().any(|o| ids.is_ours(&o.client_id))
            || s.stops.iter().any(|o| ids.is_ours(&o.client_id));
        match &mut self.episode {
            Some(ep) => {
                let there = s
                    .stops
                    .iter()
                    .any(|o| o.qty.is_none() && o.side != ep.side && !o.status.is_final());
                if ep.anchor_exists && !there {
                    ep.anchor_exists = false; // What stood in the way is gone: place again.
                    ep.anchor_after_ns = 0;
                }
            }
            None => {
                self.read_empty |= self.read_asked
                    && !ours
                    && s.position.qty.is_zero()
                    && s.venue_ms >= self.held.stamp.0;
            }
        }
        self.step(now, ids, out);
    }

    /// The position of a read counts when it isn't older than what the stream told. A read without a time of its own that
    /// says flat right after the stream told a position is read again: taking off a needed stop is the worse error.
    fn take_position(&mut self, now: Now, s: &VenueState) {
        let p = &s.position;
        let dated = p.update_ms > 0;
        let at = if dated { p.update_ms } else { s.venue_ms };
        if at < self.held.stamp.0 {
            return;
        }
        let doubtful = !dated
            && self.episode.is_some()
            && p.qty.is_zero()
            && now.mono_since(self.held.heard_ns) < NS_PER_S;
        if doubtful {
            self.read();
            return;
        }
        let stamp = if at == self.held.stamp.0 {
            self.held.stamp
        } else {
            (at, 0)
        };
        self.hold(now, p.qty, p.entry_price, stamp, true);
    }

    /// Takes in what the stream showed before the position was known.
    pub(super) fn adopt_early(&mut self, now: Now, ids: &IdMaker, out: &mut Vec<StopOut>) {
        for (id, u) in std::mem::take(&mut self.early) {
            if !self.legs.contains_key(&id) {
                self.adopt(now, (&u).into(), ids, out);
            }
        }
    }

    /// A stop that isn't tracked. Flat, an own one is cancelled; in a position it becomes a leg, or is cancelled when there
    /// is one already. A foreign `closePosition` stop protects (and blocks ours), but is never cancelled.
    pub(super) fn adopt(
        &mut self,
        now: Now,
        shown: Shown<'_>,
        ids: &IdMaker,
        out: &mut Vec<StopOut>,
    ) {
        let ours = ids.is_ours(shown.id);
        if shown.status.is_final() {
            // A read begun before this end may still list it.
            self.forget(shown.id, false);
            return;
        }
        let over = self
            .gone
            .iter()
            .any(|(id, inferred)| id == shown.id && !inferred);
        if !self.known || over {
            return; // Not knowing the position, nothing may be judged superfluous.
        }
        if !shown.status.is_working() {
            if ours {
                self.fired(now, shown.side, shown.at_ms);
            }
            return;
        }
        self.number += 1;
        let mut leg = Leg::new(
            now,
            self.number,
            LegState::Working,
            shown.side,
            shown.trigger,
            shown.qty,
        );
        leg.shown_ms = shown.at_ms;
        leg.foreign = !ours;
        let anchored = self.anchor_confirmed();
        let wanted = match &self.episode {
            Some(ep) if ep.side != shown.side => match leg.kind() {
                LegKind::Anchor => !anchored,
                LegKind::Trail => ours && !ep.exit_refused,
            },
            _ => false,
        };
        if leg.foreign && !wanted {
            return;
        }
        leg.doomed = !wanted;
        let unsure = match &self.episode {
            // Late news: a read since didn't list it, or the position began after it stood. It may be gone.
            Some(ep) => shown.at_ms < self.read_ms.max(ep.began_ms),
            // A stray stop, or the coordinator guards a fill that isn't heard of here yet.
            None => !ids.made(shown.id),
        };
        if self.episode.is_none() {
            self.read_empty = false;
        }
        if unsure && !shown.by_read {
            self.read();
            return;
        }
        if wanted {
            self.learn_from(&leg);
            if leg.foreign {
                out.push(self.alert(
                    Severity::Warning,
                    "ForeignStop",
                    format!("{} guards the position and isn't ours", shown.id),
                ));
            }
        }
        self.gone.retain(|(id, _)| id != shown.id);
        self.legs.insert(shown.id.clone(), leg);
    }

    /// What an adopted stop tells about a position whose beginning wasn't seen.
    fn learn_from(&mut self, leg: &Leg) {
        let trigger = self.inst.price_dec(leg.trigger);
        let Some(ep) = &mut self.episode else {
            return;
        };
        match leg.kind() {
            LegKind::Anchor => {
                if let (true, Some(entry)) = (ep.found, self.held.entry) {
                    let distance = (entry - trigger) * Decimal::from(ep.side.sign());
                    if distance > Decimal::ZERO {
                        let atr = ep.plan.map_or(distance / Decimal::TWO, |p| p.atr);
                        ep.plan = Some(StopPlan { atr, distance });
                    }
                }
                ep.anchor_trigger = Some(leg.trigger);
            }
            LegKind::Trail => {
                ep.trail_floor = Some(match ep.trail_floor {
                    Some(f) if ep.gain(f, leg.trigger) > 0 => f,
                    _ => leg.trigger,
                });
            }
        }
    }
}
