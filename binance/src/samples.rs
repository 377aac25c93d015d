//! Every message that others recorded, each with what reads it here or why nothing does. A message that is in neither list
//! fails: an example that nobody has looked at is an endpoint that nobody has thought of.
#![allow(clippy::unwrap_used)]

use crate::decode::{self, Decoder};
use crate::rest::wire;
use crate::{convert, instruments::Instruments, user};
use helios_core::instrument::Instrument;
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) type Read = fn(&Value) -> Result<(), String>;

/// Fine enough for every number in the samples.
fn grid(symbol: &str) -> Instrument {
    let finest = Decimal::new(1, 8);
    Instrument::with_grid(symbol, finest, finest).unwrap()
}

fn rest<T: DeserializeOwned>(v: &Value) -> Result<(), String> {
    let read: Result<T, _> = serde_json::from_value(v.clone());
    read.map(|_| ()).map_err(|e| e.to_string())
}

fn list<T: DeserializeOwned>(v: &Value) -> Result<(), String> {
    rest::<Vec<T>>(v)
}

/// One object, or a list of them.
fn rows<T: DeserializeOwned>(v: &Value) -> Result<(), String> {
    if v.is_array() {
        list::<T>(v)
    } else {
        rest::<T>(v)
    }
}

/// An answer of the WebSocket API has REST's under `result`.
fn result<T: DeserializeOwned>(v: &Value) -> Result<(), String> {
    rows::<T>(&v["result"])
}

fn order(v: &Value) -> Result<(), String> {
    each(v, |v| {
        let o: wire::Order = serde_json::from_value(v.clone()).map_err(|e| e.to_string())?;
        convert::open_order(&grid(&o.symbol), &o)
            .map(|_| ())
            .map_err(|e| e.to_string())
    })
}

fn algo_order(v: &Value) -> Result<(), String> {
    each(v, |v| {
        let o: wire::AlgoOrder = serde_json::from_value(v.clone()).map_err(|e| e.to_string())?;
        convert::algo_order(&grid(&o.symbol), &o)
            .map(|_| ())
            .map_err(|e| e.to_string())
    })
}

fn each(v: &Value, f: impl Fn(&Value) -> Result<(), String>) -> Result<(), String> {
    match v {
        Value::Array(rows) => rows.iter().try_for_each(f),
        one => f(one),
    }
}

/// Succeeds as an acknowledgement whose body says nothing.
fn done(v: &Value) -> Result<(), String> {
    v.is_object()
        .then_some(())
        .ok_or_else(|| "no object".into())
}

fn depth_snapshot(v: &Value) -> Result<(), String> {
    let read = Decoder::new(&grid("X")).and_then(|d| d.snapshot(v.to_string().as_bytes()));
    read.map(|_| ()).map_err(|e| e.to_string())
}

/// An example that the documents' own generator has broken (levels without a quantity, levels beside the result): it must
/// be refused, not guessed at.
fn refused(read: Result<(), String>) -> Result<(), String> {
    match read {
        Err(_) => Ok(()),
        Ok(()) => Err("it is broken, and was read".into()),
    }
}

fn market(v: &Value) -> Result<(), String> {
    let bytes = v.to_string();
    if v.is_array() {
        return decode::mark_prices(bytes.as_bytes())
            .map(|_| ())
            .map_err(|e| e.to_string());
    }
    let head = decode::head(bytes.as_bytes()).map_err(|e| e.to_string())?;
    let d = Decoder::new(&grid("X")).map_err(|e| e.to_string())?;
    match d.event(head.kind, bytes.as_bytes()) {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(format!("{} is no event of ours", head.event)),
        Err(e) => Err(e.to_string()),
    }
}

fn user_frame(v: &Value) -> Result<(), String> {
    let mut symbols = BTreeSet::new();
    named(v, &mut symbols);
    let known: Instruments = symbols.iter().map(|s| grid(s)).collect();
    let d = user::decode(v.to_string().as_bytes(), &known).map_err(|e| e.to_string())?;
    if d.events.is_empty() {
        return Err("nothing is heard of it".into());
    }
    Ok(())
}

