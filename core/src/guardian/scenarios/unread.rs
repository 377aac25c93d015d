//! A state that can't be read for now, and a fence that nobody acknowledges: nothing is granted, everything is guarded.

use crate::guardian::testkit::*;
use crate::guardian::*;
use crate::messages::DenyReason;

/// Leads as a standby does that could not read the state.
fn unread() -> Rig {
    let mut r = Rig::new(&["BTCUSDT"]).standby();
    let why = "too many open files".into();
    r.send(&GuardianEvent::StateUnread { why });
    r.send(&GuardianEvent::Lead {
        epoch: 5,
        until_ns: None,
    });
    r.pass(9000);
    r
}

fn persists(out: &[GuardianEffect]) -> bool {
    out.iter().any(|e| matches!(e, GuardianEffect::Persist(_)))
}

#[test]
fn a_state_that_can_not_be_read_is_neither_lost_nor_written_over_and_nothing_is_granted() {
    let mut r = unread();
    assert_eq!(denied(&r.ask("BTCUSDT", "t", "1000")), DenyReason::NotReady);
    assert!(r.g.latches().is_empty(), "a passing error is no lost state");
    assert_eq!(alerts(&r.out, "StateUnread").len(), 1);
    assert!(alerts(&r.out, "StateNotWritten").is_empty());
    let out = r.send(&GuardianEvent::Follow);
    assert!(!persists(&r.out) && !persists(&out));
    assert!(r.g.handed_over(), "there is nothing to hand over");
}

#[test]
fn the_latches_are_in_force_again_once_the_state_is_read_and_then_it_is_written() {
    let mut r = unread();
    r.position("BTCUSDT", 10, "100");
    r.send(&GuardianEvent::Follow);
    let mut state = GuardianState {
        epoch: 9,
        ..GuardianState::default()
    };
    state.latches.insert(KILL.into(), 1);
    r.send(&GuardianEvent::State(Box::new(state)));
    let out = r.send(&GuardianEvent::Lead {
        epoch: 6,
        until_ns: None,
    });
    let written = written(&out);
    assert_eq!(written.epoch, 10, "above the one that was not known");
    assert!(written.latches.contains_key(KILL));
    assert_eq!(orders(&r.out).len(), 1, "the kill closes what is open");
    assert_eq!(
        alerts(&out, "StateRead"),
        ["the guardian's state is read; latches in force: [kill]"]
    );
    assert!(alerts(&r.pass(3000), "StateRead").is_empty());
}

#[test]
fn a_damaged_state_latches_and_stays_unwritten() {
    let mut r = Rig::new(&["BTCUSDT"]).standby();
    r.send(&GuardianEvent::StateMissing { transitions: 1 });
    let why = "no JSON".into();
    r.send(&GuardianEvent::StateUnread { why });
    r.send(&GuardianEvent::Lead {
        epoch: 1,
        until_ns: None,
    });
    r.pass(9000);
    assert_eq!(r.g.latches(), [STATE_LOST]);
    let name = STATE_LOST.into();
    r.send(&GuardianEvent::Latch { name, set: false });
    r.pass(1000);
    assert_eq!(denied(&r.ask("BTCUSDT", "t", "1000")), DenyReason::NotReady);
    assert!(!persists(&r.out));
}

#[test]
fn while_no_fence_is_acknowledged_nothing_is_granted_and_the_lead_goes_on() {
    let mut r = Rig::new(&["BTCUSDT"]).ready();
    granted(&r.ask("BTCUSDT", "t", "1000"));
    for _ in 0..3 {
        r.send(&GuardianEvent::FenceUnheard);
    }
    assert_eq!(denied(&r.ask("BTCUSDT", "t", "1000")), DenyReason::NotReady);
    assert_eq!(r.g.leads(), Some(1));
    assert_eq!(alerts(&r.out, "FenceUnheard").len(), 1, "told once");
    assert!(alerts(&r.out, "FenceHeard").is_empty());
    for _ in 0..3 {
        r.send(&GuardianEvent::FenceHeard);
    }
    granted(&r.ask("BTCUSDT", "t", "1000"));
    assert_eq!(alerts(&r.out, "FenceHeard").len(), 1);
}
