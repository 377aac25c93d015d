//! What people hear of the mild measures: entries cancelled, stops tightened.

use crate::fixed::Side;
use crate::guardian::testkit::*;
use crate::guardian::*;
use crate::order::{IdMaker, OrderStatus};

/// A Warning, with a resting entry in AUSDT.
fn warned() -> Rig {
    let mut r = Rig::new(&["AUSDT", "BUSDT", "CUSDT"]).ready();
    resting(&mut r, "AUSDT");
    for (s, lots) in [("AUSDT", 80_000), ("BUSDT", 160_000), ("CUSDT", 120_000)] {
        r.protected(s, lots, "100");
    }
    assert_eq!(r.g.snapshot().level, LadderLevel::Warning);
    r
}

fn resting(r: &mut Rig, symbol: &str) {
    let id = IdMaker::new(ACCOUNT, Role::Worker, "uid-ns/nobi", symbol, 1).next_id();
    r.order_update(symbol, &id, Side::Buy, OrderStatus::New, 10, 0);
}

#[test]
fn people_hear_once_an_episode_whose_entries_are_cancelled_and_of_later_ones_together() {
    let mut r = warned();
    r.pass(9000);
    let told = alerts(&r.out, "EntriesCancelled");
    assert_eq!(
        told.len(),
        1,
        "cancels are repeated, words are not: {told:?}"
    );
    assert!(told[0].ends_with("%): AUSDT"), "{told:?}");
    for s in ["CUSDT", "BUSDT"] {
        resting(&mut r, s);
        r.pass(100);
    }
    r.pass(2000);
    let told = alerts(&r.out, "EntriesCancelled");
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[1].ends_with("%): BUSDT, CUSDT"), "{told:?}");
}

#[test]
fn a_new_episode_is_told_of_anew() {
    let mut r = Rig::new(&["AUSDT"]).ready();
    let latch = |r: &mut Rig, set| {
        let name = "pause".into();
        r.send(&GuardianEvent::Latch { name, set });
    };
    for episodes in 1..=2 {
        resting(&mut r, "AUSDT");
        latch(&mut r, true);
        r.pass(3000);
        assert_eq!(alerts(&r.out, "EntriesCancelled").len(), episodes);
        latch(&mut r, false);
        r.pass(100);
    }
    assert_eq!(
        alerts(&r.out, "EntriesCancelled")[0],
        "entries cancelled (halted): AUSDT"
    );
}

#[test]
fn people_hear_once_which_stops_are_tightened_in_what_order() {
    let mut r = warned();
    r.pass(15_000);
    let told = alerts(&r.out, "StopsTightened");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].ends_with(": BUSDT, CUSDT, AUSDT"), "{told:?}");
    let quiet = Rig::new(&["AUSDT"]).ready();
    assert!(alerts(&quiet.out, "StopsTightened").is_empty());
}
