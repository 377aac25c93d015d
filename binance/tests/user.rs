//! The user stream against scripted servers: key, heartbeat, expiry told twice, keepalive.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{
    Http, Seen, ServerWs, http, idle, instruments, next, ok, refused, rest_client, say, ws,
};
use futures_util::StreamExt;
use helios_binance::rest::RestConfig;
use helios_binance::user::{UserStream, UserStreamConfig, UserStreamEvent};
use helios_binance::ws::BackoffConfig;
use std::future::Future;
use std::time::Duration;
use tokio::sync::mpsc::{self, Receiver};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn config() -> UserStreamConfig {
    UserStreamConfig {
        ping_every: ms(50),
        dead_after: ms(2_000),
        backoff: BackoffConfig {
            first: ms(20),
            longest: ms(100),
        },
        ..UserStreamConfig::default()
    }
}

struct Run {
    stream: UserStream,
    rx: Receiver<UserStreamEvent>,
    paths: Seen,
    requests: Seen,
}

async fn run<F, Fut>(
    config: UserStreamConfig,
    rest: impl Fn(usize, &str) -> Http + Send + Sync + 'static,
    script: F,
) -> Run
where
    F: Fn(usize, String, ServerWs) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let (ws_base, paths) = ws(script).await;
    let (http_base, requests) = http(rest).await;
    let client = rest_client(&http_base, &ws_base, RestConfig::default());
    let (tx, rx) = mpsc::channel(1024);
    Run {
        stream: UserStream::spawn(&client, &instruments(), config, tx),
        rx,
        paths,
        requests,
    }
}

/// The next event that isn't a heartbeat.
async fn news(rx: &mut Receiver<UserStreamEvent>) -> UserStreamEvent {
    loop {
        let e = next(rx).await;
        if e != UserStreamEvent::Alive {
            return e;
        }
    }
}

const FILL: &str = r#"{"e":"ORDER_TRADE_UPDATE","E":1700000000100,"T":1700000000090,"o":{"s":"BTCUSDT","c":"h-1","S":"BUY","o":"LIMIT","f":"IOC","q":"0.010","p":"60000.1","ap":"60000.1","sp":"0","x":"TRADE","X":"FILLED","i":7,"l":"0.010","z":"0.010","L":"60000.1","N":"USDT","n":"0.30000050","T":1700000000090,"t":99,"b":"0","a":"0","m":false,"R":false,"wt":"CONTRACT_PRICE","ot":"LIMIT","ps":"BOTH","cp":false,"rp":"0","pP":false,"si":0,"ss":0}}"#;

