//! Runs simulations and prints one JSON line each: `sim-run [key=value ...]`.
//!
//! Keys: `profile` (sim), `seed` (1), `edge` (0), `trades` (300), `symbols` (8), `strategy` (fast | quickstart), `runs` (1:
//! that many seeds from `seed` on; a last line then holds the statistics of all). Used by the determinism test, which
//! compares processes, and by the soak.

use helios_sim::stats::Earned;
use helios_sim::{Sim, SimConfig, SimReport, SimStrategy, Until, fast_nobi, quickstart};
use helios_venue::market::{DEMO_SYMBOLS, Generator, GeneratorConfig, Profile};
use rust_decimal::Decimal;
use std::process::ExitCode;

#[derive(Clone, Debug)]
struct Args {
    profile: String,
    seed: u64,
    edge: f64,
    trades: usize,
    symbols: usize,
    strategy: String,
    runs: u64,
}

fn parse() -> Result<Args, String> {
    let mut a = Args {
        profile: "sim".into(),
        seed: 1,
        edge: 0.0,
        trades: 300,
        symbols: DEMO_SYMBOLS.len(),
        strategy: "fast".into(),
        runs: 1,
    };
    for arg in std::env::args().skip(1) {
        let (k, v) = arg
            .split_once('=')
            .ok_or_else(|| format!("{arg}: write key=value"))?;
        let bad = |e: &dyn std::fmt::Display| format!("{k}: {v}: {e}");
        match k {
            "profile" => a.profile = v.into(),
            "seed" => a.seed = v.parse().map_err(|e| bad(&e))?,
            "edge" => a.edge = v.parse().map_err(|e| bad(&e))?,
            "trades" => a.trades = v.parse().map_err(|e| bad(&e))?,
            "symbols" => a.symbols = v.parse().map_err(|e| bad(&e))?,
            "strategy" => a.strategy = v.into(),
            "runs" => a.runs = v.parse().map_err(|e| bad(&e))?,
            _ => return Err(format!("{k}: no such key")),
        }
    }
    Ok(a)
}

fn run(a: &Args, seed: u64) -> Result<SimReport, String> {
    let profile =
        Profile::named(&a.profile).ok_or_else(|| format!("profile {}: unknown", a.profile))?;
    let mut market = GeneratorConfig::new(seed, a.edge, profile);
    market.symbols.truncate(a.symbols);
    let params = match a.strategy.as_str() {
        "fast" => fast_nobi(Decimal::from(1_000)),
        "quickstart" => quickstart(),
        s => return Err(format!("strategy {s}: write fast or quickstart")),
    };
    let strategy = SimStrategy::over("default/nobi", params, &market.symbols);
    let mut config = SimConfig::new(vec![strategy]);
    if a.strategy == "fast" {
        config.initial_balance = Decimal::from(1_000_000);
    }
    let source = Generator::new(market).map_err(|e| e.to_string())?;
    let mut sim = Sim::new(config, Box::new(source)).map_err(|e| e.to_string())?;
    let longest = 48 * 3_600_000;
    sim.run(Until::Trades(a.trades, longest))
        .map_err(|e| e.to_string())?;
    Ok(sim.report())
}

fn line(seed: u64, r: &SimReport) -> serde_json::Value {
    let e = Earned::by(&r.trades);
    serde_json::json!({
        "market": r.market,
        "seed": seed,
        "fingerprint": r.fingerprint(),
        "trades": r.trades.len(),
        "hours": r.market_ms as f64 / 3_600_000.0,
        "gross_bp": [e.gross.mean, e.gross.half],
        "net_bp": [e.net.mean, e.net.half],
        "cost_bp": e.cost.mean,
        "wallet": [r.wallet.0.to_string(), r.wallet.1.to_string()],
        "max_unprotected_ms": r.max_unprotected_ms,
        "resyncs": r.resyncs,
        "alerts": r.alerts.iter().map(|(t, a)| format!("{t} {} {:?}: {}", a.code, a.symbol, a.text)).collect::<Vec<_>>(),
        "decisions": r.decisions,
        "refusals": r.refusals,
        "events": r.events,
    })
}

fn main() -> ExitCode {
    let a = match parse() {
        Ok(a) => a,
        Err(e) => {
            eprintln!("sim-run: {e}");
            return ExitCode::from(2);
        }
    };
    let mut all = Vec::new();
    for seed in a.seed..a.seed + a.runs {
        match run(&a, seed) {
            Ok(r) => {
                println!("{}", line(seed, &r));
                all.extend(r.trades);
            }
            Err(e) => {
                eprintln!("sim-run: seed {seed}: {e}");
                return ExitCode::FAILURE;
            }
        }
    }
    if a.runs > 1 {
        let e = Earned::by(&all);
        let verdict = e.gives_nothing_away().err();
        println!(
            "{}",
            serde_json::json!({
                "trades": all.len(),
                "gross_bp": [e.gross.mean, e.gross.half],
                "net_bp": [e.net.mean, e.net.half],
                "cost_bp": e.cost.mean,
                "gives_nothing_away": verdict.as_deref().unwrap_or("yes"),
            })
        );
    }
    ExitCode::SUCCESS
}
