//! Who trades with whom, at what price, and what the streams say of it.

use super::*;
use Side::{Buy, Sell};
use TimeInForce::{Fok, Gtc, Gtx, Ioc};

#[test]
fn a_market_order_says_new_then_account_order_and_fill_for_each_level() {
    let mut r = Rig::new();
    let (o, e) = r.order(r.a, market(Buy, 15_000));
    assert_eq!((o.status, o.filled), (OrderStatus::Filled, Qty(15_000)));
    assert_eq!(
        kinds(&e),
        [
            "New/New",
            "trade",
            "account ORDER",
            "Trade/PartiallyFilled",
            "fill",
            "trade",
            "account ORDER",
            "Trade/Filled",
            "fill"
        ]
    );
    // 10 at 100.1 and 5 at 100.2, fee 5 bp.
    let p = r.engine.position(r.a, S).unwrap();
    assert_eq!(p.entry_price, dec("100.133333333333"));
    assert_eq!(r.wallet(r.a), dec("10000") - dec("1502") * dec("0.0005"));
    let v = r.engine.order(r.a, S, &OrderRef::Id(o.order_id)).unwrap();
    assert_eq!(v.cum_quote, dec("1502"));
}

#[test]
fn what_a_taker_took_stays_away_until_the_source_speaks_of_the_level() {
    let mut r = Rig::new();
    r.order(r.a, market(Buy, 12_000));
    assert_eq!(
        r.engine.best(S),
        (
            Some((Price(999), Qty(10_000))),
            Some((Price(1002), Qty(8_000)))
        )
    );
    // A frame about other levels carries the change along.
    let d = frame(&r.depth(&[(998, 7)], &[]));
    assert_eq!(d.bids, [(Price(998), Qty(7))]);
    assert_eq!(d.asks, [(Price(1001), Qty(0)), (Price(1002), Qty(8_000))]);
    assert_eq!((d.first_id, d.last_id, d.prev_last_id), (101, 102, 100));
    // Said once only; and the source's word restores the level.
    let d = frame(&r.depth(&[], &[(1001, 3_000)]));
    assert_eq!(d.asks, [(Price(1001), Qty(3_000))]);
    assert_eq!(r.engine.best(S).1, Some((Price(1001), Qty(3_000))));
}

#[test]
fn a_recording_goes_out_as_it_came_in() {
    let mut r = Rig::new();
    let d = frame(&r.depth(&[(997, 5), (990, 0)], &[(1004, 0), (1010, 2)]));
    assert_eq!(d.bids, [(Price(997), Qty(5)), (Price(990), Qty(0))]);
    assert_eq!(d.asks, [(Price(1004), Qty(0)), (Price(1010), Qty(2))]);
}

#[test]
fn ioc_remainder_expires_and_limit_remainder_rests() {
    let mut r = Rig::new();
    let (o, e) = r.order(r.a, limit(Buy, 1001, 15_000, Ioc));
    assert_eq!(
        executed(&e),
        [
            (ExecType::New, OrderStatus::New, 0),
            (ExecType::Trade, OrderStatus::PartiallyFilled, 10_000),
            (ExecType::Expired, OrderStatus::Expired, 10_000)
        ]
    );
    assert_eq!(o.status, OrderStatus::Expired);
    let (o, _) = r.order(r.a, limit(Buy, 1002, 15_000, Gtc));
    assert_eq!(
        (o.status, o.filled),
        (OrderStatus::PartiallyFilled, Qty(10_000))
    );
    assert_eq!(
        r.engine.best(S).0,
        Some((Price(1002), Qty(5_000))),
        "the rest is the best bid"
    );
    assert_eq!(r.engine.open_orders(r.a, Some(S)).len(), 1);
}

#[test]
fn fill_or_kill_and_post_only_are_all_or_nothing() {
    let mut r = Rig::new();
    assert_eq!(r.refused(r.a, limit(Buy, 1001, 10_001, Fok)), -5021);
    let (o, _) = r.order(r.a, limit(Buy, 1001, 10_000, Fok));
    assert_eq!(o.status, OrderStatus::Filled);
    assert_eq!(r.refused(r.a, limit(Buy, 1002, 1_000, Gtx)), -5022);
    let (o, _) = r.order(r.a, limit(Buy, 1001, 1_000, Gtx));
    assert_eq!(o.status, OrderStatus::New);
}

