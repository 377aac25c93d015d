//! The venue's server: Binance's USDⓈ-M REST and WebSocket protocol over the simulated exchange.
//!
//! [`VenueServer::start`] binds one listener for REST and the three WebSocket routes, a second one for administration,
//! and starts one task (the actor) that owns engine, market source and clock; connections only pass messages to it.
//! Market time stands still until it is told to start. The client in `helios-binance` was written apart from this on
//! purpose: the two check each other.

mod accounts;
mod actor;
mod address;
mod admin;
mod audit;
mod clock;
mod config;
mod day;
mod delay;
mod fault;
mod forced;
mod frames;
mod handle;
mod http;
mod hub;
mod interval;
mod klines;
mod limits;
mod link;
mod open;
mod outbox;
mod pace;
mod params;
mod path;
mod private;
mod public;
mod rest;
mod sign;
mod socket;
mod state;
mod stream;
mod subscribe;
mod surface;
mod text;
mod user;
mod venue;
mod words;
mod wsapi;

pub use accounts::{AccountConfig, ApiKey, ApiRestrictions, DEFAULT_ACCOUNT};
pub use audit::{AuditReport, Protection};
pub use config::{
    ApiCredentials, FanOut, KNOWN_KEY, Ledger, LedgerPosition, MarketState, VenueConfig,
    VenueServerError, VenueStats,
};
pub use fault::{
    Answer, Clock, Delay, Disorder, Fault, FaultPlan, FaultPlanError, Filters, Frames, Liquidation,
    ListenKey, Maintenance, Partial, Rules, Say, Sockets, Timed, Vanish, Which,
};
pub use handle::{VenueHandle, VenueServer};
pub use state::{SavedStart, saved_start};
pub use surface::{Surface, surface};
