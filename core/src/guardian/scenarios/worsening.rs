//! The account worsens while something about it is in doubt, or while its process changes: it is protected all the same.

use super::granting::report;
use super::ladder::{crash, exposed, levels, slide};
use crate::guardian::testkit::*;
use crate::guardian::*;

/// The doubt is there, prices fall to just below critical, and positions are reduced as without it.
fn is_reduced_in_doubt(r: &mut Rig, doubt: impl Fn(&mut Rig)) {
    for _ in 0..10 {
        doubt(r);
        r.pass(500);
    }
    assert!(r.g.unknown.is_some() && r.g.ladder.level() < LadderLevel::Critical);
    r.out.clear();
    let mut sent = 0;
    for mark in [
        "95", "91", "88", "86.4", "85.6", "85.1", "85.1", "85.1", "85.1", "85.1",
    ] {
        doubt(r);
        sent += crash(r, mark, "1000000", 2_000).len();
    }
    assert!(r.g.unknown.is_some());
    assert_eq!(levels(&r.out), [LadderLevel::Critical], "{}", r.g.ratio());
    assert!(sent >= 3, "{sent} slices");
    assert!(r.g.ratio() > d("20"), "{}", r.g.ratio());
}

#[test]
fn a_worker_that_tells_of_another_position_does_not_switch_the_protection_off() {
    let mut r = exposed();
    is_reduced_in_doubt(&mut r, |r| {
        let mut wrong = report("AUSDT");
        wrong.view.position = d("1");
        r.send(&GuardianEvent::Report(Box::new(wrong)));
    });
}

#[test]
fn a_contract_that_is_not_known_here_does_not_switch_the_protection_off() {
    let mut r = exposed();
    r.strange = vec!["XYZUSDT".into()];
    r.pass(9_000);
    is_reduced_in_doubt(&mut r, |_| {});
}

#[test]
fn a_mark_far_from_its_index_raises_nothing_itself_and_keeps_nothing_from_rising() {
    let mut c = config(&["AUSDT", "BUSDT", "CUSDT", "DUSDT"]);
    c.account.max_daily_loss_percent = d("99");
    c.account.max_drawdown_percent = d("99");
    let mut r = Rig::with(c, GuardianState::default()).ready();
    for (s, lots) in [("AUSDT", 190_000), ("BUSDT", 170_000), ("DUSDT", 20)] {
        r.protected(s, lots, "100");
        r.send(&GuardianEvent::Report(Box::new(report(s))));
    }
    // A mark that its index knows nothing of.
    r.index.insert("DUSDT".into(), d("300"));
    is_reduced_in_doubt(&mut r, |_| {});
}

#[test]
fn without_any_frame_the_ladder_goes_by_the_marks_of_the_reads() {
    let mut r = exposed();
    r.pass(1_000);
    r.frames = false;
    for m in r.marks.values_mut() {
        *m = d("83.4");
    }
    r.out.clear();
    r.pass(12_000);
    assert_eq!(levels(&r.out).first(), Some(&LadderLevel::Critical));
}

#[test]
fn marks_that_are_silent_for_fifteen_seconds_are_critical_when_reads_fail_too() {
    for reads in [true, false] {
        let mut r = exposed();
        r.pass(1_000);
        let silent = std::mem::take(&mut r.marks);
        r.reads = reads;
        r.out.clear();
        for _ in 0..140 {
            r.pass(100);
            if !reads {
                r.fail_read();
            }
        }
        assert_eq!(levels(&r.out), [], "not yet");
        for _ in 0..20 {
            r.pass(100);
            if reads {
                r.marks = silent.clone();
                let read = r.read();
                r.marks.clear();
                r.send(&read);
            } else {
                r.fail_read();
            }
        }
        let expected: &[_] = if reads { &[] } else { &[LadderLevel::Critical] };
        assert_eq!(levels(&r.out), expected);
    }
}

#[test]
fn a_balance_that_is_told_wrong_closes_nothing() {
    let mut r = exposed();
    r.pass(1_000);
    let event_ms = r.now.market_ms;
    let wallet = d("10000");
    r.send(&GuardianEvent::Balance {
        event_ms,
        wallet,
        transfer: None,
    });
    r.pass(100);
    // The stream says ten thousand, the reads a hundred.
    r.wallet = d("100");
    r.out.clear();
    r.pass(12_000);
    assert!(r.g.unknown.is_some(), "it is a contradiction");
    assert!(
        levels(&r.out).iter().all(|l| *l < LadderLevel::Critical),
        "{:?}",
        levels(&r.out)
    );
}

