//! What every lease store must do, as checks that a store's tests run against fresh stores.
//!
//! A check returns the sentence that failed. [`all`] runs every check.

use crate::record::{LeaseRecord, MicroTime};
use crate::store::{LeaseError, LeaseStore, Version};
use async_trait::async_trait;
use std::sync::Arc;
use tokio::task::JoinSet;

/// One lease, empty at first, that several clients can open, and that the check can harm.
#[async_trait]
pub trait Place: Send + Sync {
    /// Another client of the same lease, as another process would have.
    async fn client(&self) -> Arc<dyn LeaseStore>;

    /// Removes the record, as a person may.
    async fn delete(&self);

    /// Puts something there that is no record. False where the server lets nobody do that.
    async fn damage(&self) -> bool;
}

fn check(ok: bool, sentence: &str) -> Result<(), String> {
    if ok { Ok(()) } else { Err(sentence.into()) }
}

fn show(e: LeaseError) -> String {
    e.to_string()
}

fn record(holder: Option<&str>, n: u64) -> LeaseRecord {
    let us = 1_700_000_000_000_001 + i64::try_from(n).unwrap_or(0);
    LeaseRecord {
        holder_identity: holder.map(str::to_string),
        lease_duration_seconds: 6,
        acquire_time: holder.map(|_| MicroTime::from_unix_us(us)),
        renew_time: Some(MicroTime::from_unix_us(us)),
        lease_transitions: n,
    }
}

/// Runs every check, each in a fresh place from `make`.
///
/// # Errors
/// The first sentence that does not hold.
pub async fn all<P: Place>(make: impl Fn() -> P) -> Result<(), String> {
    what_is_written_is_read(&make()).await?;
    only_the_expected_version_is_replaced(&make()).await?;
    a_deleted_record_is_missing_and_its_version_never_comes_back(&make()).await?;
    of_many_at_once_one_wins(&make()).await?;
    damage_is_an_error(&make()).await
}

async fn what_is_written_is_read(place: &impl Place) -> Result<(), String> {
    let (a, b) = (place.client().await, place.client().await);
    check(a.read().await == Ok(None), "there is no record at first")?;
    let mut expected: Option<Version> = None;
    // A leader with all fields, then nobody: an empty holder comes back as nobody.
    for r in [record(Some("x-1"), 1), record(None, 2)] {
        let version = a.write(expected.as_ref(), &r).await.map_err(show)?;
        for client in [&a, &b] {
            let (got, at) = client.read().await.map_err(show)?.ok_or("it is there")?;
            check(at == version, "the version read is the one written")?;
            check(got.holder() == r.holder(), "the holder is read as written")?;
            let rest = LeaseRecord {
                holder_identity: r.holder_identity.clone(),
                ..got
            };
            check(rest == r, "every field is read as written")?;
        }
        expected = Some(version);
    }
    Ok(())
}

async fn only_the_expected_version_is_replaced(place: &impl Place) -> Result<(), String> {
    let (a, b) = (place.client().await, place.client().await);
    let first = a.write(None, &record(Some("a"), 1)).await.map_err(show)?;
    check(
        b.write(None, &record(Some("b"), 2)).await == Err(LeaseError::Conflict),
        "a second first write is a conflict",
    )?;
    let second = b
        .write(Some(&first), &record(Some("b"), 2))
        .await
        .map_err(show)?;
    check(first != second, "each write has a version of its own")?;
    check(
        a.write(Some(&first), &record(Some("a"), 3)).await == Err(LeaseError::Conflict),
        "a write on an old version is a conflict",
    )?;
    let (got, at) = a.read().await.map_err(show)?.ok_or("it is there")?;
    check(
        got.holder() == Some("b") && at == second,
        "a conflict changes nothing",
    )
}

async fn a_deleted_record_is_missing_and_its_version_never_comes_back(
    place: &impl Place,
) -> Result<(), String> {
    let (a, b) = (place.client().await, place.client().await);
    let old = a.write(None, &record(Some("a"), 1)).await.map_err(show)?;
    place.delete().await;
    check(b.read().await == Ok(None), "a deleted record is none")?;
    check(
        a.write(Some(&old), &record(Some("a"), 2)).await == Err(LeaseError::Conflict),
        "replacing a deleted record is a conflict",
    )?;
    let new = b.write(None, &record(Some("a"), 1)).await.map_err(show)?;
    check(
        old != new,
        "a record made anew has another version, even with the same content",
    )?;
    check(
        a.write(Some(&old), &record(Some("a"), 2)).await == Err(LeaseError::Conflict),
        "the version of a deleted record stays old",
    )
}

async fn of_many_at_once_one_wins(place: &impl Place) -> Result<(), String> {
    let mut expected: Option<Version> = None;
    for round in 1..=5 {
        let mut tries = JoinSet::new();
        for i in 0..8 {
            let (client, expected) = (place.client().await, expected.clone());
            tries.spawn(async move {
                let r = record(Some(&format!("c{i}")), round);
                (i, client.write(expected.as_ref(), &r).await)
            });
        }
        let mut won = Vec::new();
        while let Some(t) = tries.join_next().await {
            match t.map_err(|e| e.to_string())? {
                (i, Ok(version)) => won.push((i, version)),
                (_, Err(LeaseError::Conflict)) => {}
                (_, Err(e)) => return Err(show(e)),
            }
        }
        let [(i, version)] = won.as_slice() else {
            return Err(format!("of 8 writes at once one wins, not {}", won.len()));
        };
        let (got, at) = place
            .client()
            .await
            .read()
            .await
            .map_err(show)?
            .ok_or("it is there")?;
        check(
            at == *version && got.holder() == Some(&format!("c{i}")),
            "the record is the winner's",
        )?;
        expected = Some(at);
    }
    Ok(())
}

async fn damage_is_an_error(place: &impl Place) -> Result<(), String> {
    let a = place.client().await;
    let old = a.write(None, &record(Some("a"), 1)).await.map_err(show)?;
    if !place.damage().await {
        return Ok(());
    }
    check(
        matches!(a.read().await, Err(LeaseError::Damaged(_))),
        "what is no record is an error, never an empty record",
    )?;
    for expected in [None, Some(&old)] {
        check(
            a.write(expected, &record(Some("b"), 2)).await.is_err(),
            "what is no record is not written over",
        )?;
    }
    Ok(())
}
