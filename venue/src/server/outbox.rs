//! A socket's queue, and the gate that lagging queues close.
//!
//! A queue holds so many frames and so many bytes and no more: a reader that lets it fill is too slow and is dropped, as at
//! the exchange. Under acceleration a much shorter one closes the [`Gate`] already, and the venue's time waits until it is
//! drained; only what one moment brings forth can fill it then.

use super::delay::FrameDelay;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// Queued frames at which an accelerated market waits, and at which it goes on.
const HOLD_AT: usize = 96;
const GO_AT: usize = 32;
/// The same in bytes.
const HOLD_BYTES: usize = 4 * 1024 * 1024;
const GO_BYTES: usize = 1024 * 1024;
/// Queued frames and bytes beyond which a reader is too slow.
const DROP_AT: usize = 4096;
const DROP_BYTES: usize = 16 * 1024 * 1024;

/// Whether market time may go: shared by the sockets and the actor.
#[derive(Debug, Default)]
pub(super) struct Gate {
    lagging: AtomicUsize,
    accelerated: AtomicBool,
    drained: Notify,
    /// The most bytes that any queue has held.
    peak: AtomicUsize,
    /// How long frames took.
    pub(super) delay: FrameDelay,
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

    /// The most bytes that any queue has held.
    pub(super) fn peak_bytes(&self) -> usize {
        self.peak.load(Relaxed)
    }

    /// Tells the sockets about the speed.
    pub(super) fn set_speed(&self, speed: f64) {
        self.accelerated.store(speed > 1.0, SeqCst);
    }
}

/// A frame on its way to one socket.
#[derive(Clone, Debug)]
pub(super) struct Queued {
    /// When the engine said what it tells.
    pub(super) said: Instant,
    /// Not to be sent before (latency).
    pub(super) due: Option<Instant>,
    /// Text.
    pub(super) text: Utf8Bytes,
}

impl Queued {
    /// When it could have left at the earliest.
    pub(super) fn ready(&self) -> Instant {
        self.due.unwrap_or(self.said)
    }
}

/// The sending end of a socket's queue.
#[derive(Debug)]
pub(super) struct Outbox {
    /// Number of the socket.
    pub(super) id: u64,
    tx: Sender<Queued>,
    queued: AtomicUsize,
    bytes: AtomicUsize,
    lagging: AtomicBool,
    closed: AtomicBool,
    slow: AtomicBool,
    kill: Notify,
    /// Nothing moves on the socket until then.
    stalled: watch::Sender<Option<Instant>>,
    gate: Arc<Gate>,
}

impl Outbox {
    /// A socket's queue and its receiving end.
    pub(super) fn new(gate: Arc<Gate>) -> (Arc<Self>, Receiver<Queued>) {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let (tx, rx) = channel(DROP_AT);
        let outbox = Self {
            id: NEXT.fetch_add(1, SeqCst),
            tx,
            queued: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            lagging: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            slow: AtomicBool::new(false),
            kill: Notify::new(),
            stalled: watch::Sender::new(None),
            gate,
        };
        (Arc::new(outbox), rx)
    }

    /// Queues a frame; a reader whose queue has no room for it is too slow, at any speed.
    pub(super) fn push(&self, frame: Queued) {
        if self.closed.load(SeqCst) || self.was_slow() || self.stalled() {
            return;
        }
        // Counted before it can be taken out and counted off.
        let len = frame.text.len();
        let n = self.queued.fetch_add(1, SeqCst) + 1;
        let bytes = self.bytes.fetch_add(len, SeqCst) + len;
        if bytes > DROP_BYTES || self.tx.try_send(frame).is_err() {
            self.queued.fetch_sub(1, SeqCst);
            self.bytes.fetch_sub(len, SeqCst);
            self.drop_slow();
            return;
        }
        self.gate.peak.fetch_max(bytes, Relaxed);
        self.counted(n, bytes);
    }

    /// The queue was `n` long and `bytes` large a moment ago.
    fn counted(&self, n: usize, bytes: usize) {
        if n >= HOLD_AT || bytes >= HOLD_BYTES {
            if !self.lagging.swap(true, SeqCst) {
                self.gate.lagging.fetch_add(1, SeqCst);
            }
            // The other end may have drained or closed the queue between the two steps.
            if self.drained() || self.closed.load(SeqCst) {
                self.catch_up();
            }
        }
    }

    fn drained(&self) -> bool {
        self.queued.load(SeqCst) <= GO_AT && self.bytes.load(SeqCst) <= GO_BYTES
    }

