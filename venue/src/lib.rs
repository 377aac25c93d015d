//! A simulated USDS-M futures exchange.
//!
//! [`engine`] is pure: matching, stops, margin, liquidation; it is told market data and requests and says what happened.
//! [`market`] makes market data: a seeded generator, or the replay of a recording. `server` (feature `server`) speaks
//! Binance's own REST and WebSocket protocol on loopback. The adapter in `binance` was written apart from it on purpose:
//! the two check each other, so nothing is shared but `helios-core`'s vocabulary.

pub mod engine;
pub mod market;
#[cfg(feature = "server")]
pub mod server;
