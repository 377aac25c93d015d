//! Contradictory inputs are unknown: the reason is shown, nothing is granted, and it ends with the contradiction.

use super::granting::report;
use crate::fixed::Qty;
use crate::guardian::testkit::*;
use crate::guardian::*;
use crate::messages::DenyReason;
use crate::order::{CancelTarget, VenuePosition};

const TWO: [&str; 2] = ["AUSDT", "BUSDT"];
const A: &str = "AUSDT";

/// Unknown, with this in the reason, as a Warning and without grants.
fn doubts(r: &mut Rig, words: &str) {
    let s = r.g.snapshot();
    let why = s.unknown.unwrap_or_default();
    assert!(why.contains(words), "{why:?}");
    assert!(!s.known && s.level >= LadderLevel::Warning);
    assert_eq!(
        denied(&r.ask("BUSDT", "t", "100")),
        DenyReason::AccountUnknown
    );
}

fn sure(r: &mut Rig) {
    let s = r.g.snapshot();
    assert_eq!(s.unknown, None);
    granted(&r.ask("BUSDT", "t", "100"));
}

/// Something makes the guardian read soon.
fn nudge(r: &mut Rig) {
    let to = ReplyTo::Query(CancelTarget::Order("x".into()));
    let unknown = VenueReply::Unknown {
        why: "timeout".into(),
        dead_after_ms: 0,
    };
    r.send(&GuardianEvent::Reply(A.into(), to, unknown));
}

#[test]
fn contracts_that_are_not_known_here_make_the_account_unknown_until_they_are_gone() {
    let mut r = Rig::new(&TWO).ready();
    sure(&mut r);
    r.strange = vec!["XYZUSDT".into()];
    r.pass(9000);
    doubts(&mut r, "XYZUSDT");
    assert!(
        alerts(&r.out, "AccountUnknown")
            .iter()
            .any(|t| t.contains("XYZUSDT"))
    );
    r.strange.clear();
    r.pass(9000);
    sure(&mut r);
}

#[test]
fn a_position_that_two_reads_miss_is_unknown_until_the_stream_agrees_or_the_reads_stand() {
    for stream in [true, false] {
        let mut r = Rig::new(&TWO).ready();
        r.protected(A, 1_000, "100");
        r.pass(1000);
        sure(&mut r);
        // Gone at the venue, and no frame has said so.
        r.venue.clear();
        nudge(&mut r);
        r.pass(100);
        assert_eq!(
            r.g.snapshot().unknown,
            None,
            "one read may have crossed a frame"
        );
        r.pass(1100);
        doubts(&mut r, "AUSDT: the reads say flat, the stream said long");
        if stream {
            r.position(A, 0, "0");
        } else {
            r.pass(3000);
            doubts(&mut r, "AUSDT");
            r.pass(16_000);
        }
        sure(&mut r);
    }
}

#[test]
fn a_position_that_two_reads_show_and_the_stream_calls_flat_is_unknown_until_the_socket_is_new() {
    let mut r = Rig::new(&TWO).ready();
    r.protected(A, 1_000, "100");
    r.position(A, 0, "0");
    r.pass(1000);
    let v = r.venue.entry(A.into()).or_default();
    v.position = VenuePosition {
        qty: Qty(2_000),
        entry_price: d("100"),
        isolated: false,
        update_ms: r.now.market_ms + 1,
    };
    nudge(&mut r);
    r.pass(1300);
    doubts(&mut r, "AUSDT: the reads say long, the stream said flat");
    assert!(r.g.snapshot().positions.contains_key(A), "the read counts");
    r.send(&GuardianEvent::AccountDown);
    r.pass(100);
    assert_eq!(r.g.snapshot().unknown, None);
}

#[test]
fn a_wallet_that_two_reads_gainsay_is_unknown() {
    let mut r = Rig::new(&TWO).ready();
    let event_ms = r.now.market_ms;
    let wallet = d("10000");
    r.send(&GuardianEvent::Balance {
        event_ms,
        wallet,
        transfer: None,
    });
    r.wallet = d("9950");
    nudge(&mut r);
    r.pass(1300);
    assert_eq!(r.g.snapshot().unknown, None, "half a percent");
    r.wallet = d("9700");
    nudge(&mut r);
    r.pass(2500);
    doubts(
        &mut r,
        "wallet balance: the reads say 9700, the stream said 10000",
    );
    let event_ms = r.now.market_ms;
    let wallet = d("9700");
    r.send(&GuardianEvent::Balance {
        event_ms,
        wallet,
        transfer: None,
    });
    sure(&mut r);
}

#[test]
fn a_worker_that_holds_something_else_than_a_fresh_read_shows_is_a_contradiction() {
    let mut r = Rig::new(&TWO).ready();
    let tell = |r: &mut Rig, position: &str, millis: u64| {
        for _ in 0..millis / 500 {
            let mut rep = report(A);
            rep.view.position = d(position);
            r.send(&GuardianEvent::Report(Box::new(rep)));
            r.pass(500);
        }
    };
    tell(&mut r, "1.5", 3000);
    assert_eq!(r.g.snapshot().unknown, None);
    tell(&mut r, "1.5", 1000);
    doubts(&mut r, "AUSDT: its worker holds 1.5, the account shows 0");
    tell(&mut r, "0", 500);
    sure(&mut r);
    // A worker that is silent, not ready or replaced says nothing.
    tell(&mut r, "1.5", 4000);
    doubts(&mut r, "AUSDT");
    r.pass(3500);
    sure(&mut r);
    granted(&r.ask(A, "its successor", "100"));
    tell(&mut r, "1.5", 5000);
    sure(&mut r);
}

#[test]
fn a_mark_far_from_its_index_recovers_with_the_next_sane_one() {
    let mut r = Rig::new(&TWO).ready();
    r.protected(A, 1_000, "100");
    let mut m = crate::market::MarkPrice {
        event_ms: 0,
        mark: d("100"),
        index: d("120"),
        funding_rate: d("0"),
        next_funding_ms: 0,
    };
    r.send(&GuardianEvent::Mark(A.into(), m));
    doubts(&mut r, "AUSDT: mark 100 is far from index 120");
    m.index = d("101");
    r.send(&GuardianEvent::Mark(A.into(), m));
    sure(&mut r);
}
