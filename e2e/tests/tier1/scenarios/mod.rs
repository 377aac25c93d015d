//! What goes wrong, and that it is put right: one function for each failure, on real programs and fake nodes.

mod accounts;
mod definitions;
mod losses;
mod many;
mod objects;
mod operators;
mod pods;
mod positions;
mod rights;
mod secrets;

use std::time::Duration;

/// Longest that something that involves leases, scans and pods may take on a busy machine.
const WHILE: Duration = Duration::from_secs(90);

/// Five symbols of the simulated market.
const FIVE: &str = "  watchlist: {symbols: [BTCUSDT, ETHUSDT, SOLUSDT, XRPUSDT, DOGEUSDT]}\n";
const THREE: &str = "  watchlist: {symbols: [BTCUSDT, ETHUSDT, SOLUSDT]}\n";

/// Enters soon, holds for a while, in market seconds, and does not leave for an opposite signal.
fn eager(symbols: &str, hold: u32) -> String {
    format!(
        "  watchlist: {{symbols: [{symbols}]}}\n  signals: {{nobiTriggerThreshold: \"0.05\", cooldownSeconds: 0, model: {{mode: \"Off\"}}}}\n  risk: {{sizing: FixedNotional, fixedNotional: \"500\", costGate: \"Off\", atr: {{barSeconds: 5, multiplier: \"20\"}}, protections: {{maxConsecutiveLosses: 0}}}}\n  exits: {{maxHoldSeconds: {hold}, onOppositeSignal: Ignore}}\n"
    )
}
