//! Named scenes: news that comes when it is no longer true, or is about an earlier position.

use super::super::{ExitCause, StopOut};
use super::scene::{Scene, other, stop};
use crate::fixed::{Price, Qty};
use crate::order::*;

#[test]
fn a_read_older_than_a_stops_end_does_not_bring_it_back() {
    let mut s = Scene::started();
    let old = other(Role::Worker, "uid");
    s.algo(&old, AlgoStatus::Canceled, 9_900, None);
    s.read(10, vec![stop(&old, 9_900, None)]);
    assert!(!s.keeper.anchor_confirmed());
    assert_eq!(s.placed(true).len(), 1);
}

#[test]
fn a_stop_told_before_a_read_that_did_not_list_it_guards_nothing() {
    let mut s = Scene::started();
    let old = s.ms - 100;
    let gone = other(Role::Worker, "uid");
    s.algo_at(&gone, AlgoStatus::New, 9_900, None, old);
    s.read(10, Vec::new());
    assert!(!s.keeper.anchor_confirmed());
    let own = s.placed(true).pop().unwrap().client_id;
    s.algo_at(&gone, AlgoStatus::New, 9_900, None, old);
    s.algo(&own, AlgoStatus::New, 9_900, None);
    s.algo_at(&gone, AlgoStatus::New, 9_900, None, old);
    s.pass(1_000);
    assert_eq!(s.cancels(&own), 0, "the one that stands is kept");
    assert!(s.keeper.anchor_confirmed() && s.exits().is_empty());
}

#[test]
fn a_stop_told_before_the_position_began_is_believed_once_a_read_lists_it() {
    let mut s = Scene::flat();
    let before = s.ms;
    s.ms += 100;
    let theirs = other(Role::Coordinator, "");
    s.position(10);
    s.algo_at(&theirs, AlgoStatus::New, 9_890, None, before);
    assert!(!s.keeper.anchor_confirmed());
    assert_eq!(s.count(&StopOut::Reconcile), 1);
    s.read(10, vec![stop(&theirs, 9_890, None)]);
    assert!(s.keeper.anchor_confirmed());
    assert_eq!(s.keeper.best_stop(), Some(Price(9_890)));
}

#[test]
fn a_stop_told_after_the_position_began_but_before_a_read_without_it_guards_nothing() {
    let mut s = Scene::flat();
    s.position(10);
    let told = s.ms + 100;
    s.pass(200);
    s.read_at(10, Vec::new(), s.ms);
    let gone = other(Role::Coordinator, "");
    s.algo_at(&gone, AlgoStatus::New, 9_890, None, told);
    assert!(!s.keeper.anchor_confirmed());
}

#[test]
fn a_stop_of_the_position_before_that_turns_out_to_have_fired_ends_nothing() {
    let (mut s, old) = Scene::long();
    s.position(0);
    s.ms += 100;
    s.position(10);
    let own = s.placed(true).pop().unwrap().client_id;
    s.algo(&own, AlgoStatus::New, 9_900, None);
    s.reply(
        ReplyTo::Query(CancelTarget::Stop(old.clone())),
        VenueReply::Stop(AlgoOrder {
            status: AlgoStatus::Finished,
            ..stop(&old, 9_900, None)
        }),
    );
    s.pass(1_500);
    assert!(s.exits().is_empty() && s.keeper.anchor_confirmed());
}

#[test]
fn a_trail_that_fires_in_part_does_not_delay_the_way_out_of_a_position_without_an_anchor() {
    let (mut s, anchor) = Scene::long();
    s.mark(10_100);
    let trail = s.placed(false).pop().unwrap().client_id;
    s.algo(&trail, AlgoStatus::New, 10_000, Some(10));
    s.algo(&anchor, AlgoStatus::Canceled, 9_900, None);
    s.pass(800);
    s.algo(&trail, AlgoStatus::Triggered, 10_000, Some(10));
    s.position(4);
    s.pass(250);
    assert_eq!(s.exits(), [ExitCause::Unprotected]);
}

