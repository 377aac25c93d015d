//! One conditional order of ours, from sending to certain end.
//!
//! Evidence comes as replies, stream events and queries in any sequence; a stop counts as placed only when it was seen NEW,
//! and as gone only when its end was seen or its absence can't be overtaken any more.

use crate::fixed::{Price, Qty, Side};
use crate::order::ABSENCE_MARGIN_MS;
use crate::time::{NS_PER_MS, Now};

/// A cancel or an accepted placement that shows no effect after this is taken up again.
const RETRY_NS: u64 = 400 * NS_PER_MS;
const QUERY_PAUSE_NS: u64 = 200 * NS_PER_MS;
const LONGEST_PAUSE_NS: u64 = 500 * NS_PER_MS;
const QUERY_LOST_NS: u64 = 1_000 * NS_PER_MS;
const REPLY_LOST_NS: u64 = 5_000 * NS_PER_MS;
/// An accepted stop that queries don't find for this long has vanished.
const VANISHED_NS: u64 = 1_000 * NS_PER_MS;

/// Which of the two stops a leg is; decided by its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LegKind {
    /// `closePosition`.
    Anchor,
    /// `quantity` and reduce-only.
    Trail,
}

/// Where a leg stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LegState {
    /// On its way; no word yet.
    Sent,
    /// HTTP 200: proves nothing.
    Accepted,
    /// It may or may not be there.
    Unknown,
    /// Seen NEW.
    Working,
    /// Its trigger was hit.
    Firing,
}

/// One conditional order.
#[derive(Clone, Debug)]
pub(super) struct Leg {
    pub side: Side,
    pub trigger: Price,
    pub qty: Option<Qty>,
    pub state: LegState,
    /// Not ours: protects, but is never cancelled.
    pub foreign: bool,
    /// To be cancelled and verified gone.
    pub doomed: bool,
    /// Counts placements and adoptions up.
    pub number: u64,
    pub sent_ns: u64,
    /// Venue time of the latest news that it stands.
    pub shown_ms: i64,
    /// Liveness time of the latest change of knowledge.
    pub touched_ns: u64,
    /// Queries since then that found nothing.
    pub misses: u32,
    dead_after_ms: Option<i64>,
    cancel_ns: Option<u64>,
    cancel_answered: bool,
    /// Liveness time of the latest doubt that no query asked since has settled.
    doubted_ns: Option<u64>,
    asked: Option<Now>,
    ask_after_ns: u64,
    pause_ns: u64,
}

impl Leg {
    pub fn new(
        now: Now,
        number: u64,
        state: LegState,
        side: Side,
        trigger: Price,
        qty: Option<Qty>,
    ) -> Self {
        Self {
            side,
            trigger,
            qty,
            state,
            foreign: false,
            doomed: false,
            number,
            sent_ns: now.mono_ns,
            shown_ms: i64::MIN,
            touched_ns: now.mono_ns,
            misses: 0,
            dead_after_ms: None,
            cancel_ns: None,
            cancel_answered: false,
            doubted_ns: None,
            asked: None,
            ask_after_ns: 0,
            pause_ns: QUERY_PAUSE_NS,
        }
    }

    pub const fn kind(&self) -> LegKind {
        match self.qty {
            None => LegKind::Anchor,
            Some(_) => LegKind::Trail,
        }
    }

    /// Wanted and seen NEW.
    pub fn is_working(&self) -> bool {
        !self.doomed && self.state == LegState::Working
    }

    fn learn(&mut self, now: Now, state: LegState) {
        self.state = state;
        self.touched_ns = now.mono_ns;
        self.misses = 0;
        self.pause_ns = QUERY_PAUSE_NS;
        self.ask_after_ns = 0;
    }

    /// HTTP 200 to the placement.
    pub fn accepted(&mut self, now: Now) {
        if matches!(self.state, LegState::Sent | LegState::Unknown) {
            self.learn(now, LegState::Accepted);
            self.cancel_ns = None;
        }
    }

    /// No answer that means anything.
    pub fn unknown(&mut self, now: Now, dead_after_ms: i64) {
        if self.state == LegState::Sent {
            self.learn(now, LegState::Unknown);
            self.dead_after_ms = Some(dead_after_ms);
        }
    }

