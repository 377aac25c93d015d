//! Latches: a person's kill and the loss limits flatten, outlive every process, and end only as they may.

use crate::rig::check::DEADLINE;
use crate::rig::clock::{Ns, S, now, until};
use crate::rig::more::{PATIENCE, holding, latched, number};
use crate::rig::{RECOVERY, Rig, Setup, wait};
use std::time::Duration;

/// A report of before may be read so late.
const SAID: Ns = 3 * S;
/// Longer than any wait of a new leader.
const LONG: Ns = 6 * S;

fn flat(rig: &Rig) {
    let flat = wait("flat", PATIENCE, || rig.held().is_empty().then_some(()));
    assert!(flat.is_some(), "still held: {:?}", rig.held());
}

/// A leader of a higher epoch that has the latch.
fn still(rig: &Rig, latch: &str, since: Ns, epoch: u64) {
    rig.when(&format!("{latch} under a new leader"), since, |s| {
        number(s, "epoch") > epoch && s["known"] == true && latched(s, latch)
    });
}

/// Both killed hard.
fn restarted(rig: &Rig, latch: &str) {
    let epoch = rig.epoch();
    let at = rig.while_down(|| ());
    still(rig, latch, at, epoch);
}

/// The leader killed hard: the other one leads.
fn failed_over(rig: &Rig, latch: &str) {
    let (epoch, leader) = (rig.epoch(), rig.leader());
    leader.hold(true);
    let killed = leader.kill();
    still(rig, latch, killed, epoch);
    assert_ne!(rig.leader().name(), leader.name());
    leader.hold(false);
}

/// The manifest is applied again, and every worker has taken it in; returns when it was edited.
fn reapplied(rig: &Rig, f: impl FnOnce(String) -> String) -> Ns {
    let took = |r: &serde_json::Value| number(r, "generation");
    let before: Vec<u64> = rig
        .workers
        .values()
        .map(|w| took(&w.newest(|_| true).unwrap().value))
        .collect();
    rig.edit(f);
    let edited = now();
    let taken = wait("acknowledged edit", PATIENCE, || {
        let mut all = rig.workers.values().zip(&before);
        all.all(|(w, b)| w.newest(|_| true).is_some_and(|r| took(&r.value) > *b))
            .then_some(())
    });
    assert!(taken.is_some(), "the edit was not taken in");
    edited
}

fn released(rig: &Rig, args: &[&str]) {
    let at = now();
    rig.person(args);
    rig.all_granted(at, Duration::from_nanos(RECOVERY)).unwrap();
    let all = rig.snapshot().unwrap().value["latches"].clone();
    assert_eq!(all, serde_json::json!([]));
}

#[test]
fn a_kill_flattens_and_outlives_restarts_failover_and_a_manifest_that_says_otherwise() {
    let rig = Rig::start(Setup {
        seed: 71,
        ..holding()
    });
    rig.wait_held();
    rig.person(&["kill"]);
    let at = now();
    flat(&rig);
    let s = rig.when("kill", 0, |s| latched(s, "kill"));
    assert_eq!(s.value["halted"], true);

    restarted(&rig, "kill");
    failed_over(&rig, "kill");
    let edited = reapplied(&rig, |m| {
        m.replace("environment: Paper", "environment: Paper\n  halt: false")
            .replace("cooldownSeconds: 5", "cooldownSeconds: 4")
    });
    until(edited + LONG);
    assert!(latched(&rig.snapshot().unwrap().value, "kill"));
    rig.no_risk(at + DEADLINE, now(), "killed");
    rig.no_grant(at + SAID, now(), "killed");
    assert!(rig.held().is_empty());
    released(&rig, &["release"]);
    rig.wait_entry(now());
    rig.check();
}

/// One position that nothing but a loss limit closes.
fn one(seed: u64, limits: &'static str) -> Setup {
    Setup {
        seed,
        symbols: &["BTCUSDT"],
        speed: 5,
        limits,
        signals: "nobiTriggerThreshold: \"1\", model: {mode: \"Off\"}",
        risk: "sizing: Probe, atr: {barSeconds: 14400, period: 14, multiplier: \"20\"}, protections: {maxConsecutiveLosses: 0}",
        exits: "maxHoldSeconds: 864000, onOppositeSignal: Ignore",
        ..Setup::default()
    }
}

