//! What a frame is, before its numbers are read: combined-stream envelope, event type, symbol.
//!
//! Reads the fixed shape the exchange sends first and falls back to a scan of the object's top-level fields in any order.
//! This and [`super::market`] are the seam for a fixed-shape scanner of whole frames: same signatures, same errors.

use super::DecodeError;

/// The envelope of a combined stream: `{"stream":"<name>","data":<payload>}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Combined<'a> {
    /// E.g. `btcusdt@depth@100ms`.
    pub stream: &'a str,
    /// The event's JSON.
    pub data: &'a [u8],
}

impl<'a> Combined<'a> {
    /// The part before the first `@`, lower case as subscribed; empty for `!`-streams such as `!markPrice@arr`.
    pub fn symbol_lower(&self) -> &'a str {
        let head = self.stream.split('@').next().unwrap_or_default();
        if head.starts_with('!') { "" } else { head }
    }
}

/// Splits a combined-stream frame.
///
/// # Errors
/// [`DecodeError::Json`] when it is no JSON object, [`DecodeError::Missing`] when `stream` or `data` is not there.
pub fn decode_combined(frame: &[u8]) -> Result<Combined<'_>, DecodeError> {
    if let Some(c) = fixed_combined(frame) {
        return Ok(c);
    }
    let (mut stream, mut data) = (None, None);
    top_level(frame, |key, value| {
        match key {
            b"stream" => stream = text(value),
            b"data" => data = Some(value),
            _ => {}
        }
        true
    })?;
    Ok(Combined {
        stream: stream.ok_or(DecodeError::Missing("stream"))?,
        data: data.ok_or(DecodeError::Missing("data"))?,
    })
}

/// The shape the exchange really sends: `stream` first, `data` last. The payload is checked when it is decoded.
fn fixed_combined(frame: &[u8]) -> Option<Combined<'_>> {
    let rest = frame.trim_ascii().strip_prefix(b"{\"stream\":\"")?;
    let end = rest.iter().take(128).position(|c| *c == b'"')?;
    let (name, rest) = rest.split_at(end);
    let data = rest.strip_prefix(b"\",\"data\":{")?.strip_suffix(b"}}")?;
    if name.contains(&b'\\') {
        return None;
    }
    // Give the payload its braces back.
    let start = frame.len() - frame.trim_ascii_start().len() + 11 + end + 9;
    let data = &frame[start..start + data.len() + 2];
    Some(Combined {
        stream: std::str::from_utf8(name).ok()?,
        data,
    })
}

/// Kind of a market payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `depthUpdate`.
    Depth,
    /// `aggTrade`.
    AggTrade,
    /// `trade`.
    Trade,
    /// `bookTicker`.
    BookTicker,
    /// `markPriceUpdate`.
    MarkPrice,
    /// A REST depth snapshot (`lastUpdateId`, no `e`).
    Snapshot,
    /// Anything else.
    Other,
}

impl Kind {
    /// By the event's `e`.
    pub fn of_event(e: &str) -> Self {
        match e {
            "depthUpdate" => Self::Depth,
            "aggTrade" => Self::AggTrade,
            "trade" => Self::Trade,
            "bookTicker" => Self::BookTicker,
            "markPriceUpdate" => Self::MarkPrice,
            _ => Self::Other,
        }
    }
}

/// What a payload says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head<'a> {
    /// Kind.
    pub kind: Kind,
    /// `e`, empty where there is none.
    pub event: &'a str,
    /// `s` (or `symbol` of a snapshot), empty where there is none.
    pub symbol: &'a str,
}

/// Reads the kind and symbol of a payload without its numbers. Stops as soon as both are known.
///
/// # Errors
/// [`DecodeError::Json`] when it is no JSON object.
pub fn head(payload: &[u8]) -> Result<Head<'_>, DecodeError> {
    let (mut event, mut symbol, mut snapshot) = (None, None, false);
    top_level(payload, |key, value| {
        match key {
            b"e" => event = text(value),
            b"s" | b"symbol" => symbol = text(value),
            b"lastUpdateId" => snapshot = true,
            _ => {}
        }
        event.is_none() || symbol.is_none()
    })?;
    let kind = match event {
        Some(e) => Kind::of_event(e),
        None if snapshot => Kind::Snapshot,
        None => Kind::Other,
    };
    Ok(Head {
        kind,
        event: event.unwrap_or_default(),
        symbol: symbol.unwrap_or_default(),
    })
}

/// A string's content, when it needs no unescaping.
fn text(value: &[u8]) -> Option<&str> {
    let inner = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if inner.contains(&b'\\') {
        return None;
    }
    std::str::from_utf8(inner).ok()
}

