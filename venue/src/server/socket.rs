//! One WebSocket connection: frames in and out, pings, limits, and how far it may lag. What is said on it is either
//! subscriptions ([`super::subscribe`]) or requests of the WebSocket API ([`super::wsapi`]).
//!
//! Under acceleration the session sends a ping after each [`WINDOW`] bytes and stops draining its queue while
//! [`IN_FLIGHT`] of them are unanswered: the buffers between two processes hold seconds of market time otherwise, and a
//! client would trade on them. A client that answers pings, as the protocol demands, needs to know nothing of it.

use super::link::Link;
use super::outbox::{Outbox, Queued};
use super::subscribe::Subscriptions;
use super::wsapi::Requests;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::Receiver;
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
/// Messages a second about subscriptions; pings and pongs a second to the WebSocket API, where weight and order counts
/// limit the requests.
const MAX_INCOMING: u32 = 10;
const MAX_PINGS: u32 = 5;

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

/// What is said on a connection.
pub(super) enum Talk {
    /// Subscriptions.
    Streams(Subscriptions),
    /// The WebSocket API.
    Api(Requests),
}

impl Talk {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Streams(s) => s.kind(),
            Self::Api(_) => "api",
        }
    }

    /// The next answer that is ready; `None` where none is waited for.
    async fn answer(&mut self) -> Option<String> {
        match self {
            Self::Streams(_) => None,
            Self::Api(r) => r.answer().await,
        }
    }

    /// No further request is taken before one is answered.
    fn full(&self) -> bool {
        matches!(self, Self::Api(r) if r.full())
    }
}

/// Serves a connection until either side ends it.
pub(super) async fn run<S>(ws: WebSocketStream<S>, talk: Talk, link: Link)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (outbox, rx) = Outbox::new(Arc::clone(&link.gate));
    let id = outbox.id;
    let (opened, kind) = (Arc::clone(&outbox), talk.kind());
    let events = match &talk {
        Talk::Streams(s) => s.events(),
        Talk::Api(_) => Vec::new(),
    };
    if link
        .call(move |v| {
            let now = v.clock.now_ms();
            v.hub.open(Arc::clone(&opened), kind, events, now);
            // It began while its connection was being made.
            if v.faults.maintenance() {
                opened.kill();
            }
        })
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
        talk,
        since_ping: 0,
        pinged: 0,
        acked: 0,
        last_pong: Instant::now(),
        messages: Second::default(),
        pings: Second::default(),
    };
    tokio::select! {
        () = outbox.killed() => {}
        () = link.stopping() => {}
        () = session.serve() => {}
    }
    outbox.close();
    if let Talk::Api(requests) = session.talk {
        // A client that closes does not take back what it has sent.
        let stop = link.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stop.stopping() => {}
                () = requests.finish() => {}
            }
        });
    }
    let _ = link.call(move |v| v.hub.closed(id)).await;
}

/// How many there were in the running second.
#[derive(Default)]
struct Second {
    began: Option<Instant>,
    n: u32,
}

impl Second {
    /// Counts one; true beyond so many.
    fn beyond(&mut self, max: u32) -> bool {
        if self.began.is_none_or(|t| t.elapsed().as_secs() >= 1) {
            (self.began, self.n) = (Some(Instant::now()), 0);
        }
        self.n += 1;
        self.n > max
    }
}

struct Session<S> {
    ws: WebSocketStream<S>,
    rx: Receiver<Queued>,
    outbox: Arc<Outbox>,
    link: Link,
    talk: Talk,
    since_ping: usize,
    pinged: u64,
    acked: u64,
    last_pong: Instant,
    messages: Second,
    pings: Second,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    async fn serve(&mut self) {
        if let Talk::Streams(s) = &mut self.talk {
            let begun = s.begin(self.outbox.id, &self.link).await;
            if let Err(why) = begun {
                let _ = self.refuse(why).await;
                return;
            }
        }
        let mut ping = tokio::time::interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let open = self.pinged - self.acked < IN_FLIGHT || !self.link.gate.accelerated();
            let full = self.talk.full();
            let go = tokio::select! {
                biased;
                () = self.outbox.stalls() => {
                    self.outbox.moves().await;
                    // The silence was the venue's.
                    self.last_pong = Instant::now();
                    ping.reset();
                    Some(())
                }
                message = self.ws.next(), if !full => match message {
                    Some(Ok(m)) => self.incoming(m).await,
                    _ => None,
                },
                n = self.rx.recv_many(&mut batch, BATCH), if open => match n {
                    0 => None,
                    n => self.outgoing(&mut batch, n).await,
                },
                Some(text) = self.talk.answer() => {
                    // One that asks and never reads is cut as one that answers no ping.
                    let sent = self.ws.send(Message::text(text));
                    tokio::time::timeout(PONG_WITHIN, sent).await.ok().and_then(Result::ok)
                }
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
        let mut bytes = 0;
        for frame in &*batch {
            if let Some(due) = frame.due.filter(|d| *d > Instant::now()) {
                self.ws.flush().await.ok()?;
                tokio::time::sleep_until(due).await;
            }
            bytes += frame.text.len();
            self.ws.feed(Message::Text(frame.text.clone())).await.ok()?;
        }
        self.since_ping += bytes;
        if self.since_ping >= WINDOW && self.link.gate.accelerated() {
            self.since_ping = 0;
            self.pinged += 1;
            let mark = Bytes::copy_from_slice(&self.pinged.to_be_bytes());
            self.ws.feed(Message::Ping(mark)).await.ok()?;
        }
        self.ws.flush().await.ok()?;
        let now = Instant::now();
        for frame in batch.drain(..) {
            let delay = now.saturating_duration_since(frame.ready());
            self.link.gate.delay.add(delay);
        }
        self.outbox.sent(n, bytes);
        Some(())
    }

    async fn incoming(&mut self, message: Message) -> Option<()> {
        match message {
            Message::Pong(p) => {
                self.last_pong = Instant::now();
                if self.too_many_pings() {
                    return self.refuse("Too many pongs").await;
                }
                // Answering only the newest of several pings is allowed.
                if let Ok(mark) = <[u8; 8]>::try_from(&p[..]) {
                    let mark = u64::from_be_bytes(mark);
                    if mark <= self.pinged {
                        self.acked = self.acked.max(mark);
                    }
                }
                Some(())
            }
            Message::Ping(_) if self.too_many_pings() => self.refuse("Too many pings").await,
            // The library has queued the pong already.
            Message::Ping(_) => self.ws.flush().await.ok(),
            Message::Text(t) => match &mut self.talk {
                Talk::Streams(_) if self.messages.beyond(MAX_INCOMING) => {
                    self.refuse("Too many requests").await
                }
                Talk::Streams(s) => {
                    let reply = s.request(t.as_str(), &self.link).await?;
                    self.ws.send(Message::text(reply.to_string())).await.ok()
                }
                Talk::Api(r) => {
                    r.ask(t.as_str(), &self.link);
                    Some(())
                }
            },
            Message::Binary(_) | Message::Frame(_) => self.refuse("Unsupported frame").await,
            Message::Close(_) => None,
        }
    }

    fn too_many_pings(&mut self) -> bool {
        matches!(self.talk, Talk::Api(_)) && self.pings.beyond(MAX_PINGS)
    }

    async fn refuse(&mut self, why: &'static str) -> Option<()> {
        let frame = CloseFrame {
            code: CloseCode::Policy,
            reason: why.into(),
        };
        let _ = self.ws.close(Some(frame)).await;
        None
    }
}
