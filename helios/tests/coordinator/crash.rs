//! A scripted crash of prices: the ladder leads the account through it, and without the ladder it is liquidated.

use crate::rig::audit::{Entry, What};
use crate::rig::clock::{MS, Ns, S, now, secs, until};
use crate::rig::{Rig, Setup, sample, wait};
use helios_core::order::ClientId;
use helios_core::order::client_id::{Role, parse};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Market seconds a wall second.
const SPEED: u32 = 5;
/// Wallet at the start, USDT.
const BALANCE: u32 = 10_000;
/// Bought of each symbol: 2.9 times the wallet together, so the margin ratio is about 34 %. So different that their
/// maintenance margins keep their order while some have fallen already and the marks of others are still to come.
const BOUGHT: [(&str, f64); 5] = [
    ("SOLUSDT", 7_000.0),
    ("XRPUSDT", 6_200.0),
    ("BNBUSDT", 5_500.0),
    ("BTCUSDT", 5_400.0),
    ("ETHUSDT", 4_900.0),
];
/// The first stops: as far off as they must be to leave the crash to the ladder.
const FAR: f64 = 0.75;
/// A fall: wall ms that it takes, and the factor that it ends at.
type Fall = (u64, f64);
/// Of all: a Warning.
const FIRST: Fall = (800, 0.92);
/// Of all but the two whose stops are tightened first: into Critical before the third stop is tightened, and no faster than
/// slices can follow (that would be an Emergency).
const SECOND: Fall = (3_000, 0.62 / 0.92);
/// Of the two, when the account has been reduced: it ends an account that was not.
const THIRD: Fall = (2_000, 0.55 / 0.92);
/// How long the way back takes.
const BACK_MS: u64 = 3_000;

fn setup() -> Setup {
    Setup {
        symbols: &["BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "BNBUSDT"],
        speed: SPEED,
        balance: BALANCE,
        max_gross_leverage: "2.5",
        limits: "maxSymbolNotionalPercent: \"100\", maxDailyLossPercent: \"100\", maxDrawdownPercent: \"100\"",
        // Nothing but the ladder trades: no signal is this strong, and nobody leaves for a reason of its own.
        signals: "nobiTriggerThreshold: \"1\", model: {mode: \"Off\"}",
        // Bars of four hours: 20 ATR are most of the price, 1 ATR is a few percent.
        risk: "sizing: Probe, atr: {barSeconds: 14400, period: 14, multiplier: \"20\"}, protections: {maxConsecutiveLosses: 0}",
        exits: "maxHoldSeconds: 864000, onOppositeSignal: Ignore",
        ..Setup::default()
    }
}

/// Opens the positions as the workers would have, and starts the workers.
fn invest(rig: &mut Rig) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let hand = rig.venue.hand().await;
        for (symbol, notional) in BOUGHT {
            hand.open(symbol, notional, FAR).await;
        }
    });
    rig.start_workers(&[]);
    let adopted = wait("adopted positions", Duration::from_secs(60), || {
        let mut all = rig.workers.values().map(|w| w.newest(|_| true));
        all.all(|r| {
            r.is_some_and(|r| {
                r.value["view"]["anchorConfirmed"] == true && r.value["view"]["position"] != "0"
            })
        })
        .then_some(())
    });
    adopted.expect("the workers adopt what is there");
    // A worker moves no stop in its first two seconds: it reads the venue twice.
    until(now() + 3 * S);
}

/// Moves some symbols, and returns at once.
fn fall<'a>(rig: &Rig, symbols: impl IntoIterator<Item = &'a str>, (ms, factor): Fall) {
    for symbol in symbols {
        let path = [((ms * u64::from(SPEED)) as i64, factor)];
        rig.venue.price_path(symbol, &path);
    }
}

/// Waits for so much market time as passes in `ms` of wall time when nothing lags.
fn pass(rig: &Rig, ms: u64) {
    let market = || rig.venue.get("/now")["market_ms"].as_i64().unwrap();
    let due = market() + (ms * u64::from(SPEED)) as i64;
    let passed = wait("market time", Duration::from_secs(60), || {
        (market() >= due).then_some(())
    });
    passed.expect("the market stands still");
}

/// All but some.
fn but<'a>(some: &[&str]) -> Vec<&'a str> {
    let all = BOUGHT.iter().map(|b| b.0);
    all.filter(|s| !some.contains(s)).collect()
}

fn ratio(snapshot: &serde_json::Value) -> Decimal {
    snapshot["marginRatio"].as_str().unwrap().parse().unwrap()
}

fn liquidated(log: &[Entry]) -> bool {
    log.iter().any(|e| e.client_id.starts_with("autoclose-"))
}

