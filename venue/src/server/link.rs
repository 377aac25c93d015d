//! How connections talk to the actor that owns the venue.

use super::config::VenueServerError;
use super::fault::Faults;
use super::outbox::Gate;
use super::venue::Venue;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// Something to be done with the venue, between two market events.
pub(super) type Job = Box<dyn FnOnce(&mut Venue) + Send>;

/// A connection's way to the venue. Cheap to clone.
#[derive(Clone)]
pub(super) struct Link {
    jobs: mpsc::Sender<Job>,
    stop: watch::Receiver<bool>,
    /// Shared with every socket.
    pub(super) gate: Arc<Gate>,
    /// One-way delay, wall ns.
    pub(super) delay_ns: Arc<AtomicU64>,
    /// What goes wrong on order.
    pub(super) faults: Arc<Faults>,
}

impl Link {
    /// A link and the actor's end of it.
    pub(super) fn new(
        stop: watch::Receiver<bool>,
        gate: Arc<Gate>,
        delay_ns: Arc<AtomicU64>,
        faults: Arc<Faults>,
    ) -> (Self, mpsc::Receiver<Job>) {
        let (jobs, rx) = mpsc::channel(1024);
        let link = Self {
            jobs,
            stop,
            gate,
            delay_ns,
            faults,
        };
        (link, rx)
    }

    /// Runs `f` on the venue and returns what it returns.
    ///
    /// # Errors
    /// [`VenueServerError::Stopped`].
    pub(super) async fn call<R, F>(&self, f: F) -> Result<R, VenueServerError>
    where
        R: Send + 'static,
        F: FnOnce(&mut Venue) -> R + Send + 'static,
    {
        let (tx, rx) = oneshot::channel();
        let job: Job = Box::new(move |v| {
            let _ = tx.send(f(v));
        });
        self.jobs
            .send(job)
            .await
            .map_err(|_| VenueServerError::Stopped)?;
        rx.await.map_err(|_| VenueServerError::Stopped)
    }

    /// Resolves when the venue is to stop.
    pub(super) async fn stopping(&self) {
        let mut stop = self.stop.clone();
        // An error means the sender is gone: stopped.
        let _ = stop.wait_for(|s| *s).await;
    }

    /// One half of the latency.
    pub(super) fn half(&self) -> Duration {
        Duration::from_nanos(self.delay_ns.load(Relaxed))
    }

    /// Waits one half of the latency.
    pub(super) async fn delay(&self) {
        wait(self.half()).await;
    }
}

/// Waits, if at all.
pub(super) async fn wait(for_: Duration) {
    if !for_.is_zero() {
        tokio::time::sleep(for_).await;
    }
}
