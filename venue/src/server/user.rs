//! The JSON of the user stream. Rare beside market frames, so serde writes it; field names, order and types are the
//! exchange's.

use super::frames::SymbolText;
use super::text::{fixed, plain};
use super::words::{algo_status, algo_tif, exec, kind, price, side, status, tif};
use crate::engine::{OrderTerms, PositionView, PriceMatch, StopView};
use helios_core::fixed::Money;
use helios_core::order::{AlgoUpdate, OrderKind, OrderUpdate, TradeFill};
use rust_decimal::Decimal;
use serde::Serialize;

/// Serialises an event.
pub(super) fn json(v: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(v).unwrap_or_default()
}

#[derive(Serialize)]
struct Event<'a, T> {
    e: &'a str,
    #[serde(rename = "T")]
    transact: i64,
    #[serde(rename = "E")]
    event: i64,
    #[serde(flatten)]
    body: T,
}

#[derive(Serialize)]
struct OrderBody<'a> {
    o: Order<'a>,
}

#[derive(Serialize)]
struct Order<'a> {
    s: &'a str,
    c: &'a str,
    #[serde(rename = "S")]
    side: &'a str,
    o: &'a str,
    f: &'a str,
    q: String,
    p: String,
    ap: String,
    sp: &'a str,
    x: &'a str,
    #[serde(rename = "X")]
    status: &'a str,
    i: u64,
    l: String,
    z: String,
    #[serde(rename = "L")]
    last_price: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    #[serde(rename = "N", skip_serializing_if = "Option::is_none")]
    fee_asset: Option<&'a str>,
    #[serde(rename = "T")]
    trade_time: i64,
    t: u64,
    b: String,
    a: String,
    m: bool,
    #[serde(rename = "R")]
    reduce_only: bool,
    wt: &'a str,
    ot: &'a str,
    ps: &'a str,
    cp: bool,
    rp: String,
    #[serde(rename = "pP")]
    price_protect: bool,
    si: u64,
    ss: u64,
    #[serde(rename = "V")]
    stp: &'a str,
    pm: &'a str,
    gtd: i64,
    er: &'a str,
}

/// Zero as text.
pub(super) fn zero() -> String {
    "0".to_owned()
}

fn matched(terms: &OrderTerms) -> &'static str {
    terms.price_match.map_or("NONE", PriceMatch::as_str)
}

/// `ORDER_TRADE_UPDATE`. `bids` and `asks` are the notionals of open buys and sells, `closes` says that the order came from
/// a `closePosition` stop.
pub(super) fn order(
    s: &SymbolText,
    u: &OrderUpdate,
    (k, terms): (&OrderKind, &OrderTerms),
    avg_price: Decimal,
    open: (Money, Money),
    closes: bool,
) -> Vec<u8> {
    let f = u.fill.as_ref();
    json(&Event {
        e: "ORDER_TRADE_UPDATE",
        transact: u.transact_ms,
        event: u.event_ms,
        body: OrderBody {
            o: Order {
                s: &s.name,
                c: u.client_id.as_str(),
                side: side(u.side),
                o: kind(k),
                f: tif(k, terms),
                q: s.q(u.qty),
                p: limit(s, k),
                ap: price_or_zero(s, avg_price),
                sp: "0",
                x: exec(u.exec),
                status: status(u.status),
                i: u.order_id,
                l: f.map_or_else(zero, |f| s.q(f.qty)),
                z: s.q(u.filled),
                last_price: f.map_or_else(zero, |f| s.p(f.price)),
                n: f.map(|f| fixed(f.fee, 8)),
                fee_asset: f.map(|f| &*f.fee_asset),
                trade_time: u.transact_ms,
                t: f.map_or(0, |f| f.trade_id),
                b: plain(open.0),
                a: plain(open.1),
                m: f.is_some_and(|f| f.maker),
                reduce_only: u.reduce_only,
                wt: "CONTRACT_PRICE",
                ot: kind(k),
                ps: "BOTH",
                cp: closes,
                rp: f.map_or_else(zero, |f| fixed(f.realised, 8)),
                price_protect: false,
                si: 0,
                ss: 0,
                stp: terms.self_trade.as_str(),
                pm: matched(terms),
                gtd: terms.good_till_ms,
                er: "0",
            },
        },
    })
}

