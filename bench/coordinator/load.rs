//! A crowd of workers over real NATS: how long a grant takes to be answered, and what it all costs the coordinator.
//!
//! The workers are made up, what they say is not: a question each half second and a report each second, as a worker's.
//! Their first sixty want a position, so every answer weighs the whole account.

use crate::market::name;
use crate::numbers::{percentile, round};
use crate::process::{Coordinator, World, strategy_of};
use anyhow::{Context, Result, bail, ensure};
use helios_bus::typed::AccountBus;
use helios_core::messages::{
    DenyReason, GrantReply, GrantRequest, SCHEMA, WorkerReport, WorkerView,
};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval_at, sleep};

/// Contracts of the venue, all of them wanted and watched.
pub const SYMBOLS: usize = 500;
/// Workers while the machine is at ease.
const LIGHT: usize = 100;
/// As the worker's shell.
const ASK_EVERY: Duration = Duration::from_millis(500);
const ANSWER_BY: Duration = Duration::from_millis(1500);
/// Until the first grant: the lock is taken, the account read, the market scanned.
const READY_BY: Duration = Duration::from_secs(60);
/// Each phase.
const SETTLE: Duration = Duration::from_secs(3);
const MEASURE: Duration = Duration::from_secs(10);

/// What a crowd does.
#[derive(Clone, Copy, PartialEq)]
struct Doing {
    asks: bool,
    reports: bool,
}

#[derive(Default)]
struct Heard {
    round_trips_ms: Vec<f64>,
    granted: u64,
    denied: BTreeMap<DenyReason, u64>,
    unanswered: u64,
}

/// Measures everything that the big account shows.
pub async fn run(world: &World) -> Result<Value> {
    let mut account = world.account("crowd", SYMBOLS).await?;
    let mut buses = Vec::new();
    for n in 0..SYMBOLS {
        buses.push(world.worker_bus(&account.name, &name(n)).await?);
    }
    let coordinator = Arc::new(account.coordinator()?);
    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let peak = {
        let coordinator = coordinator.clone();
        tokio::spawn(async move {
            let mut peak = 0.0_f64;
            while !*stopped.borrow() {
                peak = peak.max(coordinator.rss_mib()?);
                let _ = tokio::time::timeout(Duration::from_millis(200), stopped.changed()).await;
            }
            anyhow::Ok(peak)
        })
    };
    ready(&buses[0], &coordinator).await?;
    // The crowd has to be heard once before a lull is one: the marks of all contracts are followed by now.
    let quiet = phase(&buses, &coordinator, 0, true, true).await?;
    let light = phase(&buses, &coordinator, LIGHT, true, true).await?;
    let reports = phase(&buses, &coordinator, SYMBOLS, false, true).await?;
    let full = phase(&buses, &coordinator, SYMBOLS, true, true).await?;
    stop.send_replace(true);
    let rss = peak.await.context("memory was not watched")??;
    full.check("500 workers")
        .with_context(|| coordinator.said())?;
    light
        .check("100 workers")
        .with_context(|| coordinator.said())?;
    drop(coordinator);
    account.end().await?;
    Ok(json!({
        "grant_p50_ms": round(percentile(&light.heard.round_trips_ms, 0.50), 3),
        "grant_p99_ms": round(percentile(&light.heard.round_trips_ms, 0.99), 3),
        "grant_500_p50_ms": round(percentile(&full.heard.round_trips_ms, 0.50), 3),
        "grant_500_p99_ms": round(percentile(&full.heard.round_trips_ms, 0.99), 3),
        "coordinator_quiet_core_percent": round(quiet.core_percent, 1),
        "heartbeats_core_percent": round(reports.core_percent - quiet.core_percent, 1),
        "coordinator_500_core_percent": round(full.core_percent, 1),
        "coordinator_rss_mib": round(rss, 1),
    }))
}

struct Phase {
    core_percent: f64,
    heard: Heard,
}

impl Phase {
    /// An answer that weighs nothing would be quick for nothing.
    fn check(&self, crowd: &str) -> Result<()> {
        let h = &self.heard;
        let all = h.granted + h.denied.values().sum::<u64>() + h.unanswered;
        // No task is replaced here, so that something reserved was found by weighing, as a limit is.
        let of = |r| h.denied.get(&r).copied().unwrap_or(0);
        let weighed = h.granted + of(DenyReason::Limit) + of(DenyReason::Reserved);
        ensure!(
            h.granted > 0 && weighed * 100 >= all * 95,
            "{crowd}: {} granted, denied {:?}, {} without an answer: these times mean nothing",
            h.granted,
            h.denied,
            h.unanswered
        );
        Ok(())
    }
}

