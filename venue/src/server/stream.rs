//! Names of streams, the route each belongs to, and what a connection's path asks for.
//!
//! A stream asked for on the wrong route is acknowledged and stays silent, as at the exchange since April 2026.

use crate::engine::SymbolId;
use std::collections::BTreeMap;

/// The part of the WebSocket host a connection came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Route {
    /// `/public`.
    Public,
    /// `/market`.
    Market,
    /// `/private`.
    Private,
    /// `/ws` and `/stream` without a route: everything, as before the split.
    Unrouted,
}

/// What frames are about; several names may mean the same topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    /// Diff depth.
    Depth(SymbolId),
    /// Best levels, 5, 10 or 20 a side.
    Partial(SymbolId, u8),
    /// Best bid and ask.
    BookTicker(SymbolId),
    /// Best bid and ask of every symbol.
    AllBookTickers,
    /// Aggregate trades.
    AggTrade(SymbolId),
    /// Mark price.
    Mark(SymbolId),
    /// Mark prices of every symbol in one array.
    AllMarks,
    /// Candles of an interval in ms.
    Kline(SymbolId, i64),
    /// Venue time, an extension.
    Time,
    /// A user stream, by listen key.
    User(String),
}

impl Topic {
    /// The symbol it is about.
    pub(super) fn symbol(&self) -> Option<SymbolId> {
        match self {
            Self::Depth(s)
            | Self::Partial(s, _)
            | Self::BookTicker(s)
            | Self::AggTrade(s)
            | Self::Mark(s)
            | Self::Kline(s, _) => Some(*s),
            Self::AllBookTickers | Self::AllMarks | Self::Time | Self::User(_) => None,
        }
    }

    fn route(&self) -> Route {
        match self {
            Self::Depth(_) | Self::Partial(..) | Self::BookTicker(_) | Self::AllBookTickers => {
                Route::Public
            }
            Self::AggTrade(_) | Self::Mark(_) | Self::AllMarks | Self::Kline(..) | Self::Time => {
                Route::Market
            }
            Self::User(_) => Route::Private,
        }
    }
}

/// The topic a name means on a route; `None` is acknowledged and silent.
pub(super) fn topic(
    route: Route,
    name: &str,
    symbols: &BTreeMap<String, SymbolId>,
) -> Option<Topic> {
    let topic = parse(name, symbols)?;
    (route == Route::Unrouted || route == topic.route()).then_some(topic)
}

fn parse(name: &str, symbols: &BTreeMap<String, SymbolId>) -> Option<Topic> {
    match name {
        "helios@time" => return Some(Topic::Time),
        "!bookTicker" => return Some(Topic::AllBookTickers),
        "!markPrice@arr" | "!markPrice@arr@1s" => return Some(Topic::AllMarks),
        _ => {}
    }
    let Some((symbol, kind)) = name.split_once('@') else {
        return Some(Topic::User(name.to_owned()));
    };
    let id = *symbols.get(symbol)?;
    let (kind, speed) = kind
        .split_once('@')
        .map_or((kind, None), |(k, v)| (k, Some(v)));
    let depth_speed = matches!(speed, None | Some("0ms" | "100ms" | "250ms" | "500ms"));
    match kind {
        "depth" if depth_speed => Some(Topic::Depth(id)),
        "depth5" if depth_speed => Some(Topic::Partial(id, 5)),
        "depth10" if depth_speed => Some(Topic::Partial(id, 10)),
        "depth20" if depth_speed => Some(Topic::Partial(id, 20)),
        "bookTicker" if speed.is_none() => Some(Topic::BookTicker(id)),
        "aggTrade" if speed.is_none() => Some(Topic::AggTrade(id)),
        "markPrice" if matches!(speed, None | Some("1s")) => Some(Topic::Mark(id)),
        k if speed.is_none() => interval_ms(k.strip_prefix("kline_")?).map(|i| Topic::Kline(id, i)),
        _ => None,
    }
}

/// The exchange's kline intervals, except the month, whose length varies.
const INTERVALS: [(&str, i64); 14] = [
    ("1m", 60_000),
    ("3m", 180_000),
    ("5m", 300_000),
    ("15m", 900_000),
    ("30m", 1_800_000),
    ("1h", 3_600_000),
    ("2h", 7_200_000),
    ("4h", 14_400_000),
    ("6h", 21_600_000),
    ("8h", 28_800_000),
    ("12h", 43_200_000),
    ("1d", 86_400_000),
    ("3d", 259_200_000),
    ("1w", 604_800_000),
];

