//! Leads that end, begin and are handed over; epochs.

use crate::guardian::testkit::*;
use crate::guardian::*;
use crate::messages::{DenyReason, GrantReply};

const TWO: [&str; 2] = ["BTCUSDT", "ETHUSDT"];

/// Leading under a lock that must be renewed within 3 s.
fn locked() -> Rig {
    let mut r = Rig::new(&TWO);
    r.send(&GuardianEvent::Start);
    r.lead(1, 3000);
    r.pass(100);
    r
}

fn acts(out: &[GuardianEffect]) -> bool {
    out.iter().any(|e| {
        !matches!(
            e,
            GuardianEffect::Alert(_)
                | GuardianEffect::Reply { .. }
                | GuardianEffect::Reconcile { .. }
                | GuardianEffect::Ladder { .. }
                | GuardianEffect::Scan
        )
    })
}

/// The lead is given up in peace; what was written last, and a standby that has read it.
fn successor(from: &mut Rig) -> Rig {
    let out = from.send(&GuardianEvent::Follow);
    assert!(from.g.handed_over());
    let state = written(&out);
    let mut next = Rig::with(from.g.config.clone(), GuardianState::default());
    next.now = from.now;
    next.wallet = from.wallet;
    next.venue = from.venue.clone();
    let mut next = next.standby();
    next.send(&GuardianEvent::State(Box::new(state)));
    next
}

#[test]
fn a_grant_never_outlives_the_renew_deadline_and_one_too_short_is_none() {
    let mut r = locked();
    assert_eq!(granted(&r.ask("BTCUSDT", "t", "1000")).length_ms, 2000);
    r.pass(1700);
    assert_eq!(granted(&r.ask("BTCUSDT", "t", "1000")).length_ms, 1200);
    r.pass(900);
    assert_eq!(granted(&r.ask("BTCUSDT", "t", "1000")).length_ms, 300);
    r.pass(100);
    assert_eq!(denied(&r.ask("BTCUSDT", "t", "1000")), DenyReason::NotReady);
    r.renew(3000);
    assert_eq!(granted(&r.ask("BTCUSDT", "t", "1000")).length_ms, 2000);
}

#[test]
fn a_stopped_leader_wakes_as_a_follower_whatever_it_hears_first() {
    for first in 0..4 {
        let mut r = locked();
        r.protected("ETHUSDT", 10_000, "100");
        r.pass(200);
        r.stop(2700);
        let until_ns = r.now.mono_ns + ms(3000);
        let event = match first {
            0 => GuardianEvent::GrantRequested(r.question("BTCUSDT", "ns/nobi", "t", "1000", "0")),
            1 => GuardianEvent::Latch {
                name: KILL.into(),
                set: true,
            },
            2 => GuardianEvent::Renewed { until_ns },
            _ => GuardianEvent::Tick,
        };
        let out = r.send(&event);
        assert!(!acts(&out), "{event:?}: {out:?}");
        assert_eq!(alerts(&out, "LeadershipLapsed").len(), 1);
        r.renew(3000);
        let out = r.pass(1000);
        assert!(!acts(&out) && r.g.leads().is_none());
        assert_eq!(denied(&r.ask("BTCUSDT", "t", "1000")), DenyReason::NotReady);
    }
}

#[test]
fn who_leads_again_with_nobody_in_between_keeps_its_promises_and_grants_at_once() {
    let mut r = locked();
    granted(&r.ask("BTCUSDT", "b", "10000"));
    granted(&r.ask("ETHUSDT", "e", "10000"));
    r.stop(3500);
    r.pass(100);
    assert!(r.g.leads().is_none());
    r.lead(2, 3000);
    let reply = r.ask("BTCUSDT", "other", "10000");
    assert_eq!(denied(&reply), DenyReason::Reserved, "the promise stands");
    assert_eq!(granted(&r.ask("ETHUSDT", "e", "10000")).epoch, 2);
}

#[test]
fn who_leads_again_after_another_waits_for_that_ones_grants() {
    let mut r = locked();
    r.stop(3500);
    r.pass(100);
    let other = GuardianState {
        epoch: 2,
        ..r.g.state.clone()
    };
    r.send(&GuardianEvent::State(Box::new(other)));
    r.lead(3, 60_000);
    r.pass(3900);
    assert_eq!(denied(&r.ask("BTCUSDT", "t", "1000")), DenyReason::NotReady);
    r.pass(1200);
    assert_eq!(granted(&r.ask("BTCUSDT", "t", "1000")).epoch, 3);
}

