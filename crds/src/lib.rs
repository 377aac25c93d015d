//! `HeliosAccount` and `HeliosStrategy` (`helios.trading/v1alpha1`): types, defaults, validation, conversion.
//!
//! The manifests of a file and of an API server are the same types. [`validate`] holds the Rust twin of each rule that
//! admission also checks; [`convert`] resolves a valid manifest into core's parameters; [`manifest`] reads files and says
//! where in them something is wrong. An unknown field is an error everywhere.

mod account;
pub mod convert;
mod decimal;
mod defaults;
#[cfg(feature = "kubernetes")]
pub mod kube;
pub mod manifest;
mod meta;
mod quantity;
mod strategy;
pub mod validate;

pub use account::{
    AccountSpec, Endpoints, Environment, ExternalPositions, HeliosAccount, Limits, LogLevel,
    Margin, Monitoring, SecretKeyRef, SecretRef, Simulated, Venue,
};
pub use decimal::Dec;
pub use meta::{API_VERSION, ObjectMeta};
pub use quantity::Quantity;
pub use strategy::{
    AccountRef, Atr, CostGate, EntryStyle, Execution, Exits, HeliosStrategy, Model, ModelMode,
    OnDelete, OnOppositeSignal, Prior, Protections, Record, RedisState, Regime, RegimeOverride,
    Resources, Risk, Rollout, Signals, Sizing, StatePlugins, StrategySpec, UpdatePolicy, Watchlist,
    Worker,
};