#[test]
fn a_maintenance_margin_dearer_at_the_exchange_counts_as_the_exchange_has_it() {
    let mut r = exposed();
    r.pass(1_000);
    let before = r.g.margin.unwrap();
    r.dearer = d("1.2");
    r.pass(9_000);
    let after = r.g.margin.unwrap();
    assert_eq!(r.g.unknown, None, "within what brackets may differ by");
    assert_eq!(after.maintenance, before.maintenance * d("1.2"));
    // Far from ours it is a contradiction, and counts all the same: over half of the balance is an Emergency.
    r.dearer = d("40");
    r.out.clear();
    r.pass(9_000);
    assert!(r.g.unknown.is_some());
    assert_eq!(
        r.g.margin.unwrap().maintenance,
        before.maintenance * d("10")
    );
    assert!(r.g.margin.unwrap().exchange_ratio() < d("50"));
    r.dearer = d("0.5");
    r.pass(9_000);
    assert_eq!(
        r.g.margin.unwrap().maintenance,
        before.maintenance,
        "cheaper counts as ours"
    );
}

#[test]
fn a_reduction_that_was_begun_goes_on_in_the_next_process() {
    let mut r = exposed();
    r.pass(1_000);
    for mark in ["95", "91", "88", "86.4", "85.6"] {
        slide(&mut r, mark);
    }
    crash(&mut r, "85.1", "1000000", 100);
    assert_eq!(r.g.ladder.level(), LadderLevel::Critical);
    let written = r.out.iter().rev().find_map(|e| match e {
        GuardianEffect::Persist(s) => Some((**s).clone()),
        _ => None,
    });
    let state = written.unwrap();
    assert_eq!(state.level, LadderLevel::Critical);
    assert!(r.g.ratio() > d("15"), "above critical by the first slices");
    let mut next = Rig::with(r.g.config.clone(), state.clone());
    next.now = r.now;
    next.venue = r.venue.clone();
    next.marks = r.marks.clone();
    next.wallet = r.wallet;
    let mut next = next.ready();
    let sent = crash(&mut next, "85.1", "1000000", 3_000);
    assert!(!sent.is_empty(), "slices go on");
    assert!(next.g.ratio() >= d("34.9"), "{}", next.g.ratio());
    assert_eq!(next.g.ladder.level(), LadderLevel::Critical, "not calm yet");
    crash(&mut next, "85.1", "1000000", 11_000);
    assert_eq!(next.g.ladder.level(), LadderLevel::Normal);
    let last = next.out.iter().rev().find_map(|e| match e {
        GuardianEffect::Persist(s) => Some(s.level),
        _ => None,
    });
    assert_eq!(last, Some(LadderLevel::Normal));
    // As read after the lock was taken, too.
    let mut standby = Rig::with(r.g.config.clone(), GuardianState::default()).standby();
    standby.send(&GuardianEvent::State(Box::new(state)));
    assert_eq!(standby.g.ladder.level(), LadderLevel::Critical);
}

#[test]
fn a_mark_that_its_index_gainsays_closes_nothing() {
    let mut r = exposed();
    r.index.insert("CUSDT".into(), d("100"));
    r.out.clear();
    // Of ten thousand, 7,200 would be gone.
    r.mark("CUSDT", d("10"));
    r.pass(12_000);
    assert!(r.g.unknown.is_some());
    assert!(r.g.ladder.level() < LadderLevel::Critical);
    assert!(
        !r.out
            .iter()
            .any(|e| matches!(e, GuardianEffect::Place { .. }))
    );
}

#[test]
fn a_daily_loss_in_doubt_is_latched_when_the_doubt_has_shown_it_for_ten_seconds() {
    let mut c = config(&["AUSDT"]);
    c.account.max_daily_loss_percent = d("5");
    let mut r = Rig::with(c, GuardianState::default()).ready();
    r.protected("AUSDT", 100_000, "100");
    r.send(&GuardianEvent::Report(Box::new(report("AUSDT"))));
    r.pass(1_000);
    r.strange = vec!["XYZUSDT".into()];
    r.pass(9_000);
    assert!(r.g.unknown.is_some());
    let peak = r.g.state.peak_equity;
    r.mark("AUSDT", d("120"));
    r.pass(1_000);
    assert_eq!(r.g.state.peak_equity, peak, "a gain in doubt is none");
    r.mark("AUSDT", d("94"));
    r.pass(9_000);
    r.mark("AUSDT", d("96"));
    r.pass(1_000);
    r.mark("AUSDT", d("94"));
    r.pass(9_000);
    assert!(r.g.latches().is_empty(), "not for ten seconds in a row");
    r.pass(4_000);
    assert_eq!(r.g.latches(), ["dailyLoss"]);
}
