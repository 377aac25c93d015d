//! The leader goes: by a hard kill, and asked to.

use crate::rig::check::{bare, over_budget};
use crate::rig::clock::{Ns, S, now, secs, until};
use crate::rig::role::PAUSE;
use crate::rig::{Rig, Setup, wait};
use std::time::Duration;

/// Longest without permission after a hard kill of the leader.
const TAKEOVER: Ns = 9 * S;

#[test]
fn a_killed_leader_is_replaced_and_workers_are_granted_again_within_nine_seconds() {
    // A symbol's share is less than an entry wants.
    let rig = Rig::start(Setup {
        limits: "maxSymbolNotionalPercent: \"20\", maxDailyLossPercent: \"100\", maxDrawdownPercent: \"100\"",
        ..Setup::default()
    });
    let leader = rig.leader();
    leader.hold(true);
    let at = leader.kill();
    // Grants of before hold for two seconds more.
    let back = rig.all_granted(at + 3 * S, Duration::from_secs(15));
    let back = back.unwrap();
    eprintln!("granted again after {:.2} s", secs(at, back));
    assert!(back - at <= TAKEOVER, "{:.2} s", secs(at, back));
    leader.hold(false);
    // The one that was killed is a standby now and takes the lead back when the other dies.
    until(now() + PAUSE.as_nanos() as u64 + 3 * S);
    let second = rig.leader();
    assert_ne!(second.name(), leader.name());
    let at = second.kill();
    let back = rig
        .all_granted(at + 3 * S, Duration::from_secs(15))
        .unwrap();
    eprintln!("granted again after {:.2} s", secs(at, back));
    assert!(back - at <= TAKEOVER, "{:.2} s", secs(at, back));
    rig.check();
    assert!(
        rig.entries(back) > 0 || rig.entries(0) > 0,
        "nothing traded"
    );
}

#[test]
fn a_leader_that_is_asked_to_end_hands_over_and_no_worker_is_ever_without_permission() {
    let rig = Rig::start(Setup {
        seed: 8,
        ..Setup::default()
    });
    let leader = rig.leader();
    let epoch = rig.snapshot().unwrap().value["epoch"].as_u64().unwrap();
    let at = leader.term();
    let next = wait("next leader", Duration::from_secs(15), || {
        let s = rig.snapshot()?;
        (s.value["epoch"].as_u64() > Some(epoch)).then_some(s.at)
    });
    let next = next.expect("nobody took over");
    eprintln!("the next one led after {:.2} s", secs(at, next));
    until(next + 4 * S);
    for w in rig.workers.values() {
        for s in w.history(at - S) {
            assert_eq!(
                s.value["view"]["granted"],
                true,
                "{} had no permission {:.2} s after the leader was asked to end",
                w.name(),
                secs(at, s.at)
            );
        }
    }
    // A leader that hands over is not missing: there is no span without permission, only what always holds.
    let log = rig.venue.audit();
    assert!(bare(&log, now()).values().flatten().all(|b| b.1 - b.0 < S));
    assert!(over_budget(&log, &rig.setup.limits(), &rig.venue.lots).is_empty());
}
