//! The list of streams: the name of each, the route it belongs to, and what it is about.
//!
//! A stream asked for on the wrong route is acknowledged and stays silent, as at the exchange since April 2026.

use super::interval::interval_ms;
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
    /// Diff depth, at most one frame in so many ms; 0 is the source's own cadence.
    Depth(SymbolId, i64),
    /// Best levels, 5, 10 or 20 a side, at most one frame in so many ms.
    Partial(SymbolId, u8, i64),
    /// Best bid and ask.
    BookTicker(SymbolId),
    /// Best bid and ask of every symbol.
    AllBookTickers,
    /// Aggregate trades.
    AggTrade(SymbolId),
    /// Trades.
    Trade(SymbolId),
    /// Mark price, at most one in so many ms.
    Mark(SymbolId, i64),
    /// Mark prices of every symbol in one array, at most one in so many ms.
    AllMarks(i64),
    /// Candles of an interval in ms.
    Kline(SymbolId, i64),
    /// Candles of a pair's perpetual contract.
    ContinuousKline(SymbolId, i64),
    /// 24 hours of a symbol.
    Ticker(SymbolId),
    /// 24 hours of a symbol in few words.
    MiniTicker(SymbolId),
    /// 24 hours of every symbol that traded, in one array.
    AllTickers,
    /// The same in few words.
    AllMiniTickers,
    /// Liquidation orders.
    ForceOrder(SymbolId),
    /// Liquidation orders of every symbol.
    AllForceOrders,
    /// Changes of listings and brackets: the simulated exchange has none.
    ContractInfo,
    /// Venue time, an extension.
    Time,
    /// A user stream, by listen key.
    User(String),
}

impl Topic {
    /// 24-hour figures; these topics stand side by side.
    pub(super) const fn is_ticker(&self) -> bool {
        matches!(
            self,
            Self::Ticker(_) | Self::MiniTicker(_) | Self::AllTickers | Self::AllMiniTickers
        )
    }

    /// The topics that are silent when this one is to be: depth of a symbol at any cadence is one thing.
    pub(super) fn kin(self) -> Vec<Self> {
        match self {
            Self::Depth(s, _) => DEPTH_MS.map(|ms| Self::Depth(s, ms)).to_vec(),
            Self::Partial(s, n, _) => DEPTH_MS.map(|ms| Self::Partial(s, n, ms)).to_vec(),
            Self::Mark(s, _) => MARK_MS.map(|ms| Self::Mark(s, ms)).to_vec(),
            Self::AllMarks(_) => MARK_MS.map(Self::AllMarks).to_vec(),
            other => vec![other],
        }
    }

    /// The one that stands for a topic and its kin.
    pub(super) const fn whole(&self) -> Option<Self> {
        match self {
            Self::Depth(s, _) => Some(Self::Depth(*s, 0)),
            Self::Partial(s, n, _) => Some(Self::Partial(*s, *n, 0)),
            Self::Mark(s, _) => Some(Self::Mark(*s, 0)),
            Self::AllMarks(_) => Some(Self::AllMarks(0)),
            _ => None,
        }
    }

    /// The symbol it is about.
    pub(super) fn symbol(&self) -> Option<SymbolId> {
        match self {
            Self::Depth(s, _)
            | Self::Partial(s, ..)
            | Self::BookTicker(s)
            | Self::AggTrade(s)
            | Self::Trade(s)
            | Self::Mark(s, _)
            | Self::Kline(s, _)
            | Self::ContinuousKline(s, _)
            | Self::Ticker(s)
            | Self::MiniTicker(s)
            | Self::ForceOrder(s) => Some(*s),
            Self::AllBookTickers
            | Self::AllMarks(_)
            | Self::AllTickers
            | Self::AllMiniTickers
            | Self::AllForceOrders
            | Self::ContractInfo
            | Self::Time
            | Self::User(_) => None,
        }
    }
}

/// Periods of depth and of mark price streams, ms.
const DEPTH_MS: [i64; 4] = [0, 100, 250, 500];
const MARK_MS: [i64; 2] = [1000, 3000];

/// A name in parts: `btcusdt@depth5@100ms` is symbol, `depth5`, `100ms`; a name for all symbols has none.
#[derive(Clone, Copy)]
struct Name<'a> {
    symbol: Option<SymbolId>,
    word: &'a str,
    speed: Option<&'a str>,
}

