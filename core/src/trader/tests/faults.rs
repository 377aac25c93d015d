//! Stories of what goes wrong: unknown outcomes, lost frames, deaths, strangers.

use super::rig::*;
use crate::fixed::Price;
use crate::fixed::{Qty, Side};
use crate::messages::{Command, ExitReason, Severity};
use crate::order::{AlgoOrder, AlgoStatus, AlgoUpdate, ClientId, IdMaker, Refusal, Role};
use crate::trader::{StreamKind, TraderEffect, TraderEvent};

fn ok(r: &Rig) {
    assert!(r.violations.is_empty(), "{:?}", r.violations);
}

#[test]
fn an_unfilled_entry_is_over_and_decided_anew_after_a_pause() {
    let mut r = Rig::started();
    r.order_fate = Fate::Refuse(Refusal::Margin);
    r.heavy = Some(Side::Buy);
    r.run(5_000);
    assert_eq!(
        r.orders().len(),
        1,
        "a margin refusal pauses for half a minute"
    );
    assert!(r.reasons().contains(&"EntryRefused".to_string()));
    ok(&r);
}

#[test]
fn an_entry_of_unknown_outcome_blocks_entries_until_its_absence_is_proven() {
    let mut r = Rig::started();
    r.order_fate = Fate::Unknown(false);
    r.heavy = Some(Side::Buy);
    r.run(1_500);
    assert_eq!(r.orders().len(), 1);
    r.order_fate = Fate::Normal;
    r.run(400);
    assert_eq!(r.orders().len(), 1);
    r.run(6_000);
    assert_eq!(r.orders().len(), 2);
    assert_ne!(r.orders()[0].client_id, r.orders()[1].client_id);
    assert_eq!(r.venue.qty, 999);
    ok(&r);
}

#[test]
fn an_entry_of_unknown_outcome_that_filled_is_protected_like_any_other() {
    let mut r = Rig::started();
    r.order_fate = Fate::Unknown(true);
    r.heavy = Some(Side::Buy);
    r.run(300);
    assert_eq!((r.venue.qty, r.anchors().len()), (999, 1));
    assert_eq!(r.trader.position(), Qty(999));
    ok(&r);
}

#[test]
fn a_fill_that_the_stream_lost_is_found_by_a_read_and_protected() {
    let mut r = Rig::started();
    r.user_stream = false;
    r.heavy = Some(Side::Buy);
    r.run(200);
    r.heavy = None;
    assert_eq!((r.venue.qty, r.trader.position()), (999, Qty(0)));
    r.run(5_000);
    assert_eq!(r.trader.position(), Qty(999));
    assert_eq!(r.anchors().len(), 1);
    ok(&r);
}

#[test]
fn a_lost_fill_that_a_lite_trade_hinted_at_is_found_and_protected_within_a_second() {
    let mut r = Rig::started();
    r.user_stream = false;
    r.heavy = Some(Side::Buy);
    while r.venue.qty == 0 {
        r.run(50);
    }
    r.heavy = None;
    r.send(TraderEvent::Hint { trade_id: u64::MAX });
    r.run(200);
    assert_eq!(r.trader.position(), Qty(0), "the full event may still come");
    r.run(500);
    assert_eq!((r.trader.position(), r.anchors().len()), (Qty(999), 1));
    ok(&r);
}

#[test]
fn what_only_a_person_can_mend_is_told_at_once_and_not_tried_again_for_a_minute() {
    let mut r = Rig::started();
    r.order_fate = Fate::Refuse(Refusal::of_code(-2015, "Invalid API-key", 0));
    r.heavy = Some(Side::Buy);
    r.run(55_000);
    assert_eq!(r.orders().len(), 1);
    let told = r.sent(|e| match e {
        TraderEffect::Alert(a) if a.code == "EntryRefused" => Some((a.severity, a.text.clone())),
        _ => None,
    });
    assert_eq!(told.len(), 1);
    assert!(told[0].0 == Severity::Critical && told[0].1.contains("-2015 Invalid API-key"));
    r.run(10_000);
    assert_eq!(r.orders().len(), 2);
    ok(&r);
}

#[test]
fn a_doubt_that_the_stream_tells_of_holds_entries_until_the_venue_was_read() {
    let mut r = Rig::started();
    r.reads_fail = true;
    r.send(TraderEvent::Doubt {
        why: "a stop has triggered and its order was refused".into(),
    });
    r.heavy = Some(Side::Buy);
    r.run(3_000);
    assert_eq!(r.orders().len(), 0);
    r.reads_fail = false;
    r.run(6_000);
    assert_eq!(r.orders().len(), 1);
    ok(&r);
}

