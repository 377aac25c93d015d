//! `HeliosStrategy`: what to trade, when and how much.

use crate::account::SecretRef;
use crate::decimal::Dec;
use crate::meta::ObjectMeta;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    /// The account it trades on.
    pub account_ref: AccountRef,
    /// No new entries; positions stay guarded.
    #[serde(default)]
    pub suspend: bool,
    /// Higher wins symbols and ceilings.
    #[serde(default)]
    pub priority: i32,
    /// What it may trade.
    #[serde(default)]
    pub watchlist: Watchlist,
    /// When a signal is one.
    #[serde(default)]
    pub signals: Signals,
    /// Overrides by regime.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regimes: Vec<RegimeOverride>,
    /// How much is risked.
    #[serde(default)]
    pub risk: Risk,
    /// When a position is left.
    #[serde(default)]
    pub exits: Exits,
    /// How orders are sent.
    #[serde(default)]
    pub execution: Execution,
    /// How a change is rolled out.
    #[serde(default)]
    pub rollout: Rollout,
    /// What deletion does with positions.
    #[serde(default)]
    pub on_delete: OnDelete,
    /// Optional state plugins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StatePlugins>,
    /// Recording of market data.
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
    /// Its name, same namespace.
    pub name: String,
}

/// What a strategy may trade: a scan's best, or a fixed list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Watchlist {
    /// Symbols chosen by the scan.
    pub size: u32,
    /// Market seconds between scans.
    pub rescan_interval_seconds: u32,
    /// Quote asset.
    pub quote_asset: String,
    /// Always chosen first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// Never chosen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// A fixed list instead of a scan.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub symbols: Vec<String>,
}

/// When a signal is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Signals {
    /// Levels a side that NOBI sums.
    pub nobi_depth: u32,
    /// |NOBI| at or above this is a signal.
    pub nobi_trigger_threshold: Dec,
    /// Market ms it must persist.
    pub persistence_ms: u32,
    /// Market seconds after an exit before the next entry.
    pub cooldown_seconds: u32,
    /// The model gate.
    pub model: Model,
}

/// The model gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Model {
    /// Required (no model, no entries; Live needs it), Optional or Off.
    pub mode: ModelMode,
    /// Its name.
    pub name: String,
    /// Where it is fetched from; the shipped one where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Digest of its files, hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Acts at or above this probability.
    pub confidence_threshold: Dec,
}

/// Whether a model must, may or shall not gate entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum ModelMode {
    /// No model, no entries.
    Required,
    /// Without one NOBI decides alone, and says so.
    #[default]
    Optional,
    /// NOBI alone.
    Off,
}

/// Market regimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum Regime {
    /// Directional.
    Trending,
    /// Sideways.
    Ranging,
    /// Volatility high.
    Volatile,
    /// Volatility low.
    Quiet,
}

/// What a regime changes; an absent field leaves the parameter as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegimeOverride {
    /// In this regime.
    pub regime: Regime,
    /// No entries in it.
    #[serde(default)]
    pub halt_entries: bool,
    /// Replaces `signals.nobiTriggerThreshold`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nobi_trigger_threshold: Option<Dec>,
    /// Replaces `signals.model.confidenceThreshold`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence_threshold: Option<Dec>,
    /// Replaces `risk.kellyFraction`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kelly_fraction: Option<Dec>,
    /// Replaces `risk.atr.multiplier`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub atr_multiplier: Option<Dec>,
    /// Replaces `exits.maxHoldSeconds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_hold_seconds: Option<u32>,
}

