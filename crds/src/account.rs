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
    /// The exchange that is traded. This version trades Simulated only. It can't be changed later.
    pub venue: Venue,
    /// Where orders go. Simulated allows Paper only; Testnet and Live need credentialsSecretRef. It can't be changed later. Paper
    /// where absent.
    #[serde(default)]
    pub environment: Environment,
    /// Repeats the account's name to confirm that real money is meant. Live starts only with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm_live: Option<String>,
    /// Whether the whole account takes no new risk. A latch set with `helios kill` halts too; either is enough.
    #[serde(default)]
    pub halt: bool,
    /// The settings of the built-in venue. They are read when it starts.
    #[serde(default)]
    pub simulated: Simulated,
    /// Base URLs of the exchange, where they are not its own. They are checked and not used yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Endpoints>,
    /// Where telemetry is sent. It is checked and not used yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<Monitoring>,
    /// How much the processes of this account log. Info where absent.
    #[serde(default)]
    pub log_level: LogLevel,
    /// The secret with the keys apiKey, apiSecret and keyType (Hmac or Ed25519). Pods mount it; the operator never reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<SecretRef>,
    /// Margin protection. The margin ratio is the uniform adverse price move, in percent, that would liquidate the account;
    /// lower is worse.
    #[serde(default)]
    pub margin: Margin,
    /// Limits of the account, over all of its strategies.
    #[serde(default)]
    pub limits: Limits,
    /// What is done about orders and positions that are not ours. Refuse where absent.
    #[serde(default)]
    pub external_positions: ExternalPositions,
}

/// The exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum Venue {
    /// The built-in simulated exchange.
    Simulated,
    /// Binance USDS-M futures. This version does not trade them: the account's coordinators end and say so.
    BinanceUsdm,
}

/// Where orders go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum Environment {
    /// No money is at stake.
    #[default]
    Paper,
    /// Orders go to the exchange's test network.
    Testnet,
    /// Orders trade real money.
    Live,
}

/// The built-in venue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Simulated {
    /// The URL of a running `helios venue` to use instead of starting one; `helios up` starts its own all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Market seconds that pass in one wall second, from 1 to 1000. 1 where absent.
    pub speed: u32,
    /// The seed of the generated market: the same seed is the same market. 7 where absent.
    pub seed: u64,
    /// How well the imbalance of the order book foretells the price of the generated market, from "0" (not at all) to "1".
    pub edge: Dec,
    /// The generated market's profile: `demo` (ATR over 60 s about 25 bp) or `btc-like` (fitted to a recording of BTCUSDT,
    /// about 5 bp). `demo` where absent.
    pub profile: String,
    /// The venue's delay of an order and its events in milliseconds of market time, from 0 to 10000. 0 where absent.
    pub latency_ms: u32,
    /// The balance that the account starts with, in USDT. "10000" where absent.
    pub initial_balance: Dec,
}

/// Base URLs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Endpoints {
    /// The REST API: an http or https URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rest: Option<String>,
    /// The WebSocket of the public route (depth, bookTicker): a ws or wss URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ws_public: Option<String>,
    /// The WebSocket of the market route (aggTrade, markPrice): a ws or wss URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ws_market: Option<String>,
    /// The WebSocket of the private route (user data): a ws or wss URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ws_private: Option<String>,
    /// The WebSocket of the order API: a ws or wss URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ws_api: Option<String>,
}

/// Where telemetry goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Monitoring {
    /// The secret's key that holds an Azure Monitor connection string.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azure_connection_string_secret_ref: Option<SecretKeyRef>,
    /// The OTLP endpoint: an http or https URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp_endpoint: Option<String>,
}

/// A secret in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretRef {
    /// The secret's name; it lies in the same namespace.
    pub name: String,
}

/// One key of a secret in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretKeyRef {
    /// The secret's name; it lies in the same namespace.
    pub name: String,
    /// The key in the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum LogLevel {
    /// Errors only.
    Error,
    /// Errors and warnings.
    Warn,
    /// Also what happens.
    #[default]
    Info,
    /// Also why it happens.
    Debug,
    /// Everything.
    Trace,
}

/// Margin protection. The margin ratio is the uniform adverse price move, in percent, that would liquidate the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Margin {
    /// At or below this margin ratio, in percent, no new risk is taken and stops are tightened one by one. With 10 added it is
    /// at most 100 / maxGrossLeverage, so that the allowed leverage alone doesn't trip it. "30" where absent.
    pub warning_margin_ratio: Dec,
    /// At or below this margin ratio, in percent, positions are reduced in slices. It is below warningMarginRatio. "15" where
    /// absent.
    pub critical_margin_ratio: Dec,
}

/// Limits of the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// The sum of all notionals over equity, at most; above "0", up to "20". "2" where absent.
    pub max_gross_leverage: Dec,
    /// The notional of one symbol in percent of equity, at most; above "0", up to "2000". "100" where absent.
    pub max_symbol_notional_percent: Dec,
    /// Positions held at once, at most, from 1 to 60: three conditional orders are reserved for each, of the 200 that the
    /// exchange allows. 10 where absent.
    pub max_open_positions: u32,
    /// The loss since 00:00 UTC, in percent, that flattens the account until the next day. "5" where absent.
    pub max_daily_loss_percent: Dec,
    /// The loss from the peak, in percent, that flattens the account until a person releases it. "20" where absent.
    pub max_drawdown_percent: Dec,
}

/// What to do about orders and positions that are not ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum ExternalPositions {
    /// No new risk is taken while there are any.
    #[default]
    Refuse,
    /// They are guarded with stops and never added to.
    Guard,
    /// They count in the margin and nothing else.
    Ignore,
}
