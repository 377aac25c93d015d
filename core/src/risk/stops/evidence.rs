//! What replies and events tell about the legs, and what follows at once.

use super::leg::{LegKind, LegState};
use super::types::ExitCause;
use super::{StopKeeper, StopOut, remember};
use crate::fixed::Side;
use crate::messages::Severity;
use crate::order::{AlgoStatus, ClientId, Refusal, RefusalClass, VenueReply};
use crate::time::{NS_PER_MS, NS_PER_S, Now};

/// What only a person can mend is told of this often.
const TELL_AGAIN_NS: u64 = 60 * NS_PER_S;

impl StopKeeper {
    pub(super) fn on_place_reply(
        &mut self,
        now: Now,
        id: &ClientId,
        reply: &VenueReply,
        out: &mut Vec<StopOut>,
    ) {
        let Some(leg) = self.legs.get_mut(id) else {
            return;
        };
        match reply {
            VenueReply::Accepted { .. } => leg.accepted(now),
            VenueReply::Unknown { dead_after_ms, .. } => leg.unknown(now, *dead_after_ms),
            VenueReply::Refused(Refusal::DuplicateId) => leg.unknown(now, now.market_ms),
            VenueReply::Refused(r) if matches!(leg.state, LegState::Sent | LegState::Unknown) => {
                let (kind, doomed) = (leg.kind(), leg.doomed);
                self.forget(id, true);
                if !doomed {
                    self.on_refused(now, kind, r, out);
                }
            }
            _ => {}
        }
    }

    fn on_refused(&mut self, now: Now, kind: LegKind, r: &Refusal, out: &mut Vec<StopOut>) {
        let Some(ep) = &mut self.episode else {
            return;
        };
        let pause_ms = r.waits().stop;
        match kind {
            LegKind::Anchor => {
                ep.anchor_after_ns = now
                    .mono_ns
                    .saturating_add(pause_ms.saturating_mul(NS_PER_MS))
            }
            LegKind::Trail => {
                ep.trail_hold_ns = now
                    .mono_ns
                    .saturating_add(pause_ms.saturating_mul(NS_PER_MS).max(NS_PER_S));
            }
        }
        match r {
            Refusal::WouldTrigger => self.request_exit(now, ExitCause::WouldTrigger, out),
            Refusal::StopExists => {
                ep.anchor_exists = true;
                self.read();
            }
            Refusal::NoPosition | Refusal::ReduceOnly => self.read(),
            other => {
                // Nothing but a person can mend it: until then the position has no stop, or is closed for want of one.
                let config = other.class() == RefusalClass::Config;
                if config {
                    // Each try would say the same, four times a second.
                    if self
                        .config_told_ns
                        .is_some_and(|t| now.mono_since(t) < TELL_AGAIN_NS)
                    {
                        return;
                    }
                    self.config_told_ns = Some(now.mono_ns);
                }
                let severity = if config {
                    Severity::Critical
                } else {
                    Severity::Warning
                };
                out.push(self.alert(
                    severity,
                    "StopRefused",
                    format!("{kind:?} stop refused: {other}; trying again"),
                ));
            }
        }
    }

    /// A status of a leg of ours, from whichever source, with the venue's time of it.
    pub(super) fn on_status(
        &mut self,
        now: Now,
        id: &ClientId,
        status: AlgoStatus,
        told_ms: i64,
        out: &mut Vec<StopOut>,
    ) {
        let Some(leg) = self.legs.get_mut(id) else {
            return;
        };
        let (kind, doomed, side) = (leg.kind(), leg.doomed, leg.side);
        match status {
            AlgoStatus::New => {
                leg.working(now, told_ms);
            }
            AlgoStatus::Triggering | AlgoStatus::Triggered => {
                leg.firing(now);
                self.fired(now, side, told_ms);
            }
            AlgoStatus::Finished => {
                self.forget(id, false);
                self.fired(now, side, told_ms);
            }
            AlgoStatus::Canceled => {
                self.forget(id, false);
                if !doomed && self.episode.is_some() {
                    out.push(self.alert(
                        Severity::Warning,
                        "StopCanceled",
                        format!("{kind:?} stop {id} was cancelled by somebody else"),
                    ));
                }
            }
            AlgoStatus::Expired | AlgoStatus::Rejected => {
                self.forget(id, false);
                // After a trigger the venue may expire what it closed over: the position decides (see `watch`).
                if !doomed && self.episode.as_ref().is_some_and(|e| e.fired_ns.is_none()) {
                    self.request_exit(now, ExitCause::StopLost, out);
                }
            }
        }
    }

    /// A stop was hit, the venue says of `told_ms`. Before this position began, it is none of its business.
    pub(super) fn fired(&mut self, now: Now, side: Side, told_ms: i64) {
        if let Some(ep) = &mut self.episode
            && ep.side != side
            && told_ms >= ep.began_ms
        {
            ep.fired_ns.get_or_insert(now.mono_ns);
        }
    }

    /// A leg that can't be there any more although nobody told its end.
    pub(super) fn vanished(&mut self, id: &ClientId, out: &mut Vec<StopOut>) {
        self.read(); // Should it stand there all the same, it must not stand there unknown.
        let wanted = self.legs.get(id).is_some_and(|l| !l.doomed);
        self.forget(id, true);
        if wanted {
            out.push(self.alert(
                Severity::Warning,
                "StopVanished",
                format!("stop {id} was sent and is not at the venue"),
            ));
        }
    }

    pub(super) fn forget(&mut self, id: &ClientId, inferred: bool) {
        self.legs.remove(id);
        self.gone.retain(|(g, _)| g != id);
        remember(&mut self.gone, (id.clone(), inferred));
    }
}
