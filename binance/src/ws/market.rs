//! The task of one market socket: connect, read, watch, replace.

use super::frame::{decode, time_sample};
use super::socket::{self, Ws};
use super::{Backoff, Counters, Feed, MarketMessage, Silence, StreamConfig, Subscription};
use crate::clock::{VenueClock, mono_ns};
use crate::decode::{Decoder, decode_combined};
use crate::endpoints::{Endpoints, Route};
use crate::instruments::Instruments;
use helios_core::instrument::Symbol;
use helios_core::trader::{StreamKind, TraderEvent};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_tungstenite::tungstenite::Message;

/// The local venue's time samples.
const TIME_STREAM: &str = "helios@time";
/// Silence of those, by the wall clock alone.
const TIME_SILENCE: Silence = Silence::secs(10, 10);
/// Streams named in the address, or in one request.
const CHUNK: usize = 100;
/// A connection that lived this long was a good one.
const GOOD: Duration = Duration::from_secs(10);
/// How often deadlines are looked at.
const CHECK: Duration = Duration::from_millis(200);

pub(super) struct Task {
    pub route: Route,
    pub endpoints: Endpoints,
    pub instruments: Instruments,
    pub clock: Arc<VenueClock>,
    pub config: StreamConfig,
    pub wanted: watch::Receiver<BTreeSet<Subscription>>,
    pub tx: mpsc::Sender<MarketMessage>,
    pub counters: Arc<Counters>,
}

/// Why a connection is left.
enum End {
    /// Age; no pause.
    Rollover,
    /// Lost or late.
    Lost(String),
    /// A stream was silent.
    Silent(String),
    /// Nothing is wanted on this route.
    Idle,
    /// Nobody listens any more.
    Closed,
}

struct Stream {
    /// `None` for the time samples.
    target: Option<(Symbol, Feed, Decoder)>,
    silence: Silence,
    /// Last frame, or the subscription.
    since: Instant,
    since_market_ms: i64,
    seen: bool,
    gauge: Arc<AtomicU64>,
}

struct Connection<'a> {
    task: &'a mut Task,
    streams: BTreeMap<String, Stream>,
    up: BTreeSet<(Symbol, StreamKind)>,
    next_id: u64,
    opened: Instant,
    opened_market_ms: i64,
    /// Last frame or pong.
    heard: Instant,
    next_ping: Instant,
}

type Plan = BTreeMap<String, Option<Subscription>>;

impl Task {
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::new(self.config.backoff);
        loop {
            if self.plan().is_empty() {
                if self.wanted.changed().await.is_err() {
                    return;
                }
                continue;
            }
            let started = Instant::now();
            let end = self.connect().await;
            if started.elapsed() >= GOOD {
                backoff.reset();
            }
            match end {
                End::Closed => return,
                End::Idle | End::Rollover => continue,
                End::Lost(why) => {
                    Counters::add(&self.counters.losses);
                    tracing::warn!(route = ?self.route, why, "market socket lost");
                }
                End::Silent(why) => {
                    Counters::add(&self.counters.losses);
                    Counters::add(&self.counters.silences);
                    tracing::warn!(route = ?self.route, why, "market socket is silent");
                }
            }
            tokio::select! {
                () = sleep(backoff.next()) => {}
                () = self.tx.closed() => return,
            }
        }
    }

    /// Streams wanted on this route, by name.
    fn plan(&mut self) -> Plan {
        let wanted = self.wanted.borrow_and_update();
        let mut plan: Plan = wanted
            .iter()
            .filter(|s| s.feed.route() == self.route)
            .map(|s| (self.config.name(s), Some(s.clone())))
            .collect();
        if self.config.time_samples && self.route == Route::Market {
            plan.insert(TIME_STREAM.into(), None);
        }
        plan
    }

    async fn connect(&mut self) -> End {
        let plan = self.plan();
        let names: Vec<String> = plan.keys().take(CHUNK).cloned().collect();
        let url = self.endpoints.stream_url(self.route, &names);
        let mut ws = match socket::open(&url, self.config.connect_timeout).await {
            Ok(ws) => ws,
            Err(why) => return End::Lost(why),
        };
        Counters::add(&self.counters.connects);
        let now = Instant::now();
        let mut c = Connection {
            opened_market_ms: self.clock.market_ms(),
            next_ping: now + self.config.ping_every,
            task: self,
            streams: BTreeMap::new(),
            up: BTreeSet::new(),
            next_id: 1,
            opened: now,
            heard: now,
        };
        let end = match c.start(&mut ws, plan).await {
            Ok(()) => c.read(&mut ws).await,
            Err(end) => end,
        };
        for name in c.streams.keys() {
            c.task.counters.forget(name);
        }
        if !matches!(end, End::Closed) {
            for (symbol, kind) in std::mem::take(&mut c.up) {
                let down = TraderEvent::StreamDown(kind);
                if c.send(symbol, down, mono_ns()).await.is_err() {
                    return End::Closed;
                }
            }
        }
        end
    }
}

