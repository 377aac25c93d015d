//! What every transport must do, as checks that a transport's tests run against a fresh bus each.
//!
//! A check returns the sentence that failed. [`all`] runs every check.

use crate::{Bus, BusError};
use bytes::Bytes;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// Longest a correct transport may take for one step of a check.
const PATIENCE: Duration = Duration::from_secs(5);

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

/// Runs every check against a fresh bus from `make`.
///
/// # Errors
/// The first sentence that does not hold.
pub async fn all<M, F>(make: M) -> Result<(), String>
where
    M: Fn() -> F,
    F: Future<Output = Arc<dyn Bus>>,
{
    order_is_kept(make().await).await?;
    wildcards_and_silence(make().await).await?;
    request_and_answer(make().await).await?;
    a_dead_server_is_replaced(make().await).await?;
    swap_by_revision(make().await).await?;
    watch_shows_present_then_changes(make().await).await?;
    a_slow_watcher_sees_the_newest(make().await).await
}

async fn order_is_kept(bus: Arc<dyn Bus>) -> Result<(), String> {
    let mut s = bus.subscribe("t.order").await.map_err(show)?;
    for i in 0..1000 {
        bus.publish("t.order", b(&i.to_string()))
            .await
            .map_err(show)?;
    }
    for i in 0..1000 {
        let m = soon("ordered message", s.next())
            .await?
            .ok_or("subscription ended")?;
        check(
            m.payload == b(&i.to_string()),
            "messages of one publisher arrive in order",
        )?;
    }
    Ok(())
}

async fn wildcards_and_silence(bus: Arc<dyn Bus>) -> Result<(), String> {
    bus.publish("t.nobody", b("x")).await.map_err(show)?;
    let mut one = bus.subscribe("t.*.c").await.map_err(show)?;
    let mut rest = bus.subscribe("t.>").await.map_err(show)?;
    bus.publish("t.b.d", b("1")).await.map_err(show)?;
    bus.publish("t.b.c", b("2")).await.map_err(show)?;
    let m = soon("wildcard message", one.next())
        .await?
        .ok_or("subscription ended")?;
    check(
        m.subject == "t.b.c" && m.payload == b("2"),
        "* matches one token only, and nothing published before",
    )?;
    for want in ["1", "2"] {
        let m = soon("tail message", rest.next())
            .await?
            .ok_or("subscription ended")?;
        check(m.payload == b(want), "> matches all that follows")?;
    }
    Ok(())
}

async fn request_and_answer(bus: Arc<dyn Bus>) -> Result<(), String> {
    let none = bus
        .request("t.ask", b("?"), Duration::from_millis(200))
        .await;
    check(none.is_err(), "a question that nobody serves fails")?;
    let mut server = bus.serve("t.ask").await.map_err(show)?;
    let answering = tokio::spawn(async move {
        while let Some(q) = server.next().await {
            let mut echo = b"re:".to_vec();
            echo.extend_from_slice(&q.payload);
            q.answer(echo.into());
        }
    });
    for i in 0..50 {
        let a = bus
            .request("t.ask", b(&i.to_string()), PATIENCE)
            .await
            .map_err(show)?;
        check(
            a == b(&format!("re:{i}")),
            "an answer belongs to its question",
        )?;
    }
    answering.abort();
    Ok(())
}

async fn a_dead_server_is_replaced(bus: Arc<dyn Bus>) -> Result<(), String> {
    let first = bus.serve("t.ask").await.map_err(show)?;
    drop(first);
    let mut second = bus.serve("t.ask").await.map_err(show)?;
    let task = tokio::spawn(async move {
        if let Some(q) = second.next().await {
            q.answer(b("second"));
        }
    });
    let a = bus.request("t.ask", b("?"), PATIENCE).await.map_err(show)?;
    task.abort();
    check(
        a == b("second"),
        "a later server takes over from a dead one",
    )
}

async fn swap_by_revision(bus: Arc<dyn Bus>) -> Result<(), String> {
    check(
        bus.get("k").await.map_err(show)?.is_none(),
        "an unknown key is none",
    )?;
    let r1 = bus.compare_and_swap("k", 0, b("1")).await.map_err(show)?;
    check(
        bus.compare_and_swap("k", 0, b("x")).await.is_err(),
        "creating twice fails",
    )?;
    let r2 = bus.compare_and_swap("k", r1, b("2")).await.map_err(show)?;
    check(r2 > r1, "revisions grow")?;
    let lost = bus.compare_and_swap("k", r1, b("x")).await;
    check(
        matches!(lost, Err(BusError::WrongRevision { expected, actual, .. }) if expected == r1 && actual == r2),
        "a stale swap fails and names both revisions",
    )?;
    let e = bus.get("k").await.map_err(show)?.ok_or("key vanished")?;
    check(
        e.value == b("2") && e.revision == r2,
        "a failed swap changes nothing",
    )
}

async fn watch_shows_present_then_changes(bus: Arc<dyn Bus>) -> Result<(), String> {
    bus.put("w.a", b("1")).await.map_err(show)?;
    bus.put("other", b("1")).await.map_err(show)?;
    let mut w = bus.watch("w.").await.map_err(show)?;
    let e = soon("present entry", w.next())
        .await?
        .ok_or("watch ended")?;
    check(
        e.key == "w.a" && e.value == b("1"),
        "a watch shows what is present first",
    )?;
    bus.put("w.b", b("2")).await.map_err(show)?;
    let e = soon("changed entry", w.next())
        .await?
        .ok_or("watch ended")?;
    check(
        e.key == "w.b" && e.value == b("2"),
        "then changes under its prefix, and no others",
    )
}

async fn a_slow_watcher_sees_the_newest(bus: Arc<dyn Bus>) -> Result<(), String> {
    let mut w = bus.watch("w.").await.map_err(show)?;
    let mut last = 0;
    for i in 0..20_000 {
        last = bus.put("w.a", b(&i.to_string())).await.map_err(show)?;
    }
    loop {
        let e = soon("newest entry", w.next()).await?.ok_or("watch ended")?;
        if e.revision == last {
            return check(
                e.value == b("19999"),
                "the newest value is seen however slow the watcher",
            );
        }
    }
}