    /// The socket has sent `n` frames of so many bytes.
    pub(super) fn sent(&self, n: usize, bytes: usize) {
        self.bytes.fetch_sub(bytes, SeqCst);
        self.queued.fetch_sub(n, SeqCst);
        if self.drained() {
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

    /// Nothing moves on the socket until an instant; what it would have got meanwhile is lost.
    pub(super) fn stall(&self, until: Instant) {
        self.stalled.send_replace(Some(until));
        // It does not hold the market: what it would get is lost.
        self.catch_up();
    }

    /// Things move again.
    pub(super) fn go_on(&self) {
        self.stalled.send_if_modified(|t| t.take().is_some());
    }

    fn stalled(&self) -> bool {
        self.stalled.borrow().is_some_and(|t| t > Instant::now())
    }

    /// Resolves when the socket is stalled.
    pub(super) async fn stalls(&self) {
        let mut told = self.stalled.subscribe();
        // The sender is this outbox: it can't be gone.
        let _ = told
            .wait_for(|t| t.is_some_and(|t| t > Instant::now()))
            .await;
    }

    /// Resolves when things move again.
    pub(super) async fn moves(&self) {
        let mut told = self.stalled.subscribe();
        loop {
            let until = *told.borrow_and_update();
            let Some(until) = until.filter(|t| *t > Instant::now()) else {
                return;
            };
            tokio::select! {
                () = tokio::time::sleep_until(until) => return,
                _ = told.changed() => {}
            }
        }
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

    fn sized(bytes: usize) -> Queued {
        Queued {
            said: Instant::now(),
            due: None,
            text: "x".repeat(bytes).into(),
        }
    }

    fn frame() -> Queued {
        sized(2)
    }

    fn outbox(speed: f64) -> (Arc<Gate>, Arc<Outbox>, Receiver<Queued>) {
        let gate = Arc::new(Gate::default());
        gate.set_speed(speed);
        let (o, rx) = Outbox::new(Arc::clone(&gate));
        (gate, o, rx)
    }

    #[tokio::test]
    async fn a_reader_that_falls_behind_is_dropped_at_so_many_frames() {
        for speed in [1.0, 60.0] {
            let (gate, o, mut rx) = outbox(speed);
            for i in 0..DROP_AT {
                assert!(o.killed().now_or_never().is_none(), "{i}");
                o.push(frame());
                assert!(speed > 1.0 || !gate.held());
            }
            assert!(!o.was_slow());
            o.push(frame());
            assert!(o.was_slow() && o.killed().now_or_never().is_some());
            o.push(frame());
            let mut n = 0;
            while rx.try_recv().is_ok() {
                n += 1;
            }
            assert_eq!(n, DROP_AT);
        }
    }

    #[tokio::test]
    async fn a_reader_that_falls_behind_is_dropped_at_so_many_bytes() {
        let (gate, o, mut rx) = outbox(1.0);
        let big = sized(DROP_BYTES / 16);
        for _ in 0..16 {
            o.push(big.clone());
        }
        assert!(!o.was_slow());
        o.push(frame());
        assert!(o.was_slow() && o.killed().now_or_never().is_some());
        assert_eq!(gate.peak_bytes(), DROP_BYTES);
        let mut bytes = 0;
        while let Ok(f) = rx.try_recv() {
            bytes += f.text.len();
        }
        assert_eq!(bytes, DROP_BYTES);
        // What was read makes room again, where it was read in time.
        let (_, o, mut rx) = outbox(1.0);
        for _ in 0..64 {
            o.push(big.clone());
            let f = rx.try_recv().unwrap();
            o.sent(1, f.text.len());
        }
        assert!(!o.was_slow());
    }

    #[test]
    fn the_latency_asked_for_is_no_part_of_a_frames_delay() {
        let said = Instant::now();
        let due = said + std::time::Duration::from_millis(500);
        let ready = |due| {
            Queued {
                said,
                due,
                ..frame()
            }
            .ready()
        };
        assert_eq!((ready(None), ready(Some(due))), (said, due));
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
        let many = HOLD_AT - GO_AT - 1;
        o.sent(many, 2 * many);
        assert!(gate.held() && gate.drained().now_or_never().is_none());
        o.sent(1, 2);
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
    fn a_few_large_frames_hold_the_market_too() {
        let (gate, o, _rx) = outbox(60.0);
        for _ in 0..4 {
            assert!(!gate.held());
            o.push(sized(HOLD_BYTES / 4));
        }
        assert!(gate.held());
        o.sent(2, HOLD_BYTES / 2);
        assert!(gate.held());
        o.sent(1, HOLD_BYTES / 4);
        assert!(!gate.held());
    }

    #[test]
    fn a_queue_drained_while_it_is_being_counted_holds_nothing() {
        for drain in [|o: &Outbox| o.sent(HOLD_AT, 0), Outbox::close] {
            let (gate, o, _rx) = outbox(60.0);
            o.queued.store(HOLD_AT, SeqCst);
            drain(&o);
            o.counted(HOLD_AT, 0);
            assert!(!gate.held());
        }
    }

    #[test]
    fn no_interleaving_of_push_and_sent_leaves_the_market_held() {
        // As many as a queue holds: none is dropped, however late the reader is.
        const ALL: usize = DROP_AT;
        for _ in 0..100 {
            let (gate, o, mut rx) = outbox(60.0);
            let reader = Arc::clone(&o);
            let t = std::thread::spawn(move || {
                let mut n = 0;
                while n < ALL {
                    if rx.try_recv().is_ok() {
                        reader.sent(1, 2);
                        n += 1;
                    }
                }
            });
            for _ in 0..ALL {
                o.push(frame());
            }
            t.join().unwrap();
            assert!(!gate.held() && !o.was_slow());
        }
    }
}
