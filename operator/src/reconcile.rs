//! One look at one account: dereference, validate, plan, apply, update status.

use crate::board::Board;
use crate::config::OperatorConfig;
use crate::events::Notes;
use crate::facts::Index;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::names;
use crate::pipeline::apply::Hands;
use crate::pipeline::dereference::World;
use crate::pipeline::plan::plan;
use crate::pipeline::update_status::Clerk;
use crate::pipeline::validate::validate;
use crate::time::{ms, now_ms};
use crate::writer::Writer;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;

/// What every look shares.
#[derive(Debug)]
pub struct Context {
    /// Settings.
    pub config: OperatorConfig,
    /// Facts.
    pub index: Arc<Mutex<Index>>,
    /// Snapshots.
    pub board: Arc<Board>,
    /// The API server.
    pub writer: Writer,
    /// Events.
    pub notes: Notes,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// What is remembered of each account.
    pub memories: Mutex<BTreeMap<String, Arc<AsyncMutex<Memory>>>>,
}

impl Context {
    fn memory(&self, account: &str) -> Arc<AsyncMutex<Memory>> {
        let mut all = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(account.into()).or_default().clone()
    }

    /// The account is gone.
    pub fn forget(&self, account: &str) {
        let mut all = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(account);
    }
}

/// Looks at an account once; returns liveness ms by which it must be looked at again.
pub async fn reconcile(ctx: &Context, account: &str) -> u64 {
    let now_ms = now_ms();
    let wall_s = i64::try_from(helios_clock::wall().as_secs()).unwrap_or(0);
    reconcile_at(ctx, account, now_ms, wall_s).await
}

/// Looks at an account once, as of a time: liveness ms, and seconds since the Unix epoch.
pub async fn reconcile_at(ctx: &Context, account: &str, now_ms: u64, wall_s: i64) -> u64 {
    let began = Instant::now();
    // One look at an account at a time, so nobody else holds it.
    let memory = ctx.memory(account);
    let memory = &mut *memory.lock().await;
    memory.backoff.tidy(now_ms);
    let (settings, patience) = (&ctx.config.pods, &ctx.config.patience);
    let writer = ctx.writer.of_this_term();
    // (no client required)
    let mut world = {
        let index = ctx.index.lock().unwrap_or_else(PoisonError::into_inner);
        let object = index.accounts.get(account).map(|a| &a.object);
        if let Some(uid) = object.and_then(|o| o.as_ref().ok()?.metadata.uid.as_deref()) {
            ctx.board.is_of(account, uid);
        }
        World::of(&index, &ctx.board, account, now_ms, wall_s)
    };
    world.go_on_from(memory);
    // (client required: whether a namespace goes is asked only when something in it does)
    if world.something_goes() {
        let (namespace, _) = names::split(account);
        world.namespace_deleted_s = writer.namespace_deleted(namespace).await;
    }
    // (no client required)
    let validated = validate(&world);
    // (no client required)
    let plan = plan(&world, &validated, memory, settings, patience);
    // (client required)
    let applied = Hands::new(&writer, &world, &validated, settings, memory)
        .apply(&plan)
        .await;
    // (client required)
    let clerk = Clerk {
        writer: &writer,
        notes: &ctx.notes,
        world: &world,
        validated: &validated,
        plan: &plan,
        applied: &applied,
        patience,
        memory,
        began,
    };
    let wake = clerk.update().await;
    ctx.metrics
        .reconciled(applied.failed.is_empty(), began.elapsed());
    let resync = now_ms + ms(patience.resync);
    [wake, plan.wake_ms]
        .into_iter()
        .flatten()
        .fold(resync, u64::min)
        .max(now_ms + 10)
}
