//! One open socket: its age, its heartbeat, and the requests that wait to be sent at the pace the exchange allows.

use super::super::socket::{self, Ws};
use crate::clock::VenueClock;
use crate::endpoints::{Endpoints, Route};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

/// Streams named in the address, or in one request.
const CHUNK: usize = 100;
/// Between two requests on one socket: the exchange drops a socket that sends more than ten messages a second, pings
/// counted.
const PACE: Duration = Duration::from_millis(200);

/// What it takes to open a socket.
pub(super) struct Opening {
    pub endpoints: Endpoints,
    pub route: Route,
    pub clock: Arc<VenueClock>,
    pub timeout: Duration,
    pub ping_every: Duration,
}

pub(super) struct Link {
    pub ws: Ws,
    pub opened: Instant,
    pub opened_market_ms: i64,
    /// Last frame or pong.
    pub heard: Instant,
    /// Streams that have spoken on it.
    pub spoken: BTreeSet<String>,
    next_ping: Instant,
    next_request: Instant,
    next_id: u64,
    requests: VecDeque<(&'static str, Vec<String>)>,
}

impl Link {
    /// Opens a socket on these streams; those that the address has no room for are asked for afterwards.
    pub async fn open(o: Opening, mut names: Vec<String>) -> Result<Self, String> {
        let rest = names.split_off(names.len().min(CHUNK));
        let url = o.endpoints.stream_url(o.route, &names);
        let ws = socket::open(&url, o.timeout).await?;
        let now = Instant::now();
        let mut link = Self {
            ws,
            opened: now,
            opened_market_ms: o.clock.market_ms(),
            heard: now,
            spoken: BTreeSet::new(),
            next_ping: now + o.ping_every,
            next_request: now,
            next_id: 1,
            requests: VecDeque::new(),
        };
        link.request("SUBSCRIBE", rest);
        Ok(link)
    }

    /// Asks for a change of subscriptions, in its turn.
    pub fn request(&mut self, method: &'static str, names: Vec<String>) {
        let chunks = names.chunks(CHUNK);
        self.requests.extend(chunks.map(|c| (method, c.to_vec())));
    }

    /// Sends what is due: a ping, and the next request.
    pub async fn drive(&mut self, ping_every: Duration, timeout: Duration) -> Result<(), String> {
        let now = Instant::now();
        if now >= self.next_ping {
            self.next_ping = now + ping_every;
            let ping = Message::Ping(bytes::Bytes::new());
            socket::send(&mut self.ws, ping, timeout).await?;
        }
        if now >= self.next_request
            && let Some((method, params)) = self.requests.pop_front()
        {
            self.next_request = now + PACE;
            let id = self.next_id;
            self.next_id += 1;
            let text = serde_json::json!({"method": method, "params": params, "id": id});
            socket::send(&mut self.ws, Message::text(text.to_string()), timeout).await?;
        }
        Ok(())
    }
}
