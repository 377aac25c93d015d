//! The exchange's JSON of REST answers, as far as Helios reads it. Unknown fields are tolerated by design.
//!
//! Numbers come as strings or as JSON numbers, depending on the endpoint; [`Dec`] takes both, exactly.

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer};
use std::str::FromStr;

/// A decimal sent as a string or as a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dec(pub Decimal);

impl<'de> Deserialize<'de> for Dec {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let v = serde_json::Value::deserialize(d)?;
        let text = match &v {
            serde_json::Value::String(s) => s.clone(),
            serde_json::Value::Number(n) => n.to_string(),
            other => return Err(serde::de::Error::custom(format!("{other} is no number"))),
        };
        parse_dec(&text)
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom(format!("{text:?} is no decimal number")))
    }
}

/// A decimal that some answers leave empty.
pub(crate) fn empty_is_none<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Dec>, D::Error> {
    match serde_json::Value::deserialize(d)? {
        serde_json::Value::Null => Ok(None),
        serde_json::Value::String(s) if s.is_empty() => Ok(None),
        v => serde_json::from_value(v)
            .map(Some)
            .map_err(serde::de::Error::custom),
    }
}

pub(crate) fn parse_dec(text: &str) -> Option<Decimal> {
    Decimal::from_str(text)
        .or_else(|_| Decimal::from_scientific(text))
        .ok()
}

/// An id or count sent as a number or as a string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Int(pub u64);

