//! What the real exchange has been seen to do both ways.

use super::Engine;
use helios_core::order::AlgoStatus;

/// The rules that may be chosen, for a new engine or for one that was loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)]
pub struct Switches {
    /// The conditional orders that would close a position end by themselves when it goes flat.
    pub auto_cancel_orphan_stops: bool,
    /// They end as CANCELED then, instead of EXPIRED.
    pub orphan_stops_canceled: bool,
    /// `countdownCancelAll` takes conditional orders too.
    pub countdown_cancels_algo: bool,
    /// Untriggered reduce-only stops count against what plain reduce-only orders may still reduce.
    pub stops_hold_reduce_only: bool,
}

impl Engine {
    /// Goes by these rules from now on.
    pub fn switch(&mut self, s: Switches) {
        self.config.auto_cancel_orphan_stops = s.auto_cancel_orphan_stops;
        self.config.countdown_cancels_algo = s.countdown_cancels_algo;
        self.orphan_stops_canceled = s.orphan_stops_canceled;
        self.set_stops_hold_reduce_only(s.stops_hold_reduce_only);
    }

    /// The rules that are gone by.
    #[must_use]
    pub fn switches(&self) -> Switches {
        Switches {
            auto_cancel_orphan_stops: self.config.auto_cancel_orphan_stops,
            orphan_stops_canceled: self.orphan_stops_canceled,
            countdown_cancels_algo: self.config.countdown_cancels_algo,
            stops_hold_reduce_only: self.stops_hold_reduce_only,
        }
    }

    /// How a conditional order ends whose position went flat.
    pub(super) fn orphan_end(&self) -> AlgoStatus {
        if self.orphan_stops_canceled {
            AlgoStatus::Canceled
        } else {
            AlgoStatus::Expired
        }
    }
}
