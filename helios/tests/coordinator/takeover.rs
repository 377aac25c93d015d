//! The leader goes: by a hard kill, and asked to.

use crate::rig::clock::{Ns, S, now, secs, until};
use crate::rig::role::PAUSE;
use crate::rig::{Rig, Setup};
use std::time::Duration;

/// Longest without permission after a hard kill of the leader.
const TAKEOVER: Ns = 9 * S;

#[test]
fn a_killed_leader_is_replaced_and_workers_are_granted_again_within_nine_seconds() {
    let rig = Rig::start(Setup::default());
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
    let back = rig.all_granted(at + 3 * S, Duration::from_secs(15)).unwrap();
    eprintln!("granted again after {:.2} s", secs(at, back));
    assert!(back - at <= TAKEOVER, "{:.2} s", secs(at, back));
    rig.check();
    assert!(rig.entries(back) > 0 || rig.entries(0) > 0, "nothing traded");
}
