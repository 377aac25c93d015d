//! Named scenes: one race or refusal each.

use super::super::{ExitCause, StopKeeper, StopOut};
use super::model::{ACCOUNT, instrument};
use super::scene::{Scene, other, stop};
use crate::fixed::{Price, Qty, Side};
use crate::order::*;
use rust_decimal::Decimal;

#[test]
fn the_first_fill_calls_for_the_anchor_at_once_and_only_new_confirms_it() {
    let mut s = Scene::flat();
    s.position(10);
    let anchor = s.placed(true).pop().unwrap();
    assert_eq!((anchor.trigger, anchor.side), (Price(9_900), Side::Sell));
    s.reply(
        ReplyTo::PlaceStop(anchor.client_id.clone()),
        VenueReply::Accepted { id: 1 },
    );
    assert!(!s.keeper.anchor_confirmed(), "HTTP 200 proves nothing");
    s.pass(300);
    assert!(s.out.contains(&StopOut::Query(anchor.client_id.clone())));
    s.algo(&anchor.client_id, AlgoStatus::New, 9_900, None);
    assert!(s.keeper.anchor_confirmed());
    s.position(20);
    s.pass(3_000);
    assert_eq!(s.placed(true).len(), 1, "the anchor covers any size");
    assert!(s.exits().is_empty());
}

#[test]
fn the_new_event_may_come_before_the_reply() {
    let mut s = Scene::flat();
    s.position(10);
    let id = s.placed(true).pop().unwrap().client_id;
    s.algo(&id, AlgoStatus::New, 9_900, None);
    let why = "timeout".into();
    s.reply(
        ReplyTo::PlaceStop(id.clone()),
        VenueReply::Unknown {
            why,
            dead_after_ms: s.ms + 1_000,
        },
    );
    assert!(s.keeper.anchor_confirmed());
    s.refuse(&id, Refusal::DuplicateId);
    assert!(s.keeper.anchor_confirmed());
}

#[test]
fn a_stop_that_would_trigger_means_leaving_at_market_at_once() {
    let mut s = Scene::flat();
    s.position(10);
    let id = s.placed(true).pop().unwrap().client_id;
    s.refuse(&id, Refusal::WouldTrigger);
    assert_eq!(s.exits(), [ExitCause::WouldTrigger]);
    s.pass(600);
    assert_eq!(s.exits().len(), 2, "said again while the position stands");
}

#[test]
fn a_rejected_or_expired_anchor_means_leaving_at_market_unless_a_stop_fired() {
    for status in [AlgoStatus::Rejected, AlgoStatus::Expired] {
        let (mut s, id) = Scene::long();
        s.algo(&id, status, 9_900, None);
        assert_eq!(s.exits(), [ExitCause::StopLost]);
    }
    let (mut s, id) = Scene::long();
    s.mark(10_060);
    let trail = s.placed(false).pop().unwrap().client_id;
    s.algo(&trail, AlgoStatus::New, 9_960, Some(10));
    s.algo(&trail, AlgoStatus::Finished, 9_960, Some(10));
    s.algo(&id, AlgoStatus::Expired, 9_900, None);
    assert!(s.exits().is_empty(), "the venue tidied up behind the trail");
    s.position(0);
    s.pass(3_000);
    assert!(s.exits().is_empty());
}

#[test]
fn an_anchor_that_is_never_confirmed_leads_to_the_market_after_a_second() {
    let mut s = Scene::flat();
    s.position(10);
    for _ in 0..19 {
        for stop in s.placed(true) {
            s.refuse(&stop.client_id, Refusal::Overloaded);
        }
        s.pass(50);
    }
    assert!(s.exits().is_empty());
    assert!(s.placed(true).len() >= 4, "tried again in the meantime");
    s.pass(100);
    assert_eq!(s.exits(), [ExitCause::Unprotected]);
}

#[test]
fn without_a_plan_there_is_no_anchor_and_the_deadline_leads_out() {
    let mut s = Scene::flat();
    s.keeper = StopKeeper::new(instrument());
    s.position(10);
    s.pass(1_100);
    assert!(s.placed(true).is_empty());
    assert_eq!(s.exits(), [ExitCause::Unprotected]);
}

