//! The worker: a thin shell around [`helios_core::trader::Trader`] for one symbol of one account.
//!
//! Streams in, orders out. It loads what the exchange says of the contract ([`setup`]), feeds every frame, reply, grant and
//! command to the machine and carries its effects out ([`effects`]). It decides nothing and persists nothing: after a
//! crash the next one starts from the venue.

mod effects;
mod feeds;
mod setup;
mod shell;

pub use setup::{SetupError, load_symbol};
pub use shell::{Control, WorkerError, WorkerExit, run};

use helios_binance::rest::RestClient;
use helios_bus::typed::AccountBus;
use helios_core::messages::ParamsDocument;
use helios_core::params::Environment;

/// What a worker is started with.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// `namespace/name` of the account.
    pub account: String,
    /// `namespace/name` of the strategy.
    pub strategy: String,
    /// Identity of the strategy object.
    pub strategy_uid: String,
    /// Pod uid or task id; grants bind to it.
    pub task_uid: String,
    /// Another in every life of the process, though its task is the same: what it counts begins anew.
    pub life: String,
    /// Contract.
    pub symbol: String,
    /// Where orders go.
    pub environment: Environment,
    /// First parameters; newer ones come over the bus.
    pub params: ParamsDocument,
    /// Name of this process's way out to the exchange, where it has a rate budget of its own: it reports its use and keeps
    /// to the share its grants carry. `None` where workers share one process and one budget.
    pub egress: Option<String>,
    /// Depth stream's suffix: `100ms`, `250ms`, `500ms` or `0ms`.
    pub depth_cadence: String,
}

/// What a worker talks through.
#[derive(Clone, Debug)]
pub struct WorkerLinks {
    /// The exchange.
    pub rest: RestClient,
    /// The account's bus.
    pub bus: AccountBus,
}
