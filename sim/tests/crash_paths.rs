#![allow(clippy::unwrap_used)]
use helios_sim::crash::{Crash, CrashSet};

#[test]
fn explore() {
    let n: u64 = std::env::var("HELIOS_CRASH_PATHS").ok().and_then(|v| v.parse().ok()).unwrap_or(10);
    for set in [CrashSet::Warned, CrashSet::Leveraged] {
        let t = std::time::Instant::now();
        let (mut liq_on, mut liq_off, mut ex) = (0, 0, 0);
        for seed in 0..n {
            let c = Crash::draw(set, seed).unwrap();
            let off = c.run(false).unwrap();
            let on = c.run(true).unwrap(); let over = on.overshoot;
            liq_off += usize::from(off.liquidated_at_s.is_some());
            liq_on += usize::from(on.liquidated_at_s.is_some());
            ex += usize::from(over.is_some());
            if on.liquidated_at_s.is_some() || over.is_some() || n < 20 {
                println!("{set:?} {seed} workers {} fall {:.0}% in {} s shrink {:.0} start {:.1} | off low {:.1} liq {:?} end {:.1} | on low {:.1} liq {:?} end {:.1} flat {} kept {:.2} slices {} wholes {} safe {:?} levels {:?} over {over:?} {:?}",
                  on.workers, on.fall*100.0, on.fall_s, on.shrink, on.start_ratio, off.lowest, off.liquidated_at_s, off.end_ratio, on.lowest, on.liquidated_at_s, on.end_ratio, on.flat, on.kept, on.slices, on.wholes, on.to_safety_s, on.levels, on.broken);
            }
        }
        println!("{set:?}: {n} paths, off {liq_off}, on {liq_on}, excluded {ex}, {:?}", t.elapsed());
    }
}
#[test]
#[ignore]
fn trace() {
    let seed: u64 = std::env::var("SEED").unwrap().parse().unwrap();
    let set = if std::env::var("SETB").is_ok() { CrashSet::Leveraged } else { CrashSet::Warned };
    let c = Crash::draw(set, seed).unwrap();
    println!("{:?}", c.run(true).unwrap());
}