/// Symbols by maintenance margin, most first, as the leader's snapshot says.
fn by_maintenance(rig: &Rig) -> Vec<String> {
    let of = || {
        let s = rig.snapshot()?.value;
        let all = s["numbers"]["symbols"].as_object()?.clone();
        let mut all: Vec<(Decimal, String)> = all
            .into_iter()
            .map(|(k, v)| Some((v["maintenance"].as_str()?.parse().ok()?, k)))
            .collect::<Option<_>>()?;
        all.sort_by(|a, b| b.cmp(a));
        (all.len() == BOUGHT.len()).then(|| all.into_iter().map(|x| x.1).collect())
    };
    wait(
        "five positions in the snapshot",
        Duration::from_secs(20),
        of,
    )
    .unwrap()
}

/// Times at which a symbol's trailing stop was placed anew after a moment, the first of each symbol.
fn tightened(log: &[Entry], since: Ns, until: Ns) -> BTreeMap<Ns, String> {
    let mut first: BTreeMap<&str, Ns> = BTreeMap::new();
    for e in log.iter().filter(|e| e.at >= since && e.at < until) {
        if matches!(e.what, What::Algo { anchor: false, status, .. } if status.is_working()) {
            first.entry(&e.symbol).or_insert(e.at);
        }
    }
    first.into_iter().map(|(s, at)| (at, s.into())).collect()
}

fn of_coordinator(e: &Entry) -> bool {
    parse(&ClientId::from(e.client_id.as_str())).is_some_and(|p| p.role == Role::Coordinator)
}

/// Symbols of the coordinator's orders in sequence; panics where one adds, comes before Critical, or takes too much.
fn slices(log: &[Entry], start: Ns, critical: Ns) -> Vec<String> {
    let mut held: BTreeMap<&str, i64> = BTreeMap::new();
    let mut most: BTreeMap<&str, i64> = BTreeMap::new();
    let mut out = Vec::new();
    for e in log {
        match e.what {
            What::Fill { position, .. } => {
                held.insert(&e.symbol, position);
                let m = most.entry(&e.symbol).or_default();
                *m = position.abs().max(*m);
            }
            What::Order {
                qty, reduce_only, ..
            } if e.at >= start && of_coordinator(e) => {
                assert!(reduce_only, "{e:?}");
                assert!(e.at + S >= critical, "reduced before Critical: {e:?}");
                let has = held[e.symbol.as_str()].abs();
                // What is left of a position goes as a whole when a part of it would be no order.
                let rest = has * 20 <= most[e.symbol.as_str()];
                assert!(
                    qty * 4 <= has || rest,
                    "more than a quarter of {has}: {e:?}"
                );
                out.push(e.symbol.clone());
            }
            _ => {}
        }
    }
    out
}