/// A kind of stream.
pub(super) struct Stream {
    /// Its name as it is documented.
    pub(super) name: &'static str,
    /// Where it is served, beside the unrouted form.
    pub(super) route: Route,
    read: fn(Name<'_>) -> Option<Topic>,
}

const fn public(name: &'static str, read: fn(Name<'_>) -> Option<Topic>) -> Stream {
    let route = Route::Public;
    Stream { name, route, read }
}

const fn market(name: &'static str, read: fn(Name<'_>) -> Option<Topic>) -> Stream {
    let route = Route::Market;
    Stream { name, route, read }
}

/// A symbol's stream of one name and no speed.
fn of_symbol(n: Name<'_>, word: &str, topic: fn(SymbolId) -> Topic) -> Option<Topic> {
    let hit = n.word == word && n.speed.is_none();
    hit.then_some(topic(n.symbol?))
}

/// A stream of all symbols.
fn of_all(n: Name<'_>, word: &str, topic: Topic) -> Option<Topic> {
    let hit = n.symbol.is_none() && n.word == word && n.speed.is_none();
    hit.then_some(topic)
}

/// A depth stream's period, ms; 250 when nothing is said.
fn depth_ms(n: Name<'_>) -> Option<i64> {
    match n.speed {
        None | Some("250ms") => Some(250),
        Some("0ms") => Some(0),
        Some("100ms") => Some(100),
        Some("500ms") => Some(500),
        Some(_) => None,
    }
}

/// A mark price stream's period, ms.
fn mark_ms(n: Name<'_>) -> Option<i64> {
    match n.speed {
        None | Some("3s") => Some(3000),
        Some("1s") => Some(1000),
        Some(_) => None,
    }
}

fn partial(n: Name<'_>) -> Option<Topic> {
    let levels = match n.word {
        "depth5" => 5,
        "depth10" => 10,
        "depth20" => 20,
        _ => return None,
    };
    Some(Topic::Partial(n.symbol?, levels, depth_ms(n)?))
}

fn candles(n: Name<'_>, word: &str, topic: fn(SymbolId, i64) -> Topic) -> Option<Topic> {
    let interval = interval_ms(n.word.strip_prefix(word)?)?;
    let plain = n.speed.is_none();
    plain.then_some(topic(n.symbol?, interval))
}

/// Every stream there is but the user's, whose name is the listen key.
pub(super) static STREAMS: &[Stream] = &[
    public("<symbol>@depth@<speed>", |n| {
        let hit = n.word == "depth";
        hit.then_some(Topic::Depth(n.symbol?, depth_ms(n)?))
    }),
    public("<symbol>@depth<levels>@<speed>", partial),
    public("<symbol>@bookTicker", |n| {
        of_symbol(n, "bookTicker", Topic::BookTicker)
    }),
    public("!bookTicker", |n| {
        of_all(n, "!bookTicker", Topic::AllBookTickers)
    }),
    // Undocumented; where clients of the exchange find it.
    public("<symbol>@trade", |n| of_symbol(n, "trade", Topic::Trade)),
    market("<symbol>@aggTrade", |n| {
        of_symbol(n, "aggTrade", Topic::AggTrade)
    }),
    market("<symbol>@markPrice@<speed>", |n| {
        let hit = n.word == "markPrice";
        hit.then_some(Topic::Mark(n.symbol?, mark_ms(n)?))
    }),
    market("!markPrice@arr@<speed>", |n| {
        let hit = n.symbol.is_none() && n.word == "!markPrice@arr";
        hit.then_some(Topic::AllMarks(mark_ms(n)?))
    }),
    market("<symbol>@kline_<interval>", |n| {
        candles(n, "kline_", Topic::Kline)
    }),
    market("<pair>_perpetual@continuousKline_<interval>", |n| {
        candles(n, "continuousKline_", Topic::ContinuousKline)
    }),
    market("<symbol>@ticker", |n| of_symbol(n, "ticker", Topic::Ticker)),
    market("<symbol>@miniTicker", |n| {
        of_symbol(n, "miniTicker", Topic::MiniTicker)
    }),
    market("!ticker@arr", |n| {
        of_all(n, "!ticker@arr", Topic::AllTickers)
    }),
    market("!miniTicker@arr", |n| {
        of_all(n, "!miniTicker@arr", Topic::AllMiniTickers)
    }),
    market("<symbol>@forceOrder", |n| {
        of_symbol(n, "forceOrder", Topic::ForceOrder)
    }),
    market("!forceOrder@arr", |n| {
        of_all(n, "!forceOrder@arr", Topic::AllForceOrders)
    }),
    market("!contractInfo", |n| {
        of_all(n, "!contractInfo", Topic::ContractInfo)
    }),
    market("helios@time", |n| of_all(n, "helios@time", Topic::Time)),
];