/// The price of a limit order, 0 for a market order.
pub(super) fn limit(s: &SymbolText, k: &OrderKind) -> String {
    match k {
        OrderKind::Market => zero(),
        OrderKind::Limit { price, .. } => s.p(*price),
    }
}

/// An average price, 0 where there is none.
pub(super) fn price_or_zero(s: &SymbolText, p: Decimal) -> String {
    if p.is_zero() { zero() } else { price(s, p) }
}

#[derive(Serialize)]
struct Lite<'a> {
    s: &'a str,
    q: String,
    p: String,
    m: bool,
    c: &'a str,
    #[serde(rename = "S")]
    side: &'a str,
    #[serde(rename = "L")]
    last_price: String,
    l: String,
    t: u64,
    i: u64,
}

/// `TRADE_LITE`.
pub(super) fn trade_lite(s: &SymbolText, u: &OrderUpdate, k: &OrderKind, f: &TradeFill) -> Vec<u8> {
    json(&Event {
        e: "TRADE_LITE",
        transact: u.transact_ms,
        event: u.event_ms,
        body: Lite {
            s: &s.name,
            q: s.q(u.qty),
            p: limit(s, k),
            m: f.maker,
            c: u.client_id.as_str(),
            side: side(u.side),
            last_price: s.p(f.price),
            l: s.q(f.qty),
            t: f.trade_id,
            i: u.order_id,
        },
    })
}

#[derive(Serialize)]
struct AlgoBody<'a> {
    o: Algo<'a>,
}

#[derive(Serialize)]
struct Algo<'a> {
    caid: &'a str,
    aid: u64,
    at: &'a str,
    o: &'a str,
    s: &'a str,
    #[serde(rename = "S")]
    side: &'a str,
    ps: &'a str,
    f: &'a str,
    q: String,
    #[serde(rename = "X")]
    status: &'a str,
    ai: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ap: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aq: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<&'a str>,
    tp: String,
    p: String,
    #[serde(rename = "V")]
    stp: &'a str,
    wt: &'a str,
    pm: &'a str,
    cp: bool,
    #[serde(rename = "pP")]
    price_protect: bool,
    #[serde(rename = "R")]
    reduce_only: bool,
    tt: i64,
    gtd: i64,
    #[serde(rename = "AP", skip_serializing_if = "Option::is_none")]
    activation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cr: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ia: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rm: Option<&'a str>,
}

/// `ALGO_UPDATE`; `v` is the order as it was at that moment.
pub(super) fn algo(s: &SymbolText, u: &AlgoUpdate, v: &StopView) -> Vec<u8> {
    // The actual order's fields come once there is one.
    let actual = u.order_id.is_some();
    json(&Event {
        e: "ALGO_UPDATE",
        transact: u.transact_ms,
        event: u.event_ms,
        body: AlgoBody {
            o: Algo {
                caid: u.client_id.as_str(),
                aid: u.algo_id,
                at: "CONDITIONAL",
                o: v.type_name(),
                s: &s.name,
                side: side(u.side),
                ps: "BOTH",
                f: algo_tif(v),
                q: u.qty.map_or_else(zero, |q| s.q(q)),
                status: algo_status(u.status),
                ai: u.order_id.map(|i| i.to_string()).unwrap_or_default(),
                ap: actual.then(|| price_or_zero(s, v.actual_price)),
                aq: actual.then(|| s.q(v.actual_qty)),
                act: actual.then(|| kind(&v.kind)),
                tp: s.p(u.trigger),
                p: limit(s, &v.kind),
                stp: v.terms.self_trade.as_str(),
                wt: v.working.as_str(),
                pm: matched(&v.terms),
                cp: u.qty.is_none(),
                price_protect: v.price_protect,
                reduce_only: v.reduce_only,
                tt: v.trigger_ms,
                gtd: v.terms.good_till_ms,
                activation: v.trail.map(|t| t.activation.map_or_else(zero, |a| s.p(a))),
                cr: v.trail.map(|t| plain(t.callback)),
                ia: v.trail.map(|t| t.activated),
                rm: u.reason.as_deref(),
            },
        },
    })
}