impl Connection<'_> {
    async fn start(&mut self, ws: &mut Ws, plan: Plan) -> Result<(), End> {
        let rest: Vec<String> = plan.keys().skip(CHUNK).cloned().collect();
        self.add(plan).await?;
        self.request(ws, "SUBSCRIBE", &rest).await
    }

    /// Registers streams and tells each symbol that its stream is up.
    async fn add(&mut self, plan: Plan) -> Result<(), End> {
        for (name, subscription) in plan {
            let mut stream = Stream {
                target: None,
                silence: TIME_SILENCE,
                since: Instant::now(),
                since_market_ms: self.task.clock.market_ms(),
                seen: false,
                gauge: self.task.counters.gauge(&name),
            };
            if let Some(Subscription { symbol, feed }) = subscription {
                let instrument = self.task.instruments.get(&symbol);
                let Some(Ok(d)) = instrument.map(|i| Decoder::new(&i)) else {
                    Counters::add(&self.task.counters.errors);
                    tracing::error!(%symbol, "subscribed without a usable instrument");
                    continue;
                };
                let kind = feed.kind();
                if self.up.insert((symbol.clone(), kind)) {
                    let up = TraderEvent::StreamUp(kind);
                    self.send(symbol.clone(), up, mono_ns()).await?;
                }
                stream.silence = self.task.config.silence(feed);
                stream.target = Some((symbol, feed, d));
            }
            self.streams.insert(name, stream);
        }
        Ok(())
    }

    async fn request(&mut self, ws: &mut Ws, method: &str, names: &[String]) -> Result<(), End> {
        for chunk in names.chunks(CHUNK) {
            let id = self.next_id;
            self.next_id += 1;
            let text = serde_json::json!({"method": method, "params": chunk, "id": id});
            let timeout = self.task.config.connect_timeout;
            socket::send(ws, Message::text(text.to_string()), timeout)
                .await
                .map_err(End::Lost)?;
        }
        Ok(())
    }

    async fn read(&mut self, ws: &mut Ws) -> End {
        let mut check = interval(CHECK);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let step = tokio::select! {
                biased;
                changed = self.task.wanted.changed() => match changed {
                    Ok(()) => self.resubscribe(ws).await,
                    Err(_) => Err(End::Closed),
                },
                _ = check.tick() => self.check(ws).await,
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

    async fn resubscribe(&mut self, ws: &mut Ws) -> Result<(), End> {
        let mut plan = self.task.plan();
        if plan.is_empty() {
            // Nobody wants them any more, so nobody needs to hear that they are down.
            self.up.clear();
            return Err(End::Idle);
        }
        let gone: Vec<String> = self
            .streams
            .keys()
            .filter(|n| !plan.contains_key(*n))
            .cloned()
            .collect();
        for name in &gone {
            self.streams.remove(name);
            self.task.counters.forget(name);
        }
        let live: BTreeSet<(Symbol, StreamKind)> = self
            .streams
            .values()
            .filter_map(|s| s.target.as_ref())
            .map(|(s, f, _)| (s.clone(), f.kind()))
            .collect();
        self.up.retain(|k| live.contains(k));
        plan.retain(|n, _| !self.streams.contains_key(n));
        let fresh: Vec<String> = plan.keys().cloned().collect();
        self.add(plan).await?;
        self.request(ws, "UNSUBSCRIBE", &gone).await?;
        self.request(ws, "SUBSCRIBE", &fresh).await
    }

    /// Deadlines, pings, age.
    async fn check(&mut self, ws: &mut Ws) -> Result<(), End> {
        if self.task.tx.is_closed() {
            return Err(End::Closed);
        }
        let now = Instant::now();
        let market_ms = self.task.clock.market_ms();
        for (name, s) in &self.streams {
            // A local venue at the pace of the wall clock tells no time.
            if s.target.is_none() && !s.seen {
                continue;
            }
            let (limit, what) = if s.seen {
                (s.silence.later, "silent")
            } else {
                (s.silence.first, "no first frame")
            };
            let moved = s.target.is_none() || passed(s.since_market_ms, market_ms, limit);
            if now.duration_since(s.since) >= limit && moved {
                let ms = limit.as_millis();
                return Err(End::Silent(format!("{name}: {what} for {ms} ms")));
            }
        }
        let config = &self.task.config;
        if now.duration_since(self.heard) > config.ping_every + config.pong_within {
            return Err(End::Lost("neither frame nor pong".into()));
        }
        if now.duration_since(self.opened) >= config.rollover
            || passed(self.opened_market_ms, market_ms, config.rollover)
        {
            return Err(End::Rollover);
        }
        if now >= self.next_ping {
            self.next_ping = now + config.ping_every;
            let ping = Message::Ping(bytes::Bytes::new());
            socket::send(ws, ping, config.connect_timeout)
                .await
                .map_err(End::Lost)?;
        }
        Ok(())
    }

    async fn message(&mut self, m: Message) -> Result<(), End> {
        self.heard = Instant::now();
        match m {
            Message::Text(t) => self.frame(t.as_bytes()).await,
            Message::Binary(b) => self.frame(&b).await,
            Message::Close(_) => Err(End::Lost("closed by the venue".into())),
            Message::Pong(_) | Message::Ping(_) | Message::Frame(_) => Ok(()),
        }
    }

    async fn frame(&mut self, bytes: &[u8]) -> Result<(), End> {
        let received = mono_ns();
        Counters::add(&self.task.counters.frames);
        let Ok(envelope) = decode_combined(bytes) else {
            self.control(bytes);
            return Ok(());
        };
        let Some(s) = self.streams.get_mut(envelope.stream) else {
            // A stream just unsubscribed, or one nobody asked for.
            Counters::add(&self.task.counters.unknown);
            return Ok(());
        };
        s.gauge.store(received, Relaxed);
        let read = match &s.target {
            None => Ok((time_sample(envelope.data), None)),
            Some((symbol, feed, d)) => {
                decode(*feed, d, envelope.data).map(|(ms, e)| (ms, Some((symbol.clone(), e))))
            }
        };
        if let Ok((ms, _)) = &read {
            self.task.clock.observe_at(*ms, received);
        }
        s.seen = true;
        s.since = Instant::now();
        s.since_market_ms = self.task.clock.market_ms();
        match read {
            Ok((_, Some((symbol, event)))) => self.send(symbol, event, received).await,
            Ok((_, None)) => Ok(()),
            Err(e) => {
                // A lost depth frame shows as a gap in the sequence: the book resyncs by itself.
                Counters::add(&self.task.counters.errors);
                tracing::warn!(stream = envelope.stream, error = %e, "frame can't be decoded");
                Ok(())
            }
        }
    }

    /// Anything that isn't a stream's frame: the answer to a subscription, or something new.
    fn control(&self, bytes: &[u8]) {
        let v: Option<serde_json::Value> = serde_json::from_slice(bytes).ok();
        match v {
            Some(v) if v.get("error").is_some() => {
                Counters::add(&self.task.counters.errors);
                tracing::error!(route = ?self.task.route, answer = %v, "subscription refused");
            }
            Some(v) if v.get("id").is_some() => {}
            Some(_) => Counters::add(&self.task.counters.unknown),
            None => Counters::add(&self.task.counters.errors),
        }
    }

    /// Hands on; while the receiver is full the socket is not read, and that pause is nobody's silence.
    async fn send(
        &mut self,
        symbol: Symbol,
        event: TraderEvent,
        received_ns: u64,
    ) -> Result<(), End> {
        let message = MarketMessage {
            symbol,
            event,
            received_ns,
        };
        let message = match self.task.tx.try_send(message) {
            Ok(()) => return Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(End::Closed),
            Err(mpsc::error::TrySendError::Full(m)) => m,
        };
        let before = Instant::now();
        if self.task.tx.send(message).await.is_err() {
            return Err(End::Closed);
        }
        let now = Instant::now();
        let paused = now.duration_since(before);
        for s in self.streams.values_mut() {
            s.since = (s.since + paused).min(now);
        }
        self.heard = now;
        Ok(())
    }
}

fn passed(from_ms: i64, to_ms: i64, limit: Duration) -> bool {
    u128::try_from(to_ms.saturating_sub(from_ms)).is_ok_and(|ms| ms >= limit.as_millis())
}
