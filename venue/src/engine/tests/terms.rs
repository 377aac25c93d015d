//! Dates, self-trade prevention, prices from the book, and the check without an order.

use super::*;
use Side::{Buy, Sell};

fn place(side: Side, price: i64, lots: i64, terms: OrderTerms) -> PlaceOrder {
    PlaceOrder {
        symbol: S,
        client_id: None,
        side,
        kind: OrderKind::Limit {
            price: Price(price),
            tif: TimeInForce::Gtc,
        },
        qty: Qty(lots),
        reduce_only: false,
        terms,
    }
}

fn until(ms: i64) -> OrderTerms {
    OrderTerms {
        good_till_ms: ms,
        ..OrderTerms::default()
    }
}

fn guarded(self_trade: SelfTrade) -> OrderTerms {
    OrderTerms {
        self_trade,
        ..OrderTerms::default()
    }
}

fn matched(word: &str) -> OrderTerms {
    OrderTerms {
        price_match: PriceMatch::parse(word),
        ..OrderTerms::default()
    }
}

#[test]
fn an_order_with_a_date_expires_on_it() {
    let mut r = Rig::new();
    let date = r.now + 700_000;
    let sent = date + 999; // the exchange keeps whole seconds
    r.order(r.a, Request::Place(place(Buy, 990, 1_000, until(sent))));
    assert_eq!(r.engine.next_due_ms(), Some(date));
    assert!(order_events(&r.pass(699_999)).is_empty());
    assert_eq!(
        executed(&r.pass(1)),
        [(ExecType::Expired, OrderStatus::Expired, 0)]
    );
    assert!(r.engine.open_orders(r.a, None).is_empty());
}

#[test]
fn a_date_must_lie_ten_minutes_ahead_and_needs_a_limit_that_rests() {
    let mut r = Rig::new();
    let near = r.now + GOOD_TILL_LEAD_MS;
    for date in [1, near, near + 999, GOOD_TILL_END_MS] {
        let request = Request::Place(place(Buy, 990, 1_000, until(date)));
        assert_eq!(r.refused(r.a, request), -5040, "{date}");
    }
    let mut ioc = place(Buy, 990, 1_000, until(near + 5_000));
    ioc.kind = OrderKind::Market;
    assert_eq!(r.refused(r.a, Request::Place(ioc)), -1115);
    r.order(
        r.a,
        Request::Place(place(Buy, 990, 1_000, until(near + 1_000))),
    );
}

#[test]
fn the_takers_mode_says_what_happens_among_orders_of_one_account() {
    use OrderStatus::{Canceled, ExpiredInMatch, Filled, New};
    for (mode, maker, taker, position) in [
        (SelfTrade::ExpireMaker, ExpiredInMatch, Filled, 1_500),
        (SelfTrade::ExpireTaker, New, ExpiredInMatch, 0),
        (SelfTrade::ExpireBoth, ExpiredInMatch, ExpiredInMatch, 0),
        (SelfTrade::None, Filled, Filled, 500),
    ] {
        let mut r = Rig::new();
        let m = r.order(r.a, limit(Sell, 1000, 1_000, TimeInForce::Gtc)).0;
        let (t, e) = r.order(r.a, Request::Place(place(Buy, 1001, 1_500, guarded(mode))));
        let m = r.engine.order(r.a, S, &OrderRef::Id(m.order_id)).unwrap();
        assert_eq!((m.order.status, t.status), (maker, taker), "{mode:?}");
        assert_eq!(r.pos(r.a), position, "{mode:?}");
        assert!(executed(&e).iter().all(|x| x.1 != Canceled));
    }
}

