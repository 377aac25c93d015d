//! The elector, step by step.
#![allow(clippy::unwrap_used)]

use super::*;
use std::time::Duration;

const S: u64 = NS_PER_S;
const MS: u64 = S / 1000;

fn at(mono_ns: u64) -> At {
    // A wall clock that goes backwards: nothing may depend on it.
    let wall = MicroTime::from_unix_us(1_700_000_000_000_000 - (mono_ns / 1000) as i64);
    At { mono_ns, wall }
}

fn elector(identity: &str) -> Elector {
    Elector::new(identity, Times::default()).unwrap()
}

fn v(s: &str) -> Version {
    Version(s.into())
}

fn held(by: Option<&str>, seconds: u32, transitions: u64) -> LeaseRecord {
    LeaseRecord {
        holder_identity: by.map(str::to_string),
        lease_duration_seconds: seconds,
        acquire_time: None,
        renew_time: None,
        lease_transitions: transitions,
    }
}

fn found(r: &LeaseRecord, version: &str) -> Input {
    Input::ReadDone(Ok(Some((r.clone(), v(version)))))
}

fn written(version: &str) -> Input {
    Input::WriteDone(Ok(v(version)))
}

fn write_of(out: &[Output]) -> (Option<Version>, LeaseRecord) {
    match out.last() {
        Some(Output::Write(expected, r)) => (expected.clone(), r.clone()),
        other => panic!("expected a write, got {other:?}"),
    }
}

/// An elector that leads term 4 since 10 s, renewal sent at 10 s.
fn leader() -> (Elector, LeaseRecord) {
    let mut e = elector("a");
    assert_eq!(e.step(at(10 * S), Input::Tick), [Output::Read]);
    let out = e.step(at(10 * S), found(&held(None, 1, 3), "3"));
    let (expected, r) = write_of(&out);
    assert_eq!((expected, r.lease_transitions), (Some(v("3")), 4));
    assert_eq!((r.holder(), r.lease_duration_seconds), (Some("a"), 6));
    let until = 13 * S;
    assert_eq!(
        e.step(at(10 * S + 50 * MS), written("4")),
        [Output::Became {
            transitions: 4,
            until
        }]
    );
    assert!(!e.waited_out(), "it was handed over");
    (e, r)
}

#[test]
fn a_held_lease_is_taken_only_after_the_whole_duration_without_a_change() {
    let mut e = elector("b");
    let r = held(Some("a"), 6, 3);
    e.step(at(100 * S), Input::Tick);
    // Seen first at 100.2 s, when the answer came.
    assert_eq!(e.step(at(100 * S + 200 * MS), found(&r, "x")), []);
    for s in 102..=105 {
        assert_eq!(e.step(at(s * S), Input::Tick), [Output::Read]);
        assert_eq!(e.step(at(s * S), found(&r, "x")), [], "{s}");
    }
    // Renewed: from now on anew.
    assert_eq!(e.step(at(106 * S + 100 * MS), Input::Tick), [Output::Read]);
    assert_eq!(e.step(at(106 * S + 100 * MS), found(&r, "y")), []);
    assert_eq!(e.step(at(112 * S), Input::Tick), [Output::Read]);
    assert_eq!(e.step(at(112 * S + 50 * MS), found(&r, "y")), []);
    // The next look is asked for as soon as it can be taken, not a poll later.
    assert_eq!(e.next_ns(), 112 * S + 100 * MS);
    e.step(at(112 * S + 100 * MS), Input::Tick);
    let out = e.step(at(112 * S + 110 * MS), found(&r, "y"));
    let (expected, taken) = write_of(&out);
    assert_eq!(expected, Some(v("y")));
    assert_eq!((taken.holder(), taken.lease_transitions), (Some("b"), 4));
}

#[test]
fn the_longer_of_both_durations_counts() {
    let mut e = elector("b");
    let r = held(Some("a"), 20, 3);
    e.step(at(0), Input::Tick);
    e.step(at(0), found(&r, "x"));
    e.step(at(19 * S), Input::Tick);
    assert_eq!(e.step(at(19 * S), found(&r, "x")), []);
    e.step(at(20 * S), Input::Tick);
    write_of(&e.step(at(20 * S), found(&r, "x")));
}

