//! User-stream frames as others recorded them.
#![allow(clippy::unwrap_used)]

use super::{UserStreamEvent, decode};
use crate::instruments::Instruments;
use helios_core::fixed::{Price, Qty, Side};
use helios_core::guardian::GuardianEvent;
use helios_core::instrument::Instrument;
use helios_core::order::{AlgoStatus, AlgoUpdate, ExecType, OrderStatus, OrderUpdate};
use helios_core::trader::TraderEvent;
use rust_decimal::Decimal;

fn known() -> Instruments {
    [
        ("BTCUSDT", 1, 1, 3),
        ("ETHUSDT", 1, 2, 3),
        ("BNBUSDT", 1, 2, 2),
        ("DOGEUSDT", 1, 5, 0),
    ]
    .map(|(s, m, tick, step)| {
        Instrument::with_grid(s, Decimal::new(m, tick), Decimal::new(1, step)).unwrap()
    })
    .into_iter()
    .collect()
}

fn events(name: &str) -> Option<Vec<UserStreamEvent>> {
    let path = format!(
        "{}/../../shared/data/samples/nautilus/{name}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let Ok(bytes) = std::fs::read(&path) else {
        eprintln!("SKIPPED: {path} is not there");
        return None;
    };
    let d = decode(&bytes, &known()).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert!(d.event_ms > 0, "{name}");
    Some(d.events)
}

fn order(name: &str) -> Option<OrderUpdate> {
    match events(name)?.pop() {
        Some(UserStreamEvent::Order(_, u)) => Some(u),
        other => panic!("{name}: {other:?}"),
    }
}

fn algo(name: &str) -> Option<AlgoUpdate> {
    match events(name)?.pop() {
        Some(UserStreamEvent::Algo(_, u)) => Some(u),
        other => panic!("{name}: {other:?}"),
    }
}

fn dec(s: &str) -> Decimal {
    s.parse().unwrap()
}

#[test]
fn a_partial_fill_carries_price_quantity_fee_and_profit_exactly() {
    let Some(u) = order("rust_user_data_json__order_update_trade_partial") else {
        return;
    };
    assert_eq!(
        (u.exec, u.status),
        (ExecType::Trade, OrderStatus::PartiallyFilled)
    );
    assert_eq!((u.side, u.qty, u.filled), (Side::Buy, Qty(2), Qty(1)));
    let f = u.fill.unwrap();
    assert_eq!(
        (f.trade_id, f.price, f.qty),
        (12_345_678, Price(71_005), Qty(1))
    );
    assert_eq!(
        (f.fee, f.realised, f.maker),
        (dec("0.01"), dec("12.34"), true)
    );
    assert_eq!(&*f.fee_asset, "USDT");
}

#[test]
fn liquidations_and_deleveraging_read_as_fills_even_off_the_grid() {
    let Some(u) = order("rust_user_data_json__order_update_calculated") else {
        return;
    };
    assert!(u.client_id.as_str().starts_with("autoclose-"));
    let f = u.fill.unwrap();
    // 9910.12 lies between two ticks of 0.1: the nearest is told, the exchange's own profit stays exact.
    assert_eq!(
        (u.exec, f.price, f.realised),
        (ExecType::Calculated, Price(99_101), dec("-5.67"))
    );
    let pending = order("rust_user_data_json__order_update_calculated_pending").unwrap();
    assert_eq!((pending.status, pending.fill), (OrderStatus::New, None));
    let zero = order("py_ws_messages__ws_futures_order_update_liquidation_zero_qty").unwrap();
    assert_eq!((zero.status, zero.fill), (OrderStatus::Filled, None));
    let fund = order("rust_user_data_json__order_update_insurance").unwrap();
    assert_eq!((fund.status, fund.qty), (OrderStatus::Filled, Qty(20)));
    for name in [
        "rust_user_data_json__order_update_adl",
        "rust_user_data_json__order_update_settlement",
        "py_ws_messages__ws_futures_order_update_adl",
        "py_ws_messages__ws_futures_order_update_adl_filled",
        "py_ws_messages__ws_futures_order_update_liquidation",
        "py_ws_messages__ws_futures_order_update_settlement",
        "py_ws_messages__ws_futures_order_update_trade_reduce_only_qty",
    ] {
        assert!(order(name).unwrap().fill.is_some(), "{name}");
    }
}

