//! The part of Kubernetes' object metadata that Helios reads.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `apiVersion` of both kinds.
pub const API_VERSION: &str = "helios.trading/v1alpha1";

/// Object metadata. Fields of Kubernetes that Helios does not read are kept out of the way, not refused: exported objects carry them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectMeta {
    /// Name.
    pub name: String,
    /// Namespace; `default` where a file says none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Identity given by the API server; files have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Generation given by the API server; files count their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl ObjectMeta {
    /// `namespace/name`: how the rest of the system calls the object.
    pub fn full_name(&self) -> String {
        format!(
            "{}/{}",
            self.namespace.as_deref().unwrap_or("default"),
            self.name
        )
    }
}