impl<'de> Deserialize<'de> for Int {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let v = serde_json::Value::deserialize(d)?;
        let n = match &v {
            serde_json::Value::Number(n) => n.as_u64(),
            serde_json::Value::String(s) => s.parse().ok(),
            _ => None,
        };
        n.map(Self)
            .ok_or_else(|| serde::de::Error::custom(format!("{v} is no id")))
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct ErrorBody {
    pub code: i64,
    #[serde(default)]
    pub msg: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServerTime {
    pub server_time: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExchangeInfo {
    pub server_time: i64,
    #[serde(default)]
    pub rate_limits: Vec<RateLimit>,
    pub symbols: Vec<SymbolRules>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RateLimit {
    pub rate_limit_type: String,
    pub interval: String,
    pub interval_num: u32,
    pub limit: u32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SymbolRules {
    pub symbol: String,
    #[serde(default)]
    pub contract_type: String,
    #[serde(default)]
    pub onboard_date: i64,
    #[serde(default)]
    pub delivery_date: i64,
    pub status: String,
    #[serde(default)]
    pub base_asset: String,
    pub quote_asset: String,
    #[serde(default)]
    pub margin_asset: String,
    #[serde(default)]
    pub underlying_type: String,
    pub liquidation_fee: Option<Dec>,
    pub filters: Vec<Filter>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Filter {
    pub filter_type: String,
    pub tick_size: Option<Dec>,
    pub step_size: Option<Dec>,
    pub min_qty: Option<Dec>,
    pub max_qty: Option<Dec>,
    pub notional: Option<Dec>,
    pub multiplier_up: Option<Dec>,
    pub multiplier_down: Option<Dec>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ticker24h {
    pub symbol: String,
    pub price_change_percent: Dec,
    pub weighted_avg_price: Dec,
    pub last_price: Dec,
    pub high_price: Dec,
    pub low_price: Dec,
    pub volume: Dec,
    pub quote_volume: Dec,
    pub close_time: i64,
    #[serde(default)]
    pub count: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BookTop {
    pub symbol: String,
    pub bid_price: Dec,
    pub bid_qty: Dec,
    pub ask_price: Dec,
    pub ask_qty: Dec,
    #[serde(default)]
    pub time: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PremiumIndex {
    pub symbol: String,
    pub mark_price: Dec,
    pub index_price: Dec,
    pub last_funding_rate: Option<Dec>,
    #[serde(default)]
    pub next_funding_time: i64,
    pub time: i64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct LastPrice {
    pub price: Dec,
}

#[derive(Debug, Deserialize)]
pub(crate) struct AggTrade {
    pub a: u64,
    pub p: Dec,
    pub q: Dec,
    #[serde(rename = "T")]
    pub time: i64,
    pub m: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FundingInfo {
    pub symbol: String,
    pub adjusted_funding_rate_cap: Dec,
    pub adjusted_funding_rate_floor: Dec,
    pub funding_interval_hours: Int,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FundingRate {
    pub symbol: String,
    pub funding_rate: Dec,
    pub funding_time: i64,
    #[serde(default, deserialize_with = "empty_is_none")]
    pub mark_price: Option<Dec>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountConfig {
    pub can_trade: bool,
    pub dual_side_position: bool,
    pub multi_assets_margin: bool,
    #[serde(default)]
    pub fee_tier: Int,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Balance {
    pub asset: String,
    pub balance: Dec,
    pub available_balance: Dec,
}

/// What isn't said is taken for the dangerous side by whoever decides: a right that is absent is no right, but a key whose
/// withdrawals aren't told can't be shown to be safe, so that field must be there.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiRestrictions {
    #[serde(default)]
    pub ip_restrict: bool,
    #[serde(default)]
    pub enable_futures: bool,
    pub enable_withdrawals: bool,
    #[serde(default)]
    pub enable_internal_transfer: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FeeBurn {
    pub fee_burn: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AdlQuantile {
    pub symbol: String,
    pub adl_quantile: std::collections::BTreeMap<String, Int>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct SymbolBrackets {
    pub symbol: String,
    pub brackets: Vec<BracketRow>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BracketRow {
    pub initial_leverage: Int,
    pub notional_cap: Dec,
    pub notional_floor: Dec,
    pub maint_margin_ratio: Dec,
    pub cum: Dec,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CommissionRate {
    pub maker_commission_rate: Dec,
    pub taker_commission_rate: Dec,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Account {
    pub total_maint_margin: Dec,
    pub total_margin_balance: Dec,
    pub assets: Vec<AccountAsset>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountAsset {
    pub asset: String,
    pub wallet_balance: Dec,
    pub cross_wallet_balance: Dec,
    pub available_balance: Dec,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PositionRisk {
    pub symbol: String,
    #[serde(default)]
    pub position_side: String,
    pub position_amt: Dec,
    pub entry_price: Dec,
    pub mark_price: Option<Dec>,
    pub liquidation_price: Option<Dec>,
    pub maint_margin: Option<Dec>,
    pub isolated_margin: Option<Dec>,
    pub margin_type: Option<String>,
    #[serde(default)]
    pub update_time: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SymbolConfig {
    pub symbol: String,
    pub margin_type: String,
    pub leverage: Int,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Order {
    pub symbol: String,
    pub order_id: u64,
    pub client_order_id: String,
    pub status: String,
    pub side: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub price: Dec,
    pub orig_qty: Dec,
    pub executed_qty: Dec,
    #[serde(default)]
    pub reduce_only: bool,
    #[serde(default)]
    pub update_time: i64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AlgoOrder {
    pub symbol: String,
    pub algo_id: u64,
    pub client_algo_id: String,
    pub algo_status: String,
    pub side: String,
    /// A trailing stop that has not been activated has none.
    #[serde(default, deserialize_with = "empty_is_none")]
    pub trigger_price: Option<Dec>,
    pub quantity: Option<Dec>,
    #[serde(default)]
    pub close_position: bool,
    #[serde(default)]
    pub update_time: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderAck {
    pub order_id: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AlgoAck {
    pub algo_id: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserTrade {
    pub id: u64,
    pub order_id: u64,
    pub price: Dec,
    pub qty: Dec,
    pub commission: Dec,
    pub commission_asset: String,
    pub realized_pnl: Dec,
    pub maker: bool,
    #[serde(default)]
    pub time: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Leverage {
    pub leverage: Int,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PositionMode {
    pub dual_side_position: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MultiAssets {
    pub multi_assets_margin: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListenKey {
    pub listen_key: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Income {
    pub symbol: Option<String>,
    pub income_type: String,
    pub income: Dec,
    pub asset: String,
    pub time: i64,
    pub tran_id: Option<Int>,
}
