//! The pure part of Helios: everything that decides, and nothing that talks.
//!
//! Every machine here has the shape `on_event(&mut self, now, event, &mut out)`: no I/O, no clock, no task, no
//! randomness, no unordered map. Live trading, simulation, backtest and replay are drivers of the same machines.
//! Prices and quantities are integers (ticks and lots, [`fixed`]); money is `rust_decimal` ([`fixed::Money`]);
//! `f64` appears only in features, models and statistics.
//!
//! Borders: this crate imports no async runtime, network, clock or random source (a test over `cargo metadata` holds it).

pub mod fixed;
pub mod guardian;
pub mod instrument;
pub mod market;
pub mod messages;
pub mod order;
pub mod params;
pub mod plan;
pub mod risk;
pub mod signal;
pub mod time;
pub mod trader;
pub mod watchlist;
