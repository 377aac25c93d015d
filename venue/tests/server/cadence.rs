//! Streams at cadences of their own: depth at 0, 100, 250 and 500 ms, mark prices at one and three seconds.

use super::client::{Client, Ws, with};
use super::source::{Flat, T0};
use helios_venue::server::VenueConfig;
use serde_json::Value;
use std::collections::BTreeMap;

/// A market of so many ms that has not begun, fast.
async fn market(ms: i64) -> Client {
    let mut config = VenueConfig::new(Box::new(Flat::until(T0 + ms)));
    config.speed = 20.0;
    with(config).await
}

type Book = BTreeMap<String, String>;

fn apply(side: &mut Book, changes: &Value) {
    for l in changes.as_array().unwrap() {
        let (p, q) = (l[0].as_str().unwrap(), l[1].as_str().unwrap());
        if q.parse::<f64>().unwrap() == 0.0 {
            side.remove(p);
        } else {
            side.insert(p.into(), q.into());
        }
    }
}

async fn book(c: &Client) -> (u64, Book, Book) {
    let d = c.get("/fapi/v1/depth?symbol=BTCUSDT&limit=1000").await.ok();
    let side = |v: &Value| {
        let mut out = Book::new();
        apply(&mut out, v);
        out
    };
    (
        d["lastUpdateId"].as_u64().unwrap(),
        side(&d["bids"]),
        side(&d["asks"]),
    )
}

/// Subscribed, and acknowledged.
async fn follow(c: &Client, streams: &[&str]) -> Ws {
    let mut ws = c
        .ws(&format!("/stream?streams={}", streams.join("/")))
        .await;
    ws.ask("LIST_SUBSCRIPTIONS", serde_json::json!([]), 1).await;
    ws
}

#[tokio::test]
async fn depth_of_every_cadence_rebuilds_the_same_book_over_an_unbroken_chain() {
    let c = market(20_000).await;
    let (first, bids, asks) = book(&c).await;
    let last = first + 3 * 200;
    let streams = [
        ("@0ms", 0),
        ("@100ms", 100),
        ("", 250),
        ("@250ms", 250),
        ("@500ms", 500),
    ];
    let names: Vec<String> = streams
        .iter()
        .map(|(s, _)| format!("btcusdt@depth{s}"))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut ws = follow(&c, &names).await;
    c.venue.start_market().await.unwrap();
    // An own order shows in each of them.
    c.order("symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.5&price=59990.00")
        .await
        .ok();
    struct Seen {
        at: i64,
        id: u64,
        frames: usize,
        bids: Book,
        asks: Book,
    }
    let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
    let done =
        |s: &BTreeMap<String, Seen>| s.len() == streams.len() && s.values().all(|s| s.id == last);
    while !done(&seen) {
        let v = ws.next().await.unwrap();
        let (name, u) = (v["stream"].as_str().unwrap(), &v["data"]);
        let n = |k: &str| u[k].as_u64().unwrap();
        let at = names.iter().position(|s| *s == name).unwrap();
        let s = seen.entry(name.to_owned()).or_insert_with(|| Seen {
            at: 0,
            id: first,
            frames: 0,
            bids: bids.clone(),
            asks: asks.clone(),
        });
        assert_eq!(n("pu"), s.id, "{v}");
        assert!(n("U") > s.id && n("U") <= n("u"), "{v}");
        let e = u["E"].as_i64().unwrap();
        // What the end of the market left over may come early.
        assert!(
            e >= s.at + streams[at].1 || n("u") == last,
            "{name} {e} after {}",
            s.at
        );
        apply(&mut s.bids, &u["b"]);
        apply(&mut s.asks, &u["a"]);
        (s.at, s.id, s.frames) = (e, n("u"), s.frames + 1);
    }
    let now = book(&c).await;
    assert_eq!(now.0, last);
    for (name, s) in &seen {
        assert_eq!((&s.bids, &s.asks), (&now.1, &now.2), "{name}");
    }
    let frames = |name: &str| seen[name].frames;
    assert_eq!(
        (frames("btcusdt@depth@0ms"), frames("btcusdt@depth@100ms")),
        (200, 200)
    );
    for (name, most) in [
        ("btcusdt@depth", 81),
        ("btcusdt@depth@250ms", 81),
        ("btcusdt@depth@500ms", 41),
    ] {
        assert!(
            (most - 2..=most).contains(&frames(name)),
            "{name}: {}",
            frames(name)
        );
    }
}

#[tokio::test]
async fn best_levels_come_at_their_cadence_with_a_chain_of_their_own() {
    let c = market(10_000).await;
    let names = [
        "btcusdt@depth5@100ms",
        "btcusdt@depth10",
        "btcusdt@depth20@500ms",
    ];
    let mut ws = follow(&c, &names).await;
    c.venue.start_market().await.unwrap();
    let mut last: BTreeMap<String, (u64, usize)> = BTreeMap::new();
    while last.len() < 3 || last.values().any(|(id, _)| *id < 1300) {
        let v = ws.next().await.unwrap();
        let (name, u) = (v["stream"].as_str().unwrap(), &v["data"]);
        let levels = match name {
            "btcusdt@depth5@100ms" => 5,
            "btcusdt@depth10" => 10,
            _ => 20,
        };
        for side in ["b", "a"] {
            assert_eq!(u[side].as_array().unwrap().len(), levels, "{v}");
        }
        let (id, n) = last.entry(name.to_owned()).or_insert((1000, 0));
        assert_eq!(u["pu"].as_u64(), Some(*id), "{v}");
        (*id, *n) = (u["u"].as_u64().unwrap(), *n + 1);
    }
    let n = |name: &str| last[name].1;
    assert_eq!(n(names[0]), 100);
    assert!(
        (39..=41).contains(&n(names[1])) && (19..=21).contains(&n(names[2])),
        "{last:?}"
    );
}

#[tokio::test]
async fn mark_prices_come_each_second_or_each_three() {
    let c = market(13_000).await;
    let names = [
        "btcusdt@markPrice@1s",
        "btcusdt@markPrice",
        "!markPrice@arr@1s",
        "!markPrice@arr",
    ];
    let mut ws = follow(&c, &names).await;
    c.venue.start_market().await.unwrap();
    let mut times: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    let end = 12_000;
    let done =
        |t: &BTreeMap<String, Vec<i64>>| t.len() == 4 && t.values().all(|t| t.last() >= Some(&end));
    while !done(&times) {
        let v = ws.next().await.unwrap();
        let data = match v["data"].as_array() {
            Some(all) => {
                assert_eq!(all.len(), 2, "{v}");
                assert_eq!(all[0]["E"], all[1]["E"]);
                &all[0]
            }
            None => &v["data"],
        };
        assert_eq!(data["e"], "markPriceUpdate");
        let name = v["stream"].as_str().unwrap().to_owned();
        times
            .entry(name)
            .or_default()
            .push(data["E"].as_i64().unwrap() - T0);
    }
    for name in names {
        let want: Vec<i64> = match name.ends_with("@1s") {
            true => (1..=12).map(|s| s * 1000).collect(),
            // The first one after the subscription, then each third second.
            false => vec![1000, 3000, 6000, 9000, 12_000],
        };
        let got: Vec<i64> = times[name].iter().copied().take(want.len()).collect();
        assert_eq!(got, want, "{name}");
    }
}