#[test]
fn a_failed_look_takes_nothing() {
    let mut e = elector("b");
    e.step(at(0), Input::Tick);
    e.step(at(0), found(&held(Some("a"), 6, 3), "x"));
    for s in [5, 50, 500] {
        assert_eq!(e.step(at(s * S), Input::Tick), [Output::Read]);
        let damaged = Input::ReadDone(Err(LeaseError::Damaged("f".into())));
        assert_eq!(e.step(at(s * S), damaged), []);
    }
}

#[test]
fn a_leader_renews_and_its_end_counts_from_the_sending() {
    let (mut e, first) = leader();
    assert_eq!(e.next_ns(), 11 * S);
    let (expected, r) = write_of(&e.step(at(11 * S), Input::Tick));
    assert_eq!(expected, Some(v("4")));
    assert_eq!(r.acquire_time, first.acquire_time);
    assert_ne!(r.renew_time, first.renew_time);
    assert_eq!(r.lease_transitions, 4);
    let until = 14 * S;
    assert_eq!(
        e.step(at(11 * S + 900 * MS), written("5")),
        [Output::Renewed { until }]
    );
}

#[test]
fn without_a_renewal_the_lead_ends_by_itself() {
    let (mut e, _) = leader();
    write_of(&e.step(at(11 * S), Input::Tick));
    assert_eq!(
        e.next_ns(),
        13 * S,
        "with a write under way, the end is next"
    );
    assert_eq!(e.step(at(13 * S - 1), Input::Tick), []);
    assert_eq!(
        e.step(at(13 * S), Input::Tick),
        [Output::Lost { why: Why::Deadline }]
    );
    assert_eq!(e.lead(), None);
}

#[test]
fn after_a_pause_the_loss_comes_before_the_answer_that_waited_and_the_next_term_has_a_new_number() {
    let (mut e, _) = leader();
    let (_, renewal) = write_of(&e.step(at(11 * S), Input::Tick));
    let out = e.step(at(30 * S), written("5"));
    assert_eq!(out[0], Output::Lost { why: Why::Deadline });
    // Nobody took it: it is still its own, so it need not be observed. But first it looks.
    assert_eq!(out[1..], [Output::Write(Some(v("5")), write_of(&out).1)]);
    let (_, again) = write_of(&out);
    assert_eq!(again.lease_transitions, renewal.lease_transitions + 1);
    // The same, but somebody took it.
    let (mut e, _) = leader();
    write_of(&e.step(at(11 * S), Input::Tick));
    let out = e.step(at(30 * S), Input::WriteDone(Err(LeaseError::Conflict)));
    assert_eq!(out, [Output::Lost { why: Why::Deadline }]);
    assert_eq!(e.step(at(31 * S), Input::Tick), [Output::Read]);
    assert_eq!(e.step(at(31 * S), found(&held(Some("b"), 6, 5), "9")), []);
    assert_eq!(e.holder(), Some("b"));
}

#[test]
fn a_renewal_whose_answer_was_lost_is_recognised() {
    let (mut e, _) = leader();
    let (_, renewal) = write_of(&e.step(at(11 * S), Input::Tick));
    let lost = Input::WriteDone(Err(LeaseError::Timeout));
    assert_eq!(e.step(at(11 * S + 700 * MS), lost), []);
    assert_eq!(e.step(at(12 * S), Input::Tick), [Output::Read]);
    let out = e.step(at(12 * S), found(&renewal, "5"));
    assert_eq!(write_of(&out).0, Some(v("5")));
    assert_eq!(out.len(), 1, "seeing it is no renewal");
}

#[test]
fn a_leader_that_sees_another_term_ends_at_once_even_under_its_own_name() {
    for by in ["b", "a"] {
        let (mut e, _) = leader();
        write_of(&e.step(at(11 * S), Input::Tick));
        e.step(at(11 * S), Input::WriteDone(Err(LeaseError::Conflict)));
        e.step(at(12 * S), Input::Tick);
        let why = Why::Taken(Some(by.to_string()));
        assert_eq!(
            e.step(at(12 * S), found(&held(Some(by), 6, 4), "9")),
            [Output::Lost { why }]
        );
    }
}

