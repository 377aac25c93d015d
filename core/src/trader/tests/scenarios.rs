//! Whole stories, told as sentences.

use super::rig::*;
use crate::fixed::Price;
use crate::fixed::{Qty, Side};
use crate::messages::{Command, ExitReason};
use crate::order::{
    AlgoOrder, AlgoStatus, ClientId, EntryKind, IdMaker, OrderKind, Refusal, Role, TimeInForce,
};
use crate::params::*;
use crate::trader::{StreamKind, TraderEffect, TraderEvent};
use rust_decimal::Decimal;

fn ok(r: &Rig) {
    assert!(r.violations.is_empty(), "{:?}", r.violations);
}

#[test]
fn a_bid_heavy_book_is_bought_protected_held_and_left_after_the_maximum_holding_time() {
    let mut r = Rig::started();
    r.enter(Side::Buy);
    let orders = r.orders();
    assert_eq!(orders.len(), 1);
    let o = &orders[0];
    assert!(
        matches!(o.kind, OrderKind::Limit { price, tif: TimeInForce::Ioc } if price == Price(10_010)),
        "{o:?}"
    );
    // 1000 USDT at the limit of 1001: 0.999, valued at the worst price.
    assert_eq!(
        (o.side, o.qty, o.purpose),
        (Side::Buy, Qty(999), EntryKind::Entry)
    );
    assert_eq!(r.anchors().len(), 1);
    // ATR 5.0, twice: 10 below the entry at 1000.1.
    assert_eq!(r.anchors()[0].trigger, Price(9_901));
    assert!(r.trader.anchor_confirmed());
    r.run(58_000);
    assert_eq!(r.orders().len(), 1);
    r.run(3_000);
    let orders = r.orders();
    assert_eq!(orders.len(), 2);
    assert!(orders[1].reduce_only && orders[1].kind == OrderKind::Market);
    assert_eq!(r.venue.qty, 0);
    assert!(r.venue.stops.is_empty(), "stops are cancelled when flat");
    let t = &r.closed[0];
    assert_eq!(
        (t.exit, t.side, t.shadow),
        (ExitReason::MaxHold, Side::Buy, false)
    );
    assert_eq!(t.entry_mid, d("1000.05"));
    assert_eq!(t.exit_mid, d("1000.05"));
    assert_eq!(t.gross_mid, Decimal::ZERO);
    assert_eq!(t.gross, d("-0.0999"));
    ok(&r);
}

#[test]
fn an_ask_heavy_book_is_sold_and_the_trail_follows_the_mark_down() {
    let mut r = Rig::started();
    r.enter(Side::Sell);
    assert_eq!(r.anchors()[0].trigger, Price(10_100));
    for p in [9_980, 9_960, 9_940, 9_920] {
        r.price(p);
        r.run(1_500);
    }
    let trail: Vec<_> = r.venue.stops.iter().filter(|s| s.qty.is_some()).collect();
    assert_eq!(trail.len(), 1);
    assert_eq!(trail[0].trigger, Price(10_020));
    assert_eq!(r.anchors().len(), 1, "the anchor never moves");
    r.price(10_021);
    r.run(500);
    assert_eq!(r.venue.qty, 0);
    assert_eq!(r.closed[0].exit, ExitReason::Stop);
    assert!(r.venue.stops.is_empty());
    ok(&r);
}

#[test]
fn after_an_exit_the_next_entry_waits_for_the_cooldown() {
    let mut r = Rig::started();
    r.enter(Side::Buy);
    r.heavy = Some(Side::Sell);
    r.run(300);
    assert_eq!(r.closed[0].exit, ExitReason::OppositeSignal);
    r.run(29_000);
    assert_eq!(r.orders().len(), 2);
    assert!(r.reasons().contains(&"Cooldown".to_string()));
    r.run(2_000);
    assert_eq!(r.orders().len(), 3);
    assert_eq!(r.orders()[2].side, Side::Sell);
    ok(&r);
}

#[test]
fn no_grant_no_entry_and_a_grant_that_expires_ends_permission_by_itself() {
    let mut r = Rig::started();
    r.granting = false;
    r.run(1_900);
    r.heavy = Some(Side::Buy);
    r.run(5_000);
    assert!(r.orders().is_empty());
    assert!(r.reasons().contains(&"NoGrant".to_string()));
    r.granting = true;
    r.run(1_000);
    assert_eq!(r.orders().len(), 1);
    ok(&r);
}

