//! Whole stories, told as sentences.

use super::rig::*;
use crate::fixed::Price;
use crate::fixed::{Qty, Side};
use crate::messages::{Command, ExitReason};
use crate::order::{EntryKind, OrderKind, Refusal, TimeInForce};
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
fn a_post_only_entry_rests_at_the_best_price_under_a_countdown_that_ends_with_it() {
    let mut r = Rig::started();
    let mut p = params();
    p.execution.entry = EntryStyle::PostOnly;
    r.send(TraderEvent::Params(Box::new(document(2, p))));
    r.heavy = Some(Side::Buy);
    r.run(200);
    let o = &r.orders()[0];
    let gtx = OrderKind::Limit {
        price: Price(10_000),
        tif: TimeInForce::Gtx,
    };
    assert_eq!(o.kind, gtx);
    let at = |e: &TraderEffect| r.log.iter().position(|x| x == e).unwrap();
    assert!(at(&TraderEffect::Countdown { ms: 10_000 }) < at(&TraderEffect::Place(o.clone())));
    assert!(at(&TraderEffect::Countdown { ms: 0 }) > at(&TraderEffect::Place(o.clone())));
    ok(&r);
}