/// How much is risked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Risk {
    /// Kelly, Probe (always `probeRiskPercent`) or FixedNotional (venue Simulated only).
    pub sizing: Sizing,
    /// Notional of every entry under FixedNotional, USDT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed_notional: Option<Dec>,
    /// Fraction of full Kelly.
    pub kelly_fraction: Dec,
    /// Initial leverage at the exchange; not exposure.
    pub leverage: u32,
    /// Loss at the stop with costs, percent of equity at most.
    pub max_risk_per_trade_percent: Dec,
    /// Closed trades before Kelly sizes; shadow trades count.
    pub min_trades: u32,
    /// Risk per trade before that, percent of equity; read as 0 in Live.
    pub probe_risk_percent: Dec,
    /// The stop's ATR.
    pub atr: Atr,
    /// What W and R are shrunk to.
    pub prior: Prior,
    /// Whether entries must pay their costs; Off on venue Simulated only.
    pub cost_gate: CostGate,
    /// Protections of each symbol.
    pub protections: Protections,
}

/// How sizes are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum Sizing {
    /// Fractional Kelly.
    #[default]
    Kelly,
    /// Always the probe's risk.
    Probe,
    /// Always the fixed notional.
    FixedNotional,
}

/// Whether entries must pay their costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum CostGate {
    /// No entry whose stop lies within 3 times its costs.
    #[default]
    Enforce,
    /// No gate.
    Off,
}

/// The stop's ATR.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Atr {
    /// Bar length, market seconds, at least 5.
    pub bar_seconds: u32,
    /// Wilder's period.
    pub period: u32,
    /// Stop distance in ATR.
    pub multiplier: Dec,
}

/// What W and R are shrunk to until trades speak.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Prior {
    /// Win rate, 0 to 1.
    pub win_rate: Dec,
    /// Mean win over mean loss.
    pub win_loss_ratio: Dec,
    /// Trades the prior is worth.
    pub weight: Dec,
}

/// Protections of each symbol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Protections {
    /// Losing trades in a row before a pause; 0 is off.
    pub max_consecutive_losses: u32,
    /// Market seconds of that pause.
    pub pause_seconds: u32,
    /// Entries a market hour at most; 0 is off.
    pub max_entries_per_hour: u32,
    /// No entry while mid is further than this from mark, bp.
    pub max_mark_deviation_bps: Dec,
    /// No entry on a book older than this, ms.
    pub max_book_age_ms: u32,
}

/// When a position is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Exits {
    /// Market seconds at most.
    pub max_hold_seconds: u32,
    /// Take profit at this many ATR.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub take_profit_atr: Option<Dec>,
    /// What an opposite signal does.
    pub on_opposite_signal: OnOppositeSignal,
}

/// What an opposite signal does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum OnOppositeSignal {
    /// Closes the position.
    #[default]
    Close,
    /// Nothing.
    Ignore,
}

/// How orders are sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Execution {
    /// Market (an IOC limit at mid ± slippage) or PostOnly.
    pub entry: EntryStyle,
    /// Furthest from mid that an entry pays, bp.
    pub max_slippage_bps: Dec,
}

/// Entry style.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum EntryStyle {
    /// IOC limit at mid ± slippage.
    #[default]
    Market,
    /// Post-only at the best price.
    PostOnly,
}

/// How a change is rolled out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Rollout {
    /// Symbols that run a change first; 0 changes all at once.
    pub canary_symbols: u32,
    /// Seconds they run it before the rest follows.
    pub soak_seconds: u32,
}

/// What deletion does with positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum OnDelete {
    /// Closes them.
    #[default]
    Flatten,
    /// Leaves them with their stops at the venue.
    KeepProtected,
}

/// Optional state plugins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct StatePlugins {
    /// A Redis-compatible store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis: Option<RedisState>,
}

/// A Redis-compatible store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RedisState {
    /// Secret with the URL.
    pub url_secret_ref: SecretRef,
}

/// Recording of market data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Record {
    /// Whether to record.
    pub enabled: bool,
    /// Where to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// The worker pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Worker {
    /// Kubernetes resource requirements.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// When a new operator version may replace pods.
    pub update_policy: UpdatePolicy,
}

/// Kubernetes resource requirements.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Resources {
    /// Requests.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<String, String>,
    /// Limits.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, String>,
}

/// When a new operator version may replace pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum UpdatePolicy {
    /// Only while flat.
    #[default]
    WhenFlat,
    /// At once.
    Now,
}
