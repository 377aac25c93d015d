//! Opening, reading and writing a WebSocket: one place for timeouts and options. Addresses stay out of the errors, as they
//! may hold a listenKey.

use futures_util::{SinkExt, StreamExt};
use std::future::{Future, pending};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, error::Error};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// No message of the exchange comes near: one that does is no message of the exchange.
const LARGEST: usize = 4 << 20;

pub(crate) type Ws = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(crate) async fn open(url: &str, timeout: Duration) -> Result<Ws, String> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(LARGEST))
        .max_frame_size(Some(LARGEST));
    let connecting = connect_async_with_config(url, Some(config), true);
    match tokio::time::timeout(timeout, connecting).await {
        Ok(Ok((ws, _))) => Ok(ws),
        Ok(Err(e)) => Err(format!("can't connect: {}", brief(&e))),
        Err(_) => Err(format!("no connection within {} ms", timeout.as_millis())),
    }
}

/// What happened, without the address.
fn brief(e: &Error) -> String {
    match e {
        Error::Http(r) => format!("HTTP {}", r.status()),
        Error::Url(_) => "the address is no WebSocket address".into(),
        other => other.to_string(),
    }
}

/// The next message, or why there will be none. Cancel-safe.
pub(crate) async fn next(ws: &mut Ws) -> Result<Message, String> {
    match ws.next().await {
        Some(Ok(m)) => Ok(m),
        Some(Err(e)) => Err(brief(&e)),
        None => Err("closed".into()),
    }
}

/// What a future brings, if there is one; else nothing ever comes.
pub(crate) async fn maybe<F: Future + Unpin>(f: Option<&mut F>) -> F::Output {
    match f {
        Some(f) => f.await,
        None => pending().await,
    }
}

/// A polite end, without waiting for the answer.
pub(crate) async fn close(mut ws: Ws) {
    let _ = send(&mut ws, Message::Close(None), Duration::from_secs(1)).await;
}

/// Sends within the timeout: a socket that takes no bytes is as lost as a closed one.
pub(crate) async fn send(ws: &mut Ws, m: Message, timeout: Duration) -> Result<(), String> {
    match tokio::time::timeout(timeout, ws.send(m)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(e)) => Err(format!("can't send: {}", brief(&e))),
        Err(_) => Err("the socket takes no bytes".into()),
    }
}
