//! The WebSocket API: requests and their answers on one connection.
//!
//! A request is read ([`read`]), its method looked up ([`methods`]), and then it is a REST request: the same weight, security,
//! order counts and handler. Only the envelope, the way it is signed and the session of a connection ([`session`]) are its own.
//! Requests of a connection reach the venue in the order they came, each after its half of the latency; later ones do not
//! wait for the answers to earlier ones.

pub(super) mod methods;
mod read;
mod session;

use super::fault::Course;
use super::limits::{ORDERS_1M, ORDERS_10S, WEIGHT_1M};
use super::link::{Link, wait};
use super::params::ApiError;
use super::rest::{self, Ask, Proof, Reply, Told};
use super::venue::Venue;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use methods::Target;
use read::Request;
use serde_json::json;
use session::Session;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// What opening a connection weighs.
pub(super) const HANDSHAKE_WEIGHT: u64 = 5;
/// Requests of a connection that are under way at once; further ones wait in the socket.
const UNDER_WAY: usize = 256;

/// The requests of one connection.
pub(super) struct Requests {
    /// Whoever holds it is the next one at the venue.
    session: Arc<Mutex<Session>>,
    under_way: FuturesOrdered<BoxFuture<'static, Option<String>>>,
}

impl Requests {
    /// Of a connection from an address, opened at a market time; `limits` says whether answers tell the limits.
    pub(super) fn new(ip: IpAddr, now_ms: i64, limits: bool) -> Self {
        Self {
            session: Arc::new(Mutex::new(Session::new(ip, now_ms, limits))),
            under_way: FuturesOrdered::new(),
        }
    }

    /// As many requests are under way as may be.
    pub(super) fn full(&self) -> bool {
        self.under_way.len() >= UNDER_WAY
    }

    /// Takes a request.
    pub(super) fn ask(&mut self, text: &str, link: &Link) {
        let (text, link, session) = (text.to_owned(), link.clone(), Arc::clone(&self.session));
        let half = link.half();
        let arrives = (!half.is_zero()).then(|| Instant::now() + half);
        self.under_way.push_back(Box::pin(async move {
            let mut session = session.lock_owned().await;
            if let Some(at) = arrives {
                tokio::time::sleep_until(at).await;
            }
            let (course, id) = course(&link, &text);
            wait(course.before).await;
            let reply = if course.lost {
                None
            } else {
                // A venue that has stopped closes its connections.
                link.call(move |v| answer(v, &mut session, &text))
                    .await
                    .ok()
            };
            wait(course.after).await;
            link.delay().await;
            match course.say.map(|s| s.reply()) {
                None => reply,
                Some(Ok(instead)) => Some(instead_of(&id, &instead)),
                // Nothing comes, and what was asked after it is answered.
                Some(Err(_)) => None,
            }
        }));
    }

    /// Has all that is under way done; nobody hears of it.
    pub(super) async fn finish(mut self) {
        while self.under_way.next().await.is_some() {}
    }

    /// The next answer; `None` where none is waited for.
    pub(super) async fn answer(&mut self) -> Option<String> {
        loop {
            if let Some(text) = self.under_way.next().await? {
                return Some(text);
            }
        }
    }
}

/// What is ordered to become of a request, and its id.
fn course(link: &Link, text: &str) -> (Course, String) {
    if link.faults.none() {
        return (Course::default(), String::new());
    }
    let Ok(r) = read::request(text) else {
        return (Course::default(), String::new());
    };
    let way = methods::find(&r.method).and_then(methods::Method::rest);
    let (method, path) = way.unwrap_or_default();
    (link.faults.course(method, path, &r.params), r.id)
}

/// A refusal as an answer to a request that did not get its own.
fn instead_of(id: &str, reply: &Reply) -> String {
    let (status, body) = (reply.status, String::from_utf8_lossy(&reply.body));
    let name = if status == 200 { "result" } else { "error" };
    format!("{{\"id\":{id},\"status\":{status},\"{name}\":{body}}}")
}

/// An answer on its way out: the result as JSON text, or the refusal.
type Outcome = Result<Vec<u8>, ApiError>;

