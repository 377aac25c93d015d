//! What goes wrong, and that it is put right: one function for each failure, on real programs and fake nodes.

mod definitions;
mod losses;
mod objects;
mod operators;
mod pods;
mod positions;

use std::time::Duration;

/// Longest that something that involves leases, scans and pods may take on a busy machine.
const WHILE: Duration = Duration::from_secs(90);

/// Five symbols of the simulated market.
const FIVE: &str = "  watchlist: {symbols: [BTCUSDT, ETHUSDT, SOLUSDT, XRPUSDT, DOGEUSDT]}\n";
const THREE: &str = "  watchlist: {symbols: [BTCUSDT, ETHUSDT, SOLUSDT]}\n";
