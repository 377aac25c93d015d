//! Accounts, strategies, parameter documents and nodes, as far as decisions look at them.

use super::bare::BareNode;
use super::unreadable::{Parsed, Unreadable};
use crate::names;
use helios_core::messages::ParamsDocument;
use helios_crds::kube::{AccountStatus, HeliosAccount, HeliosStrategy, StrategyStatus};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::DynamicObject;
use kube::core::ObjectMeta;
use std::sync::Arc;

/// An account object; what can't be read as one is kept by its name, so that it is not taken for gone.
#[derive(Clone, Debug)]
pub struct AccountFact {
    /// `namespace/name`.
    pub name: String,
    /// The object, or what can be read of it.
    pub object: Parsed<HeliosAccount, AccountStatus>,
}

/// A strategy object; what can't be read as one is kept by its name, so that it is not taken for gone.
#[derive(Clone, Debug)]
pub struct StrategyFact {
    /// `namespace/name`.
    pub name: String,
    /// The object, or what can be read of it.
    pub object: Parsed<HeliosStrategy, StrategyStatus>,
}

impl PartialEq for AccountFact {
    fn eq(&self, o: &Self) -> bool {
        same(
            self.object.as_deref().map(|a| &a.metadata),
            o.object.as_deref().map(|a| &a.metadata),
        )
    }
}

impl PartialEq for StrategyFact {
    fn eq(&self, o: &Self) -> bool {
        same(
            self.object.as_deref().map(|s| &s.metadata),
            o.object.as_deref().map(|s| &s.metadata),
        )
    }
}

/// Two readings are of one version of the object. Whatever has no version is never the same.
fn same<S>(
    a: Result<&ObjectMeta, &Arc<Unreadable<S>>>,
    b: Result<&ObjectMeta, &Arc<Unreadable<S>>>,
) -> bool {
    let one = |a: &ObjectMeta, b: &ObjectMeta| {
        a.resource_version.is_some() && a.resource_version == b.resource_version
    };
    match (a, b) {
        (Ok(a), Ok(b)) => one(a, b),
        (Err(a), Err(b)) => one(&a.metadata, &b.metadata),
        _ => false,
    }
}

impl AccountFact {
    /// Reads an object as an account.
    pub fn of(object: &DynamicObject, name: &str) -> Self {
        Self {
            name: name.into(),
            object: Unreadable::parse(object),
        }
    }
}

impl StrategyFact {
    /// Reads an object as a strategy.
    pub fn of(object: &DynamicObject, name: &str) -> Self {
        Self {
            name: name.into(),
            object: Unreadable::parse(object),
        }
    }

    /// `namespace/name` of the account it trades on; `None` when not even that can be read.
    pub fn account(&self) -> Option<String> {
        let (namespace, _) = names::split(&self.name);
        let account = match &self.object {
            Ok(object) => &object.spec.account_ref.name,
            Err(unreadable) => unreadable.account.as_ref()?,
        };
        Some(format!("{namespace}/{account}"))
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