/// Opens it, lets the price fall by 3 %, and sees it flattened under the latch. Neither both coordinators' death, nor the
/// other's lead, nor a manifest with a wider limit ends it. Returns when the latch was seen.
fn lose(rig: &mut Rig, latch: &str, (limit, wider): (&str, &str)) -> Ns {
    rig.start_coordinators();
    rig.when("new state", 0, |s| {
        s["known"] == true && s["seq"].as_u64() > Some(2)
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async { rig.venue.hand().await.open("BTCUSDT", 6_000.0, 0.75).await });
    rig.start_workers(&[]);
    rig.wait_held();
    rig.all_granted(now(), PATIENCE).unwrap();
    assert_eq!(
        rig.snapshot().unwrap().value["latches"],
        serde_json::json!([])
    );
    rig.venue.price_path("BTCUSDT", &[(5_000, 0.97)]);
    let s = rig.when(latch, 0, |s| latched(s, latch));
    flat(rig);
    restarted(rig, latch);
    failed_over(rig, latch);
    let edited = reapplied(rig, |m| {
        assert!(m.contains(limit));
        m.replace(limit, wider)
            .replace("maxHoldSeconds: 864000", "maxHoldSeconds: 863999")
    });
    until(edited + LONG);
    let last = rig.snapshot().unwrap().value;
    assert!(latched(&last, latch), "{last}");
    // The generated market begins at 00:00 and is too slow here to come to the next, which would end a daily loss.
    let day = |v: &serde_json::Value| number(v, "marketMs") / 86_400_000;
    assert_eq!(day(&last), day(&s.value), "midnight passed");
    s.at
}

#[test]
fn the_daily_loss_limit_flattens_and_outlives_restarts_failover_and_a_wider_limit() {
    let mut rig = Rig::bare(one(
        72,
        "maxSymbolNotionalPercent: \"100\", maxDailyLossPercent: \"0.5\", maxDrawdownPercent: \"100\"",
    ));
    let limit = "maxDailyLossPercent: \"0.5\"";
    let wider = "maxDailyLossPercent: \"100\"";
    let at = lose(&mut rig, "dailyLoss", (limit, wider));
    rig.no_risk(at + DEADLINE, now(), "the day's loss is reached");
    rig.no_grant(at + SAID, now(), "the day's loss is reached");
    assert!(rig.held().is_empty());
    rig.check();
}

#[test]
fn the_drawdown_limit_flattens_and_outlives_restarts_failover_and_a_wider_limit_until_a_person_accepts_it()
 {
    let mut rig = Rig::bare(one(
        73,
        "maxSymbolNotionalPercent: \"100\", maxDailyLossPercent: \"100\", maxDrawdownPercent: \"0.5\"",
    ));
    let limit = "maxDrawdownPercent: \"0.5\"";
    let wider = "maxDrawdownPercent: \"100\"";
    let at = lose(&mut rig, "drawdown", (limit, wider));
    // The old limit again, so that a peak that is kept would trip it.
    reapplied(&rig, |m| {
        m.replace(wider, limit)
            .replace("maxHoldSeconds: 863999", "maxHoldSeconds: 864000")
    });
    rig.no_risk(at + DEADLINE, now(), "the drawdown is reached");
    rig.no_grant(at + SAID, now(), "the drawdown is reached");
    assert!(rig.held().is_empty());
    released(&rig, &["release", "drawdown"]);
    // The peak begins anew: it does not trip again at once.
    until(now() + 2 * S);
    assert_eq!(
        rig.snapshot().unwrap().value["latches"],
        serde_json::json!([])
    );
    rig.check();
}

#[test]
fn with_nats_gone_a_person_on_the_leaders_host_still_closes_everything() {
    let mut rig = Rig::bare(Setup {
        seed: 74,
        ..holding()
    });
    let admin = format!("127.0.0.1:{}", helios_bus::testing::free_port());
    rig.add_coordinator(
        "a",
        "state",
        "leader.json",
        &["--admin".into(), admin.clone()],
    );
    rig.start_workers(&[]);
    rig.all_granted(now(), PATIENCE).unwrap();
    rig.wait_held();
    rig.nats.kill();
    let at = now();
    let mut kill = crate::rig::role::helios();
    // As a shell that talks to NATS all day has it.
    kill.env("HELIOS_NATS_URL", rig.nats.url());
    let said = kill.args(["kill", "--admin", &admin]).output().unwrap();
    assert!(said.status.success(), "{said:?}");
    flat(&rig);
    let back = rig.nats.restart();
    rig.when("kill after the outage", back, |s| latched(s, "kill"));
    until(now() + LONG);
    rig.no_risk(at + DEADLINE, now(), "killed");
    assert!(rig.held().is_empty());
    rig.check();
}
