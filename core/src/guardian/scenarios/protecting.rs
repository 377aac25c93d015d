//! The stop of last resort.

use super::granting::report;
use crate::fixed::{Price, Side};
use crate::guardian::testkit::*;
use crate::guardian::*;
use crate::messages::{DenyReason, GrantReply};
use crate::order::{AlgoStatus, CancelTarget, OrderStatus};

/// A long of ours at 100, its fill and position just seen, no stop.
fn bare() -> Rig {
    let mut r = Rig::new(&["AUSDT"]).ready();
    r.send(&GuardianEvent::Report(Box::new(report("AUSDT"))));
    let id = IdMaker::new(ACCOUNT, Role::Worker, "uid-ns/nobi", "AUSDT", 1).next_id();
    r.order_update("AUSDT", &id, Side::Buy, OrderStatus::Filled, 1_000, 1_000);
    r.position("AUSDT", 1_000, "100");
    r.venue.get_mut("AUSDT").unwrap().recent_ids.push(id);
    r.out.clear();
    r
}

#[test]
fn a_fill_without_a_confirmed_anchor_gets_one_after_a_second_at_entry_less_two_atr() {
    let mut r = bare();
    r.pass(900);
    assert!(stops(&r.out).is_empty());
    r.pass(200);
    let s = stops(&r.out);
    assert_eq!(s.len(), 1);
    let stop = &s[0].1;
    assert_eq!(
        (stop.side, stop.trigger, stop.qty),
        (Side::Sell, Price(960), None)
    );
    assert_eq!(
        crate::order::client_id::parse(&stop.client_id)
            .unwrap()
            .role,
        Role::Coordinator
    );
    // Seen working: nothing more happens.
    let id = stop.client_id.clone();
    r.algo("AUSDT", &id, Side::Sell, 960, AlgoStatus::New);
    r.out.clear();
    r.frames = true;
    r.pass(5000);
    assert!(stops(&r.out).is_empty() && orders(&r.out).is_empty());
}

#[test]
fn an_anchor_of_the_worker_within_the_second_is_left_alone() {
    let mut r = bare();
    r.pass(800);
    r.anchor("AUSDT", Side::Sell, 950);
    r.pass(10_000);
    assert!(stops(&r.out).is_empty());
}

#[test]
fn a_short_without_a_known_atr_gets_its_stop_two_percent_above_rounded_towards_the_market() {
    let mut r = Rig::new(&["AUSDT"]).ready();
    let id = IdMaker::new(ACCOUNT, Role::Worker, "uid-ns/nobi", "AUSDT", 1).next_id();
    r.order_update("AUSDT", &id, Side::Sell, OrderStatus::Filled, 1_000, 1_000);
    r.position("AUSDT", -1_000, "100.07");
    r.out.clear();
    r.pass(1100);
    let s = stops(&r.out);
    assert_eq!((s[0].1.side, s[0].1.trigger), (Side::Buy, Price(1020)));
}

#[test]
fn a_stop_that_exists_already_is_read_not_doubled() {
    let mut r = bare();
    r.pass(1100);
    let (s, stop) = stops(&r.out)[0].clone();
    // The worker's anchor stands at the venue; only its frame was lost.
    let frame_lost = IdMaker::new(ACCOUNT, Role::Worker, "uid-ns/nobi", "AUSDT", 2).next_id();
    r.venue
        .get_mut("AUSDT")
        .unwrap()
        .stops
        .push(crate::order::AlgoOrder {
            client_id: frame_lost,
            algo_id: 5,
            side: Side::Sell,
            status: AlgoStatus::New,
            trigger: Price(955),
            qty: None,
            update_ms: 0,
        });
    r.send(&GuardianEvent::Reply(
        s,
        ReplyTo::PlaceStop(stop.client_id),
        VenueReply::Refused(Refusal::StopExists),
    ));
    r.out.clear();
    r.pass(6000);
    assert!(stops(&r.out).is_empty() && orders(&r.out).is_empty());
    assert!(r.g.picture.symbols["AUSDT"].anchor().is_some());
}

#[test]
fn a_stop_that_would_trigger_at_once_closes_the_position_at_market() {
    let mut r = bare();
    r.pass(1100);
    let (s, stop) = stops(&r.out)[0].clone();
    let out = r.send(&GuardianEvent::Reply(
        s,
        ReplyTo::PlaceStop(stop.client_id),
        VenueReply::Refused(Refusal::WouldTrigger),
    ));
    let o = orders(&out);
    assert_eq!(o.len(), 1);
    assert!(o[0].1.reduce_only && o[0].1.side == Side::Sell && o[0].1.qty.0 == 1_000);
    r.fill(&o[0].0, &o[0].1);
    r.out.clear();
    r.pass(3000);
    assert!(orders(&r.out).is_empty() && stops(&r.out).is_empty());
}

