//! REST: one client for public reads, signed reads and orders.
//!
//! Every request passes the shared [`RateBudget`]; signed ones are stamped by the shared [`VenueClock`]. Reads return core's
//! types or an [`ApiError`]; orders always return a [`helios_core::order::VenueReply`], because "unknown" is an answer there.

mod account;
mod batch;
mod budget;
mod history;
mod key;
mod market;
mod open;
mod owners;
mod reconcile;
mod rules;
#[cfg(test)]
mod samples;
mod trade;
pub(crate) mod wire;

pub use account::{AccountInfo, Income, PositionRisk, SymbolConfig};
pub use batch::Amend;
pub use budget::{BudgetUse, Lane, RateBudget, RateLimits, UsedHeaders};
pub use history::{FundingInfo, FundingPaid, PastTrade};
pub use key::{AccountConfig, Balance, KeyRights};
pub use market::{BookTop, KlineInterval, PremiumIndex, Ticker24h};
pub use owners::Owners;
pub use reconcile::AccountState;
pub use rules::{ExchangeInfo, ListedContract};

use crate::clock::{VenueClock, mono_ns};
use crate::credentials::Credentials;
use crate::endpoints::Endpoints;
use crate::error::{ApiError, Heard, classify, transport};
use crate::sign::Query;
use bytes::Bytes;
use helios_core::order::Refusal;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Times and names a client works with.
#[derive(Clone, Debug)]
pub struct RestConfig {
    /// TCP and TLS.
    pub connect_timeout: Duration,
    /// A whole read.
    pub read_timeout: Duration,
    /// A whole order, stop, cancel or query: after it the outcome is unknown.
    pub order_timeout: Duration,
    /// `recvWindow` of reads, wall ms.
    pub read_recv_window_ms: u32,
    /// `recvWindow` of stops and cancels, wall ms. Orders bring their own.
    pub exit_recv_window_ms: u32,
    /// Asset whose wallet is the account's.
    pub margin_asset: String,
}

impl Default for RestConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(2),
            read_timeout: Duration::from_secs(10),
            order_timeout: Duration::from_secs(3),
            read_recv_window_ms: 5_000,
            exit_recv_window_ms: 2_000,
            margin_asset: "USDT".into(),
        }
    }
}

/// A client of one account (or of none: public reads only). Clones share everything.
#[derive(Clone, Debug)]
pub struct RestClient(Arc<Inner>, Reads);

/// How long a client's reads may wait for room in the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    /// What exits need stays free.
    Patient,
    /// They go in [`Lane::Guard`]: see [`RestClient::urgent`].
    Urgent,
}

#[derive(Debug)]
struct Inner {
    http: reqwest::Client,
    endpoints: Endpoints,
    /// Replaced whole when the key is rotated; a request is signed by one key and names the same.
    credentials: RwLock<Option<Arc<Credentials>>>,
    clock: Arc<VenueClock>,
    budget: Arc<RateBudget>,
    config: RestConfig,
}

/// Who must prove what.
#[derive(Clone, Copy, Debug)]
enum Auth {
    Public,
    /// API key header only (listenKey calls).
    Key,
    /// Signed; `recvWindow` in wall ms.
    Signed(u32),
}

/// One request, before it is stamped and signed.
#[derive(Debug)]
struct Call {
    what: &'static str,
    method: Method,
    path: &'static str,
    query: Query,
    auth: Auth,
    lane: Lane,
    weight: u32,
    orders: u32,
}

impl Call {
    fn get(what: &'static str, path: &'static str, weight: u32) -> Self {
        Self {
            what,
            method: Method::GET,
            path,
            query: Query::new(),
            auth: Auth::Public,
            lane: Lane::Read,
            weight,
            orders: 0,
        }
    }

    fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    fn query(mut self, query: Query) -> Self {
        self.query = query;
        self
    }

    fn auth(mut self, auth: Auth) -> Self {
        self.auth = auth;
        self
    }

    fn lane(mut self, lane: Lane) -> Self {
        self.lane = lane;
        self
    }

    fn orders(mut self, orders: u32) -> Self {
        self.orders = orders;
        self
    }
}

/// What came back: the body of a 2xx, or why not; and when the request dies at the exchange.
struct Answer {
    body: Result<Bytes, ApiError>,
    /// `timestamp` + `recvWindow`, venue ms; 0 for unsigned calls.
    dead_after_ms: i64,
}

