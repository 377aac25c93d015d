//! The one task that owns the venue: market events when they are due, requests in between.

use super::link::Job;
use super::venue::Venue;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Duration, Instant, MissedTickBehavior};

/// Market events between two looks at the requests.
const BATCH: usize = 32;
/// How long a lagging subscriber may hold an accelerated market before it is dropped.
const HOLD_AT_MOST: Duration = Duration::from_secs(10);
/// Period of `helios@time`.
const TIME_SAMPLE: Duration = Duration::from_millis(5);

/// Runs until every [`super::link::Link`] is gone.
pub(super) async fn run(mut venue: Venue, mut jobs: Receiver<Job>) {
    let gate = venue.gate();
    let mut sample = tokio::time::interval(TIME_SAMPLE);
    sample.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut held_since: Option<Instant> = None;
    loop {
        let more = venue.advance(Instant::now(), BATCH);
        let mut served = 0;
        while let Ok(job) = jobs.try_recv() {
            job(&mut venue);
            served += 1;
            if served == BATCH {
                break;
            }
        }
        let held = venue.held();
        match (held, held_since) {
            (true, None) => held_since = Some(Instant::now()),
            (true, Some(t)) if t.elapsed() > HOLD_AT_MOST => {
                venue.hub.drop_lagging();
            }
            (false, Some(t)) => {
                venue.clock.held += t.elapsed();
                held_since = None;
                venue.clock.rebase(Instant::now());
            }
            _ => {}
        }
        if !held && (more || served == BATCH) {
            // Sockets must get the processor too: on one core they would starve otherwise.
            tokio::task::yield_now().await;
            if sampled(&mut sample) {
                venue.sample_time();
            }
            continue;
        }
        let wake = venue.wake_at();
        tokio::select! {
            biased;
            job = jobs.recv() => match job {
                Some(job) => {
                    venue.advance(Instant::now(), BATCH);
                    job(&mut venue);
                }
                None => return,
            },
            () = gate.drained(), if held => {}
            () = tokio::time::sleep(HOLD_AT_MOST / 10), if held => {}
            () = tokio::time::sleep_until(wake), if !held => {}
            _ = sample.tick(), if venue.samples_time() => venue.sample_time(),
        }
    }
}

/// True when a tick has passed, without waiting for it.
fn sampled(sample: &mut tokio::time::Interval) -> bool {
    use futures_util::FutureExt as _;
    sample.tick().now_or_never().is_some()
}
