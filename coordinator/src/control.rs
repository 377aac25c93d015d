//! What a running coordinator is told from outside, and why it fails.

use crate::CoordinatorConfig;
use helios_binance::error::ApiError;
use helios_core::instrument::Symbol;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long a person waits for a latch to be written.
const PERSON_WAITS: Duration = Duration::from_secs(5);

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

/// What a person is told who set or released a latch, whichever way the word came: waits until it is written.
///
/// # Errors
/// It is not, or it was not said in time whether it is, in words.
pub async fn told(
    name: &str,
    set: bool,
    written: oneshot::Receiver<Result<(), String>>,
) -> Result<String, String> {
    match timeout(PERSON_WAITS, written).await {
        Ok(Ok(written)) => {
            let word = if set { "set" } else { "released" };
            written.map(|()| format!("latch {name} {word} and written"))
        }
        Ok(Err(_)) | Err(_) => Err(format!(
            "latch {name}: it was not said in time whether it is written"
        )),
    }
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
