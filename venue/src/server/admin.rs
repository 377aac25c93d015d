//! The administration port: what a test, a demo or a person does to the market, as JSON over HTTP, loopback only.
//!
//! `GET /now` (the two clocks of the audit log), `/state`, `/frame-delay` (from the engine's word to the socket's write), `/audit`, `/ledger`, `/positions`, `/orders` (open orders, open stops, all fills); `POST /start`, `/speed {"speed":60}`,
//! `/price-path {"symbol":"BTCUSDT","path":[[5000,0.98]]}` (market ms from now, factor of the price now, reached linearly),
//! `/drop-socket {"kind":"private"}` or `{"symbol":"BTCUSDT"}`, `/pause-stream {"stream":"btcusdt@depth","ms":3000}` (its
//! frames are lost for so many wall ms, without `ms` until `/resume`; `"user"` is the user stream), `/resume`, `/save`, `/fault` (see `fault`). What is about an account is about
//! the first, or the one of `?account=NAME`.

use super::fault;
use super::rest::{Call, Reply};
use super::stream::{Route, Topic, topic};
use super::venue::Venue;
use crate::engine::AccountId;
use helios_core::fixed::{Price, Qty, Side};
use helios_core::market::DepthSnapshot;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

pub(super) type Answer = Result<Value, (u16, String)>;

pub(super) fn bad(why: impl Into<String>) -> (u16, String) {
    (400, why.into())
}

pub(super) fn read<'a, T: Deserialize<'a>>(body: &'a str) -> Result<T, (u16, String)> {
    serde_json::from_str(body).map_err(|e| bad(format!("the body can't be read: {e}")))
}

fn tell(v: &impl serde::Serialize) -> Answer {
    serde_json::to_value(v).map_err(|e| (500, e.to_string()))
}

/// Answers a request.
pub(super) fn answer(v: &mut Venue, c: &Call) -> Reply {
    let (status, body) = match route(v, c) {
        Ok(b) => (200, b),
        Err((status, why)) => (status, json!({"error": why})),
    };
    Reply {
        status,
        body: serde_json::to_vec(&body).unwrap_or_default(),
        headers: Vec::new(),
    }
}

fn route(v: &mut Venue, c: &Call) -> Answer {
    v.account = account(v, &c.query)?;
    match (c.method.as_str(), c.path.as_str()) {
        ("GET", "/now") => {
            let at = v.at();
            Ok(json!({"market_ms": at.market_ms, "wall_ns": at.wall_ns}))
        }
        ("GET", "/state") => tell(&v.stats()),
        ("GET", "/frame-delay") => tell(&v.gate.delay.report()),
        ("GET", "/audit") => tell(&v.accounts.of(v.account).audit.report(v.at())),
        ("GET", "/ledger") => tell(&v.ledger(v.account)),
        ("GET", "/positions") => tell(&v.ledger(v.account).positions),
        ("GET", "/orders") => Ok(orders(v)),
        ("POST", "/start") => {
            v.clock.start(Instant::now());
            tell(&v.stats())
        }
        ("POST", "/speed") => speed(v, &c.body),
        ("POST", "/price-path") => price_path(v, &c.body),
        ("POST", "/drop-socket") => drop_socket(v, &c.body),
        ("POST", "/pause-stream") => pause_stream(v, &c.body),
        (_, "/fault") => fault::admin(v, c),
        ("POST", "/resume") => {
            v.hub.resume();
            Ok(json!({}))
        }
        ("POST", "/save") if v.state_dir.is_none() => Err(bad("no state directory is configured")),
        ("POST", "/save") => v
            .save()
            .map(|()| json!({}))
            .map_err(|e| (500, e.to_string())),
        (m, p) => Err((404, format!("there is no {m} {p}"))),
    }
}

/// The account that a question is about: `?account=NAME`, else the first.
fn account(v: &Venue, query: &str) -> Result<AccountId, (u16, String)> {
    let mut parts = url::form_urlencoded::parse(query.as_bytes());
    match parts.find(|(k, _)| k == "account") {
        None => Ok(v.first),
        Some((_, name)) => match v.accounts.named(&name) {
            Some(a) => Ok(a.id),
            None => Err((404, format!("there is no account {name}"))),
        },
    }
}

