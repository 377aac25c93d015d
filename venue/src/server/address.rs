//! What the address of a WebSocket connection asks for: route, form, streams, kinds of user events; or the WebSocket API.

use super::stream::Route;

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

/// Where the WebSocket API is.
const API: &str = "/ws-fapi/v1";

/// Whether a path is the WebSocket API's, and if so whether answers tell the limits (`returnRateLimits`, true when nothing
/// is said).
pub(super) fn asked_api(path: &str, query: Option<&str>) -> Option<bool> {
    let rest = path.strip_prefix(API)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(())?;
    let mut pairs = query.unwrap_or("").split('&');
    let quiet = pairs.any(|p| p.eq_ignore_ascii_case("returnRateLimits=false"));
    Some(!quiet)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_websocket_apis_address_may_have_a_tail_and_a_query() {
        for (path, query, want) in [
            ("/ws-fapi/v1", None, Some(true)),
            ("/ws-fapi/v1/", None, Some(true)),
            (
                "/ws-fapi/v1/session",
                Some("returnRateLimits=true"),
                Some(true),
            ),
            (
                "/ws-fapi/v1",
                Some("a=1&returnRateLimits=false"),
                Some(false),
            ),
            ("/ws-fapi/v10", None, None),
            ("/ws-fapi", None, None),
            ("/public/ws-fapi/v1", None, None),
        ] {
            assert_eq!(asked_api(path, query), want, "{path} {query:?}");
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
