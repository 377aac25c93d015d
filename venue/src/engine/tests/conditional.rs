//! Every kind of conditional order: what it watches, when it goes off, what it becomes.

use super::*;
use Side::{Buy, Sell};

fn level(side: Side, trigger: i64, take_profit: bool) -> NewConditional {
    NewConditional {
        symbol: S,
        client_id: Some("c".into()),
        side,
        trigger: Trigger::Level {
            price: Price(trigger),
            take_profit,
        },
        working: WorkingType::ContractPrice,
        kind: OrderKind::Market,
        qty: Some(Qty(1_000)),
        reduce_only: false,
        price_protect: false,
        terms: OrderTerms::default(),
    }
}

fn trailing(side: Side, activation: Option<i64>, callback: &str) -> NewConditional {
    NewConditional {
        trigger: Trigger::Trailing {
            activation: activation.map(Price),
            callback: dec(callback),
        },
        ..level(side, 1, false)
    }
}

fn limited(mut c: NewConditional, price: i64, tif: TimeInForce) -> NewConditional {
    let price = Price(price);
    c.kind = OrderKind::Limit { price, tif };
    c
}

fn send(r: &mut Rig, c: NewConditional) -> Vec<EngineEvent> {
    let (answer, e) = r.ask(r.a, Request::NewConditional(c));
    answer.unwrap();
    e
}

fn code(r: &mut Rig, c: NewConditional) -> i64 {
    let checked = r
        .engine
        .check_only(r.a, Request::NewConditional(c.clone()))
        .unwrap_err();
    let refused = r.refused(r.a, Request::NewConditional(c));
    assert_eq!(
        checked.code, refused,
        "the check says what the request says"
    );
    refused
}

/// A rig whose last trade was at 100.0.
fn traded() -> Rig {
    let mut r = Rig::new();
    r.print(1000, 1, false);
    r
}

fn view(r: &Rig) -> StopView {
    r.engine.stop(r.a, &OrderRef::Client("c".into())).unwrap()
}

#[test]
fn an_order_on_the_last_price_does_not_listen_to_the_mark() {
    let mut r = traded();
    send(&mut r, level(Buy, 1010, false));
    assert!(statuses(&r.mark("102")).is_empty());
    let e = r.print(1010, 1, false);
    assert_eq!(statuses(&e), [AlgoStatus::Triggering]);
    r.pass(TRIGGER_DELAY_MS);
    assert_eq!(r.pos(r.a), 1_000);
}

#[test]
fn an_order_on_the_mark_does_not_listen_to_trades() {
    let mut r = traded();
    let c = level(Buy, 1010, false);
    let working = WorkingType::MarkPrice;
    send(&mut r, NewConditional { working, ..c });
    assert!(statuses(&r.print(1020, 1, false)).is_empty());
    assert_eq!(statuses(&r.mark("101")), [AlgoStatus::Triggering]);
}

#[test]
fn the_venues_own_trades_move_the_last_price() {
    let mut r = traded();
    send(&mut r, level(Buy, 1003, false));
    let (_, e) = r.order(r.b, market(Buy, 25_000)); // eats 100.1, 100.2 and half of 100.3
    assert_eq!(statuses(&e), [AlgoStatus::Triggering]);
    r.pass(TRIGGER_DELAY_MS);
    assert_eq!(r.pos(r.a), 1_000);
}

#[test]
fn stops_and_take_profits_that_would_go_off_at_once_are_refused_on_either_side() {
    let mut r = traded();
    for (side, trigger, tp) in [
        (Buy, 1000, false),
        (Sell, 1000, false),
        (Buy, 1001, true),
        (Sell, 999, true),
    ] {
        assert_eq!(code(&mut r, level(side, trigger, tp)), -2021);
    }
    for (side, trigger, tp) in [
        (Buy, 1001, false),
        (Sell, 999, false),
        (Buy, 999, true),
        (Sell, 1001, true),
    ] {
        let client_id = None;
        send(
            &mut r,
            NewConditional {
                client_id,
                ..level(side, trigger, tp)
            },
        );
    }
}

