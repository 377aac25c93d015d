//! What a running coordinator is told from outside, and why it fails.

use crate::CoordinatorConfig;
use helios_binance::error::ApiError;
use helios_core::instrument::Symbol;
use tokio::sync::oneshot;

/// What the actuator or a person says to a running coordinator.
#[derive(Debug)]
pub enum Control {
    /// Manifests changed.
    Config(Box<CoordinatorConfig>),
    /// Set or release a latch.
    Latch {
        /// Name, e.g. `kill`.
        name: String,
        /// Set or release.
        set: bool,
        /// Answered once it is written, or with why it is not: only then it outlives this process.
        done: oneshot::Sender<Result<(), String>>,
    },
    /// Close the symbol's position whole, worker or not.
    Release(Symbol),
    /// End; workers are reduce-only when their grants run out.
    Shutdown,
}

/// Why a coordinator failed: the actuator starts the next one after a pause.
#[derive(Debug, thiserror::Error)]
pub enum CoordinatorError {
    /// The exchange could not be read.
    #[error("{0}")]
    Api(#[from] ApiError),
    /// The bus is closed.
    #[error(transparent)]
    Bus(#[from] helios_bus::BusError),
    /// The user stream's task is gone for good.
    #[error("the user feed ended")]
    FeedEnded,
    /// The leader lock can't be used as configured.
    #[error(transparent)]
    Lock(#[from] helios_lease::SetupError),
    /// The task that follows leadership is gone.
    #[error("the leader lock's task ended")]
    LeadEnded,
    /// The actuator is gone.
    #[error("the actuator is gone")]
    Abandoned,
}
