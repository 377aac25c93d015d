//! Reading and watching: frames to events, deadlines of each stream, the change from one socket to the next.
//!
//! A stream that is silent while others on its socket speak is subscribed again, alone; its symbol hears down and up. When
//! that does not help, or the socket's 24 hours are nearly over, the next socket is opened beside it, both are read as one,
//! and nobody hears of the change. A socket on which everything is silent is given up.

use super::super::frame::{decode, time_sample};
use super::super::socket;
use super::super::{Backoff, Counters, Feed, MarketMessage, Silence, Subscription};
use super::link::Link;
use super::merge::Merge;
use super::{End, Plan, Task};
use crate::clock::mono_ns;
use crate::decode::{Decoder, decode_combined};
use helios_core::instrument::Symbol;
use helios_core::trader::{StreamKind, TraderEvent};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::Message;

/// Silence of the time samples, by the wall clock alone.
const TIME_SILENCE: Silence = Silence::secs(10, 10);
/// How often deadlines are looked at.
const CHECK: Duration = Duration::from_millis(100);

pub(super) struct Stream {
    /// `None` for the time samples.
    pub target: Option<(Symbol, Feed, Decoder)>,
    pub silence: Silence,
    /// Last frame, or the subscription.
    pub since: Instant,
    pub since_market_ms: i64,
    pub seen: bool,
    /// Subscriptions in a row that brought nothing.
    pub again: u32,
    pub gauge: Arc<AtomicU64>,
    pub merge: Merge,
}

type Joining = Pin<Box<dyn Future<Output = Result<Link, String>> + Send>>;

pub(super) struct Connection<'a> {
    pub task: &'a mut Task,
    pub streams: BTreeMap<String, Stream>,
    pub up: BTreeSet<(Symbol, StreamKind)>,
    pub link: Link,
    /// The socket that takes over, once it is open.
    pub next: Option<Link>,
    pub joining: Option<Joining>,
    /// Pauses between attempts to open it.
    pub backoff: Backoff,
    pub join_at: Instant,
    pub renewed: Option<Instant>,
    /// A successor is wanted for a stream that stays silent, until it has taken over.
    pub wants_next: bool,
}

impl<'a> Connection<'a> {
    pub fn new(task: &'a mut Task, link: Link) -> Self {
        Self {
            backoff: Backoff::new(task.config.backoff),
            join_at: link.opened,
            task,
            streams: BTreeMap::new(),
            up: BTreeSet::new(),
            link,
            next: None,
            joining: None,
            renewed: None,
            wants_next: false,
        }
    }

