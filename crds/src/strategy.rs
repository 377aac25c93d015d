//! `HeliosStrategy`: what to trade, when and how much.
//!
//! The object, its watchlist, signals and regimes are here; `risk` holds sizes and stops, `running` the rest.

mod risk;
mod running;

pub use risk::{Atr, CostGate, Prior, Protections, Risk, Sizing};
pub use running::{
    EntryStyle, Execution, Exits, OnDelete, OnOppositeSignal, Record, RedisState, Resources,
    Rollout, StatePlugins, UpdatePolicy, Worker,
};

use crate::decimal::Dec;
use crate::meta::ObjectMeta;
use serde::{Deserialize, Serialize};

/// A strategy: one worker for each symbol of its watchlist.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeliosStrategy {
    /// `helios.trading/v1alpha1`.
    pub api_version: String,
    /// `HeliosStrategy`.
    pub kind: String,
    /// Name and namespace.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: StrategySpec,
}

impl HeliosStrategy {
    /// `namespace/name` of the account it trades on.
    pub fn account_name(&self) -> String {
        let namespace = self.metadata.namespace.as_deref().unwrap_or("default");
        format!("{namespace}/{}", self.spec.account_ref.name)
    }

    /// Identity outside Kubernetes: the full name is all there is, and a restart must find its own orders by it.
    pub fn local_uid(full_name: &str) -> String {
        format!("local:{full_name}")
    }
}

/// What is wanted of a strategy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "kubernetes",
    derive(kube::CustomResource, schemars::JsonSchema),
    kube(
        group = "helios.trading",
        version = "v1alpha1",
        kind = "HeliosStrategy",
        root = "StrategyResource",
        plural = "heliosstrategies",
        shortname = "hs",
        category = "helios",
        namespaced,
        schema = "disabled",
        status = "crate::kube::StrategyStatus",
        derive = "PartialEq",
        doc = "A `HeliosStrategy` as an API server keeps it."
    )
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StrategySpec {
    /// The account that the strategy trades on. It can't be changed later.
    pub account_ref: AccountRef,
    /// Whether no new positions are entered. Positions that are open stay guarded and are left as always.
    #[serde(default)]
    pub suspend: bool,
    /// Among the strategies of an account, the higher priority wins contested symbols and ceilings; then the older one wins. 0
    /// where absent.
    #[serde(default)]
    pub priority: i32,
    /// What the strategy may trade: the best of a scan, or a fixed list. Each symbol has a worker of its own.
    #[serde(default)]
    pub watchlist: Watchlist,
    /// When the order book gives a signal.
    #[serde(default)]
    pub signals: Signals,
    /// What is different in a market regime. Each regime is named once; what an entry leaves out stays as it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regimes: Vec<RegimeOverride>,
    /// How much is risked, and where the stop lies.
    #[serde(default)]
    pub risk: Risk,
    /// When a position is left.
    #[serde(default)]
    pub exits: Exits,
    /// How orders are sent.
    #[serde(default)]
    pub execution: Execution,
    /// How a change of the parameters is rolled out.
    #[serde(default)]
    pub rollout: Rollout,
    /// What deleting the strategy does with its positions. Flatten where absent.
    #[serde(default)]
    pub on_delete: OnDelete,
    /// Optional stores of state outside the cluster's own. They are checked and not used yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StatePlugins>,
    /// Whether and where market data is recorded. It is checked and not used yet.
    #[serde(default)]
    pub record: Record,
    /// The worker pods.
    #[serde(default)]
    pub worker: Worker,
}

/// The account a strategy trades on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccountRef {
    /// The HeliosAccount's name; it lies in the same namespace.
    pub name: String,
}

/// What a strategy may trade: a scan's best, or a fixed list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Watchlist {
    /// How many symbols the scan chooses, from 1 to 60. 5 where absent.
    pub size: u32,
    /// Seconds of market time between scans, from 30 to 86400. A symbol with a position is drained, not dropped. 300 where
    /// absent.
    pub rescan_interval_seconds: u32,
    /// The quote asset of the contracts that the scan looks at. "USDT" where absent.
    pub quote_asset: String,
    /// Symbols that are always chosen first, as the exchange writes them: up to 40 characters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// Symbols that are never chosen, written the same way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// A fixed list of at most 60 symbols instead of a scan; include and exclude are left out then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub symbols: Vec<String>,
}

/// When a signal is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Signals {
    /// Levels of each side of the book that NOBI (the normalised order book imbalance) sums up, from 1 to 1000. 10 where absent.
    pub nobi_depth: u32,
    /// An absolute NOBI at or above this is a signal; above "0", up to "1". "0.4" where absent.
    pub nobi_trigger_threshold: Dec,
    /// Milliseconds of market time that a signal must last, from 0 to 3600000. 0 where absent.
    pub persistence_ms: u32,
    /// Seconds of market time between an exit and the next entry, from 0 to 604800. 60 where absent.
    pub cooldown_seconds: u32,
    /// The model that says whether a signal is worth acting on. No model ships yet.
    pub model: Model,
}

/// The model gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Model {
    /// Whether a model must, may or shall not gate entries; Live needs Required. Optional where absent.
    pub mode: ModelMode,
    /// The model's name. "nobi-hybrid" where absent.
    pub name: String,
    /// Where the model is fetched from. It is checked and not used yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The SHA-256 of the model's files: 64 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Entries are made when the model's probability is at or above this, from "0" to "1". "0.75" where absent.
    pub confidence_threshold: Dec,
}

/// Whether a model must, may or shall not gate entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum ModelMode {
    /// Without a model there are no entries.
    Required,
    /// Without a model NOBI decides alone, and says so.
    #[default]
    Optional,
    /// NOBI decides alone.
    Off,
}

/// Market regimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum Regime {
    /// The price moves in one direction.
    Trending,
    /// The price moves sideways.
    Ranging,
    /// Volatility is high.
    Volatile,
    /// Volatility is low.
    Quiet,
}

/// What a regime changes; an absent field leaves the parameter as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegimeOverride {
    /// The market regime that the entry is about.
    pub regime: Regime,
    /// Whether no positions are entered in this regime.
    // Kinds have no defaults within lists, so what is not said is not written either.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub halt_entries: bool,
    /// Replaces signals.nobiTriggerThreshold in this regime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nobi_trigger_threshold: Option<Dec>,
    /// Replaces signals.model.confidenceThreshold in this regime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence_threshold: Option<Dec>,
    /// Replaces risk.kellyFraction in this regime; "0" is allowed here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kelly_fraction: Option<Dec>,
    /// Replaces risk.atr.multiplier in this regime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub atr_multiplier: Option<Dec>,
    /// Replaces exits.maxHoldSeconds in this regime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_hold_seconds: Option<u32>,
}