#[test]
fn a_lock_that_ran_out_by_time_needs_a_read_and_no_wait() {
    let state = GuardianState {
        epoch: 4,
        ..GuardianState::default()
    };
    let mut r = Rig::with(config(&TWO), state).standby();
    r.reads = false;
    r.send(&GuardianEvent::LockRanOut);
    r.lead(5, 60_000);
    assert!(r.g.picture.asked_at.is_some(), "asked for at once");
    assert_eq!(denied(&r.ask("BTCUSDT", "t", "1000")), DenyReason::NotReady);
    let read = r.read();
    r.send(&read);
    assert_eq!(granted(&r.ask("BTCUSDT", "t", "1000")).epoch, 5);
}

#[test]
fn a_handover_in_peace_has_no_gap_and_carries_every_promise() {
    let mut a = locked();
    granted(&a.ask("BTCUSDT", "b", "9000"));
    let mut b = successor(&mut a);
    assert_eq!(denied(&a.ask("BTCUSDT", "b", "1000")), DenyReason::NotReady);
    let out = b.lead(2, 3000);
    assert_eq!(written(&out).handover, None, "it counts once");
    // Two flat symbols share 20,000, and 9,000 of it are promised to a task of the other.
    assert_eq!(granted(&b.ask("BTCUSDT", "b", "9000")).epoch, 2);
    assert_eq!(
        denied(&b.ask("BTCUSDT", "another", "1")),
        DenyReason::Reserved
    );
    let mut c = config(&TWO);
    c.account.max_gross_leverage = d("1");
    b.send(&GuardianEvent::Config(Box::new(c)));
    assert_eq!(
        granted(&b.ask("ETHUSDT", "e", "9000")).ceiling,
        d("1000"),
        "of 10,000"
    );
}

#[test]
fn a_successor_reads_before_it_relies_on_a_handover() {
    let mut a = locked();
    granted(&a.ask("BTCUSDT", "b", "9000"));
    let mut b = successor(&mut a);
    b.reads = false;
    b.pass(300);
    b.lead(2, 3000);
    // Its epoch is not told before it can grant: that would end the grants that were handed over.
    let told = b.ask("BTCUSDT", "b", "1000");
    assert!(matches!(
        told,
        GrantReply::Denied {
            epoch: 0,
            reason: DenyReason::NotReady,
            ..
        }
    ));
    let read = b.read();
    b.send(&read);
    granted(&b.ask("BTCUSDT", "b", "1000"));
}

#[test]
fn a_handover_of_another_epoch_or_without_sense_or_none_at_all_means_waiting() {
    for case in 0..3 {
        let mut a = locked();
        granted(&a.ask("BTCUSDT", "b", "9000"));
        let mut b = successor(&mut a);
        let mut state = b.g.state.clone();
        match case {
            0 => state.epoch += 1,
            1 => state.handover.as_mut().unwrap().promises[0].ceiling = d("-1"),
            _ => state.handover = None,
        }
        let epoch = state.epoch + 1;
        b.send(&GuardianEvent::State(Box::new(state)));
        b.lead(epoch, 60_000);
        b.pass(3900);
        assert_eq!(denied(&b.ask("BTCUSDT", "b", "1000")), DenyReason::NotReady);
        b.pass(1200);
        granted(&b.ask("BTCUSDT", "b", "1000"));
    }
}

#[test]
fn who_has_not_waited_out_its_own_predecessor_hands_nothing_over() {
    let state = GuardianState {
        epoch: 4,
        ..GuardianState::default()
    };
    let mut r = Rig::with(config(&TWO), state).standby();
    r.lead(5, 60_000);
    r.pass(1000);
    r.out.clear();
    r.send(&GuardianEvent::Follow);
    assert!(r.g.handed_over() && r.g.state.handover.is_none());
}

#[test]
fn a_handover_waits_for_the_write_under_way_and_is_not_written_after_the_lead() {
    let mut r = locked();
    r.writes = false;
    r.send(&GuardianEvent::Latch {
        name: "other".into(),
        set: true,
    });
    let out = r.send(&GuardianEvent::Follow);
    assert!(!acts(&out) && !r.g.handed_over());
    let out = r.send(&GuardianEvent::Persisted);
    assert!(written(&out).handover.is_some() && !r.g.handed_over());
    r.send(&GuardianEvent::Persisted);
    assert!(r.g.handed_over());

    let mut r = locked();
    r.writes = false;
    r.send(&GuardianEvent::Latch {
        name: "other".into(),
        set: true,
    });
    r.send(&GuardianEvent::Follow);
    r.stop(3000);
    assert!(!acts(&r.send(&GuardianEvent::Persisted)) && r.g.handed_over());
}

