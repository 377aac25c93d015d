//! What breaks, and what must still hold: killed workers, lost sockets, edited files, Ctrl-C, the kill switch.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::Up;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(60);

/// A symbol in position with its anchor confirmed.
fn protected(up: &Up) -> (String, Value) {
    up.wait_for("protected position", LONG, |up| {
        let workers = up.account()["workers"].as_object()?.clone();
        workers
            .into_iter()
            .find(|(_, w)| w["view"]["position"] != "0" && w["view"]["anchorConfirmed"] == true)
    })
}

fn of<'a>(list: &'a Value, symbol: &str) -> Vec<&'a Value> {
    list.as_array()
        .unwrap()
        .iter()
        .filter(|o| o["symbol"] == symbol)
        .collect()
}

fn position(up: &Up, symbol: &str) -> Option<String> {
    let all = up.venue("/positions");
    all.as_array()
        .unwrap()
        .iter()
        .find(|p| p["symbol"] == symbol)
        .map(|p| p["qty"].as_str().unwrap().to_string())
}

#[test]
fn a_worker_killed_in_position_leaves_its_stop_and_the_next_one_takes_over_without_a_second_order()
{
    let up = Up::start(&["--speed", "5", "--seed", "7"]);
    let (symbol, before) = protected(&up);
    let held = position(&up, &symbol).unwrap();
    let fills = of(&up.venue("/orders")["fills"], &symbol).len();
    up.ask(&json!({"kill_worker": {"symbol": symbol, "hold_ms": 3000}}))
        .unwrap();
    let stops = up.venue("/orders");
    let stops = of(&stops["stops"], &symbol);
    assert!(
        stops.iter().any(|s| s["stop"]["qty"].is_null()),
        "the anchor stays at the venue: {stops:?}"
    );
    let after = up.wait_for("next worker that has read the venue", LONG, |up| {
        let w = up.account()["workers"][&symbol].clone();
        (w["taskUid"] != before["taskUid"] && w["view"]["position"] != "0").then_some(w)
    });
    assert_eq!(position(&up, &symbol), Some(held), "same position");
    assert_eq!(after["view"]["position"], before["view"]["position"]);
    let orders = up.venue("/orders");
    assert_eq!(
        of(&orders["fills"], &symbol).len(),
        fills,
        "no second order: {orders}"
    );
    let anchors = of(&orders["stops"], &symbol)
        .iter()
        .filter(|s| s["stop"]["qty"].is_null())
        .count();
    assert_eq!(anchors, 1, "one anchor, adopted");
    let (code, s, log) = up.interrupt();
    assert_eq!(
        (code, s["books_agree"].as_bool()),
        (0, Some(true)),
        "{s}\n{}",
        common::tail(&log, 30)
    );
}

#[test]
fn killed_between_fill_and_stop_the_coordinator_places_the_anchor() {
    // 0.3 s pass before the worker hears of its fill: the kill falls into them.
    let up = Up::start(&["--speed", "1", "--latency", "600", "--seed", "7"]);
    let venue = up.venue_addr();
    let ask = |path: &str| common::http(&venue, "GET", path, "").unwrap();
    let symbol = up.wait_for("bare fill", Duration::from_secs(120), |_| {
        let positions = ask("/positions");
        let p = positions.as_array().unwrap().first()?.clone();
        let symbol = p["symbol"].as_str().unwrap().to_string();
        of(&up.venue("/orders")["stops"], &symbol)
            .is_empty()
            .then_some(symbol)
    });
    up.ask(&json!({"kill_worker": {"symbol": symbol, "hold_ms": 8000}}))
        .unwrap();
    let t0 = Instant::now();
    let stop = up.wait_for("anchor of the coordinator", Duration::from_secs(7), |up| {
        of(&up.venue("/orders")["stops"], &symbol)
            .first()
            .map(|s| (*s).clone())
    });
    assert!(
        t0.elapsed() < Duration::from_secs(7),
        "before the next worker starts"
    );
    let id = stop["stop"]["client_id"].as_str().unwrap();
    assert_eq!(&id[7..8], "c", "placed by the coordinator: {id}");
    assert!(
        stop["stop"]["qty"].is_null(),
        "it closes the whole position: {stop}"
    );
    up.wait_for("next worker with the adopted anchor", LONG, |up| {
        let w = up.account()["workers"][&symbol].clone();
        (w["view"]["anchorConfirmed"] == true).then_some(())
    });
    assert_eq!(
        of(&up.venue("/orders")["stops"], &symbol)
            .iter()
            .filter(|s| s["stop"]["qty"].is_null())
            .count(),
        1
    );
}

