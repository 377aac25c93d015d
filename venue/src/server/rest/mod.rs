//! REST: which paths there are, who may ask, what it weighs, and the answer's envelope.

mod account;
mod algo;
mod batch;
mod market;
mod orders;
mod settings;
mod terms;
mod tickers;

use super::accounts::ApiKey;
use super::params::{ApiError, Params};
use super::sign;
use super::venue::Venue;
use crate::engine::{AccountId, EngineEvent, Request, Response, SymbolId};
use serde::Serialize;
use tokio::time::Instant;

/// Default `recvWindow` and the largest allowed, ms.
const RECV_WINDOW: i64 = 5000;
const RECV_WINDOW_MAX: i64 = 60_000;
/// How far ahead of the venue's clock a timestamp may be, ms at real time.
const AHEAD_MS: f64 = 1000.0;

/// A request as it came.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// `GET`, `POST`, ...
    pub(super) method: String,
    /// Path.
    pub(super) path: String,
    /// Query as sent.
    pub(super) query: String,
    /// Body as sent.
    pub(super) body: String,
    /// `X-MBX-APIKEY`.
    pub(super) api_key: Option<String>,
    /// Where it came from.
    pub(super) ip: std::net::IpAddr,
}

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    /// HTTP status.
    pub(super) status: u16,
    /// JSON.
    pub(super) body: Vec<u8>,
    /// Further headers.
    pub(super) headers: Vec<(&'static str, u64)>,
}

/// Who may ask.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Security {
    /// Anybody.
    Public,
    /// The key's owner, unsigned.
    Key,
    /// The key's owner, signed.
    Signed,
}

type Answer = Result<Vec<u8>, ApiError>;
type Handler = fn(&mut Venue, &Params) -> Answer;

struct Endpoint {
    security: Security,
    weight: fn(&Params) -> u64,
    orders: u64,
    run: Handler,
}

fn public(weight: fn(&Params) -> u64, run: Handler) -> Option<Endpoint> {
    Some(Endpoint {
        security: Security::Public,
        weight,
        orders: 0,
        run,
    })
}

fn key(run: Handler) -> Option<Endpoint> {
    Some(Endpoint {
        security: Security::Key,
        weight: |_| 1,
        orders: 0,
        run,
    })
}

fn signed(weight: fn(&Params) -> u64, run: Handler) -> Option<Endpoint> {
    Some(Endpoint {
        security: Security::Signed,
        weight,
        orders: 0,
        run,
    })
}

/// An order: no weight, one order count.
fn order(run: Handler) -> Option<Endpoint> {
    Some(Endpoint {
        security: Security::Signed,
        weight: |_| 0,
        orders: 1,
        run,
    })
}

/// Several orders: counted as five of them.
fn several(run: Handler) -> Option<Endpoint> {
    Some(Endpoint {
        security: Security::Signed,
        weight: |_| 5,
        orders: 5,
        run,
    })
}

/// Weight of a request for one symbol, and of one for all.
fn one_or(p: &Params, one: u64, all: u64) -> u64 {
    if p.get("symbol").is_some() { one } else { all }
}

/// Weight 1 with a symbol, 40 without.
fn all_or_one(p: &Params) -> u64 {
    one_or(p, 1, 40)
}

