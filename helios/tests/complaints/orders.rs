//! Orders whose outcome is unknown, refused, or late.

use super::rig::{LONG, Rig, code, for_a_while};
use serde_json::json;

const ORDER: &str = "POST /fapi/v1/order";

/// nautilus#4215: −1007, the user stream said that the order stood, and the retry went out nevertheless.
#[test]
fn an_order_without_an_answer_is_asked_for_and_never_sent_again() {
    let rig = Rig::start();
    for say in ["timeout", "unexpected", "unavailable", "cut"] {
        for effect in [true, false] {
            let id = rig.fault(
                json!({"fault": "answer", "on": {"request": ORDER}, "say": say, "effect": effect}),
            );
            rig.hit(id, 1);
        }
    }
    rig.sound();
    rig.trades_on();
    rig.end();
}

/// The exchange takes the id of a filled order again: whoever sends a market order anew because its answer was lost has two.
#[test]
fn a_filled_market_order_whose_answer_was_lost_is_not_sent_under_its_id_again() {
    let rig = Rig::start();
    let id = rig.fault(json!({"fault": "answer", "on": {"request": ORDER, "params": {"type": "MARKET"}}, "say": "cut", "effect": true, "times": 3}));
    // Not even the user stream tells of it: only a question does.
    let deaf = rig.deaf(&["ORDER_TRADE_UPDATE", "TRADE_LITE", "ACCOUNT_UPDATE"]);
    rig.hit(id, 3);
    rig.sound();
    rig.take_back(&deaf);
    rig.end();
}

/// freqtrade#6739, hummingbot#6609: the exit was filled, its owner did not know, and asked for it again and again.
#[test]
fn an_exit_that_has_nothing_to_reduce_is_looked_into_and_not_repeated() {
    let rig = Rig::start();
    rig.protected();
    let on = json!({"request": ORDER, "params": {"reduceOnly": "true"}});
    let id = rig.fault(json!({"fault": "answer", "on": on, "say": code(400, -2022, "ReduceOnly Order is rejected."), "times": 1000}));
    rig.kill();
    rig.hit(id, 1);
    for_a_while(&rig, 20_000);
    let asked = rig.hits(id);
    assert!(asked < 40, "{asked} exits in 20 s into the same refusal");
    rig.over();
    rig.flat();
    rig.end();
}

/// Qubx#386: a resting reduce-only order for the whole position refuses the market exit with −4118, where stops count as such.
#[test]
fn an_exit_that_a_stop_holds_up_takes_the_stop_away_and_goes() {
    let rig = Rig::start();
    rig.fault(json!({"fault": "rules", "stops_hold_reduce_only": true}));
    // The one that holds the position is the trail: it has a quantity, and the anchor has none.
    rig.up.wait_for("standing trail", LONG, |_| {
        let stops = rig.orders()["stops"].clone();
        let all = stops.as_array()?;
        all.iter()
            .any(|s| !s["stop"]["qty"].is_null())
            .then_some(())
    });
    rig.kill();
    rig.flat();
    rig.end();
}

/// hummingbot#7094, Lean.Brokerages.Binance#82: what is below MIN_NOTIONAL can be left by a reduce-only order only.
#[test]
fn a_position_below_the_least_notional_is_left_all_the_same() {
    let rig = Rig::start();
    let (symbol, _) = rig.protected();
    rig.fault(json!({"fault": "filters", "symbol": symbol, "min_notional": "1000000"}));
    rig.kill();
    rig.flat();
    rig.end();
}

/// Fills before the acknowledgement, cancels that come too late, orders that get a part only.
#[test]
fn late_answers_late_cancels_and_partial_fills_leave_one_position_and_its_stop() {
    let rig = Rig::start();
    let symbols: Vec<String> = {
        rig.protected();
        let account = rig.up.account();
        account["workers"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect()
    };
    for s in &symbols {
        rig.fault(json!({"fault": "partial", "symbol": s, "percent": 40, "times": 3}));
    }
    let late =
        rig.fault(json!({"fault": "delay", "on": {"request": ORDER}, "after_ms": 400, "times": 4}));
    rig.fault(json!({"fault": "delay", "on": {"request": "DELETE /fapi/v1/algoOrder"}, "before_ms": 400, "times": 4}));
    rig.hit(late, 4);
    rig.sound();
    rig.end();
}

/// freqtrade#12441, #7187: 429 ignored, then 418 for everybody at that address.
#[test]
fn a_429_stops_entries_until_its_time_is_over_and_no_ban_follows() {
    let rig = Rig::start();
    let (_, _) = rig.protected();
    let id = rig
        .fault(json!({"fault": "answer", "say": {"too-many": {"retry_after": 2}}, "times": 1000}));
    rig.hit(id, 1);
    let entries = rig.entries();
    for_a_while(&rig, 30_000);
    // A ban comes with the thirty-first in a minute.
    assert!(rig.hits(id) < 20, "{} requests into a 429", rig.hits(id));
    assert_eq!(rig.entries(), entries, "stops may fill, entries may not");
    rig.over();
    rig.sound();
    rig.trades_on();
    rig.end();
}
