//! Pods and nodes as watches read them: only what facts are made of.
//!
//! There may be 10,000 pods, each some ten kilobytes with what the API server keeps books by, and each changes several
//! times while it starts. What is not named here is skipped as it comes in, and never held.

use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Resource;
use kube::core::{ClusterResourceScope, NamespaceResourceScope};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A pod.
#[derive(Clone, Debug, Deserialize)]
pub struct BarePod {
    #[serde(deserialize_with = "meta")]
    pub(crate) metadata: ObjectMeta,
    pub(super) spec: Option<BareSpec>,
    pub(super) status: Option<BarePodStatus>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BareSpec {
    pub(super) node_name: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BarePodStatus {
    pub(super) phase: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) message: Option<String>,
    pub(super) conditions: Option<Vec<BareCondition>>,
    pub(super) container_statuses: Option<Vec<BareContainer>>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct BareCondition {
    #[serde(rename = "type")]
    pub(super) type_: String,
    pub(super) status: String,
    pub(super) reason: Option<String>,
    pub(super) message: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct BareContainer {
    pub(super) state: Option<BareState>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct BareState {
    pub(super) waiting: Option<BareWaiting>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct BareWaiting {
    pub(super) reason: Option<String>,
    pub(super) message: Option<String>,
}

/// A node.
#[derive(Clone, Debug, Deserialize)]
pub struct BareNode {
    #[serde(deserialize_with = "meta")]
    pub(crate) metadata: ObjectMeta,
    pub(super) status: Option<BareNodeStatus>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct BareNodeStatus {
    pub(super) conditions: Option<Vec<BareCondition>>,
}

/// Metadata without managed fields, owners and whatever else nobody asks for.
fn meta<'de, D: Deserializer<'de>>(d: D) -> Result<ObjectMeta, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Meta {
        name: Option<String>,
        namespace: Option<String>,
        uid: Option<String>,
        resource_version: Option<String>,
        labels: Option<BTreeMap<String, String>>,
        annotations: Option<BTreeMap<String, String>>,
        deletion_timestamp: Option<Time>,
    }
    let m = Meta::deserialize(d)?;
    Ok(ObjectMeta {
        name: m.name,
        namespace: m.namespace,
        uid: m.uid,
        resource_version: m.resource_version,
        labels: m.labels,
        annotations: m.annotations,
        deletion_timestamp: m.deletion_timestamp,
        ..ObjectMeta::default()
    })
}

/// Where it is found is where the whole object is.
macro_rules! found_as {
    ($bare:ty, $whole:ty, $scope:ty) => {
        impl Resource for $bare {
            type DynamicType = ();
            type Scope = $scope;

            fn kind((): &()) -> Cow<'_, str> {
                <$whole as Resource>::kind(&())
            }
            fn group((): &()) -> Cow<'_, str> {
                <$whole as Resource>::group(&())
            }
            fn version((): &()) -> Cow<'_, str> {
                <$whole as Resource>::version(&())
            }
            fn plural((): &()) -> Cow<'_, str> {
                <$whole as Resource>::plural(&())
            }
            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }
            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

found_as!(BarePod, Pod, NamespaceResourceScope);
found_as!(BareNode, Node, ClusterResourceScope);
