//! The task of the private socket: key, connection, heartbeat, keepalive, replacement.

use super::{UserStreamConfig, UserStreamEvent, decode};
use crate::clock::mono_ns;
use crate::error::ApiError;
use crate::instruments::Instruments;
use crate::rest::RestClient;
use crate::ws::socket::{self, Ws};
use crate::ws::{Backoff, Counters};
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_tungstenite::tungstenite::Message;

/// A connection that lived this long was a good one.
const GOOD: Duration = Duration::from_secs(10);
/// Failed keepalives in a row after which key and socket are replaced.
const KEEPALIVE_FAILURES: u32 = 3;

pub(super) struct Task {
    pub rest: RestClient,
    pub instruments: Instruments,
    pub config: UserStreamConfig,
    pub tx: mpsc::Sender<UserStreamEvent>,
    pub counters: Arc<Counters>,
}

enum End {
    /// Replaced on purpose; no pause.
    Renew(&'static str),
    Lost(String),
    /// Nobody listens any more.
    Closed,
}

type Keepalive = Pin<Box<dyn Future<Output = Result<(), ApiError>> + Send>>;

struct Connection<'a> {
    task: &'a Task,
    key: String,
    opened: Instant,
    opened_market_ms: i64,
    /// Last frame or pong.
    heard: Instant,
    gauge: Arc<AtomicU64>,
    next_ping: Instant,
    kept: Instant,
    kept_market_ms: i64,
    keepalive: Option<Keepalive>,
    retry_at: Instant,
    failures: u32,
}

impl Task {
    pub(super) async fn run(self) {
        let mut backoff = Backoff::new(self.config.backoff);
        loop {
            let started = Instant::now();
            let end = self.connect().await;
            if started.elapsed() >= GOOD {
                backoff.reset();
            }
            let pause = match end {
                End::Closed => return,
                End::Renew(why) => {
                    tracing::info!(why, "user stream renewed");
                    Duration::ZERO
                }
                End::Lost(why) => {
                    Counters::add(&self.counters.losses);
                    tracing::warn!(why, "user stream lost");
                    backoff.next()
                }
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = self.tx.closed() => return,
            }
        }
    }

    /// One life of the socket, from its key to its loss.
    async fn connect(&self) -> End {
        let key = match self.rest.create_listen_key().await {
            Ok(key) => key,
            Err(e) => return End::Lost(format!("no listenKey: {e}")),
        };
        let url = self.rest.endpoints().user_url(&key);
        let mut ws = match socket::open(&url, self.config.connect_timeout).await {
            Ok(ws) => ws,
            Err(why) => return End::Lost(why),
        };
        Counters::add(&self.counters.connects);
        let (now, market_ms) = (Instant::now(), self.rest.clock().market_ms());
        let gauge = self.counters.gauge("user");
        gauge.store(mono_ns(), Relaxed);
        let mut c = Connection {
            task: self,
            key,
            opened: now,
            opened_market_ms: market_ms,
            heard: now,
            gauge,
            next_ping: now,
            kept: now,
            kept_market_ms: market_ms,
            keepalive: None,
            retry_at: now,
            failures: 0,
        };
        if self.tx.send(UserStreamEvent::Up).await.is_err() {
            return End::Closed;
        }
        let end = c.read(&mut ws).await;
        let why: Arc<str> = match &end {
            End::Closed => return End::Closed,
            End::Renew(why) => (*why).into(),
            End::Lost(why) => why.as_str().into(),
        };
        match self.tx.send(UserStreamEvent::Down { why }).await {
            Ok(()) => end,
            Err(_) => End::Closed,
        }
    }
}

