//! How a strategy runs: exits, orders, rollouts, its end, and the pods and stores it runs with.

use crate::account::SecretRef;
use crate::decimal::Dec;
use crate::quantity::Quantity;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// When a position is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Exits {
    /// Seconds of market time that a position is held, at most, from 1 to 2592000. 14400 where absent.
    pub max_hold_seconds: u32,
    /// Profit is taken at this many ATR; above "0", up to "100". No profit is taken where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub take_profit_atr: Option<Dec>,
    /// What a signal against an open position does. Close where absent.
    pub on_opposite_signal: OnOppositeSignal,
}

/// What an opposite signal does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum OnOppositeSignal {
    /// It closes the position.
    #[default]
    Close,
    /// It does nothing.
    Ignore,
}

/// How orders are sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Execution {
    /// How a position is entered. Market where absent.
    pub entry: EntryStyle,
    /// How far from mid an entry pays, in basis points, at most; above "0", up to "500". "10" where absent.
    pub max_slippage_bps: Dec,
}

/// Entry style.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum EntryStyle {
    /// With an immediate-or-cancel limit at mid ± maxSlippageBps.
    #[default]
    Market,
    /// With a post-only order at the best price.
    PostOnly,
}

/// How a change is rolled out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Rollout {
    /// How many symbols run a change first, from 0 (all at once) to 60. 0 where absent.
    pub canary_symbols: u32,
    /// Seconds that the canary symbols run a change before the rest follows, from 0 to 604800. 600 where absent.
    pub soak_seconds: u32,
}

/// What deletion does with positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum OnDelete {
    /// They are closed.
    #[default]
    Flatten,
    /// They are left with their stops at the venue.
    KeepProtected,
}

/// Optional state plugins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct StatePlugins {
    /// A Redis-compatible store. It is checked and not used yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis: Option<RedisState>,
}

/// A Redis-compatible store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RedisState {
    /// The secret with the store's URL.
    pub url_secret_ref: SecretRef,
}

/// Recording of market data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Record {
    /// Whether market data is to be recorded. It needs a path; nothing is recorded yet.
    pub enabled: bool,
    /// Where the recording goes, such as /data/recordings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// The worker pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Worker {
    /// The pods' resource requirements, as Kubernetes has them. The operator chooses them where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// When a new version of the operator may replace pods. WhenFlat where absent.
    pub update_policy: UpdatePolicy,
}

/// Kubernetes resource requirements.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Resources {
    /// What is reserved for a pod, by resource, such as cpu: 250m or memory: 128Mi.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<String, Quantity>,
    /// What a pod may use at most, by resource, such as cpu: 1 or memory: 256Mi.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, Quantity>,
}

/// When a new operator version may replace pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum UpdatePolicy {
    /// Only while the worker has no position.
    #[default]
    WhenFlat,
    /// At once.
    Now,
}