/// `CONDITIONAL_ORDER_TRIGGER_REJECT`.
pub(super) fn trigger_rejected(now_ms: i64, s: &SymbolText, algo_id: u64, reason: &str) -> Vec<u8> {
    json(&Event {
        e: "CONDITIONAL_ORDER_TRIGGER_REJECT",
        transact: now_ms,
        event: now_ms,
        body: serde_json::json!({"or": {"s": s.name, "i": algo_id, "r": reason}}),
    })
}

#[derive(Serialize)]
struct AccountBody<'a> {
    a: Account<'a>,
}

#[derive(Serialize)]
struct Account<'a> {
    m: &'a str,
    #[serde(rename = "B")]
    balances: [Balance; 1],
    #[serde(rename = "P")]
    positions: Vec<Position<'a>>,
}

#[derive(Serialize)]
struct Balance {
    a: &'static str,
    wb: String,
    cw: String,
    bc: String,
}

#[derive(Serialize)]
struct Position<'a> {
    s: &'a str,
    pa: String,
    ep: String,
    bep: String,
    cr: String,
    up: String,
    mt: &'static str,
    iw: &'static str,
    ps: &'static str,
}

/// `ACCOUNT_UPDATE`. `change` is the balance change other than profit and commission, `position` the position after it
/// with the profit realised so far.
pub(super) fn account(
    now_ms: i64,
    reason: &str,
    wallet: Money,
    change: Money,
    position: Option<(&SymbolText, &PositionView, Money)>,
) -> Vec<u8> {
    json(&Event {
        e: "ACCOUNT_UPDATE",
        transact: now_ms,
        event: now_ms,
        body: AccountBody {
            a: Account {
                m: reason,
                balances: [Balance {
                    a: "USDT",
                    wb: fixed(wallet, 8),
                    cw: fixed(wallet, 8),
                    bc: plain(change),
                }],
                positions: position
                    .iter()
                    .map(|(s, p, realised)| Position {
                        s: &s.name,
                        pa: s.q(p.qty),
                        ep: price(s, p.entry_price),
                        bep: price(s, p.break_even_price),
                        cr: plain(*realised),
                        up: fixed(p.unrealised, 8),
                        mt: "cross",
                        iw: "0",
                        ps: "BOTH",
                    })
                    .collect(),
            },
        },
    })
}

#[derive(Serialize)]
struct MarginCall<'a> {
    e: &'static str,
    #[serde(rename = "E")]
    event: i64,
    cw: String,
    p: Vec<CalledPosition<'a>>,
}

#[derive(Serialize)]
struct CalledPosition<'a> {
    s: &'a str,
    ps: &'static str,
    pa: String,
    mt: &'static str,
    iw: &'static str,
    mp: String,
    up: String,
    mm: String,
}

/// `MARGIN_CALL`.
pub(super) fn margin_call(
    now_ms: i64,
    wallet: Money,
    positions: &[(&SymbolText, &PositionView)],
) -> Vec<u8> {
    json(&MarginCall {
        e: "MARGIN_CALL",
        event: now_ms,
        cw: fixed(wallet, 8),
        p: positions
            .iter()
            .map(|(s, p)| CalledPosition {
                s: &s.name,
                ps: "BOTH",
                pa: s.q(p.qty),
                mt: "CROSSED",
                iw: "0",
                mp: fixed(p.mark, 8),
                up: fixed(p.unrealised, 8),
                mm: fixed(p.maint_margin, 8),
            })
            .collect(),
    })
}

/// `ACCOUNT_CONFIG_UPDATE` of a contract's leverage.
pub(super) fn leverage_changed(now_ms: i64, s: &SymbolText, leverage: u32) -> Vec<u8> {
    json(&Event {
        e: "ACCOUNT_CONFIG_UPDATE",
        transact: now_ms,
        event: now_ms,
        body: serde_json::json!({"ac": {"s": s.name, "l": leverage}}),
    })
}

/// `listenKeyExpired`.
pub(super) fn listen_key_expired(now_ms: i64, key: &str) -> Vec<u8> {
    json(&serde_json::json!({"e": "listenKeyExpired", "E": now_ms, "listenKey": key}))
}
