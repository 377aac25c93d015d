//! How long workers are without a grant when the leading coordinator is killed, or asked to end.
//!
//! Two real coordinators share lock and state; real traders ask over real NATS and take what is answered by their own
//! clock. Several accounts at once, out of step with each other, because it depends on where in its second the lock is.

use crate::market::name;
use crate::numbers::round;
use crate::process::{Account, Coordinator, World, strategy_of};
use crate::traders::{Desk, params};
use anyhow::{Context, Result, bail};
use helios_binance::clock::mono_ns;
use helios_bus::typed::AccountBus;
use helios_core::messages::ParamsDocument;
use helios_core::trader::{TraderEffect, TraderEvent};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// Contracts of the venue.
const SYMBOLS: usize = 5;
/// Accounts, each with two coordinators.
const PAIRS: u32 = 4;
/// Between the kills of two accounts.
const APART: Duration = Duration::from_millis(270);
/// A standby that has read everything and seen the lock renewed.
const WARM: Duration = Duration::from_secs(5);
/// All have grants for this long: the takeover is over.
const STEADY: Duration = Duration::from_millis(1500);
const PATIENCE: Duration = Duration::from_secs(40);
/// Between looks at a trader's grant.
const TICK: Duration = Duration::from_millis(10);
const ANSWER_BY: Duration = Duration::from_millis(1500);

/// Measures both ends of a leader.
pub async fn run(world: &World) -> Result<Value> {
    let params = params()?;
    let mut pairs = JoinSet::new();
    for n in 0..PAIRS {
        let account = world.account(&format!("pair{n}"), SYMBOLS).await?;
        let mut buses = Vec::new();
        for n in 0..SYMBOLS {
            buses.push(world.worker_bus(&account.name, &name(n)).await?);
        }
        pairs.spawn(pair(account, buses, params.clone(), APART * n));
    }
    let (mut killed, mut ended) = (Vec::new(), Vec::new());
    while let Some(gaps) = pairs.join_next().await {
        let (kill, end) = gaps.context("a trial panicked")??;
        killed.push(kill);
        ended.push(end);
    }
    eprintln!("  without a grant after a kill {killed:.2?} s, after a handover {ended:.3?} s");
    let most = |v: &[f64]| v.iter().copied().fold(0.0, f64::max);
    Ok(json!({
        "takeover_s": round(most(&killed), 2),
        "handover_gap_ms": round(most(&ended) * 1000.0, 0),
        "takeovers": killed.len(),
    }))
}

/// Longest time without a grant, s: after a kill, and after a request to end.
async fn pair(
    mut account: Account,
    buses: Vec<AccountBus>,
    params: ParamsDocument,
    late: Duration,
) -> Result<(f64, f64)> {
    let first = account.coordinator()?;
    let mut watched = Watched::start(buses, &params);
    watched.steady(0, &first).await?;
    let second = account.coordinator()?;
    sleep(WARM + late).await;

    let epoch = watched.begin();
    first.kill()?;
    watched.steady(epoch, &second).await?;
    let killed = watched.longest_s();

    let third = account.coordinator()?;
    sleep(WARM).await;
    let epoch = watched.begin();
    second.terminate()?;
    watched.steady(epoch, &third).await?;
    let ended = watched.longest_s();
    drop((second, third));
    account.end().await?;
    Ok((killed, ended))
}

/// What is known of one trader's permission.
#[derive(Clone, Copy, Default)]
struct Seen {
    granted: bool,
    epoch: u64,
    /// Since when it is as it is, ns.
    since: u64,
    /// Longest time without since the last mark, ns.
    longest: u64,
}

/// The traders of one account.
struct Watched {
    seen: Vec<Arc<Mutex<Seen>>>,
    _traders: JoinSet<()>,
}

impl Watched {
    fn start(buses: Vec<AccountBus>, params: &ParamsDocument) -> Self {
        let mut traders = JoinSet::new();
        let seen = buses
            .into_iter()
            .enumerate()
            .map(|(n, bus)| {
                let seen = Arc::new(Mutex::new(Seen::default()));
                let desk = Desk::of(&name(n), &strategy_of(n), params);
                traders.spawn(trade(desk, bus, seen.clone()));
                seen
            })
            .collect();
        Self {
            seen,
            _traders: traders,
        }
    }

    fn each<T>(&self, mut f: impl FnMut(&mut Seen) -> T) -> Vec<T> {
        let lock = |s: &Arc<Mutex<Seen>>| f(&mut s.lock().expect("no trader panics"));
        self.seen.iter().map(lock).collect()
    }

    /// From now on gaps count; returns the highest epoch so far.
    fn begin(&self) -> u64 {
        let epochs = self.each(|s| {
            s.longest = 0;
            s.epoch
        });
        epochs.into_iter().max().unwrap_or(0)
    }

    /// Waits until all have had grants of a later epoch for a while.
    async fn steady(&mut self, after: u64, leader: &Coordinator) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let now = mono_ns();
            let calm = self.each(|s| {
                s.granted && s.epoch > after && now - s.since >= STEADY.as_nanos() as u64
            });
            if calm.iter().all(|c| *c) {
                return Ok(());
            }
            if Instant::now() > until {
                bail!("no grants within {PATIENCE:?}:\n{}", leader.said());
            }
            sleep(TICK).await;
        }
    }

    fn longest_s(&self) -> f64 {
        let all = self.each(|s| s.longest as f64 / 1e9);
        all.into_iter().fold(0.0, f64::max)
    }
}

async fn trade(mut desk: Desk, bus: AccountBus, seen: Arc<Mutex<Seen>>) {
    let (answers, mut heard) = mpsc::unbounded_channel();
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let effects = tokio::select! {
            biased;
            Some(reply) = heard.recv() => desk.tell(&TraderEvent::Grant(reply)),
            _ = tick.tick() => desk.tell(&TraderEvent::Tick),
        };
        for e in effects {
            if let TraderEffect::AskGrant(q) = e {
                let (bus, answers) = (bus.clone(), answers.clone());
                tokio::spawn(async move {
                    if let Ok(reply) = bus.ask_grant(&q, ANSWER_BY).await {
                        let _ = answers.send(reply);
                    }
                });
            }
        }
        let granted = desk.trader.view().granted;
        let at = mono_ns();
        let mut s = seen.lock().expect("no trader panics");
        if granted != s.granted {
            (s.granted, s.since) = (granted, at);
        }
        if !granted {
            s.longest = s.longest.max(at - s.since);
        }
        s.epoch = desk.trader.epoch();
    }
}
