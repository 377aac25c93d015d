//! What is observed of an account and of a strategy: the status that an operator writes and `kubectl` shows.
//!
//! A status can be rebuilt from the world at any time: nothing here is read back as a wish. Absent means not known yet.
//! Quickly changing figures, such as profit and prices, belong to the metrics and not here.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is observed of an account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AccountStatus {
    /// The generation of the spec that this status speaks about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The conditions Ready, Progressing, Degraded and Paused, and for tools that wait Reconciling and Stalled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// How many strategies trade on this account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategies: Option<i32>,
    /// How many coordinators are ready, of how many are wanted, such as "2/2".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coordinators: Option<String>,
    /// The pod of the coordinator that leads and gives out grants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
    /// The leader's epoch. It rises with each change of the leader; grants of a lower one are void.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<i64>,
    /// The level of the margin ladder: Normal, Warning, Critical or Emergency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin: Option<String>,
    /// The latches that are set: kill, drawdown, dailyLoss or stateLost. Each holds new risk back; a person releases it with
    /// `helios release`, and dailyLoss ends with the UTC day by itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub latches: Vec<String>,
}

/// What is observed of a strategy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct StrategyStatus {
    /// The generation of the spec that this status speaks about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The conditions Ready, Progressing, Degraded and Paused, and for tools that wait Reconciling and Stalled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// How many workers are ready, of how many are wanted, such as "5/5".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<String>,
    /// How many workers are wanted: one for each symbol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted_workers: Option<i32>,
    /// How many workers are ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_workers: Option<i32>,
    /// How many workers have the parameters of the observed generation in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_workers: Option<i32>,
    /// The symbols that are traded now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub symbols: Vec<String>,
    /// The wanted symbols that another strategy of the account trades.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub taken: Vec<SymbolTaken>,
    /// The latest rollout of a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutStatus>,
}

/// A wanted symbol that another strategy trades.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SymbolTaken {
    /// The symbol.
    pub symbol: String,
    /// The strategy that trades it.
    pub by: String,
}

/// How far the rollout of a change has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolloutStatus {
    /// The generation that is rolled out.
    pub generation: i64,
    /// The step: 0 while only the canary symbols run the change, 1 from when all do.
    pub step: i32,
    /// The symbols that run the change first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub canary_symbols: Vec<String>,
    /// When the step began, as RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// What came of it, or Soaking while the canary symbols are watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<RolloutOutcome>,
    /// What led to the outcome, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What came of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RolloutOutcome {
    /// The canary symbols run the change and are watched.
    Soaking,
    /// All symbols run the change.
    Promoted,
    /// The canary symbols went back to the parameters before the change.
    RolledBack,
}