/// Open plain orders, open conditional orders and all fills of the account, as the engine has them.
fn orders(v: &Venue) -> Value {
    let name = |id: crate::engine::SymbolId| v.symbols[usize::from(id.0)].name.clone();
    let open: Vec<Value> = v
        .engine
        .open_orders(v.account, None)
        .iter()
        .map(|o| json!({"symbol": name(o.symbol), "order": o.order}))
        .collect();
    let stops: Vec<Value> = v
        .engine
        .open_stops(v.account, None)
        .iter()
        .map(|s| json!({"symbol": name(s.symbol), "stop": s.stop}))
        .collect();
    let fills: Vec<Value> = v
        .engine
        .user_trades(v.account, None)
        .map(|t| json!({"symbol": name(t.symbol), "client_id": t.client_id, "order_id": t.order_id, "side": t.side, "qty": t.fill.qty, "time_ms": t.time_ms}))
        .collect();
    json!({"orders": open, "stops": stops, "fills": fills})
}

fn speed(v: &mut Venue, body: &str) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        speed: f64,
    }
    let b: Body = read(body)?;
    super::handle::check_speed(b.speed).map_err(|e| bad(e.to_string()))?;
    v.set_speed(b.speed);
    Ok(json!({"speed": b.speed}))
}

fn price_path(v: &mut Venue, body: &str) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        symbol: String,
        path: Vec<(i64, f64)>,
    }
    let b: Body = read(body)?;
    let id = v.upper.get(&b.symbol).copied();
    let id = id.ok_or_else(|| bad(format!("there is no symbol {}", b.symbol)))?;
    let mut book = v.engine.depth(id, usize::MAX);
    let (Some(bid), Some(ask)) = (book.bids.first(), book.asks.first()) else {
        return Err(bad("its book is empty still"));
    };
    let mid = Price((bid.0.0 + ask.0.0) / 2);
    without_own_orders(v, id, &mut book);
    let now = v.clock.now_ms();
    if b.path.is_empty() || !v.source.push(id, now, &b.path, &book, mid) {
        return Err(bad(
            "path must be [[market ms from now, factor], ...], ms not falling, factors above 0",
        ));
    }
    Ok(json!({}))
}

/// The combined book less what rests of our own: that does not move with the market.
fn without_own_orders(v: &Venue, id: crate::engine::SymbolId, book: &mut DepthSnapshot) {
    let accounts = v.accounts.iter();
    for o in accounts.flat_map(|a| v.engine.open_orders(a.id, Some(id))) {
        let side = match o.order.side {
            Side::Buy => &mut book.bids,
            Side::Sell => &mut book.asks,
        };
        for level in side.iter_mut().filter(|l| Some(l.0) == o.order.price) {
            level.1 = Qty((level.1.0 - (o.order.qty.0 - o.order.filled.0)).max(0));
        }
        side.retain(|l| !l.1.is_zero());
    }
}

fn drop_socket(v: &mut Venue, body: &str) -> Answer {
    let dropped = fault::dropped(v, &read(body)?)?;
    Ok(json!({"dropped": dropped}))
}

fn pause_stream(v: &mut Venue, body: &str) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        stream: String,
        ms: Option<u64>,
    }
    let b: Body = read(body)?;
    let topic = match b.stream.as_str() {
        "user" => v.active_key(v.account).map(Topic::User),
        name => topic(Route::Unrouted, name, &v.lower),
    };
    let topic = topic.ok_or_else(|| bad(format!("there is no stream {}", b.stream)))?;
    // A day is for ever in a test.
    let until =
        b.ms.map(|ms| Instant::now() + Duration::from_millis(ms.min(86_400_000)));
    for topic in topic.kin() {
        v.hub.pause(topic, until);
    }
    Ok(json!({}))
}