#[test]
fn fill_or_kill_knows_where_prevention_would_stop_it() {
    for (mode, code) in [
        (SelfTrade::None, None),
        (SelfTrade::ExpireMaker, None),
        (SelfTrade::ExpireTaker, Some(-5021)),
        (SelfTrade::ExpireBoth, Some(-5021)),
    ] {
        let mut r = Rig::new();
        r.order(r.a, limit(Sell, 1002, 1_000, TimeInForce::Gtc));
        let fok = |lots| {
            let mut o = place(Buy, 1003, lots, guarded(mode));
            o.kind = OrderKind::Limit {
                price: Price(1003),
                tif: TimeInForce::Fok,
            };
            Request::Place(o)
        };
        let fits = r.engine.check_only(r.a, fok(20_000));
        assert_eq!(
            fits,
            Ok(()),
            "{mode:?}: 10.000 at 100.1 and ahead of the own order"
        );
        let more = r.engine.check_only(r.a, fok(20_001)).map_err(|e| e.code);
        assert_eq!(more.err(), code, "{mode:?}");
        let whole = r.engine.check_only(r.a, fok(31_000)).is_ok();
        assert_eq!(
            whole,
            mode == SelfTrade::None,
            "only then the own order counts"
        );
    }
}

#[test]
fn a_price_match_reads_its_level_off_the_book() {
    let mut r = Rig::new();
    for (word, side, want) in [
        ("QUEUE", Buy, 999),
        ("QUEUE_5", Buy, 995),
        ("QUEUE_10", Sell, 1010),
        ("OPPONENT_5", Sell, 995),
        ("OPPONENT", Buy, 1001),
    ] {
        let (o, _) = r.order(r.a, Request::Place(place(side, 0, 100, matched(word))));
        assert_eq!(o.price, Some(Price(want)), "{word}");
        r.ask(r.a, Request::CancelAll(S)).0.unwrap();
    }
    let beyond = place(Buy, 0, 1_000, matched("QUEUE_20"));
    assert_eq!(r.refused(r.a, Request::Place(beyond)), -5041);
    let priced = place(Buy, 990, 1_000, matched("QUEUE"));
    assert_eq!(r.refused(r.a, Request::Place(priced)), -5037);
    let mut at_market = place(Buy, 0, 1_000, matched("QUEUE"));
    at_market.kind = OrderKind::Market;
    assert_eq!(r.refused(r.a, Request::Place(at_market)), -5038);
}

#[test]
fn words_of_modes_and_matches_are_read_as_they_are_said() {
    for word in ["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"] {
        assert_eq!(SelfTrade::parse(word).unwrap().as_str(), word);
    }
    for word in ["OPPONENT", "OPPONENT_20", "QUEUE", "QUEUE_10"] {
        assert_eq!(PriceMatch::parse(word).unwrap().as_str(), word);
    }
    assert_eq!(
        (SelfTrade::parse("X"), PriceMatch::parse("NONE")),
        (None, None)
    );
}

#[test]
fn the_check_refuses_what_the_order_would_be_refused_for_and_places_nothing() {
    let r = Rig::new();
    let before = serde_json::to_string(&r.engine).unwrap();
    for (request, code) in [
        (limit(Buy, 990, 1_000, TimeInForce::Gtc), None),
        (market(Buy, 1_000), None),
        (limit(Buy, 1001, 1_000, TimeInForce::Gtx), Some(-5022)),
        (limit(Buy, 1200, 1_000, TimeInForce::Gtc), Some(-4016)),
        (
            limit(Buy, MAX_PRICE_TICKS + 1, 1_000, TimeInForce::Gtc),
            Some(-4002),
        ),
        (limit(Buy, 990, 1_000_000, TimeInForce::Gtc), Some(-2027)),
        (reduce(Sell, 1_000), Some(-2022)),
        (stop(Sell, 1010, Some(1_000), "s"), Some(-2022)),
        (
            Request::Place(place(Buy, 990, 1_000, until(1))),
            Some(-5040),
        ),
    ] {
        let checked = r.engine.check_only(r.a, request.clone());
        assert_eq!(checked.err().map(|e| e.code), code, "{request:?}");
    }
    assert_eq!(before, serde_json::to_string(&r.engine).unwrap());
    let nobody = r.engine.check_only(AccountId(9), market(Buy, 1));
    assert_eq!(nobody.unwrap_err().code, -2015);
}