#[test]
fn every_recorded_order_event_reads() {
    for name in [
        "rust_user_data_json__order_update_new",
        "rust_user_data_json__order_update_trade",
        "py_ws_messages__ws_futures_order_update_new_limit_if_touched_price_match",
        "py_ws_messages__ws_futures_order_update_new_price_match",
        "py_ws_messages__ws_futures_order_update_new_reduce_only_qty",
        "py_ws_messages__ws_futures_order_update_new_stop_limit_price_match",
    ] {
        let Some(u) = order(name) else { return };
        assert!(u.order_id > 0 && u.transact_ms > 0, "{name}");
    }
    let delivery = events("rust_user_data_json__order_update_delivery").unwrap();
    assert!(
        matches!(&delivery[0], UserStreamEvent::UnknownSymbol { symbol } if symbol == "BTCUSD_240329")
    );
}

#[test]
fn a_stop_s_life_reads_from_new_to_finished() {
    let Some(u) = algo("rust_user_data_json__algo_update_new") else {
        return;
    };
    assert_eq!(
        (u.algo_id, u.status, u.order_id),
        (2_148_719, AlgoStatus::New, None)
    );
    assert_eq!((u.trigger, u.qty), (Price(75_000), Some(Qty(1))));
    let life = ["triggering", "triggered", "finished"].map(|n| {
        let u = algo(&format!("py_ws_messages__ws_futures_algo_update_{n}")).unwrap();
        (u.status, u.order_id)
    });
    let id = Some(88_937_381_063);
    assert_eq!(
        life,
        [
            (AlgoStatus::Triggering, None),
            (AlgoStatus::Triggered, id),
            (AlgoStatus::Finished, id)
        ]
    );
    let u = algo("rust_user_data_json__algo_update_canceled").unwrap();
    assert_eq!(u.status, AlgoStatus::Canceled);
    let u = algo("py_ws_messages__ws_futures_algo_update_finished_canceled").unwrap();
    assert!(u.status.is_final());
}

#[test]
fn an_account_update_tells_the_cross_wallet_and_one_way_positions_only() {
    let Some(e) = events("rust_user_data_json__account_update") else {
        return;
    };
    assert_eq!(e.len(), 2, "{e:?}");
    assert!(
        matches!(&e[0], UserStreamEvent::Balance { wallet, change, reason, .. }
        if *wallet == dec("100.12345678") && *change == dec("50.12345678") && &**reason == "ORDER")
    );
    assert!(
        matches!(&e[1], UserStreamEvent::Position(s, p) if &**s == "BTCUSDT" && p.qty.is_zero())
    );
    let other = events("rust_user_data_json__account_update_bnfcr").unwrap();
    assert_eq!(other[0].for_guardian("USDT"), None);
    assert!(other[0].for_guardian("BNFCR").is_some());
}

#[test]
fn a_lite_trade_is_a_hint_of_a_fill_that_is_on_its_way() {
    for (name, trade_id) in [
        ("rust_user_data_json__trade_lite", 0),
        ("py_ws_messages__ws_futures_trade_lite", 4_467_432_841),
    ] {
        let Some(e) = events(name) else { return };
        let UserStreamEvent::Hint(symbol, id) = &e[0] else {
            panic!("{name}: {e:?}")
        };
        assert!(trade_id == 0 || *id == trade_id, "{name}");
        assert!(e[0].for_trader(symbol).is_some() && e[0].for_trader("X").is_none());
        assert_eq!(e[0].for_guardian("USDT"), None);
    }
}

#[test]
fn a_stop_whose_order_was_refused_when_it_triggered_makes_trader_and_guardian_read() {
    let frame = br#"{"e":"CONDITIONAL_ORDER_TRIGGER_REJECT","E":5,"T":5,"or":{"s":"BTCUSDT","i":7,"r":"no"}}"#;
    let d = decode(frame, &known()).unwrap();
    assert!(matches!(
        d.events[0].for_trader("BTCUSDT"),
        Some(TraderEvent::Doubt { why }) if why.contains("order 7 was refused: no")
    ));
    assert!(matches!(
        d.events[0].for_guardian("USDT"),
        Some(GuardianEvent::Doubt { alert: Some((code, _)), .. }) if &*code == "TriggerRejected"
    ));
}

