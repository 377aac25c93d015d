//! The session of a connection: which key it is logged on with, and what it tells of itself.

use super::Outcome;
use super::read::Request;
use crate::server::params::ApiError;
use crate::server::venue::Venue;
use serde_json::json;
use std::net::IpAddr;

/// A key that the connection is logged on with.
pub(super) struct Logon {
    pub(super) key: String,
    /// Since when, market ms.
    since_ms: i64,
}

/// What is kept of one connection.
pub(super) struct Session {
    pub(super) ip: IpAddr,
    connected_ms: i64,
    /// Answers tell the limits when the request says nothing.
    pub(super) limits: bool,
    pub(super) logon: Option<Logon>,
    /// The request being served found its key gone: the answer is to no request.
    pub(super) revoked: bool,
}

impl Session {
    /// Logged on with no key.
    pub(super) const fn new(ip: IpAddr, now_ms: i64, limits: bool) -> Self {
        Self {
            ip,
            connected_ms: now_ms,
            limits,
            logon: None,
            revoked: false,
        }
    }

    /// The key a request is made with: its own, else the session's.
    ///
    /// # Errors
    /// −2015 when the session's key is nobody's any more; the session is over then.
    pub(super) fn key_of(&mut self, r: &Request, v: &Venue) -> Result<Option<String>, ApiError> {
        if let Some(own) = r.params.get("apiKey") {
            return Ok(Some(own.to_owned()));
        }
        let gone = |l: &Logon| v.accounts.owner(&l.key).is_none();
        if self.logon.as_ref().is_some_and(gone) {
            self.logon = None;
            self.revoked = true;
            let msg = "Invalid API-key, IP, or permissions for action.";
            return Err(ApiError::new(-2015, msg));
        }
        Ok(self.logon.as_ref().map(|l| l.key.clone()))
    }

    /// `session.logon`, signed as it must be.
    pub(super) fn log_on(&mut self, v: &Venue, key: &str) -> Outcome {
        if !v.accounts.owner(key).is_some_and(|(_, k)| k.is_ed25519()) {
            let msg = "HMAC_SHA256 API key is not supported.";
            return Err(ApiError::new(-4056, msg));
        }
        self.logon = Some(Logon {
            key: key.to_owned(),
            since_ms: v.clock.now_ms(),
        });
        self.status(v)
    }

    /// What `session.logon`, `session.status` and `session.logout` answer.
    pub(super) fn status(&self, v: &Venue) -> Outcome {
        let logon = self.logon.as_ref();
        let told = json!({
            "apiKey": logon.map(|l| &l.key),
            "authorizedSince": logon.map(|l| l.since_ms),
            "connectedSince": self.connected_ms,
            "returnRateLimits": self.limits,
            "serverTime": v.clock.now_ms(),
        });
        Ok(told.to_string().into_bytes())
    }
}
