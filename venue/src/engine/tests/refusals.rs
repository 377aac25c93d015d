//! One test for each refusal: the code, no event, no effect ([`Rig::refused`] compares the whole state).

use super::*;
use Side::{Buy, Sell};
use TimeInForce::Gtc;

#[test]
fn quantities_out_of_the_lot_filters_are_refused() {
    let mut r = Rig::new();
    assert_eq!(r.refused(r.a, market(Buy, 0)), -4003);
    assert_eq!(r.refused(r.a, market(Buy, -5)), -4003);
    assert_eq!(r.refused(r.a, market(Buy, 500_001)), -4005);
    assert_eq!(r.refused(r.a, limit(Buy, 990, 1_000_001, Gtc)), -4005);
    let inst = spec("X").instrument;
    assert_eq!(qty_on_grid(&inst, dec("0")).unwrap_err().code, -4003);
    assert_eq!(qty_on_grid(&inst, dec("0.0001")).unwrap_err().code, -1111);
    assert_eq!(qty_on_grid(&inst, dec("0.0010")), Ok(Qty(1)));
    let coarse = Instrument {
        step: dec("5"),
        ..inst
    };
    assert_eq!(qty_on_grid(&coarse, dec("7")).unwrap_err().code, -4023);
}

#[test]
fn prices_off_the_grid_or_out_of_the_percent_band_are_refused() {
    let mut r = Rig::new();
    assert_eq!(r.refused(r.a, limit(Buy, 0, 1_000, Gtc)), -4001);
    assert_eq!(r.refused(r.a, limit(Buy, 1051, 1_000, Gtc)), -4016);
    assert_eq!(r.refused(r.a, limit(Sell, 949, 1_000, Gtc)), -4024);
    let inst = spec("X").instrument;
    assert_eq!(price_on_grid(&inst, dec("100.01")).unwrap_err().code, -1111);
    let coarse = Instrument {
        tick: dec("0.5"),
        ..inst
    };
    assert_eq!(
        price_on_grid(&coarse, dec("100.3")).unwrap_err().code,
        -4014
    );
    assert_eq!(price_on_grid(&coarse, dec("100.50")), Ok(Price(201)));
}

#[test]
fn a_market_order_needs_a_counterparty_inside_the_band_and_stops_at_its_edge() {
    let mut r = Rig::new();
    r.depth(&[], &(1001..=1010).map(|p| (p, 0)).collect::<Vec<_>>());
    assert_eq!(r.refused(r.a, market(Buy, 1_000)), -4131);
    r.depth(&[], &[(1051, 1_000)]);
    assert_eq!(r.refused(r.a, market(Buy, 1_000)), -4131);
    r.depth(&[], &[(1050, 400)]);
    let (o, _) = r.order(r.a, market(Buy, 1_000));
    assert_eq!((o.status, o.filled), (OrderStatus::Expired, Qty(400)));
}

#[test]
fn small_notionals_are_refused_unless_they_reduce() {
    let mut r = Rig::new();
    assert_eq!(r.refused(r.a, market(Buy, 49)), -4164);
    r.order(r.a, market(Buy, 60));
    r.order(r.a, reduce(Sell, 40));
    assert_eq!(r.pos(r.a), 20);
    assert_eq!(r.refused(r.a, market(Sell, 20)), -4164);
    r.order(r.a, reduce(Sell, 20));
    assert_eq!(r.pos(r.a), 0);
}

