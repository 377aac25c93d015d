//! `helios up` from manifests to money: the promises of the front door, measured in the venue's own log.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{capture, helios, root, summary, text};

fn scratch() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs").display().to_string();
    (dir, logs)
}

#[test]
fn a_minute_of_the_demo_trades_protects_every_fill_and_agrees_with_the_venue() {
    let (_dir, logs) = scratch();
    let o = helios(&[
        "up",
        "--for",
        "60s",
        "--seed",
        "7",
        "--json",
        "--admin",
        "127.0.0.1:0",
        "--logs",
        &logs,
    ]);
    let s = summary(&o);
    assert!(o.status.success(), "{}", text(&o.stderr));
    for key in [
        "symbols",
        "round_trips",
        "fees",
        "realised_pnl",
        "resyncs",
        "errors",
        "min_margin_ratio",
        "max_unprotected_ms",
        "achieved_speed",
        "market",
    ] {
        assert!(!s[key].is_null(), "{key} is missing in {s}");
    }
    // Five at a time; a rescan may have put another one in the place of one of them.
    assert!(s["symbols"].as_array().unwrap().len() >= 5, "{s}");
    assert!(
        s["round_trips"].as_u64().unwrap() >= 20,
        "{} round trips",
        s["round_trips"]
    );
    assert!(s["max_unprotected_ms"].as_f64().unwrap() <= 1000.0, "{s}");
    assert_eq!(s["audit"]["still_bare"], 0, "{s}");
    assert_eq!(s["books_agree"], true, "{}", s["disagreement"]);
    assert_eq!(
        s["open_positions"].as_object().unwrap().len(),
        0,
        "onDelete: Flatten leaves nothing open"
    );
    assert_eq!(s["errors"], 0, "{}", text(&o.stderr));
    assert!(s["market"].as_str().unwrap().contains("simulated market"));
}

#[test]
fn at_real_speed_with_a_slow_venue_a_stop_stands_within_a_second_of_market_time() {
    let (_dir, logs) = scratch();
    let o = helios(&[
        "up",
        "--speed",
        "1",
        "--latency",
        "100",
        "--for",
        "40s",
        "--seed",
        "7",
        "--json",
        "--admin",
        "127.0.0.1:0",
        "--logs",
        &logs,
    ]);
    let s = summary(&o);
    assert!(o.status.success(), "{}", text(&o.stderr));
    assert!(
        s["audit"]["openings"].as_u64().unwrap() >= 1,
        "nothing was opened: {s}"
    );
    assert!(
        s["max_unprotected_market_ms"].as_i64().unwrap() <= 1000,
        "{s}"
    );
    assert!(
        s["max_unprotected_ms"].as_f64().unwrap() >= 50.0,
        "the latency was not felt: {s}"
    );
    assert_eq!(s["books_agree"], true, "{}", s["disagreement"]);
}

#[test]
fn a_recorded_market_is_traded_by_the_same_worker() {
    let Some(path) = capture("usdm_btcusdt_20240808.jsonl.gz") else {
        return;
    };
    let (_dir, logs) = scratch();
    let sample = root().join("config/samples/replay.yaml");
    let args = [
        "up",
        sample.to_str().unwrap(),
        "--replay",
        path.to_str().unwrap(),
        "--speed",
        "50",
    ];
    let o = helios(
        &[
            &args[..],
            &["--json", "--admin", "127.0.0.1:0", "--logs", &logs],
        ]
        .concat(),
    );
    let s = summary(&o);
    assert!(o.status.success(), "{}", text(&o.stderr));
    assert!(s["round_trips"].as_u64().unwrap() >= 3, "{s}");
    let a = &s["audit"];
    let n = |k: &str| a[k].as_u64().unwrap();
    assert_eq!(
        n("openings"),
        n("protected") + n("flat_first"),
        "each fill ends in a confirmed anchor or a market exit: {a}"
    );
    assert_eq!(
        (n("still_bare"), s["books_agree"].as_bool()),
        (0, Some(true)),
        "{s}"
    );
    assert!(
        s["net_pnl"].as_str().unwrap().starts_with('-'),
        "costs are not paid by 5-second bars: {}",
        s["net_pnl"]
    );
    assert!(
        s["market"]
            .as_str()
            .unwrap()
            .contains("synthesised mark price")
    );
}