/// Calls `each(key, value)` with the raw bytes of every top-level field of an object until it returns false. Nested values
/// are skipped by their brackets and strings; whether they are well formed is for the decoder to say.
fn top_level<'a>(
    json: &'a [u8],
    mut each: impl FnMut(&'a [u8], &'a [u8]) -> bool,
) -> Result<(), DecodeError> {
    let bad = |offset: usize, what: &'static str| DecodeError::Json {
        offset,
        message: what.into(),
    };
    let mut i = skip_blank(json, 0);
    if json.get(i) != Some(&b'{') {
        return Err(bad(i, "expected an object"));
    }
    i = skip_blank(json, i + 1);
    if json.get(i) == Some(&b'}') {
        return Ok(());
    }
    loop {
        let key_end = skip_string(json, i).ok_or_else(|| bad(i, "expected a field name"))?;
        let key = &json[i + 1..key_end - 1];
        i = skip_blank(json, key_end);
        if json.get(i) != Some(&b':') {
            return Err(bad(i, "expected ':'"));
        }
        let start = skip_blank(json, i + 1);
        let end = skip_value(json, start).ok_or_else(|| bad(start, "unfinished value"))?;
        if !each(key, &json[start..end]) {
            return Ok(());
        }
        i = skip_blank(json, end);
        match json.get(i) {
            Some(b',') => i = skip_blank(json, i + 1),
            Some(b'}') => return Ok(()),
            _ => return Err(bad(i, "expected ',' or '}'")),
        }
    }
}

fn skip_blank(json: &[u8], mut i: usize) -> usize {
    while matches!(json.get(i), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        i += 1;
    }
    i
}

/// Index after the closing quote of the string that opens at `i`.
fn skip_string(json: &[u8], i: usize) -> Option<usize> {
    if json.get(i) != Some(&b'"') {
        return None;
    }
    let mut i = i + 1;
    loop {
        match json.get(i)? {
            b'"' => return Some(i + 1),
            b'\\' => i += 2,
            _ => i += 1,
        }
    }
}

/// Index after the value that starts at `i`.
fn skip_value(json: &[u8], start: usize) -> Option<usize> {
    let mut i = start;
    let mut open = 0u32;
    loop {
        match json.get(i)? {
            b'"' => i = skip_string(json, i)?,
            b'{' | b'[' => {
                open += 1;
                i += 1;
                continue;
            }
            b'}' | b']' if open > 0 => {
                open -= 1;
                i += 1;
            }
            b',' | b'}' | b']' if open == 0 => return (i > start).then_some(i),
            _ => {
                i += 1;
                continue;
            }
        }
        if open == 0 {
            return Some(i);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_combined_frame_splits_in_any_order_and_spacing() {
        let want = Combined {
            stream: "btcusdt@depth@0ms",
            data: br#"{"e":"depthUpdate","s":"BTCUSDT","b":[["1","2"]]}"#,
        };
        for frame in [
            r#"{"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","s":"BTCUSDT","b":[["1","2"]]}}"#,
            "  {\"stream\":\"btcusdt@depth@0ms\",\"data\":{\"e\":\"depthUpdate\",\"s\":\"BTCUSDT\",\"b\":[[\"1\",\"2\"]]}}\r\n",
            r#"{ "data" : {"e":"depthUpdate","s":"BTCUSDT","b":[["1","2"]]} , "x":[{"}":"]"}], "stream" : "btcusdt@depth@0ms" }"#,
        ] {
            assert_eq!(decode_combined(frame.as_bytes()).unwrap(), want);
        }
        assert_eq!(want.symbol_lower(), "btcusdt");
        assert_eq!(
            head(want.data).unwrap(),
            Head {
                kind: Kind::Depth,
                event: "depthUpdate",
                symbol: "BTCUSDT"
            }
        );
    }

    #[test]
    fn an_array_payload_is_split_too() {
        let c = decode_combined(br#"{"stream":"!markPrice@arr","data":[{"s":"A"}]}"#).unwrap();
        assert_eq!((c.data, c.symbol_lower()), (&br#"[{"s":"A"}]"#[..], ""));
    }

    #[test]
    fn what_is_no_frame_is_an_error() {
        for bad in [
            "",
            "x",
            "[]",
            "{",
            "{\"stream\"",
            "{\"stream\":\"a\"",
            "{\"stream\":\"a\"}",
            "{\"data\":{}}",
            "{\"stream\":\"a\",\"data\":{\"b\":1",
            "\u{0}\u{1}",
        ] {
            assert!(decode_combined(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert_eq!(
            head(br#"{"lastUpdateId":1,"bids":[]}"#).unwrap().kind,
            Kind::Snapshot
        );
        assert_eq!(head(br#"{"code":-1003}"#).unwrap().kind, Kind::Other);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), cut in 0usize..90) {
            let _ = decode_combined(&bytes);
            let _ = head(&bytes);
            let good = br#"{"stream":"btcusdt@trade","data":{"e":"trade","s":"BTCUSDT","p":"1.0","q":"2"}}"#;
            let _ = decode_combined(&good[..cut.min(good.len())]);
        }
    }
}
