//! Parameters as published, whole.

use crate::params::StrategyParams;
use serde::{Deserialize, Serialize};

/// Parameters as published, whole: the same bytes in file or ConfigMap and over the bus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ParamsDocument {
    /// Vocabulary version.
    pub schema: u32,
    /// Identity of the strategy object.
    pub strategy_uid: String,
    /// Its generation.
    pub generation: u64,
    /// Generation of the account object.
    pub account_generation: u64,
    /// Step of a running rollout, 0 outside one.
    pub rollout_step: u32,
    /// Over the rest of the document, hex.
    pub sha256: String,
    /// For every symbol that is no canary.
    pub stable: StrategyParams,
    /// For some.
    pub canary: Option<Canary>,
}

impl ParamsDocument {
    /// Order of documents within one strategy uid; newer is greater.
    pub fn order(&self) -> (u64, u64, u32) {
        (self.generation, self.account_generation, self.rollout_step)
    }

    /// The parameters for a symbol.
    pub fn for_symbol(&self, symbol: &str) -> &StrategyParams {
        match &self.canary {
            Some(c) if c.symbols.iter().any(|s| s == symbol) => &c.params,
            _ => &self.stable,
        }
    }
}

/// Parameters of canary symbols.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Canary {
    /// Which.
    pub symbols: Vec<String>,
    /// What they run.
    pub params: StrategyParams,
}
