//! The user stream: keys that end, events that come twice, late, or not at all.

use super::rig::{LONG, Rig, code};
use serde_json::json;

/// nautilus#3861: the keepalive failed, the stream was never subscribed again, and fills were guessed.
#[test]
fn a_keepalive_that_fails_gets_a_new_key_and_fills_go_on_being_heard() {
    // Half an hour between two keepalives: thirty seconds.
    let rig = Rig::with(&["--speed", "60", "--seed", "7"]);
    let refused = code(400, -1125, "This listenKey does not exist.");
    let id = rig.fault(json!({"fault": "answer", "on": {"request": "PUT /fapi/v1/listenKey"}, "say": refused, "times": 1}));
    rig.fault(json!({"fault": "answer", "on": {"request": "POST /fapi/v1/listenKey"}, "say": "unavailable", "times": 1}));
    rig.hit(id, 1);
    rig.trades_on();
    rig.sound();
    rig.end();
}

/// unicorn-binance-websocket-api#275: listenKeyExpired came twice, after less than five hours.
#[test]
fn a_key_that_expires_early_and_says_so_twice_is_replaced_once() {
    let rig = Rig::start();
    let (symbol, _) = rig.protected();
    for told in [2, 1] {
        let id = rig.fault(json!({"fault": "answer", "on": {"request": "POST /fapi/v1/listenKey"}, "say": "unavailable", "times": 1}));
        rig.fault(json!({"fault": "listen-key", "told": told}));
        rig.hit(id, 1);
        // A second key is there when one can be ended.
        rig.up.wait_for("another key", LONG, |up| {
            let held = super::common::http(
                &up.venue_addr(),
                "POST",
                "/pause-stream",
                r#"{"stream":"user","ms":0}"#,
            );
            held.is_ok().then_some(())
        });
    }
    assert!(rig.worker(&symbol)["ready"].is_boolean());
    rig.trades_on();
    rig.sound();
    rig.end();
}

/// ccxt#18078: a fill was delivered a second time.
#[test]
fn a_fill_that_is_told_twice_counts_once() {
    let rig = Rig::start();
    let id = rig.fault(json!({"fault": "frames", "stream": "user", "event": "ORDER_TRADE_UPDATE", "to": "duplicate", "times": 1_000_000}));
    rig.hit(id, 12);
    rig.sound();
    rig.end();
}

/// Events that never come: what was missed is read.
#[test]
fn lost_events_of_the_user_stream_are_made_good_by_reading() {
    let rig = Rig::start();
    for event in [
        "ORDER_TRADE_UPDATE",
        "ALGO_UPDATE",
        "ACCOUNT_UPDATE",
        "TRADE_LITE",
    ] {
        let id = rig.fault(
            json!({"fault": "frames", "stream": "user", "event": event, "to": "lose", "times": 2}),
        );
        rig.hit(id, 2);
    }
    rig.sound();
    rig.trades_on();
    rig.end();
}

/// A socket on which nothing moves although it is up.
#[test]
fn a_stalled_private_socket_is_found_out_and_replaced() {
    let rig = Rig::start();
    rig.protected();
    // A new key is asked for when the socket is replaced, and not before.
    let key = json!({"request": "POST /fapi/v1/listenKey"});
    let id = rig.fault(json!({"fault": "delay", "on": key, "times": 100}));
    rig.fault(json!({"fault": "stall", "kind": "private", "ms": 86_400_000}));
    rig.hit(id, 1);
    rig.trades_on();
    rig.sound();
    rig.end();
}
