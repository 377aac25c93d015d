//! What holds while nothing fails.

use super::{PATIENCE, Rig, b, check, show, soon};
use crate::{Bus, BusError};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) async fn order_is_kept(rig: &impl Rig) -> Result<(), String> {
    let bus = rig.bus();
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

pub(super) async fn wildcards_and_silence(rig: &impl Rig) -> Result<(), String> {
    let bus = rig.bus();
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

pub(super) async fn request_and_answer(rig: &impl Rig) -> Result<(), String> {
    let bus = rig.bus();
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

pub(super) async fn a_dead_server_is_replaced(rig: &impl Rig) -> Result<(), String> {
    let bus = rig.bus();
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

pub(super) async fn swap_by_revision(rig: &impl Rig) -> Result<(), String> {
    let bus = rig.bus();
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

pub(super) async fn watch_shows_present_then_changes(rig: &impl Rig) -> Result<(), String> {
    let bus = rig.bus();
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

pub(super) async fn a_watch_of_a_key_is_of_that_key(rig: &impl Rig) -> Result<(), String> {
    let (bus, other) = (rig.bus(), rig.second().await);
    let mut w = bus.watch("w.a").await.map_err(show)?;
    for (key, value) in [("w.ab", "1"), ("w.a.b", "2"), ("w.a", "3")] {
        other.put(key, b(value)).await.map_err(show)?;
    }
    let e = soon("watched entry", w.next())
        .await?
        .ok_or("watch ended")?;
    check(
        e.key == "w.a" && e.value == b("3"),
        "a watch of a key shows that key alone",
    )
}

/// By being told, not by looking now and then.
pub(super) async fn a_watch_shows_each_change_soon(rig: &impl Rig) -> Result<(), String> {
    let (bus, other) = (rig.bus(), rig.second().await);
    let mut w = other.watch("w.a").await.map_err(show)?;
    bus.put("w.a", b("first")).await.map_err(show)?;
    soon("first entry", w.next()).await?;
    let before = Instant::now();
    for i in 0..50 {
        let revision = bus.put("w.a", b(&i.to_string())).await.map_err(show)?;
        let e = soon("change", w.next()).await?.ok_or("watch ended")?;
        check(e.revision == revision, "a watch shows each change in time")?;
    }
    check(
        before.elapsed() < Duration::from_secs(5),
        "a watch is told of changes",
    )
}

pub(super) async fn a_slow_watcher_sees_the_newest(rig: &impl Rig) -> Result<(), String> {
    let (bus, other) = (rig.bus(), rig.second().await);
    let mut w = bus.watch("w.").await.map_err(show)?;
    let mut last = 0;
    for i in 0..2000 {
        last = other.put("w.a", b(&i.to_string())).await.map_err(show)?;
    }
    let mut before = 0;
    loop {
        let e = soon("newest entry", w.next()).await?.ok_or("watch ended")?;
        check(e.revision > before, "a watch goes forward")?;
        before = e.revision;
        if e.revision == last {
            return check(
                e.value == b("1999"),
                "the newest value is seen however slow the watcher",
            );
        }
    }
}

pub(super) async fn a_slow_subscriber_loses_the_oldest(rig: &impl Rig) -> Result<(), String> {
    const SENT: u64 = 10_000;
    let bus = rig.bus();
    let mut slow = bus.subscribe("t.flood").await.map_err(show)?;
    let mut fast = bus.subscribe("t.flood").await.map_err(show)?;
    let reader = tokio::spawn(async move {
        for i in 0..SENT {
            match fast.next().await {
                Some(m) if m.payload == b(&i.to_string()) => {}
                _ => return false,
            }
        }
        true
    });
    for i in 0..SENT {
        bus.publish("t.flood", b(&i.to_string()))
            .await
            .map_err(show)?;
        if i % 50 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    check(
        matches!(soon("fast reader", reader).await?, Ok(true)),
        "a slow subscriber costs another one nothing",
    )?;
    // The last ones may still be on their way to it, and push older ones out while it is read: so what counts is the sum.
    let (mut seen, mut at) = (0, None);
    while at != Some(SENT - 1) {
        let m = soon("kept message", slow.next())
            .await?
            .ok_or("subscription ended")?;
        let n: Option<u64> = std::str::from_utf8(&m.payload)
            .ok()
            .and_then(|t| t.parse().ok());
        check(n > at, "what is kept comes in order, up to the newest")?;
        (seen, at) = (seen + 1, n);
    }
    let lost = slow.lost();
    check(lost > 0, "a queue is bounded")?;
    check(
        seen + lost == SENT,
        "a slow subscriber loses the oldest, and counts them",
    )?;
    Ok(())
}

/// Acknowledgements and reads that overtake each other must not look like old data.
pub(super) async fn busy_clients_see_no_rollback(rig: &impl Rig) -> Result<(), String> {
    let (bus, other) = (rig.bus(), rig.second().await);
    let work = |bus: Arc<dyn Bus>, mine: &'static str| async move {
        for i in 0..100 {
            bus.put(mine, b(&i.to_string())).await.map_err(show)?;
            let seen = bus.get("b.shared").await.map_err(show)?;
            let at = seen.map_or(0, |e| e.revision);
            match bus.compare_and_swap("b.shared", at, b(mine)).await {
                Ok(_) | Err(BusError::WrongRevision { .. }) => {}
                Err(e) => return Err(show(e)),
            }
        }
        Ok(())
    };
    tokio::try_join!(
        work(bus.clone(), "b.one"),
        work(bus.clone(), "b.two"),
        work(other.clone(), "b.three"),
        work(other.clone(), "b.four"),
    )?;
    let count = |b: &Arc<dyn Bus>| b.state().borrow().rollbacks;
    check(
        count(&bus) == 0 && count(&other) == 0,
        "answers that overtake each other are no rollback",
    )
}
