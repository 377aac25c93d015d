//! One WebSocket connection: what the client asks for, what it is sent, and how far it may lag.
//!
//! Under acceleration the session sends a ping after each [`WINDOW`] bytes and stops draining its queue while
//! [`IN_FLIGHT`] of them are unanswered: the buffers between two processes hold seconds of market time otherwise, and a
//! client would trade on them. A client that answers pings, as the protocol demands, needs to know nothing of it.

use super::link::Link;
use super::outbox::{Outbox, Queued};
use super::stream::{Asked, Route, topic};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, WebSocketConfig};

/// Bytes between two pings to an accelerated subscriber.
const WINDOW: usize = 32 * 1024;
/// Unanswered pings at which draining stops.
const IN_FLIGHT: u64 = 3;
/// Frames written between two flushes.
const BATCH: usize = 48;
/// The exchange's ping period and its patience.
const PING_EVERY: Duration = Duration::from_secs(180);
const PONG_WITHIN: Duration = Duration::from_secs(600);
/// Incoming messages a second, streams of a connection.
const MAX_INCOMING: u32 = 10;
const MAX_STREAMS: usize = 1024;

/// Limits on what a client may send; small, since requests are.
pub(super) fn config() -> WebSocketConfig {
    let mut c = WebSocketConfig::default();
    c.read_buffer_size = 8 * 1024;
    c.write_buffer_size = 64 * 1024;
    c.max_write_buffer_size = 16 * 1024 * 1024;
    c.max_message_size = Some(256 * 1024);
    c.max_frame_size = Some(256 * 1024);
    c
}

/// Serves a connection until either side ends it.
pub(super) async fn run<S>(ws: WebSocketStream<S>, asked: Asked, link: Link)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (outbox, rx) = Outbox::new(Arc::clone(&link.gate));
    let kind = match asked.route {
        Route::Public => "public",
        Route::Market => "market",
        Route::Private => "private",
        Route::Unrouted => "unrouted",
    };
    let id = outbox.id;
    let (opened, events) = (Arc::clone(&outbox), asked.events.clone());
    if link
        .call(move |v| v.hub.open(opened, kind, events, v.clock.now_ms()))
        .await
        .is_err()
    {
        return;
    }
    let mut session = Session {
        ws,
        rx,
        outbox: Arc::clone(&outbox),
        link: link.clone(),
        route: asked.route,
        combined: asked.combined,
        streams: Vec::new(),
        since_ping: 0,
        pinged: 0,
        acked: 0,
        last_pong: Instant::now(),
        second: (Instant::now(), 0),
    };
    tokio::select! {
        () = outbox.killed() => {}
        () = link.stopping() => {}
        () = session.serve(asked.streams) => {}
    }
    outbox.close();
    let _ = link.call(move |v| v.hub.closed(id)).await;
}

