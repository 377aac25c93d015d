//! Who gets which frame.
//!
//! A frame is serialised once and shared: subscribers hold the same bytes, wrapped once for each stream name where they came
//! by `/stream`.

use super::config::FanOut;
use super::fault::{Faults, Target};
use super::outbox::{Outbox, Queued};
use super::stream::Topic;
use crate::engine::{AccountId, SymbolId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// How long a socket lives, market ms.
const SOCKET_MS: i64 = 86_400_000;

struct Socket {
    outbox: Arc<Outbox>,
    kind: &'static str,
    topics: BTreeSet<Topic>,
    events: Vec<String>,
    /// When it is ended, market ms.
    until_ms: i64,
}

/// Subscribers that get the very same bytes.
struct Audience {
    /// Stream name of wrapped frames.
    wrapped: Option<Arc<str>>,
    sockets: Vec<Arc<Outbox>>,
}

/// Sockets and subscriptions; owned by the actor.
pub(super) struct Hub {
    sockets: BTreeMap<u64, Socket>,
    topics: BTreeMap<Topic, Vec<Audience>>,
    paused: BTreeMap<Topic, Option<Instant>>,
    fan_out: FanOut,
    faults: Arc<Faults>,
    /// When the engine said what is being sent.
    said: Instant,
    /// When the oldest socket is ended, market ms.
    next_end_ms: i64,
    /// Frames queued so far.
    pub(super) frames: u64,
    /// Sockets dropped because they read too slowly.
    pub(super) dropped_slow: u64,
}

impl Hub {
    /// No sockets yet.
    pub(super) fn new(fan_out: FanOut, faults: Arc<Faults>) -> Self {
        Self {
            sockets: BTreeMap::new(),
            topics: BTreeMap::new(),
            paused: BTreeMap::new(),
            fan_out,
            faults,
            said: Instant::now(),
            next_end_ms: i64::MAX,
            frames: 0,
            dropped_slow: 0,
        }
    }

    /// A socket has connected on a route.
    pub(super) fn open(
        &mut self,
        outbox: Arc<Outbox>,
        kind: &'static str,
        events: Vec<String>,
        now_ms: i64,
    ) {
        let until_ms = now_ms.saturating_add(SOCKET_MS);
        self.next_end_ms = self.next_end_ms.min(until_ms);
        let socket = Socket {
            outbox,
            kind,
            topics: BTreeSet::new(),
            events,
            until_ms,
        };
        self.sockets.insert(socket.outbox.id, socket);
    }

    /// A socket is gone.
    pub(super) fn closed(&mut self, id: u64) {
        if let Some(s) = self.sockets.remove(&id) {
            self.dropped_slow += u64::from(s.outbox.was_slow());
            for t in &s.topics {
                self.leave(id, t, None);
            }
        }
    }

    /// Ends the sockets that are as old as they may become.
    pub(super) fn end_old(&mut self, now_ms: i64) {
        if now_ms < self.next_end_ms {
            return;
        }
        let old = |s: &&Socket| s.until_ms <= now_ms;
        self.sockets
            .values()
            .filter(old)
            .for_each(|s| s.outbox.kill());
        let later = self.sockets.values().map(|s| s.until_ms);
        self.next_end_ms = later.filter(|t| *t > now_ms).min().unwrap_or(i64::MAX);
    }

    /// The engine has said something: frames from now on tell of it.
    pub(super) fn said(&mut self, at: Instant) {
        self.said = at;
    }

    /// Open sockets.
    pub(super) fn len(&self) -> usize {
        self.sockets.len()
    }

    /// Subscribes a socket to a topic under a stream name.
    pub(super) fn join(&mut self, id: u64, topic: Topic, name: &str, combined: bool) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        socket.topics.insert(topic.clone());
        let wrapped: Option<Arc<str>> = combined.then(|| name.into());
        let audiences = self.topics.entry(topic).or_default();
        let at = audiences
            .iter()
            .position(|a| a.wrapped == wrapped)
            .unwrap_or_else(|| {
                audiences.push(Audience {
                    wrapped,
                    sockets: Vec::new(),
                });
                audiences.len() - 1
            });
        let sockets = &mut audiences[at].sockets;
        if !sockets.iter().any(|o| o.id == id) {
            sockets.push(Arc::clone(&socket.outbox));
        }
    }

    /// Unsubscribes a socket from one stream name of a topic.
    pub(super) fn quit(&mut self, id: u64, topic: &Topic, name: &str) {
        self.leave(id, topic, Some(name));
        let still = self
            .topics
            .get(topic)
            .is_some_and(|a| a.iter().any(|a| a.sockets.iter().any(|o| o.id == id)));
        if let Some(s) = self.sockets.get_mut(&id).filter(|_| !still) {
            s.topics.remove(topic);
        }
    }

    fn leave(&mut self, id: u64, topic: &Topic, name: Option<&str>) {
        if let Some(audiences) = self.topics.get_mut(topic) {
            for a in audiences.iter_mut() {
                let this = match (&a.wrapped, name) {
                    (Some(w), Some(n)) => **w == *n,
                    _ => true,
                };
                if this {
                    a.sockets.retain(|o| o.id != id);
                }
            }
            audiences.retain(|a| !a.sockets.is_empty());
            if audiences.is_empty() {
                self.topics.remove(topic);
            }
        }
    }

    /// Somebody listens.
    pub(super) fn wanted(&self, topic: &Topic) -> bool {
        self.topics.contains_key(topic)
    }

    /// Topics somebody listens to, from one on.
    pub(super) fn topics_from<'a>(&'a self, first: &'a Topic) -> impl Iterator<Item = &'a Topic> {
        self.topics.range(first..).map(|(t, _)| t)
    }

    /// Somebody listens to 24-hour figures.
    pub(super) fn wants_tickers(&self) -> bool {
        let first = Topic::Ticker(SymbolId(0));
        let next = self.topics_from(&first).next();
        next.is_some_and(Topic::is_ticker)
    }

    /// Sends a frame to the topic's subscribers.
    pub(super) fn publish(&mut self, topic: &Topic, json: Vec<u8>, due: Option<Instant>) {
        if self.faults.none() {
            return self.send(topic, None, json, due);
        }
        self.send_as_ordered(&Target::of(topic), topic, None, json, due);
    }

    /// Sends a user event to the sockets of a listen key that want its type.
    pub(super) fn publish_user(
        &mut self,
        topic: &Topic,
        account: Option<AccountId>,
        event: &str,
        json: Vec<u8>,
        due: Option<Instant>,
    ) {
        match account {
            Some(a) => self.send_as_ordered(&Target::User(a), topic, Some(event), json, due),
            None => self.send(topic, Some(event), json, due),
        }
    }

    /// Sends a frame, or what becomes of it by the faults that are ordered.
    fn send_as_ordered(
        &mut self,
        target: &Target,
        topic: &Topic,
        event: Option<&str>,
        json: Vec<u8>,
        due: Option<Instant>,
    ) {
        if self.faults.none() {
            return self.send(topic, event, json, due);
        }
        // What nobody would get can't be missed.
        if !self.wanted(topic) {
            return;
        }
        match self.faults.frame(target, topic, event, &json) {
            None => self.send(topic, event, json, due),
            Some(passed) => {
                for (event, json) in passed {
                    self.send(topic, event.as_deref(), json, due);
                }
            }
        }
    }

    fn send(&mut self, topic: &Topic, event: Option<&str>, json: Vec<u8>, due: Option<Instant>) {
        let Some(audiences) = self.topics.get(topic) else {
            return;
        };
        if let Some(until) = self.paused.get(topic) {
            if until.is_none_or(|t| t > Instant::now()) {
                return;
            }
            self.paused.remove(topic);
        }
        let Ok(raw) = Utf8Bytes::try_from(json) else {
            return;
        };
        let ids = || {
            let sockets = audiences.iter().flat_map(|a| &a.sockets);
            sockets.map(|o| o.id)
        };
        // Sockets are numbered in the order they came.
        let only = match (event, self.fan_out) {
            (None, _) | (_, FanOut::All) => None,
            (_, FanOut::Newest) => ids().max(),
            (_, FanOut::First) => ids().min(),
        };
        for a in audiences {
            let text = match &a.wrapped {
                None => raw.clone(),
                Some(name) => wrap(name, &raw),
            };
            for o in &a.sockets {
                if only.is_some_and(|id| id != o.id) {
                    continue;
                }
                let wants = event.is_none_or(|e| {
                    self.sockets.get(&o.id).is_some_and(|s| {
                        s.events.is_empty() || s.events.iter().any(|w| w.as_str() == e)
                    })
                });
                if wants {
                    self.frames += 1;
                    o.push(Queued {
                        said: self.said,
                        due,
                        text: text.clone(),
                    });
                }
            }
        }
    }

    /// Sockets of a route, or those that follow a symbol.
    fn meant(&self, kind: Option<&str>, symbol: Option<SymbolId>) -> impl Iterator<Item = &Socket> {
        self.sockets.values().filter(move |s| {
            let kind = kind.is_none_or(|k| k == "all" || k == s.kind);
            let about = symbol.is_none_or(|id| s.topics.iter().any(|t| t.symbol() == Some(id)));
            kind && about
        })
    }

    /// Sockets on which nothing moves until an instant.
    pub(super) fn stall(&self, kind: Option<&str>, symbol: Option<SymbolId>, until: Instant) {
        for s in self.meant(kind, symbol) {
            s.outbox.stall(until);
        }
    }

    /// What was ordered to stand still goes on.
    pub(super) fn go_on(&self) {
        self.sockets.values().for_each(|s| s.outbox.go_on());
    }

    /// Sends frames that were held back.
    pub(super) fn release(&mut self, topic: &Topic, event: Option<&str>, json: Vec<u8>) {
        self.send(topic, event, json, None);
    }

    /// Ends sockets: of a route ("public", "market", "private", "all"), or those that follow a symbol. Says how many.
    pub(super) fn drop_sockets(&self, kind: Option<&str>, symbol: Option<SymbolId>) -> usize {
        self.meant(kind, symbol).map(|s| s.outbox.kill()).count()
    }

    /// Ends every socket that is behind.
    pub(super) fn drop_lagging(&self) {
        for s in self.sockets.values() {
            if s.outbox.lagging() {
                s.outbox.drop_slow();
            }
        }
    }

    /// Loses a topic's frames until an instant (`None`: until [`Hub::resume`]); the sockets stay up.
    pub(super) fn pause(&mut self, topic: Topic, until: Option<Instant>) {
        self.paused.insert(topic, until);
    }

    /// Ends all pauses.
    pub(super) fn resume(&mut self) {
        self.paused.clear();
    }
}

fn wrap(name: &str, raw: &Utf8Bytes) -> Utf8Bytes {
    let mut out = String::with_capacity(raw.len() + name.len() + 24);
    out.push_str("{\"stream\":\"");
    out.push_str(name);
    out.push_str("\",\"data\":");
    out.push_str(raw.as_str());
    out.push('}');
    out.into()
}
