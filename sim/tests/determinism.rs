//! Same configuration, same market: byte-identical trades, twice in one process and across processes.
#![allow(clippy::unwrap_used)]

mod common;

use common::{fast, run_trades};
use std::process::Command;

fn in_another_process() -> String {
    let out = Command::new(env!("CARGO_BIN_EXE_sim-run"))
        .args(["seed=11", "trades=40"])
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    let line: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    line["fingerprint"].as_str().unwrap().to_owned()
}

#[test]
fn the_same_seed_gives_byte_identical_trades_twice_and_across_processes() {
    let first = run_trades(fast(), "sim", 11, 0.0, 40);
    let second = run_trades(fast(), "sim", 11, 0.0, 40);
    let text = |r: &helios_sim::SimReport| serde_json::to_string(&r.trades).unwrap();
    assert_eq!(text(&first), text(&second));
    assert_eq!(first.fingerprint(), second.fingerprint());
    let (a, b) = (in_another_process(), in_another_process());
    assert_eq!(a, b);
    assert_eq!(a, first.fingerprint(), "this process and another");
}

#[test]
fn another_seed_gives_other_trades() {
    let a = run_trades(fast(), "sim", 11, 0.0, 15);
    let b = run_trades(fast(), "sim", 12, 0.0, 15);
    assert_ne!(a.fingerprint(), b.fingerprint());
}
