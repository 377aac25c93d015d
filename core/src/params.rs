//! Parameters in force: what the manifests say, resolved, typed and shared by every part.
//!
//! `crds` converts manifests into these; a worker receives them whole, as one [`crate::messages::ParamsDocument`].
//! Percentages are percent (1 = 1 %), basis points are bp. Decimals travel as strings.

#[cfg(test)]
pub(crate) mod testkit;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// Parameters of one strategy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StrategyParams {
    /// No new entries; positions stay guarded.
    pub suspend: bool,
    /// Higher wins symbols and ceilings.
    pub priority: i32,
    /// Signal parameters.
    pub signals: SignalParams,
    /// Overrides by regime, in order.
    pub regimes: Vec<RegimeOverride>,
    /// Risk parameters.
    pub risk: RiskParams,
    /// Exit parameters.
    pub exits: ExitParams,
    /// Execution parameters.
    pub execution: ExecutionParams,
    /// What deletion and shutdown do with positions.
    pub on_delete: OnDelete,
}

/// When a signal is one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignalParams {
    /// Levels a side that NOBI sums.
    pub nobi_depth: u32,
    /// |NOBI| at or above this triggers.
    pub nobi_trigger_threshold: f64,
    /// Market ms the trigger must persist on one side.
    pub persistence_ms: i64,
    /// Market seconds after an exit before the next entry.
    pub cooldown_seconds: i64,
    /// The model gate.
    pub model: ModelParams,
}

/// The model gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelParams {
    /// Whether a model must, may or shall not gate entries.
    pub mode: ModelMode,
    /// Its name, empty when off.
    pub name: String,
    /// Acts at or above this probability.
    pub confidence_threshold: f64,
}

/// Whether a model must, may or shall not gate entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModelMode {
    /// No model, no entries.
    Required,
    /// Without one NOBI decides alone, and says so.
    Optional,
    /// NOBI alone.
    Off,
}

/// Market regimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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

/// What a regime changes; `None` leaves the parameter as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegimeOverride {
    /// In this regime.
    pub regime: Regime,
    /// No entries in it.
    pub halt_entries: bool,
    /// Replaces the NOBI threshold.
    pub nobi_trigger_threshold: Option<f64>,
    /// Replaces the model's threshold.
    pub confidence_threshold: Option<f64>,
    /// Replaces the Kelly fraction.
    pub kelly_fraction: Option<Decimal>,
    /// Replaces the ATR multiplier.
    pub atr_multiplier: Option<Decimal>,
    /// Replaces the maximum holding time.
    pub max_hold_seconds: Option<i64>,
}

/// How sizes are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sizing {
    /// Fractional Kelly; below `min_trades` as [`Sizing::Probe`].
    Kelly,
    /// Always `probe_risk_percent`.
    Probe,
    /// Always `fixed_notional`; simulated venue only.
    FixedNotional,
}

/// Whether the cost gate holds entries back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CostGate {
    /// stopDistance ≥ 3 × costs, else no entry.
    Enforce,
    /// Simulated venue only.
    Off,
}

/// Risk parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RiskParams {
    /// How sizes are found.
    pub sizing: Sizing,
    /// Notional of every entry under [`Sizing::FixedNotional`], quote asset.
    pub fixed_notional: Option<Decimal>,
    /// Fraction of full Kelly.
    pub kelly_fraction: Decimal,
    /// Initial leverage at the exchange; not exposure.
    pub leverage: u32,
    /// Loss at the stop, costs included, at most this percent of equity.
    pub max_risk_per_trade_percent: Decimal,
    /// Closed trades (shadow ones count) before Kelly sizes.
    pub min_trades: u32,
    /// Risk per trade before that, percent of equity; read as 0 in Live.
    pub probe_risk_percent: Decimal,
    /// ATR of the stop.
    pub atr: AtrParams,
    /// Prior of win rate and win/loss ratio.
    pub prior: KellyPrior,
    /// Cost gate.
    pub cost_gate: CostGate,
    /// Protections.
    pub protections: ProtectionParams,
}

