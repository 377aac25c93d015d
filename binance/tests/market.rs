//! Market sockets against a scripted server: reconnects, deadlines, back-pressure.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{ServerWs, btc, depth, idle, instruments, mark, next, say, ws};
use futures_util::StreamExt;
use helios_binance::clock::VenueClock;
use helios_binance::endpoints::Endpoints;
use helios_binance::ws::{
    BackoffConfig, Feed, MarketMessage, MarketStreams, Silence, StreamConfig, Subscription,
};
use helios_core::trader::{StreamKind, TraderEvent};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{self, Receiver};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn config() -> StreamConfig {
    StreamConfig {
        backoff: BackoffConfig {
            first: ms(20),
            longest: ms(100),
        },
        ..StreamConfig::default()
    }
}

fn sub(feed: Feed) -> Subscription {
    Subscription {
        symbol: btc().symbol,
        feed,
    }
}

struct Run {
    streams: MarketStreams,
    rx: Receiver<MarketMessage>,
    paths: common::Seen,
    clock: Arc<VenueClock>,
}

async fn run<F, Fut>(
    config: &StreamConfig,
    feeds: &[Feed],
    clock: Arc<VenueClock>,
    room: usize,
    script: F,
) -> Run
where
    F: Fn(usize, String, ServerWs) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let (base, paths) = ws(script).await;
    let (tx, rx) = mpsc::channel(room);
    let streams = MarketStreams::spawn(
        &Endpoints::for_local("http://127.0.0.1:1", &base),
        &instruments(),
        &clock,
        config,
        feeds.iter().copied().map(sub),
        &tx,
    );
    Run {
        streams,
        rx,
        paths,
        clock,
    }
}

#[tokio::test]
async fn a_lost_socket_is_down_then_up_again_before_the_first_new_frame() {
    let mut r = run(
        &config(),
        &[Feed::Depth],
        VenueClock::new(1.0),
        64,
        |n, _, mut s| async move {
            say(&mut s, depth(n as u64 * 10)).await;
            if n > 0 {
                idle(s).await;
            }
        },
    )
    .await;
    let mut heard = Vec::new();
    for _ in 0..5 {
        heard.push(next(&mut r.rx).await.event);
    }
    use TraderEvent::{Depth, StreamDown, StreamUp};
    assert_eq!(heard[0], StreamUp(StreamKind::Depth));
    assert!(matches!(&heard[1], Depth(d) if d.last_id == 1));
    assert_eq!(heard[2], StreamDown(StreamKind::Depth));
    assert_eq!(heard[3], StreamUp(StreamKind::Depth));
    assert!(matches!(&heard[4], Depth(d) if d.last_id == 11));
    let (public, market) = r.streams.stats();
    assert_eq!((public.connects, public.losses, market.connects), (2, 1, 0));
    assert_eq!(
        r.paths.lock().unwrap()[0],
        "/public/stream?streams=btcusdt@depth@100ms"
    );
}

