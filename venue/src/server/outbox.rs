//! A socket's queue, and the gate that lagging queues close.
//!
//! At real time a full queue means the reader is too slow and is dropped, as at the exchange; under acceleration it closes
//! the [`Gate`], and the venue's time waits until it is drained.

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

    /// Queues a frame.
    pub(super) fn push(&self, frame: Queued) {
        if self.closed.load(SeqCst) {
            return;
        }
        // Counted before it can be taken out and counted off.
        let n = self.queued.fetch_add(1, SeqCst) + 1;
        if self.tx.send(frame).is_err() {
            self.queued.fetch_sub(1, SeqCst);
            return;
        }
        self.counted(n);
    }

    /// The queue was `n` long a moment ago.
    fn counted(&self, n: usize) {
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

    /// Ends the socket as too slow.
    pub(super) fn drop_slow(&self) {
        self.slow.store(true, SeqCst);
        self.kill();
    }

    /// It is behind.
    pub(super) fn lagging(&self) -> bool {
        self.lagging.load(SeqCst)
    }

    /// It was ended as too slow.
    pub(super) fn was_slow(&self) -> bool {
        self.slow.load(SeqCst)
    }

    /// Resolves when the socket is to end.
    pub(super) async fn killed(&self) {
        self.kill.notified().await;
    }
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
    fn a_queue_drained_while_it_is_being_counted_holds_nothing() {
        for drain in [|o: &Outbox| o.sent(HOLD_AT), Outbox::close] {
            let (gate, o, _rx) = outbox(60.0);
            o.queued.store(HOLD_AT, SeqCst);
            drain(&o);
            o.counted(HOLD_AT);
            assert!(!gate.held());
        }
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