#[test]
fn lost_sockets_are_replaced_and_trading_goes_on_in_sync() {
    let up = Up::start(&["--speed", "20", "--seed", "7"]);
    let (symbol, _) = protected(&up);
    for kind in ["public", "market", "private"] {
        let dropped = up.venue_post("/drop-socket", &json!({"kind": kind}));
        assert!(
            dropped["dropped"].as_u64().unwrap() >= 1,
            "{kind}: {dropped}"
        );
    }
    up.wait_for("books in sync again", LONG, |up| {
        let w = up.account()["workers"].clone();
        w.as_object()?
            .values()
            .all(|w| w["view"]["bookSynced"] == true && w["ready"] == true)
            .then_some(())
    });
    let fills = up.venue("/orders")["fills"].as_array().unwrap().len();
    up.wait_for("trading", LONG, |up| {
        (up.venue("/orders")["fills"].as_array().unwrap().len() > fills).then_some(())
    });
    let (code, s, log) = up.interrupt();
    assert_eq!(
        (
            code,
            s["books_agree"].as_bool(),
            s["audit"]["still_bare"].as_u64()
        ),
        (0, Some(true), Some(0)),
        "{symbol} {s}\n{log}"
    );
}

#[test]
fn an_edited_parameter_is_in_force_within_a_second_and_a_broken_edit_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("s.yaml");
    let text =
        std::fs::read_to_string(common::root().join("config/samples/quickstart.yaml")).unwrap();
    std::fs::write(&file, &text).unwrap();
    let up = Up::start(&[file.to_str().unwrap(), "--speed", "5"]);
    let generations = |up: &Up| -> Vec<u64> {
        up.account()["workers"]
            .as_object()
            .unwrap()
            .values()
            .map(|w| w["generation"].as_u64().unwrap())
            .collect()
    };
    up.wait_for("five workers", LONG, |up| {
        (generations(up) == [1; 5]).then_some(())
    });
    let uids = |up: &Up| -> Vec<Value> {
        up.account()["workers"]
            .as_object()
            .unwrap()
            .values()
            .map(|w| w["taskUid"].clone())
            .collect()
    };
    let before = uids(&up);

    std::fs::write(
        &file,
        text.replace(
            "nobiTriggerThreshold: \"0.4\"",
            "nobiTriggerThreshold: \"0.99\"",
        ),
    )
    .unwrap();
    let t0 = Instant::now();
    up.wait_for("the new generation in every worker", LONG, |up| {
        (up.log().matches("generation 1 → 2").count() >= 6).then_some(())
    });
    let took = t0.elapsed();
    assert!(took <= Duration::from_secs(1), "in force after {took:?}");
    up.wait_for("reports of it", LONG, |up| {
        (generations(up) == [2; 5]).then_some(())
    });
    assert_eq!(uids(&up), before, "nobody was restarted");

    std::fs::write(
        &file,
        text.replace("nobiTriggerThreshold", "nobiTriggerTreshold"),
    )
    .unwrap();
    let problem = up.wait_for("words about the broken edit", LONG, |up| {
        up.status()["manifestProblem"]
            .as_str()
            .filter(|p| !p.is_empty())
            .map(str::to_string)
    });
    assert!(
        problem.contains("s.yaml:") && problem.contains("nobiTriggerThreshold"),
        "{problem}"
    );
    assert_eq!(generations(&up), [2; 5], "the old parameters stay");
    std::fs::write(&file, &text).unwrap();
    up.wait_for("the third generation", LONG, |up| {
        (generations(up) == [3; 5]).then_some(())
    });
}

#[test]
fn ctrl_c_leaves_positions_flat_or_protected_as_on_delete_says() {
    let dir = tempfile::tempdir().unwrap();
    let text =
        std::fs::read_to_string(common::root().join("config/samples/quickstart.yaml")).unwrap();
    for keep in [false, true] {
        let file = dir.path().join("s.yaml");
        let wanted = if keep {
            text.replace("onDelete: Flatten", "onDelete: KeepProtected")
        } else {
            text.clone()
        };
        std::fs::write(&file, wanted).unwrap();
        let up = Up::start(&[file.to_str().unwrap(), "--speed", "5"]);
        protected(&up);
        let (code, s, log) = up.interrupt();
        assert_eq!(
            (code, s["books_agree"].as_bool()),
            (0, Some(true)),
            "{s}\n{log}"
        );
        assert_eq!(
            !s["open_positions"].as_object().unwrap().is_empty(),
            keep,
            "{s}"
        );
        assert_eq!(s["audit"]["still_bare"], 0, "{s}");
    }
}

#[test]
fn the_kill_switch_flattens_and_lets_nothing_be_opened_until_released() {
    let up = Up::start(&["--speed", "20", "--seed", "7"]);
    protected(&up);
    up.ask(&json!({"latch": {"name": "kill", "set": true}}))
        .unwrap();
    up.wait_for("flat account", LONG, |up| {
        up.venue("/positions")
            .as_array()
            .unwrap()
            .is_empty()
            .then_some(())
    });
    assert_eq!(up.account()["snapshot"]["halted"], true);
    let fills = up.venue("/orders")["fills"].as_array().unwrap().len();
    let elapsed = |up: &Up| up.account()["time"]["market_elapsed_ms"].as_i64().unwrap();
    let t0 = elapsed(&up);
    up.wait_for("two market minutes", LONG, |up| {
        (elapsed(up) > t0 + 120_000).then_some(())
    });
    assert_eq!(
        up.venue("/orders")["fills"].as_array().unwrap().len(),
        fills,
        "nothing is opened while killed"
    );
    up.ask(&json!({"latch": {"name": "kill", "set": false}}))
        .unwrap();
    up.wait_for("trading again", LONG, |up| {
        (up.venue("/orders")["fills"].as_array().unwrap().len() > fills).then_some(())
    });
}