#[test]
fn a_grant_with_less_than_300_ms_left_is_not_used() {
    let mut r = Rig::started();
    r.granting = false;
    r.run(2_100);
    r.grant_ms = 290;
    r.granting = true;
    r.heavy = Some(Side::Buy);
    r.run(3_000);
    assert!(r.orders().is_empty());
    ok(&r);
}

#[test]
fn the_exit_needs_neither_grant_nor_book_nor_coordinator() {
    let mut r = Rig::started();
    r.enter(Side::Buy);
    r.granting = false;
    r.depth_stream = false;
    r.send(TraderEvent::StreamDown(StreamKind::Depth));
    r.run(62_000);
    assert_eq!(r.venue.qty, 0);
    assert_eq!(r.closed[0].exit, ExitReason::MaxHold);
    ok(&r);
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
fn new_parameters_come_into_force_whole_in_mid_position_and_are_acknowledged() {
    let mut r = Rig::started();
    r.enter(Side::Buy);
    let mut p = params();
    p.exits.max_hold_seconds = 10;
    p.risk.atr.bar_seconds = 300;
    r.send(TraderEvent::Params(Box::new(document(2, p.clone()))));
    r.settle();
    assert!(r.log.contains(&TraderEffect::Acknowledge { generation: 2 }));
    assert!(r.log.iter().any(|e| matches!(
        e,
        TraderEffect::FetchHistory {
            bar_ms: 300_000,
            ..
        }
    )));
    r.run(11_000);
    assert_eq!(r.closed[0].exit, ExitReason::MaxHold);
    p.exits.max_hold_seconds = 77;
    r.send(TraderEvent::Params(Box::new(document(1, p))));
    assert_eq!(
        r.trader.params_order().0,
        2,
        "an older document changes nothing"
    );
    ok(&r);
}

#[test]
fn a_document_of_another_strategy_or_an_unknown_schema_is_refused() {
    let mut r = Rig::started();
    let mut doc = document(5, params());
    doc.strategy_uid = "other".into();
    r.send(TraderEvent::Params(Box::new(doc.clone())));
    doc.strategy_uid = "uid".into();
    doc.schema = 9;
    r.send(TraderEvent::Params(Box::new(doc)));
    r.heavy = Some(Side::Buy);
    r.run(1_000);
    assert!(r.orders().is_empty(), "an unknown schema means reduce-only");
    r.send(TraderEvent::Params(Box::new(document(6, params()))));
    r.run(1_000);
    assert_eq!(r.orders().len(), 1);
    ok(&r);
}

#[test]
fn a_suspended_strategy_keeps_guarding_and_enters_nothing() {
    let mut r = Rig::started();
    r.enter(Side::Buy);
    let mut p = params();
    p.suspend = true;
    r.send(TraderEvent::Params(Box::new(document(2, p))));
    r.heavy = Some(Side::Sell);
    r.run(40_000);
    assert_eq!(r.venue.qty, 0);
    assert_eq!(r.orders().len(), 2);
    assert!(r.reasons().contains(&"Suspended".to_string()));
    ok(&r);
}

#[test]
fn a_command_of_a_lower_epoch_is_refused() {
    let mut r = Rig::started();
    r.epoch = 7;
    r.run(1_000);
    assert_eq!(r.trader.epoch(), 7);
    r.enter(Side::Buy);
    r.send(TraderEvent::Command(Command::Drain {
        epoch: 6,
        now: true,
    }));
    r.settle();
    assert_eq!(r.venue.qty, 999);
    r.send(TraderEvent::Command(Command::Drain {
        epoch: 7,
        now: true,
    }));
    r.settle();
    r.run(500);
    assert_eq!(r.venue.qty, 0);
    assert_eq!(r.closed[0].exit, ExitReason::Drain);
    ok(&r);
}

#[test]
fn tightening_brings_the_trail_within_one_atr_of_the_mark() {
    let mut r = Rig::started();
    r.enter(Side::Buy);
    r.send(TraderEvent::Command(Command::TightenStop { epoch: 1 }));
    r.settle();
    r.run(2_000);
    let trail: Vec<_> = r.venue.stops.iter().filter(|s| s.qty.is_some()).collect();
    assert_eq!(trail.len(), 1);
    assert_eq!(trail[0].trigger, Price(9_950));
    ok(&r);
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
fn shutdown_flattens_cancels_the_stops_and_is_done() {
    let mut r = Rig::started();
    r.enter(Side::Buy);
    r.send(TraderEvent::Shutdown(OnDelete::Flatten));
    r.settle();
    r.run(2_000);
    assert_eq!(r.venue.qty, 0);
    assert!(r.venue.stops.is_empty());
    assert!(r.trader.is_done());
    assert_eq!(r.log.last(), Some(&TraderEffect::Done));
    ok(&r);
}

#[test]
fn shutdown_keeping_protected_leaves_the_position_with_its_anchor() {
    let mut r = Rig::started();
    r.enter(Side::Buy);
    r.send(TraderEvent::Shutdown(OnDelete::KeepProtected));
    r.settle();
    r.run(1_000);
    assert!(r.trader.is_done());
    assert_eq!((r.venue.qty, r.anchors().len()), (999, 1));
    ok(&r);
}

#[test]
fn without_a_coordinator_for_thirty_seconds_the_stop_stands_and_no_longer_trails() {
    let mut r = Rig::started();
    let mut p = params();
    p.exits.max_hold_seconds = 0;
    r.send(TraderEvent::Params(Box::new(document(2, p))));
    r.enter(Side::Buy);
    r.granting = false;
    r.run(31_000);
    let n = r.stops_sent().len();
    r.price(10_100);
    r.run(3_000);
    assert_eq!(r.stops_sent().len(), n);
    assert_eq!(r.anchors().len(), 1);
    r.granting = true;
    r.run(3_000);
    assert!(r.stops_sent().len() > n);
    ok(&r);
}

#[test]
fn a_stop_inside_its_costs_is_not_traded_unless_the_gate_is_off() {
    let mut r = Rig::new();
    let mut c = config();
    c.info.fees.taker = d("0.005");
    r.trader = crate::trader::Trader::new(c.clone());
    r.boot();
    r.heavy = Some(Side::Buy);
    r.run(2_000);
    assert!(r.orders().is_empty());
    assert!(r.reasons().contains(&"StopInsideCosts".to_string()));
    let mut p = params();
    p.risk.cost_gate = CostGate::Off;
    r.send(TraderEvent::Params(Box::new(document(2, p))));
    r.run(1_000);
    assert_eq!(r.orders().len(), 1);
}

#[test]
fn decisions_and_the_view_tell_the_same_story() {
    let mut r = Rig::started();
    r.enter(Side::Sell);
    let v = r.trader.view();
    assert_eq!(v.position, d("-0.999"));
    assert_eq!(v.stop, Some(d("1010.0")));
    assert!(v.anchor_confirmed && v.book_synced && v.granted);
    assert_eq!(v.entry_price, Some(d("1000.0")));
    let entered = r.sent(|e| match e {
        TraderEffect::Decision {
            reason,
            text,
            sent: Some(id),
        } if reason == "Entered" => Some((text.clone(), id.clone())),
        _ => None,
    });
    assert_eq!(entered.len(), 1);
    assert_eq!(entered[0].1, r.orders()[0].client_id);
    assert!(entered[0].0.contains("fixed notional"), "{}", entered[0].0);
}

#[test]
fn without_permission_shadow_trades_run_at_full_cost_and_send_nothing() {
    let mut r = Rig::started();
    r.granting = false;
    r.run(6_000);
    r.heavy = Some(Side::Buy);
    r.run(8_000);
    r.heavy = None;
    r.run(61_000);
    assert!(r.orders().is_empty());
    assert_eq!(r.closed.len(), 1);
    let t = &r.closed[0];
    assert!(t.shadow && t.gross - t.fees < Decimal::ZERO);
    assert_eq!(r.trader.view().round_trips, 0);
    ok(&r);
}

#[test]
fn a_short_gap_in_permission_makes_no_shadow_trade() {
    let mut r = Rig::started();
    r.granting = false;
    r.heavy = Some(Side::Buy);
    r.order_fate = Fate::Refuse(Refusal::Margin);
    r.run(4_000);
    r.heavy = None;
    r.run(61_000);
    assert!(r.closed.is_empty());
}

#[test]
fn a_drained_symbol_waits_for_its_normal_exit_and_trades_again_once_it_is_granted_again() {
    let mut r = Rig::started();
    r.enter(Side::Buy);
    r.granting = false;
    r.send(TraderEvent::Command(Command::Drain {
        epoch: 1,
        now: false,
    }));
    r.run(1_000);
    assert_eq!(r.venue.qty, 999, "drained, not dropped");
    r.run(61_000);
    assert_eq!(r.venue.qty, 0);
    r.run(31_000);
    r.heavy = Some(Side::Buy);
    r.run(1_000);
    assert!(r.reasons().contains(&"Draining".to_string()));
    r.granting = true;
    r.run(2_000);
    assert_eq!(r.venue.qty, 999);
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