    pub async fn run(mut self, plan: Plan) -> End {
        let end = match self.add(plan).await {
            Ok(()) => self.read().await,
            Err(end) => end,
        };
        for name in self.streams.keys() {
            self.task.counters.forget(name);
        }
        if !matches!(end, End::Closed) {
            for (symbol, kind) in std::mem::take(&mut self.up) {
                let down = TraderEvent::StreamDown(kind);
                if self.send(symbol, down, mono_ns()).await.is_err() {
                    return End::Closed;
                }
            }
        }
        end
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
                again: 0,
                gauge: self.task.counters.gauge(&name),
                merge: Merge::default(),
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

    async fn read(&mut self) -> End {
        let mut check = interval(CHECK);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Neither socket keeps the other from being read.
        let mut next_first = false;
        loop {
            next_first = !next_first;
            let step = tokio::select! {
                biased;
                changed = self.task.wanted.changed() => match changed {
                    Ok(()) => self.resubscribe().await,
                    Err(_) => Err(End::Closed),
                },
                _ = check.tick() => self.check().await,
                joined = socket::maybe(self.joining.as_mut()) => {
                    self.joined(joined);
                    Ok(())
                }
                (of_next, frame) = either(&mut self.link, self.next.as_mut(), next_first) => {
                    match frame {
                        Ok(m) => self.message(m, of_next).await,
                        Err(why) if of_next => {
                            self.next_lost(&why);
                            Ok(())
                        }
                        Err(why) => self.lost(why).await,
                    }
                }
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    async fn resubscribe(&mut self) -> Result<(), End> {
        let mut plan = self.task.plan();
        if plan.is_empty() {
            // Nobody wants them any more, so nobody needs to hear that they are down.
            self.up.clear();
            return Err(End::Idle);
        }
        let kept = |n: &String| plan.contains_key(n);
        let gone: Vec<String> = self.streams.keys().filter(|n| !kept(n)).cloned().collect();
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
        // A socket that is being opened was asked for other streams.
        self.joining = None;
        self.add(plan).await?;
        self.request("UNSUBSCRIBE", &gone);
        self.request("SUBSCRIBE", &fresh);
        Ok(())
    }

    /// On both sockets, where there are two.
    pub(super) fn request(&mut self, method: &'static str, names: &[String]) {
        for link in [Some(&mut self.link), self.next.as_mut()]
            .into_iter()
            .flatten()
        {
            link.request(method, names.to_vec());
        }
    }

    async fn message(&mut self, m: Message, of_next: bool) -> Result<(), End> {
        let link = match &mut self.next {
            Some(next) if of_next => next,
            _ => &mut self.link,
        };
        link.heard = Instant::now();
        match m {
            Message::Text(t) => self.frame(t.as_bytes(), of_next).await,
            Message::Binary(b) => self.frame(&b, of_next).await,
            Message::Close(_) if of_next => {
                self.next_lost("closed by the venue");
                Ok(())
            }
            Message::Close(_) => self.lost("closed by the venue".into()).await,
            Message::Pong(_) | Message::Ping(_) | Message::Frame(_) => Ok(()),
        }
    }

    async fn frame(&mut self, bytes: &[u8], of_next: bool) -> Result<(), End> {
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
        if let (true, Some(next)) = (of_next, &mut self.next)
            && !next.spoken.contains(envelope.stream)
        {
            next.spoken.insert(envelope.stream.to_owned());
        }
        s.gauge.store(received, Relaxed);
        let read = match &s.target {
            None => Ok((time_sample(envelope.data), None)),
            Some((symbol, feed, d)) => decode(*feed, d, envelope.data)
                .map(|(ms, e)| (ms, Some((symbol.clone(), feed.kind(), e)))),
        };
        if let Ok((ms, _)) = &read {
            self.task.clock.observe_at(*ms, received);
        }
        (s.seen, s.again) = (true, 0);
        s.since = Instant::now();
        s.since_market_ms = self.task.clock.market_ms();
        match read {
            Ok((_, Some((symbol, kind, event)))) if self.next.is_some() => {
                match s.merge.both(event, received) {
                    Ok(events) => {
                        for (event, received) in events {
                            self.send(symbol.clone(), event, received).await?;
                        }
                        Ok(())
                    }
                    Err(kept) => self.hole(symbol, kind, kept).await,
                }
            }
            Ok((_, Some((symbol, _, event)))) => {
                if s.merge.alone(&event, received) {
                    self.send(symbol, event, received).await?;
                }
                Ok(())
            }
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

    /// Hands on; while the receiver is full the sockets are not read, and that pause is nobody's silence.
    pub(super) async fn send(
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
        self.link.heard = now;
        if let Some(next) = &mut self.next {
            next.heard = now;
        }
        Ok(())
    }
}

/// The next message of either socket, and whether it is the next one's.
async fn either(
    link: &mut Link,
    next: Option<&mut Link>,
    next_first: bool,
) -> (bool, Result<Message, String>) {
    let Some(next) = next else {
        return (false, socket::next(&mut link.ws).await);
    };
    let (link, next) = (socket::next(&mut link.ws), socket::next(&mut next.ws));
    if next_first {
        tokio::select! { biased; m = next => (true, m), m = link => (false, m) }
    } else {
        tokio::select! { biased; m = link => (false, m), m = next => (true, m) }
    }
}