impl RestClient {
    /// A client; installs the process's TLS provider if nobody has.
    ///
    /// # Errors
    /// [`ApiError::Refused`] when the HTTP client can't be built (no usable certificate store).
    pub fn new(
        endpoints: Endpoints,
        credentials: Option<Credentials>,
        clock: Arc<VenueClock>,
        budget: Arc<RateBudget>,
        config: RestConfig,
    ) -> Result<Self, ApiError> {
        crate::install_crypto();
        let mut http = reqwest::Client::builder()
            .connect_timeout(config.connect_timeout)
            .tcp_nodelay(true)
            .pool_idle_timeout(Duration::from_secs(50));
        if endpoints.is_local() {
            http = http.no_proxy();
        }
        let http = http.build().map_err(|e| transport(&e))?;
        let inner = Inner {
            http,
            endpoints,
            credentials: RwLock::new(credentials.map(Arc::new)),
            clock,
            budget,
            config,
        };
        Ok(Self(Arc::new(inner), Reads::Patient))
    }

    /// The same client, whose reads a machine waits for go in a lane of their own: for what must be known before anything can
    /// be made safe, whoever else has used up the address's weight. Exits come before them all the same.
    #[must_use]
    pub fn urgent(&self) -> Self {
        Self(self.0.clone(), Reads::Urgent)
    }