    /// Seen NEW, the venue says of `told_ms`.
    pub fn working(&mut self, now: Now, told_ms: i64) {
        if self.state != LegState::Firing {
            self.learn(now, LegState::Working);
            self.shown_ms = self.shown_ms.max(told_ms);
        }
    }

    pub fn firing(&mut self, now: Now) {
        if self.state != LegState::Firing {
            self.learn(now, LegState::Firing);
        }
    }

    pub fn cancel_answered(&mut self) {
        self.cancel_answered = true;
        self.ask_after_ns = 0;
    }

    /// A read of the venue should have listed it and did not.
    pub fn doubt(&mut self, now: Now) {
        self.doubted_ns = Some(now.mono_ns);
    }

    /// A query showed it. One that was on its way when the doubt arose doesn't settle it, and late events never do.
    pub fn shown(&mut self) {
        let asked = self.asked.take();
        if asked.is_some_and(|a| self.doubted_ns.is_some_and(|d| a.mono_ns >= d)) {
            self.doubted_ns = None;
        }
    }

    /// A query found nothing; true when that proves the leg gone.
    pub fn missed(&mut self, now: Now) -> bool {
        let Some(asked) = self.asked.take() else {
            return false;
        };
        if asked.mono_ns < self.touched_ns {
            return false; // Asked before what is known now.
        }
        self.misses += 1;
        match self.state {
            LegState::Sent => false,
            LegState::Unknown => self
                .dead_after_ms
                .is_some_and(|d| asked.market_ms > d.saturating_add(ABSENCE_MARGIN_MS)),
            LegState::Working if self.cancel_answered => true,
            // A read of the venue may lag behind its stream.
            LegState::Accepted | LegState::Working => {
                self.misses >= 2 && now.mono_since(self.touched_ns) > VANISHED_NS
            }
            LegState::Firing => true,
        }
    }

    /// A query was answered with something that tells nothing.
    pub fn unanswered(&mut self) {
        self.asked = None;
    }

    /// An anchor whose fate is open, but which a query didn't find: another may be tried, the venue admits only one.
    pub fn may_be_missing(&self, now: Now) -> bool {
        let patience = match self.state {
            LegState::Unknown | LegState::Accepted => 300 * NS_PER_MS,
            LegState::Sent => 500 * NS_PER_MS,
            LegState::Working | LegState::Firing => return false,
        };
        self.misses > 0 && now.mono_since(self.sent_ns) >= patience
    }

    /// True when a cancel is due; it is then noted as sent.
    pub fn wants_cancel(&mut self, now: Now) -> bool {
        if !self.doomed || self.foreign || self.state == LegState::Firing {
            return false;
        }
        let since = match self.cancel_ns {
            Some(at) => at,
            // A cancel that overtakes its placement finds nothing: give the reply a moment.
            None if self.state == LegState::Sent => self.sent_ns,
            None => 0,
        };
        if since > 0 && now.mono_since(since) < RETRY_NS {
            return false;
        }
        self.cancel_ns = Some(now.mono_ns);
        self.cancel_answered = false;
        true
    }

    /// True when a query is due; it is then noted as sent.
    pub fn ask(&mut self, now: Now) -> bool {
        if self.state == LegState::Sent && now.mono_since(self.sent_ns) > REPLY_LOST_NS {
            self.unknown(now, now.market_ms);
        }
        let since_touched = now.mono_since(self.touched_ns);
        let due = match self.state {
            LegState::Sent => since_touched >= 300 * NS_PER_MS,
            LegState::Accepted => since_touched >= 150 * NS_PER_MS,
            LegState::Unknown => true,
            LegState::Firing => since_touched >= 500 * NS_PER_MS,
            LegState::Working if self.doomed => {
                self.cancel_answered
                    || self
                        .cancel_ns
                        .is_some_and(|at| now.mono_since(at) >= RETRY_NS / 2)
            }
            LegState::Working => self.doubted_ns.is_some(),
        };
        let waiting = self
            .asked
            .is_some_and(|a| now.mono_since(a.mono_ns) < QUERY_LOST_NS);
        if !due || waiting || now.mono_ns < self.ask_after_ns {
            return false;
        }
        self.asked = Some(now);
        self.ask_after_ns = now.mono_ns + self.pause_ns;
        if self.kind() == LegKind::Trail || self.doomed || self.state == LegState::Working {
            self.pause_ns = (self.pause_ns * 2).min(LONGEST_PAUSE_NS);
        }
        true
    }
}
