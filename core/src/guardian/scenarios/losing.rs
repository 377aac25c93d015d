//! A missing state: new account, or lost?

use super::granting::report;
use crate::fixed::Side;
use crate::guardian::testkit::*;
use crate::guardian::*;
use crate::messages::DenyReason;

const A: &str = "AUSDT";

fn missing(transitions: u64) -> Rig {
    let mut r = Rig::new(&[A]);
    r.send(&GuardianEvent::StateMissing { transitions });
    r
}

#[test]
fn a_new_account_without_any_past_begins() {
    let mut r = missing(0).ready();
    assert_eq!(alerts(&r.out, "StateNew").len(), 1);
    granted(&r.ask(A, "t", "1000"));
    r.pass(5000);
    assert_eq!(alerts(&r.out, "StateNew").len(), 1, "said once");
    // What it opens itself is no sign of an earlier life.
    r.protected(A, 1_000, "100");
    let mut rep = report(A);
    rep.epoch = 1;
    r.send(&GuardianEvent::Report(Box::new(rep)));
    r.pass(1000);
    assert!(r.g.latches().is_empty());
}

#[test]
fn any_sign_of_a_past_halts_until_a_person_releases_it_and_flattens_nothing() {
    for sign in 0..5 {
        let mut r = missing(u64::from(sign == 0));
        match sign {
            0 => {}
            1 => {
                r.protected(A, 1_000, "100");
            }
            2 => {
                let id = IdMaker::new(ACCOUNT, Role::Worker, "uid", A, 1).next_id();
                r.resting(A, &id, 10, 900);
            }
            3 => {
                r.anchor(A, Side::Sell, 900);
            }
            _ => {
                let mut rep = report(A);
                rep.epoch = 9;
                r.send(&GuardianEvent::Report(Box::new(rep)));
            }
        }
        let mut r = r.ready();
        r.pass(6000);
        assert_eq!(r.g.latches(), [STATE_LOST], "sign {sign}");
        assert_eq!(alerts(&r.out, "StateLost").len(), 1);
        assert!(orders(&r.out).is_empty(), "halted, not flattened");
        assert_eq!(denied(&r.ask(A, "t", "1000")), DenyReason::Halted);
        assert!(written(&r.out).latches.contains_key(STATE_LOST));
        r.venue.clear();
        r.send(&GuardianEvent::Latch {
            name: STATE_LOST.into(),
            set: false,
        });
        r.pass(10_000);
        assert!(r.g.latches().is_empty(), "released for good");
    }
}

#[test]
fn a_worker_that_speaks_of_a_past_later_is_believed_too() {
    let mut r = missing(0).ready();
    granted(&r.ask(A, "t", "1000"));
    let mut q = r.question(A, "ns/nobi", "t", "1000", "0");
    q.epoch_seen = 30;
    r.answer(q);
    r.pass(100);
    assert_eq!(r.g.latches(), [STATE_LOST]);
}

#[test]
fn a_state_that_another_leader_has_written_meanwhile_is_not_missing() {
    let mut r = missing(3);
    let state = GuardianState {
        epoch: 4,
        ..GuardianState::default()
    };
    r.send(&GuardianEvent::State(Box::new(state)));
    let mut r = r.ready();
    r.pass(6000);
    granted(&r.ask(A, "t", "1000"));
}