fn endpoint(method: &str, path: &str) -> Option<Endpoint> {
    let Some(path) = path.strip_prefix("/fapi/") else {
        return match (method, path) {
            // Clients for the whole of Binance ask these first.
            ("GET", "/api/v3/ping") => public(|_| 1, market::ping),
            ("GET", "/api/v3/time") => public(|_| 1, market::time),
            ("GET", "/sapi/v1/account/apiRestrictions") => signed(|_| 1, settings::restrictions),
            _ => None,
        };
    };
    match (method, path) {
        ("GET", "v1/ping") => public(|_| 1, market::ping),
        ("GET", "v1/time") => public(|_| 1, market::time),
        ("GET", "v1/exchangeInfo") => public(|_| 1, market::exchange_info),
        ("GET", "v1/depth") => public(market::depth_weight, market::depth),
        ("GET", "v1/klines") => public(market::klines_weight, market::klines),
        ("GET", "v1/aggTrades") => public(|_| 20, market::agg_trades),
        ("GET", "v1/premiumIndex") => public(|p| one_or(p, 1, 10), tickers::premium_index),
        ("GET", "v1/fundingRate") => public(|_| 1, tickers::funding_rate),
        ("GET", "v1/fundingInfo") => public(|_| 1, tickers::funding_info),
        ("GET", "v1/ticker/24hr") => public(all_or_one, tickers::day),
        ("GET", "v1/ticker/price" | "v2/ticker/price") => {
            public(|p| one_or(p, 1, 2), tickers::price)
        }
        ("GET", "v1/ticker/bookTicker") => public(|p| one_or(p, 2, 5), tickers::book),
        ("POST", "v1/listenKey") => key(settings::listen_key_start),
        ("PUT", "v1/listenKey") => key(settings::listen_key_keep),
        ("DELETE", "v1/listenKey") => key(settings::listen_key_close),
        ("GET", "v1/leverageBracket") => signed(|_| 1, account::leverage_bracket),
        ("GET", "v1/commissionRate") => signed(|_| 20, account::commission_rate),
        ("GET", "v2/account") => signed(|_| 5, account::account_v2),
        ("GET", "v3/account") => signed(|_| 5, account::account_v3),
        ("GET", "v2/balance" | "v3/balance") => signed(|_| 5, account::balance),
        ("GET", "v2/positionRisk") => signed(|_| 5, account::position_risk_v2),
        ("GET", "v3/positionRisk") => signed(|_| 5, account::position_risk_v3),
        ("GET", "v1/symbolConfig") => signed(|_| 5, account::symbol_config),
        ("GET", "v1/accountConfig") => signed(|_| 5, settings::account_config),
        ("GET", "v1/positionSide/dual") => signed(|_| 30, settings::position_side),
        ("POST", "v1/positionSide/dual") => signed(|_| 1, settings::set_position_side),
        ("GET", "v1/multiAssetsMargin") => signed(|_| 30, settings::multi_assets),
        ("POST", "v1/multiAssetsMargin") => signed(|_| 1, settings::set_multi_assets),
        ("GET", "v1/feeBurn") => signed(|_| 30, settings::fee_burn),
        ("POST", "v1/feeBurn") => signed(|_| 1, settings::set_fee_burn),
        ("GET", "v1/adlQuantile") => signed(|_| 5, account::adl_quantile),
        ("POST", "v1/leverage") => signed(|_| 1, settings::set_leverage),
        ("POST", "v1/marginType") => signed(|_| 1, settings::set_margin_type),
        ("GET", "v1/income") => signed(|_| 30, account::income),
        ("POST", "v1/order") => order(orders::place),
        ("POST", "v1/order/test") => signed(|_| 1, orders::test),
        ("GET", "v1/order") => signed(|_| 1, orders::query),
        ("PUT", "v1/order") => order(batch::modify),
        ("POST", "v1/batchOrders") => several(batch::place),
        ("PUT", "v1/batchOrders") => several(batch::modify_all),
        ("DELETE", "v1/batchOrders") => signed(|_| 1, batch::cancel),
        ("GET", "v1/orderAmendment") => signed(|_| 1, batch::history),
        ("DELETE", "v1/order") => signed(|_| 1, orders::cancel),
        ("GET", "v1/openOrder") => signed(|_| 1, orders::open_one),
        ("GET", "v1/openOrders") => signed(all_or_one, orders::open_all),
        ("GET", "v1/allOrders") => signed(|_| 5, orders::all),
        ("DELETE", "v1/allOpenOrders") => signed(|_| 1, orders::cancel_all),
        ("POST", "v1/countdownCancelAll") => signed(|_| 10, orders::countdown),
        ("GET", "v1/userTrades") => signed(|_| 5, orders::user_trades),
        ("POST", "v1/algoOrder") => order(algo::place),
        ("GET", "v1/algoOrder") => signed(|_| 1, algo::query),
        ("DELETE", "v1/algoOrder") => signed(|_| 1, algo::cancel),
        ("GET", "v1/openAlgoOrders") => signed(all_or_one, algo::open),
        ("GET", "v1/allAlgoOrders") => signed(|_| 5, algo::all),
        ("DELETE", "v1/algoOpenOrders") => signed(|_| 1, algo::cancel_all),
        _ => None,
    }
}

/// Answers a request.
pub(super) fn answer(v: &mut Venue, c: &Call) -> Reply {
    v.requests += 1;
    let mut told = Told::default();
    let result = serve(v, c, &mut told);
    let mut headers = vec![("x-mbx-used-weight-1m", v.limits.used(c.ip))];
    if let Some((orders_10s, orders_1m)) = told.orders {
        headers.push(("x-mbx-order-count-10s", orders_10s));
        headers.push(("x-mbx-order-count-1m", orders_1m));
    }
    let retry_after = told.retry_after;
    headers.extend(retry_after.map(|s| ("retry-after", s)));
    match result {
        Ok(body) => Reply {
            status: 200,
            body,
            headers,
        },
        Err(e) => {
            v.refused += 1;
            refused(&e, headers)
        }
    }
}