#[test]
fn the_ladder_leads_an_account_through_a_crash() {
    let mut rig = Rig::bare(setup());
    rig.start_coordinators();
    invest(&mut rig);
    let order = by_maintenance(&rig);
    let leader = rig.leader().name().to_string();
    let before = rig.snapshot().unwrap().value;
    eprintln!(
        "at first: margin ratio {}, order {order:?}",
        before["marginRatio"]
    );
    let held = [order[0].as_str(), order[1].as_str()];
    let start = now();
    fall(&rig, but(&[]), FIRST);
    let first = wait("a tightened stop", Duration::from_secs(20), || {
        let tight = tightened(&rig.venue.audit(), start, now());
        tight.into_keys().next()
    });
    first.expect("no stop was tightened");
    fall(&rig, but(&held), SECOND);
    let reduced = wait("a reduced account", Duration::from_secs(40), || {
        let s = rig.snapshot()?;
        (s.value["level"] == "Critical" && ratio(&s.value) >= Decimal::from(35)).then_some(())
    });
    reduced.expect("the account is not reduced");
    fall(&rig, held, THIRD);
    pass(&rig, THIRD.0 + 500);
    let worst = now();
    fall(&rig, but(&held), (BACK_MS, 1.0 / SECOND.1 / FIRST.1));
    fall(&rig, held, (BACK_MS, 1.0 / THIRD.1 / FIRST.1));
    let levels = || -> Vec<(Ns, String)> {
        let mut all: Vec<(Ns, String)> = Vec::new();
        for s in rig.leader().history(start) {
            let level = s.value["level"].as_str().unwrap_or("").to_string();
            if all.last().map_or("Normal", |l| &l.1) != level {
                all.push((s.at, level));
            }
        }
        all
    };
    let done = wait("Normal again", Duration::from_secs(75), || {
        let l = levels();
        (l.len() >= 3 && l.last()?.1 == "Normal").then_some(l)
    });
    let log = rig.venue.audit();
    let steps = done.unwrap_or_else(|| panic!("the ladder was not left: {:?}", levels()));
    let named: Vec<&str> = steps.iter().map(|s| s.1.as_str()).collect();
    for (at, level) in &steps {
        eprintln!("{:.2} s: {level}", secs(start, *at));
    }
    assert_eq!(named, ["Warning", "Critical", "Normal"]);

    assert!(!liquidated(&log), "the account was liquidated");
    let after = rig.snapshot().unwrap().value;
    assert!(ratio(&after) >= Decimal::from(35), "{after}");

    // Told, in order, and counted.
    let told: Vec<String> = rig
        .alerts(&leader)
        .iter()
        .map(|a| {
            format!(
                "{} {}",
                a["code"].as_str().unwrap(),
                a["text"].as_str().unwrap()
            )
        })
        .collect();
    let mut at = 0;
    for (code, words) in [
        ("Ladder", "-> Warning"),
        ("StopsTightened", order[0].as_str()),
        ("Ladder", "-> Critical"),
        ("PositionReduced", "slice"),
        ("Ladder", "-> Normal"),
    ] {
        let next = told[at..]
            .iter()
            .position(|t| t.starts_with(code) && t.contains(words));
        at += 1 + next.unwrap_or_else(|| panic!("{code} is not in alerts.log: {told:#?}"));
    }
    let metrics = rig.metrics(&leader);
    for level in ["warning", "critical", "normal"] {
        let n = sample(
            &metrics,
            "helios_ladder_steps_total",
            &[&format!("level=\"{level}\"")],
        );
        assert!((n - 1.0).abs() < 0.1, "{level}: {n}");
    }

    // One stop after the other.
    let (warning, critical) = (steps[0].0, steps[1].0);
    let tight = tightened(&log, warning.saturating_sub(S), critical);
    let (times, symbols): (Vec<Ns>, Vec<String>) = tight.into_iter().unzip();
    eprintln!(
        "tightened {symbols:?} at {:?}",
        times.iter().map(|t| secs(start, *t)).collect::<Vec<_>>()
    );
    assert_eq!(
        symbols,
        order[..symbols.len()],
        "most maintenance margin first"
    );
    assert!(symbols.len() >= 2, "{symbols:?}");
    for symbol in &symbols {
        let labels = ["kind=\"tighten\"", &format!("symbol=\"{symbol}\"")];
        let n = sample(&metrics, "helios_mild_measures_total", &labels);
        assert!(n >= 1.0, "{symbol} was tightened and not counted");
    }
    // Commands are 2 s apart; how long each takes to become a stop varies with the machine's load.
    for pair in times.windows(2) {
        assert!(pair[1] - pair[0] >= 2 * S - 500 * MS, "{times:?}");
    }

    // Slices: reduce-only, of at most a quarter, and counted.
    let slices = slices(&log, start, critical);
    let counted = sample(
        &metrics,
        "helios_position_reductions_total",
        &["kind=\"slice\""],
    );
    eprintln!(
        "{} slices, {counted} counted: {}",
        slices.len(),
        slices.join(" ")
    );
    assert!(slices.len() >= 3 && (counted - slices.len() as f64).abs() < 0.1);
    let said = told.iter().filter(|t| t.starts_with("PositionReduced"));
    assert_eq!(said.count(), slices.len(), "each slice is in alerts.log");
    // A position of the first three frees more margin for its cost: the deep contracts maintain less of their notional.
    let first: BTreeSet<&str> = slices.iter().take(3).map(String::as_str).collect();
    assert!(
        first.iter().all(|s| order[..3].iter().any(|o| o == s)),
        "{first:?}"
    );
    let deep = slices.iter().position(|s| s == "BTCUSDT" || s == "ETHUSDT");
    let before: BTreeSet<&String> = slices[..deep.unwrap_or(0)].iter().collect();
    assert!(
        deep.is_none() || before.len() >= 2,
        "the deep ones come last: {slices:?}"
    );
    assert!(steps[2].0 > worst, "it was calm before the last fall");
    rig.check_since(start);
}

#[test]
fn the_same_crash_without_the_ladder_ends_in_liquidation() {
    let mut rig = Rig::bare(setup());
    invest(&mut rig);
    let held = ["SOLUSDT", "XRPUSDT"];
    for (symbols, what) in [
        (but(&[]), FIRST),
        (but(&held), SECOND),
        (held.to_vec(), THIRD),
    ] {
        assert!(
            !liquidated(&rig.venue.audit()),
            "by less than the whole script"
        );
        fall(&rig, symbols, what);
        pass(&rig, what.0 + 500);
    }
    let log = rig.venue.audit();
    assert!(liquidated(&log), "positions {:?}", rig.venue.positions());
}
