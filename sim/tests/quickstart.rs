//! The quickstart's strategy on the demo market: about ten round trips a symbol-hour, and the demo's edge pays its costs.
#![allow(clippy::unwrap_used)]

use helios_sim::stats::Earned;
use helios_sim::{Sim, SimConfig, SimReport, SimStrategy, Until, quickstart};
use helios_venue::market::{Generator, GeneratorConfig, Profile};

fn hours(seed: u64, edge: f64, hours: i64) -> SimReport {
    let mut market = GeneratorConfig::new(seed, edge, Profile::named("demo").unwrap());
    market.symbols.truncate(5);
    let strategy = SimStrategy::over("default/nobi", quickstart(), &market.symbols);
    let source = Generator::new(market).unwrap();
    let mut sim = Sim::new(SimConfig::new(vec![strategy]), Box::new(source)).unwrap();
    sim.run(Until::Elapsed(hours * 3_600_000)).unwrap();
    sim.report()
}

#[test]
fn the_demo_pays_its_costs_and_never_leaves_a_fill_without_an_anchor_for_a_second() {
    let r = hours(7, 0.5, 2);
    let e = Earned::by(&r.trades);
    eprintln!(
        "{} round trips in 2 h, gross {:.1} bp, net {:.1} ± {:.1} bp, wallet {} -> {}, {:?} {:?}",
        r.trades.len(),
        e.gross.mean,
        e.net.mean,
        e.net.half,
        r.wallet.0,
        r.wallet.1,
        r.decisions,
        r.refusals
    );
    assert!((60..=130).contains(&r.trades.len()), "{}", r.trades.len());
    assert!(e.net.mean > 0.0 && r.wallet.1 > r.wallet.0);
    assert!(r.max_unprotected_ms <= 1_000, "{}", r.max_unprotected_ms);
}

#[test]
fn traders_start_where_a_scan_of_the_market_says() {
    let market = GeneratorConfig::new(7, 0.5, Profile::named("sim").unwrap());
    let mut strategy = SimStrategy::over("default/nobi", quickstart(), &[]);
    strategy.watchlist.size = 5;
    let source = Generator::new(market).unwrap();
    let mut sim = Sim::new(SimConfig::new(vec![strategy]), Box::new(source)).unwrap();
    sim.run(Until::Elapsed(1_800_000)).unwrap();
    let r = sim.report();
    let mut symbols: Vec<_> = r.trades.iter().map(|t| t.symbol.as_str()).collect();
    symbols.sort_unstable();
    symbols.dedup();
    assert_eq!(sim.symbols_traded().len(), 5);
    assert!(symbols.len() >= 3 && symbols.len() <= 5, "{symbols:?}");
}
