//! Protective stops that are refused, lost, left over, or told of in another order.

use super::rig::{LONG, Rig, code, for_a_while};
use serde_json::json;

const ALGO: &str = "POST /fapi/v1/algoOrder";

/// nautilus#4411: asked for at the wrong endpoint, a standing stop looked rejected.
#[test]
fn a_stop_whose_answer_was_lost_is_found_where_stops_are_and_not_placed_twice() {
    let rig = Rig::start();
    let id = rig.fault(json!({"fault": "answer", "on": {"request": ALGO}, "say": "timeout", "effect": true, "times": 4}));
    rig.hit(id, 4);
    rig.sound();
    rig.end();
}

/// nautilus#4682, #3664, #3665: the fill of a stop's order comes before the word that the stop has finished.
#[test]
fn a_stop_that_fills_before_it_finishes_closes_the_position_once() {
    let rig = Rig::start();
    let (symbol, w) = rig.protected();
    for event in ["ALGO_UPDATE", "ORDER_TRADE_UPDATE"] {
        rig.fault(json!({"fault": "frames", "stream": "user", "event": event, "to": "reorder", "times": 20}));
    }
    let up = w["view"]["position"].as_str().unwrap().starts_with('-');
    let factor = if up { 1.05 } else { 0.95 };
    let path = json!({"symbol": symbol, "path": [[3000, factor], [600_000, factor]]});
    rig.up.venue_post("/price-path", &path);
    rig.up.wait_for("end of the position", LONG, |_| {
        (rig.worker(&symbol)["taskUid"] == w["taskUid"]
            && rig.worker(&symbol)["view"]["roundTrips"] != w["view"]["roundTrips"])
            .then_some(())
    });
    rig.sound();
    rig.end();
}

/// nautilus#4192: −1106 for a reduceOnly that the exchange does not want in such a request.
#[test]
fn a_trail_that_is_refused_for_its_form_leaves_the_anchor_and_is_not_hammered() {
    let rig = Rig::start();
    let on = json!({"request": ALGO, "params": {"reduceOnly": "true"}});
    let id = rig.fault(json!({"fault": "answer", "on": on, "say": code(400, -1106, "Parameter 'reduceonly' sent when not required."), "times": 100_000}));
    rig.hit(id, 1);
    for_a_while(&rig, 120_000);
    assert!(rig.hits(id) < 120, "{} in two minutes", rig.hits(id));
    rig.sound();
    rig.end();
}

/// freqtrade#12610, Lean.Brokerages.Binance#59, ccxt#27474: on 2025-12-09 the endpoint of stops moved, and every bot lost its stops
/// without a word.
#[test]
fn a_position_that_gets_no_stop_is_left_at_once_and_people_are_told() {
    let rig = Rig::start();
    let refused = code(
        400,
        -4120,
        "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead.",
    );
    let id = rig.fault(
        json!({"fault": "answer", "on": {"request": ALGO}, "say": refused, "times": 100_000}),
    );
    rig.hit(id, 1);
    rig.up.wait_for("critical alert", LONG, |_| {
        (rig.critical() > 0).then_some(())
    });
    rig.flat();
    rig.over();
    rig.sound();
    rig.end();
}

/// freqtrade#12681, ccxt#27486: stops that outlive their position, by an exchange that does not take them away.
#[test]
fn no_stop_outlives_its_position_where_the_exchange_leaves_them() {
    let rig = Rig::start();
    rig.fault(json!({"fault": "rules", "auto_cancel_orphan_stops": false}));
    let (symbol, _) = rig.protected();
    rig.kill();
    rig.flat();
    rig.up.wait_for("end of its stops", LONG, |_| {
        rig.stops(&symbol).is_empty().then_some(())
    });
    rig.end();
}

/// The same where the exchange takes them away itself, and says CANCELED or EXPIRED.
#[test]
fn stops_that_the_exchange_takes_away_are_not_missed() {
    let rig = Rig::start();
    for canceled in [true, false] {
        rig.fault(json!({"fault": "rules", "auto_cancel_orphan_stops": true, "orphan_stops_canceled": canceled}));
        rig.protected();
        rig.trades_on();
        rig.trades_on();
    }
    rig.sound();
    rig.end();
}

/// A stop that was accepted and is gone: with a word, and without one.
#[test]
fn a_stop_that_vanishes_is_missed_and_placed_again() {
    let rig = Rig::start();
    for told in [true, false] {
        let (symbol, _) = rig.protected();
        let had: Vec<_> = rig
            .stops(&symbol)
            .iter()
            .map(|s| s["stop"]["algo_id"].clone())
            .collect();
        rig.fault(json!({"fault": "vanish", "symbol": symbol, "standing": true, "told": told}));
        rig.up
            .wait_for("another stop, or the end of the position", LONG, |_| {
                let other = rig
                    .stops(&symbol)
                    .iter()
                    .any(|s| s["stop"]["qty"].is_null() && !had.contains(&s["stop"]["algo_id"]));
                (other || !rig.positions().contains_key(&symbol)).then_some(())
            });
    }
    rig.sound();
    rig.end();
}
