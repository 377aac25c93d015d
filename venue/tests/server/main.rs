//! The server seen from outside: real sockets on loopback, a client that shares nothing with `helios-binance`.

#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, missing_docs)]

mod accounts;
mod admin;
mod advanced;
mod batches;
mod behaviour;
mod cadence;
mod client;
mod faults;
mod further;
mod fuzz;
mod limits;
mod load;
mod orders;
mod rest;
mod samples;
mod shapes;
mod slow;
mod source;
mod state;
mod streams;
mod surface;
mod tickers;
mod wsapi;
mod wsapi_limits;
mod wsapi_session;