/// Texts under `s`: contracts.
fn named(v: &Value, into: &mut BTreeSet<String>) {
    match v {
        Value::Object(fields) => {
            for (k, v) in fields {
                match v {
                    Value::String(s) if k == "s" => drop(into.insert(s.clone())),
                    v => named(v, into),
                }
            }
        }
        Value::Array(all) => all.iter().for_each(|v| named(v, into)),
        _ => {}
    }
}

/// Official examples, by method.
const EXAMPLES: &[(&str, Read)] = &[
    ("account_information_v2", rest::<wire::Account>),
    ("account_information_v3", rest::<wire::Account>),
    ("futures_account_balance_v2", list::<wire::Balance>),
    ("futures_account_configuration", rest::<wire::AccountConfig>),
    ("get_bnb_burn_status", rest::<wire::FeeBurn>),
    ("toggle_bnb_burn_on_futures_trade", done),
    ("get_current_multi_assets_mode", rest::<wire::MultiAssets>),
    ("get_current_position_mode", rest::<wire::PositionMode>),
    ("get_income_history", list::<wire::Income>),
    (
        "notional_and_leverage_brackets",
        list::<wire::SymbolBrackets>,
    ),
    ("symbol_configuration", list::<wire::SymbolConfig>),
    ("user_commission_rate", rest::<wire::CommissionRate>),
    ("check_server_time", rest::<wire::ServerTime>),
    ("compressed_aggregate_trades_list", list::<wire::AggTrade>),
    ("exchange_information", rest::<wire::ExchangeInfo>),
    ("get_funding_rate_history", list::<wire::FundingRate>),
    ("get_funding_rate_info", list::<wire::FundingInfo>),
    ("mark_price", rows::<wire::PremiumIndex>),
    ("order_book", depth_snapshot),
    ("symbol_order_book_ticker", rows::<wire::BookTop>),
    ("symbol_price_ticker", rows::<wire::LastPrice>),
    (
        "ticker24hr_price_change_statistics",
        rows::<wire::Ticker24h>,
    ),
    ("account_trade_list", list::<wire::UserTrade>),
    ("all_orders", order),
    ("auto_cancel_all_open_orders", done),
    ("cancel_algo_order", rest::<wire::AlgoAck>),
    ("cancel_all_algo_open_orders", done),
    ("cancel_multiple_orders", order),
    ("cancel_order", order),
    ("change_initial_leverage", rest::<wire::Leverage>),
    ("change_margin_type", done),
    ("current_all_algo_open_orders", algo_order),
    ("modify_multiple_orders", list::<wire::OrderAck>),
    ("modify_order", rest::<wire::OrderAck>),
    ("new_algo_order", algo_order),
    ("new_order", rest::<wire::OrderAck>),
    ("place_multiple_orders", list::<wire::OrderAck>),
    (
        "position_adl_quantile_estimation",
        list::<wire::AdlQuantile>,
    ),
    ("position_information_v2", list::<wire::PositionRisk>),
    ("position_information_v3", list::<wire::PositionRisk>),
    ("query_algo_order", algo_order),
    ("query_all_algo_orders", algo_order),
    ("query_current_open_order", order),
    ("query_order", order),
    ("test_order", order),
    ("users_force_orders", order),
    ("keepalive_user_data_stream", done),
    ("start_user_data_stream", rest::<wire::ListenKey>),
    ("account_information_success", result::<wire::Account>),
    ("account_information_v2_success", result::<wire::Account>),
    ("futures_account_balance_success", result::<wire::Balance>),
    ("cancel_algo_order_success", result::<wire::AlgoAck>),
    ("cancel_order_success", result::<wire::OrderAck>),
    ("modify_order_success", result::<wire::OrderAck>),
    ("new_algo_order_success", result::<wire::AlgoAck>),
    ("new_order_success", result::<wire::OrderAck>),
    ("position_information_success", result::<wire::PositionRisk>),
    (
        "position_information_v2_success",
        result::<wire::PositionRisk>,
    ),
    ("query_order_success", result::<wire::Order>),
    ("order_book_success", |v| {
        refused(depth_snapshot(&v["result"]))
    }),
    ("symbol_order_book_ticker_success", result::<wire::BookTop>),
    ("symbol_price_ticker_success", result::<wire::LastPrice>),
    ("start_user_data_stream_success", result::<wire::ListenKey>),
    (
        "keepalive_user_data_stream_success",
        result::<wire::ListenKey>,
    ),
    ("close_user_data_stream_success", |v| done(&v["result"])),
    (
        "aggregate_trade_streams_should_handle_incoming_message",
        market,
    ),
    ("mark_price_stream_should_handle_incoming_message", market),
    (
        "mark_price_stream_for_all_market_should_handle_incoming_message",
        market,
    ),
    (
        "all_book_tickers_stream_should_handle_incoming_message",
        market,
    ),
    (
        "diff_book_depth_streams_should_handle_incoming_message",
        |v| refused(market(v)),
    ),
    (
        "individual_symbol_book_ticker_streams_should_handle_incoming_message",
        market,
    ),
    (
        "partial_book_depth_streams_should_handle_incoming_message",
        |v| refused(market(v)),
    ),
];