#[test]
fn a_lost_fence_raises_the_epoch_and_own_promises_stay_known() {
    let mut r = locked();
    granted(&r.ask("BTCUSDT", "b", "1000"));
    let out = r.send(&GuardianEvent::FenceLost);
    assert_eq!(written(&out).epoch, 2);
    assert_eq!(granted(&r.ask("BTCUSDT", "b", "1000")).epoch, 2);
    r.send(&GuardianEvent::Follow);
    r.send(&GuardianEvent::FenceLost);
    assert!(
        r.g.leads().is_none(),
        "a follower does not begin to lead by it"
    );
    assert_eq!(r.g.epoch(), 2);
}

#[test]
fn a_worker_that_lost_the_fence_under_this_epoch_gets_a_higher_one_at_most_each_five_seconds() {
    let mut r = Rig::new(&TWO).ready();
    let ask = |r: &mut Rig, epoch_seen: u64| {
        let mut q = r.question("BTCUSDT", "ns/nobi", "t", "1000", "0");
        q.epoch_seen = epoch_seen;
        q.fence_lost = true;
        r.answer(q);
        r.g.epoch()
    };
    assert_eq!(ask(&mut r, 0), 1, "it will take the present one");
    assert_eq!(ask(&mut r, 1), 2);
    assert_eq!(ask(&mut r, 2), 2, "once in 5 s");
    r.pass(5000);
    assert_eq!(ask(&mut r, 2), 3);
    assert_eq!(granted(&r.ask("BTCUSDT", "t", "1000")).epoch, 3);
}

#[test]
fn an_epoch_is_above_the_locks_and_the_states() {
    let state = GuardianState {
        epoch: 40,
        ..GuardianState::default()
    };
    let mut r = Rig::with(config(&TWO), state.clone()).standby();
    r.lead(3, 3000);
    assert_eq!(r.g.epoch(), 41);
    let mut r = Rig::with(config(&TWO), state).standby();
    r.lead(77, 3000);
    assert_eq!(r.g.epoch(), 77);
}

#[test]
fn an_effective_halt_is_manifest_or_latch_and_latches_outlive_the_process() {
    let mut r = Rig::new(&TWO).ready();
    for name in [KILL, DRAWDOWN, DAILY_LOSS, STATE_LOST, "other"] {
        let latch = |set| GuardianEvent::Latch {
            name: name.into(),
            set,
        };
        let out = r.send(&latch(true));
        let mut again = Rig::with(config(&TWO), written(&out)).ready();
        again.pass(6000);
        // A manifest without a halt, applied again, undoes nothing.
        again.send(&GuardianEvent::Config(Box::new(config(&TWO))));
        assert_eq!(
            denied(&again.ask("BTCUSDT", "t", "1")),
            DenyReason::Halted,
            "{name}"
        );
        assert!(again.g.snapshot().halted);
        again.send(&latch(false));
        granted(&again.ask("BTCUSDT", "t", "1000"));
        r.send(&latch(false));
    }
    let mut c = config(&TWO);
    c.account.halt = true;
    r.send(&GuardianEvent::Config(Box::new(c)));
    assert!(r.g.snapshot().halted && r.g.latches().is_empty());
    assert_eq!(denied(&r.ask("BTCUSDT", "t", "1")), DenyReason::Halted);
}

#[test]
fn a_standby_reads_the_account_less_often_than_its_leader_and_stays_sure_of_it() {
    let reads = |out: &[GuardianEffect]| {
        let read = |e: &&GuardianEffect| matches!(e, GuardianEffect::Reconcile { .. });
        out.iter().filter(read).count()
    };
    let mut leader = Rig::new(&TWO).ready();
    let mut standby = Rig::new(&TWO).standby();
    let (often, seldom) = (reads(&leader.pass(72_000)), reads(&standby.pass(72_000)));
    assert!(
        often >= 8 && (2..=3).contains(&seldom),
        "{often} and {seldom}"
    );
    assert!(standby.g.snapshot().known);
}

#[test]
fn an_epoch_far_above_all_that_is_known_is_not_believed_and_told_once() {
    let mut r = Rig::new(&["AUSDT"]).ready();
    let own = r.g.epoch();
    for wild in [u64::MAX, u64::MAX - 1, own + 1_000_001] {
        let mut said = super::granting::report("AUSDT");
        said.epoch = wild;
        r.send(&GuardianEvent::Report(Box::new(said)));
        let mut asked = r.question("AUSDT", "ns/nobi", "t", "0", "0");
        asked.epoch_seen = wild;
        r.answer(asked);
        assert_eq!((r.g.epoch(), r.g.state.epoch), (own, own), "{wild}");
        assert_eq!(r.g.echoed, 0);
    }
    assert_eq!(alerts(&r.out, "EpochNotBelieved").len(), 1);
    let mut asked = r.question("AUSDT", "ns/nobi", "t", "0", "0");
    asked.epoch_seen = own + 1_000_000;
    r.answer(asked);
    assert_eq!(r.g.epoch(), own + 1_000_001);
}
