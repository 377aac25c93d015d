//! What holds when what is behind the bus fails, or comes back as it was long ago.

use super::{PATIENCE, Rig, b, check, show, soon, state};
use crate::BusError;
use std::time::{Duration, Instant};

/// What fails fast does so in this time, on a busy machine too.
const AT_ONCE: Duration = Duration::from_secs(1);

pub(super) async fn what_is_sent_while_down_fails_at_once(rig: &impl Rig) -> Result<(), String> {
    let (bus, other) = (rig.bus(), rig.second().await);
    let mut heard = other.subscribe("t.late").await.map_err(show)?;
    bus.put("k", b("1")).await.map_err(show)?;
    rig.down().await;
    state(&bus, "disconnected", |s| !s.connected).await?;
    let before = Instant::now();
    let results = [
        bus.publish("t.late", b("stale")).await.err(),
        bus.request("t.late", b("stale"), PATIENCE).await.err(),
        bus.get("k").await.err(),
        bus.put("k", b("stale")).await.err(),
        bus.compare_and_swap("k", 1, b("stale")).await.err(),
    ];
    check(
        results.iter().all(|r| *r == Some(BusError::Disconnected)),
        "what needs the connection fails while there is none",
    )?;
    check(before.elapsed() < AT_ONCE, "and at once")?;
    rig.up().await;
    state(&bus, "connected again", |s| s.connected).await?;
    state(&other, "connected again", |s| s.connected).await?;
    let e = bus.get("k").await.map_err(show)?.ok_or("key vanished")?;
    check(e.value == b("1"), "a write that failed is not made later")?;
    // A new subscription may reach the server after a message of another client.
    loop {
        bus.publish("t.late", b("fresh")).await.map_err(show)?;
        match tokio::time::timeout(Duration::from_millis(100), heard.next()).await {
            Err(_) => {}
            Ok(None) => return Err("subscription ended".into()),
            Ok(Some(m)) => {
                return check(
                    m.payload == b("fresh"),
                    "a message that failed is not sent later",
                );
            }
        }
    }
}

pub(super) async fn listeners_go_on_after_an_outage(rig: &impl Rig) -> Result<(), String> {
    let (bus, other) = (rig.bus(), rig.second().await);
    let mut heard = bus.subscribe("t.news").await.map_err(show)?;
    let mut server = bus.serve("t.ask").await.map_err(show)?;
    let mut watched = bus.watch("w.a").await.map_err(show)?;
    other.put("w.a", b("before")).await.map_err(show)?;
    soon("value before", watched.next()).await?;
    let answering = tokio::spawn(async move {
        while let Some(q) = server.next().await {
            q.answer(b("here"));
        }
    });
    for round in 0..2 {
        rig.down().await;
        state(&bus, "disconnected", |s| !s.connected).await?;
        rig.up().await;
        state(&other, "connected again", |s| s.connected).await?;
        // The watcher may still be away: it sees what it missed.
        let value = b(&format!("after {round}"));
        soon("a write after the outage", async {
            while other.put("w.a", value.clone()).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await?;
        state(&bus, "connected again", |s| s.connected).await?;
        let seen = soon("value after", async {
            loop {
                match watched.next().await {
                    Some(e) if e.value == value => return true,
                    Some(_) => {}
                    None => return false,
                }
            }
        })
        .await?;
        check(seen, "a watch goes on after an outage")?;
        soon("a message after the outage", async {
            loop {
                let _ = other.publish("t.news", value.clone()).await;
                let m = tokio::time::timeout(Duration::from_millis(100), heard.next()).await;
                if matches!(m, Ok(Some(m)) if m.payload == value) {
                    return;
                }
            }
        })
        .await?;
        let answer = soon("an answer after the outage", async {
            loop {
                if let Ok(a) = other.request("t.ask", b("?"), AT_ONCE).await {
                    return a;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await?;
        check(answer == b("here"), "a server goes on after an outage")?;
    }
    answering.abort();
    check(
        bus.state().borrow().rollbacks == 0,
        "an outage is no rollback",
    )
}

pub(super) async fn a_rollback_is_counted_and_shown(rig: &impl Rig) -> Result<(), String> {
    let (bus, other) = (rig.bus(), rig.second().await);
    let mut watched = other.watch("r.a").await.map_err(show)?;
    for i in 0..3 {
        bus.put("r.b", b(&i.to_string())).await.map_err(show)?;
    }
    let old = bus.put("r.a", b("old")).await.map_err(show)?;
    for times in 1..=2 {
        rig.backup().await;
        let mut new = old;
        for i in 0..5 {
            let value = b(&format!("new {times} {i}"));
            new = bus
                .compare_and_swap("r.a", new, value)
                .await
                .map_err(show)?;
        }
        soon("the newest value", async {
            while let Some(e) = watched.next().await {
                if e.revision == new {
                    return;
                }
            }
        })
        .await?;
        rig.roll_back().await;
        // Whoever only watches, and whoever only writes.
        for (who, b) in [("a writer", &bus), ("a watcher", &other)] {
            state(b, &format!("{who} notices old data"), |s| {
                s.connected && s.rollbacks == times
            })
            .await?;
        }
        let e = soon("the older value", watched.next())
            .await?
            .ok_or("watch ended")?;
        check(
            e.value == b("old") && e.revision == old,
            "a watch shows the value that came back",
        )?;
        let lost = bus.compare_and_swap("r.a", new, b("x")).await;
        check(
            matches!(lost, Err(BusError::WrongRevision { expected, actual, .. }) if expected == new && actual == old),
            "a swap of what is gone fails and names the lower revision",
        )?;
        for key in ["r.a", "r.b"] {
            for b in [&bus, &other] {
                b.get(key).await.map_err(show)?;
            }
        }
        check(
            bus.state().borrow().rollbacks == times && other.state().borrow().rollbacks == times,
            "a rollback counts once",
        )?;
    }
    Ok(())
}

pub(super) async fn a_vanished_key_is_a_rollback(rig: &impl Rig) -> Result<(), String> {
    let bus = rig.bus();
    bus.put("r.other", b("1")).await.map_err(show)?;
    rig.backup().await;
    bus.put("r.a", b("1")).await.map_err(show)?;
    rig.roll_back().await;
    state(&bus, "a vanished key is noticed", |s| s.rollbacks == 1).await?;
    state(&bus, "connected again", |s| s.connected).await?;
    check(bus.get("r.a").await.map_err(show)?.is_none(), "and is gone")?;
    bus.compare_and_swap("r.a", 0, b("2"))
        .await
        .map(drop)
        .map_err(show)
}
