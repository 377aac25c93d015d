//! How much a strategy risks: sizing, the stop's distance, the prior, the protections of each symbol.

use crate::decimal::Dec;
use serde::{Deserialize, Serialize};

/// How much is risked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Risk {
    /// How the size of an entry is found. Kelly where absent.
    pub sizing: Sizing,
    /// The notional of every entry in USDT. Required with sizing FixedNotional, and only then allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed_notional: Option<Dec>,
    /// The share of full Kelly that is used; above "0", up to "1". "0.5" where absent.
    pub kelly_fraction: Dec,
    /// The initial leverage at the exchange, from 1 to 125. It is not exposure, which the limits bound. 10 where absent.
    pub leverage: u32,
    /// The loss at the stop with costs, in percent of equity, at most; above "0", up to "10". "1" where absent.
    pub max_risk_per_trade_percent: Dec,
    /// Closed trades before Kelly sizes, from 0 to 100000; shadow trades count. 30 where absent.
    pub min_trades: u32,
    /// The risk of a trade until there are minTrades, in percent of equity: "0" up to maxRiskPerTradePercent, and read as "0" in
    /// Live. "0.25" where absent.
    pub probe_risk_percent: Dec,
    /// The average true range (ATR) that the stop is measured in.
    pub atr: Atr,
    /// What the win rate and the win/loss ratio are shrunk to until trades speak.
    pub prior: Prior,
    /// Whether entries must pay their costs; Off is for the venue Simulated only. Enforce where absent.
    pub cost_gate: CostGate,
    /// Protections of each symbol.
    pub protections: Protections,
}

/// How sizes are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum Sizing {
    /// A fraction of what Kelly's formula says.
    #[default]
    Kelly,
    /// Always probeRiskPercent.
    Probe,
    /// Always fixedNotional; for the venue Simulated only.
    FixedNotional,
}

/// Whether entries must pay their costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum CostGate {
    /// No entry is made whose stop lies within 3 times its costs.
    #[default]
    Enforce,
    /// There is no gate.
    Off,
}

/// The stop's ATR.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Atr {
    /// The length of a bar in seconds of market time, from 5 to 86400. 900 where absent.
    pub bar_seconds: u32,
    /// Wilder's period, in bars, from 2 to 200. 14 where absent.
    pub period: u32,
    /// The distance of the stop in ATR, from "0.1" to "20". "2" where absent.
    pub multiplier: Dec,
}

/// What W and R are shrunk to until trades speak.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Prior {
    /// The win rate, from "0" to "1". "0.5" where absent.
    pub win_rate: Dec,
    /// The mean win over the mean loss; above "0", up to "100". "1" where absent.
    pub win_loss_ratio: Dec,
    /// How many trades the prior is worth, from "0" to "100000". "20" where absent.
    pub weight: Dec,
}

/// Protections of each symbol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Protections {
    /// Losing trades in a row before a pause, from 0 (off) to 1000. 5 where absent.
    pub max_consecutive_losses: u32,
    /// Seconds of market time that the pause lasts, from 0 to 604800. 3600 where absent.
    pub pause_seconds: u32,
    /// Entries in an hour of market time, at most, from 0 (no limit) to 1000000. 0 where absent.
    pub max_entries_per_hour: u32,
    /// No entry is made while the mid price is further than this from the mark price, in basis points; above "0", up to
    /// "10000". "50" where absent.
    pub max_mark_deviation_bps: Dec,
    /// No entry is made on a book older than this, in milliseconds of wall time, from 50 to 60000. 500 where absent.
    pub max_book_age_ms: u32,
}