#[test]
fn margin_and_leverage_are_limits() {
    let mut r = Rig::new();
    // 20x allows up to 10000 of notional.
    assert_eq!(r.engine.leverage(r.a, S), Some(20));
    assert_eq!(r.refused(r.a, limit(Buy, 1000, 101_000, Gtc)), -2027);
    r.ask(r.a, Request::SetLeverage(S, 1)).0.unwrap();
    assert_eq!(r.refused(r.a, limit(Buy, 1000, 101_000, Gtc)), -2019);
    r.order(r.a, limit(Buy, 1000, 99_000, Gtc));
    assert_eq!(
        r.refused(r.a, limit(Buy, 999, 2_000, Gtc)),
        -2019,
        "open orders count"
    );
    assert_eq!(r.refused(r.a, Request::SetLeverage(S, 0)), -4028);
    assert_eq!(r.refused(r.a, Request::SetLeverage(S, 51)), -4028);
    assert_eq!(
        r.refused(r.a, Request::SetLeverage(S, 50)),
        -2027,
        "50x allows only 1000"
    );
    r.ask(r.a, Request::CancelAll(S)).0.unwrap();
    r.ask(r.a, Request::SetLeverage(S, 10)).0.unwrap();
    r.order(r.a, limit(Buy, 1000, 500_000, Gtc));
    assert_eq!(r.refused(r.a, Request::SetLeverage(S, 4)), -2028);
    // Selling is not held up by the buys: it does not raise the largest exposure.
    r.order(r.a, limit(Sell, 1005, 100_000, Gtc));
}

#[test]
fn reduce_only_needs_something_to_reduce() {
    let mut r = Rig::new();
    assert_eq!(r.refused(r.a, reduce(Sell, 1_000)), -2022);
    r.order(r.a, market(Buy, 1_000));
    assert_eq!(r.refused(r.a, reduce(Buy, 1_000)), -2022);
    let tp = OrderKind::Limit {
        price: Price(1010),
        tif: Gtc,
    };
    r.order(r.a, new_order(Sell, tp, 1_000, true, None));
    assert_eq!(
        r.refused(r.a, reduce(Sell, 1_000)),
        -4118,
        "the resting order holds it all"
    );
}

#[test]
fn stops_hold_reduce_only_quantity_only_where_the_switch_says_so() {
    for hold in [false, true] {
        let mut r = Rig::new();
        r.engine.set_stops_hold_reduce_only(hold);
        r.order(r.a, market(Buy, 1_000));
        r.ask(r.a, stop(Sell, 980, Some(1_000), "trail1"))
            .0
            .unwrap();
        r.ask(r.a, stop(Sell, 990, Some(1_000), "trail2"))
            .0
            .unwrap();
        if hold {
            assert_eq!(r.refused(r.a, reduce(Sell, 1_000)), -4118);
        } else {
            r.order(r.a, reduce(Sell, 1_000));
        }
    }
}

#[test]
fn client_ids_are_unique_among_open_orders_only() {
    let mut r = Rig::new();
    let gtc = OrderKind::Limit {
        price: Price(990),
        tif: Gtc,
    };
    let (first, _) = r.order(r.a, new_order(Buy, gtc, 1_000, false, Some("x")));
    assert_eq!(
        r.refused(r.a, new_order(Buy, gtc, 1_000, false, Some("x"))),
        -4116
    );
    r.order(r.b, new_order(Buy, gtc, 1_000, false, Some("x")));
    r.ask(r.a, Request::Cancel(S, OrderRef::Client("x".into())))
        .0
        .unwrap();
    let again = new_order(Buy, OrderKind::Market, 1_000, false, Some("x"));
    r.order(r.a, again.clone());
    let (o, _) = r.order(r.a, again);
    assert_eq!(r.pos(r.a), 2_000, "a filled id is accepted and fills again");
    let by_id = |r: &Rig, w: OrderRef| r.engine.order(r.a, S, &w).unwrap().order.order_id;
    assert_eq!(by_id(&r, OrderRef::Client("x".into())), o.order_id);
    assert_eq!(
        by_id(&r, OrderRef::Id(first.order_id)),
        first.order_id,
        "done orders are kept"
    );
}

#[test]
fn ids_that_name_nothing_open_are_refused() {
    let mut r = Rig::new();
    assert_eq!(r.refused(r.a, Request::Cancel(S, OrderRef::Id(1))), -2011);
    assert_eq!(r.refused(r.a, Request::CancelStop(OrderRef::Id(1))), -2011);
    let (o, _) = r.order(r.a, limit(Buy, 990, 1_000, Gtc));
    let foreign = Request::Cancel(S, OrderRef::Id(o.order_id));
    assert_eq!(r.refused(r.b, foreign.clone()), -2011, "not his order");
    r.ask(r.a, foreign.clone()).0.unwrap();
    assert_eq!(r.refused(r.a, foreign), -2011);
    let none = OrderRef::Client("none".into());
    assert_eq!(r.engine.order(r.a, S, &none).unwrap_err().code, -2013);
    assert_eq!(r.engine.stop(r.a, &none).unwrap_err().code, -2013);
    assert_eq!(
        r.engine
            .order(r.b, S, &OrderRef::Id(o.order_id))
            .unwrap_err()
            .code,
        -2013
    );
}