struct Session<S> {
    ws: WebSocketStream<S>,
    rx: UnboundedReceiver<Queued>,
    outbox: Arc<Outbox>,
    link: Link,
    route: Route,
    combined: bool,
    streams: Vec<String>,
    since_ping: usize,
    pinged: u64,
    acked: u64,
    last_pong: Instant,
    second: (Instant, u32),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    async fn serve(&mut self, streams: Vec<String>) {
        if streams.len() > MAX_STREAMS {
            let _ = self.refuse("Too many streams").await;
            return;
        }
        if self.join(streams).await.is_none() {
            return;
        }
        let mut ping = tokio::time::interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let open = self.pinged - self.acked < IN_FLIGHT || !self.link.gate.accelerated();
            let go = tokio::select! {
                message = self.ws.next() => match message {
                    Some(Ok(m)) => self.incoming(m).await,
                    _ => None,
                },
                n = self.rx.recv_many(&mut batch, BATCH), if open => match n {
                    0 => None,
                    n => self.outgoing(&mut batch, n).await,
                },
                _ = ping.tick() => {
                    if self.last_pong.elapsed() > PONG_WITHIN {
                        None
                    } else {
                        self.ws.send(Message::Ping(Bytes::from_static(b"3min"))).await.ok()
                    }
                }
            };
            if go.is_none() {
                return;
            }
        }
    }

    async fn outgoing(&mut self, batch: &mut Vec<Queued>, n: usize) -> Option<()> {
        for frame in batch.drain(..) {
            if let Some(due) = frame.due.filter(|d| *d > Instant::now()) {
                self.ws.flush().await.ok()?;
                tokio::time::sleep_until(due).await;
            }
            self.since_ping += frame.text.len();
            self.ws.feed(Message::Text(frame.text)).await.ok()?;
        }
        if self.since_ping >= WINDOW && self.link.gate.accelerated() {
            self.since_ping = 0;
            self.pinged += 1;
            let mark = Bytes::copy_from_slice(&self.pinged.to_be_bytes());
            self.ws.feed(Message::Ping(mark)).await.ok()?;
        }
        self.ws.flush().await.ok()?;
        self.outbox.sent(n);
        Some(())
    }

    async fn incoming(&mut self, message: Message) -> Option<()> {
        match message {
            Message::Pong(p) => {
                self.last_pong = Instant::now();
                // Answering only the newest of several pings is allowed.
                if let Ok(mark) = <[u8; 8]>::try_from(&p[..]) {
                    let mark = u64::from_be_bytes(mark);
                    if mark <= self.pinged {
                        self.acked = self.acked.max(mark);
                    }
                }
                Some(())
            }
            // The library has queued the pong already.
            Message::Ping(_) => self.ws.flush().await.ok(),
            Message::Text(t) => {
                if self.second.0.elapsed() >= Duration::from_secs(1) {
                    self.second = (Instant::now(), 0);
                }
                self.second.1 += 1;
                if self.second.1 > MAX_INCOMING {
                    return self.refuse("Too many requests").await;
                }
                let reply = self.request(t.as_str()).await?;
                let text = reply.to_string();
                self.ws.send(Message::text(text)).await.ok()
            }
            Message::Binary(_) | Message::Frame(_) => self.refuse("Unsupported frame").await,
            Message::Close(_) => None,
        }
    }

    async fn refuse(&mut self, why: &'static str) -> Option<()> {
        let frame = CloseFrame {
            code: CloseCode::Policy,
            reason: why.into(),
        };
        let _ = self.ws.close(Some(frame)).await;
        None
    }

    /// Answers a request; `None` ends the connection.
    async fn request(&mut self, text: &str) -> Option<Value> {
        let error = |code: i64, msg: String, id: &Value| {
            let mut e = json!({"error": {"code": code, "msg": msg}});
            if !id.is_null() {
                e["id"] = id.clone();
            }
            Some(e)
        };
        let v: Value = match serde_json::from_str(text) {
            Ok(v) => v,
            Err(e) => return error(3, format!("Invalid JSON: {e}"), &Value::Null),
        };
        let id = v.get("id").cloned().unwrap_or(Value::Null);
        if !(id.is_u64() || id.is_string() || id.is_null()) {
            let msg = "Invalid request: request ID must be an unsigned integer or a string";
            return error(2, msg.into(), &Value::Null);
        }
        let params = v.get("params").and_then(Value::as_array);
        let names = || -> Option<Vec<String>> {
            params?
                .iter()
                .map(|p| p.as_str().map(str::to_owned))
                .collect()
        };
        let result = match (v.get("method").and_then(Value::as_str), names()) {
            (Some("SUBSCRIBE"), Some(names)) => {
                if self.streams.len() + names.len() > MAX_STREAMS {
                    return error(
                        2,
                        format!("Invalid request: too many streams (max {MAX_STREAMS})"),
                        &id,
                    );
                }
                self.join(names).await?;
                Value::Null
            }
            (Some("UNSUBSCRIBE"), Some(names)) => {
                self.quit(names).await?;
                Value::Null
            }
            (Some("SUBSCRIBE" | "UNSUBSCRIBE"), None) => {
                return error(
                    2,
                    "Invalid request: params must be an array of strings".into(),
                    &id,
                );
            }
            (Some("LIST_SUBSCRIPTIONS"), _) => json!(self.streams),
            (Some("GET_PROPERTY"), _) => json!(self.combined),
            (Some("SET_PROPERTY"), _) => {
                match params.and_then(|p| p.get(1)).and_then(Value::as_bool) {
                    Some(b) => {
                        let names = std::mem::take(&mut self.streams);
                        self.quit(names.clone()).await?;
                        self.combined = b;
                        self.join(names).await?;
                        Value::Null
                    }
                    None => {
                        return error(
                            2,
                            "Invalid request: property value must be a boolean".into(),
                            &id,
                        );
                    }
                }
            }
            (Some(other), _) => {
                return error(2, format!("Invalid request: unknown method {other}"), &id);
            }
            (None, _) => return error(2, "Invalid request: method must be a string".into(), &id),
        };
        Some(json!({"result": result, "id": id}))
    }

    async fn join(&mut self, names: Vec<String>) -> Option<()> {
        for n in &names {
            if !self.streams.contains(n) {
                self.streams.push(n.clone());
            }
        }
        let (id, route, combined) = (self.outbox.id, self.route, self.combined);
        let join = move |v: &mut super::venue::Venue| {
            for n in &names {
                if let Some(t) = topic(route, n, &v.lower) {
                    v.hub.join(id, t, n, combined);
                }
            }
        };
        self.link.call(join).await.ok()
    }

    async fn quit(&mut self, names: Vec<String>) -> Option<()> {
        self.streams.retain(|s| !names.contains(s));
        let (id, route) = (self.outbox.id, self.route);
        let quit = move |v: &mut super::venue::Venue| {
            for n in &names {
                if let Some(t) = topic(route, n, &v.lower) {
                    v.hub.quit(id, &t, n);
                }
            }
        };
        self.link.call(quit).await.ok()
    }
}
