//! The account's modes, its clock, and symbols that can't be set up.

use super::common::root;
use super::rig::{LONG, Rig, code, for_a_while};
use serde_json::json;

/// hummingbot#3961: orders for one-way mode at an account in hedge mode, and a client that flips the mode under open positions.
#[test]
fn a_wrong_position_mode_stops_entries_is_told_and_is_never_changed() {
    let rig = Rig::start();
    let mode = "Order's position side does not match user's setting.";
    let id = rig.fault(json!({"fault": "answer", "on": {"request": "POST /fapi/v1/order"}, "say": code(400, -4061, mode), "times": 2}));
    let flips = rig.fault(json!({"fault": "answer", "on": {"request": "POST /fapi/v1/positionSide/dual"}, "say": "timeout", "times": 9}));
    rig.hit(id, 1);
    rig.up.wait_for("critical alert", LONG, |_| {
        (rig.critical() > 0).then_some(())
    });
    rig.take_back(&[id]);
    rig.trades_on();
    rig.sound();
    assert_eq!(rig.hits(flips), 0, "nobody changes the mode");
    rig.end();
}

/// nofx#312, ccxt#2281: −1021 whatever recvWindow says, as a stamp may never be a second ahead.
#[test]
fn a_clock_that_jumps_is_followed_and_trading_goes_on() {
    let rig = Rig::start();
    rig.protected();
    for ms in [-60_000, 60_000, 0] {
        rig.fault(json!({"fault": "clock", "ms": ms}));
        rig.trades_on();
        rig.trades_on();
    }
    rig.sound();
    rig.end();
}

/// nautilus#4289: leverage could not be set for one symbol, and nothing was traded at all.
#[test]
fn a_symbol_whose_leverage_can_t_be_set_is_not_traded_and_the_others_are() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("s.yaml");
    let text = std::fs::read_to_string(root().join("config/samples/quickstart.yaml")).unwrap();
    std::fs::write(&file, &text).unwrap();
    let rig = Rig::with(&[file.to_str().unwrap(), "--speed", "10"]);
    let (symbol, _) = rig.protected();
    rig.kill();
    rig.flat();
    let on = json!({"request": "POST /fapi/v1/leverage", "params": {"symbol": symbol}});
    let id = rig.fault(json!({"fault": "answer", "on": on, "say": code(400, -4028, "Leverage 7 is not valid"), "times": 100_000}));
    // It is set at a worker's start, and another leverage is another worker.
    let other = text.replace("    sizing: Probe", "    leverage: 7\n    sizing: Probe");
    assert_ne!(other, text);
    std::fs::write(&file, other).unwrap();
    rig.hit(id, 1);
    rig.up
        .ask(&json!({"latch": {"name": "kill", "set": false}}))
        .unwrap();
    let before = rig.fills_of(&symbol);
    rig.trades_on();
    for_a_while(&rig, 60_000);
    assert_eq!(rig.fills_of(&symbol), before);
    rig.over();
    rig.up.wait_for("ready worker", LONG, |_| {
        (rig.worker(&symbol)["ready"] == true).then_some(())
    });
    rig.end();
}

/// A contract that is halted, and a whole exchange that is away.
#[test]
fn a_halt_and_a_maintenance_are_waited_out() {
    let rig = Rig::start();
    let (symbol, _) = rig.protected();
    rig.fault(json!({"fault": "filters", "symbol": symbol, "halted": true}));
    rig.trades_on();
    rig.fault(json!({"fault": "filters", "symbol": symbol, "halted": false}));
    rig.fault(json!({"fault": "maintenance", "ms": 3000}));
    rig.trades_on();
    rig.sound();
    rig.end();
}
