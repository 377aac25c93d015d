//! Amending resting orders.

use super::*;
use Side::{Buy, Sell};

fn change(id: u64, side: Side, price: i64, lots: i64) -> Request {
    Request::Modify(ModifyOrder {
        symbol: S,
        which: OrderRef::Id(id),
        side,
        qty: Qty(lots),
        price: Price(price),
        price_match: None,
        modify_id: Some(7),
    })
}

fn resting(r: &mut Rig, side: Side, price: i64, lots: i64) -> u64 {
    let (o, _) = r.order(r.a, limit(side, price, lots, TimeInForce::Gtc));
    assert_eq!(o.status, OrderStatus::New);
    o.order_id
}

#[test]
fn a_changed_order_says_amendment_and_goes_to_the_back_of_its_queue() {
    let mut r = Rig::new();
    let id = resting(&mut r, Buy, 999, 1_000);
    let behind = r.order(r.b, limit(Buy, 999, 1_000, TimeInForce::Gtc)).0;
    let (o, e) = r.order(r.a, change(id, Buy, 999, 900));
    assert_eq!(executed(&e), [(ExecType::Amendment, OrderStatus::New, 0)]);
    assert_eq!((o.qty, o.order_id), (Qty(900), id));
    r.print(999, 10_500, true); // the outside queue and half an order
    let filled = |r: &Rig, a, id| {
        let o = r.engine.order(a, S, &OrderRef::Id(id)).unwrap();
        o.order.filled.0
    };
    assert_eq!(
        (filled(&r, r.a, id), filled(&r, r.b, behind.order_id)),
        (0, 500)
    );
}

#[test]
fn a_changed_order_that_crosses_takes_at_once() {
    let mut r = Rig::new();
    let id = resting(&mut r, Buy, 990, 12_000);
    let (o, e) = r.order(r.a, change(id, Buy, 1001, 12_000));
    assert_eq!(o.filled, Qty(10_000));
    assert_eq!(executed(&e)[0].0, ExecType::Amendment);
    assert_eq!(r.engine.best(S).0.unwrap(), (Price(1001), Qty(2_000)));
}

#[test]
fn what_is_filled_already_and_a_post_only_that_would_take_are_cancelled() {
    let mut r = Rig::new();
    let id = resting(&mut r, Buy, 1000, 1_000);
    r.print(1000, 400, true);
    let (o, e) = r.order(r.a, change(id, Buy, 1000, 400));
    assert_eq!((o.status, o.filled), (OrderStatus::Canceled, Qty(400)));
    assert_eq!(executed(&e)[0].0, ExecType::Canceled);
    let (o, _) = r.order(r.a, limit(Sell, 1002, 1_000, TimeInForce::Gtx));
    let (o, _) = r.order(r.a, change(o.order_id, Sell, 1000, 1_000));
    assert_eq!(o.status, OrderStatus::New, "it does not take there");
    let (o, _) = r.order(r.a, change(o.order_id, Sell, 999, 1_000));
    assert_eq!((o.status, o.filled), (OrderStatus::Canceled, Qty(0)));
}

#[test]
fn a_refused_change_leaves_the_order_as_it_was() {
    let mut r = Rig::new();
    let id = resting(&mut r, Buy, 999, 1_000);
    for (request, code) in [
        (change(id, Sell, 999, 900), -1117),
        (change(id, Buy, 999, 1_000), -5027),
        (change(id, Buy, 999, 0), -4003),
        (change(id, Buy, 999, 2_000_000), -4005),
        (change(id, Buy, 0, 900), -4001),
        (change(id, Buy, 1_051, 900), -4016),
        (change(id, Buy, 999, 40), -5029),
        (change(id, Buy, 999, 900_000), -2027),
        (change(id + 1, Buy, 999, 900), -2013),
    ] {
        assert_eq!(r.refused(r.a, request), code);
    }
    assert_eq!(r.refused(r.b, change(id, Buy, 999, 900)), -2013);
}

#[test]
fn the_margin_of_the_old_order_counts_for_the_new_one() {
    let mut r = Rig::new();
    let mut out = vec![];
    r.engine
        .deposit(r.now, r.a, dec("-9990"), &mut out)
        .unwrap();
    let id = resting(&mut r, Buy, 900, 2_000); // 180 ÷ 20 = 9 of 10
    assert_eq!(r.refused(r.a, change(id, Buy, 900, 2_300)), -2019);
    r.order(r.a, change(id, Buy, 900, 2_200));
}

#[test]
fn a_reduce_only_change_is_clipped_to_the_position() {
    let mut r = Rig::new();
    r.order(r.a, market(Buy, 1_000));
    let kind = OrderKind::Limit {
        price: Price(1005),
        tif: TimeInForce::Gtc,
    };
    let (o, _) = r.order(r.a, new_order(Sell, kind, 600, true, None));
    let (o, _) = r.order(r.a, change(o.order_id, Sell, 1005, 5_000));
    assert_eq!(o.qty, Qty(1_000));
    assert_eq!(r.refused(r.a, change(o.order_id, Sell, 1005, 6_000)), -5027);
}

#[test]
fn an_order_can_be_changed_ten_thousand_times() {
    let mut r = Rig::new();
    let id = resting(&mut r, Buy, 990, 1_000);
    for i in 0..MAX_AMENDMENTS as i64 {
        let mut out = vec![];
        let request = change(id, Buy, 990 - (i + 1) % 2, 1_000);
        r.engine.request(r.now, r.a, request, &mut out).unwrap();
    }
    assert_eq!(r.refused(r.a, change(id, Buy, 980, 1_000)), -5026);
}

#[test]
fn the_history_tells_what_was_before_and_after() {
    let mut r = Rig::new();
    let id = resting(&mut r, Buy, 990, 1_000);
    r.order(r.a, change(id, Buy, 991, 1_000));
    r.now += 5;
    r.order(r.a, change(id, Buy, 991, 900));
    let all = r.engine.amendments(r.a, S);
    assert_eq!(all.len(), 2);
    let (first, last) = (all[0].amendment, all[1].amendment);
    assert_eq!(first.price, (Price(990), Price(991)));
    assert_eq!(first.qty, (Qty(1_000), Qty(1_000)));
    assert_eq!(last.qty, (Qty(1_000), Qty(900)));
    assert_eq!((last.count, last.modify_id), (2, Some(7)));
    assert!(first.id < last.id && first.time_ms < last.time_ms);
    assert_eq!(all[0].order_id, id);
    assert!(r.engine.amendments(r.b, S).is_empty());
}

#[test]
fn a_change_can_take_its_price_from_the_book() {
    let mut r = Rig::new();
    let id = resting(&mut r, Buy, 980, 1_000);
    let queue = |price| {
        Request::Modify(ModifyOrder {
            symbol: S,
            which: OrderRef::Id(id),
            side: Buy,
            qty: Qty(1_000),
            price: Price(price),
            price_match: PriceMatch::parse("QUEUE"),
            modify_id: None,
        })
    };
    assert_eq!(r.refused(r.a, queue(990)), -5037);
    assert_eq!(r.order(r.a, queue(0)).0.price, Some(Price(999)));
}
