//! Who gets which frame, and how far behind anyone is.
//!
//! A frame is serialised once and shared: subscribers hold the same bytes, wrapped once for each stream name where they came
//! by `/stream`. Each socket has a queue of its own. At real time a full queue means the reader is too slow and is dropped, as
//! at the exchange; under acceleration it closes the [`Gate`], and the venue's time waits until it is drained.

use super::stream::Topic;
use crate::engine::SymbolId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// Queued frames at which an accelerated market waits, and at which it goes on.
const HOLD_AT: usize = 96;
const GO_AT: usize = 32;
/// Queued frames at which a reader at real time is too slow.
const DROP_AT: usize = 4096;

/// Whether market time may go: shared by the sockets and the actor.
#[derive(Debug, Default)]
pub(super) struct Gate {
    lagging: AtomicUsize,
    accelerated: AtomicBool,
    drained: Notify,
}

impl Gate {
    /// A subscriber is behind and the market is accelerated.
    pub(super) fn held(&self) -> bool {
        self.lagging.load(SeqCst) > 0 && self.accelerated.load(SeqCst)
    }

    /// Resolves after some queue was drained.
    pub(super) async fn drained(&self) {
        self.drained.notified().await;
    }

    /// Speed above 1.
    pub(super) fn accelerated(&self) -> bool {
        self.accelerated.load(SeqCst)
    }

    /// Tells the sockets about the speed.
    pub(super) fn set_speed(&self, speed: f64) {
        self.accelerated.store(speed > 1.0, SeqCst);
    }
}

/// A frame on its way to one socket.
#[derive(Clone, Debug)]
pub(super) struct Queued {
    /// Not to be sent before (latency).
    pub(super) due: Option<Instant>,
    /// Text.
    pub(super) text: Utf8Bytes,
}

/// The sending end of a socket's queue.
#[derive(Debug)]
pub(super) struct Outbox {
    /// Number of the socket.
    pub(super) id: u64,
    tx: UnboundedSender<Queued>,
    queued: AtomicUsize,
    lagging: AtomicBool,
    closed: AtomicBool,
    slow: AtomicBool,
    kill: Notify,
    gate: Arc<Gate>,
}

impl Outbox {
    /// A socket's queue and its receiving end.
    pub(super) fn new(gate: Arc<Gate>) -> (Arc<Self>, UnboundedReceiver<Queued>) {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let (tx, rx) = unbounded_channel();
        let outbox = Self {
            id: NEXT.fetch_add(1, SeqCst),
            tx,
            queued: AtomicUsize::new(0),
            lagging: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            slow: AtomicBool::new(false),
            kill: Notify::new(),
            gate,
        };
        (Arc::new(outbox), rx)
    }

    fn push(&self, frame: Queued) {
        if self.closed.load(SeqCst) || self.tx.send(frame).is_err() {
            return;
        }
        let n = self.queued.fetch_add(1, SeqCst) + 1;
        if n >= HOLD_AT {
            if !self.lagging.swap(true, SeqCst) {
                self.gate.lagging.fetch_add(1, SeqCst);
            }
            // The other end may have drained or closed the queue between the two steps.
            if self.queued.load(SeqCst) <= GO_AT || self.closed.load(SeqCst) {
                self.catch_up();
            }
            if n >= DROP_AT && !self.gate.accelerated() {
                self.drop_slow();
            }
        }
    }

    /// The socket has sent `n` frames.
    pub(super) fn sent(&self, n: usize) {
        if self.queued.fetch_sub(n, SeqCst) - n <= GO_AT {
            self.catch_up();
        }
    }

    /// The socket is gone.
    pub(super) fn close(&self) {
        self.closed.store(true, SeqCst);
        self.catch_up();
    }

    fn catch_up(&self) {
        if self.lagging.swap(false, SeqCst) {
            self.gate.lagging.fetch_sub(1, SeqCst);
            self.gate.drained.notify_one();
        }
    }

    /// Ends the socket.
    pub(super) fn kill(&self) {
        self.kill.notify_one();
    }

    fn drop_slow(&self) {
        self.slow.store(true, SeqCst);
        self.kill();
    }

    /// Resolves when the socket is to end.
    pub(super) async fn killed(&self) {
        self.kill.notified().await;
    }
}

struct Socket {
    outbox: Arc<Outbox>,
    kind: &'static str,
    topics: BTreeSet<Topic>,
    events: Vec<String>,
}

/// Subscribers that get the very same bytes.
struct Audience {
    /// Stream name of wrapped frames.
    wrapped: Option<Arc<str>>,
    sockets: Vec<Arc<Outbox>>,
}

/// Sockets and subscriptions; owned by the actor.
#[derive(Default)]
pub(super) struct Hub {
    sockets: BTreeMap<u64, Socket>,
    topics: BTreeMap<Topic, Vec<Audience>>,
    paused: BTreeMap<Topic, Option<Instant>>,
    /// Frames queued so far.
    pub(super) frames: u64,
    /// Sockets dropped because they read too slowly.
    pub(super) dropped_slow: u64,
}

