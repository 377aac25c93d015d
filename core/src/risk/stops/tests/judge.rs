//! What is held against the keeper: I1 to I5 at the model's venue.

use super::model::World;
use crate::fixed::Qty;
use crate::order::*;

impl World {
    /// I4: the anchor never moves within a position, the trail never moves back.
    pub(super) fn judge_new(&mut self, s: &NewStop) {
        let sign = self.side().unwrap().sign();
        let known = self.anchors_at.clone();
        let wanted = self
            .keeper
            .legs
            .get(&s.client_id)
            .is_some_and(|l| !l.doomed);
        let before = self
            .sent_at
            .get(&s.client_id)
            .is_some_and(|(_, known)| *known < self.opened);
        if s.qty.is_none() {
            let own = !before && self.ids.made(&s.client_id);
            self.anchors_at.push((s.trigger.0, own));
        }
        if !wanted || before {
            return; // The coordinator's, a dead worker's, or one that arrives after its position went.
        }
        if s.qty.is_none() {
            self.count.anchors += 1;
            assert!(
                known.iter().all(|(_, own)| !own) || known.iter().any(|(at, _)| *at == s.trigger.0),
                "I4: the anchor moved from {known:?} to {}",
                s.trigger.0
            );
        } else {
            self.count.trails += 1;
            if let Some(best) = self.best_trail {
                assert!(
                    // What the dead worker sent last may arrive beside the new one's first.
                    sign * (s.trigger.0 - best) >= 0 || self.t - self.restarted < 4_000,
                    "I4: the trail moved back from {best} to {}",
                    s.trigger.0
                );
                self.count.replaced += 1;
            }
            self.best_trail = Some(s.trigger.0);
        }
    }

    /// I4: a trail is cancelled only when a better or equal one was seen NEW, or when the position goes.
    pub(super) fn judge_cancel(&self, id: &ClientId) {
        let Some(old) = self
            .stops
            .get(id)
            .filter(|s| s.status == AlgoStatus::New && s.qty.is_some())
        else {
            return;
        };
        let Some(side) = self.side().filter(|s| *s != old.side) else {
            return;
        };
        let replaced = self
            .open(false)
            .any(|n| n.client_id != *id && side.sign() * (n.trigger.0 - old.trigger.0) >= 0);
        let over = self.keeper.position().is_zero()
            || self.exiting
            // What the dead worker cancelled last may go beside it.
            || (self.cancels_left && self.t - self.restarted < 4_000)
            || self.keeper.episode.as_ref().is_some_and(|e| e.exit_refused)
            || self
                .sent_at
                .get(id)
                .is_some_and(|(at, _)| *at <= self.keeper_flat_at);
        // The new one may have fired or been meddled with in the meantime; that is what the venue's history shows.
        let was = self.stops.values().any(|n| {
            n.client_id != *id
                && n.qty.is_some()
                && n.update_ms >= old.update_ms
                && side.sign() * (n.trigger.0 - old.trigger.0) >= 0
        });
        assert!(
            replaced || over || was,
            "I4: trail {id} cancelled without a successor"
        );
    }

    pub(super) fn judge(&mut self) {
        let slack = 3 * self.slowest + 200;
        // A new worker reads twice before it touches a trail.
        let after_start = if self.t - self.restarted < 5_000 {
            2_000
        } else {
            0
        };
        assert!(self.open(true).count() <= 2, "I1: anchors");
        let trails = self.open(false).count();
        assert!(trails <= 2, "I1: {trails} trails");
        if trails == 2 {
            let since = *self.two_trails_since.get_or_insert(self.t);
            // Query after query may be answered with nothing.
            let unanswered = if self.unanswered >= since { 2_000 } else { 0 };
            assert!(
                self.t - since <= 2_000 + slack + after_start + unanswered,
                "I1: two trails for {} ms",
                self.t - since
            );
        } else {
            self.two_trails_since = None;
        }
        let guarded = self
            .side()
            .is_none_or(|side| self.open(true).any(|s| s.side != side));
        if guarded {
            self.unprotected_since = None;
        } else {
            let since = *self.unprotected_since.get_or_insert(self.t);
            let age = self.t - since;
            self.count.max_unprotected_ms = self.count.max_unprotected_ms.max(age);
            assert!(
                age <= 1_000 + slack || self.last_exit_asked >= since || self.exiting,
                "I2: unprotected for {age} ms and no exit asked for"
            );
        }
        if self.pos == 0 && self.t - self.flat_since > 2_000 + slack + self.unknown_slack() {
            let left: Vec<_> = self.open(true).chain(self.open(false)).collect();
            assert!(left.is_empty(), "I3: flat and {left:?}");
        }
        let quiet = self.t - self.resized_since > 4_500 + slack + 2 * self.unknown_slack();
        if self.pos != 0 && quiet && trails == 1 && self.last_exit_asked < self.resized_since {
            let trail = self.open(false).next().unwrap();
            let passed = Self::triggers(trail.side, trail.trigger.0, self.mark);
            assert!(
                trail.qty == Some(Qty(self.pos.abs())) || passed || self.exiting,
                "I5: trail {:?} of position {}",
                trail.qty,
                self.pos
            );
        }
    }

    /// An unknown outcome is settled only after its window and margin.
    fn unknown_slack(&self) -> i64 {
        if self.chaos.unknown > 0
            || self.chaos.lose_algo > 0
            || self.chaos.vanish > 0
            || self.t < self.settling
        {
            4_000
        } else {
            0
        }
    }
}
