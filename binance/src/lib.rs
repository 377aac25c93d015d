//! Binance USDS-M futures adapter: REST, streams, signing, rate budget, error taxonomy.
//!
//! The only place that knows the exchange's JSON as a client; everything it hands on is core's vocabulary. It decides
//! nothing: shells (worker, coordinator) carry effects to it and feed what it says to the machines.

pub mod clock;
mod convert;
pub mod credentials;
pub mod decode;
pub mod endpoints;
pub mod error;
pub mod instruments;
#[cfg(test)]
mod random;
pub mod rest;
#[cfg(test)]
mod samples;
pub mod sign;
pub mod user;
pub mod ws;

/// Installs ring as the process's TLS provider, unless one is installed already. Call it first in `main`.
pub fn install_crypto() {
    // An error means that somebody installed one before: that one stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