#[test]
fn killed_between_fill_and_stop_the_next_incarnation_adopts_and_places_the_anchor() {
    let mut r = Rig::started();
    let first = r.trader.incarnation().unwrap();
    r.stop_fate = Fate::Unknown(false);
    r.heavy = Some(Side::Buy);
    while r.venue.qty == 0 {
        r.run(50);
    }
    r.heavy = None;
    assert!(r.anchors().is_empty());
    r.stop_fate = Fate::Normal;
    r.run(50);
    r.restart();
    r.run(200);
    assert_eq!(r.trader.position(), Qty(999));
    assert_eq!(r.anchors().len(), 1);
    assert!(r.trader.incarnation().unwrap() > first);
    assert_eq!(r.orders().len(), 1, "no second order");
    r.run(61_000);
    assert_eq!(
        r.venue.qty, 0,
        "the holding time counts from the venue's own update"
    );
    assert!(r.venue.stops.is_empty());
    ok(&r);
}

#[test]
fn killed_in_mid_position_the_same_stop_is_adopted_and_no_second_order_is_sent() {
    let mut r = Rig::started();
    r.enter(Side::Sell);
    let anchor = r.anchors()[0].client_id.clone();
    r.run(3_000);
    r.restart();
    r.run(3_000);
    assert_eq!(r.trader.position(), Qty(-999));
    assert_eq!(r.anchors()[0].client_id, anchor);
    assert!(r.trader.anchor_confirmed());
    assert_eq!(r.orders().len(), 1);
    ok(&r);
}

#[test]
fn a_stop_that_went_between_the_first_read_and_its_answer_is_not_believed_to_stand() {
    let mut r = Rig::started();
    r.enter(Side::Sell);
    r.restart_while(|r| {
        let gone = r.venue.stops.remove(0);
        r.send(TraderEvent::Algo(AlgoUpdate {
            event_ms: r.now.market_ms,
            transact_ms: r.now.market_ms,
            client_id: gone.client_id,
            algo_id: gone.algo_id,
            status: AlgoStatus::Canceled,
            side: gone.side,
            trigger: gone.trigger,
            qty: gone.qty,
            order_id: None,
            reason: None,
        }));
    });
    r.run(200);
    assert_eq!(r.trader.position(), Qty(-999));
    assert_eq!(r.anchors().len(), 1, "another one was placed at once");
    ok(&r);
}

#[test]
fn the_coordinators_anchor_is_adopted() {
    let mut r = Rig::new();
    let mut c = IdMaker::new("ns/paper", Role::Coordinator, "x", "BTCUSDT", 5);
    let id = c.next_id();
    r.venue.qty = 500;
    r.venue.entry = d("1000");
    r.venue.update_ms = r.now.market_ms - 1000;
    r.venue.stops.push(AlgoOrder {
        client_id: id.clone(),
        algo_id: 9,
        side: Side::Sell,
        status: AlgoStatus::New,
        trigger: Price(9_900),
        qty: None,
        update_ms: 0,
    });
    r.boot();
    r.run(2_000);
    assert!(r.trader.anchor_confirmed());
    assert_eq!(r.anchors()[0].client_id, id);
    assert_eq!(r.anchors().len(), 1);
}

#[test]
fn a_later_incarnation_silences_the_earlier_one_for_good() {
    let mut r = Rig::started();
    r.enter(Side::Buy);
    let n = r.log.len();
    let mut later = IdMaker::new(
        "ns/paper",
        Role::Worker,
        "uid",
        "BTCUSDT",
        1_800_000_000_000,
    );
    r.venue.stops.push(AlgoOrder {
        client_id: later.next_id(),
        algo_id: 77,
        side: Side::Sell,
        status: AlgoStatus::New,
        trigger: Price(9_000),
        qty: Some(Qty(1)),
        update_ms: 0,
    });
    r.send(TraderEvent::Command(Command::Reconcile { epoch: 1 }));
    r.run(1_000);
    assert!(r.trader.is_superseded());
    let after: Vec<_> = r.log[n..].to_vec();
    assert_eq!(
        after
            .iter()
            .filter(|e| matches!(e, TraderEffect::Superseded))
            .count(),
        1
    );
    assert!(
        matches!(after.last(), Some(TraderEffect::Superseded)),
        "{after:?}"
    );
    r.run(70_000);
    assert_eq!(r.venue.qty, 999);
}