/// Length of a kline interval; `None` for one the venue does not serve.
pub(super) fn interval_ms(name: &str) -> Option<i64> {
    INTERVALS
        .iter()
        .find(|(n, _)| *n == name)
        .map(|(_, ms)| *ms)
}

/// Name of a kline interval.
pub(super) fn interval_name(ms: i64) -> &'static str {
    INTERVALS
        .iter()
        .find(|(_, v)| *v == ms)
        .map_or("1m", |(n, _)| *n)
}

/// What a WebSocket connection's address asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// Route.
    pub(super) route: Route,
    /// Frames come wrapped with their stream's name (`/stream`).
    pub(super) combined: bool,
    /// Streams named in the address.
    pub(super) streams: Vec<String>,
    /// User event types wanted (`events=`); empty is all.
    pub(super) events: Vec<String>,
}

/// Reads path and query of a WebSocket request; `None` when the path is no stream endpoint.
pub(super) fn asked(path: &str, query: Option<&str>) -> Option<Asked> {
    let path = path.strip_prefix('/')?;
    let (route, rest) = match path.split_once('/') {
        Some(("public", r)) => (Route::Public, r),
        Some(("market", r)) => (Route::Market, r),
        Some(("private", r)) => (Route::Private, r),
        _ => (Route::Unrouted, path),
    };
    let (form, names) = rest.split_once('/').unwrap_or((rest, ""));
    let combined = match form {
        "ws" => false,
        "stream" => true,
        _ => return None,
    };
    let decode = |s: &str| {
        percent_encoding::percent_decode_str(s)
            .decode_utf8_lossy()
            .into_owned()
    };
    let list =
        |s: &str| -> Vec<String> { s.split('/').filter(|n| !n.is_empty()).map(decode).collect() };
    let mut out = Asked {
        route,
        combined,
        streams: list(names),
        events: Vec::new(),
    };
    for pair in query.unwrap_or("").split('&') {
        let (k, v) = pair.split_once('=').unwrap_or((pair, ""));
        match k {
            "streams" | "listenKey" => out.streams.extend(list(&v.replace("%2F", "/"))),
            "events" => out.events.extend(list(&v.replace("%2F", "/"))),
            _ => {}
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn symbols() -> BTreeMap<String, SymbolId> {
        [("btcusdt".to_owned(), SymbolId(0))].into()
    }

    #[test]
    fn a_stream_answers_on_its_own_route_and_unrouted_only() {
        let s = symbols();
        for (name, route) in [
            ("btcusdt@depth@100ms", Route::Public),
            ("btcusdt@depth", Route::Public),
            ("btcusdt@depth@0ms", Route::Public),
            ("btcusdt@bookTicker", Route::Public),
            ("btcusdt@aggTrade", Route::Market),
            ("btcusdt@markPrice@1s", Route::Market),
            ("btcusdt@kline_15m", Route::Market),
            ("!markPrice@arr@1s", Route::Market),
            ("helios@time", Route::Market),
            ("someListenKey", Route::Private),
        ] {
            for at in [Route::Public, Route::Market, Route::Private] {
                assert_eq!(topic(at, name, &s).is_some(), at == route, "{name}");
            }
            assert!(topic(Route::Unrouted, name, &s).is_some(), "{name}");
        }
        for name in [
            "ethusdt@depth",
            "btcusdt@trade",
            "btcusdt@depth@7ms",
            "btcusdt@kline_9m",
            "@",
        ] {
            assert_eq!(topic(Route::Unrouted, name, &s), None, "{name}");
        }
    }

    #[test]
    fn addresses_name_route_form_and_streams() {
        let a = asked(
            "/public/stream",
            Some("streams=btcusdt@depth/btcusdt@bookTicker"),
        )
        .unwrap();
        assert_eq!((a.route, a.combined), (Route::Public, true));
        assert_eq!(a.streams, ["btcusdt@depth", "btcusdt@bookTicker"]);
        let a = asked(
            "/private/ws",
            Some("listenKey=K&events=ORDER_TRADE_UPDATE/ACCOUNT_UPDATE"),
        );
        let a = a.unwrap();
        assert_eq!(a.streams, ["K"]);
        assert_eq!(a.events, ["ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE"]);
        assert_eq!(asked("/private/ws/K", None).unwrap().streams, ["K"]);
        assert_eq!(
            asked("/ws/btcusdt@depth", None).unwrap().route,
            Route::Unrouted
        );
        assert_eq!(
            asked("/market/ws/btcusdt%40aggTrade", None)
                .unwrap()
                .streams,
            ["btcusdt@aggTrade"]
        );
        assert_eq!(asked("/fapi/v1/ping", None), None);
    }
}