/// The topic a name means on a route; `None` is acknowledged and silent.
pub(super) fn topic(
    route: Route,
    name: &str,
    symbols: &BTreeMap<String, SymbolId>,
) -> Option<Topic> {
    let (topic, own) = parse(name, symbols)?;
    (route == Route::Unrouted || route == own).then_some(topic)
}

fn parse(name: &str, symbols: &BTreeMap<String, SymbolId>) -> Option<(Topic, Route)> {
    let read = |n: Name<'_>| {
        let mut all = STREAMS.iter();
        all.find_map(|s| Some(((s.read)(n)?, s.route)))
    };
    let whole = name.starts_with('!') || name.starts_with("helios@");
    if whole {
        // `!markPrice@arr@1s`: the second `@` begins the speed.
        let at = name.match_indices('@').nth(1).map(|(i, _)| i);
        let (word, speed) = at.map_or((name, None), |i| (&name[..i], name.get(i + 1..)));
        let symbol = None;
        return read(Name {
            symbol,
            word,
            speed,
        });
    }
    let Some((subject, kind)) = name.split_once('@') else {
        return Some((Topic::User(name.to_owned()), Route::Private));
    };
    let (word, speed) = kind
        .split_once('@')
        .map_or((kind, None), |(k, v)| (k, Some(v)));
    let symbol = match word.starts_with("continuousKline_") {
        true => subject.strip_suffix("_perpetual")?,
        false => subject,
    };
    let symbol = Some(*symbols.get(symbol)?);
    read(Name {
        symbol,
        word,
        speed,
    })
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
            ("btcusdt@trade", Route::Public),
            ("btcusdt@markPrice", Route::Market),
            ("btcusdt@markPrice@1s", Route::Market),
            ("btcusdt@kline_15m", Route::Market),
            ("btcusdt_perpetual@continuousKline_15m", Route::Market),
            ("!markPrice@arr", Route::Market),
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
            "btcusdt@trade@1s",
            "btcusdt@depth@7ms",
            "btcusdt@depth7",
            "btcusdt@!bookTicker",
            "!bookTicker@1s",
            "!markPrice@arr@2s",
            "!depth",
            "btcusdt@continuousKline_1m",
            "btcusdt_perpetual@kline_1m",
            "btcusdt_current_quarter@continuousKline_1m",
            "btcusdt@kline_9m",
            "@",
        ] {
            assert_eq!(topic(Route::Unrouted, name, &s), None, "{name}");
        }
    }

    #[test]
    fn every_stream_of_the_list_is_read_by_its_own_name() {
        let s = symbols();
        for stream in STREAMS {
            let name = stream.name.replace("<symbol>", "btcusdt");
            let name = name.replace("<pair>", "btcusdt").replace("<levels>", "10");
            let name = name.replace("<interval>", "1h");
            // A speed may be left out.
            let short = name.replace("@<speed>", "");
            let (topic, route) = parse(&short, &s).unwrap();
            assert_eq!(route, stream.route, "{short}");
            let at = short.find('@').map_or(&short[..], |i| &short[i + 1..]);
            let own = Name {
                symbol: topic.symbol(),
                word: if topic.symbol().is_some() { at } else { &short },
                speed: None,
            };
            assert_eq!((stream.read)(own), Some(topic), "{short}");
        }
        let speeds = [
            ("", 250),
            ("@0ms", 0),
            ("@100ms", 100),
            ("@250ms", 250),
            ("@500ms", 500),
        ];
        for (speed, ms) in speeds {
            let read = |kind: &str| topic(Route::Public, &format!("btcusdt@{kind}{speed}"), &s);
            assert_eq!(read("depth"), Some(Topic::Depth(SymbolId(0), ms)));
            assert_eq!(read("depth20"), Some(Topic::Partial(SymbolId(0), 20, ms)));
        }
        for (speed, ms) in [("", 3000), ("@3s", 3000), ("@1s", 1000)] {
            let read = |kind: &str| topic(Route::Market, &format!("{kind}{speed}"), &s);
            assert_eq!(read("!markPrice@arr"), Some(Topic::AllMarks(ms)));
            assert_eq!(
                read("btcusdt@markPrice"),
                Some(Topic::Mark(SymbolId(0), ms))
            );
        }
    }
}