impl Hub {
    /// A socket has connected on a route.
    pub(super) fn open(&mut self, outbox: Arc<Outbox>, kind: &'static str, events: Vec<String>) {
        let socket = Socket {
            outbox,
            kind,
            topics: BTreeSet::new(),
            events,
        };
        self.sockets.insert(socket.outbox.id, socket);
    }

    /// A socket is gone.
    pub(super) fn closed(&mut self, id: u64) {
        if let Some(s) = self.sockets.remove(&id) {
            self.dropped_slow += u64::from(s.outbox.slow.load(SeqCst));
            for t in &s.topics {
                self.leave(id, t, None);
            }
        }
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

    /// Sends a frame to the topic's subscribers.
    pub(super) fn publish(&mut self, topic: &Topic, json: Vec<u8>, due: Option<Instant>) {
        self.send(topic, None, json, due);
    }

    /// Sends a user event to the sockets of a listen key that want its type.
    pub(super) fn publish_user(
        &mut self,
        topic: &Topic,
        event: &str,
        json: Vec<u8>,
        due: Option<Instant>,
    ) {
        self.send(topic, Some(event), json, due);
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
        for a in audiences {
            let text = match &a.wrapped {
                None => raw.clone(),
                Some(name) => wrap(name, &raw),
            };
            for o in &a.sockets {
                let wants = event.is_none_or(|e| {
                    self.sockets.get(&o.id).is_some_and(|s| {
                        s.events.is_empty() || s.events.iter().any(|w| w.as_str() == e)
                    })
                });
                if wants {
                    self.frames += 1;
                    o.push(Queued {
                        due,
                        text: text.clone(),
                    });
                }
            }
        }
    }

    /// Ends sockets: of a route ("public", "market", "private", "all"), or those that follow a symbol. Says how many.
    pub(super) fn drop_sockets(&self, kind: Option<&str>, symbol: Option<SymbolId>) -> usize {
        let hit = |s: &&Socket| {
            let kind = kind.is_none_or(|k| k == "all" || k == s.kind);
            let about = symbol.is_none_or(|id| s.topics.iter().any(|t| t.symbol() == Some(id)));
            kind && about
        };
        let hit: Vec<&Socket> = self.sockets.values().filter(hit).collect();
        hit.iter().for_each(|s| s.outbox.kill());
        hit.len()
    }

    /// Ends every socket that is behind.
    pub(super) fn drop_lagging(&self) {
        for s in self.sockets.values() {
            if s.outbox.lagging.load(SeqCst) {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures_util::FutureExt as _;

    fn frame() -> Queued {
        Queued {
            due: None,
            text: "{}".into(),
        }
    }

    fn outbox(speed: f64) -> (Arc<Gate>, Arc<Outbox>, UnboundedReceiver<Queued>) {
        let gate = Arc::new(Gate::default());
        gate.set_speed(speed);
        let (o, rx) = Outbox::new(Arc::clone(&gate));
        (gate, o, rx)
    }

    #[tokio::test]
    async fn at_real_time_a_reader_that_falls_behind_is_dropped_and_holds_nothing() {
        let (gate, o, _rx) = outbox(1.0);
        for i in 0..DROP_AT {
            assert!(o.killed().now_or_never().is_none(), "{i}");
            o.push(frame());
            assert!(!gate.held());
        }
        assert!(o.killed().now_or_never().is_some());
    }

    #[tokio::test]
    async fn an_accelerated_reader_holds_the_market_until_it_has_caught_up_or_gone() {
        let (gate, o, _rx) = outbox(60.0);
        for _ in 1..HOLD_AT {
            o.push(frame());
        }
        assert!(!gate.held());
        o.push(frame());
        assert!(gate.held());
        o.sent(HOLD_AT - GO_AT - 1);
        assert!(gate.held() && gate.drained().now_or_never().is_none());
        o.sent(1);
        assert!(!gate.held() && gate.drained().now_or_never().is_some());
        for _ in 0..HOLD_AT {
            o.push(frame());
        }
        assert!(gate.held());
        o.close();
        o.push(frame());
        assert!(!gate.held());
    }

    #[test]
    fn no_interleaving_of_push_and_sent_leaves_the_market_held() {
        for _ in 0..20 {
            let (gate, o, mut rx) = outbox(60.0);
            let reader = Arc::clone(&o);
            let t = std::thread::spawn(move || {
                let mut n = 0;
                while n < 20_000 {
                    if rx.try_recv().is_ok() {
                        reader.sent(1);
                        n += 1;
                    }
                }
            });
            for _ in 0..20_000 {
                o.push(frame());
            }
            t.join().unwrap();
            assert!(!gate.held());
        }
    }
}
