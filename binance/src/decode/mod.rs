//! Frame bytes to market events in ticks and lots.
