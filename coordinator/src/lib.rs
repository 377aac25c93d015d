//! The coordinator: a thin shell around [`helios_core::guardian::Guardian`] for one account.
//!
//! It feeds the account's own stream, marks and REST reads ([`account`]), the workers' questions and reports, and the
//! market scan ([`scan`]); it answers grants, places stops of last resort, de-risks and publishes the snapshot
//! ([`effects`], [`orders`], [`outbox`]). What must outlive it is written through [`store`] before it counts
//! ([`saves`], [`said`]). Several may run: one leads
//! ([`lead`], [`fence`], [`unread`]), the others keep their picture warm. [`observe`] is the hook for metrics.

mod account;
mod asked;
mod control;
mod effects;
mod fence;
mod fitness;
mod inputs;
mod lead;
pub mod observe;
mod orders;
mod outbox;
mod peers;
mod renew;
mod said;
mod saves;
pub mod scan;
mod shell;
pub mod store;
mod unread;

pub use control::{Control, CoordinatorError, told};
pub use shell::run;

use helios_binance::rest::RestClient;
use helios_bus::typed::AccountBus;
use helios_core::guardian::StrategyInfo;
use helios_core::params::AccountParams;
use helios_lease::LeaseStore;
use std::sync::Arc;

/// What a coordinator is started with.
#[derive(Clone, Debug, PartialEq)]
pub struct CoordinatorConfig {
    /// Account parameters.
    pub account: AccountParams,
    /// Strategies that share the account, oldest first.
    pub strategies: Vec<StrategyInfo>,
}

/// What a coordinator talks through.
#[derive(Clone, Debug)]
pub struct CoordinatorLinks {
    /// The exchange.
    pub rest: RestClient,
    /// The account's bus.
    pub bus: AccountBus,
    /// Where marks and latches are kept.
    pub store: Arc<dyn store::GuardianStore>,
    /// The leader lock that coordinators of the account share; `None`: this one is alone and leads at once.
    pub lock: Option<Arc<dyn LeaseStore>>,
    /// Name of this process in lock and fence; another in every life of a process.
    pub identity: String,
    /// Sees what the guardian does.
    pub observer: Arc<dyn observe::Observer>,
}