#[test]
fn a_stop_rejected_after_acceptance_closes_the_position_at_market() {
    let mut r = bare();
    r.pass(1100);
    let id = stops(&r.out)[0].1.client_id.clone();
    let out = r.algo("AUSDT", &id, Side::Sell, 960, AlgoStatus::Rejected);
    assert_eq!(orders(&out).len(), 1);
}

#[test]
fn a_stop_accepted_but_never_seen_is_asked_after_tried_again_and_in_the_end_the_position_is_closed()
{
    let mut r = bare();
    for _ in 0..110 {
        let out = r.pass(100);
        for (s, stop) in stops(&out) {
            r.send(&GuardianEvent::Reply(
                s,
                ReplyTo::PlaceStop(stop.client_id),
                VenueReply::Accepted { id: 1 },
            ));
        }
        if !orders(&r.out).is_empty() {
            break;
        }
    }
    let placed = stops(&r.out);
    assert_eq!(placed.len(), 3);
    assert!(r.out.contains(&GuardianEffect::Query(
        "AUSDT".into(),
        CancelTarget::Stop(placed[0].1.client_id.clone())
    )));
    assert_eq!(orders(&r.out).len(), 1);
}

/// A coordinator about to start over a long that `id` has made, as the exchange shows it: no order, no stop, no worker.
fn found(id: &ClientId) -> Rig {
    let mut r = Rig::new(&["AUSDT", "BUSDT"]);
    let v = r.venue.entry("AUSDT".into()).or_default();
    v.position = crate::order::VenuePosition {
        qty: crate::fixed::Qty(1_000),
        entry_price: d("100"),
        isolated: false,
        update_ms: 1,
    };
    v.recent_ids = vec![id.clone()];
    r
}

fn of_old() -> ClientId {
    IdMaker::new(ACCOUNT, Role::Worker, "uid-of-old", "AUSDT", 1).next_id()
}

#[test]
fn a_position_found_at_the_start_without_its_stop_gets_one_even_with_no_worker() {
    let mut r = found(&of_old()).ready();
    r.pass(1500);
    assert_eq!(stops(&r.out).len(), 1);
}

#[test]
fn a_position_found_at_the_start_is_flattened_by_a_kill_when_it_is_ours_and_left_when_it_is_not() {
    for (id, closed) in [(of_old(), true), ("by-hand".into(), false)] {
        let mut r = found(&id).ready();
        let set = true;
        let name = KILL.into();
        r.send(&GuardianEvent::Latch { name, set });
        r.pass(5000);
        assert_eq!(!orders(&r.out).is_empty(), closed, "{id}");
    }
}

#[test]
fn a_position_found_at_the_start_that_a_stranger_made_is_external_at_once() {
    let mut r = found(&"by-hand".into()).ready();
    r.pass(10_000);
    assert!(stops(&r.out).is_empty() && orders(&r.out).is_empty());
    assert_eq!(denied(&r.ask("BUSDT", "t", "100")), DenyReason::External);
}

#[test]
fn a_position_whose_owner_cannot_be_read_is_not_called_external_and_gets_a_stop() {
    for id in [of_old(), "by-hand".into()] {
        let mut r = found(&id);
        r.ids = false;
        let mut r = r.ready();
        r.pass(2000);
        assert!(stops(&r.out).is_empty(), "a read may still tell");
        let why = denied(&r.ask("BUSDT", "t", "100"));
        assert_eq!(why, DenyReason::AccountUnknown);
        r.pass(1500);
        assert_eq!(stops(&r.out).len(), 1);
        // It is asked for again and again, and the answer counts whenever it comes.
        r.ids = true;
        r.pass(1500);
        let strange = matches!(
            r.ask("BUSDT", "t", "100"),
            GrantReply::Denied {
                reason: DenyReason::External,
                ..
            }
        );
        assert_eq!(strange, id != of_old());
    }
}

#[test]
fn an_external_position_is_guarded_only_under_guard() {
    for (policy, expected) in [
        (ExternalPositions::Guard, 1),
        (ExternalPositions::Ignore, 0),
        (ExternalPositions::Refuse, 0),
    ] {
        let mut c = config(&["AUSDT"]);
        c.account.external_positions = policy;
        let mut r = Rig::with(c, GuardianState::default()).ready();
        r.position("AUSDT", 1_000, "100");
        r.pass(1900);
        assert_eq!(stops(&r.out).len(), expected, "{policy:?}");
    }
}

#[test]
fn an_anchor_that_vanishes_is_replaced() {
    let mut r = bare();
    let id = r.anchor("AUSDT", Side::Sell, 950);
    r.pass(3000);
    r.algo("AUSDT", &id, Side::Sell, 950, AlgoStatus::Expired);
    r.out.clear();
    r.pass(1100);
    assert_eq!(stops(&r.out).len(), 1);
}