#[test]
fn an_existing_anchor_is_read_and_adopted_whoever_of_us_placed_it() {
    for id in [
        other(Role::Coordinator, ""),
        other(Role::Worker, "older uid"),
    ] {
        let mut s = Scene::flat();
        s.position(10);
        let mine = s.placed(true).pop().unwrap().client_id;
        s.refuse(&mine, Refusal::StopExists);
        assert!(s.out.contains(&StopOut::Reconcile));
        s.read(10, vec![stop(&id, 9_890, None)]);
        assert!(s.keeper.anchor_confirmed());
        assert_eq!(s.keeper.best_stop(), Some(Price(9_890)));
        s.pass(3_000);
        assert_eq!(s.placed(true).len(), 1);
        assert!(s.exits().is_empty() && s.cancels(&id) == 0);
        s.position(0);
        assert_eq!(s.cancels(&id), 1, "it is ours to take away");
    }
}

#[test]
fn an_anchor_that_exists_but_is_not_found_is_placed_again() {
    let mut s = Scene::flat();
    s.position(10);
    let mine = s.placed(true).pop().unwrap().client_id;
    s.refuse(&mine, Refusal::StopExists);
    s.read(10, Vec::new());
    assert_eq!(s.placed(true).len(), 2);
}

#[test]
fn the_trail_follows_the_best_mark_and_never_the_mark_back() {
    let (mut s, _) = Scene::long();
    s.mark(10_004);
    assert!(s.placed(false).is_empty(), "less than a replace step");
    s.mark(10_005);
    let first = s.placed(false).pop().unwrap();
    assert_eq!((first.trigger, first.qty), (Price(9_905), Some(Qty(10))));
    s.algo(&first.client_id, AlgoStatus::New, 9_905, Some(10));
    s.mark(10_080);
    s.mark(10_030);
    assert_eq!(s.placed(false).len(), 1, "not within a second");
    s.pass(1_000);
    s.mark(10_030);
    let second = s.placed(false).pop().unwrap();
    assert_eq!(second.trigger, Price(9_980), "from the best mark seen");
    assert_eq!(
        s.cancels(&first.client_id),
        0,
        "not before the new one is NEW"
    );
    s.algo(&second.client_id, AlgoStatus::New, 9_980, Some(10));
    assert_eq!(s.cancels(&first.client_id), 1);
    assert_eq!(s.keeper.best_stop(), Some(Price(9_980)));
}

#[test]
fn a_mark_that_fell_through_the_unsent_trail_means_leaving_at_market() {
    let (mut s, _) = Scene::long();
    s.mark(10_005);
    let first = s.placed(false).pop().unwrap();
    s.algo(&first.client_id, AlgoStatus::New, 9_905, Some(10));
    s.mark(10_200);
    s.mark(10_090);
    s.pass(1_000);
    assert_eq!(s.exits(), [ExitCause::WouldTrigger]);
    assert_eq!(
        s.placed(false).len(),
        1,
        "nothing is sent that must be refused"
    );
}

#[test]
fn a_trail_taken_away_comes_back_no_worse_even_when_the_distance_would_allow_it() {
    let (mut s, _) = Scene::long();
    s.mark(10_050);
    let now = s.now();
    s.keeper
        .tighten(now, Decimal::from(40), &mut s.ids, &mut s.out);
    let trail = s.placed(false).pop().unwrap();
    s.algo(&trail.client_id, AlgoStatus::New, trail.trigger.0, Some(10));
    s.pass(1_000);
    s.mark(10_050);
    let best = s.placed(false).pop().unwrap();
    assert_eq!(best.trigger, Price(10_010));
    s.algo(&best.client_id, AlgoStatus::New, 10_010, Some(10));
    s.algo(
        &trail.client_id,
        AlgoStatus::Canceled,
        trail.trigger.0,
        Some(10),
    );
    // A second, looser word is not heard; a tighter one starts from the present mark.
    let now = s.now();
    s.keeper
        .tighten(now, Decimal::from(60), &mut s.ids, &mut s.out);
    assert_eq!(s.keeper.distance(), Some(Decimal::from(40)));
    s.mark(10_020);
    let now = s.now();
    s.keeper
        .tighten(now, Decimal::from(30), &mut s.ids, &mut s.out);
    assert!(s.exits().is_empty(), "tightening alone closes nothing");
    s.algo(&best.client_id, AlgoStatus::Canceled, 10_010, Some(10));
    s.pass(1_000);
    s.mark(10_020);
    assert_eq!(s.placed(false).len(), 3);
    assert_eq!(s.placed(false).pop().unwrap().trigger, Price(10_010));
}

