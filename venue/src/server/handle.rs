//! Starting a venue in this process and talking to it.

use super::audit::AuditReport;
use super::config::{ApiCredentials, Ledger, VenueConfig, VenueServerError, VenueStats};
use std::net::SocketAddr;

/// Starts venues.
pub struct VenueServer;

impl VenueServer {
    /// Binds the listeners and starts the venue; market time stands until [`VenueHandle::start_market`].
    ///
    /// # Errors
    /// [`VenueServerError`] when an address can't be bound, the configuration is wrong or saved state is unreadable.
    pub async fn start(config: VenueConfig) -> Result<VenueHandle, VenueServerError> {
        let _ = config;
        Err(VenueServerError::Stopped)
    }
}

/// A running venue. Dropping it without [`VenueHandle::shutdown`] stops the venue without saving.
pub struct VenueHandle {
    addr: SocketAddr,
    admin: SocketAddr,
    credentials: ApiCredentials,
}

impl VenueHandle {
    /// `http://127.0.0.1:<port>`, to which `/fapi/...` is appended.
    pub fn rest_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Base of the public route: `/ws` or `/stream` is appended.
    pub fn ws_public_url(&self) -> String {
        format!("ws://{}/public", self.addr)
    }

    /// Base of the market route.
    pub fn ws_market_url(&self) -> String {
        format!("ws://{}/market", self.addr)
    }

    /// Base of the private route.
    pub fn ws_private_url(&self) -> String {
        format!("ws://{}/private", self.addr)
    }

    /// `http://127.0.0.1:<port>` of the administration port.
    pub fn admin_url(&self) -> String {
        format!("http://{}", self.admin)
    }

    /// The account's key and secret.
    pub fn credentials(&self) -> &ApiCredentials {
        &self.credentials
    }

    /// Lets market time go. Does nothing when it goes already.
    ///
    /// # Errors
    /// [`VenueServerError::Stopped`].
    pub async fn start_market(&self) -> Result<(), VenueServerError> {
        Err(VenueServerError::Stopped)
    }

    /// Changes the speed from now on.
    ///
    /// # Errors
    /// [`VenueServerError::BadSpeed`], [`VenueServerError::Stopped`].
    pub async fn set_speed(&self, speed: f64) -> Result<(), VenueServerError> {
        let _ = speed;
        Err(VenueServerError::Stopped)
    }

    /// Time, speed, sockets.
    ///
    /// # Errors
    /// [`VenueServerError::Stopped`].
    pub async fn stats(&self) -> Result<VenueStats, VenueServerError> {
        Err(VenueServerError::Stopped)
    }

    /// What the venue's own log says about unprotected time.
    ///
    /// # Errors
    /// [`VenueServerError::Stopped`].
    pub async fn audit(&self) -> Result<AuditReport, VenueServerError> {
        Err(VenueServerError::Stopped)
    }

    /// The venue's own books of the account.
    ///
    /// # Errors
    /// [`VenueServerError::Stopped`].
    pub async fn ledger(&self) -> Result<Ledger, VenueServerError> {
        Err(VenueServerError::Stopped)
    }

    /// Writes the state to the configured directory.
    ///
    /// # Errors
    /// [`VenueServerError::State`], [`VenueServerError::Stopped`].
    pub async fn save(&self) -> Result<(), VenueServerError> {
        Err(VenueServerError::Stopped)
    }

    /// Saves the state if a directory is configured, closes every connection and waits for the tasks to end.
    ///
    /// # Errors
    /// [`VenueServerError::State`] when saving failed; the venue has stopped nevertheless.
    pub async fn shutdown(self) -> Result<(), VenueServerError> {
        Ok(())
    }
}
