//! User-stream frames into core's vocabulary. Unknown events are named, never fatal.

use super::UserStreamEvent;
use crate::convert::{self, ConvertError, nearest_price};
use crate::decode::decode_combined;
use crate::instruments::Instruments;
use crate::rest::wire::{Dec, empty_is_none};
use helios_core::fixed::Qty;
use helios_core::instrument::Instrument;
use helios_core::order::{AlgoUpdate, ClientId, ExecType, OrderUpdate, PositionUpdate, TradeFill};
use rust_decimal::Decimal;
use serde::Deserialize;
use std::sync::Arc;

/// Why a frame of a known kind could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{event}: {why}")]
pub struct UserDecodeError {
    /// `e` of the frame; empty when it has none.
    pub event: String,
    /// What is wrong.
    pub why: String,
}

/// A frame, read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded {
    /// `E`, ms; 0 where there is none.
    pub event_ms: i64,
    /// What it says, in order.
    pub events: Vec<UserStreamEvent>,
    /// The kind is unknown here, or what it says has no meaning in one-way mode.
    pub ignored: bool,
    /// It is `listenKeyExpired`, for this key where it names one.
    pub expired: Option<Option<String>>,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, default)]
    e: Option<&'a str>,
    #[serde(rename = "E", default)]
    event_ms: i64,
}

#[derive(Deserialize)]
struct OrderFrame {
    #[serde(rename = "T")]
    transact_ms: i64,
    o: OrderBody,
}

#[derive(Deserialize)]
struct OrderBody {
    s: String,
    c: String,
    #[serde(rename = "S")]
    side: String,
    q: Dec,
    x: String,
    #[serde(rename = "X")]
    status: String,
    i: u64,
    #[serde(default)]
    l: Option<Dec>,
    z: Dec,
    #[serde(rename = "L", default)]
    last_price: Option<Dec>,
    #[serde(rename = "N", default)]
    fee_asset: Option<String>,
    #[serde(rename = "n", default)]
    fee: Option<Dec>,
    #[serde(default)]
    t: i64,
    #[serde(default)]
    m: bool,
    #[serde(rename = "R", default)]
    reduce_only: bool,
    #[serde(default)]
    rp: Option<Dec>,
}

#[derive(Deserialize)]
struct AlgoFrame {
    #[serde(rename = "T")]
    transact_ms: i64,
    o: AlgoBody,
}

#[derive(Deserialize)]
struct AlgoBody {
    caid: String,
    aid: u64,
    s: String,
    #[serde(rename = "S")]
    side: String,
    #[serde(default)]
    q: Option<Dec>,
    #[serde(rename = "X")]
    status: String,
    #[serde(default)]
    ai: Option<serde_json::Value>,
    /// A trailing stop that has not been activated has none.
    #[serde(default, deserialize_with = "empty_is_none")]
    tp: Option<Dec>,
    #[serde(default)]
    cp: bool,
    #[serde(default)]
    rm: Option<String>,
}

#[derive(Deserialize)]
struct AccountFrame {
    #[serde(rename = "T")]
    transact_ms: i64,
    a: AccountBody,
}

#[derive(Deserialize)]
struct AccountBody {
    #[serde(default)]
    m: String,
    #[serde(rename = "B", default)]
    balances: Vec<BalanceRow>,
    #[serde(rename = "P", default)]
    positions: Vec<PositionRow>,
}

#[derive(Deserialize)]
struct BalanceRow {
    a: String,
    cw: Dec,
    #[serde(default)]
    bc: Option<Dec>,
}

#[derive(Deserialize)]
struct PositionRow {
    s: String,
    pa: Dec,
    ep: Dec,
    #[serde(default)]
    ps: String,
}

#[derive(Deserialize)]
struct ConfigFrame {
    #[serde(default)]
    ac: Option<LeverageBody>,
    #[serde(default)]
    ai: Option<AssetsBody>,
}

#[derive(Deserialize)]
struct LeverageBody {
    s: String,
    l: u32,
}

#[derive(Deserialize)]
struct AssetsBody {
    j: bool,
}

