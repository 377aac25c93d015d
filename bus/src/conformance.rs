//! What every transport must do, as checks that a transport's tests run against a fresh [`Rig`] each.
//!
//! A check returns the sentence that failed. [`all`] runs every check.

mod basics;
mod outages;

use crate::{Bus, BusError, BusState};
use async_trait::async_trait;
use bytes::Bytes;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// Longest a correct transport may take for one step of a check.
const PATIENCE: Duration = Duration::from_secs(10);

fn b(s: &str) -> Bytes {
    Bytes::copy_from_slice(s.as_bytes())
}

fn check(ok: bool, sentence: &str) -> Result<(), String> {
    if ok { Ok(()) } else { Err(sentence.into()) }
}

async fn soon<T>(what: &str, f: impl Future<Output = T>) -> Result<T, String> {
    tokio::time::timeout(PATIENCE, f)
        .await
        .map_err(|_| format!("{what}: nothing came within {PATIENCE:?}"))
}

fn show(e: BusError) -> String {
    e.to_string()
}

/// A transport with what is behind it, in the hands of a check.
#[async_trait]
pub trait Rig: Send + Sync {
    /// A client, always the same.
    fn bus(&self) -> Arc<dyn Bus>;

    /// Another client.
    async fn second(&self) -> Arc<dyn Bus>;

    /// What is behind it stops, as in a crash.
    async fn down(&self);

    /// And comes back with its data.
    async fn up(&self);

    /// Keeps the bucket as it is.
    async fn backup(&self);

    /// Puts the bucket back as [`Rig::backup`] kept it, with what outage that takes.
    async fn roll_back(&self);
}

/// Runs every check against a fresh rig from `make`.
///
/// # Errors
/// The first sentence that does not hold.
pub async fn all<M, F, R>(make: M) -> Result<(), String>
where
    M: Fn() -> F,
    F: Future<Output = R>,
    R: Rig,
{
    basics::order_is_kept(&make().await).await?;
    basics::wildcards_and_silence(&make().await).await?;
    basics::request_and_answer(&make().await).await?;
    basics::a_dead_server_is_replaced(&make().await).await?;
    basics::swap_by_revision(&make().await).await?;
    basics::watch_shows_present_then_changes(&make().await).await?;
    basics::a_watch_of_a_key_is_of_that_key(&make().await).await?;
    basics::a_watch_shows_each_change_soon(&make().await).await?;
    basics::a_slow_watcher_sees_the_newest(&make().await).await?;
    basics::a_slow_subscriber_loses_the_oldest(&make().await).await?;
    basics::busy_clients_see_no_rollback(&make().await).await?;
    outages::what_is_sent_while_down_fails_at_once(&make().await).await?;
    outages::listeners_go_on_after_an_outage(&make().await).await?;
    outages::a_rollback_is_counted_and_shown(&make().await).await?;
    outages::a_vanished_key_is_a_rollback(&make().await).await
}

async fn state(
    bus: &Arc<dyn Bus>,
    what: &str,
    is: impl Fn(&BusState) -> bool,
) -> Result<(), String> {
    let mut state = bus.state();
    soon(what, state.wait_for(|s| is(s)))
        .await?
        .map(drop)
        .map_err(|_| format!("{what}: the bus closed"))
}
