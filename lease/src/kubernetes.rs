//! The record in a `coordination.k8s.io/v1` Lease.
//!
//! Read is a get; write is a replace that carries the uid and the resourceVersion of what it replaces, so the API server
//! itself compares and swaps. The uid matters: an API server takes a replace of a Lease that is gone for a creation, and
//! only a uid that is not there any more makes it a conflict. A Lease that was made ahead with nothing in its spec counts
//! as no record. Whatever else is on the object (labels, owners, fields of others) is left as it is.
//!
//! Nothing is sent twice: whether to try again is the elector's to decide, which knows how much of its term is left, and
//! whose task gives each call its time.

#[cfg(any(test, feature = "testing"))]
pub mod fake;
pub mod testing;

use crate::record::LeaseRecord;
use crate::store::{LeaseError, LeaseStore, Version};
use async_trait::async_trait;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::api::{Api, PostParams};
use kube::{Client, Config};
use std::sync::Mutex;
use std::time::Duration;

/// Silence after which a connection counts as dead; a watch must end before by itself ([`WATCH_SECONDS`]).
const SILENCE: Duration = Duration::from_secs(90);
/// Seconds after which a watch shall be begun anew, so that [`connect`]'s client takes none for dead.
pub const WATCH_SECONDS: u32 = 60;

/// A client of the API server that this process finds: that of `KUBECONFIG`, else the cluster's it runs in. It sends
/// nothing twice; kube's own would go on for minutes, while whoever waits for an answer has seconds. A connection that takes
/// longer than `within` to come up is given up: no longer than what the most impatient caller has for all of its call
/// ([`Times::call`](crate::Times::call)).
///
/// # Errors
/// There is none, or it can't be used.
pub async fn connect(within: Duration) -> Result<Client, kube::Error> {
    let mut config = Config::infer().await.map_err(kube::Error::InferConfig)?;
    config.default_retry = false;
    config.connect_timeout = Some(within);
    config.read_timeout = Some(SILENCE);
    // Counted from the question, not from the last answer on a connection that lay idle.
    config.reset_reader_on_write = true;
    Client::try_from(config)
}

/// What an API server answered, in one line.
pub fn words(e: &kube::Error) -> String {
    match e {
        kube::Error::Api(s) if s.message.is_empty() => format!("{} {}", s.code, s.reason),
        kube::Error::Api(s) => format!("{} ({})", s.message, s.code),
        other => other.to_string(),
    }
}

/// The lease of that name. Needs `get` and `update` on it, and `create` where nobody makes it ahead.
pub struct KubeLease {
    api: Api<Lease>,
    name: String,
    shown: String,
    /// The object as last seen, which the next write replaces: a renewal is one request.
    last: Mutex<Option<Lease>>,
}

impl std::fmt::Debug for KubeLease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KubeLease({})", self.shown)
    }
}

impl KubeLease {
    /// The lease `name` in `namespace`, by a client that sends nothing twice ([`connect`]).
    pub fn new(client: Client, namespace: &str, name: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.into(),
            shown: format!("lease {namespace}/{name}"),
            last: Mutex::new(None),
        }
    }

    fn io(&self, what: &str, e: &kube::Error) -> LeaseError {
        LeaseError::Io(format!("{what} {}: {}", self.shown, words(e)))
    }

    fn damaged(&self, why: impl std::fmt::Display) -> LeaseError {
        LeaseError::Damaged(format!("{}: {why}", self.shown))
    }

    fn remember(&self, lease: Option<Lease>) {
        // Replaced as a whole, so a poisoned lock still holds a whole object.
        *self
            .last
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = lease;
    }

    fn remembered(&self) -> Option<Lease> {
        self.last
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    async fn get(&self) -> Result<Option<Lease>, LeaseError> {
        let found = self.api.get_opt(&self.name).await;
        found.map_err(|e| self.io("read", &e))
    }

    /// What lies in the object; `None` for one that was made ahead.
    fn record(&self, lease: &Lease) -> Result<Option<(LeaseRecord, Version)>, LeaseError> {
        let Some(spec) = lease.spec.as_ref().filter(|s| **s != LeaseSpec::default()) else {
            return Ok(None);
        };
        // The record is field for field a LeaseSpec, so their JSON is one.
        let record = serde_json::to_value(spec)
            .and_then(serde_json::from_value)
            .map_err(|e| self.damaged(e))?;
        Ok(Some((record, self.version(lease)?)))
    }

    fn version(&self, lease: &Lease) -> Result<Version, LeaseError> {
        let m = &lease.metadata;
        match (&m.uid, &m.resource_version) {
            (Some(uid), Some(rv)) if !uid.is_empty() && !rv.is_empty() => {
                Ok(Version(format!("{uid}/{rv}")))
            }
            _ => Err(self.damaged("the API server gave it no uid or no resourceVersion")),
        }
    }

    /// The spec with the record in it and the rest of what was there.
    fn spec(&self, record: &LeaseRecord, old: Option<LeaseSpec>) -> Result<LeaseSpec, LeaseError> {
        let new: LeaseSpec = serde_json::to_value(record)
            .and_then(serde_json::from_value)
            .map_err(|e| LeaseError::Io(format!("write {}: {e}", self.shown)))?;
        let old = old.unwrap_or_default();
        Ok(LeaseSpec {
            preferred_holder: old.preferred_holder,
            strategy: old.strategy,
            ..new
        })
    }

    /// The object that a write replaces; `None` when there is none and none is expected.
    async fn base(&self, expected: Option<&Version>) -> Result<Option<Lease>, LeaseError> {
        let Some(expected) = expected else {
            return match self.get().await? {
                Some(l) if self.record(&l)?.is_some() => Err(LeaseError::Conflict),
                found => Ok(found),
            };
        };
        if let Some(l) = self.remembered()
            && self.version(&l).as_ref() == Ok(expected)
        {
            return Ok(Some(l));
        }
        match self.get().await? {
            Some(l) if self.version(&l)? == *expected => Ok(Some(l)),
            _ => Err(LeaseError::Conflict),
        }
    }

    async fn replace(
        &self,
        expected: Option<&Version>,
        record: &LeaseRecord,
    ) -> Result<Version, LeaseError> {
        let how = PostParams::default();
        let base = self.base(expected).await?;
        // Whatever becomes of the write, what was remembered is not what is there.
        self.remember(None);
        let written = match base {
            Some(mut lease) => {
                lease.spec = Some(self.spec(record, lease.spec.take())?);
                self.api.replace(&self.name, &how, &lease).await
            }
            None => {
                let mut lease = Lease {
                    spec: Some(self.spec(record, None)?),
                    ..Lease::default()
                };
                lease.metadata.name = Some(self.name.clone());
                self.api.create(&how, &lease).await
            }
        };
        let lease = written.map_err(|e| match &e {
            kube::Error::Api(s) if s.code == 409 || s.code == 404 => LeaseError::Conflict,
            _ => self.io("write", &e),
        })?;
        let version = self.version(&lease)?;
        self.remember(Some(lease));
        Ok(version)
    }
}

#[async_trait]
impl LeaseStore for KubeLease {
    async fn read(&self) -> Result<Option<(LeaseRecord, Version)>, LeaseError> {
        let lease = self.get().await?;
        let record = match &lease {
            Some(l) => self.record(l)?,
            None => None,
        };
        self.remember(lease);
        Ok(record)
    }

    async fn write(
        &self,
        expected: Option<&Version>,
        record: &LeaseRecord,
    ) -> Result<Version, LeaseError> {
        self.replace(expected, record).await
    }
}

#[cfg(test)]
#[path = "kubernetes_tests.rs"]
mod tests;