#[test]
fn a_trail_that_shows_up_after_an_exit_was_refused_goes_like_the_others() {
    let (mut s, anchor) = Scene::long();
    s.exit_refused();
    let late = other(Role::Worker, "uid");
    s.pass(300);
    s.read(
        10,
        vec![stop(&anchor, 9_900, None), stop(&late, 9_950, Some(10))],
    );
    assert_eq!((s.cancels(&late), s.cancels(&anchor)), (1, 0));
    s.algo(&late, AlgoStatus::Canceled, 9_950, Some(10));
    s.pass(100);
    assert_eq!(s.exits(), [ExitCause::ExitRefused]);
}

#[test]
fn an_answer_to_a_question_older_than_the_doubt_does_not_settle_it() {
    let mut s = Scene::flat();
    s.position(10);
    let id = s.placed(true).pop().unwrap().client_id;
    s.reply(
        ReplyTo::PlaceStop(id.clone()),
        VenueReply::Accepted { id: 1 },
    );
    s.pass(200);
    let query = StopOut::Query(id.clone());
    assert_eq!(s.count(&query), 1);
    // The position was gone for a moment, which is heard of only after it is there again.
    let gone = s.ms - 20;
    s.position(12);
    s.position_at(0, gone);
    assert_eq!(s.keeper.position(), Qty(12));
    let there = || VenueReply::Stop(stop(&id, 9_900, None));
    s.reply(ReplyTo::Query(CancelTarget::Stop(id.clone())), there());
    s.pass(300);
    assert_eq!(s.count(&query), 2, "asked again");
    s.reply(ReplyTo::Query(CancelTarget::Stop(id.clone())), there());
    s.pass(2_000);
    assert_eq!(s.count(&query), 2, "and settled");
}

#[test]
fn a_stop_told_before_a_read_that_did_not_list_it_is_asked_for() {
    let mut s = Scene::flat();
    s.position(10);
    let id = s.placed(true).pop().unwrap().client_id;
    let told = s.ms;
    s.ms += 50;
    s.read(10, Vec::new());
    s.algo_at(&id, AlgoStatus::New, 9_900, None, told);
    assert_eq!(s.count(&StopOut::Query(id.clone())), 1);
}

#[test]
fn a_read_of_before_a_stop_stood_throws_no_doubt_on_it() {
    let (mut s, anchor) = Scene::long();
    let before = s.ms - 1;
    s.pass(100);
    s.read_at(10, Vec::new(), before);
    s.pass(500);
    assert_eq!(s.count(&StopOut::Query(anchor.clone())), 0);
    s.read(10, Vec::new());
    assert_eq!(s.count(&StopOut::Query(anchor)), 1, "one of after does");
}

#[test]
fn a_stop_that_two_queries_just_miss_is_not_given_up_before_a_second() {
    let (mut s, anchor) = Scene::long();
    s.pass(50);
    s.read(10, Vec::new());
    let miss = |s: &mut Scene| {
        s.reply(
            ReplyTo::Query(CancelTarget::Stop(anchor.clone())),
            VenueReply::Refused(Refusal::NotFound),
        );
    };
    for _ in 0..3 {
        miss(&mut s);
        s.pass(250);
    }
    assert!(s.keeper.anchor_confirmed());
    s.pass(500);
    s.out.clear();
    miss(&mut s);
    assert!(!s.keeper.anchor_confirmed());
    assert_eq!(s.placed(true).len(), 1);
    assert_eq!(
        s.count(&StopOut::Reconcile),
        1,
        "should it stand all the same"
    );
}

#[test]
fn late_news_of_stops_that_are_nobodys_business_costs_no_read() {
    let mut s = Scene::flat();
    let before = s.ms;
    s.ms += 100;
    s.position(10);
    let strange = ClientId::from("by-hand");
    s.algo_at(&strange, AlgoStatus::New, 9_890, Some(10), before);
    assert_eq!(s.count(&StopOut::Reconcile), 0);
    s.algo_at(&strange, AlgoStatus::New, 9_890, None, before);
    assert_eq!(s.count(&StopOut::Reconcile), 1, "one that would guard does");
}
