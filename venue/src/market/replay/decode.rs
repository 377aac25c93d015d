//! From the bytes of a recording to numbers: lines, frames, decimals.
//!
//! A decoder of its own, on serde: the adapter in `binance` reads the same frames by other means, and each is a check of
//! the other. Nothing in a file can make it panic; what it can't read it counts.

use serde::Deserialize;
use std::borrow::Cow;
use std::io::{BufRead, Read};

/// Decimals a number may have; values are counts of 10⁻⁸.
pub(super) const SCALE_DIGITS: u32 = 8;
/// The longest line read: beyond it, it is no frame.
const MAX_LINE: u64 = 32 << 20;

/// A level, price and quantity in 10⁻⁸.
pub(super) type RawLevel = (i64, i64);

/// What a line holds.
#[derive(Debug)]
pub(super) enum Frame {
    Depth(RawDepth),
    Snapshot(RawSnapshot),
    Trade(RawTrade),
    /// A `bookTicker`: not needed, the depth events hold more.
    Ticker,
    /// A frame of another kind.
    Other,
}

#[derive(Debug)]
pub(super) struct RawDepth {
    pub(super) symbol: String,
    pub(super) event_ms: i64,
    pub(super) transact_ms: i64,
    pub(super) first_id: u64,
    pub(super) last_id: u64,
    pub(super) prev_last_id: u64,
    pub(super) bids: Vec<RawLevel>,
    pub(super) asks: Vec<RawLevel>,
}

#[derive(Debug)]
pub(super) struct RawSnapshot {
    pub(super) symbol: Option<String>,
    pub(super) last_id: u64,
    pub(super) event_ms: i64,
    pub(super) bids: Vec<RawLevel>,
    pub(super) asks: Vec<RawLevel>,
}

#[derive(Debug)]
pub(super) struct RawTrade {
    pub(super) symbol: String,
    pub(super) aggregate: bool,
    pub(super) id: u64,
    pub(super) event_ms: i64,
    pub(super) transact_ms: i64,
    pub(super) price: i64,
    pub(super) qty: i64,
    pub(super) buyer_is_maker: bool,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    data: Option<Head<'a>>,
    #[serde(rename = "lastUpdateId")]
    last_update_id: Option<u64>,
    #[serde(borrow)]
    e: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    e: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Combined<T> {
    data: T,
}

#[derive(Deserialize)]
struct DepthFrame<'a> {
    #[serde(rename = "E")]
    event: i64,
    #[serde(rename = "T")]
    transact: i64,
    s: Cow<'a, str>,
    #[serde(rename = "U")]
    first: u64,
    u: u64,
    pu: u64,
    #[serde(borrow)]
    b: Vec<[&'a str; 2]>,
    #[serde(borrow)]
    a: Vec<[&'a str; 2]>,
}

#[derive(Deserialize)]
struct SnapshotBody<'a> {
    #[serde(rename = "lastUpdateId")]
    last: u64,
    #[serde(rename = "E", default)]
    event: i64,
    symbol: Option<Cow<'a, str>>,
    #[serde(borrow)]
    bids: Vec<[&'a str; 2]>,
    #[serde(borrow)]
    asks: Vec<[&'a str; 2]>,
}

#[derive(Deserialize)]
struct TradeFrame<'a> {
    #[serde(rename = "E")]
    event: i64,
    #[serde(rename = "T")]
    transact: i64,
    s: Cow<'a, str>,
    t: Option<u64>,
    a: Option<u64>,
    p: &'a str,
    q: &'a str,
    m: bool,
    /// Kind of a `trade`: only MARKET went through the book.
    #[serde(rename = "X")]
    kind: Option<Cow<'a, str>>,
}

/// Lines of a stream, gz (several members allowed) or plain.
pub(super) struct Lines<'a> {
    inner: Box<dyn BufRead + 'a>,
    buf: Vec<u8>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(reader: impl Read + 'a) -> std::io::Result<Self> {
        let mut r = std::io::BufReader::with_capacity(1 << 16, reader);
        let gz = r.fill_buf()?.starts_with(&[0x1f, 0x8b]);
        let inner: Box<dyn BufRead + 'a> = if gz {
            let d = flate2::bufread::MultiGzDecoder::new(r);
            Box::new(std::io::BufReader::with_capacity(1 << 16, d))
        } else {
            Box::new(r)
        };
        Ok(Self {
            inner,
            buf: Vec::new(),
        })
    }

    /// The next line without its end; `None` at the end of the stream, an error where it breaks off.
    pub(super) fn next_line(&mut self) -> std::io::Result<Option<&[u8]>> {
        self.buf.clear();
        let n = (&mut self.inner)
            .take(MAX_LINE)
            .read_until(b'\n', &mut self.buf)?;
        Ok((n > 0).then_some(self.buf.as_slice()))
    }
}