#[derive(Deserialize)]
struct CallFrame {
    #[serde(default)]
    p: Vec<CallRow>,
}

#[derive(Deserialize)]
struct CallRow {
    s: String,
}

#[derive(Deserialize)]
struct LiteFrame {
    s: String,
    t: u64,
}

#[derive(Deserialize)]
struct RejectFrame {
    or: RejectBody,
}

#[derive(Deserialize)]
struct RejectBody {
    s: String,
    i: u64,
    #[serde(default)]
    r: String,
}

#[derive(Deserialize)]
struct ExpiredFrame {
    #[serde(rename = "listenKey", default)]
    listen_key: Option<String>,
}

/// Reads one frame, with or without the combined-stream envelope.
///
/// # Errors
/// [`UserDecodeError`] when it is no JSON, or an event of a known kind can't be read.
pub fn decode(frame: &[u8], instruments: &Instruments) -> Result<Decoded, UserDecodeError> {
    let head: Head<'_> = parse("", frame)?;
    match head.e.is_none().then(|| decode_combined(frame)) {
        Some(Ok(combined)) => {
            let inner = parse("", combined.data)?;
            event(&inner, combined.data, instruments)
        }
        _ => event(&head, frame, instruments),
    }
}

fn event(
    head: &Head<'_>,
    frame: &[u8],
    instruments: &Instruments,
) -> Result<Decoded, UserDecodeError> {
    let (event, event_ms) = (head.e.unwrap_or_default(), head.event_ms);
    let mut d = Decoded {
        event_ms,
        ..Decoded::default()
    };
    let fail = |e: ConvertError| UserDecodeError {
        event: event.to_owned(),
        why: e.to_string(),
    };
    match event {
        "ORDER_TRADE_UPDATE" => {
            let f: OrderFrame = parse(event, frame)?;
            d.events.push(match instruments.get(&f.o.s) {
                Some(i) => {
                    UserStreamEvent::Order(i.symbol.clone(), order(&i, event_ms, &f).map_err(fail)?)
                }
                None => UserStreamEvent::UnknownSymbol { symbol: f.o.s },
            });
        }
        "ALGO_UPDATE" => {
            let f: AlgoFrame = parse(event, frame)?;
            d.events.push(match instruments.get(&f.o.s) {
                Some(i) => {
                    UserStreamEvent::Algo(i.symbol.clone(), algo(&i, event_ms, &f).map_err(fail)?)
                }
                None => UserStreamEvent::UnknownSymbol { symbol: f.o.s },
            });
        }
        "ACCOUNT_UPDATE" => {
            let f: AccountFrame = parse(event, frame)?;
            account(instruments, f, &mut d).map_err(fail)?;
        }
        "ACCOUNT_CONFIG_UPDATE" => config(parse(event, frame)?, &mut d),
        "TRADE_LITE" => {
            let f: LiteFrame = parse(event, frame)?;
            d.events.push(match instruments.get(&f.s) {
                Some(i) => UserStreamEvent::Hint(i.symbol.clone(), f.t),
                None => UserStreamEvent::UnknownSymbol { symbol: f.s },
            });
        }
        "CONDITIONAL_ORDER_TRIGGER_REJECT" => {
            let f: RejectFrame = parse(event, frame)?;
            d.events.push(UserStreamEvent::TriggerRejected {
                symbol: f.or.s.as_str().into(),
                order_id: f.or.i,
                reason: f.or.r.into(),
            });
        }
        "MARGIN_CALL" => {
            let f: CallFrame = parse(event, frame)?;
            d.events.push(UserStreamEvent::MarginCall {
                event_ms,
                symbols: f.p.into_iter().map(|r| r.s).collect(),
            });
        }
        "listenKeyExpired" => d.expired = Some(parse::<ExpiredFrame>(event, frame)?.listen_key),
        _ => d.ignored = true,
    }
    Ok(d)
}

fn parse<'a, T: Deserialize<'a>>(event: &str, frame: &'a [u8]) -> Result<T, UserDecodeError> {
    serde_json::from_slice(frame).map_err(|e| UserDecodeError {
        event: event.to_owned(),
        why: e.to_string(),
    })
}

