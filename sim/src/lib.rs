//! Virtual time over core and venue::engine: one thread, no sockets, deterministic by seed.
//!
//! [`Sim`] drives the same traders, guardian and exchange that run live, with every effect carried out by the real
//! counterpart after a configured delay of virtual time; there is no shortcut around a grant, an acknowledgement or the
//! user stream. Statistical checks, backtests and fault simulation stand on it. Same configuration and same source give
//! byte-identical trades, which [`SimReport::fingerprint`] stands for.
//!
//! Rooms: `queue` (what happens when), `setup` (configurations), `driver` (time), `tell` (who hears what), `effects` (what machines
//! want done), `link` (their words to the engine's and back), `books` (position and cash against the venue's ledger), `report`, `stats`;
//! `crash` (seeded crashes over a saved venue, with and without the guardian).

mod books;
pub mod crash;
mod driver;
mod effects;
mod link;
mod queue;
mod report;
mod setup;
pub mod stats;
mod tell;

pub use driver::{Sim, SimError, Until};
pub use report::SimReport;
pub use setup::{Latency, SimConfig, SimStrategy, account, fast_nobi, quickstart};
