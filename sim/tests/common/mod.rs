//! Runs that several tests share.
#![allow(dead_code, clippy::unwrap_used)]

use helios_core::messages::ClosedTrade;
use helios_core::params::StrategyParams;
use helios_sim::{Sim, SimConfig, SimReport, SimStrategy, Until, fast_nobi};
use helios_venue::market::{Generator, GeneratorConfig, Profile};
use rust_decimal::Decimal;

/// The statistics' strategy: often, and always the same size.
pub fn fast() -> StrategyParams {
    fast_nobi(Decimal::from(1_000))
}

/// A run over the eight demo symbols until so many round trips; position and cash are held against the venue's ledger.
pub fn run_trades(
    params: StrategyParams,
    profile: &str,
    seed: u64,
    edge: f64,
    trades: usize,
) -> SimReport {
    let market = GeneratorConfig::new(seed, edge, Profile::named(profile).unwrap());
    let strategy = SimStrategy::over("default/nobi", params, &market.symbols);
    let mut config = SimConfig::new(vec![strategy]);
    config.initial_balance = Decimal::from(1_000_000);
    let mut sim = Sim::new(config, Box::new(Generator::new(market).unwrap())).unwrap();
    sim.run(Until::Trades(trades, 48 * 3_600_000)).unwrap();
    sim.report()
}

/// The trades of several seeds, in order of the seeds, computed on as many threads as there are cores.
pub fn over_seeds(seeds: std::ops::Range<u64>, edge: f64, trades: usize) -> Vec<ClosedTrade> {
    let seeds: Vec<u64> = seeds.collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let jobs: Vec<_> = (0..threads.min(seeds.len()))
            .map(|k| {
                let mine: Vec<u64> = seeds.iter().copied().skip(k).step_by(threads).collect();
                scope.spawn(move || {
                    let run = |s| (s, run_trades(fast(), "sim", s, edge, trades).trades);
                    mine.into_iter().map(run).collect::<Vec<_>>()
                })
            })
            .collect();
        let mut all: Vec<_> = jobs.into_iter().flat_map(|j| j.join().unwrap()).collect();
        all.sort_by_key(|x| x.0);
        all.into_iter().flat_map(|x| x.1).collect()
    })
}
