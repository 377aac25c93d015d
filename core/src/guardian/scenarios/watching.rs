//! What the account looks like: strangers, doubts, the watchlist, the snapshot.

use super::granting::{candidate, report};
use super::published;
use crate::guardian::testkit::*;
use crate::guardian::*;
use crate::messages::{Command, DenyReason, WorkerReport};
use crate::order::VenueState;
use crate::watchlist::Candidate;

const TWO: [&str; 2] = ["BTCUSDT", "ETHUSDT"];

#[test]
fn an_external_order_or_position_stops_grants_as_the_policy_says() {
    let stranger = |r: &mut Rig| {
        r.resting("ETHUSDT", &ClientId::from("web_abc"), 10, 900);
        r.pass(9000);
    };
    let mut r = Rig::new(&TWO).ready();
    stranger(&mut r);
    assert_eq!(denied(&r.ask("BTCUSDT", "t", "1000")), DenyReason::External);
    let mut c = config(&TWO);
    c.account.external_positions = ExternalPositions::Ignore;
    let mut r = Rig::with(c, GuardianState::default()).ready();
    stranger(&mut r);
    granted(&r.ask("BTCUSDT", "t", "1000"));
    assert_eq!(denied(&r.ask("ETHUSDT", "t", "1000")), DenyReason::External);
    // Another Helios under the same key fights us whatever the policy.
    let rival = IdMaker::new("other/account", Role::Worker, "u", "ETHUSDT", 5).next_id();
    r.venue.insert("ETHUSDT".into(), VenueState::default());
    r.resting("ETHUSDT", &rival, 10, 900);
    r.pass(9000);
    assert_eq!(denied(&r.ask("BTCUSDT", "t", "1000")), DenyReason::External);
}

#[test]
fn a_position_that_nothing_of_ours_explains_is_external_once_a_read_has_shown_it() {
    let mut r = Rig::new(&TWO).ready();
    r.position("ETHUSDT", 1_000, "100");
    r.pass(9000);
    assert_eq!(denied(&r.ask("BTCUSDT", "t", "1000")), DenyReason::External);
    assert!(stops(&r.out).is_empty(), "under Refuse it is left alone");
}

#[test]
fn an_isolated_position_stops_all_entries() {
    let mut r = Rig::new(&TWO).ready();
    r.protected("ETHUSDT", 1_000, "100");
    r.venue.get_mut("ETHUSDT").unwrap().position.isolated = true;
    r.now.market_ms += 1;
    r.venue.get_mut("ETHUSDT").unwrap().position.update_ms = r.now.market_ms;
    r.pass(9000);
    assert_eq!(denied(&r.ask("BTCUSDT", "t", "1000")), DenyReason::External);
}

#[test]
fn a_stale_socket_a_stale_mark_or_a_zero_balance_makes_the_account_unknown() {
    let mut r = Rig::new(&TWO).ready();
    r.protected("ETHUSDT", 1_000, "100");
    r.pass(500);
    granted(&r.ask("BTCUSDT", "t", "1000"));
    r.frames = false;
    r.pass(3100);
    assert_eq!(
        denied(&r.ask("BTCUSDT", "t", "1000")),
        DenyReason::AccountUnknown
    );
    r.send(&GuardianEvent::AccountAlive);
    assert_eq!(
        denied(&r.ask("BTCUSDT", "t", "1000")),
        DenyReason::AccountUnknown,
        "the mark is stale too"
    );
    r.mark("ETHUSDT", d("100"));
    granted(&r.ask("BTCUSDT", "t", "1000"));
    r.send(&GuardianEvent::Balance {
        event_ms: i64::MAX,
        wallet: Decimal::ZERO,
        transfer: None,
    });
    assert_eq!(
        denied(&r.ask("BTCUSDT", "t", "1000")),
        DenyReason::AccountUnknown
    );
    assert_eq!(r.g.snapshot().level, LadderLevel::Warning);
    r.send(&GuardianEvent::Balance {
        event_ms: i64::MAX,
        wallet: d("10000"),
        transfer: None,
    });
    r.send(&GuardianEvent::AccountDown);
    assert_eq!(
        denied(&r.ask("BTCUSDT", "t", "1000")),
        DenyReason::AccountUnknown
    );
}

#[test]
fn a_mark_far_from_its_index_is_a_contradiction() {
    let mut r = Rig::new(&TWO).ready();
    r.protected("ETHUSDT", 1_000, "100");
    let m = crate::market::MarkPrice {
        event_ms: 0,
        mark: d("100"),
        index: d("120"),
        funding_rate: d("0"),
        next_funding_ms: 0,
    };
    r.send(&GuardianEvent::Mark("ETHUSDT".into(), m));
    assert_eq!(
        denied(&r.ask("BTCUSDT", "t", "1000")),
        DenyReason::AccountUnknown
    );
}

