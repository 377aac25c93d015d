//! Seeded crashes over a saved venue whose account stands near the edge: with the guardian leading none of them is
//! liquidated, without it most are. `HELIOS_CRASH_PATHS` sets how many paths each set has (100; the soak takes 1000).
#![allow(clippy::unwrap_used)]

use helios_core::messages::LadderLevel;
use helios_sim::crash::{Crash, CrashOutcome, CrashSet};
use std::sync::OnceLock;

/// One path, without protection and with it.
struct Pair {
    off: CrashOutcome,
    on: CrashOutcome,
}

fn paths() -> u64 {
    std::env::var("HELIOS_CRASH_PATHS")
        .ok()
        .map_or(100, |v| v.parse().expect("HELIOS_CRASH_PATHS is a number"))
}

/// The paths of a set, run once for all tests.
fn all(set: CrashSet) -> &'static [Pair] {
    static WARNED: OnceLock<Vec<Pair>> = OnceLock::new();
    static LEVERAGED: OnceLock<Vec<Pair>> = OnceLock::new();
    let cell = match set {
        CrashSet::Warned => &WARNED,
        CrashSet::Leveraged => &LEVERAGED,
    };
    cell.get_or_init(|| run(set))
}

/// All paths of a set in order of their seeds, on as many threads as there are cores.
fn run(set: CrashSet) -> Vec<Pair> {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    std::thread::scope(|scope| {
        let jobs: Vec<_> = (0..threads)
            .map(|k| {
                scope.spawn(move || {
                    let seeds = (k..paths()).step_by(threads as usize);
                    let pair = |seed| {
                        let c = Crash::draw(set, seed).unwrap();
                        Pair {
                            off: c.run(false).unwrap(),
                            on: c.run(true).unwrap(),
                        }
                    };
                    seeds.map(pair).collect::<Vec<_>>()
                })
            })
            .collect();
        let mut all: Vec<Pair> = jobs.into_iter().flat_map(|j| j.join().unwrap()).collect();
        all.sort_by_key(|p| p.on.seed);
        all
    })
}

fn share(of: usize, all: usize) -> f64 {
    of as f64 / all.max(1) as f64 * 100.0
}

/// The table of a set, and what must hold of every one.
fn judge(set: CrashSet, all: &[Pair]) {
    let n = all.len();
    let (left_out, kept): (Vec<&Pair>, Vec<&Pair>) =
        all.iter().partition(|p| p.on.overshoot.is_some());
    let off = all
        .iter()
        .filter(|p| p.off.liquidated_at_s.is_some())
        .count();
    let lost: Vec<&&Pair> = kept
        .iter()
        .filter(|p| p.on.liquidated_at_s.is_some())
        .collect();
    let reached = |l: LadderLevel| kept.iter().filter(|p| p.on.reached(l)).count();
    let mut lowest: Vec<f64> = kept.iter().map(|p| p.on.lowest).collect();
    lowest.sort_by(f64::total_cmp);
    let mut safe: Vec<f64> = kept.iter().filter_map(|p| p.on.to_safety_s).collect();
    safe.sort_by(f64::total_cmp);
    let middle = |v: &[f64]| v.get(v.len() / 2).copied().unwrap_or(f64::NAN);
    println!(
        "crash {set:?}: {n} paths | liquidated without protection {off} ({:.0} %), with it {} | excluded {} ({:.1} %) | \
         Warning {}, Critical {}, Emergency {} | slices {}, whole {} | lowest ratio {:.1} %, median {:.1} % | \
         Critical to recovered: median {:.0} s, longest {:.0} s",
        share(off, n),
        lost.len(),
        left_out.len(),
        share(left_out.len(), n),
        reached(LadderLevel::Warning),
        reached(LadderLevel::Critical),
        reached(LadderLevel::Emergency),
        kept.iter().map(|p| p.on.slices).sum::<usize>(),
        kept.iter().map(|p| p.on.wholes).sum::<usize>(),
        lowest.first().copied().unwrap_or(f64::NAN),
        middle(&lowest),
        middle(&safe),
        safe.last().copied().unwrap_or(f64::NAN),
    );
    for p in &left_out {
        let o = p.on.overshoot.unwrap();
        println!(
            "crash {set:?}: seed {} excluded: its tick of second {} moved {:.1} % where {:.1} % were left",
            p.on.seed, o.second, o.moved, o.distance
        );
    }
    let seeds: Vec<u64> = lost.iter().map(|p| p.on.seed).collect();
    assert!(
        lost.is_empty(),
        "liquidated in spite of protection: seeds {seeds:?}"
    );
    let broken: Vec<String> = all
        .iter()
        .flat_map(|p| [&p.off, &p.on])
        .flat_map(|o| {
            o.broken
                .iter()
                .map(move |b| format!("seed {}: {b}", o.seed))
        })
        .collect();
    assert!(
        broken.is_empty(),
        "{} broken rules, the first: {:#?}",
        broken.len(),
        &broken[..broken.len().min(20)]
    );
    assert!(share(left_out.len(), n) <= 2.0, "too many paths excluded");
    assert!(
        share(off, n) >= 40.0,
        "the crashes are too mild: {off} of {n}"
    );
    let shrunk = all.iter().all(|p| (10.0..=50.0).contains(&p.on.shrink));
    assert!(shrunk, "depth shrinks 10 to 50 times");
}

