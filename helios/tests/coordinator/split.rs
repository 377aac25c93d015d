//! Two coordinators lead one account, because each has a lock of its own: one stands down, and what it says counts no more.

use crate::rig::check::{DEADLINE, over_budget};
use crate::rig::clock::{S, now, secs, until};
use crate::rig::more::{Client, PATIENCE, heard, holding, latched, number};
use crate::rig::{Rig, Setup, holds, wait};
use helios_bus::nats::NatsConfig;
use std::time::Duration;

/// A leader that is silent for a lease of 6 s is replaced; then what it granted must be dead.
const TAKEN_BACK: Duration = Duration::from_secs(20);

#[test]
fn of_two_leaders_the_one_with_the_lower_epoch_stands_down_and_returns_when_the_other_is_gone() {
    let mut rig = Rig::bare(Setup {
        seed: 41,
        ..holding()
    });
    rig.add_coordinator("a", "state-a", "lock-a.json", vec![]);
    rig.start_workers();
    rig.all_granted(now(), 2 * PATIENCE).unwrap();
    rig.wait_held();
    let first = rig.epoch();
    let client = Client::connect(NatsConfig::new(rig.nats.url())).unwrap();
    let fences = client.fences();

    rig.add_coordinator("b", "state-b", "lock-b.json", vec![]);
    let s = rig.when("the second leads", 0, |s| {
        holds(s, "b") && number(s, "epoch") > first
    });
    let (a, b) = (&rig.coordinators[0], &rig.coordinators[1]);
    let down = wait("the first stands down", PATIENCE, || {
        a.log().contains("standing down").then(now)
    });
    let down = down.expect("the first goes on");
    eprintln!("stood down {:.2} s after the other led", secs(s.at, down));
    // The second has no state where one must have been: positions are held. It waits for a person.
    rig.when("stateLost", s.at, |s| {
        holds(s, "b") && latched(s, "stateLost") && s["known"] == true
    });
    until(now() + 4 * S);
    let released = now();
    rig.no_risk(
        down + DEADLINE,
        released,
        "the only leader has lost its state",
    );
    rig.person(&["release", "state-lost"]);
    let back = rig.all_granted(released, PATIENCE).unwrap();
    eprintln!("granted {:.2} s after the release", secs(released, back));
    until(now() + 3 * S);

    // One holder after the other, never both by turns; no leader of a lower epoch is heeded.
    let written: Vec<String> = heard(&fences).into_iter().map(|f| f.1.holder).collect();
    let mut turns = written.clone();
    turns.dedup();
    assert_eq!(turns.len(), 2, "{turns:?}");
    assert!(
        turns[0].starts_with("a-") && turns[1].starts_with("b-"),
        "{turns:?}"
    );
    assert!(!b.log().contains("standing down"));
    rig.epochs_only_rise();
    let leverage = rig.setup.max_gross_leverage.parse().unwrap();
    let over = over_budget(&rig.venue.audit(), leverage);
    assert!(over.is_empty(), "{over:?}");
    rig.check();

    // The first is alive and takes the lead when nobody has it.
    let second = rig.epoch();
    b.hold(true);
    let at = b.kill();
    rig.when("the first leads again", at, |s| {
        holds(s, "a") && number(s, "epoch") > second
    });
    let back = rig.all_granted(at + 3 * S, TAKEN_BACK).unwrap();
    eprintln!(
        "granted again {:.2} s after the second was killed",
        secs(at, back)
    );
    rig.epochs_only_rise();
    rig.check();
}
