//! What a worker does when its coordinator falls silent: real traders, grants over real NATS, a driver that ticks as the
//! worker's shell does.
//!
//! A trader sends no entry with less than 300 ms of its grant left, so that instant is the deadline. Each trader meets a
//! book that asks for an entry every millisecond around it. Its grant's ceiling is too small for an order, so that it never
//! enters and can be asked again: as long as the grant holds it says so, and from the deadline on that it has none.

use crate::market::name;
use crate::numbers::round;
use crate::process::World;
use crate::traders::{Desk, cancels, grant, params};
use anyhow::{Context, Result, bail, ensure};
use helios_binance::clock::mono_ns;
use helios_bus::typed::AccountBus;
use helios_core::messages::{GrantReply, GrantRequest, ParamsDocument};
use helios_core::trader::{TraderEffect, TraderEvent};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

const TRIALS: usize = 60;
const NS_PER_MS: u64 = 1_000_000;
/// Length of a grant, and what must be left of it for an entry.
const HOLDS_NS: u64 = (2000 - 300) * NS_PER_MS;
/// Around the deadline a book comes every millisecond.
const NEAR_NS: u64 = 60 * NS_PER_MS;
/// Between the starts of two trials: their deadlines must not fall together.
const APART: Duration = Duration::from_millis(150);
/// As the worker's shell.
const TICK: Duration = Duration::from_millis(50);
const ANSWER_BY: Duration = Duration::from_millis(1500);
/// Answers before the coordinator falls silent.
const ANSWERS: u64 = 2;
const ACCOUNT: &str = "default/silent";

/// Measures it over and over.
pub async fn run(world: &World) -> Result<Value> {
    let params = params()?;
    let server = world.coordinator_bus(ACCOUNT).await?;
    let mut grants = server.serve_grants().await?;
    let coordinator = tokio::spawn(async move {
        // Kept, as a dropped question tells its asker at once that nobody answers.
        let mut unanswered = Vec::new();
        while let Some(q) = grants.next().await {
            if q.request.seq > ANSWERS {
                unanswered.push(q);
                continue;
            }
            let reply = grant(&q.request, 1, Decimal::ONE);
            let _ = q.answer(&reply);
        }
    });
    let mut trials = JoinSet::new();
    for n in 0..TRIALS {
        let bus = world.worker_bus(ACCOUNT, &name(n)).await?;
        trials.spawn(trial(n, bus, params.clone()));
        sleep(APART).await;
    }
    let mut worst_ms = 0.0_f64;
    while let Some(error_ms) = trials.join_next().await {
        worst_ms = worst_ms.max(error_ms.context("a trial panicked")??.abs());
    }
    coordinator.abort();
    Ok(json!({
        "silence_to_reduce_only_error_ms": round(worst_ms, 2),
        "silence_trials": TRIALS,
    }))
}

/// How late (negative: early) a trader was refused its first entry, ms.
async fn trial(n: usize, bus: AccountBus, params: ParamsDocument) -> Result<f64> {
    let mut desk = Desk::new(&name(n), &params);
    desk.warm();
    let (answers, mut heard) = mpsc::unbounded_channel();
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut look = interval(Duration::from_millis(1));
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Deadline of the newest grant taken, by the trader's own time.
    let mut asked: Vec<(u64, u64)> = Vec::new();
    let (mut deadline, mut held, mut next_book) = (None, 0_u32, 0);
    let mut marked = 0;
    loop {
        let effects = tokio::select! {
            biased;
            Some(reply) = heard.recv() => {
                let seq = seq_of(&reply);
                let t0 = asked.iter().find(|a| a.0 == seq).map(|a| a.1);
                let out = desk.tell(&TraderEvent::Grant(reply));
                deadline = t0.map(|t| t + HOLDS_NS);
                out
            }
            _ = tick.tick() => {
                if mono_ns() - marked > 1_000 * NS_PER_MS {
                    marked = mono_ns();
                    desk.mark();
                }
                desk.tell(&TraderEvent::Tick)
            }
            _ = look.tick() => {
                let at = mono_ns();
                let near = deadline.is_some_and(|d: u64| at + NEAR_NS > d);
                if !near && at < next_book {
                    continue;
                }
                next_book = at + 100 * NS_PER_MS;
                let out = desk.book(true);
                let decided = mono_ns();
                ensure!(!cancels(&out), "nothing is there to cancel");
                let reason = desk.trader.view().reason.unwrap_or_default();
                match (deadline, reason.as_str()) {
                    (Some(d), "NoGrant") => {
                        ensure!(held > 0, "the grant was never in force");
                        return Ok((decided as f64 - d as f64) / NS_PER_MS as f64);
                    }
                    (None, "NoGrant") => {}
                    (_, "SizeBelowMinimum") => held += 1,
                    (_, other) => bail!("held back for another reason: {other}"),
                }
                if deadline.is_some_and(|d| at > d + 1_000 * NS_PER_MS) {
                    bail!("a second after the deadline entries are still let through");
                }
                out
            }
        };
        for e in effects {
            if let TraderEffect::AskGrant(q) = e {
                asked.push((q.seq, mono_ns()));
                ask(&bus, q, answers.clone());
            }
        }
    }
}

fn seq_of(reply: &GrantReply) -> u64 {
    match reply {
        GrantReply::Granted(g) => g.seq,
        GrantReply::Denied { seq, .. } => *seq,
    }
}

/// As the worker's shell: a question never holds up the machine.
fn ask(bus: &AccountBus, q: GrantRequest, answers: mpsc::UnboundedSender<GrantReply>) {
    let bus = bus.clone();
    tokio::spawn(async move {
        if let Ok(reply) = bus.ask_grant(&q, ANSWER_BY).await {
            let _ = answers.send(reply);
        }
    });
}