/// Decodes `<local ns> <json>`; `None` when it is neither a frame nor a snapshot.
pub(super) fn frame(line: &[u8]) -> Option<Frame> {
    let brace = memchr::memchr(b'{', line)?;
    let (stamp, json) = line.split_at(brace);
    let stamp = stamp.trim_ascii();
    if !stamp.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let head: Envelope<'_> = serde_json::from_slice(json).ok()?;
    if head.last_update_id.is_some() && head.e.is_none() {
        return snapshot(json).map(Frame::Snapshot);
    }
    let combined = head.data.is_some();
    let kind = head.data.and_then(|d| d.e).or(head.e)?;
    match kind.as_ref() {
        "depthUpdate" => depth(json, combined).map(Frame::Depth),
        "trade" | "aggTrade" => trade(json, combined, kind.as_ref() == "aggTrade"),
        "bookTicker" => Some(Frame::Ticker),
        _ => Some(Frame::Other),
    }
}

fn body<'a, T: Deserialize<'a>>(json: &'a [u8], combined: bool) -> Option<T> {
    if combined {
        serde_json::from_slice::<Combined<T>>(json)
            .ok()
            .map(|c| c.data)
    } else {
        serde_json::from_slice(json).ok()
    }
}

fn depth(json: &[u8], combined: bool) -> Option<RawDepth> {
    let d: DepthFrame<'_> = body(json, combined)?;
    if d.first > d.u || d.event <= 0 {
        return None;
    }
    Some(RawDepth {
        symbol: d.s.into_owned(),
        event_ms: d.event,
        transact_ms: d.transact,
        first_id: d.first,
        last_id: d.u,
        prev_last_id: d.pu,
        bids: levels(&d.b)?,
        asks: levels(&d.a)?,
    })
}

fn snapshot(json: &[u8]) -> Option<RawSnapshot> {
    let s: SnapshotBody<'_> = serde_json::from_slice(json).ok()?;
    Some(RawSnapshot {
        symbol: s.symbol.map(Cow::into_owned),
        last_id: s.last,
        event_ms: s.event,
        bids: levels(&s.bids)?,
        asks: levels(&s.asks)?,
    })
}

fn trade(json: &[u8], combined: bool, aggregate: bool) -> Option<Frame> {
    let t: TradeFrame<'_> = body(json, combined)?;
    if t.kind.as_deref().is_some_and(|k| k != "MARKET") {
        return Some(Frame::Other);
    }
    let price = decimal(t.p)?;
    let qty = decimal(t.q)?;
    if price == 0 || qty == 0 || t.event <= 0 {
        return None;
    }
    Some(Frame::Trade(RawTrade {
        symbol: t.s.into_owned(),
        aggregate,
        id: if aggregate { t.a? } else { t.t? },
        event_ms: t.event,
        transact_ms: t.transact,
        price,
        qty,
        buyer_is_maker: t.m,
    }))
}

fn levels(l: &[[&str; 2]]) -> Option<Vec<RawLevel>> {
    l.iter()
        .map(|[p, q]| {
            let p = decimal(p)?;
            (p > 0).then_some((p, decimal(q)?))
        })
        .collect()
}

/// A plain non-negative decimal, in 10⁻⁸; `None` for anything else (signs, exponents, NaN, a ninth decimal, overflow).
pub(super) fn decimal(s: &str) -> Option<i64> {
    let (int, frac) = s.split_once('.').unwrap_or((s, ""));
    let frac = frac.trim_end_matches('0');
    if int.is_empty() && frac.is_empty() || frac.len() > SCALE_DIGITS as usize {
        return None;
    }
    let mut v: i64 = 0;
    for c in int.bytes().chain(frac.bytes()) {
        if !c.is_ascii_digit() {
            return None;
        }
        v = v.checked_mul(10)?.checked_add(i64::from(c - b'0'))?;
    }
    v.checked_mul(10i64.pow(SCALE_DIGITS - frac.len() as u32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimals_are_exact_or_refused() {
        assert_eq!(decimal("61800.20"), Some(6_180_020_000_000));
        assert_eq!(decimal("0.001"), Some(100_000));
        assert_eq!(decimal("1001"), Some(100_100_000_000));
        assert_eq!(decimal("0.000"), Some(0));
        for bad in [
            "",
            ".",
            "-1",
            "+1",
            "1e5",
            "NaN",
            "1.2.3",
            "1.123456789",
            "99999999999999",
        ] {
            assert_eq!(decimal(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_negative_quantity_makes_the_frame_unreadable() {
        let l = br#"1 {"stream":"x@depth@0ms","data":{"e":"depthUpdate","E":1,"T":1,"s":"X","U":1,"u":2,"pu":0,"b":[["1.0","-1"]],"a":[]}}"#;
        assert!(frame(l).is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn no_line_makes_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = frame(&bytes);
        }

        #[test]
        fn a_cut_frame_is_refused_not_misread(cut in 3usize..150) {
            let l = br#"1 {"stream":"x@depth@0ms","data":{"e":"depthUpdate","E":1,"T":1,"s":"X","U":1,"u":2,"pu":0,"b":[["1.0","1"]],"a":[["2.0","3"]]}}"#;
            let n = cut.min(l.len() - 1);
            prop_assert!(frame(&l[..n]).is_none());
        }
    }
}