/// ATR of the stop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AtrParams {
    /// Bar length, market seconds, at least 5.
    pub bar_seconds: u32,
    /// Wilder's period.
    pub period: u32,
    /// Stop distance in ATR.
    pub multiplier: Decimal,
}

/// The prior that W and R are shrunk to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KellyPrior {
    /// W, in [0, 1].
    pub win_rate: f64,
    /// R, mean win / mean loss.
    pub win_loss_ratio: f64,
    /// Trades the prior is worth.
    pub weight: f64,
}

/// Protections of one strategy and symbol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProtectionParams {
    /// Losing trades in a row before entries pause; 0 is off.
    pub max_consecutive_losses: u32,
    /// Market seconds of that pause.
    pub pause_seconds: i64,
    /// Entries a market hour at most; 0 is off.
    pub max_entries_per_hour: u32,
    /// |mid − mark| / mark above this, in bp, holds entries back.
    pub max_mark_deviation_bps: Decimal,
    /// A book older than this, liveness ms, holds entries back.
    pub max_book_age_ms: u64,
}

/// When a position is left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExitParams {
    /// Market seconds.
    pub max_hold_seconds: i64,
    /// Take profit at this many ATR; `None` is off.
    pub take_profit_atr: Option<Decimal>,
    /// What an opposite signal does.
    pub on_opposite_signal: OnOppositeSignal,
}

/// What an opposite signal does to a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnOppositeSignal {
    /// Leave the position.
    Close,
    /// Nothing.
    Ignore,
}

/// How orders are sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExecutionParams {
    /// Entry style.
    pub entry: EntryStyle,
    /// Limit of an IOC entry from mid, bp.
    pub max_slippage_bps: Decimal,
}

/// Entry style.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryStyle {
    /// IOC limit at mid ± slippage.
    Market,
    /// Post-only at the best price, under the countdown.
    PostOnly,
}

/// What deletion and shutdown do with positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnDelete {
    /// Close them.
    Flatten,
    /// Leave them with their stops at the venue.
    KeepProtected,
}

/// Parameters of one account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccountParams {
    /// `namespace/name`; hashed into every client id.
    pub account: String,
    /// Paper, Testnet or Live.
    pub environment: Environment,
    /// No new risk in the whole account (the manifest's half of "effective halt").
    pub halt: bool,
    /// Margin ratio that warns, percent.
    pub warning_margin_ratio: Decimal,
    /// Margin ratio that de-risks, percent.
    pub critical_margin_ratio: Decimal,
    /// Σ|notional| / equity at most.
    pub max_gross_leverage: Decimal,
    /// |notional| of a symbol at most, percent of equity.
    pub max_symbol_notional_percent: Decimal,
    /// Positions at once, at most 60.
    pub max_open_positions: u32,
    /// Loss since 00:00 UTC that flattens, percent of the day's start equity.
    pub max_daily_loss_percent: Decimal,
    /// Loss from the peak that flattens until reset, percent.
    pub max_drawdown_percent: Decimal,
    /// What to do about orders and positions that are not ours.
    pub external_positions: ExternalPositions,
}

/// Where orders go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Environment {
    /// No money.
    Paper,
    /// The exchange's test network.
    Testnet,
    /// Money.
    Live,
}

/// What to do about orders and positions that are not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExternalPositions {
    /// Refuse to start.
    Refuse,
    /// Guard them with stops, never add.
    Guard,
    /// Count them in the margin, nothing else.
    Ignore,
}

/// How the watchlist is chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WatchlistParams {
    /// Symbols wanted.
    pub size: u32,
    /// Market seconds between scans.
    pub rescan_interval_seconds: u32,
    /// Quote asset.
    pub quote_asset: String,
    /// Always wanted first.
    pub include: Vec<String>,
    /// Never wanted.
    pub exclude: Vec<String>,
    /// Fixed list instead of a scan.
    pub symbols: Vec<String>,
}
