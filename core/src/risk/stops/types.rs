//! What the stop keeper is given, what it asks for, and what it remembers of one position.

use crate::fixed::{Price, Qty, Side};
use crate::messages::Alert;
use crate::order::{ClientId, NewStop};
use rust_decimal::Decimal;

/// How far the stops of the next position stand, in price units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopPlan {
    /// Wilder ATR of closed bars when the entry was decided; a tenth of it is the replace step.
    pub atr: Decimal,
    /// Multiplier × ATR: from entry to anchor, and from the best mark to the trail.
    pub distance: Decimal,
}

/// Why the position must be left at market now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExitCause {
    /// The mark is beyond the stop already (−2021, or seen before sending).
    WouldTrigger,
    /// The venue rejected or expired a stop while the position stood.
    StopLost,
    /// No anchor was confirmed within a second of liveness time.
    Unprotected,
    /// A stop triggered and a second later there is still a position.
    Remainder,
    /// An exit was refused (−2022, −4118); the trail that stood in its way is gone.
    ExitRefused,
}

/// What the keeper wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum StopOut {
    /// Send this stop.
    Place(NewStop),
    /// Cancel this stop by id.
    Cancel(ClientId),
    /// Query this stop by id.
    Query(ClientId),
    /// Read the venue.
    Reconcile,
    /// Leave the position at market, reduce-only, unless an exit is on its way. Repeated while the position stands.
    MarketExit(ExitCause),
    /// Tell people.
    Alert(Alert),
}

/// The position as last told, with what orders it in time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held {
    pub qty: Qty,
    pub entry: Option<Decimal>,
    /// Venue transaction and event time of the news.
    pub stamp: (i64, i64),
    pub heard_ns: u64,
}

/// One position from first fill to flat.
#[derive(Clone, Debug)]
pub(super) struct Episode {
    /// Direction of the position.
    pub side: Side,
    /// Venue time of the first news of it.
    pub began_ms: i64,
    /// Found by a read, not opened under our eyes: the anchor found tells the distance.
    pub found: bool,
    pub plan: Option<StopPlan>,
    pub anchor_trigger: Option<Price>,
    /// Best mark since entry.
    pub extreme: Option<Decimal>,
    /// Best trail trigger ever sent: none is sent behind it.
    pub trail_floor: Option<Price>,
    /// Liveness time since which no anchor is confirmed.
    pub naked_ns: Option<u64>,
    /// Liveness time at which a stop was seen to trigger.
    pub fired_ns: Option<u64>,
    /// Exit asked for, and when last.
    pub exit: Option<(ExitCause, u64)>,
    /// An exit was refused: no trail until flat.
    pub exit_refused: bool,
    /// −4130: the venue has an anchor that isn't known here.
    pub anchor_exists: bool,
    pub anchor_after_ns: u64,
    pub trail_after_ns: u64,
    /// After a refusal no trail is sent before, not even to resize.
    pub trail_hold_ns: u64,
}

impl Episode {
    pub const fn new(side: Side, began_ms: i64, found: bool, plan: Option<StopPlan>) -> Self {
        Self {
            side,
            began_ms,
            found,
            plan,
            anchor_trigger: None,
            extreme: None,
            trail_floor: None,
            naked_ns: None,
            fired_ns: None,
            exit: None,
            exit_refused: false,
            anchor_exists: false,
            anchor_after_ns: 0,
            trail_after_ns: 0,
            trail_hold_ns: 0,
        }
    }

    /// How much better `a` is than `b` as a stop of this position, ticks.
    pub const fn gain(&self, a: Price, b: Price) -> i64 {
        self.side.sign() * (a.0 - b.0)
    }

    /// The better of two marks.
    pub fn best_mark(&self, a: Decimal, b: Decimal) -> Decimal {
        match self.side {
            Side::Buy => a.max(b),
            Side::Sell => a.min(b),
        }
    }

    /// `distance` behind `from`.
    pub fn behind(&self, from: Decimal, distance: Decimal) -> Decimal {
        match self.side {
            Side::Buy => from - distance,
            Side::Sell => from + distance,
        }
    }
}