#[test]
fn malformed_requests_are_refused() {
    let mut r = Rig::new();
    let long = "x".repeat(37);
    for (id, code) in [(long.as_str(), -4015), ("", -4015), ("a b", -1100)] {
        let ask = new_order(Buy, OrderKind::Market, 1_000, false, Some(id));
        assert_eq!(r.refused(r.a, ask), code);
    }
    for q in [
        Request::CancelAll(SymbolId(9)),
        Request::CancelAllStops(SymbolId(9)),
        Request::SetLeverage(SymbolId(9), 2),
        Request::Countdown(SymbolId(9), 2),
        Request::Cancel(SymbolId(9), OrderRef::Id(1)),
    ] {
        assert_eq!(r.refused(r.a, q), -1121);
    }
    assert_eq!(r.refused(AccountId(7), Request::CancelAll(S)), -2015);
}

#[test]
fn there_are_at_most_200_open_orders_and_200_stops() {
    let mut r = Rig::new();
    for _ in 0..MAX_OPEN_ORDERS {
        r.order(r.a, limit(Buy, 990, 60, Gtc));
    }
    assert_eq!(r.refused(r.a, limit(Buy, 990, 60, Gtc)), -2025);
    r.order(r.a, market(Buy, 1_000));
    for i in 0..MAX_STOPS {
        r.ask(r.a, stop(Sell, 980, Some(10), &format!("s{i}")))
            .0
            .unwrap();
    }
    assert_eq!(r.refused(r.a, stop(Sell, 980, Some(10), "one more")), -1100);
    assert_eq!(r.refused(r.a, stop(Sell, 980, Some(10), "more")), -4045);
}

#[test]
fn stops_that_make_no_sense_are_refused() {
    let mut r = Rig::new();
    assert_eq!(r.refused(r.a, stop(Sell, 980, None, "s")), -4509);
    assert_eq!(r.refused(r.a, stop(Sell, 980, Some(10), "s")), -2022);
    r.order(r.a, market(Buy, 1_000));
    assert_eq!(
        r.refused(r.a, stop(Buy, 1020, None, "s")),
        -4509,
        "nothing short to close"
    );
    assert_eq!(r.refused(r.a, stop(Sell, 0, None, "s")), -4006);
    assert_eq!(r.refused(r.a, stop(Sell, 1000, None, "s")), -2021);
    assert_eq!(r.refused(r.a, stop(Sell, 1001, Some(5), "s")), -2021);
    r.ask(r.a, stop(Sell, 980, None, "s")).0.unwrap();
    assert_eq!(r.refused(r.a, stop(Sell, 970, None, "t")), -4130);
    assert_eq!(r.refused(r.a, stop(Sell, 970, Some(5), "s")), -4116);
    let tp = |trigger, id: &str| Request::NewStop {
        symbol: S,
        client_id: Some(id.into()),
        side: Sell,
        trigger: Price(trigger),
        qty: None,
        reduce_only: true,
        take_profit: true,
    };
    assert_eq!(r.refused(r.a, tp(1000, "tp")), -2021);
    r.ask(r.a, tp(1020, "tp")).0.unwrap();
    assert_eq!(r.refused(r.a, tp(1030, "tp2")), -4130);
}

#[test]
fn a_withdrawal_of_more_than_is_available_is_refused() {
    let mut r = Rig::new();
    let mut out = vec![];
    let e = r.engine.deposit(r.now, r.a, dec("-10000.01"), &mut out);
    assert_eq!(e.unwrap_err().code, -2019);
    r.engine
        .deposit(r.now, r.a, dec("-10000"), &mut out)
        .unwrap();
    assert_eq!(r.wallet(r.a), dec("0"));
}
