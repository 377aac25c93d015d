//! What the operator makes, as pure functions of a valid account or strategy: no client, no cluster, no clock.
//!
//! Objects are JSON as it is sent. A field that is not written here is not owned here. Tests read every object back as
//! Kubernetes' own types, so that a misspelt field can't pass, and hold each against a golden file.

mod account;
mod coordinator;
mod network;
mod parts;
mod strategy;
mod venue;
mod worker;

pub use account::{coordinator_account, guardian_state, lease, role_binding, workers_account};
pub use coordinator::{deployment, disruption_budget as coordinator_budget, service};
pub use network::{coordinator_policy, workers_policy};
pub use strategy::{budget, manifests, parameters};
pub use venue::{has_venue, market_args, venue, venue_policy, venue_service};
pub use worker::{marked_pod, pod, spec_hash};

use serde_json::Value;
use sha2::{Digest, Sha256};

/// The first 16 hexadecimal digits of the SHA-256 of an object's JSON; its fields are in a fixed order.
pub fn hash(v: &Value) -> String {
    let digest = Sha256::digest(v.to_string().as_bytes());
    digest.iter().take(8).map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod golden;
#[cfg(test)]
mod hashes;