/// Official examples of what Helios has no use for.
const EXAMPLES_UNUSED: &[(&str, &[&str])] = &[
    (
        "statistics that no feature is made of",
        &[
            "adl_risk",
            "asset_index",
            "basis",
            "composite_index_symbol_information",
            "futures_trading_quantitative_rules_indicators",
            "long_short_ratio",
            "open_interest",
            "open_interest_statistics",
            "query_index_price_constituents",
            "query_insurance_fund_balance_snapshot",
            "taker_buy_sell_volume",
            "top_trader_long_short_ratio_accounts",
            "top_trader_long_short_ratio_positions",
        ],
    ),
    (
        "files to download, not asked for",
        &[
            "get_download_id_for_futures_order_history",
            "get_futures_order_history_download_link_by_id",
            "get_futures_trade_download_link_by_id",
        ],
    ),
    (
        "no conversion of assets",
        &[
            "accept_the_offered_quote",
            "list_all_convert_pairs",
            "order_status",
            "send_quote_request",
        ],
    ),
    (
        "multi-assets and isolated margin are refused",
        &[
            "classic_portfolio_margin_account_information",
            "get_position_margin_change_history",
            "modify_isolated_position_margin",
        ],
    ),
    (
        "limits are read from exchangeInfo and headers",
        &["query_user_rate_limit"],
    ),
    (
        "no delivery or session contracts are traded",
        &[
            "quarterly_contract_settlement_price",
            "trading_schedule",
            "trading_session_stream_should_handle_incoming_message",
        ],
    ),
    (
        "aggregated trades are read instead",
        &["old_trades_lookup", "recent_trades_list"],
    ),
    (
        "amendments are told by the user stream",
        &["get_order_modify_history"],
    ),
    (
        "streams that are not subscribed; bars come from trades, the scan reads tickers by REST",
        &[
            "all_market_liquidation_order_streams_should_handle_incoming_message",
            "all_market_mini_tickers_stream_should_handle_incoming_message",
            "all_market_tickers_streams_should_handle_incoming_message",
            "asset_index_should_handle_incoming_message",
            "composite_index_symbol_information_streams_should_handle_incoming_message",
            "continuous_contract_kline_candlestick_streams_should_handle_incoming_message",
            "contract_info_stream_should_handle_incoming_message",
            "individual_symbol_mini_ticker_stream_should_handle_incoming_message",
            "individual_symbol_ticker_streams_should_handle_incoming_message",
            "kline_candlestick_streams_should_handle_incoming_message",
            "liquidation_order_streams_should_handle_incoming_message",
        ],
    ),
];

