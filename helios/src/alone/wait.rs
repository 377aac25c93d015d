//! A start that waits for its keys or its venue: the process lives, says what it waits for, and goes on by itself.
//!
//! A coordinator that waits can't guard, so it does not ask for the leader lock: another one with keys must not have to wait
//! behind it. It says over the bus what is missing, in the leader's place, only while nobody holds the lock: a leader's
//! picture is never written over by one that has none. Several that wait say the same.

use crate::metrics::{Beat, Waits};
use helios_bus::typed::AccountBus;
use helios_core::messages::{AccountSnapshot, SCHEMA};
use helios_lease::{LeaseStore, Version};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// Between signs of life.
const BEAT: Duration = Duration::from_millis(500);
/// Between two words of one that waits, and longest that one may take.
const SAY: Duration = Duration::from_secs(1);

/// The pulse of a start.
pub async fn pulse(beat: &Beat) -> Infallible {
    let mut due = interval(BEAT);
    loop {
        due.tick().await;
        beat.beat();
    }
}

/// Says over the bus what this coordinator waits for, while it waits and nobody leads.
pub async fn told(
    waits: &Waits,
    bus: &AccountBus,
    lock: Option<&Arc<dyn LeaseStore>>,
) -> Infallible {
    let mut lock = lock.map(Seen::new);
    let mut due = interval(SAY);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seq = 0;
    loop {
        due.tick().await;
        let Some(why) = waits.get() else { continue };
        // Whoever has no lock shares the account with nobody.
        let Some(lock) = &mut lock else { continue };
        if !bus.transport().state().borrow().connected || !lock.free().await {
            continue;
        }
        seq += 1;
        let snapshot = AccountSnapshot {
            schema: SCHEMA,
            seq,
            unknown: Some(why),
            ..AccountSnapshot::default()
        };
        // One that is not written is followed by the next.
        let _ = timeout(SAY, bus.publish_snapshot(&snapshot)).await;
    }
}

/// The lock, looked at and never taken.
struct Seen<'a> {
    lock: &'a Arc<dyn LeaseStore>,
    last: Option<(Version, Instant)>,
}

impl<'a> Seen<'a> {
    fn new(lock: &'a Arc<dyn LeaseStore>) -> Self {
        Self { lock, last: None }
    }

    /// Nobody leads: there is no holder, or its term was not renewed for as long as it lasts. What can't be read is not free.
    async fn free(&mut self) -> bool {
        let record = match timeout(SAY, self.lock.read()).await {
            Ok(Ok(Some((record, version)))) => (record, version),
            Ok(Ok(None)) => return true,
            _ => return false,
        };
        let (record, version) = record;
        if record.holder().is_none() {
            return true;
        }
        match &self.last {
            Some((seen, since)) if *seen == version => {
                since.elapsed() > Duration::from_secs(record.lease_duration_seconds.into())
            }
            _ => {
                self.last = Some((version, Instant::now()));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use helios_bus::memory::MemoryBus;
    use helios_lease::{FileLease, LeaseRecord};

    fn held(by: &str, term: u64) -> LeaseRecord {
        LeaseRecord {
            holder_identity: Some(by.into()),
            lease_duration_seconds: 6,
            acquire_time: None,
            renew_time: None,
            lease_transitions: term,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_missing_is_said_only_while_nobody_leads() {
        let dir = tempfile::tempdir().unwrap();
        let lock: Arc<dyn LeaseStore> =
            Arc::new(FileLease::open(dir.path().join("leader.json")).unwrap());
        let bus = AccountBus::new(Arc::new(MemoryBus::new()), "default/a");
        let waits = Waits::default();
        waits.set(Some("credentials missing: Secret s has no apiKey"));
        let version = lock.write(None, &held("leader", 1)).await.unwrap();
        let mut heard = bus.snapshots().await.unwrap();
        let mut first = async |within: u64| {
            let said = told(&waits, &bus, Some(&lock));
            tokio::select! {
                never = said => match never {},
                s = timeout(Duration::from_secs(within), heard.next()) => s.ok().flatten().map(|(s, _)| s),
            }
        };
        assert_eq!(first(5).await, None, "the lock is held");
        let s = first(30).await.unwrap();
        assert!(!s.known && s.holder.is_empty());
        assert_eq!(
            s.unknown.as_deref(),
            Some("credentials missing: Secret s has no apiKey")
        );
        let mut given_up = held("", 1);
        given_up.holder_identity = None;
        lock.write(Some(&version), &given_up).await.unwrap();
        assert!(first(3).await.is_some(), "nobody holds it");
        waits.set(None);
        // What was said before may still be on its way.
        while first(2).await.is_some() {}
        assert_eq!(first(20).await, None, "it waits for nothing");
    }
}