#[test]
fn a_stop_limit_rests_after_its_trigger_and_finishes_with_its_order() {
    let mut r = traded();
    send(
        &mut r,
        limited(level(Buy, 1010, false), 1000, TimeInForce::Gtc),
    );
    assert_eq!(view(&r).type_name(), "STOP");
    r.print(1010, 1, false);
    let e = r.pass(TRIGGER_DELAY_MS);
    assert_eq!(statuses(&e), [AlgoStatus::Triggered]);
    assert!(
        r.engine.open_stops(r.a, None).is_empty(),
        "it is a plain order now"
    );
    let open = r.engine.open_orders(r.a, Some(S));
    assert_eq!((open.len(), open[0].order.price), (1, Some(Price(1000))));
    let e = r.print(999, 5_000, true);
    assert_eq!(statuses(&e), [AlgoStatus::Finished]);
    assert_eq!((r.pos(r.a), view(&r).actual_qty), (1_000, Qty(1_000)));
}

#[test]
fn a_triggered_limit_that_is_cancelled_finishes_its_conditional_order() {
    let mut r = traded();
    let c = limited(level(Sell, 1010, true), 1015, TimeInForce::Gtc);
    send(&mut r, c);
    assert_eq!(view(&r).type_name(), "TAKE_PROFIT");
    r.print(1010, 1, false);
    r.pass(TRIGGER_DELAY_MS);
    let (_, e) = r.ask(r.a, Request::CancelAll(S));
    assert_eq!(statuses(&e), [AlgoStatus::Finished]);
}

#[test]
fn a_limit_that_cannot_be_placed_at_its_trigger_says_why() {
    for (price, tif, lots, want) in [
        (1001, TimeInForce::Gtx, 1_000, AlgoStatus::Expired),
        (1001, TimeInForce::Fok, 50_000, AlgoStatus::Expired),
        (1001, TimeInForce::Gtc, 900_000, AlgoStatus::Rejected),
    ] {
        let mut r = traded();
        let mut c = limited(level(Sell, 999, false), price, tif);
        (c.side, c.qty) = (Buy, Some(Qty(lots)));
        c.trigger = Trigger::Level {
            price: Price(1001),
            take_profit: false,
        };
        send(&mut r, c);
        r.print(1001, 1, false);
        let e = r.pass(TRIGGER_DELAY_MS);
        assert_eq!(kinds(&e)[0], "trigger rejected");
        assert_eq!(statuses(&e), [want]);
        assert!(algo_events(&e)[0].reason.is_some());
        assert!(r.engine.open_orders(r.a, None).is_empty());
        assert_eq!(r.pos(r.a), 0);
    }
}

#[test]
fn an_immediate_limit_takes_what_it_can_and_finishes() {
    let mut r = traded();
    let mut c = limited(level(Buy, 1001, false), 1001, TimeInForce::Ioc);
    c.qty = Some(Qty(12_000));
    send(&mut r, c);
    r.print(1001, 1, false);
    let e = r.pass(TRIGGER_DELAY_MS);
    assert_eq!(statuses(&e), [AlgoStatus::Triggered, AlgoStatus::Finished]);
    assert_eq!(r.pos(r.a), 10_000);
}

#[test]
fn a_conditional_limit_must_lie_near_its_trigger() {
    let mut r = traded();
    let at = |side, price| limited(level(side, 1010, side == Sell), price, TimeInForce::Gtc);
    assert_eq!(code(&mut r, at(Buy, 1061)), -4183);
    assert_eq!(code(&mut r, at(Sell, 959)), -4184);
    assert_eq!(code(&mut r, at(Buy, 0)), -4001);
    send(&mut r, at(Buy, 1060));
}

#[test]
fn only_market_kinds_close_a_position_whole() {
    let mut r = traded();
    r.order(r.a, market(Buy, 1_000));
    let whole = |mut c: NewConditional| {
        c.qty = None;
        c
    };
    let limit = limited(level(Sell, 990, false), 985, TimeInForce::Gtc);
    assert_eq!(code(&mut r, whole(limit)), -4136);
    assert_eq!(code(&mut r, whole(trailing(Sell, None, "1"))), -4136);
    send(&mut r, whole(level(Sell, 990, false)));
    assert_eq!(view(&r).type_name(), "STOP_MARKET");
}