#[tokio::test]
async fn an_acknowledged_subscription_that_stays_silent_is_given_up_at_its_deadline() {
    let mut c = config();
    c.depth = Silence {
        first: ms(300),
        later: ms(60_000),
    };
    let mut r = run(
        &c,
        &[Feed::Depth],
        VenueClock::new(1.0),
        64,
        |n, _, mut s| async move {
            say(&mut s, r#"{"result":null,"id":1}"#).await;
            if n == 1 {
                say(&mut s, depth(0)).await;
            }
            idle(s).await;
        },
    )
    .await;
    let kinds = [
        TraderEvent::StreamUp(StreamKind::Depth),
        TraderEvent::StreamDown(StreamKind::Depth),
        TraderEvent::StreamUp(StreamKind::Depth),
    ];
    for want in kinds {
        assert_eq!(next(&mut r.rx).await.event, want);
    }
    assert!(matches!(next(&mut r.rx).await.event, TraderEvent::Depth(_)));
    assert_eq!(r.streams.stats().0.silences, 1);
}

#[tokio::test]
async fn a_stream_that_goes_stale_while_others_on_its_socket_live_is_subscribed_again_alone_and_then_on_a_new_socket()
 {
    let mut c = config();
    c.trades = Silence {
        first: ms(60_000),
        later: ms(60_000),
    };
    c.mark = Silence {
        first: ms(300),
        later: ms(300),
    };
    let (asked_tx, mut asked) = mpsc::channel::<String>(8);
    let mut r = run(
        &c,
        &[Feed::AggTrade, Feed::MarkPrice],
        VenueClock::new(1.0),
        4096,
        move |n, _, mut s| {
            let asked_tx = asked_tx.clone();
            async move {
                // The first socket's marks are never heard again; the second's are well.
                let mut id = 1_000 * n as u64;
                loop {
                    id += 1;
                    let trade = format!(
                        r#"{{"stream":"btcusdt@aggTrade","data":{{"e":"aggTrade","E":1700000000000,"s":"BTCUSDT","a":{id},"p":"60000.1","q":"0.001","f":1,"l":1,"T":1700000000000,"m":true}}}}"#
                    );
                    if (n > 0 || id == 1) && !say(&mut s, mark(1_700_000_000_000 + id as i64)).await {
                        return;
                    }
                    if !say(&mut s, trade).await {
                        return;
                    }
                    if let Ok(Some(Ok(m))) = tokio::time::timeout(ms(10), s.next()).await
                        && let Ok(t) = m.to_text()
                        && t.contains("method")
                    {
                        let _ = asked_tx.try_send(t.to_owned());
                    }
                }
            }
        },
    )
    .await;
    let mut told = Vec::new();
    while told.len() < 5 || r.streams.stats().1.connects < 2 {
        let m = next(&mut r.rx).await;
        if matches!(
            m.event,
            TraderEvent::StreamUp(_) | TraderEvent::StreamDown(_)
        ) {
            told.push(m.event);
        }
    }
    let (up, down) = (
        TraderEvent::StreamUp(StreamKind::Market),
        TraderEvent::StreamDown(StreamKind::Market),
    );
    assert_eq!(told, [up.clone(), down.clone(), up.clone(), down, up]);
    let request = next(&mut asked).await;
    assert!(
        request.contains("UNSUBSCRIBE") && request.contains(r#"["btcusdt@markPrice@1s"]"#),
        "{request}"
    );
    let stats = r.streams.stats().1;
    assert_eq!((stats.silences, stats.losses), (2, 0), "{stats:?}");
}

#[tokio::test]
async fn a_venue_whose_time_stands_still_is_not_taken_for_a_dead_one() {
    let mut c = config();
    c.time_samples = true;
    c.depth = Silence {
        first: ms(100),
        later: ms(100),
    };
    let clock = VenueClock::sampled(60.0);
    let mut r = run(&c, &[Feed::Depth], clock, 64, |_, path, mut s| async move {
        if path.starts_with("/market") {
            let still = r#"{"stream":"helios@time","data":{"e":"heliosTime","E":1700000000000}}"#;
            while say(&mut s, still).await {
                tokio::time::sleep(ms(5)).await;
            }
        }
        idle(s).await;
    })
    .await;
    assert_eq!(
        next(&mut r.rx).await.event,
        TraderEvent::StreamUp(StreamKind::Depth)
    );
    let more = tokio::time::timeout(ms(800), r.rx.recv()).await;
    assert!(more.is_err(), "{more:?}");
    assert_eq!(r.clock.market_ms(), 1_700_000_000_000);
    assert_eq!(r.streams.stats().0.silences, 0);
}

#[tokio::test]
async fn a_full_channel_holds_the_socket_back_and_loses_no_diff() {
    const N: u64 = 20_000;
    let mut c = config();
    c.depth.later = ms(300);
    c.pong_within = ms(300);
    c.ping_every = ms(50);
    let mut r = run(
        &c,
        &[Feed::Depth],
        VenueClock::new(1.0),
        1,
        |_, _, mut s| async move {
            for n in 0..N {
                if !say(&mut s, depth(n)).await {
                    return;
                }
            }
            idle(s).await;
        },
    )
    .await;
    assert!(matches!(
        next(&mut r.rx).await.event,
        TraderEvent::StreamUp(_)
    ));
    // A consumer that sleeps longer than every deadline is no reason to lose the socket.
    for n in 0..N {
        if n < 3 {
            tokio::time::sleep(ms(400)).await;
        }
        match next(&mut r.rx).await.event {
            TraderEvent::Depth(d) => assert_eq!(d.last_id, n + 1),
            other => panic!("{other:?} at {n}"),
        }
    }
    assert_eq!(r.streams.stats().0.losses, 0);
}

#[tokio::test]
async fn a_socket_that_answers_no_ping_is_lost() {
    let mut c = config();
    c.ping_every = ms(50);
    c.pong_within = ms(200);
    let mut r = run(
        &c,
        &[Feed::Depth],
        VenueClock::new(1.0),
        64,
        |_, _, s| async move {
            // Never read: no pong is ever written.
            tokio::time::sleep(ms(60_000)).await;
            drop(s);
        },
    )
    .await;
    assert!(matches!(
        next(&mut r.rx).await.event,
        TraderEvent::StreamUp(_)
    ));
    assert!(matches!(
        next(&mut r.rx).await.event,
        TraderEvent::StreamDown(_)
    ));
}

/// Depth as a contract has it: the same diffs at the same times, whoever listens. `lag`: how far behind a socket is.
async fn tell(mut s: ServerWs, since: std::time::Instant, lag: u64) {
    let now = || u64::try_from(since.elapsed().as_millis()).unwrap() / 5;
    let mut n = now().saturating_sub(lag);
    loop {
        while n + lag <= now() {
            if !say(&mut s, depth(n)).await {
                return;
            }
            n += 1;
        }
        match tokio::time::timeout(ms(2), s.next()).await {
            Ok(Some(Ok(m))) if !m.is_close() => {}
            Ok(_) => return,
            Err(_) => {}
        }
    }
}

/// Takes diffs until `last`, in order and each once; nothing else may come but the first up.
async fn whole(rx: &mut Receiver<MarketMessage>, last: u64) {
    assert!(matches!(next(rx).await.event, TraderEvent::StreamUp(_)));
    let mut before = None;
    while before.is_none_or(|n| n < last) {
        match next(rx).await.event {
            TraderEvent::Depth(d) => {
                assert!(
                    before.is_none_or(|n| d.prev_last_id == n),
                    "{before:?}, then {d:?}"
                );
                before = Some(d.last_id);
            }
            other => panic!("after {before:?}: {other:?}"),
        }
    }
}

/// The next `n` things that are told: ups, downs, and of a diff the place it follows.
async fn told(rx: &mut Receiver<MarketMessage>, n: usize) -> Vec<String> {
    let mut told = Vec::new();
    while told.len() < n {
        told.push(match next(rx).await.event {
            TraderEvent::StreamUp(_) => "up".to_owned(),
            TraderEvent::StreamDown(_) => "down".to_owned(),
            TraderEvent::Depth(d) => d.prev_last_id.to_string(),
            other => panic!("{other:?}"),
        });
    }
    told
}

#[tokio::test]
async fn a_connection_is_replaced_before_the_exchange_would_cut_it_and_nobody_hears_of_it() {
    let mut c = config();
    (c.rollover, c.overlap) = (ms(300), ms(2_000));
    let since = std::time::Instant::now();
    let mut r = run(
        &c,
        &[Feed::Depth],
        VenueClock::new(1.0),
        64,
        move |n, _, s| tell(s, since, [8, 0, 4][n % 3]),
    )
    .await;
    whole(&mut r.rx, 400).await;
    let s = r.streams.stats().0;
    assert!(s.connects >= 4 && s.losses == 0, "{s:?}");
}

#[tokio::test]
async fn a_socket_that_dies_while_its_successor_is_there_leaves_no_gap() {
    let mut c = config();
    (c.rollover, c.overlap) = (ms(200), ms(60_000));
    let open = Arc::new(tokio::sync::Notify::new());
    let mut r = run(
        &c,
        &[Feed::Depth],
        VenueClock::new(1.0),
        64,
        move |n, _, mut s| {
            let open = open.clone();
            async move {
                if n == 0 {
                    for k in 0..10 {
                        say(&mut s, depth(k)).await;
                    }
                    open.notified().await;
                    return;
                }
                for k in 7..20 {
                    say(&mut s, depth(k)).await;
                }
                open.notify_one();
                idle(s).await;
            }
        },
    )
    .await;
    whole(&mut r.rx, 20).await;
    assert_eq!(r.streams.stats().0.connects, 2);
}

#[tokio::test]
async fn a_successor_that_stays_silent_takes_nothing_over() {
    let mut c = config();
    (c.rollover, c.overlap) = (ms(200), ms(400));
    let since = std::time::Instant::now();
    let mut r = run(
        &c,
        &[Feed::Depth],
        VenueClock::new(1.0),
        64,
        move |n, _, s| async move {
            if n == 0 {
                tell(s, since, 0).await;
            } else {
                idle(s).await;
            }
        },
    )
    .await;
    whole(&mut r.rx, 400).await;
    let s = r.streams.stats().0;
    assert!(s.connects >= 3 && s.losses == 0, "{s:?}");
}

#[tokio::test]
async fn what_neither_socket_brings_in_time_is_told_and_the_book_is_not_held_back() {
    let mut c = config();
    (c.rollover, c.overlap) = (ms(200), ms(60_000));
    let mut r = run(
        &c,
        &[Feed::Depth],
        VenueClock::new(1.0),
        64,
        |n, _, mut s| async move {
            if n == 0 {
                say(&mut s, depth(0)).await;
            } else {
                say(&mut s, depth(5)).await;
                say(&mut s, depth(6)).await;
            }
            idle(s).await;
        },
    )
    .await;
    assert_eq!(
        told(&mut r.rx, 6).await,
        ["up", "0", "down", "up", "5", "6"]
    );
}

#[tokio::test]
async fn what_neither_socket_has_brought_is_told_as_a_loss() {
    let mut c = config();
    (c.rollover, c.overlap) = (ms(200), ms(60_000));
    let open = Arc::new(tokio::sync::Notify::new());
    let mut r = run(
        &c,
        &[Feed::Depth],
        VenueClock::new(1.0),
        64,
        move |n, _, mut s| {
            let open = open.clone();
            async move {
                if n == 0 {
                    say(&mut s, depth(0)).await;
                    open.notified().await;
                    return;
                }
                say(&mut s, depth(5)).await;
                tokio::time::sleep(ms(50)).await;
                open.notify_one();
                idle(s).await;
            }
        },
    )
    .await;
    assert_eq!(told(&mut r.rx, 5).await, ["up", "0", "down", "up", "5"]);
}

#[tokio::test]
async fn more_streams_than_a_socket_takes_go_on_more_sockets() {
    let mut c = config();
    c.streams_per_socket = 2;
    let mut r = run(
        &c,
        &[Feed::Depth, Feed::AggTrade, Feed::MarkPrice],
        VenueClock::new(1.0),
        64,
        |_, _, s| idle(s),
    )
    .await;
    let other: Arc<str> = "ETHUSDT".into();
    let eth = |feed| Subscription {
        symbol: other.clone(),
        feed,
    };
    for _ in 0..2 {
        next(&mut r.rx).await;
    }
    r.streams.set([
        sub(Feed::AggTrade),
        sub(Feed::MarkPrice),
        eth(Feed::AggTrade),
        eth(Feed::MarkPrice),
    ]);
    // ETHUSDT has no instrument here, so nobody hears of it; its socket is opened all the same.
    common::eventually(|| {
        let paths = r.paths.lock().unwrap();
        let market: Vec<&String> = paths.iter().filter(|p| p.starts_with("/market")).collect();
        market.len() == 2 && market[1].contains("ethusdt@aggTrade/ethusdt@markPrice")
    })
    .await;
}

#[tokio::test]
async fn unknown_and_broken_frames_are_counted_and_never_fatal() {
    let mut r = run(
        &config(),
        &[Feed::Depth],
        VenueClock::new(1.0),
        64,
        |_, _, mut s| async move {
            for text in [
                r#"{"stream":"btcusdt@newThing","data":{"e":"new","E":1}}"#,
                r#"{"what":"ever"}"#,
                "no json at all",
                r#"{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1,"b":[["1","-1"]]}}"#,
                r#"{"error":{"code":2,"msg":"Invalid request"},"id":1}"#,
            ] {
                say(&mut s, text).await;
            }
            say(&mut s, depth(0)).await;
            idle(s).await;
        },
    )
    .await;
    assert!(matches!(
        next(&mut r.rx).await.event,
        TraderEvent::StreamUp(_)
    ));
    assert!(matches!(next(&mut r.rx).await.event, TraderEvent::Depth(_)));
    let s = r.streams.stats().0;
    assert_eq!((s.frames, s.unknown, s.errors, s.losses), (6, 2, 3, 0));
    let age = s.ages_ms["btcusdt@depth@100ms"];
    assert!(age.is_some_and(|ms| ms < 5_000), "{age:?}");
}

#[tokio::test]
async fn subscriptions_change_without_disturbing_the_streams_that_stay() {
    let (asked_tx, mut asked) = mpsc::channel::<String>(8);
    let mut r = run(
        &config(),
        &[Feed::MarkPrice],
        VenueClock::new(1.0),
        64,
        move |_, _, mut s| {
            let asked_tx = asked_tx.clone();
            async move {
                while let Some(Ok(m)) = s.next().await {
                    if let Ok(t) = m.to_text()
                        && t.contains("method")
                    {
                        asked_tx.send(t.to_owned()).await.unwrap();
                    }
                }
            }
        },
    )
    .await;
    assert!(matches!(
        next(&mut r.rx).await.event,
        TraderEvent::StreamUp(StreamKind::Market)
    ));
    r.streams.set([sub(Feed::MarkPrice), sub(Feed::AggTrade)]);
    let request = next(&mut asked).await;
    assert!(
        request.contains("SUBSCRIBE") && request.contains(r#"["btcusdt@aggTrade"]"#),
        "{request}"
    );
    r.streams.set([sub(Feed::AggTrade)]);
    let request = next(&mut asked).await;
    assert!(
        request.contains("UNSUBSCRIBE") && request.contains("markPrice"),
        "{request}"
    );
    r.streams.set([]);
    r.streams.set([sub(Feed::Depth)]);
    assert!(matches!(
        next(&mut r.rx).await.event,
        TraderEvent::StreamUp(StreamKind::Depth)
    ));
}
