//! REST: who may ask, what it weighs, and the answer's envelope.
//!
//! [`routes`] lists the endpoints. [`admit`] is the one way in: weight, key, signature, time and order counts are looked at
//! there for REST and for the WebSocket API alike.

mod account;
mod algo;
mod batch;
mod market;
mod orders;
pub(super) mod routes;
mod settings;
mod terms;
mod tickers;
mod trades;

use super::accounts::ApiKey;
use super::params::{ApiError, Params};
use super::sign;
use super::venue::Venue;
use crate::engine::{AccountId, EngineEvent, Request, Response, SymbolId};
use routes::{Endpoint, Security};
use serde::Serialize;
use std::net::IpAddr;
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
    pub(super) ip: IpAddr,
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

type Answer = Result<Vec<u8>, ApiError>;

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

/// What is told beside the answer and the weight.
#[derive(Default)]
pub(super) struct Told {
    /// Seconds to wait after a refusal for a limit.
    pub(super) retry_after: Option<u64>,
    /// Orders of the account in ten seconds and in a minute, where the request is one.
    pub(super) orders: Option<(u64, u64)>,
}

/// What shows that a request is the key's owner's.
pub(super) enum Proof {
    /// A signature of the text it was made over.
    Signature {
        /// What was signed.
        payload: String,
        /// The signature; `None` where none was sent.
        signature: Option<String>,
    },
    /// The connection is logged on with the key.
    Session,
}

/// A request, whichever way it came.
pub(super) struct Ask<'a> {
    pub(super) endpoint: Endpoint,
    pub(super) params: &'a Params,
    pub(super) key: Option<&'a str>,
    pub(super) proof: Proof,
    pub(super) ip: IpAddr,
}

fn serve(v: &mut Venue, c: &Call, told: &mut Told) -> Answer {
    let Some(endpoint) = routes::find(&c.method, &c.path) else {
        let msg = format!("Path {}, Method {} is invalid", c.path, c.method);
        return Err(ApiError::new(-5000, msg));
    };
    let params = Params::parse(&c.query, &c.body)?;
    let (payload, signature) = sign::payload(&c.query, &c.body);
    let ask = Ask {
        endpoint,
        params: &params,
        key: c.api_key.as_deref(),
        proof: Proof::Signature { payload, signature },
        ip: c.ip,
    };
    admit(v, &ask, told)?;
    (endpoint.run)(v, &params)
}

/// Counts a request and looks at who asks; the venue's account is the asker's afterwards, where it must be anybody's.
pub(super) fn admit(v: &mut Venue, ask: &Ask<'_>, told: &mut Told) -> Result<(), ApiError> {
    let e = &ask.endpoint;
    let (now, now_ms) = (Instant::now(), v.clock.now_ms());
    v.limits
        .take(now, now_ms, ask.ip, (e.weight)(ask.params))
        .map_err(|(e, s)| {
            told.retry_after = Some(s);
            e
        })?;
    if e.security == Security::Public {
        return Ok(());
    }
    let (account, key) = owner(v, ask.key)?;
    if e.security == Security::Signed {
        check_proof(v, ask, key)?;
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
    Ok(())
}

/// Whose key a request came with.
fn owner<'a>(v: &'a Venue, key: Option<&str>) -> Result<(AccountId, &'a ApiKey), ApiError> {
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

fn check_proof(v: &Venue, ask: &Ask<'_>, key: &ApiKey) -> Result<(), ApiError> {
    let p = ask.params;
    let signed = match &ask.proof {
        Proof::Session => None,
        Proof::Signature { payload, signature } => {
            let signature = signature.as_ref().filter(|s| !s.is_empty());
            let signature = signature.ok_or_else(|| ApiError::missing("signature"))?;
            Some((payload, signature))
        }
    };
    let stamp = p
        .time("timestamp")?
        .ok_or_else(|| ApiError::missing("timestamp"))?;
    let window = p.time("recvWindow")?.unwrap_or(RECV_WINDOW);
    if window > RECV_WINDOW_MAX {
        return Err(ApiError::new(-1131, "recvWindow must be less than 60000"));
    }
    let now = v.clock.now_ms() + v.faults.skew_ms();
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
    match signed {
        // What is not ASCII can't have been signed as the exchange wants it.
        Some((payload, signature))
            if !payload.is_ascii() || !key.verifies(payload.as_bytes(), signature) =>
        {
            Err(ApiError::new(
                -1022,
                "Signature for this request is not valid.",
            ))
        }
        _ => Ok(()),
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
