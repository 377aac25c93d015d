//! What the stop keeper is given and what it asks for.

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
