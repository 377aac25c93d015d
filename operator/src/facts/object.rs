//! Accounts, strategies, parameter documents and nodes, as far as decisions look at them.

use super::bare::BareNode;
use crate::names;
use helios_core::messages::ParamsDocument;
use helios_crds::kube::{HeliosAccount, HeliosStrategy};
use k8s_openapi::api::core::v1::ConfigMap;
use std::sync::Arc;

/// An account object; what can't be read as one is kept by its name, so that it is not taken for gone.
#[derive(Clone, Debug)]
pub struct AccountFact {
    /// `namespace/name`.
    pub name: String,
    /// The object, or why it can't be read.
    pub object: Result<Arc<HeliosAccount>, String>,
}

/// A strategy object; what can't be read as one is kept by its name, so that it is not taken for gone.
#[derive(Clone, Debug)]
pub struct StrategyFact {
    /// `namespace/name`.
    pub name: String,
    /// The object, or why it can't be read.
    pub object: Result<Arc<HeliosStrategy>, String>,
}

impl PartialEq for AccountFact {
    fn eq(&self, o: &Self) -> bool {
        same(
            self.object.as_deref().map(|a| &a.metadata.resource_version),
            o.object.as_deref().map(|a| &a.metadata.resource_version),
        )
    }
}

impl PartialEq for StrategyFact {
    fn eq(&self, o: &Self) -> bool {
        same(
            self.object.as_deref().map(|s| &s.metadata.resource_version),
            o.object.as_deref().map(|s| &s.metadata.resource_version),
        )
    }
}

/// Two readings are of one version of the object. Whatever has no version is never the same.
fn same(a: Result<&Option<String>, &String>, b: Result<&Option<String>, &String>) -> bool {
    match (a, b) {
        (Ok(a), Ok(b)) => a.is_some() && a == b,
        (Err(a), Err(b)) => a == b,
        _ => false,
    }
}

impl StrategyFact {
    /// `namespace/name` of the account it trades on; `None` when it can't be read.
    pub fn account(&self) -> Option<String> {
        let object = self.object.as_ref().ok()?;
        let (namespace, _) = names::split(&self.name);
        Some(format!("{namespace}/{}", object.spec.account_ref.name))
    }
}

/// What stands published for a strategy.
#[derive(Clone, Debug, PartialEq)]
pub struct DocumentFact {
    /// `namespace/name` of the strategy.
    pub strategy: String,
    /// `namespace/name` of its account.
    pub account: String,
    /// The document; `None` when what is there is none.
    pub document: Option<Arc<ParamsDocument>>,
    /// The manifests beside it.
    pub manifests: String,
    /// When its canaries began, RFC 3339.
    pub since: Option<String>,
    /// Why it took a change back.
    pub breach: Option<String>,
    /// Where its canaries stood when they began, as the plan writes it.
    pub baseline: Option<String>,
    /// Uid of the strategy it belongs to.
    pub owner: Option<String>,
    /// Its own.
    pub uid: Option<String>,
    /// Its version: whoever writes over it says what it was that was seen.
    pub version: Option<String>,
}

impl DocumentFact {
    /// Reads a parameters' ConfigMap; `None` for another.
    pub fn of(map: &ConfigMap) -> Option<Self> {
        let m = &map.metadata;
        let namespace = m.namespace.as_deref()?;
        let labels = m.labels.as_ref()?;
        if labels.get(names::COMPONENT)? != names::PARAMETERS {
            return None;
        }
        let noted = |key: &str| m.annotations.as_ref().and_then(|a| a.get(key)).cloned();
        let data = |key: &str| map.data.as_ref().and_then(|d| d.get(key));
        Some(Self {
            strategy: format!("{namespace}/{}", labels.get(names::STRATEGY)?),
            account: format!("{namespace}/{}", labels.get(names::ACCOUNT)?),
            document: data(names::DOCUMENT_KEY)
                .and_then(|d| serde_json::from_str(d).ok())
                .map(Arc::new),
            manifests: data(names::MANIFESTS_KEY).cloned().unwrap_or_default(),
            since: noted(names::ROLLOUT_SINCE),
            breach: noted(names::ROLLOUT_BREACH),
            baseline: noted(names::ROLLOUT_BASELINE),
            owner: m
                .owner_references
                .iter()
                .flatten()
                .find(|o| o.kind == "HeliosStrategy")
                .map(|o| o.uid.clone()),
            uid: m.uid.clone(),
            version: m.resource_version.clone(),
        })
    }
}

/// A node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeFact {
    /// It is heard of. Pressure and cordons don't matter here.
    pub heard: bool,
}

impl NodeFact {
    /// Reads a node.
    pub fn of(node: &BareNode) -> Self {
        let conditions = node
            .status
            .iter()
            .flat_map(|s| s.conditions.iter().flatten());
        let ready = conditions.clone().find(|c| c.type_ == "Ready");
        Self {
            // A node that has said nothing yet has lost nothing yet.
            heard: ready.is_none_or(|c| c.status == "True"),
        }
    }
}
