//! The running candidate: what it shows, and that a store that hangs or fails only ever ends a lead.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::record::LeaseRecord;
use crate::store::Version;
use async_trait::async_trait;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

fn times() -> Times {
    Times {
        duration: Duration::from_secs(2),
        renew_every: Duration::from_millis(100),
        renew_deadline: Duration::from_millis(800),
    }
}

fn released() -> LeaseRecord {
    LeaseRecord {
        holder_identity: None,
        lease_duration_seconds: 1,
        acquire_time: None,
        renew_time: None,
        lease_transitions: 7,
    }
}

/// In memory; can be made to hang.
#[derive(Debug)]
struct Memory {
    held: Mutex<(LeaseRecord, u64)>,
    hangs: AtomicBool,
}

impl Memory {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            held: Mutex::new((released(), 1)),
            hangs: AtomicBool::new(false),
        })
    }

    async fn perhaps_hang(&self) {
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl LeaseStore for Memory {
    async fn read(&self) -> Result<Option<(LeaseRecord, Version)>, LeaseError> {
        self.perhaps_hang().await;
        let held = self.held.lock().unwrap();
        Ok(Some((held.0.clone(), Version(held.1.to_string()))))
    }

    async fn write(&self, e: Option<&Version>, r: &LeaseRecord) -> Result<Version, LeaseError> {
        self.perhaps_hang().await;
        let mut held = self.held.lock().unwrap();
        if e != Some(&Version(held.1.to_string())) {
            return Err(LeaseError::Conflict);
        }
        *held = (r.clone(), held.1 + 1);
        Ok(Version(held.1.to_string()))
    }
}

async fn until(
    r: &mut watch::Receiver<Leadership>,
    f: impl FnMut(&Leadership) -> bool,
) -> Leadership {
    let wait = tokio::time::timeout(Duration::from_secs(10), r.wait_for(f));
    wait.await.expect("in time").unwrap().clone()
}

fn leads(l: &Leadership) -> bool {
    l.leads(mono_ns())
}

#[tokio::test]
async fn a_release_shows_standby_frees_the_record_and_the_other_takes_over_at_its_next_look() {
    let store = Memory::new();
    let a = LeaderTask::spawn(store.clone(), "a", times()).unwrap();
    let mut sees_a = a.leadership();
    let first = until(&mut sees_a, leads).await;
    assert!(matches!(first, Leadership::Leader { transitions: 8, .. }));
    let b = LeaderTask::spawn(store.clone(), "b", times()).unwrap();
    let mut sees_b = b.leadership();
    until(&mut sees_b, |l| {
        *l == Leadership::Standby {
            holder: Some("a".into()),
        }
    })
    .await;
    let began = mono_ns();
    assert!(a.release().await);
    assert!(!leads(&sees_a.borrow()));
    let next = until(&mut sees_b, leads).await;
    assert!(matches!(next, Leadership::Leader { transitions: 9, .. }));
    let took = Duration::from_nanos(mono_ns() - began);
    assert!(took < times().duration, "no observation: {took:?}");
}

#[tokio::test]
async fn a_store_that_hangs_ends_the_lead_at_its_end_and_a_release_does_not_wait_for_ever() {
    let store = Memory::new();
    let a = LeaderTask::spawn(store.clone(), "a", times()).unwrap();
    let mut sees = a.leadership();
    until(&mut sees, leads).await;
    store.hangs.store(true, Ordering::SeqCst);
    until(&mut sees, |l| matches!(l, Leadership::Standby { .. })).await;
    // It works again: nobody took the record, so the same candidate begins a new term.
    store.hangs.store(false, Ordering::SeqCst);
    let again = until(&mut sees, leads).await;
    assert!(matches!(again, Leadership::Leader { transitions, .. } if transitions > 8));
    store.hangs.store(true, Ordering::SeqCst);
    assert!(!a.release().await, "whether it is free can't be known");
    assert!(!leads(&sees.borrow()));
}

#[tokio::test]
async fn a_task_that_is_dropped_says_standby_and_leaves_the_record_to_run_out() {
    let store = Memory::new();
    let a = LeaderTask::spawn(store.clone(), "a", times()).unwrap();
    let mut sees = a.leadership();
    until(&mut sees, leads).await;
    drop(a);
    until(&mut sees, |l| matches!(l, Leadership::Standby { .. })).await;
    assert_eq!(store.held.lock().unwrap().0.holder(), Some("a"));
}

#[test]
fn a_leader_past_its_end_leads_no_more_whatever_is_shown() {
    let l = Leadership::Leader {
        transitions: 1,
        until_ns: 50,
        waited_out: false,
    };
    assert!(l.leads(49));
    assert!(!l.leads(50));
    assert!(!Leadership::Standby { holder: None }.leads(0));
}