/// Recorded files, by the end of their name.
const FILES: &[(&str, Read)] = &[
    ("http_futures_account_orders", order),
    (
        "http_futures_account_position_side_dual",
        rest::<wire::PositionMode>,
    ),
    (
        "http_futures_account_positions_hedge",
        list::<wire::PositionRisk>,
    ),
    (
        "http_futures_account_positions_one_way",
        list::<wire::PositionRisk>,
    ),
    (
        "http_futures_account_symbol_config",
        list::<wire::SymbolConfig>,
    ),
    ("http_futures_account_trades", list::<wire::UserTrade>),
    ("http_futures_market_agg_trades", list::<wire::AggTrade>),
    ("http_futures_market_book_ticker", rows::<wire::BookTop>),
    ("http_futures_market_depth", depth_snapshot),
    (
        "http_futures_market_exchange_info",
        rest::<wire::ExchangeInfo>,
    ),
    (
        "http_futures_market_funding_rate",
        list::<wire::FundingRate>,
    ),
    ("http_futures_market_klines", list::<Vec<Value>>),
    (
        "http_futures_market_premium_index",
        rows::<wire::PremiumIndex>,
    ),
    ("http_futures_market_ticker_24hr", rows::<wire::Ticker24h>),
    ("http_futures_market_ticker_price", rows::<wire::LastPrice>),
    (
        "http_futures_wallet_commission_rate_btcusdt",
        rest::<wire::CommissionRate>,
    ),
    (
        "http_futures_wallet_commission_rate_btcusdt_quarterly",
        rest::<wire::CommissionRate>,
    ),
    (
        "http_futures_wallet_commission_rate_ethusdt",
        rest::<wire::CommissionRate>,
    ),
    ("ws_futures_algo_update_finished", user_frame),
    ("ws_futures_algo_update_finished_canceled", user_frame),
    ("ws_futures_algo_update_triggered", user_frame),
    ("ws_futures_algo_update_triggering", user_frame),
    ("ws_futures_book_ticker", market_of_combined),
    ("ws_futures_depth_diff_update", market_of_combined),
    ("ws_futures_depth_update", market_of_combined),
    ("ws_futures_order_update_adl", user_frame),
    ("ws_futures_order_update_adl_filled", user_frame),
    ("ws_futures_order_update_liquidation", user_frame),
    ("ws_futures_order_update_liquidation_zero_qty", user_frame),
    (
        "ws_futures_order_update_new_limit_if_touched_price_match",
        user_frame,
    ),
    ("ws_futures_order_update_new_price_match", user_frame),
    ("ws_futures_order_update_new_reduce_only_qty", user_frame),
    (
        "ws_futures_order_update_new_stop_limit_price_match",
        user_frame,
    ),
    ("ws_futures_order_update_settlement", user_frame),
    ("ws_futures_order_update_trade_reduce_only_qty", user_frame),
    ("ws_futures_trade_lite", user_frame),
    ("rust_http_json__account_info_v2", rest::<wire::Account>),
    ("rust_http_json__balance", list::<wire::Balance>),
    ("rust_http_json__open_algo_orders", algo_order),
    ("rust_http_json__order_response", order),
    ("rust_http_json__position_risk", list::<wire::PositionRisk>),
    ("rust_market_data_json__agg_trade_stream", market),
    ("rust_market_data_json__book_ticker_stream", market),
    ("rust_market_data_json__depth_update_stream", market),
    ("rust_market_data_json__mark_price_stream", market),
    ("rust_market_data_json__trade_stream", market),
    ("rust_user_data_json__account_update", user_frame),
    ("rust_user_data_json__account_update_bnfcr", user_frame),
    ("rust_user_data_json__algo_update_canceled", user_frame),
    ("rust_user_data_json__algo_update_new", user_frame),
    ("rust_user_data_json__order_update_adl", user_frame),
    ("rust_user_data_json__order_update_calculated", user_frame),
    (
        "rust_user_data_json__order_update_calculated_pending",
        user_frame,
    ),
    ("rust_user_data_json__order_update_delivery", user_frame),
    ("rust_user_data_json__order_update_insurance", user_frame),
    ("rust_user_data_json__order_update_new", user_frame),
    ("rust_user_data_json__order_update_settlement", user_frame),
    ("rust_user_data_json__order_update_trade", user_frame),
    (
        "rust_user_data_json__order_update_trade_partial",
        user_frame,
    ),
    ("rust_user_data_json__trade_lite", user_frame),
];

