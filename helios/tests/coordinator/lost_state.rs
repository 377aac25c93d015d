//! The guardian's own state is gone or damaged: stops stand and are kept, and nobody takes risk until a person has looked.

use crate::rig::audit::What;
use crate::rig::check::DEADLINE;
use crate::rig::clock::{Ns, S, now, until};
use crate::rig::more::{PATIENCE, holding, latched, number};
use crate::rig::{RECOVERY, Rig, Setup, wait};
use helios_core::order::client_id::{Role, parse};
use helios_core::order::{CancelTarget, ClientId, VenueReply};
use std::collections::BTreeSet;
use std::time::Duration;

/// A report of before may be read so late.
const SAID: Ns = 3 * S;
/// Longer than any wait of a new leader.
const LONG: Ns = 7 * S;

fn recovery() -> Duration {
    Duration::from_nanos(RECOVERY)
}

#[test]
fn a_guardian_that_lost_its_state_takes_no_risk_until_a_person_releases_it() {
    let rig = Rig::start(Setup {
        seed: 31,
        ..holding()
    });
    rig.wait_held();
    let (epoch, file) = (rig.epoch(), rig.path("state/guardian.json"));
    let held = rig.held();
    let at = rig.while_down(|| std::fs::remove_file(&file).unwrap());

    let s = rig.when("stateLost", at, |s| {
        latched(s, "stateLost") && s["known"] == true && number(s, "epoch") > epoch
    });
    assert_eq!(s.value["halted"], true);
    until(s.at + LONG);
    assert!(latched(&rig.snapshot().unwrap().value, "stateLost"));
    rig.no_risk(at + DEADLINE, now(), "the state is lost");
    rig.no_grant(at + SAID, now(), "the state is lost");
    let leader = rig.leader().name().to_string();
    let told = rig.alerts(&leader);
    assert!(
        told.iter()
            .any(|a| a["code"] == "StateLost" && a["severity"] == "critical"),
        "{told:?}"
    );
    // Held on, under stops: a lost state flattens nothing.
    let still = rig.held();
    assert!(held.keys().any(|s| still.contains_key(s)), "{still:?}");
    rig.check();

    let released = now();
    rig.person(&["release", "state-lost"]);
    rig.no_risk(at + DEADLINE, released, "the state is lost");
    rig.all_granted(released, recovery()).unwrap();
    assert!(!latched(&rig.snapshot().unwrap().value, "stateLost"));
    rig.check();
}

/// Working `closePosition` stops of a symbol, by client id.
fn anchors(rig: &Rig, symbol: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for e in rig.venue.audit().iter().filter(|e| e.symbol == symbol) {
        if let What::Algo {
            status,
            anchor: true,
            ..
        } = e.what
        {
            if status.is_working() {
                all.insert(e.client_id.clone());
            } else {
                all.remove(&e.client_id);
            }
        }
    }
    all
}

fn by_coordinator(id: &str) -> bool {
    parse(&ClientId::from(id)).is_some_and(|p| p.role == Role::Coordinator)
}

#[test]
fn a_guardian_whose_state_is_damaged_takes_no_risk_and_still_guards() {
    let rig = Rig::start(Setup {
        seed: 32,
        ..holding()
    });
    let symbol = rig.wait_held();
    let (epoch, file) = (rig.epoch(), rig.path("state/guardian.json"));
    let mut whole = Vec::new();
    let at = rig.while_down(|| {
        whole = std::fs::read(&file).unwrap();
        std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    });
    rig.when("a leader", at, |s| {
        s["known"] == true && number(s, "epoch") > epoch
    });

    // Its worker is dead and its stop is taken away: the coordinator places one.
    let worker = &rig.workers[&symbol];
    worker.hold(true);
    worker.kill();
    let taken = anchors(&rig, &symbol);
    assert!(!taken.is_empty() && rig.held().contains_key(&symbol));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let hand = rig.venue.hand().await;
        for id in &taken {
            hand.rest.sync_clock().await.unwrap();
            let target = CancelTarget::Stop(ClientId::from(id.as_str()));
            let reply = hand.rest.cancel(&hand.contracts[&symbol], &target).await;
            assert!(matches!(reply, VenueReply::Accepted { .. }), "{reply:?}");
        }
    });
    let placed = wait("the coordinator's stop", PATIENCE, || {
        let now = anchors(&rig, &symbol);
        now.iter().any(|id| by_coordinator(id)).then_some(())
    });
    assert!(placed.is_some(), "{symbol} was left without a stop");
    until(at + LONG + SAID);
    rig.no_risk(at + DEADLINE, now(), "the state is damaged");
    rig.no_grant(at + SAID, now(), "the state is damaged");
    assert_eq!(
        std::fs::read(&file).unwrap(),
        &whole[..whole.len() / 2],
        "what could not be read was written over"
    );
    rig.check();

    // Mended by a person.
    rig.while_down(|| std::fs::write(&file, &whole).unwrap());
    worker.hold(false);
    rig.all_granted(now(), 2 * recovery()).unwrap();
    rig.check();
}