#[test]
fn what_only_the_account_is_told_reaches_the_guardian() {
    for (frame, code) in [
        (
            &br#"{"e":"MARGIN_CALL","E":5,"p":[{"s":"BTCUSDT"}]}"#[..],
            "MarginCall",
        ),
        (
            br#"{"e":"ACCOUNT_CONFIG_UPDATE","E":5,"T":5,"ai":{"j":true}}"#,
            "MultiAssetsMode",
        ),
    ] {
        let d = decode(frame, &known()).unwrap();
        assert!(matches!(
            d.events[0].for_guardian("USDT"),
            Some(GuardianEvent::Doubt { alert: Some((c, _)), .. }) if &*c == code
        ));
    }
    let strange = br#"{"e":"TRADE_LITE","E":5,"T":5,"s":"NEWUSDT","t":7}"#;
    let d = decode(strange, &known()).unwrap();
    assert!(matches!(
        d.events[0].for_guardian("USDT"),
        Some(GuardianEvent::Doubt { alert: None, .. })
    ));
}

#[test]
fn unknown_events_are_ignored_and_named_so() {
    let d = decode(br#"{"e":"STRATEGY_UPDATE","E":5}"#, &known()).unwrap();
    assert!(d.ignored && d.event_ms == 5 && d.events.is_empty());
    let d = decode(
        br#"{"e":"ACCOUNT_CONFIG_UPDATE","E":5,"T":5,"ac":{"s":"BTCUSDT","l":25}}"#,
        &known(),
    )
    .unwrap();
    assert!(matches!(
        d.events[0],
        UserStreamEvent::Leverage { leverage: 25, .. }
    ));
    let d = decode(
        br#"{"e":"MARGIN_CALL","E":5,"cw":"3.1","p":[{"s":"ETHUSDT","ps":"BOTH","pa":"1","mt":"CROSSED","iw":"0","mp":"187.1","up":"-1","mm":"1.6"}]}"#,
        &known(),
    )
    .unwrap();
    assert!(
        matches!(&d.events[0], UserStreamEvent::MarginCall { symbols, .. } if symbols == &["ETHUSDT"])
    );
    assert!(decode(b"{", &known()).is_err());
    assert!(decode(br#"{"e":"ORDER_TRADE_UPDATE","E":1}"#, &known()).is_err());
}

#[test]
fn a_position_off_the_quantity_grid_is_an_error_not_a_number() {
    let frame = br#"{"e":"ACCOUNT_UPDATE","E":5,"T":5,"a":{"m":"ORDER","B":[],"P":[{"s":"BTCUSDT","pa":"0.0005","ep":"1","ps":"BOTH"}]}}"#;
    assert!(decode(frame, &known()).is_err());
}

#[test]
fn each_event_goes_to_its_machine() {
    let Some(e) = events("rust_user_data_json__algo_update_new") else {
        return;
    };
    assert!(e[0].for_trader("BNBUSDT").is_some());
    assert!(e[0].for_trader("BTCUSDT").is_none());
    assert!(e[0].for_guardian("USDT").is_some());
    assert!(UserStreamEvent::Up.for_trader("BTCUSDT").is_some());
}

#[test]
fn a_frame_that_names_a_transfer_tells_the_guardian_how_much_and_others_do_not() {
    let none = Instruments::default();
    for (reason, change, told) in [
        ("DEPOSIT", "500", Some("500")),
        ("WITHDRAW", "-3000.5", Some("-3000.5")),
        ("WITHDRAW_REJECT", "3000.5", Some("3000.5")),
        ("ORDER", "5", None),
        ("FUNDING_FEE", "-1", None),
        ("DEPOSIT", "0", None),
    ] {
        let frame = format!(
            "{{\"e\":\"ACCOUNT_UPDATE\",\"E\":9,\"T\":8,\"a\":{{\"m\":\"{reason}\",\"B\":[{{\"a\":\"USDT\",\"wb\":\"7\",\"cw\":\"7\",\"bc\":\"{change}\"}}],\"P\":[]}}}}"
        );
        let d = decode(frame.as_bytes(), &none).unwrap();
        let heard = GuardianEvent::Balance {
            event_ms: 9,
            wallet: dec("7"),
            transfer: told.map(dec),
        };
        assert_eq!(d.events[0].for_guardian("USDT"), Some(heard), "{reason}");
    }
}