/// Recorded files of what Helios has no use for: the same reasons as above.
const FILES_UNUSED: &[&str] = &[
    "http_futures_market_asset_index",
    "http_futures_market_blvt_nav_kline",
    "http_futures_market_continuous_klines",
    "http_futures_market_global_long_short_account_ratio",
    "http_futures_market_historical_trades",
    "http_futures_market_index_info",
    "http_futures_market_index_price_klines",
    "http_futures_market_mark_price_klines",
    "http_futures_market_open_interest",
    "http_futures_market_open_interest_historical",
    "http_futures_market_taker_long_short_ratio",
    "http_futures_market_top_long_short_account_ratio",
    "http_futures_market_top_long_short_position_ratio",
    "http_futures_market_trades",
    "ws_futures_ticker_24hr",
    "rust_market_data_json__kline_stream_closed",
    "rust_market_data_json__kline_stream_open",
    "rust_market_data_json__liquidation_stream",
    "rust_market_data_json__ticker_stream",
];

fn market_of_combined(v: &Value) -> Result<(), String> {
    market(v.get("data").unwrap_or(v))
}

fn samples() -> Option<std::path::PathBuf> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/samples");
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("SKIPPED: {} is not there", path.display());
    None
}

/// All of them are tried before any is complained of.
fn judge(all: BTreeMap<String, Value>, readers: &BTreeMap<&str, Read>, unused: &BTreeSet<&str>) {
    let mut bad = Vec::new();
    for (name, value) in &all {
        match readers.get(name.as_str()) {
            Some(read) => bad.extend(read(value).err().map(|e| format!("{name}: {e}"))),
            None if unused.contains(name.as_str()) => {}
            None => bad.push(format!("{name}: nobody has said what reads it")),
        }
    }
    let known = readers.keys().chain(unused.iter());
    bad.extend(
        known
            .filter(|n| !all.contains_key(**n))
            .map(|n| format!("{n}: there is no such message")),
    );
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

/// Every reader with the message it reads: where random input begins.
pub(crate) fn readers() -> Vec<(String, Read)> {
    let Some(dir) = samples() else {
        return Vec::new();
    };
    let (examples, files) = (official(&dir), recorded(&dir));
    let text = |all: &BTreeMap<String, Value>, (name, read): &(&str, Read)| {
        (all[*name].to_string(), *read)
    };
    let of_examples = EXAMPLES.iter().map(|e| text(&examples, e));
    let of_files = FILES.iter().map(|f| text(&files, f));
    of_examples.chain(of_files).collect()
}

fn official(dir: &std::path::Path) -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(dir.join("binance_connector_rust_usdm_examples.jsonl"));
    let mut all = BTreeMap::new();
    for line in text.unwrap().lines() {
        let mut v: Value = serde_json::from_str(line).unwrap();
        let name = v["fn"].as_str().unwrap().to_owned();
        let twice = all.insert(name.clone(), v["json"].take()).is_some();
        assert!(!twice, "{name} twice");
    }
    all
}

fn recorded(dir: &std::path::Path) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(dir.join("nautilus")).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let name = stem
            .trim_start_matches("py_http_responses__")
            .trim_start_matches("py_ws_messages__")
            .to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        all.insert(name, serde_json::from_str(&text).unwrap());
    }
    all
}

#[test]
fn every_official_example_is_read_or_said_to_be_of_no_use() {
    let Some(dir) = samples() else { return };
    let readers = EXAMPLES.iter().copied().collect();
    let unused = EXAMPLES_UNUSED
        .iter()
        .flat_map(|(_, names)| *names)
        .copied()
        .collect();
    judge(official(&dir), &readers, &unused);
}

#[test]
fn every_recorded_file_is_read_or_said_to_be_of_no_use() {
    let Some(dir) = samples() else { return };
    let readers = FILES.iter().copied().collect();
    let unused = FILES_UNUSED.iter().copied().collect();
    judge(recorded(&dir), &readers, &unused);
}