#[test]
fn an_order_that_is_not_ours_holds_entries_back() {
    let mut r = Rig::new();
    r.venue.foreign.push(AlgoOrder {
        client_id: ClientId::from("web_123"),
        algo_id: 7,
        side: Side::Sell,
        status: AlgoStatus::New,
        trigger: Price(9_000),
        qty: Some(Qty(1)),
        update_ms: 0,
    });
    r.boot();
    r.heavy = Some(Side::Buy);
    r.run(3_000);
    assert!(r.orders().is_empty());
    assert!(r.reasons().contains(&"ForeignOrders".to_string()));
}

#[test]
fn a_lost_user_stream_stops_entries_until_a_read_that_came_after_it() {
    let mut r = Rig::started();
    r.send(TraderEvent::StreamDown(StreamKind::User));
    r.heavy = Some(Side::Buy);
    r.run(2_000);
    assert!(r.orders().is_empty());
    r.reads_fail = true;
    r.send(TraderEvent::StreamUp(StreamKind::User));
    r.run(2_000);
    assert!(r.orders().is_empty());
    assert!(r.reasons().contains(&"NotReconciled".to_string()));
    r.reads_fail = false;
    r.run(6_000);
    assert_eq!(r.orders().len(), 1);
    ok(&r);
}

#[test]
fn a_gap_in_depth_clears_the_book_and_a_new_snapshot_brings_trading_back() {
    let mut r = Rig::started();
    let resyncs = r.trader.view().resyncs;
    r.skip_depth();
    r.heavy = Some(Side::Buy);
    let n = r.log.len();
    r.depth_frame();
    r.run(500);
    let at = |f: fn(&TraderEffect) -> bool| r.log[n..].iter().position(f).unwrap();
    let fetched = at(|e| matches!(e, TraderEffect::FetchSnapshot));
    let placed = at(|e| matches!(e, TraderEffect::Place(_)));
    assert!(fetched < placed, "the gap itself decides nothing");
    assert_eq!(r.trader.view().resyncs, resyncs + 1);
    ok(&r);
}

#[test]
fn an_old_book_and_a_silent_mark_hold_entries_back() {
    let mut r = Rig::started();
    r.depth_stream = false;
    r.run(1_000);
    r.heavy = Some(Side::Buy);
    r.run(1_000);
    assert!(r.orders().is_empty());
    ok(&r);
}

#[test]
fn a_position_that_changes_without_a_fill_is_the_venues_to_say() {
    let mut r = Rig::started();
    r.enter(Side::Buy);
    r.venue.qty = 400;
    r.venue.update_ms = r.now.market_ms + 1;
    r.run(11_000);
    assert_eq!(r.trader.position(), Qty(400));
    assert!(
        r.log
            .iter()
            .any(|e| matches!(e, TraderEffect::Alert(a) if a.code == "PositionMismatch"))
    );
    ok(&r);
}

#[test]
fn a_liquidation_ends_the_trip_and_is_called_one() {
    let mut r = Rig::started();
    r.enter(Side::Buy);
    r.fill(
        &ClientId::from("autoclose-1234"),
        Side::Sell,
        9_500,
        999,
        999,
        false,
    );
    r.settle();
    r.run(1_000);
    assert_eq!(r.closed[0].exit, ExitReason::Liquidation);
    assert!(r.venue.stops.is_empty());
    ok(&r);
}

#[test]
fn a_stop_that_would_trigger_at_once_ends_in_a_market_exit() {
    let mut r = Rig::started();
    r.stop_fate = Fate::Refuse(Refusal::WouldTrigger);
    r.heavy = Some(Side::Buy);
    r.run(300);
    assert_eq!(r.venue.qty, 0);
    assert_eq!(r.closed[0].exit, ExitReason::Unprotected);
    ok(&r);
}

#[test]
fn a_refused_exit_is_tried_again_until_flat() {
    let mut r = Rig::started();
    r.enter(Side::Buy);
    r.order_fate = Fate::Refuse(Refusal::ReduceOnly);
    r.run(61_000);
    assert_eq!(r.venue.qty, 999);
    assert_eq!(r.anchors().len(), 1, "the anchor stays");
    r.order_fate = Fate::Normal;
    r.run(5_000);
    assert_eq!(r.venue.qty, 0);
    ok(&r);
}

#[test]
fn fills_that_only_a_query_told_bar_entries_until_a_read_says_what_is_held() {
    let mut r = Rig::started();
    r.user_stream = false;
    r.reads_fail = true;
    r.heavy = Some(Side::Buy);
    r.run(40_000);
    assert_eq!(r.orders().len(), 1);
    assert!(r.reasons().contains(&"PositionMismatch".to_string()));
    r.reads_fail = false;
    r.run(6_000);
    assert_eq!(r.trader.position(), Qty(999));
    assert_eq!(r.anchors().len(), 1);
    ok(&r);
}
