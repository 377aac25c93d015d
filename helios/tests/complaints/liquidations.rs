//! Positions that the exchange closes, and positions nobody remembers opening.

use super::rig::{LONG, Rig};
use serde_json::json;

/// ccxt#27064: a liquidation as it was captured, by an order named `autoclose-…`.
#[test]
fn a_liquidation_is_taken_for_what_it_is_and_nothing_is_sent_after_it() {
    let rig = Rig::start();
    let (symbol, w) = rig.protected();
    rig.fault(json!({"fault": "liquidation", "symbol": symbol}));
    rig.up.wait_for("flat worker, told of it", LONG, |up| {
        let told = up.alerts().to_lowercase().contains("liquidat");
        (told && rig.worker(&symbol)["view"]["roundTrips"] != w["view"]["roundTrips"]).then_some(())
    });
    rig.sound();
    rig.end();
}

/// freqtrade#13456, #7107, #11570: liquidated while nobody listened, and the bot went on with a ghost.
#[test]
fn a_liquidation_that_nobody_was_told_of_is_found_by_reading() {
    let rig = Rig::start();
    let (symbol, _) = rig.protected();
    let deaf = rig.deaf(&[
        "ORDER_TRADE_UPDATE",
        "TRADE_LITE",
        "ACCOUNT_UPDATE",
        "ALGO_UPDATE",
    ]);
    rig.fault(json!({"fault": "liquidation", "symbol": symbol}));
    rig.take_back(&deaf);
    rig.fault(json!({"fault": "drop", "kind": "private"}));
    rig.sound();
    rig.trades_on();
    rig.end();
}

/// nautilus#3104, #3622, #4739, #4346: a position whose fills the exchange tells no more.
#[test]
fn a_position_without_a_history_is_taken_as_the_exchange_tells_it() {
    let rig = Rig::start();
    let (symbol, before) = rig.protected();
    let on = json!({"request": "GET /fapi/v1/userTrades"});
    let id = rig.fault(json!({"fault": "answer", "on": on, "say": "nothing", "times": 1000}));
    rig.up
        .ask(&json!({"kill_worker": {"symbol": symbol, "hold_ms": 0}}))
        .unwrap();
    rig.up.wait_for("next worker", LONG, |_| {
        let w = rig.worker(&symbol);
        (w["taskUid"] != before["taskUid"] && w["ready"] == true).then_some(())
    });
    rig.hit(id, 1);
    rig.sound();
    // What the entry cost stood in the history.
    let (s, _) = rig.left();
    let differs = s["disagreement"].to_string();
    assert!(!differs.contains("realised"), "{s}");
}