#[test]
fn an_own_order_waits_for_the_queue_in_front_of_it() {
    let mut r = Rig::new();
    r.order(r.a, limit(Buy, 999, 2_000, Gtc));
    r.order(r.b, limit(Buy, 999, 1_000, Gtc));
    // 10.000 stand before both.
    assert_eq!(order_events(&r.print(999, 9_000, true)), []);
    let e = r.print(999, 2_500, true);
    assert_eq!(
        executed(&e),
        [(ExecType::Trade, OrderStatus::PartiallyFilled, 1_500)]
    );
    let e = r.print(999, 700, true);
    assert_eq!(
        executed(&e),
        [
            (ExecType::Trade, OrderStatus::Filled, 2_000),
            (ExecType::Trade, OrderStatus::PartiallyFilled, 200)
        ]
    );
    let fill = order_events(&e)[0].fill.clone().unwrap();
    assert!(fill.maker);
    assert_eq!(fill.price, Price(999));
    assert_eq!(
        fill.fee,
        dec("99.9") * dec("0.5") * dec("0.0002"),
        "maker fee on 0.5"
    );
}

#[test]
fn a_level_that_shrinks_pulls_the_queue_ahead_down() {
    let mut r = Rig::new();
    r.order(r.a, limit(Buy, 999, 2_000, Gtc));
    let d = frame(&r.depth(&[(999, 300)], &[]));
    assert_eq!(d.bids, [(Price(999), Qty(2_300))], "combined quantity");
    r.depth(&[(999, 9_000)], &[]); // newcomers stand behind
    let e = r.print(999, 400, true);
    assert_eq!(
        executed(&e),
        [(ExecType::Trade, OrderStatus::PartiallyFilled, 100)]
    );
}

#[test]
fn a_trade_through_the_price_fills_without_a_queue() {
    let mut r = Rig::new();
    r.order(r.a, limit(Sell, 1001, 2_000, Gtc));
    assert_eq!(
        order_events(&r.print(1003, 5_000, true)),
        [],
        "a seller does not lift offers"
    );
    let e = r.print(1003, 1_200, false);
    assert_eq!(
        executed(&e),
        [(ExecType::Trade, OrderStatus::PartiallyFilled, 1_200)]
    );
    assert_eq!(
        order_events(&e)[0].fill.as_ref().unwrap().price,
        Price(1001)
    );
}

#[test]
fn the_outside_book_moving_onto_an_own_order_fills_it_and_is_used_up() {
    let mut r = Rig::new();
    r.order(r.a, limit(Buy, 1000, 5_000, Gtc));
    let e = r.depth(&[], &[(1000, 3_000)]);
    assert_eq!(
        executed(&e),
        [(ExecType::Trade, OrderStatus::PartiallyFilled, 3_000)]
    );
    let d = frame(&e);
    assert_eq!(d.asks, [(Price(1000), Qty(0))], "taken by the own bid");
    assert_eq!(d.bids, [(Price(1000), Qty(2_000))]);
    let (bid, ask) = r.engine.best(S);
    assert!(bid.unwrap().0 < ask.unwrap().0);
}

#[test]
fn a_taker_meets_outside_and_own_orders_in_the_order_they_came() {
    let mut r = Rig::new();
    r.depth(&[], &[(1001, 1_000)]);
    r.order(r.b, limit(Sell, 1001, 500, Gtc));
    r.depth(&[], &[(1001, 4_000)]);
    // 1.000 outside, 0.500 own, 3.000 outside.
    let (_, e) = r.order(r.a, market(Buy, 1_200));
    assert_eq!(
        executed(&e),
        [
            (ExecType::New, OrderStatus::New, 0),
            (ExecType::Trade, OrderStatus::PartiallyFilled, 1_000),
            (ExecType::Trade, OrderStatus::PartiallyFilled, 200),
            (ExecType::Trade, OrderStatus::Filled, 1_200)
        ]
    );
    assert_eq!(r.pos(r.b), -200);
    assert_eq!(r.pos(r.a), 1_200);
    assert_eq!(r.engine.best(S).1, Some((Price(1001), Qty(3_300))));
}

