//! Small scripted servers on loopback: they say exactly what a test wants, wrong things included.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, missing_docs)]

use futures_util::{SinkExt, StreamExt};
use helios_binance::clock::VenueClock;
use helios_binance::credentials::{Credentials, KeyType, Secret};
use helios_binance::endpoints::Endpoints;
use helios_binance::instruments::Instruments;
use helios_binance::rest::{RateBudget, RateLimits, RestClient, RestConfig};
use helios_core::instrument::Instrument;
use rust_decimal::Decimal;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

pub const WAIT: Duration = Duration::from_secs(10);

pub fn btc() -> Instrument {
    Instrument::with_grid("BTCUSDT", Decimal::new(1, 1), Decimal::new(1, 3)).unwrap()
}

pub fn instruments() -> Instruments {
    [btc()].into_iter().collect()
}

/// What a scripted HTTP server does with a request.
pub enum Http {
    /// Status, extra header lines, body.
    Reply(u16, &'static str, String),
    /// Reads the request, then closes the connection without a word.
    Drop,
    /// Reads the request and stays silent.
    Hang,
}

pub fn ok(body: &str) -> Http {
    Http::Reply(200, "", body.to_owned())
}

pub fn refused(code: i64) -> Http {
    Http::Reply(400, "", format!(r#"{{"code":{code},"msg":"words"}}"#))
}

pub type Seen = Arc<Mutex<Vec<String>>>;

/// Serves `script(n, "METHOD /path?query")` for the n-th request; answers its base address and the requests seen.
pub async fn http(script: impl Fn(usize, &str) -> Http + Send + Sync + 'static) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let seen = Seen::default();
    let (log, script) = (seen.clone(), Arc::new(script));
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            tokio::spawn(connection(socket, log.clone(), script.clone()));
        }
    });
    (base, seen)
}

async fn connection(
    mut socket: TcpStream,
    log: Seen,
    script: Arc<impl Fn(usize, &str) -> Http + Send + Sync + 'static>,
) {
    let mut buffer = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            let mut chunk = [0_u8; 4096];
            match socket.read(&mut chunk).await {
                Ok(n) if n > 0 => buffer.extend_from_slice(&chunk[..n]),
                _ => return,
            }
        };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        buffer.drain(..end);
        let line = head.lines().next().unwrap_or_default();
        let line = line.trim_end_matches(" HTTP/1.1").to_owned();
        let n = {
            let mut log = log.lock().unwrap();
            log.push(line.clone());
            log.len() - 1
        };
        match script(n, &line) {
            Http::Reply(status, headers, body) => {
                let answer = format!(
                    "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{headers}\r\n{body}",
                    body.len()
                );
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
            Http::Drop => return,
            Http::Hang => std::future::pending::<()>().await,
        }
    }
}

pub type ServerWs = WebSocketStream<TcpStream>;

/// Accepts WebSockets; `script(n, path, socket)` plays the n-th connection. Answers its base address and the paths seen.
pub async fn ws<F, Fut>(script: F) -> (String, Seen)
where
    F: Fn(usize, String, ServerWs) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("ws://{}", listener.local_addr().unwrap());
    let seen = Seen::default();
    let log = seen.clone();
    let script = Arc::new(script);
    tokio::spawn(async move {
        let mut n = 0;
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let (script, log) = (script.clone(), log.clone());
            tokio::spawn(async move {
                let mut path = String::new();
                #[allow(clippy::result_large_err)]
                let note = |r: &Request, answer: Response| {
                    path = r.uri().to_string();
                    Ok(answer)
                };
                let Ok(ws) = tokio_tungstenite::accept_hdr_async(socket, note).await else {
                    return;
                };
                log.lock().unwrap().push(path.clone());
                script(n, path, ws).await;
            });
            n += 1;
        }
    });
    (base, seen)
}

pub async fn say(ws: &mut ServerWs, text: impl Into<String>) -> bool {
    ws.send(Message::text(text.into())).await.is_ok()
}

/// Waits until it holds; fails after [`WAIT`].
pub async fn eventually(mut holds: impl FnMut() -> bool) {
    let end = tokio::time::Instant::now() + WAIT;
    while !holds() {
        assert!(tokio::time::Instant::now() < end, "it never holds");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Answers pings until the other side goes.
pub async fn idle(mut ws: ServerWs) {
    while let Some(Ok(_)) = ws.next().await {}
}

/// A depth frame of BTCUSDT in the combined envelope, chained by `pu`.
pub fn depth(n: u64) -> String {
    format!(
        r#"{{"stream":"btcusdt@depth@100ms","data":{{"e":"depthUpdate","E":{e},"T":{e},"s":"BTCUSDT","U":{u},"u":{u},"pu":{pu},"b":[["60000.1","1.000"]],"a":[]}}}}"#,
        e = 1_700_000_000_000_u64 + n,
        u = n + 1,
        pu = n
    )
}

pub fn mark(ms: i64) -> String {
    format!(
        r#"{{"stream":"btcusdt@markPrice@1s","data":{{"e":"markPriceUpdate","E":{ms},"s":"BTCUSDT","p":"60000.12345678","i":"60000.0","P":"60000.0","r":"0.0001","T":1700006400000}}}}"#
    )
}

pub fn rest_client(base: &str, ws: &str, config: RestConfig) -> RestClient {
    let secret = Secret::new("secret".into());
    RestClient::new(
        Endpoints::for_local(base, ws),
        Some(Credentials::new("key", secret, KeyType::Hmac).unwrap()),
        VenueClock::new(1.0),
        RateBudget::new(RateLimits::default()),
        config,
    )
    .unwrap()
}

/// The next item, or a failed test.
pub async fn next<T>(rx: &mut tokio::sync::mpsc::Receiver<T>) -> T {
    tokio::time::timeout(WAIT, rx.recv())
        .await
        .expect("nothing came in time")
        .expect("the task ended")
}
