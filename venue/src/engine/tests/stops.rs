//! Life of conditional orders, both behaviours of the orphan switch.

use super::*;
use Side::{Buy, Sell};

fn long_with_anchor(auto_cancel: bool) -> Rig {
    let mut r = Rig::with(auto_cancel, false);
    r.order(r.a, market(Buy, 1_000));
    r.ask(r.a, stop(Sell, 990, None, "anchor")).0.unwrap();
    r
}

#[test]
fn a_stop_lives_from_new_over_triggering_and_triggered_to_finished() {
    let mut r = long_with_anchor(false);
    r.order(r.a, market(Buy, 500)); // closePosition covers any size
    assert!(statuses(&r.mark("99.1")).is_empty());
    r.now += 5;
    let e = r.mark("99");
    assert_eq!(statuses(&e), [AlgoStatus::Triggering]);
    assert_eq!(algo_events(&e)[0].order_id, None);
    assert_eq!(r.engine.next_due_ms(), Some(r.now + TRIGGER_DELAY_MS));
    assert_eq!(
        r.refused(r.a, Request::CancelStop(OrderRef::Client("anchor".into()))),
        -2011,
        "too late to cancel"
    );
    assert!(r.pass(TRIGGER_DELAY_MS - 1).is_empty());
    let e = r.pass(1);
    assert_eq!(
        kinds(&e),
        [
            "algo Triggered",
            "New/New",
            "trade",
            "account ORDER",
            "Trade/Filled",
            "fill",
            "algo Finished"
        ]
    );
    let order = order_events(&e)[1].clone();
    assert_eq!(
        (order.client_id.as_str(), order.filled, order.reduce_only),
        ("anchor", Qty(1_500), true)
    );
    assert_eq!(algo_events(&e)[0].order_id, Some(order.order_id));
    assert_eq!(r.pos(r.a), 0);
    let v = r
        .engine
        .stop(r.a, &OrderRef::Client("anchor".into()))
        .unwrap();
    assert_eq!(v.stop.status, AlgoStatus::Finished);
    assert_eq!((v.actual_price, v.actual_qty), (dec("99.9"), Qty(1_500)));
    assert!(r.engine.open_stops(r.a, None).is_empty());
}

#[test]
fn buy_stops_and_take_profits_trigger_on_their_own_side() {
    let mut r = Rig::new();
    r.order(r.a, market(Sell, 1_000));
    r.ask(r.a, stop(Buy, 1010, None, "sl")).0.unwrap();
    r.ask(
        r.a,
        Request::NewStop {
            symbol: S,
            client_id: Some("tp".into()),
            side: Buy,
            trigger: Price(980),
            qty: Some(Qty(400)),
            reduce_only: true,
            take_profit: true,
        },
    )
    .0
    .unwrap();
    r.mark("98");
    r.pass(20);
    assert_eq!(r.pos(r.a), -600);
    r.mark("101.1");
    r.pass(20);
    assert_eq!(r.pos(r.a), 0);
}

#[test]
fn orphans_expire_at_once_where_the_venue_sweeps_them() {
    let mut r = long_with_anchor(true);
    r.ask(r.a, stop(Sell, 995, Some(1_000), "trail")).0.unwrap();
    let (_, e) = r.order(r.a, reduce(Sell, 1_000));
    assert_eq!(statuses(&e), [AlgoStatus::Expired, AlgoStatus::Expired]);
    assert!(r.engine.open_stops(r.a, Some(S)).is_empty());
    assert!(statuses(&r.mark("90")).is_empty());
}

#[test]
fn orphans_stay_and_come_to_nothing_at_their_trigger_where_it_does_not() {
    let mut r = long_with_anchor(false);
    r.ask(r.a, stop(Sell, 995, Some(1_000), "trail")).0.unwrap();
    let (_, e) = r.order(r.a, reduce(Sell, 1_000));
    assert!(statuses(&e).is_empty());
    assert_eq!(r.engine.open_stops(r.a, Some(S)).len(), 2);
    r.mark("98");
    let e = r.pass(TRIGGER_DELAY_MS);
    let by_id = |id: &str| {
        algo_events(&e)
            .into_iter()
            .find(|a| a.client_id.as_str() == id)
            .unwrap()
    };
    assert_eq!(by_id("anchor").status, AlgoStatus::Expired);
    assert_eq!(by_id("trail").status, AlgoStatus::Rejected);
    assert_eq!(by_id("trail").reason.as_deref(), Some("Reduce Only reject"));
    assert_eq!(r.pos(r.a), 0, "an orphan opens nothing");
}

#[test]
fn two_stops_hit_together_close_the_position_once() {
    let mut r = long_with_anchor(false);
    r.ask(r.a, stop(Sell, 995, Some(1_000), "trail")).0.unwrap();
    r.mark("95");
    r.pass(50);
    assert_eq!(r.pos(r.a), 0);
    let filled: i64 = r
        .engine
        .user_trades(r.a, Some(S))
        .filter(|t| t.side == Sell)
        .map(|t| t.fill.qty.0)
        .sum();
    assert_eq!(filled, 1_000);
}

#[test]
fn a_trail_larger_than_the_position_is_clipped() {
    let mut r = long_with_anchor(false);
    r.ask(r.a, stop(Sell, 995, Some(5_000), "trail")).0.unwrap();
    r.mark("99.4");
    r.pass(50);
    assert_eq!(r.pos(r.a), 0);
}

#[test]
fn an_entry_stop_is_checked_when_it_triggers() {
    let mut r = Rig::new();
    let entry = |lots, id: &str| Request::NewStop {
        symbol: S,
        client_id: Some(id.into()),
        side: Buy,
        trigger: Price(1010),
        qty: Some(Qty(lots)),
        reduce_only: false,
        take_profit: false,
    };
    r.ask(r.a, entry(500_000, "big")).0.unwrap();
    r.ask(r.a, entry(1_000, "small")).0.unwrap();
    r.mark("101");
    let e = r.pass(50);
    assert_eq!(
        statuses(&e),
        [
            AlgoStatus::Rejected,
            AlgoStatus::Triggered,
            AlgoStatus::Finished
        ]
    );
    assert_eq!(r.pos(r.a), 1_000);
}

#[test]
fn stops_are_cancelled_by_id_by_client_id_and_all_at_once() {
    let mut r = long_with_anchor(false);
    let (x, e) = r.ask(r.a, stop(Sell, 980, Some(10), "x"));
    assert_eq!(statuses(&e), [AlgoStatus::New]);
    let Ok(Response::Stop(x)) = x else { panic!() };
    let (gone, e) = r.ask(r.a, Request::CancelStop(OrderRef::Id(x.algo_id)));
    assert_eq!(statuses(&e), [AlgoStatus::Canceled]);
    assert!(matches!(gone, Ok(Response::Stop(s)) if s.status == AlgoStatus::Canceled));
    r.ask(r.a, stop(Sell, 980, Some(10), "x")).0.unwrap();
    assert!(r.ask(r.b, Request::CancelAllStops(S)).1.is_empty());
    let (_, e) = r.ask(r.a, Request::CancelAllStops(S));
    assert_eq!(statuses(&e), [AlgoStatus::Canceled; 2]);
}