fn dec(d: Option<Dec>) -> Decimal {
    d.map_or(Decimal::ZERO, |d| d.0)
}

fn order(i: &Instrument, event_ms: i64, f: &OrderFrame) -> Result<OrderUpdate, ConvertError> {
    let o = &f.o;
    let (qty, filled, last) = (i.qty(o.q.0)?, i.qty(o.z.0)?, i.qty(dec(o.l))?);
    let exec = convert::exec_type(&o.x)?;
    let fills = matches!(exec, ExecType::Trade | ExecType::Calculated) && last > Qty::ZERO;
    let fill = fills.then(|| TradeFill {
        trade_id: u64::try_from(o.t).unwrap_or(0),
        price: nearest_price(i, dec(o.last_price)),
        qty: last,
        fee: dec(o.fee),
        fee_asset: Arc::from(o.fee_asset.as_deref().unwrap_or_default()),
        realised: dec(o.rp),
        maker: o.m,
    });
    Ok(OrderUpdate {
        event_ms,
        transact_ms: f.transact_ms,
        client_id: ClientId::from(o.c.as_str()),
        order_id: o.i,
        side: convert::side(&o.side)?,
        exec,
        status: convert::order_status(&o.status, qty, filled)?,
        qty,
        filled,
        reduce_only: o.reduce_only,
        fill,
    })
}

fn algo(i: &Instrument, event_ms: i64, f: &AlgoFrame) -> Result<AlgoUpdate, ConvertError> {
    let o = &f.o;
    let qty = dec(o.q);
    let order_id = match &o.ai {
        Some(serde_json::Value::String(s)) => s.parse().ok(),
        Some(serde_json::Value::Number(n)) => n.as_u64(),
        _ => None,
    };
    Ok(AlgoUpdate {
        event_ms,
        transact_ms: f.transact_ms,
        client_id: ClientId::from(o.caid.as_str()),
        algo_id: o.aid,
        status: convert::algo_status(&o.status)?,
        side: convert::side(&o.side)?,
        trigger: nearest_price(i, dec(o.tp)),
        qty: if o.cp || qty.is_zero() {
            None
        } else {
            Some(i.qty(qty)?)
        },
        order_id: order_id.filter(|id| *id > 0),
        reason: o.rm.as_deref().filter(|r| !r.is_empty()).map(Arc::from),
    })
}

fn account(known: &Instruments, f: AccountFrame, d: &mut Decoded) -> Result<(), ConvertError> {
    let reason: Arc<str> = f.a.m.into();
    for b in f.a.balances {
        d.events.push(UserStreamEvent::Balance {
            event_ms: d.event_ms,
            asset: b.a.into(),
            wallet: b.cw.0,
            change: dec(b.bc),
            reason: reason.clone(),
        });
    }
    for p in f.a.positions {
        // Hedge mode is refused at the start; its rows have no one-way meaning.
        if !matches!(p.ps.as_str(), "BOTH" | "") {
            d.ignored = true;
            continue;
        }
        d.events.push(match known.get(&p.s) {
            Some(i) => UserStreamEvent::Position(
                i.symbol.clone(),
                PositionUpdate {
                    event_ms: d.event_ms,
                    transact_ms: f.transact_ms,
                    qty: i.qty(p.pa.0)?,
                    entry_price: p.ep.0,
                },
            ),
            None => UserStreamEvent::UnknownSymbol { symbol: p.s },
        });
    }
    Ok(())
}

fn config(f: ConfigFrame, d: &mut Decoded) {
    let event_ms = d.event_ms;
    if let Some(l) = f.ac {
        d.events.push(UserStreamEvent::Leverage {
            event_ms,
            symbol: l.s.as_str().into(),
            leverage: l.l,
        });
    }
    if let Some(a) = f.ai {
        d.events
            .push(UserStreamEvent::MultiAssets { event_ms, on: a.j });
    }
    d.ignored = d.events.is_empty();
}
