//! Coordinator, NATS and workers killed and frozen at random times: nothing that must hold may break, and trading resumes.

use crate::rig::clock::{MS, Ns, S, now, secs, until};
use crate::rig::role::{PAUSE, Role};
use crate::rig::{Draw, RECOVERY, Rig, Setup, by_mode};
use std::time::Duration;

/// What is hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Leader,
    Nats,
    Worker,
    /// One of each, at once.
    All,
}

/// How.
#[derive(Clone, Copy, Debug)]
enum How {
    /// SIGKILL; started again after a pause.
    Kill,
    /// SIGSTOP for so long.
    Freeze(Ns),
}

const VICTIMS: [Victim; 4] = [Victim::Leader, Victim::Nats, Victim::Worker, Victim::All];

/// Breaks it, waits the fault out, and returns when everything was there again.
fn hit(rig: &Rig, victim: Victim, how: How, worker: &Role) -> Ns {
    let leader = rig.leader();
    let mut roles: Vec<&Role> = Vec::new();
    if matches!(victim, Victim::Leader | Victim::All) {
        roles.push(leader);
    }
    if matches!(victim, Victim::Worker | Victim::All) {
        roles.push(worker);
    }
    let nats = matches!(victim, Victim::Nats | Victim::All);
    match how {
        How::Kill => {
            let mut at = now();
            if nats {
                at = rig.nats.kill();
            }
            for r in &roles {
                at = r.kill();
            }
            let restart = at + PAUSE.as_nanos() as u64;
            until(restart);
            if nats {
                rig.nats.restart();
            }
            now().max(restart)
        }
        How::Freeze(long) => {
            let mut at = now();
            if nats {
                at = rig.nats.stop();
            }
            for r in &roles {
                at = r.stop();
            }
            until(at + long);
            for r in &roles {
                r.cont();
            }
            if nats {
                rig.nats.cont();
            }
            now()
        }
    }
}

fn kill_runs(seed: u64, runs: u32) {
    let rig = Rig::start(Setup {
        seed,
        ..Setup::default()
    });
    let mut draw = Draw(seed);
    let mut traded = 0;
    for run in 0..runs {
        let healthy = now();
        until(healthy + draw.between(500, 2500) * MS);
        traded += rig.entries(healthy);
        // Every victim comes up in each four runs; how and when is drawn.
        let victim = VICTIMS[(run as usize + seed as usize) % VICTIMS.len()];
        let how = if draw.between(0, 2) == 0 {
            How::Kill
        } else {
            How::Freeze(draw.between(3000, 8000) * MS)
        };
        let n = draw.between(0, rig.workers.len() as u64) as usize;
        let worker = rig.workers.values().nth(n).unwrap();
        let ended = hit(&rig, victim, how, worker);
        let what = format!(
            "seed {seed} run {run}: {victim:?} {how:?} {}",
            worker.name()
        );
        match rig.all_granted(ended, Duration::from_nanos(RECOVERY + 5 * S)) {
            Ok(at) => {
                let took = secs(ended, at);
                eprintln!("{what}: granted again {took:.2} s after it ended");
                assert!(at - ended <= RECOVERY, "{what}: {took:.2} s");
            }
            Err(why) => panic!("{what}: {why}"),
        }
        let broken = rig.broken(0);
        assert!(broken.is_empty(), "{what}:\n{}", broken.join("\n"));
    }
    eprintln!("seed {seed}: {traded} entries between the faults");
    assert!(
        traded > 0,
        "nothing was traded: the checks had nothing to see"
    );
}

#[test]
fn random_kills_of_coordinator_nats_and_workers_break_nothing_first_half() {
    kill_runs(1, by_mode(5, 50));
}

#[test]
fn random_kills_of_coordinator_nats_and_workers_break_nothing_second_half() {
    kill_runs(6, by_mode(5, 50));
}