#[test]
fn every_fill_resizes_the_trail_in_one_replace() {
    let (mut s, _) = Scene::long();
    s.mark(10_020);
    let first = s.placed(false).pop().unwrap();
    s.position(15); // While the first is in flight.
    s.position(25);
    assert_eq!(s.placed(false).len(), 1);
    s.algo(&first.client_id, AlgoStatus::New, 9_920, Some(10));
    let second = s.placed(false).pop().unwrap();
    assert_eq!((second.trigger, second.qty), (Price(9_920), Some(Qty(25))));
    s.algo(&second.client_id, AlgoStatus::New, 9_920, Some(25));
    assert_eq!(s.cancels(&first.client_id), 1);
    assert_eq!(s.cancels(&second.client_id), 0);
}

#[test]
fn a_refused_exit_drops_the_trail_never_the_anchor_and_asks_again() {
    let (mut s, anchor) = Scene::long();
    s.mark(10_020);
    let trail = s.placed(false).pop().unwrap();
    s.algo(&trail.client_id, AlgoStatus::New, 9_920, Some(10));
    s.exit_refused();
    assert_eq!((s.cancels(&trail.client_id), s.cancels(&anchor)), (1, 0));
    assert!(s.exits().is_empty());
    s.algo(&trail.client_id, AlgoStatus::Canceled, 9_920, Some(10));
    assert_eq!(s.exits(), [ExitCause::ExitRefused]);
    s.mark(10_300);
    s.pass(2_000);
    assert_eq!(s.placed(false).len(), 1, "no trail until flat");
    assert!(s.keeper.anchor_confirmed());
}

#[test]
fn a_stop_that_fired_without_closing_all_is_followed_by_the_market() {
    let (mut s, anchor) = Scene::long();
    s.algo(&anchor, AlgoStatus::Triggered, 9_900, None);
    s.position(4);
    s.pass(900);
    assert!(s.exits().is_empty());
    assert!(s.out.contains(&StopOut::Reconcile));
    s.pass(200);
    assert_eq!(s.exits(), [ExitCause::Remainder]);
}

#[test]
fn flat_means_every_own_stop_is_cancelled_until_its_end_is_certain() {
    let (mut s, anchor) = Scene::long();
    s.position(0);
    assert_eq!(s.cancels(&anchor), 1);
    let why = "timeout".into();
    s.reply(
        ReplyTo::Cancel(CancelTarget::Stop(anchor.clone())),
        VenueReply::Unknown {
            why,
            dead_after_ms: s.ms + 1_000,
        },
    );
    s.pass(500);
    assert_eq!(s.cancels(&anchor), 2, "the first one may have been lost");
    assert!(!s.keeper.clear_for_entry());
    s.algo(&anchor, AlgoStatus::Canceled, 9_900, None);
    assert!(!s.keeper.clear_for_entry(), "not read empty yet");
    assert!(s.out.contains(&StopOut::Reconcile));
    s.pass(10);
    s.read(0, Vec::new());
    assert!(s.keeper.clear_for_entry());
}

#[test]
fn an_anchor_that_arrives_after_the_position_went_is_cancelled() {
    let mut s = Scene::flat();
    s.position(10);
    let id = s.placed(true).pop().unwrap().client_id;
    s.pass(20);
    s.position(0);
    s.reply(
        ReplyTo::PlaceStop(id.clone()),
        VenueReply::Accepted { id: 1 },
    );
    assert!(s.cancels(&id) >= 1);
    assert!(!s.keeper.clear_for_entry());
    assert!(s.exits().is_empty());
}

