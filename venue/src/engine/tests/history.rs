//! How long orders and fills can be asked for.

use super::*;
use Side::{Buy, Sell};

const DAY: i64 = 86_400_000;

fn by_id(r: &Rig, id: u64) -> Option<OrderStatus> {
    let o = r.engine.order(r.a, S, &OrderRef::Id(id)).ok()?;
    Some(o.order.status)
}

#[test]
fn an_unfilled_done_order_shows_for_three_days_after_its_end() {
    let mut r = Rig::new();
    let (o, _) = r.order(r.a, limit(Buy, 990, 1_000, TimeInForce::Gtc));
    r.pass(DAY);
    r.ask(r.a, Request::CancelAll(S)).0.unwrap();
    r.pass(3 * DAY);
    assert_eq!(by_id(&r, o.order_id), Some(OrderStatus::Canceled));
    assert_eq!(r.engine.orders(r.a, Some(S)).len(), 1);
    r.pass(1);
    assert_eq!(by_id(&r, o.order_id), None);
    assert!(r.engine.orders(r.a, Some(S)).is_empty());
}

#[test]
fn open_orders_show_for_as_long_as_they_are_open() {
    let mut r = Rig::new();
    let (o, _) = r.order(r.a, limit(Buy, 990, 1_000, TimeInForce::Gtc));
    r.pass(400 * DAY);
    assert_eq!(by_id(&r, o.order_id), Some(OrderStatus::New));
}

#[test]
fn a_filled_order_and_its_fills_show_for_three_months() {
    let mut r = Rig::new();
    let (o, _) = r.order(r.a, market(Buy, 1_000));
    r.pass(90 * DAY);
    assert_eq!(by_id(&r, o.order_id), Some(OrderStatus::Filled));
    assert_eq!(r.engine.user_trades(r.a, None).count(), 1);
    r.pass(1);
    assert_eq!(by_id(&r, o.order_id), None);
    assert_eq!(r.engine.user_trades(r.a, None).count(), 0);
    assert_eq!(r.pos(r.a), 1_000, "positions are not forgotten");
    assert!(!r.engine.ledger(r.a).is_empty());
}

#[test]
fn a_cancelled_conditional_order_shows_for_three_days() {
    let mut r = Rig::new();
    r.order(r.a, market(Buy, 1_000));
    r.ask(r.a, stop(Sell, 990, None, "anchor")).0.unwrap();
    r.ask(r.a, Request::CancelAllStops(S)).0.unwrap();
    r.pass(3 * DAY);
    assert_eq!(r.engine.stops(r.a, None).len(), 1);
    r.pass(1);
    assert!(r.engine.stops(r.a, None).is_empty());
    let which = OrderRef::Client("anchor".into());
    assert_eq!(r.engine.stop(r.a, &which).unwrap_err().code, -2013);
}

#[test]
fn what_no_longer_shows_takes_no_memory() {
    let mut r = Rig::new();
    r.order(r.a, market(Buy, 1_000));
    for i in 0..50 {
        r.order(r.a, limit(Buy, 990, 1_000, TimeInForce::Gtc));
        r.ask(r.a, Request::CancelAll(S)).0.unwrap();
        let id = format!("s{i}");
        r.ask(r.a, stop(Sell, 990, None, &id)).0.unwrap();
        r.ask(r.a, Request::CancelAllStops(S)).0.unwrap();
    }
    r.pass(5 * DAY);
    let account = &r.engine.accounts[0];
    assert_eq!((r.engine.orders.len(), r.engine.stops.len()), (1, 0));
    assert_eq!((account.stops.len(), account.stop_by_client.len()), (0, 0));
    assert_eq!(account.symbols[0].orders.len(), 1);
    assert_eq!(account.symbols[0].by_client.len(), 1);
    r.pass(100 * DAY);
    assert_eq!(r.engine.orders.len(), 0);
    assert!(r.engine.accounts[0].trades.is_empty());
}

#[test]
fn a_state_from_before_there_were_terms_and_kinds_is_taken_up() {
    let mut r = Rig::new();
    r.order(r.a, market(Buy, 1_000));
    r.order(r.a, limit(Buy, 990, 1_000, TimeInForce::Gtc));
    r.ask(r.a, stop(Sell, 990, None, "anchor")).0.unwrap();
    let mut saved = serde_json::to_value(&r.engine).unwrap();
    for field in ["next_amendment", "good_till", "forgot_day"] {
        saved.as_object_mut().unwrap().remove(field).unwrap();
    }
    for o in saved["orders"].as_object_mut().unwrap().values_mut() {
        o.as_object_mut().unwrap().remove("terms").unwrap();
    }
    for s in saved["stops"].as_object_mut().unwrap().values_mut() {
        for field in ["working", "kind", "price_protect", "trail", "terms"] {
            s.as_object_mut().unwrap().remove(field).unwrap();
        }
    }
    r.engine = serde_json::from_value(saved).unwrap();
    r.mark("99");
    r.pass(TRIGGER_DELAY_MS);
    assert_eq!(r.pos(r.a), 0, "the stop still watches the mark and closes");
    assert_eq!(r.engine.open_orders(r.a, None).len(), 1);
}