fn answer(v: &mut Venue, s: &mut Session, text: &str) -> String {
    v.requests += 1;
    let mut told = Told::default();
    let (mut id, mut limits) = ("null".to_owned(), s.limits);
    let outcome = match read::request(text) {
        Ok(request) => {
            let asked = request.params.flag("returnRateLimits");
            limits = asked.ok().flatten().unwrap_or(limits);
            let outcome = serve(v, s, &request, &mut told);
            if !s.revoked {
                id = request.id;
            }
            outcome
        }
        Err((known, e)) => {
            id = known;
            count_one(v, s, &mut told).and(Err(e))
        }
    };
    s.revoked = false;
    v.refused += u64::from(outcome.is_err());
    let limits = limits.then(|| rate_limits(v, s.ip, &told));
    envelope(&id, outcome, limits, told.retry_after, v.clock.now_ms())
}

/// What is no request weighs as the least one: nothing else limits how many come.
fn count_one(v: &mut Venue, s: &Session, told: &mut Told) -> Result<(), ApiError> {
    let (now, now_ms) = (Instant::now(), v.clock.now_ms());
    v.limits.take(now, now_ms, s.ip, 1).map_err(|(e, wait)| {
        told.retry_after = Some(wait);
        e
    })
}

fn serve(v: &mut Venue, s: &mut Session, r: &Request, told: &mut Told) -> Outcome {
    let Some(method) = methods::find(&r.method) else {
        count_one(v, s, told)?;
        let msg = format!("Method {} is invalid", r.method);
        return Err(ApiError::new(-5000, msg));
    };
    let key = s.key_of(r, v)?;
    let proof = match (&r.signature, &s.logon) {
        // Logged on, and no other key is named.
        (None, Some(own)) if method.target != Target::Logon && key.as_ref() == Some(&own.key) => {
            Proof::Session
        }
        (signature, _) => Proof::Signature {
            payload: r.payload(),
            signature: signature.clone(),
        },
    };
    let ask = Ask {
        endpoint: method.endpoint()?,
        params: &r.params,
        key: key.as_deref(),
        proof,
        ip: s.ip,
    };
    rest::admit(v, &ask, told).map_err(|e| match (ask.key, e.code) {
        (None, -2014) => ApiError::missing("apiKey"),
        _ => e,
    })?;
    match method.target {
        Target::Rest(..) => (ask.endpoint.run)(v, &r.params),
        Target::Logon => s.log_on(v, &key.unwrap_or_default()),
        Target::Status => s.status(v),
        Target::Logout => {
            s.logon = None;
            s.status(v)
        }
    }
}

/// The counters as an answer tells them: orders first, where the request is one.
fn rate_limits(v: &Venue, ip: IpAddr, told: &Told) -> serde_json::Value {
    let row = |kind: &str, interval: &str, n: u32, limit: u64, count: u64| json!({"rateLimitType": kind, "interval": interval, "intervalNum": n, "limit": v.limits.in_force(limit), "count": count});
    let mut rows = Vec::with_capacity(3);
    if let Some((orders_10s, orders_1m)) = told.orders {
        rows.push(row("ORDERS", "SECOND", 10, ORDERS_10S, orders_10s));
        rows.push(row("ORDERS", "MINUTE", 1, ORDERS_1M, orders_1m));
    }
    let weight = v.limits.used(ip);
    rows.push(row("REQUEST_WEIGHT", "MINUTE", 1, WEIGHT_1M, weight));
    rows.into()
}

/// The frame: id as it came, and the result as the handler wrote it.
fn envelope(
    id: &str,
    outcome: Outcome,
    limits: Option<serde_json::Value>,
    retry_after: Option<u64>,
    now_ms: i64,
) -> String {
    let (status, name, body) = match outcome {
        Ok(body) => (200, "result", String::from_utf8(body).unwrap_or_default()),
        Err(e) => {
            let mut error = e.json();
            if let Some(s) = retry_after {
                let until = now_ms.saturating_add(s as i64 * 1000);
                error["data"] = json!({"serverTime": now_ms, "retryAfter": until});
            }
            (e.status, "error", error.to_string())
        }
    };
    let limits = limits.map_or_else(String::new, |l| format!(",\"rateLimits\":{l}"));
    format!("{{\"id\":{id},\"status\":{status},\"{name}\":{body}{limits}}}")
}
