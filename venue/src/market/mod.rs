//! Where market data comes from: a seeded generator or a recording, behind one trait.
//!
//! Everything here is a function of a seed or of a file's bytes: no clock, no task, no unordered map. The engine matches
//! own orders against what comes out; a driver (server, simulator) decides how fast time goes. `f64` is used for the
//! statistics of made-up markets only: what leaves is ticks and lots.

mod fit;
mod generator;
mod history;
mod listing;
mod replay;
mod rng;

pub use fit::{FitReport, FitRow, MarketStats};
pub use generator::{Generator, GeneratorConfig, GeneratorError, Imbalance, Profile};
pub use listing::{DEMO_SYMBOLS, demo_contract};
pub use replay::{Replay, ReplayError, ReplayStats};
pub use rng::{Rng, exp, ln};

use crate::engine::{MarketInput, SymbolId, SymbolSpec};
use helios_core::market::Bar;

/// A deterministic source of market data in time order. Whoever drives it decides how fast time goes.
pub trait MarketSource: Send {
    /// The contracts it serves, in [`SymbolId`] order.
    fn symbols(&self) -> Vec<SymbolSpec>;

    /// The words every output carries: "simulated market (...)" or "recorded market, synthesised mark price".
    fn label(&self) -> String;

    /// Venue time of its first event, ms: snapshots of every symbol come first.
    fn start_ms(&self) -> i64;

    /// The time of the next event, ms; `None` at the end of a recording.
    fn peek_ms(&self) -> Option<i64>;

    /// Takes the next event.
    fn next_event(&mut self) -> Option<(i64, SymbolId, MarketInput)>;

    /// Closed bars before `before_ms`, oldest first, at most `limit` (≥ 200 available from the start on); bars of the run
    /// itself included as time goes on. Intervals are whole minutes; any other has no history.
    fn history(&self, symbol: SymbolId, interval_ms: i64, before_ms: i64, limit: usize)
    -> Vec<Bar>;
}