#[tokio::test]
async fn it_comes_up_says_fills_and_keeps_telling_that_it_lives() {
    let mut r = run(
        config(),
        |_, _| ok(r#"{"listenKey":"K1"}"#),
        |_, _, mut s| async move {
            say(&mut s, FILL).await;
            idle(s).await;
        },
    )
    .await;
    assert_eq!(next(&mut r.rx).await, UserStreamEvent::Up);
    let UserStreamEvent::Order(symbol, u) = news(&mut r.rx).await else {
        panic!("no order")
    };
    assert_eq!((&*symbol, u.fill.unwrap().trade_id), ("BTCUSDT", 99));
    for _ in 0..3 {
        assert_eq!(next(&mut r.rx).await, UserStreamEvent::Alive);
    }
    assert_eq!(
        r.paths.lock().unwrap()[..],
        ["/private/ws?listenKey=K1".to_owned()]
    );
    assert_eq!(
        r.requests.lock().unwrap()[..],
        ["POST /fapi/v1/listenKey".to_owned()]
    );
    assert!(r.stream.stats().ages_ms["user"].is_some());
}

#[tokio::test]
async fn an_expiry_told_twice_replaces_the_socket_once() {
    let mut r = run(
        config(),
        |n, _| ok(&format!(r#"{{"listenKey":"K{n}"}}"#)),
        |n, _, mut s| async move {
            let expired = r#"{"e":"listenKeyExpired","E":1,"listenKey":"K0"}"#;
            say(&mut s, expired).await;
            // On the new socket the same word comes again, about the old key.
            if n > 0 {
                say(&mut s, expired).await;
                say(&mut s, FILL).await;
            }
            idle(s).await;
        },
    )
    .await;
    assert_eq!(news(&mut r.rx).await, UserStreamEvent::Up);
    assert!(matches!(
        news(&mut r.rx).await,
        UserStreamEvent::Down { .. }
    ));
    assert_eq!(news(&mut r.rx).await, UserStreamEvent::Up);
    assert!(matches!(news(&mut r.rx).await, UserStreamEvent::Order(..)));
    assert_eq!(r.paths.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_keepalive_that_finds_the_key_gone_makes_a_new_one() {
    let mut c = config();
    c.keepalive_every = ms(100);
    let mut r = run(
        c,
        |_, line| {
            if line.starts_with("PUT") {
                refused(-1125)
            } else {
                ok(r#"{"listenKey":"K"}"#)
            }
        },
        |_, _, s| idle(s),
    )
    .await;
    assert_eq!(news(&mut r.rx).await, UserStreamEvent::Up);
    assert!(matches!(
        news(&mut r.rx).await,
        UserStreamEvent::Down { .. }
    ));
    assert_eq!(news(&mut r.rx).await, UserStreamEvent::Up);
}

#[tokio::test]
async fn keepalives_go_on_without_disturbing_the_socket() {
    let mut c = config();
    c.keepalive_every = ms(50);
    c.keepalive_retry = ms(50);
    let mut r = run(
        c,
        |n, _| match n {
            // The second keepalive fails once; that alone is no reason to replace anything.
            2 => Http::Reply(503, "", "busy".into()),
            _ => ok(r#"{"listenKey":"K"}"#),
        },
        |_, _, s| idle(s),
    )
    .await;
    assert_eq!(news(&mut r.rx).await, UserStreamEvent::Up);
    let quiet = tokio::time::timeout(ms(600), news(&mut r.rx)).await;
    assert!(quiet.is_err(), "{quiet:?}");
    let requests = r.requests.lock().unwrap();
    assert!(requests.len() > 4, "{requests:?}");
    assert!(requests[1..].iter().all(|l| l.starts_with("PUT")));
}

#[tokio::test]
async fn a_socket_with_neither_frame_nor_pong_is_down_after_its_deadline() {
    let mut c = config();
    c.dead_after = ms(300);
    let mut r = run(
        c,
        |_, _| ok(r#"{"listenKey":"K"}"#),
        |n, _, s| async move {
            if n == 0 {
                tokio::time::sleep(ms(60_000)).await;
            }
            idle(s).await;
        },
    )
    .await;
    assert_eq!(next(&mut r.rx).await, UserStreamEvent::Up);
    assert!(matches!(
        next(&mut r.rx).await,
        UserStreamEvent::Down { .. }
    ));
    assert_eq!(next(&mut r.rx).await, UserStreamEvent::Up);
    assert_eq!(next(&mut r.rx).await, UserStreamEvent::Alive);
}

#[tokio::test]
async fn an_order_event_that_can_t_be_read_makes_the_machine_reconcile_and_leaves_the_socket_alone()
{
    let mut r = run(
        config(),
        |_, _| ok(r#"{"listenKey":"K"}"#),
        |_, _, mut s| async move {
            say(&mut s, r#"{"e":"SOMETHING_NEW","E":1}"#).await;
            say(&mut s, FILL.replace("FILLED", "NEVER_HEARD")).await;
            idle(s).await;
        },
    )
    .await;
    assert_eq!(news(&mut r.rx).await, UserStreamEvent::Up);
    assert!(matches!(
        news(&mut r.rx).await,
        UserStreamEvent::Down { .. }
    ));
    assert_eq!(news(&mut r.rx).await, UserStreamEvent::Up);
    let s = r.stream.stats();
    assert_eq!((s.unknown, s.errors, s.connects), (1, 1, 1));
}

#[tokio::test]
async fn a_socket_is_replaced_before_the_exchange_would_cut_it_and_no_event_is_lost_or_told_twice()
{
    let mut c = config();
    (c.rollover, c.overlap) = (ms(300), ms(150));
    let since = std::time::Instant::now();
    let mut r = run(
        c,
        |_, _| ok(r#"{"listenKey":"K1"}"#),
        move |n, _, mut s| async move {
            // Every socket on the key is told of every fill from its beginning on; the later ones lag by some.
            let now = || since.elapsed().as_millis() / 20;
            let mut next = now() + 1;
            loop {
                while next + n as u128 % 3 <= now() {
                    let fill = FILL.replace(r#""t":99"#, &format!(r#""t":{}"#, 100 + next));
                    if !say(&mut s, fill).await {
                        return;
                    }
                    next += 1;
                }
                match tokio::time::timeout(ms(5), s.next()).await {
                    Ok(Some(Ok(m))) if !m.is_close() => {}
                    Ok(_) => return,
                    Err(_) => {}
                }
            }
        },
    )
    .await;
    let (mut ups, mut ids) = (0, Vec::new());
    while ups < 4 {
        match news(&mut r.rx).await {
            UserStreamEvent::Up => ups += 1,
            UserStreamEvent::Order(_, u) => ids.push(u.fill.unwrap().trade_id),
            other => panic!("{other:?}"),
        }
    }
    // A socket that lags tells later what the other has told before: in another order, but each once.
    let newest = ids.iter().copied().max().unwrap();
    ids.sort_unstable();
    ids.retain(|id| *id + 5 < newest);
    let all: Vec<u64> = (ids[0]..ids[0] + ids.len() as u64).collect();
    assert_eq!(ids, all);
    let s = r.stream.stats();
    assert!(s.connects >= 4 && s.losses == 0, "{s:?}");
}

#[tokio::test]
async fn a_private_socket_that_dies_beside_its_successor_is_no_loss() {
    let mut c = config();
    (c.rollover, c.overlap) = (ms(200), ms(60_000));
    let open = std::sync::Arc::new(tokio::sync::Notify::new());
    let mut r = run(
        c,
        |_, _| ok(r#"{"listenKey":"K1"}"#),
        move |n, _, mut s| {
            let open = open.clone();
            async move {
                if n == 0 {
                    open.notified().await;
                    return;
                }
                open.notify_one();
                say(&mut s, FILL).await;
                idle(s).await;
            }
        },
    )
    .await;
    let mut told = Vec::new();
    while told.len() < 3 {
        told.push(match news(&mut r.rx).await {
            UserStreamEvent::Up => "up",
            UserStreamEvent::Order(..) => "fill",
            other => panic!("{other:?}"),
        });
    }
    told.sort_unstable();
    assert_eq!(told, ["fill", "up", "up"]);
}

#[tokio::test]
async fn a_key_that_could_not_be_extended_for_its_life_counts_as_gone_though_the_socket_answers() {
    let mut c = config();
    (c.keepalive_every, c.keepalive_retry, c.key_life) = (ms(50), ms(20), ms(300));
    let mut r = run(
        c,
        |n, request| match request.starts_with("POST") && n == 0 {
            true => ok(r#"{"listenKey":"K1"}"#),
            false => Http::Reply(503, "", String::new()),
        },
        |_, _, s| idle(s),
    )
    .await;
    assert_eq!(news(&mut r.rx).await, UserStreamEvent::Up);
    let UserStreamEvent::Down { why } = news(&mut r.rx).await else {
        panic!("it is taken for alive")
    };
    assert!(why.contains("not extended"), "{why}");
}