#[test]
fn a_refused_anchor_for_want_of_a_position_reads_the_venue() {
    let mut s = Scene::flat();
    s.position(10);
    let id = s.placed(true).pop().unwrap().client_id;
    s.pass(20);
    s.refuse(&id, Refusal::NoPosition);
    assert!(s.out.contains(&StopOut::Reconcile));
    s.read(0, Vec::new());
    assert_eq!(s.keeper.position(), Qty(0));
    s.pass(2_000);
    assert!(s.exits().is_empty());
}

#[test]
fn positions_out_of_order_change_nothing() {
    let (mut s, anchor) = Scene::long();
    s.pass(100);
    let old = s.ms - 100;
    s.position(20);
    s.position_at(0, old);
    assert_eq!(s.keeper.position(), Qty(20));
    assert_eq!(s.cancels(&anchor), 0);
    // A read that began before the latest fill is no better.
    s.read_at(10, vec![stop(&anchor, 9_900, None)], old);
    assert_eq!(s.keeper.position(), Qty(20));
}

#[test]
fn after_a_start_stops_are_adopted_distance_kept_and_doubles_swept() {
    let mut s = Scene::flat();
    s.keeper = StopKeeper::new(instrument());
    s.out.clear();
    let anchor = other(Role::Worker, "uid");
    let mut old = IdMaker::new(ACCOUNT, Role::Worker, "older uid", "BTCUSDT", 0);
    let (worse, better, late) = (old.next_id(), old.next_id(), old.next_id());
    s.algo(&late, AlgoStatus::New, 9_960, Some(10)); // Seen before anything is known.
    s.read(
        10,
        vec![
            stop(&anchor, 9_880, None),
            stop(&worse, 9_930, Some(10)),
            stop(&better, 9_950, Some(10)),
        ],
    );
    assert!(s.keeper.anchor_confirmed());
    assert_eq!(s.keeper.best_stop(), Some(Price(9_960)));
    assert_eq!(
        s.keeper.distance(),
        Some(Decimal::from(120)),
        "entry to anchor"
    );
    assert_eq!((s.cancels(&worse), s.cancels(&better)), (1, 1));
    assert_eq!((s.cancels(&late), s.cancels(&anchor)), (0, 0));
    s.mark(10_300);
    s.pass(1_900);
    assert!(
        s.placed(false).is_empty(),
        "a dead worker's last trail may still arrive"
    );
    s.algo(&worse, AlgoStatus::Canceled, 9_930, Some(10));
    s.algo(&better, AlgoStatus::Canceled, 9_950, Some(10));
    s.pass(200);
    s.read(
        10,
        vec![stop(&anchor, 9_880, None), stop(&late, 9_960, Some(10))],
    );
    assert_eq!(s.placed(false).pop().unwrap().trigger, Price(10_180));
}

#[test]
fn a_foreign_close_position_stop_guards_and_is_left_alone() {
    let mut s = Scene::flat();
    s.position(10);
    let mine = s.placed(true).pop().unwrap().client_id;
    s.refuse(&mine, Refusal::StopExists);
    let foreign = ClientId::from("web_1");
    s.read(10, vec![stop(&foreign, 9_000, None)]);
    assert!(s.keeper.anchor_confirmed());
    s.position(0);
    assert_eq!(s.cancels(&foreign), 0);
    s.pass(10);
    s.read(0, vec![stop(&foreign, 9_000, None)]);
    assert!(s.keeper.clear_for_entry());
}

#[test]
fn a_coordinators_anchor_for_a_fill_not_heard_of_yet_is_not_cancelled() {
    let mut s = Scene::flat();
    let id = other(Role::Coordinator, "");
    s.algo(&id, AlgoStatus::New, 9_890, None);
    s.pass(250);
    assert_eq!(s.cancels(&id), 0);
    assert!(s.out.contains(&StopOut::Reconcile) && !s.keeper.clear_for_entry());
    s.read(10, vec![stop(&id, 9_890, None)]);
    assert!(s.keeper.anchor_confirmed());
    assert!(s.placed(true).is_empty());
}

#[test]
fn a_flip_of_the_position_starts_anew_on_the_other_side() {
    let (mut s, anchor) = Scene::long();
    s.pass(10);
    s.position(-5);
    assert_eq!(s.cancels(&anchor), 1);
    let new = s.placed(true).pop().unwrap();
    assert_eq!((new.side, new.trigger), (Side::Buy, Price(10_100)));
}
