//! What has gone wrong for others at the real exchange, and what must hold here: each complaint is a test against the fault
//! port of the simulated exchange. Whatever goes wrong, at most one order stands for an intent, the position that a worker
//! believes in is the exchange's, and a position has its stop confirmed. The names say the complaint; where it was made is beside it.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../common/mod.rs"]
mod common;

mod account;
mod books;
mod liquidations;
mod orders;
mod rig;
mod stops;
mod user_stream;