#[test]
fn a_scan_chooses_by_rank_and_an_unwanted_symbol_with_a_position_is_drained() {
    let names = ["AUSDT", "BUSDT"];
    let mut c = config(&names);
    c.strategies[0].watchlist.symbols = vec![];
    c.strategies[0].watchlist.size = 1;
    let mut r = Rig::with(c, GuardianState::default()).ready();
    assert!(r.out.contains(&GuardianEffect::Scan));
    assert_eq!(
        denied(&r.ask("AUSDT", "t", "1000")),
        DenyReason::NotWanted,
        "no scan yet"
    );
    let scan = |a: f64, b: f64| GuardianEvent::Scanned {
        candidates: vec![
            Candidate {
                volatility_bp: a,
                ..candidate("AUSDT")
            },
            Candidate {
                volatility_bp: b,
                ..candidate("BUSDT")
            },
        ],
        correlations: vec![],
    };
    r.send(&scan(50.0, 20.0));
    assert_eq!(r.g.snapshot().wanted["ns/nobi"], ["AUSDT"]);
    granted(&r.ask("AUSDT", "a", "1000"));
    r.protected("AUSDT", 1_000, "100");
    let out = r.send(&scan(10.0, 60.0));
    assert_eq!(r.g.snapshot().wanted["ns/nobi"], ["BUSDT"]);
    assert_eq!(r.g.snapshot().drained["ns/nobi"], ["AUSDT"]);
    assert!(out.iter().any(|e| matches!(e, GuardianEffect::Command(s, Command::Drain { now: false, .. }) if &**s == "AUSDT")));
    assert_eq!(denied(&r.ask("AUSDT", "a", "1000")), DenyReason::NotWanted);
    r.position("AUSDT", 0, "0");
    assert!(r.g.snapshot().drained.is_empty());
}

#[test]
fn a_new_leader_says_nothing_of_what_a_watchlist_wants_and_drains_nothing_before_its_scan() {
    let mut c = config(&TWO);
    c.strategies[0].watchlist.symbols = vec![];
    c.strategies.push(strategy("ns/fixed", 0, &["ETHUSDT"]));
    let mut r = Rig::with(c, GuardianState::default()).ready();
    r.protected("BTCUSDT", 1_000, "100");
    let drains = |out: &[GuardianEffect]| {
        let drain = |e: &&GuardianEffect| matches!(e, GuardianEffect::Command(s, Command::Drain { .. }) if &**s == "BTCUSDT");
        out.iter().any(|e| drain(&e))
    };
    r.out.clear();
    r.pass(60_000);
    let s = r.g.snapshot();
    assert!(s.known && s.positions.contains_key("BTCUSDT"));
    assert_eq!(s.wanted.get("ns/nobi"), None, "not known");
    assert_eq!(s.wanted["ns/fixed"], ["ETHUSDT"], "it needs no scan");
    assert_eq!(
        s.drained["ns/nobi"],
        ["BTCUSDT"],
        "and its position is its own"
    );
    assert!(!drains(&r.out), "however long the scan takes");
    assert!(
        r.out.contains(&GuardianEffect::Scan),
        "it is asked for again"
    );
    let out = r.send(&GuardianEvent::Scanned {
        candidates: vec![],
        correlations: vec![],
    });
    assert!(r.g.snapshot().wanted["ns/nobi"].is_empty(), "nothing fits");
    assert!(drains(&out));
}

#[test]
fn a_rescan_is_asked_for_by_market_time() {
    let mut r = Rig::new(&TWO).ready();
    r.send(&GuardianEvent::Scanned {
        candidates: vec![candidate("BTCUSDT")],
        correlations: vec![],
    });
    r.out.clear();
    r.now.market_ms += 299_000;
    r.pass(500);
    assert!(!r.out.contains(&GuardianEffect::Scan));
    r.now.market_ms += 1_000;
    r.pass(100);
    assert!(r.out.contains(&GuardianEffect::Scan));
}

#[test]
fn the_snapshot_is_published_each_second_and_at_once_on_change() {
    let mut r = Rig::new(&TWO).ready();
    r.pass(3000);
    r.out.clear();
    r.pass(5000);
    assert_eq!(published(&r.out).len(), 5);
    let out = r.send(&GuardianEvent::Latch {
        name: KILL.into(),
        set: true,
    });
    let s = published(&out)[0];
    assert!(s.halted && s.latches == [KILL] && s.known);
}

#[test]
fn what_many_workers_say_of_themselves_in_a_moment_is_one_snapshot_soon() {
    let mut r = Rig::new(&TWO).ready();
    r.pass(3000);
    r.out.clear();
    r.pass(1000);
    assert_eq!(published(&r.out).len(), 1);
    // Two commits, close together.
    for generation in [4, 5] {
        for symbol in TWO {
            let report = WorkerReport {
                generation,
                ..report(symbol)
            };
            let out = r.send(&GuardianEvent::Report(Box::new(report)));
            assert!(published(&out).is_empty());
        }
    }
    r.out.clear();
    r.pass(250);
    let shown = published(&r.out);
    assert_eq!(shown.len(), 1, "{shown:?}");
    let acknowledged = &shown[0].acknowledged;
    assert!(acknowledged.len() == 2 && acknowledged.values().all(|g| *g == 5));
}
