//! The least client that can talk to a venue: HTTP by hand, WebSocket by its library.

use super::source::Flat;
use futures_util::{SinkExt, StreamExt};
use helios_venue::server::{VenueConfig, VenueHandle, VenueServer};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// No answer of a loopback venue takes this long.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub async fn venue() -> Client {
    with(VenueConfig::new(Box::new(Flat::endless()))).await
}

pub async fn with(config: VenueConfig) -> Client {
    Client {
        venue: VenueServer::start(config).await.unwrap(),
    }
}

pub struct Client {
    pub venue: VenueHandle,
}

pub struct Reply {
    pub status: u16,
    pub headers: String,
    pub json: Value,
}

impl Reply {
    /// (status, code) of a refusal.
    pub fn refusal(&self) -> (u16, i64) {
        assert!(self.json["msg"].is_string(), "{}", self.json);
        (self.status, self.json["code"].as_i64().unwrap())
    }

    pub fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.json);
        self.json
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let line = |l: &&str| l.to_lowercase().starts_with(&format!("{name}:"));
        let line = self.headers.lines().find(line)?;
        Some(line.split_once(':')?.1.trim())
    }
}

/// Sends raw bytes, reads until the other side closes or the announced length has come.
pub async fn raw(addr: &str, bytes: &[u8]) -> Option<Reply> {
    let mut s = TcpStream::connect(addr).await.unwrap();
    let _ = s.write_all(bytes).await;
    let mut all = Vec::new();
    tokio::time::timeout(PATIENCE, s.read_to_end(&mut all))
        .await
        .expect("the server answers or closes")
        .ok()?;
    let text = String::from_utf8_lossy(&all);
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some(Reply {
        status: head.split(' ').nth(1)?.parse().ok()?,
        headers: head.to_owned(),
        json: serde_json::from_str(body).unwrap_or(Value::Null),
    })
}

pub fn signature(secret: &str, payload: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(payload.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// What the WebSocket API wants signed: the parameters by name, strings bare, everything else as JSON.
pub fn api_payload(params: &Value) -> String {
    let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    let mut pairs: Vec<String> = params
        .as_object()
        .unwrap()
        .iter()
        .map(|(k, v)| format!("{k}={}", text(v)))
        .collect();
    pairs.sort();
    pairs.join("&")
}

impl Client {
    /// A connection to the WebSocket API.
    pub async fn api(&self) -> Ws {
        self.ws("/ws-fapi/v1").await
    }

    /// Parameters with key, the venue's time and signature.
    pub async fn api_params(&self, mut params: Value) -> Value {
        let c = self.venue.credentials().clone();
        params["apiKey"] = c.key.into();
        params["timestamp"] = self.now().await.into();
        params["signature"] = signature(&c.secret, &api_payload(&params)).into();
        params
    }

    pub fn addr(&self) -> String {
        self.venue.rest_url().replace("http://", "")
    }

    /// A request with everything given.
    pub async fn send(&self, method: &str, target: &str, key: Option<&str>, body: &str) -> Reply {
        let key = key.map_or(String::new(), |k| format!("X-MBX-APIKEY: {k}\r\n"));
        let text = format!(
            "{method} {target} HTTP/1.1\r\nHost: venue\r\nConnection: close\r\n{key}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        raw(&self.addr(), text.as_bytes()).await.unwrap()
    }

    pub async fn get(&self, target: &str) -> Reply {
        self.send("GET", target, None, "").await
    }

    /// With the key, unsigned.
    pub async fn keyed(&self, method: &str, path: &str) -> Reply {
        let key = self.venue.credentials().key.clone();
        self.send(method, path, Some(&key), "").await
    }

    pub async fn now(&self) -> i64 {
        self.get("/fapi/v1/time").await.ok()["serverTime"]
            .as_i64()
            .unwrap()
    }

    /// Signed, at the venue's time.
    pub async fn signed(&self, method: &str, path: &str, params: &str) -> Reply {
        let c = self.venue.credentials().clone();
        let now = self.now().await;
        let sep = if params.is_empty() { "" } else { "&" };
        let query = format!("{params}{sep}recvWindow=60000&timestamp={now}");
        let target = format!("{path}?{query}&signature={}", signature(&c.secret, &query));
        self.send(method, &target, Some(&c.key), "").await
    }

    pub async fn admin(&self, method: &str, path: &str, body: Value) -> Reply {
        let addr = self.venue.admin_url().replace("http://", "");
        let body = body.to_string();
        let text = format!(
            "{method} {path} HTTP/1.1\r\nHost: venue\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        raw(&addr, text.as_bytes()).await.unwrap()
    }

    pub async fn ws(&self, path: &str) -> Ws {
        let url = format!("{}{path}", self.venue.ws_url());
        let (ws, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        Ws(ws)
    }

    pub async fn listen_key(&self) -> String {
        let v = self.keyed("POST", "/fapi/v1/listenKey").await.ok();
        v["listenKey"].as_str().unwrap().to_owned()
    }

    pub async fn order(&self, params: &str) -> Reply {
        self.signed("POST", "/fapi/v1/order", params).await
    }
}

pub struct Ws(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Ws {
    /// The next JSON frame; `None` when the connection ends.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            let m = tokio::time::timeout(PATIENCE, self.0.next())
                .await
                .expect("a frame comes")?;
            match m {
                Ok(Message::Text(t)) => return Some(serde_json::from_str(t.as_str()).unwrap()),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// The next frame that `f` accepts.
    pub async fn until(&mut self, mut f: impl FnMut(&Value) -> bool) -> Value {
        loop {
            let v = self.next().await.expect("the connection stays up");
            if f(&v) {
                return v;
            }
        }
    }

    /// The next event of a type.
    pub async fn event(&mut self, kind: &str) -> Value {
        self.until(|v| v["e"] == kind).await
    }

    /// True when nothing comes for a while.
    pub async fn silent(&mut self, ms: u64) -> bool {
        tokio::time::timeout(Duration::from_millis(ms), self.next())
            .await
            .is_err()
    }

    pub async fn say(&mut self, v: Value) {
        self.0.send(Message::text(v.to_string())).await.unwrap();
    }

    /// Asks the WebSocket API and returns its next answer.
    pub async fn call(&mut self, id: Value, method: &str, params: Value) -> Value {
        self.say(json!({"id": id, "method": method, "params": params}))
            .await;
        self.next().await.expect("the connection stays up")
    }

    pub async fn ask(&mut self, method: &str, params: Value, id: u64) -> Value {
        self.say(json!({"method": method, "params": params, "id": id}))
            .await;
        self.until(|v| v["id"] == id || v.get("error").is_some())
            .await
    }
}
