//! Where the exchange is: every base address in one value, with presets for live, test network and a local venue.
//!
//! The WebSocket side has three routes (public, market, private) since 2026; a subscription on the wrong one is
//! acknowledged and stays silent, so the route of each stream is decided here and nowhere else.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What a stream name keeps unescaped in a URL.
const STREAM: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'@')
    .remove(b'_')
    .remove(b'-')
    .remove(b'!')
    .remove(b'.');

/// Base addresses without a trailing slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// REST, e.g. `https://fapi.binance.com`.
    pub rest: String,
    /// Book streams, e.g. `wss://fstream.binance.com/public`.
    pub ws_public: String,
    /// Trade and mark price streams, e.g. `wss://fstream.binance.com/market`.
    pub ws_market: String,
    /// User data, e.g. `wss://fstream.binance.com/private`.
    pub ws_private: String,
    /// Request/response WebSocket API.
    pub ws_api: String,
    /// Where a key's rights are asked, e.g. `https://api.binance.com`; `None` where there is no such place.
    pub wallet: Option<String>,
}

/// A WebSocket route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Route {
    /// `bookTicker`, `depth`.
    Public,
    /// `aggTrade`, `markPrice`, and the local venue's clock.
    Market,
    /// User data.
    Private,
}

impl Endpoints {
    /// The exchange itself.
    pub fn live() -> Self {
        Self::routed(
            "https://fapi.binance.com",
            "wss://fstream.binance.com",
            "wss://ws-fapi.binance.com/ws-fapi/v1",
            Some("https://api.binance.com"),
        )
    }

    /// The exchange's demo network.
    pub fn testnet() -> Self {
        Self::routed(
            "https://demo-fapi.binance.com",
            "wss://demo-fstream.binance.com",
            "wss://testnet.binancefuture.com/ws-fapi/v1",
            None,
        )
    }

    /// A venue that serves the three routes under one WebSocket address, e.g. `http://127.0.0.1:9000` and
    /// `ws://127.0.0.1:9000`.
    pub fn for_local(rest: &str, ws: &str) -> Self {
        let ws = ws.trim_end_matches('/');
        Self::routed(rest, ws, &format!("{ws}/ws-fapi/v1"), None)
    }

    fn routed(rest: &str, ws: &str, ws_api: &str, wallet: Option<&str>) -> Self {
        Self {
            rest: rest.trim_end_matches('/').into(),
            ws_public: format!("{ws}/public"),
            ws_market: format!("{ws}/market"),
            ws_private: format!("{ws}/private"),
            ws_api: ws_api.into(),
            wallet: wallet.map(Into::into),
        }
    }

    /// The base address of a route.
    pub fn route(&self, route: Route) -> &str {
        let base = match route {
            Route::Public => &self.ws_public,
            Route::Market => &self.ws_market,
            Route::Private => &self.ws_private,
        };
        base.trim_end_matches('/')
    }

    /// A combined-stream address that subscribes these streams by being opened.
    pub fn stream_url(&self, route: Route, streams: &[String]) -> String {
        let base = self.route(route);
        if streams.is_empty() {
            return format!("{base}/stream");
        }
        let names: Vec<String> = streams
            .iter()
            .map(|s| utf8_percent_encode(s, STREAM).to_string())
            .collect();
        format!("{base}/stream?streams={}", names.join("/"))
    }

    /// The private socket of a listenKey.
    pub fn user_url(&self, listen_key: &str) -> String {
        let key = utf8_percent_encode(listen_key, NON_ALPHANUMERIC);
        format!("{}/ws?listenKey={key}", self.route(Route::Private))
    }

    /// True when every address is on this host: no proxy, no TLS.
    pub fn is_local(&self) -> bool {
        let local = |u: &str| {
            url::Url::parse(u).is_ok_and(|u| match u.host() {
                Some(url::Host::Domain(d)) => d == "localhost",
                Some(url::Host::Ipv4(a)) => a.is_loopback(),
                Some(url::Host::Ipv6(a)) => a.is_loopback(),
                None => false,
            })
        };
        [
            &self.rest,
            &self.ws_public,
            &self.ws_market,
            &self.ws_private,
        ]
        .into_iter()
        .all(|u| local(u))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_venue_gets_three_routes_under_one_address() {
        let e = Endpoints::for_local("http://127.0.0.1:9000/", "ws://127.0.0.1:9000/");
        assert_eq!(e.rest, "http://127.0.0.1:9000");
        assert_eq!(
            e.stream_url(
                Route::Public,
                &["btcusdt@depth@100ms".into(), "btcusdt@bookTicker".into()]
            ),
            "ws://127.0.0.1:9000/public/stream?streams=btcusdt@depth@100ms/btcusdt@bookTicker"
        );
        assert_eq!(
            e.user_url("a/b"),
            "ws://127.0.0.1:9000/private/ws?listenKey=a%2Fb"
        );
        assert!(e.is_local());
        assert!(!Endpoints::live().is_local());
    }

    #[test]
    fn a_stream_of_a_non_ascii_symbol_is_percent_encoded() {
        let e = Endpoints::live();
        assert_eq!(
            e.stream_url(Route::Market, &["币安usdt@aggTrade".into()]),
            "wss://fstream.binance.com/market/stream?streams=%E5%B8%81%E5%AE%89usdt@aggTrade"
        );
    }
}
