//! `HeliosAccount`: one account at one venue; it owns the coordinator.

use crate::decimal::Dec;
use crate::meta::ObjectMeta;
use serde::{Deserialize, Serialize};

/// An account: where it trades, with which keys, and how its margin is protected. Several strategies may share it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeliosAccount {
    /// `helios.trading/v1alpha1`.
    pub api_version: String,
    /// `HeliosAccount`.
    pub kind: String,
    /// Name and namespace.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: AccountSpec,
}

/// What is wanted of an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "kubernetes",
    derive(kube::CustomResource, schemars::JsonSchema),
    kube(
        group = "helios.trading",
        version = "v1alpha1",
        kind = "HeliosAccount",
        root = "AccountResource",
        plural = "heliosaccounts",
        shortname = "ha",
        category = "helios",
        namespaced,
        schema = "disabled",
        status = "crate::kube::AccountStatus",
        derive = "PartialEq",
        doc = "A `HeliosAccount` as an API server keeps it."
    )
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccountSpec {
    /// The exchange.
    pub venue: Venue,
    /// Paper, Testnet or Live. `Simulated` allows only Paper; `BinanceUsdm` with Paper takes real public market data into the built-in venue, without keys.
    #[serde(default)]
    pub environment: Environment,
    /// Repeats the account's name; Live starts only with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm_live: Option<String>,
    /// Stop taking new risk in the whole account. Effective halt is this or a latch.
    #[serde(default)]
    pub halt: bool,
    /// The built-in venue.
    #[serde(default)]
    pub simulated: Simulated,
    /// Base URLs, where they are not the venue's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Endpoints>,
    /// Where telemetry goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<Monitoring>,
    /// How much is logged.
    #[serde(default)]
    pub log_level: LogLevel,
    /// Secret with `apiKey`, `apiSecret`, `keyType` (`Hmac` or `Ed25519`); mounted by pods, never read by the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<SecretRef>,
    /// Margin protection.
    #[serde(default)]
    pub margin: Margin,
    /// Limits of the account.
    #[serde(default)]
    pub limits: Limits,
    /// What to do about orders and positions that are not ours.
    #[serde(default)]
    pub external_positions: ExternalPositions,
}

/// The exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum Venue {
    /// The built-in simulated exchange.
    Simulated,
    /// Binance USDS-M futures.
    BinanceUsdm,
}

/// Where orders go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum Environment {
    /// No money.
    #[default]
    Paper,
    /// The exchange's test network.
    Testnet,
    /// Money.
    Live,
}

/// The built-in venue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Simulated {
    /// A running `helios venue` to use instead of starting one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Market seconds a wall second.
    pub speed: u32,
    /// Seed of the generated market.
    pub seed: u64,
    /// Predictive edge of the order book imbalance in the generated market, 0 (none) to 1.
    pub edge: Dec,
    /// Profile of the generated market: `demo` (ATR over 60 s about 25 bp) or `btc-like` (fitted to a recording of BTCUSDT, about 5 bp).
    pub profile: String,
    /// Delay of the venue for an order and its events, market ms.
    pub latency_ms: u32,
    /// Balance the account starts with, USDT.
    pub initial_balance: Dec,
}

/// Base URLs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Endpoints {
    /// REST.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rest: Option<String>,
    /// WebSocket, public route (depth, bookTicker).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ws_public: Option<String>,
    /// WebSocket, market route (aggTrade, markPrice).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ws_market: Option<String>,
    /// WebSocket, private route (user data).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ws_private: Option<String>,
    /// WebSocket order API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ws_api: Option<String>,
}

/// Where telemetry goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Monitoring {
    /// Secret key that holds an Azure Monitor connection string.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azure_connection_string_secret_ref: Option<SecretKeyRef>,
    /// OTLP endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp_endpoint: Option<String>,
}

/// A secret in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretRef {
    /// Its name.
    pub name: String,
}

/// One key of a secret in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretKeyRef {
    /// Its name.
    pub name: String,
    /// Its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum LogLevel {
    /// Errors.
    Error,
    /// And warnings.
    Warn,
    /// And what happens.
    #[default]
    Info,
    /// And why.
    Debug,
    /// And everything.
    Trace,
}

/// Margin protection. The margin ratio is the uniform adverse price move, in percent, that would liquidate the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Margin {
    /// At or below: no new risk, stops tightened one by one. Percent.
    pub warning_margin_ratio: Dec,
    /// At or below: positions reduced in slices. Percent.
    pub critical_margin_ratio: Dec,
}

/// Limits of the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// Sum of all notionals over equity, at most.
    pub max_gross_leverage: Dec,
    /// Notional of one symbol, percent of equity at most.
    pub max_symbol_notional_percent: Dec,
    /// Positions at once, at most (1 to 60: three conditional orders are reserved for each, of 200).
    pub max_open_positions: u32,
    /// Loss since 00:00 UTC that flattens until the next day, percent.
    pub max_daily_loss_percent: Dec,
    /// Loss from the peak that flattens until a person resets it, percent.
    pub max_drawdown_percent: Dec,
}

/// What to do about orders and positions that are not ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum ExternalPositions {
    /// Do not start.
    #[default]
    Refuse,
    /// Guard them with stops, never add.
    Guard,
    /// Count them in the margin, nothing else.
    Ignore,
}