    /// Signs with this key from now on, in all clones. Whatever is under way ends with the one before.
    pub fn renew(&self, credentials: Credentials) {
        let now = self.0.credentials.write();
        *now.unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(credentials));
    }

    fn credentials(&self) -> Option<Arc<Credentials>> {
        let now = self.0.credentials.read();
        now.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The shared clock.
    pub fn clock(&self) -> &Arc<VenueClock> {
        &self.0.clock
    }

    /// The shared budget.
    pub fn budget(&self) -> &Arc<RateBudget> {
        &self.0.budget
    }

    /// Where it talks to.
    pub fn endpoints(&self) -> &Endpoints {
        &self.0.endpoints
    }

    /// Its settings.
    pub fn config(&self) -> &RestConfig {
        &self.0.config
    }

    fn read_auth(&self) -> Auth {
        Auth::Signed(self.0.config.read_recv_window_ms)
    }

    /// A read: waits for the budget, re-syncs the clock once after −1021.
    async fn read<T: DeserializeOwned>(&self, call: Call) -> Result<T, ApiError> {
        let what = call.what;
        let body = self.read_body(call).await?;
        decode(what, &body)
    }

    async fn read_body(&self, call: Call) -> Result<Bytes, ApiError> {
        let lane = match (self.1, call.lane) {
            (Reads::Urgent, Lane::Read) => Lane::Guard,
            (_, lane) => lane,
        };
        self.0.budget.acquire(lane, call.weight).await;
        let answer = self.send(&call, self.0.config.read_timeout).await;
        match answer.body {
            Err(e) if matches!(e.refusal(), Some(Refusal::Clock)) => {
                self.sync_clock().await?;
                self.0.budget.acquire(lane, call.weight).await;
                self.send(&call, self.0.config.read_timeout).await.body
            }
            other => other,
        }
    }

    /// An order, stop, cancel or query: never waits for the budget, never sent twice.
    async fn act(&self, call: &Call) -> Answer {
        if let Err(wait) = self
            .0
            .budget
            .try_acquire(call.lane, call.weight, call.orders)
        {
            let why = format!("rate budget: room in {} ms", wait.as_millis());
            return Answer {
                body: Err(ApiError::not_sent(why)),
                dead_after_ms: 0,
            };
        }
        let answer = self.send(call, self.0.config.order_timeout).await;
        if let Err(e) = &answer.body
            && matches!(e.refusal(), Some(Refusal::Clock))
        {
            let client = self.clone();
            tokio::spawn(async move {
                if let Err(e) = client.sync_clock().await {
                    tracing::warn!(error = %e, "clock re-sync failed");
                }
            });
        }
        answer
    }

    async fn send(&self, call: &Call, timeout: Duration) -> Answer {
        self.send_to(&self.0.endpoints.rest, call, timeout).await
    }

    /// Stamps, signs, sends, reads the whole answer and learns from its headers.
    async fn send_to(&self, base: &str, call: &Call, timeout: Duration) -> Answer {
        let inner = &*self.0;
        let mut query = call.query.clone();
        let mut dead_after_ms = 0;
        let credentials = match (call.auth, self.credentials()) {
            (Auth::Public, _) => None,
            (_, Some(c)) => Some(c),
            (_, None) => {
                return Answer {
                    body: Err(ApiError::not_sent("no credentials")),
                    dead_after_ms,
                };
            }
        };
        if let (Auth::Signed(wall_ms), Some(c)) = (call.auth, &credentials) {
            let timestamp = inner.clock.market_ms();
            let window = inner.clock.recv_window(wall_ms);
            dead_after_ms = timestamp + i64::from(window);
            query = query
                .with("recvWindow", window)
                .with("timestamp", timestamp)
                .signed(c);
        }
        let mut url = format!("{base}{}", call.path);
        if !query.as_str().is_empty() {
            url.push('?');
            url.push_str(query.as_str());
        }
        let mut request = inner
            .http
            .request(call.method.clone(), url)
            .timeout(timeout);
        if let Some(c) = credentials {
            request = request.header("X-MBX-APIKEY", api_key_header(&c));
        }
        let body = match request.send().await {
            Ok(response) => self.receive(response, base == inner.endpoints.rest).await,
            Err(e) => Err(transport(&e.without_url())),
        };
        Answer {
            body,
            dead_after_ms,
        }
    }

    /// `budgeted`: the answer is the futures address's, whose limits the budget keeps. Another address has limits of its own.
    async fn receive(
        &self,
        response: reqwest::Response,
        budgeted: bool,
    ) -> Result<Bytes, ApiError> {
        let status = response.status();
        let headers = response.headers();
        if budgeted {
            self.0.budget.observe(UsedHeaders {
                weight_1m: number(headers, "x-mbx-used-weight-1m"),
                orders_10s: number(headers, "x-mbx-order-count-10s"),
                orders_1m: number(headers, "x-mbx-order-count-1m"),
            });
        }
        let heard = Heard {
            retry_after_ms: number::<u64>(headers, "retry-after").map(|s| s.saturating_mul(1_000)),
            now_ms: self.0.clock.market_ms(),
        };
        let body = match whole(response).await {
            Ok(b) => b,
            Err(why) if status.is_success() => return Err(ApiError::Unknown(why.into())),
            Err(_) => Bytes::new(),
        };
        let error: Option<wire::ErrorBody> = serde_json::from_slice(&body).ok();
        // Some answers carry `code: 200` in a success.
        let coded = error.as_ref().is_some_and(|e| e.code < 0);
        if status.is_success() && !coded {
            return Ok(body);
        }
        let msg = error.as_ref().map_or_else(
            || String::from_utf8_lossy(&body).chars().take(200).collect(),
            |e| e.msg.clone(),
        );
        let e = classify(status.as_u16(), error.map(|e| e.code), &msg, heard);
        if budgeted && let Some(Refusal::RateLimited { retry_after_ms }) = e.refusal() {
            tracing::warn!(
                status = status.as_u16(),
                wait_ms = retry_after_ms,
                "rate limited"
            );
            self.0.budget.limited(status.as_u16(), *retry_after_ms);
        }
        if status == StatusCode::UNAUTHORIZED {
            tracing::error!("the exchange does not accept these credentials");
        }
        Err(e)
    }

    /// Venue time; the shared clock hears it like any other sample.
    ///
    /// # Errors
    /// [`ApiError`] when there is no readable answer.
    pub async fn server_time(&self) -> Result<i64, ApiError> {
        let call = Call::get("time", "/fapi/v1/time", 1).lane(Lane::Exit);
        let t: wire::ServerTime = decode("time", &self.act_free(&call).await?)?;
        self.0.clock.observe(t.server_time);
        Ok(t.server_time)
    }

    /// Venue time; sets the shared clock by it (half the round trip added) and forgets all samples before.
    ///
    /// # Errors
    /// [`ApiError`] when there is no readable answer; the clock is as before.
    pub async fn sync_clock(&self) -> Result<i64, ApiError> {
        let call = Call::get("time", "/fapi/v1/time", 1).lane(Lane::Exit);
        let sent = mono_ns();
        let body = self.act_free(&call).await?;
        let t: wire::ServerTime = decode("time", &body)?;
        self.0.clock.sync(t.server_time, sent, mono_ns());
        Ok(t.server_time)
    }

    /// Sends without asking the budget first, but counts it: for what unblocks everything else.
    async fn act_free(&self, call: &Call) -> Result<Bytes, ApiError> {
        let _ = self.0.budget.try_acquire(call.lane, call.weight, 0);
        self.send(call, self.0.config.order_timeout).await.body
    }
}

/// No answer of the exchange comes near: exchangeInfo has two megabytes.
const LARGEST: usize = 64 << 20;

/// The whole body, or why there is none.
async fn whole(mut response: reqwest::Response) -> Result<Bytes, String> {
    let mut body = bytes::BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > LARGEST => {
                return Err(format!("the answer has more than {LARGEST} bytes"));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body.freeze()),
            Err(e) => return Err(format!("answer lost: {}", e.without_url())),
        }
    }
}

/// Marked as sensitive, so that no log of the HTTP client shows it.
fn api_key_header(c: &Credentials) -> HeaderValue {
    // Credentials take visible ASCII only.
    let mut value =
        HeaderValue::from_str(c.api_key()).unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

fn number<T: std::str::FromStr>(headers: &HeaderMap, name: &str) -> Option<T> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

fn decode<T: DeserializeOwned>(what: &'static str, body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|e| ApiError::Decode {
        what,
        why: e.to_string(),
    })
}

fn bad(what: &'static str) -> impl Fn(crate::convert::ConvertError) -> ApiError {
    move |e| ApiError::Decode {
        what,
        why: e.to_string(),
    }
}