#[test]
fn what_a_dead_worker_holds_is_closed_by_the_coordinator_at_the_end() {
    let up = Up::start(&["--speed", "5", "--seed", "7"]);
    let (symbol, _) = protected(&up);
    up.ask(&json!({"kill_worker": {"symbol": symbol, "hold_ms": 30_000}}))
        .unwrap();
    assert!(position(&up, &symbol).is_some());
    let (code, s, log) = up.interrupt();
    assert_eq!(code, 0, "{s}\n{log}");
    assert_eq!(s["open_positions"].as_object().unwrap().len(), 0, "{s}");
    assert!(log.contains("the coordinator does"), "{log}");
}

#[test]
fn a_strategy_taken_out_of_the_files_leaves_nothing_open_even_without_a_worker() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("s.yaml");
    let text =
        std::fs::read_to_string(common::root().join("config/samples/quickstart.yaml")).unwrap();
    std::fs::write(&file, &text).unwrap();
    let up = Up::start(&[file.to_str().unwrap(), "--speed", "5"]);
    let (symbol, _) = protected(&up);
    up.ask(&json!({"kill_worker": {"symbol": symbol, "hold_ms": 60_000}}))
        .unwrap();
    let account_alone = text.split("\n---").next().unwrap();
    std::fs::write(&file, account_alone).unwrap();
    up.wait_for("end of the strategy", LONG, |up| {
        up.log().contains("strategy is gone").then_some(())
    });
    assert_eq!(up.venue("/positions").as_array().unwrap().len(), 0);
    up.wait_for("end of its stops", LONG, |up| {
        up.venue("/orders")["stops"]
            .as_array()
            .unwrap()
            .is_empty()
            .then_some(())
    });
}

#[test]
fn positions_kept_over_a_restart_are_taken_over_with_their_stops() {
    let dir = tempfile::tempdir().unwrap();
    let text =
        std::fs::read_to_string(common::root().join("config/samples/quickstart.yaml")).unwrap();
    let (file, state) = (dir.path().join("s.yaml"), dir.path().join("state"));
    std::fs::write(
        &file,
        text.replace("onDelete: Flatten", "onDelete: KeepProtected"),
    )
    .unwrap();
    let args = [
        file.to_str().unwrap(),
        "--speed",
        "5",
        "--state",
        state.to_str().unwrap(),
    ];
    let up = Up::start(&args);
    let (symbol, _) = protected(&up);
    let (code, first, log) = up.interrupt();
    assert_eq!(code, 0, "{first}\n{log}");
    let held = first["open_positions"][&symbol]
        .as_str()
        .unwrap()
        .to_string();

    let up = Up::start(&args);
    let worker = up.wait_for("worker that holds it", Duration::from_secs(30), |up| {
        let w = up.account()["workers"][&symbol].clone();
        (w["view"]["anchorConfirmed"] == true).then_some(w)
    });
    assert_eq!(worker["view"]["position"], held.as_str());
    up.wait_for("market time", Duration::from_secs(10), |up| {
        (up.account()["time"]["state"] == "running").then_some(())
    });
    let (code, second, log) = up.interrupt();
    assert_eq!(
        (code, second["audit"]["still_bare"].as_u64()),
        (0, Some(0)),
        "{second}\n{log}"
    );
}

#[test]
fn a_kept_state_is_traded_on_and_the_books_still_agree() {
    let dir = tempfile::tempdir().unwrap();
    let (state, logs) = (
        dir.path().join("state").display().to_string(),
        dir.path().join("logs").display().to_string(),
    );
    let run = || {
        let args = [
            "up",
            "--for",
            "8s",
            "--json",
            "--admin",
            "127.0.0.1:0",
            "--state",
            &state,
            "--logs",
            &logs,
        ];
        let o = common::helios(&args);
        assert!(o.status.success(), "{}", common::text(&o.stderr));
        common::summary(&o)
    };
    let number = |s: &Value, key: &str| {
        s[key]
            .as_str()
            .unwrap()
            .parse::<rust_decimal::Decimal>()
            .unwrap()
    };
    let (first, second) = (run(), run());
    assert!(first["round_trips"].as_u64().unwrap() > 0, "{first}");
    assert_eq!(
        number(&first, "wallet"),
        number(&second, "wallet") - number(&second, "net_pnl")
    );
    assert_eq!(second["books_agree"], true, "{second}");
}