#[test]
fn a_record_that_vanished_is_written_again_by_its_leader_and_led_by_nobody_else_for_the_duration() {
    let (mut e, _) = leader();
    e.step(at(11 * S), Input::Tick);
    e.step(at(11 * S), Input::WriteDone(Err(LeaseError::Conflict)));
    e.step(at(12 * S), Input::Tick);
    let (expected, r) = write_of(&e.step(at(12 * S), Input::ReadDone(Ok(None))));
    assert_eq!((expected, r.lease_transitions), (None, 4));

    let mut b = elector("b");
    b.step(at(12 * S), Input::Tick);
    let (expected, vacant) = write_of(&b.step(at(12 * S), Input::ReadDone(Ok(None))));
    assert_eq!((expected, vacant.holder()), (None, None));
    assert_eq!(b.step(at(12 * S), written("v")), []);
    b.step(at(17 * S), Input::Tick);
    assert_eq!(b.step(at(17 * S), found(&vacant, "v")), []);
    b.step(at(18 * S), Input::Tick);
    write_of(&b.step(at(18 * S), found(&vacant, "v")));
}

#[test]
fn a_released_record_from_an_older_term_proves_nothing() {
    let mut e = elector("b");
    e.step(at(0), Input::Tick);
    e.step(at(0), found(&held(Some("a"), 6, 7), "x"));
    e.step(at(S), Input::Tick);
    assert_eq!(e.step(at(S), found(&held(None, 1, 6), "old")), []);
    // Term 7's own release does.
    e.step(at(2 * S), Input::Tick);
    let (_, r) = write_of(&e.step(at(2 * S), found(&held(None, 1, 7), "y")));
    assert_eq!(r.lease_transitions, 8);
}

#[test]
fn a_release_ends_the_lead_first_and_then_frees_the_record() {
    let (mut e, _) = leader();
    let out = e.step(at(10 * S + 500 * MS), Input::Release);
    assert_eq!(out[0], Output::Lost { why: Why::Released });
    let (expected, r) = write_of(&out);
    assert_eq!(expected, Some(v("4")));
    assert_eq!(
        (r.holder(), r.lease_duration_seconds, r.lease_transitions),
        (None, 1, 4)
    );
    assert!(!e.is_done());
    assert_eq!(e.step(at(11 * S), written("5")), []);
    assert!(e.is_done());
}

#[test]
fn a_release_during_a_renewal_waits_for_its_answer() {
    let (mut e, _) = leader();
    write_of(&e.step(at(11 * S), Input::Tick));
    assert_eq!(
        e.step(at(11 * S), Input::Release),
        [Output::Lost { why: Why::Released }]
    );
    let (expected, r) = write_of(&e.step(at(11 * S + 100 * MS), written("5")));
    assert_eq!((expected, r.holder()), (Some(v("5")), None));
}

#[test]
fn a_candidate_that_is_released_just_ends() {
    let mut e = elector("b");
    assert_eq!(e.step(at(0), Input::Release), []);
    assert!(e.is_done());
}

#[test]
fn impossible_setups_are_refused() {
    assert!(matches!(
        Elector::new("", Times::default()),
        Err(SetupError::EmptyIdentity)
    ));
    let bad = |duration, renew_every, renew_deadline| Times {
        duration: Duration::from_millis(duration),
        renew_every: Duration::from_millis(renew_every),
        renew_deadline: Duration::from_millis(renew_deadline),
    };
    for t in [
        bad(6000, 1000, 6000),
        bad(6000, 3000, 3000),
        bad(6000, 0, 3000),
        bad(6500, 1000, 3000),
        bad(1000, 100, 500),
    ] {
        assert!(Elector::new("a", t).is_err(), "{t:?}");
    }
}

#[test]
fn after_a_record_was_written_anew_and_the_lead_lost_even_the_own_record_is_observed() {
    let (mut e, _) = leader();
    e.step(at(11 * S), Input::Tick);
    e.step(at(11 * S), Input::WriteDone(Err(LeaseError::Conflict)));
    e.step(at(12 * S), Input::Tick);
    let (_, anew) = write_of(&e.step(at(12 * S), Input::ReadDone(Ok(None))));
    e.step(at(12 * S), Input::WriteDone(Err(LeaseError::Timeout)));
    // It landed long after; in between another may have led and its record been deleted.
    let out = e.step(at(25 * S), Input::Tick);
    assert_eq!(out[0], Output::Lost { why: Why::Deadline });
    assert_eq!(e.step(at(25 * S), found(&anew, "late")), []);
    e.step(at(31 * S), Input::Tick);
    write_of(&e.step(at(31 * S), found(&anew, "late")));
}
