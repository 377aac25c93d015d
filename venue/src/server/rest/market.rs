//! Market data: time, rules, book, candles, trades.

use super::{Answer, json, symbol};
use crate::engine::{SymbolId, SymbolSpec};
use crate::market::MarketSource as _;
use crate::server::frames::{self, SymbolText};
use crate::server::interval::interval_ms;
use crate::server::limits::{ORDERS_1M, ORDERS_10S, WEIGHT_1M};
use crate::server::params::{ApiError, Params};
use crate::server::text::{fixed, plain, write_i64, write_u64};
use crate::server::venue::Venue;
use helios_core::market::Bar;
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::{Value, json as object};

/// `GET /ping`.
pub(super) fn ping(_: &mut Venue, _: &Params) -> Answer {
    Ok(b"{}".to_vec())
}

/// `GET /time`.
pub(super) fn time(v: &mut Venue, _: &Params) -> Answer {
    json(&object!({"serverTime": v.clock.now_ms() + v.faults.skew_ms()}))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SymbolRules<'a> {
    symbol: &'a str,
    pair: &'a str,
    contract_type: &'a str,
    delivery_date: i64,
    onboard_date: i64,
    status: &'a str,
    maint_margin_percent: &'a str,
    required_margin_percent: &'a str,
    base_asset: &'a str,
    quote_asset: &'a str,
    margin_asset: &'a str,
    price_precision: usize,
    quantity_precision: usize,
    base_asset_precision: u32,
    quote_precision: u32,
    underlying_type: &'a str,
    underlying_sub_type: [&'a str; 0],
    settle_plan: u32,
    trigger_protect: &'a str,
    liquidation_fee: String,
    market_take_bound: String,
    max_move_order_limit: u32,
    filters: Vec<Value>,
    order_types: [&'a str; 7],
    time_in_force: [&'a str; 5],
}

/// `GET /exchangeInfo`.
pub(super) fn exchange_info(v: &mut Venue, _: &Params) -> Answer {
    let limit = |kind: &str, interval: &str, n: u32, limit: u64| object!({"rateLimitType": kind, "interval": interval, "intervalNum": n, "limit": limit});
    let specs = &v.engine.config().symbols;
    let symbols: Vec<SymbolRules<'_>> = specs
        .iter()
        .zip(&v.symbols)
        .zip(0..)
        .map(|((spec, text), id)| rules(spec, text, v.engine.is_halted(SymbolId(id))))
        .collect();
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Info<'a> {
        timezone: &'a str,
        server_time: i64,
        futures_type: &'a str,
        rate_limits: [Value; 3],
        exchange_filters: [Value; 0],
        assets: [Value; 1],
        symbols: Vec<SymbolRules<'a>>,
    }
    json(&Info {
        timezone: "UTC",
        server_time: v.clock.now_ms(),
        futures_type: "U_MARGINED",
        rate_limits: [
            limit("REQUEST_WEIGHT", "MINUTE", 1, v.limits.in_force(WEIGHT_1M)),
            limit("ORDERS", "MINUTE", 1, v.limits.in_force(ORDERS_1M)),
            limit("ORDERS", "SECOND", 10, v.limits.in_force(ORDERS_10S)),
        ],
        exchange_filters: [],
        assets: [
            object!({"asset": "USDT", "marginAvailable": true, "autoAssetExchange": "-10000"}),
        ],
        symbols,
    })
}

fn rules<'a>(spec: &'a SymbolSpec, text: &'a SymbolText, halted: bool) -> SymbolRules<'a> {
    let i = &spec.instrument;
    let name = text.name.as_str();
    let quote = ["USDT", "USDC", "BUSD"]
        .into_iter()
        .find(|q| name.ends_with(q))
        .unwrap_or("USDT");
    let max_price = Decimal::from(crate::engine::MAX_PRICE_TICKS) * i.tick;
    SymbolRules {
        symbol: name,
        pair: name,
        contract_type: "PERPETUAL",
        delivery_date: 4_133_404_800_000,
        onboard_date: spec.onboard_ms,
        status: if halted { "SETTLING" } else { "TRADING" },
        maint_margin_percent: "2.5000",
        required_margin_percent: "5.0000",
        base_asset: name.strip_suffix(quote).unwrap_or(name),
        quote_asset: quote,
        margin_asset: quote,
        price_precision: text.price.decimals(),
        quantity_precision: text.qty.decimals(),
        base_asset_precision: 8,
        quote_precision: 8,
        underlying_type: "COIN",
        underlying_sub_type: [],
        settle_plan: 0,
        trigger_protect: "0.0500",
        liquidation_fee: fixed(spec.liquidation_fee, 6),
        market_take_bound: fixed(i.multiplier_up - Decimal::ONE, 2),
        max_move_order_limit: 10_000,
        filters: vec![
            object!({"filterType": "PRICE_FILTER", "minPrice": i.tick.to_string(), "maxPrice": max_price.to_string(), "tickSize": i.tick.to_string()}),
            object!({"filterType": "LOT_SIZE", "minQty": text.q(i.min_qty), "maxQty": text.q(i.max_qty), "stepSize": i.step.to_string()}),
            object!({"filterType": "MARKET_LOT_SIZE", "minQty": text.q(i.min_qty), "maxQty": text.q(i.market_max_qty), "stepSize": i.step.to_string()}),
            object!({"filterType": "MAX_NUM_ORDERS", "limit": crate::engine::MAX_OPEN_ORDERS}),
            object!({"filterType": "MIN_NOTIONAL", "notional": plain(i.min_notional)}),
            object!({"filterType": "PERCENT_PRICE", "multiplierUp": fixed(i.multiplier_up, 4), "multiplierDown": fixed(i.multiplier_down, 4), "multiplierDecimal": "4"}),
        ],
        order_types: [
            "LIMIT",
            "MARKET",
            "STOP",
            "STOP_MARKET",
            "TAKE_PROFIT",
            "TAKE_PROFIT_MARKET",
            "TRAILING_STOP_MARKET",
        ],
        time_in_force: ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }
}

const DEPTHS: [(u64, u64); 7] = [
    (5, 2),
    (10, 2),
    (20, 2),
    (50, 2),
    (100, 5),
    (500, 10),
    (1000, 20),
];

/// Weight of `GET /depth`.
pub(super) fn depth_weight(p: &Params) -> u64 {
    let limit = p.uint("limit").ok().flatten().unwrap_or(500);
    DEPTHS.iter().find(|(l, _)| *l == limit).map_or(2, |d| d.1)
}

/// `GET /depth`.
pub(super) fn depth(v: &mut Venue, p: &Params) -> Answer {
    let id = symbol(v, p)?;
    let limit = p.uint("limit")?.unwrap_or(500);
    if !DEPTHS.iter().any(|(l, _)| *l == limit) {
        return Err(ApiError::new(
            -4021,
            format!("{limit} is not valid depth limit."),
        ));
    }
    let book = v.engine.depth(id, limit as usize);
    let text = v
        .text(id)
        .ok_or_else(|| ApiError::new(-1121, "Invalid symbol."))?;
    let mut out = Vec::with_capacity(64 + 32 * (book.bids.len() + book.asks.len()));
    out.extend_from_slice(b"{\"lastUpdateId\":");
    write_u64(&mut out, book.last_id);
    for name in ["E", "T"] {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        write_i64(&mut out, book.event_ms);
    }
    out.extend_from_slice(b",\"bids\":");
    frames::levels(&mut out, text, &book.bids);
    out.extend_from_slice(b",\"asks\":");
    frames::levels(&mut out, text, &book.asks);
    out.push(b'}');
    Ok(out)
}

/// Weight of `GET /klines`.
pub(super) fn klines_weight(p: &Params) -> u64 {
    match p.uint("limit").ok().flatten().unwrap_or(500) {
        0..100 => 1,
        100..500 => 2,
        500..=1000 => 5,
        _ => 10,
    }
}

/// One candle of `GET /klines`. The source keeps no trade counts and no taker volume: 0.
pub(super) type Row = (
    i64,
    String,
    String,
    String,
    String,
    String,
    i64,
    String,
    u64,
    String,
    String,
    &'static str,
);

fn row(text: &SymbolText, b: &Bar) -> Row {
    (
        b.open_ms,
        text.p(b.open),
        text.p(b.high),
        text.p(b.low),
        text.p(b.close),
        text.q(b.volume),
        b.open_ms + b.interval_ms - 1,
        frames::quote_volume(text, b),
        0,
        "0".into(),
        "0".into(),
        "0",
    )
}

/// `GET /klines`: closed candles, and the running one last unless `endTime` lies before it.
pub(super) fn klines(v: &mut Venue, p: &Params) -> Answer {
    candles(v, p, symbol(v, p)?)
}

/// `GET /continuousKlines`: perpetual contracts are the only ones, so those of a pair are its contract's own.
pub(super) fn continuous_klines(v: &mut Venue, p: &Params) -> Answer {
    let pair = p.need("pair")?;
    let id = v.upper.get(pair).copied();
    let id = id.ok_or_else(|| ApiError::new(-4144, "Invalid pair."))?;
    match p.need("contractType")? {
        "PERPETUAL" => candles(v, p, id),
        "CURRENT_QUARTER" | "NEXT_QUARTER" => json(&[(); 0]),
        _ => Err(ApiError::new(-4104, "Invalid contract type.")),
    }
}

fn candles(v: &Venue, p: &Params, id: SymbolId) -> Answer {
    let interval = interval_ms(p.need("interval")?)
        .ok_or_else(|| ApiError::new(-1120, "Invalid interval."))?;
    let limit = p.limit(500, 1500)?;
    let now = v.clock.now_ms();
    let open_ms = now - now.rem_euclid(interval);
    let (start, end) = (p.time("startTime")?, p.time("endTime")?);
    let mut before = end.map_or(open_ms, |e| e.saturating_add(1).min(open_ms));
    if let Some(s) = start {
        let first = s.saturating_add(interval - 1) / interval * interval;
        let last = first.saturating_add(interval.saturating_mul(limit as i64));
        before = before.min(last);
    }
    let mut bars = v.source.history(id, interval, before, limit);
    bars.retain(|b| start.is_none_or(|s| b.open_ms >= s));
    let wants_running = end.is_none_or(|e| e >= open_ms) && start.is_none_or(|s| s <= open_ms);
    if wants_running && let Some(b) = v.klines.running(id, interval, now, &v.source) {
        if bars.len() == limit && start.is_none() {
            bars.remove(0);
        }
        if bars.len() < limit {
            bars.push(b);
        }
    }
    let text = v
        .text(id)
        .ok_or_else(|| ApiError::new(-1121, "Invalid symbol."))?;
    json(&bars.iter().map(|b| row(text, b)).collect::<Vec<_>>())
}