#[test]
fn price_protection_ends_the_order_while_last_price_and_mark_are_apart() {
    for (mark, protect, want) in [
        ("100", true, AlgoStatus::Triggering),
        ("90", false, AlgoStatus::Triggering),
        ("90", true, AlgoStatus::Expired),
    ] {
        let mut r = traded();
        let price_protect = protect;
        let c = level(Buy, 1010, false);
        send(&mut r, NewConditional { price_protect, ..c });
        r.mark(mark);
        assert_eq!(
            statuses(&r.print(1010, 1, false)),
            [want],
            "{mark} {protect}"
        );
    }
}

#[test]
fn a_trailing_stop_follows_the_best_price_since_its_activation() {
    let mut r = traded();
    r.order(r.a, market(Buy, 1_000));
    r.print(1000, 1, false);
    let e = send(&mut r, trailing(Sell, Some(1010), "1"));
    let activated = |e: &[EngineEvent]| -> Vec<bool> {
        e.iter()
            .filter_map(|e| match e {
                EngineEvent::User(_, _, UserEvent::Algo(u, v)) => {
                    assert_eq!(u.status, AlgoStatus::New);
                    v.trail.map(|t| t.activated)
                }
                _ => None,
            })
            .collect()
    };
    assert_eq!(activated(&e), [false]);
    assert!(activated(&r.print(1009, 1, false)).is_empty());
    assert_eq!(activated(&r.print(1010, 1, false)), [true]);
    assert!(statuses(&r.print(1100, 1, false)).is_empty());
    assert_eq!(view(&r).trail.unwrap().extreme, dec("1100"));
    assert!(
        statuses(&r.print(1090, 1, false)).is_empty(),
        "10 of 11 ticks back"
    );
    assert_eq!(statuses(&r.print(1089, 1, false)), [AlgoStatus::Triggering]);
    r.pass(TRIGGER_DELAY_MS);
    assert_eq!(r.pos(r.a), 0);
}

#[test]
fn a_trailing_buy_mirrors_it_and_without_activation_price_starts_at_once() {
    let mut r = traded();
    let e = send(&mut r, trailing(Buy, None, "2"));
    assert_eq!(statuses(&e), [AlgoStatus::New, AlgoStatus::New]);
    assert!(statuses(&r.print(950, 1, true)).is_empty());
    assert!(statuses(&r.print(968, 1, true)).is_empty());
    assert_eq!(statuses(&r.print(969, 1, true)), [AlgoStatus::Triggering]);
}

#[test]
fn a_trailing_stop_is_refused_for_its_rate_or_an_activation_price_already_passed() {
    let mut r = traded();
    for rate in ["0.09", "20.1", "0", "-1"] {
        assert_eq!(code(&mut r, trailing(Sell, None, rate)), -2007, "{rate}");
    }
    assert_eq!(code(&mut r, trailing(Sell, Some(1000), "1")), -2021);
    assert_eq!(code(&mut r, trailing(Buy, Some(1000), "1")), -2021);
    assert_eq!(code(&mut r, trailing(Buy, Some(0), "1")), -4006);
    let limit = limited(trailing(Sell, None, "1"), 990, TimeInForce::Gtc);
    assert_eq!(code(&mut r, limit), -1128);
    for (side, activation, rate) in [(Sell, 1001, "0.1"), (Buy, 999, "20")] {
        let client_id = None;
        send(
            &mut r,
            NewConditional {
                client_id,
                ..trailing(side, Some(activation), rate)
            },
        );
    }
}

#[test]
fn a_date_ends_the_wait_of_a_conditional_order() {
    let mut r = traded();
    let mut c = limited(level(Buy, 1010, false), 1010, TimeInForce::Gtc);
    c.terms.good_till_ms = r.now + 700_000;
    send(&mut r, c);
    assert!(statuses(&r.pass(699_999)).is_empty());
    assert_eq!(statuses(&r.pass(1)), [AlgoStatus::Expired]);
}

#[test]
fn a_trigger_beyond_the_price_filter_is_refused() {
    let mut r = traded();
    assert_eq!(code(&mut r, level(Buy, MAX_PRICE_TICKS + 1, false)), -4007);
}