impl Connection<'_> {
    async fn read(&mut self, ws: &mut Ws) -> End {
        let every = (self.task.config.ping_every / 4).max(Duration::from_millis(5));
        let mut check = interval(every);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let keepalive = async {
                match self.keepalive.as_mut() {
                    Some(k) => k.await,
                    None => pending().await,
                }
            };
            let step = tokio::select! {
                biased;
                _ = check.tick() => self.check(ws).await,
                kept = keepalive => self.kept(kept),
                frame = socket::next(ws) => match frame {
                    Ok(m) => self.message(m).await,
                    Err(why) => Err(End::Lost(why)),
                },
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    /// Heartbeat, keepalive, age.
    async fn check(&mut self, ws: &mut Ws) -> Result<(), End> {
        if self.task.tx.is_closed() {
            return Err(End::Closed);
        }
        let config = &self.task.config;
        let now = Instant::now();
        let silent = now.duration_since(self.heard);
        if silent > config.dead_after {
            Counters::add(&self.task.counters.silences);
            let ms = silent.as_millis();
            return Err(End::Lost(format!("neither frame nor pong for {ms} ms")));
        }
        if self.aged(now, self.opened, self.opened_market_ms, config.rollover) {
            return Err(End::Renew("24 hours are nearly over"));
        }
        let due = self.aged(now, self.kept, self.kept_market_ms, config.keepalive_every);
        if due && self.keepalive.is_none() && now >= self.retry_at {
            let rest = self.task.rest.clone();
            self.keepalive = Some(Box::pin(async move { rest.keepalive_listen_key().await }));
        }
        if now >= self.next_ping {
            self.next_ping = now + config.ping_every;
            let ping = Message::Ping(bytes::Bytes::new());
            socket::send(ws, ping, config.dead_after)
                .await
                .map_err(End::Lost)?;
        }
        Ok(())
    }

    /// True when either clock has passed `limit` since.
    fn aged(&self, now: Instant, since: Instant, since_market_ms: i64, limit: Duration) -> bool {
        let market = self.task.rest.clock().market_ms() - since_market_ms;
        now.duration_since(since) >= limit
            || u128::try_from(market).is_ok_and(|ms| ms >= limit.as_millis())
    }

    fn kept(&mut self, result: Result<(), ApiError>) -> Result<(), End> {
        self.keepalive = None;
        match result {
            Ok(()) => {
                self.kept = Instant::now();
                self.kept_market_ms = self.task.rest.clock().market_ms();
                self.failures = 0;
                Ok(())
            }
            Err(e) if e.is_listen_key_gone() => Err(End::Renew("the listenKey is gone")),
            Err(e) => {
                self.failures += 1;
                tracing::warn!(error = %e, failures = self.failures, "listenKey not extended");
                if self.failures >= KEEPALIVE_FAILURES {
                    return Err(End::Renew("the listenKey can't be extended"));
                }
                self.retry_at = Instant::now() + self.task.config.keepalive_retry;
                Ok(())
            }
        }
    }

    async fn message(&mut self, m: Message) -> Result<(), End> {
        self.heard = Instant::now();
        self.gauge.store(mono_ns(), Relaxed);
        match m {
            Message::Text(t) => self.frame(t.as_bytes()).await,
            Message::Binary(b) => self.frame(&b).await,
            Message::Close(_) => Err(End::Lost("closed by the venue".into())),
            Message::Pong(_) | Message::Ping(_) | Message::Frame(_) => {
                self.send(UserStreamEvent::Alive).await
            }
        }
    }

    async fn frame(&mut self, bytes: &[u8]) -> Result<(), End> {
        let counters = &self.task.counters;
        Counters::add(&counters.frames);
        self.send(UserStreamEvent::Alive).await?;
        let decoded = match decode(bytes, &self.task.instruments) {
            Ok(d) => d,
            Err(e) => {
                // Something about an order or a position was said and not understood: only a reconcile tells.
                Counters::add(&counters.errors);
                return Err(End::Lost(format!("a frame can't be decoded: {e}")));
            }
        };
        self.task.rest.clock().observe(decoded.event_ms);
        if decoded.ignored {
            Counters::add(&counters.unknown);
        }
        for e in decoded.events {
            self.send(e).await?;
        }
        match decoded.expired {
            // Told twice, or late about a key that was replaced already: once is enough.
            Some(Some(key)) if key != self.key => Ok(()),
            Some(_) => Err(End::Renew("the listenKey expired")),
            None => Ok(()),
        }
    }

    /// Hands on; time spent waiting for the receiver is not the socket's silence.
    async fn send(&mut self, e: UserStreamEvent) -> Result<(), End> {
        if self.task.tx.send(e).await.is_err() {
            return Err(End::Closed);
        }
        self.heard = Instant::now();
        Ok(())
    }
}
