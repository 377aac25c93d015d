//! The task of the private socket: key, connection, heartbeat, keepalive, replacement.

use super::twice::Twice;
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

type Joining = Pin<Box<dyn Future<Output = Result<Socket, String>> + Send>>;

/// One open private socket and the key it listens on.
struct Socket {
    ws: Ws,
    key: String,
    opened: Instant,
    opened_market_ms: i64,
    /// Last frame or pong.
    heard: Instant,
    next_ping: Instant,
}

struct Connection<'a> {
    task: &'a Task,
    socket: Socket,
    /// The socket that takes over, once it is open.
    next: Option<Socket>,
    joining: Option<Joining>,
    join_at: Instant,
    backoff: Backoff,
    /// From when the next socket is being opened, while there are two, and for as long after.
    twice: Option<Twice>,
    /// The socket there is was the next one when the others' frames were counted.
    taken_over: bool,
    gauge: Arc<AtomicU64>,
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

    /// One life of the stream, from its first key to its loss.
    async fn connect(&self) -> End {
        let socket = match Socket::open(self.rest.clone(), self.config).await {
            Ok(socket) => socket,
            Err(why) => return End::Lost(why),
        };
        Counters::add(&self.counters.connects);
        let gauge = self.counters.gauge("user");
        gauge.store(mono_ns(), Relaxed);
        let mut c = Connection {
            task: self,
            next: None,
            joining: None,
            join_at: socket.opened,
            backoff: Backoff::new(self.config.backoff),
            twice: None,
            taken_over: false,
            gauge,
            kept: socket.opened,
            kept_market_ms: socket.opened_market_ms,
            keepalive: None,
            retry_at: socket.opened,
            failures: 0,
            socket,
        };
        if self.tx.send(UserStreamEvent::Up).await.is_err() {
            return End::Closed;
        }
        let end = c.read().await;
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

impl Socket {
    async fn open(rest: RestClient, config: UserStreamConfig) -> Result<Self, String> {
        let key = rest
            .create_listen_key()
            .await
            .map_err(|e| format!("no listenKey: {e}"))?;
        let url = rest.endpoints().user_url(&key);
        let ws = socket::open(&url, config.connect_timeout).await?;
        let now = Instant::now();
        Ok(Self {
            ws,
            key,
            opened: now,
            opened_market_ms: rest.clock().market_ms(),
            heard: now,
            next_ping: now,
        })
    }

    /// Sends a ping when one is due, or says why the socket is lost.
    async fn drive(&mut self, config: &UserStreamConfig) -> Result<(), String> {
        let now = Instant::now();
        let silent = now.duration_since(self.heard);
        if silent > config.dead_after {
            return Err(format!(
                "neither frame nor pong for {} ms",
                silent.as_millis()
            ));
        }
        if now >= self.next_ping {
            self.next_ping = now + config.ping_every;
            let ping = Message::Ping(bytes::Bytes::new());
            socket::send(&mut self.ws, ping, config.dead_after).await?;
        }
        Ok(())
    }
}

impl Connection<'_> {
    async fn read(&mut self) -> End {
        let every = (self.task.config.ping_every / 4).max(Duration::from_millis(5));
        let mut check = interval(every);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let step = tokio::select! {
                biased;
                _ = check.tick() => self.check().await,
                kept = socket::maybe(self.keepalive.as_mut()) => self.kept(kept),
                joined = socket::maybe(self.joining.as_mut()) => {
                    self.joined(joined);
                    Ok(())
                }
                frame = next_of(self.next.as_mut()) => match frame {
                    Ok(m) => self.message(m, true).await,
                    Err(why) => {
                        self.next_lost(&why);
                        Ok(())
                    }
                },
                frame = socket::next(&mut self.socket.ws) => match frame {
                    Ok(m) => self.message(m, false).await,
                    Err(why) => self.lost(why).await,
                },
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    /// Heartbeat, keepalive, age.
    async fn check(&mut self) -> Result<(), End> {
        if self.task.tx.is_closed() {
            return Err(End::Closed);
        }
        let config = &self.task.config;
        if let Err(why) = self.socket.drive(config).await {
            Counters::add(&self.task.counters.silences);
            return self.lost(why).await;
        }
        if let Some(next) = &mut self.next {
            let both = next.opened.elapsed() >= config.overlap;
            match next.drive(config).await {
                Err(why) => self.next_lost(&why),
                Ok(()) if both => return self.take_over().await,
                Ok(()) => {}
            }
        } else if self.joining.is_none() && self.socket.opened.elapsed() >= config.overlap * 2 {
            self.twice = None;
        }
        let now = Instant::now();
        let (opened, opened_market_ms) = (self.socket.opened, self.socket.opened_market_ms);
        if self.aged(now, opened, opened_market_ms, config.rollover) {
            self.join();
        }
        let due = self.aged(now, self.kept, self.kept_market_ms, config.keepalive_every);
        if self.aged(now, self.kept, self.kept_market_ms, config.key_life) {
            // It has run out, whether the exchange says so or not.
            return Err(End::Renew("the listenKey was not extended in time"));
        }
        if due && self.keepalive.is_none() && now >= self.retry_at {
            let rest = self.task.rest.clone();
            self.keepalive = Some(Box::pin(async move { rest.keepalive_listen_key().await }));
        }
        Ok(())
    }

    /// Opens the next socket, unless that is under way.
    fn join(&mut self) {
        if self.next.is_none() && self.joining.is_none() && Instant::now() >= self.join_at {
            // The next one may hear what this one hears before it is known to be open.
            (self.twice, self.taken_over) = (Some(Twice::default()), false);
            let (rest, config) = (self.task.rest.clone(), self.task.config);
            self.joining = Some(Box::pin(Socket::open(rest, config)));
        }
    }

    fn joined(&mut self, joined: Result<Socket, String>) {
        self.joining = None;
        match joined {
            Ok(next) => {
                Counters::add(&self.task.counters.connects);
                self.next = Some(next);
            }
            Err(why) => self.next_lost(&why),
        }
    }

    /// The next socket failed; the last one goes on.
    fn next_lost(&mut self, why: &str) {
        tracing::warn!(why, "the next private socket failed");
        (self.next, self.twice) = (None, None);
        self.taken_over = false;
        self.join_at = Instant::now() + self.backoff.next();
    }

    /// The socket is lost: the next one takes over, if there is one.
    async fn lost(&mut self, why: String) -> Result<(), End> {
        if self.next.is_none() {
            return Err(End::Lost(why));
        }
        Counters::add(&self.task.counters.losses);
        tracing::warn!(why, "private socket lost while the next took over");
        self.take_over().await
    }

    /// The next socket is the only one from now on. Whether both have heard everything isn't told, so the machines read.
    async fn take_over(&mut self) -> Result<(), End> {
        let Some(next) = self.next.take() else {
            return Ok(());
        };
        tracing::info!("the next private socket has taken over");
        let last = std::mem::replace(&mut self.socket, next);
        tokio::spawn(socket::close(last.ws));
        if let Some(t) = &mut self.twice {
            t.take_over();
        }
        self.taken_over = true;
        // Asking for the key has extended it.
        (self.kept, self.kept_market_ms) = (self.socket.opened, self.socket.opened_market_ms);
        self.failures = 0;
        self.backoff.reset();
        self.send(UserStreamEvent::Up).await
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
                    // A key that can't be extended may still be asked for; what can't be had either way ends by itself.
                    self.join();
                }
                self.retry_at = Instant::now() + self.task.config.keepalive_retry;
                Ok(())
            }
        }
    }

    async fn message(&mut self, m: Message, of_next: bool) -> Result<(), End> {
        let socket = match &mut self.next {
            Some(next) if of_next => next,
            _ => &mut self.socket,
        };
        socket.heard = Instant::now();
        self.gauge.store(mono_ns(), Relaxed);
        match m {
            Message::Text(t) => self.frame(t.as_bytes(), of_next).await,
            Message::Binary(b) => self.frame(&b, of_next).await,
            Message::Close(_) if of_next => {
                self.next_lost("closed by the venue");
                Ok(())
            }
            Message::Close(_) => self.lost("closed by the venue".into()).await,
            Message::Pong(_) | Message::Ping(_) | Message::Frame(_) => {
                self.send(UserStreamEvent::Alive).await
            }
        }
    }

    async fn frame(&mut self, bytes: &[u8], of_next: bool) -> Result<(), End> {
        let counters = &self.task.counters;
        Counters::add(&counters.frames);
        let of_next = of_next || (self.next.is_none() && self.taken_over);
        if self
            .twice
            .as_mut()
            .is_some_and(|t| t.is_second(bytes, of_next))
        {
            return Ok(());
        }
        self.send(UserStreamEvent::Alive).await?;
        let decoded = match decode(bytes, &self.task.instruments) {
            Ok(d) => d,
            Err(e) => {
                // Something about an order or a position was said and not understood: only a read tells. The socket is as
                // good as before.
                Counters::add(&counters.errors);
                tracing::error!(error = %e, "a frame of the user stream can't be read");
                let why = format!("a frame can't be read: {e}").into();
                self.send(UserStreamEvent::Down { why }).await?;
                return self.send(UserStreamEvent::Up).await;
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
            Some(Some(key)) if key != self.socket.key => Ok(()),
            // Its successor is there already, on a key that has not.
            Some(_) if self.next.as_ref().is_some_and(|n| n.key != self.socket.key) => {
                self.take_over().await
            }
            Some(_) => Err(End::Renew("the listenKey expired")),
            None => Ok(()),
        }
    }

    /// Hands on; time spent waiting for the receiver is not the socket's silence.
    async fn send(&mut self, e: UserStreamEvent) -> Result<(), End> {
        if self.task.tx.send(e).await.is_err() {
            return Err(End::Closed);
        }
        let now = Instant::now();
        self.socket.heard = now;
        if let Some(next) = &mut self.next {
            next.heard = now;
        }
        Ok(())
    }
}

async fn next_of(socket: Option<&mut Socket>) -> Result<Message, String> {
    match socket {
        Some(s) => socket::next(&mut s.ws).await,
        None => pending().await,
    }
}
