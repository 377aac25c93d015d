//! The two kinds as an API server knows them: objects with a status, and the definitions that admit them.
//!
//! The specs are the same types that a file holds. `to_manifest` gives the envelope of a file, so that
//! [`crate::validate`] and [`crate::convert`] serve both worlds unchanged. What an operator reports is in `status`.

mod bounds;
mod definition;
mod rules;
mod scalars;
mod schema;
mod status;

pub use crate::account::AccountResource as HeliosAccount;
pub use crate::strategy::StrategyResource as HeliosStrategy;
pub use definition::{SCHEMA_NUMBER, SCHEMA_SHA256, SCHEMA_VERSION, crds, schema_digest};
pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
pub use status::{AccountStatus, RolloutOutcome, RolloutStatus, StrategyStatus, SymbolTaken};

use crate::meta::{API_VERSION, ObjectMeta};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta as KubeMeta;

impl HeliosAccount {
    /// The object as a file would hold it: what rules and conversions read.
    pub fn to_manifest(&self) -> crate::HeliosAccount {
        crate::HeliosAccount {
            api_version: API_VERSION.into(),
            kind: "HeliosAccount".into(),
            metadata: meta(&self.metadata),
            spec: self.spec.clone(),
        }
    }
}

impl HeliosStrategy {
    /// The object as a file would hold it: what rules and conversions read.
    pub fn to_manifest(&self) -> crate::HeliosStrategy {
        crate::HeliosStrategy {
            api_version: API_VERSION.into(),
            kind: "HeliosStrategy".into(),
            metadata: meta(&self.metadata),
            spec: self.spec.clone(),
        }
    }
}

fn meta(m: &KubeMeta) -> ObjectMeta {
    ObjectMeta {
        name: m.name.clone().unwrap_or_default(),
        namespace: m.namespace.clone(),
        uid: m.uid.clone(),
        generation: m.generation.and_then(|g| u64::try_from(g).ok()),
        labels: m.labels.clone().unwrap_or_default(),
        annotations: m.annotations.clone().unwrap_or_default(),
    }
}