#[test]
fn an_account_at_warning_plus_one_point_survives_every_crash_that_leaves_a_tick_of_time() {
    let all = all(CrashSet::Warned);
    for p in all {
        let at = p.on.start_ratio;
        assert!(
            (at - 31.0).abs() < 0.01,
            "seed {}: starts at {at} %",
            p.on.seed
        );
    }
    judge(CrashSet::Warned, all);
}

#[test]
fn an_account_at_gross_leverage_five_is_led_out_by_critical_and_survives() {
    let all = all(CrashSet::Leveraged);
    for p in all {
        let at = p.on.start_ratio;
        assert!(
            (15.0..30.0).contains(&at),
            "seed {}: starts at {at} %",
            p.on.seed
        );
    }
    judge(CrashSet::Leveraged, all);
    // Critical does the work: it was reached in most paths, and in most of those slices alone led out of it.
    let critical: Vec<&Pair> = all
        .iter()
        .filter(|p| p.on.reached(LadderLevel::Critical))
        .collect();
    assert!(
        share(critical.len(), all.len()) >= 50.0,
        "Critical in {}",
        critical.len()
    );
    let by_slices = critical
        .iter()
        .filter(|p| p.on.slices > 0 && p.on.wholes == 0)
        .count();
    assert!(
        share(by_slices, critical.len()) >= 50.0,
        "by slices alone in {by_slices} of {}",
        critical.len()
    );
}

#[test]
fn with_every_worker_dead_the_coordinator_leads_the_account_out_alone() {
    let all = all(CrashSet::Warned);
    let alone: Vec<&Pair> = all.iter().filter(|p| p.on.workers == 0).collect();
    let hit = alone
        .iter()
        .filter(|p| p.off.liquidated_at_s.is_some())
        .count();
    assert!(alone.len() >= all.len() / 5 && hit * 2 >= alone.len());
    for p in alone.iter().filter(|p| p.on.overshoot.is_none()) {
        assert_eq!(p.on.liquidated_at_s, None, "seed {}", p.on.seed);
    }
}

#[test]
fn the_same_seed_is_the_same_crash_to_the_last_digit_and_another_is_not() {
    for set in [CrashSet::Warned, CrashSet::Leveraged] {
        for protected in [false, true] {
            let print = |seed| {
                Crash::draw(set, seed)
                    .unwrap()
                    .run(protected)
                    .unwrap()
                    .fingerprint
            };
            assert_eq!(print(5), print(5), "{set:?}");
            assert_ne!(print(5), print(6), "{set:?}");
        }
    }
}