/// A refusal as an answer.
pub(super) fn refused(e: &ApiError, headers: Vec<(&'static str, u64)>) -> Reply {
    Reply {
        status: e.status,
        body: json(&e.json()).unwrap_or_default(),
        headers,
    }
}

/// What the headers say beside the weight.
#[derive(Default)]
struct Told {
    retry_after: Option<u64>,
    /// Orders of the account in ten seconds and in a minute, where the request is one.
    orders: Option<(u64, u64)>,
}

fn serve(v: &mut Venue, c: &Call, told: &mut Told) -> Answer {
    let Some(e) = endpoint(&c.method, &c.path) else {
        let msg = format!("Path {}, Method {} is invalid", c.path, c.method);
        return Err(ApiError::new(-5000, msg));
    };
    let params = Params::parse(&c.query, &c.body)?;
    let (now, now_ms) = (Instant::now(), v.clock.now_ms());
    v.limits
        .take(now, now_ms, c.ip, (e.weight)(&params))
        .map_err(|(e, s)| {
            told.retry_after = Some(s);
            e
        })?;
    if e.security == Security::Public {
        return (e.run)(v, &params);
    }
    let (account, key) = owner(v, c)?;
    if e.security == Security::Signed {
        check_signature(v, c, &params, key)?;
    }
    v.account = account;
    if e.orders > 0 {
        let count = &mut v.accounts.of_mut(account).orders;
        let counted = v.limits.orders(now, count, e.orders);
        told.orders = Some(count.used());
        counted.map_err(|(e, s)| {
            told.retry_after = Some(s);
            e
        })?;
    }
    (e.run)(v, &params)
}

/// Whose key a request came with.
fn owner<'a>(v: &'a Venue, c: &Call) -> Result<(AccountId, &'a ApiKey), ApiError> {
    let key = c.api_key.as_deref();
    if let Some(owner) = key.and_then(|k| v.accounts.owner(k)) {
        return Ok(owner);
    }
    match key {
        Some(k) if k.len() >= 32 && k.bytes().all(|b| b.is_ascii_alphanumeric()) => Err(
            ApiError::new(-2015, "Invalid API-key, IP, or permissions for action."),
        ),
        _ => Err(ApiError::new(-2014, "API-key format invalid.")),
    }
}

fn check_signature(v: &Venue, c: &Call, p: &Params, key: &ApiKey) -> Result<(), ApiError> {
    let (payload, signature) = sign::payload(&c.query, &c.body);
    let signature = signature
        .filter(|s| !s.is_empty())
        .ok_or_else(|| ApiError::missing("signature"))?;
    let stamp = p
        .time("timestamp")?
        .ok_or_else(|| ApiError::missing("timestamp"))?;
    let window = p.time("recvWindow")?.unwrap_or(RECV_WINDOW);
    if window > RECV_WINDOW_MAX {
        return Err(ApiError::new(-1131, "recvWindow must be less than 60000"));
    }
    let now = v.clock.now_ms();
    let ahead = (AHEAD_MS * v.clock.speed().max(1.0)) as i64;
    if stamp.saturating_sub(now) >= ahead {
        return Err(ApiError::new(
            -1021,
            "Timestamp for this request was 1000ms ahead of the server's time.",
        ));
    }
    if now.saturating_sub(stamp) > window {
        return Err(ApiError::new(
            -1021,
            "Timestamp for this request is outside of the recvWindow.",
        ));
    }
    // What is not percent-encoded can't have been signed as the exchange wants it.
    if payload.is_ascii() && key.verifies(payload.as_bytes(), &signature) {
        Ok(())
    } else {
        Err(ApiError::new(
            -1022,
            "Signature for this request is not valid.",
        ))
    }
}

/// Serialises an answer.
fn json(value: &impl Serialize) -> Answer {
    serde_json::to_vec(value).map_err(|_| ApiError::new(-1000, "An unknown error occurred."))
}

/// The contract of the parameter `symbol`.
fn symbol(v: &Venue, p: &Params) -> Result<SymbolId, ApiError> {
    named(v, p.need("symbol")?)
}

/// The contract of the parameter `symbol`, if sent.
fn symbol_opt(v: &Venue, p: &Params) -> Result<Option<SymbolId>, ApiError> {
    p.get("symbol").map(|s| named(v, s)).transpose()
}

fn named(v: &Venue, name: &str) -> Result<SymbolId, ApiError> {
    v.upper
        .get(name)
        .copied()
        .ok_or_else(|| ApiError::new(-1121, "Invalid symbol."))
}

/// One contract, or all of them without the parameter; says whether it was one.
fn one_or_all(v: &Venue, p: &Params) -> Result<(Vec<SymbolId>, bool), ApiError> {
    Ok(match symbol_opt(v, p)? {
        Some(s) => (vec![s], true),
        None => (v.upper.values().copied().collect(), false),
    })
}

/// `{..}` for one contract, `[..]` for all.
fn list<T: Serialize>(all: Vec<T>, one: bool) -> Answer {
    match (one, all.first()) {
        (true, Some(first)) => json(first),
        _ => json(&all),
    }
}

/// Passes a request to the engine at the venue's time, and its events to the subscribers.
fn engine(v: &mut Venue, request: Request) -> Result<Response, ApiError> {
    let mut events: Vec<EngineEvent> = Vec::new();
    let now = v.clock.now_ms();
    let answer = v.engine.request(now, v.account, request, &mut events);
    v.absorb(&mut events);
    Ok(answer?)
}
