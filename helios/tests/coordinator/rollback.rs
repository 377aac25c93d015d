//! The message store goes back: an older copy of its data, or none at all. Nobody takes risk on the word of before, the
//! epoch rises, and trading resumes without a person.

use crate::rig::check::DEADLINE;
use crate::rig::clock::{MS, Ns, S, now, secs, until};
use crate::rig::more::number;
use crate::rig::{RECOVERY, Rig, Setup, wait};
use std::path::Path;
use std::time::Duration;

/// What is printed under a higher epoch may be read so much after it was used.
const READ_LATE: Ns = 300 * MS;

/// Puts a copy in the place of the store while NATS is down.
fn restored(rig: &Rig, copy: &Path) {
    // More is acknowledged than the copy holds.
    until(now() + 4 * S);
    let before = rig.epoch();
    let leader = rig.leader().name().to_string();
    let from = now();
    // So long that nothing granted before lives when it is back.
    rig.nats.with(|n| n.kill());
    until(from + DEADLINE + 2 * READ_LATE);
    let to = now();
    rig.nats.with(|n| n.restore_store(copy));

    let higher = || {
        let all = rig.coordinators.iter().chain(rig.workers.values());
        let said = all.flat_map(|r| r.history(to));
        let said = said.filter(|s| number(&s.value, "epoch") > before);
        said.map(|s| s.at).min()
    };
    let higher = wait("higher epoch", Duration::from_secs(20), higher).expect("no higher epoch");
    let back = rig.all_granted(higher, Duration::from_secs(15)).unwrap();
    eprintln!(
        "epoch {before} was raised after {:.2} s, granted again after {:.2} s",
        secs(to, higher),
        secs(to, back)
    );
    assert!(back - to <= RECOVERY, "{:.2} s", secs(to, back));
    rig.no_risk(from + DEADLINE, higher - READ_LATE, "the store went back");
    for (symbol, w) in &rig.workers {
        for s in w.history(to) {
            let old = number(&s.value, "epoch") <= before;
            let granted = s.value["view"]["granted"] == true;
            assert!(!(old && granted), "granted under an old epoch: {}", s.value);
        }
        let told = rig.alerts(symbol);
        let lost = told.iter().any(|a| a["code"] == "FenceLost");
        assert!(lost, "{symbol} did not notice: {told:?}");
    }
    assert_eq!(rig.leader().name(), leader, "the lead changed hands");
    rig.wait_entry(back);
    rig.epochs_only_rise();
    rig.nobody_crashed();
    rig.check();
}

#[test]
fn an_older_copy_of_the_message_store_stops_new_risk_until_the_epoch_rises() {
    let rig = Rig::start(Setup {
        seed: 21,
        ..Setup::default()
    });
    let copy = rig.nats.with(|n| n.backup_store());
    restored(&rig, copy.path());
}

#[test]
fn a_message_store_that_lost_everything_stops_new_risk_until_the_epoch_rises() {
    let rig = Rig::start(Setup {
        seed: 22,
        ..Setup::default()
    });
    let empty = tempfile::tempdir().unwrap();
    restored(&rig, empty.path());
}
