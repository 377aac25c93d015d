//! The recorded market through the same machines: real book, own orders matched against it, every fill under an anchor.
#![allow(clippy::unwrap_used)]

use helios_core::params::CostGate;
use helios_sim::{Sim, SimConfig, SimStrategy, Until, quickstart};
use helios_venue::market::Replay;

#[test]
fn a_recorded_market_is_traded_with_every_fill_under_an_anchor() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../shared/data/capture/usdm_btcusdt_20240808.jsonl.gz"
    );
    if !std::path::Path::new(path).exists() {
        eprintln!("SKIPPED: {path} is not here");
        return;
    }
    let run = || {
        let mut p = quickstart();
        p.risk.atr.bar_seconds = 5;
        p.risk.cost_gate = CostGate::Off;
        p.exits.max_hold_seconds = 20;
        p.signals.cooldown_seconds = 5;
        let strategy = SimStrategy::over("default/nobi", p, &["BTCUSDT".to_owned()]);
        let market = Replay::open(path).unwrap();
        let mut sim = Sim::new(SimConfig::new(vec![strategy]), Box::new(market)).unwrap();
        sim.run(Until::Elapsed(3_600_000)).unwrap();
        sim.report()
    };
    let r = run();
    eprintln!(
        "{}: {} round trips, wallet {} -> {}, {} ms without anchor at most, {:?} {:?}",
        r.market,
        r.trades.len(),
        r.wallet.0,
        r.wallet.1,
        r.max_unprotected_ms,
        r.decisions,
        r.refusals
    );
    assert!(r.trades.len() >= 3);
    assert!(r.max_unprotected_ms <= 1_000, "{}", r.max_unprotected_ms);
    assert_eq!(r.resyncs, 0);
    assert!(r.wallet.1 < r.wallet.0, "costs are not paid here");
    assert_eq!(r.fingerprint(), run().fingerprint());
}
