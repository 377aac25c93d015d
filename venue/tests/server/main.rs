//! The server seen from outside: real sockets on loopback, a client that shares nothing with `helios-binance`.

#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, missing_docs)]

mod accounts;
mod admin;
mod advanced;
mod batches;
mod behaviour;
mod client;
mod fuzz;
mod limits;
mod load;
mod orders;
mod rest;
mod samples;
mod shapes;
mod source;
mod state;
mod streams;