/// Until the first grant of substance.
async fn ready(bus: &AccountBus, coordinator: &Coordinator) -> Result<()> {
    let until = Instant::now() + READY_BY;
    let mut last = String::new();
    for seq in 1.. {
        if Instant::now() > until {
            bail!("no grant in {READY_BY:?}: {last}\n{}", coordinator.said());
        }
        match bus.ask_grant(&question(0, seq), ANSWER_BY).await {
            Ok(GrantReply::Granted(_)) => return Ok(()),
            Ok(GrantReply::Denied { reason, .. }) => last = format!("{reason:?}"),
            Err(e) => last = e.to_string(),
        }
        sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

async fn phase(
    buses: &[AccountBus],
    coordinator: &Coordinator,
    workers: usize,
    asks: bool,
    reports: bool,
) -> Result<Phase> {
    let heard = Arc::new(Mutex::new(Heard::default()));
    let mut crowd = JoinSet::new();
    for (n, bus) in buses.iter().take(workers).cloned().enumerate() {
        // Evenly over the half second, as workers that started whenever they did.
        let first = tokio::time::Instant::now() + ASK_EVERY.mul_f64(n as f64 / workers as f64);
        let doing = Doing { asks, reports };
        crowd.spawn(worker(n, bus, doing, first, heard.clone()));
    }
    sleep(SETTLE).await;
    *heard.lock().expect("no worker panics") = Heard::default();
    let (cpu, since) = (coordinator.cpu_s()?, Instant::now());
    sleep(MEASURE).await;
    let used = coordinator.cpu_s()? - cpu;
    let core_percent = used / since.elapsed().as_secs_f64() * 100.0;
    let heard = std::mem::take(&mut *heard.lock().expect("no worker panics"));
    eprintln!(
        "  {workers} workers{}: {core_percent:.1} % of a core, {} granted, denied {:?}, {} without an answer",
        if asks { "" } else { " that only report" },
        heard.granted,
        heard.denied,
        heard.unanswered
    );
    Ok(Phase {
        core_percent,
        heard,
    })
}

async fn worker(
    n: usize,
    bus: AccountBus,
    doing: Doing,
    first: tokio::time::Instant,
    heard: Arc<Mutex<Heard>>,
) {
    let mut tick = interval_at(first, ASK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for seq in 1_u64.. {
        tick.tick().await;
        if doing.reports && seq.is_multiple_of(2) {
            let _ = bus.report(&report(n)).await;
        }
        if !doing.asks {
            continue;
        }
        let asked = Instant::now();
        let answer = bus.ask_grant(&question(n, seq), ANSWER_BY).await;
        let took = asked.elapsed().as_secs_f64() * 1000.0;
        let mut h = heard.lock().expect("no worker panics");
        match answer {
            Ok(GrantReply::Granted(_)) => h.granted += 1,
            Ok(GrantReply::Denied { reason, .. }) => *h.denied.entry(reason).or_default() += 1,
            Err(_) => {
                h.unanswered += 1;
                continue;
            }
        }
        h.round_trips_ms.push(took);
    }
}

fn question(n: usize, seq: u64) -> GrantRequest {
    GrantRequest {
        symbol: name(n),
        strategy: strategy_of(n),
        task_uid: format!("bench-{n}"),
        seq,
        epoch_seen: 1,
        wish_notional: Decimal::from(100),
        position_notional: Decimal::ZERO,
        open_entry_notional: Decimal::ZERO,
        wish_risk: Decimal::ONE,
        fence_lost: false,
    }
}

fn report(n: usize) -> WorkerReport {
    WorkerReport {
        schema: SCHEMA,
        symbol: name(n),
        strategy: strategy_of(n),
        task_uid: format!("bench-{n}"),
        epoch: 1,
        generation: 1,
        ready: true,
        view: WorkerView {
            market_ms: 1_723_161_600_000,
            book_synced: true,
            mid: Some(Decimal::new(100_005, 2)),
            nobi: Some(0.123_456),
            atr: Some(4.56),
            reason: Some("NoSignal".into()),
            granted: true,
            ..WorkerView::default()
        },
        closed: Vec::new(),
        rates: None,
        params: (0, 0, 0),
        refused: false,
        alarms: 0,
        life: String::new(),
    }
}