#[test]
fn an_account_never_trades_with_itself() {
    let mut r = Rig::new();
    r.order(r.a, limit(Sell, 1000, 500, Gtc));
    let (_, e) = r.order(r.a, market(Buy, 600));
    assert_eq!(
        executed(&e)[1],
        (ExecType::Expired, OrderStatus::ExpiredInMatch, 0)
    );
    assert_eq!(r.pos(r.a), 600);
}

#[test]
fn trade_ids_stay_unbroken_around_own_trades() {
    let mut r = Rig::new();
    r.print(1000, 1, true);
    r.order(r.a, market(Buy, 100));
    let e = r.market(
        S,
        MarketInput::Trade(AggTrade {
            id: 5_001,
            event_ms: 1,
            transact_ms: 1,
            price: Price(1000),
            qty: Qty(1),
            buyer_is_maker: true,
        }),
    );
    let ids: Vec<u64> = r
        .events
        .iter()
        .filter_map(|e| match e {
            EngineEvent::Trade(_, t) => Some(t.id),
            _ => None,
        })
        .collect();
    assert_eq!(ids, [5_000, 5_001, 5_002]);
    assert_eq!(e.len(), 1);
}

#[test]
fn a_reduce_only_order_is_clipped_and_expires_with_its_position() {
    let mut r = Rig::new();
    r.order(r.a, market(Buy, 1_000));
    let (o, _) = r.order(
        r.a,
        new_order(
            Sell,
            OrderKind::Limit {
                price: Price(1005),
                tif: Gtc,
            },
            5_000,
            true,
            Some("tp"),
        ),
    );
    assert_eq!(o.qty, Qty(1_000), "clipped to the position");
    let (_, e) = r.order(r.a, market(Sell, 1_000));
    assert!(
        executed(&e).contains(&(ExecType::Expired, OrderStatus::Expired, 0)),
        "the position is gone, and the order with it"
    );
    assert_eq!(r.pos(r.a), 0);
    assert!(r.engine.open_orders(r.a, None).is_empty());
}

#[test]
fn a_resting_reduce_only_order_never_flips_the_position() {
    let mut r = Rig::new();
    r.order(r.a, market(Buy, 1_000));
    r.order(
        r.a,
        new_order(
            Sell,
            OrderKind::Limit {
                price: Price(1005),
                tif: Gtc,
            },
            1_000,
            true,
            None,
        ),
    );
    r.order(r.a, market(Sell, 700));
    let e = r.print(1010, 50_000, false);
    assert_eq!(
        executed(&e),
        [
            (ExecType::Trade, OrderStatus::PartiallyFilled, 300),
            (ExecType::Expired, OrderStatus::Expired, 300)
        ]
    );
    assert_eq!(r.pos(r.a), 0);
}

#[test]
fn a_countdown_cancels_and_can_be_rearmed_and_switched_off() {
    let mut r = Rig::with(false, true);
    r.order(r.a, limit(Buy, 990, 1_000, Gtc));
    r.order(r.a, market(Buy, 1_000));
    r.ask(r.a, stop(Sell, 950, None, "anchor")).0.unwrap();
    r.ask(r.a, Request::Countdown(S, 5_000)).0.unwrap();
    assert!(r.pass(4_000).is_empty());
    r.ask(r.a, Request::Countdown(S, 5_000)).0.unwrap();
    assert!(r.pass(4_999).is_empty());
    let e = r.pass(1);
    assert_eq!(kinds(&e), ["Canceled/Canceled", "algo Canceled"]);
    r.order(r.a, limit(Buy, 990, 1_000, Gtc));
    r.ask(r.a, Request::Countdown(S, 5_000)).0.unwrap();
    r.ask(r.a, Request::Countdown(S, 0)).0.unwrap();
    assert!(r.pass(60_000).is_empty());
}
