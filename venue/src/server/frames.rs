//! The JSON of public market frames, written by hand because they are the venue's hot path.
//!
//! Field names, order and types are the exchange's (recorded frames, and its connector's examples for the fields `ps` and
//! `st` that came with the merger of its two futures markets). One call makes one frame; who receives it is the hub's.

use super::day::Day;
use super::text::{Grid, write_i64, write_u64};
use crate::engine::SymbolSpec;
use helios_core::fixed::{Price, Qty};
use helios_core::market::{AggTrade, Bar, BookLevels, BookTicker, DepthUpdate, MarkPrice};
use rust_decimal::Decimal;

/// What printing needs to know of a contract.
#[derive(Clone, Debug)]
pub(super) struct SymbolText {
    /// Name as the exchange spells it.
    pub(super) name: String,
    /// Price grid.
    pub(super) price: Grid,
    /// Quantity grid.
    pub(super) qty: Grid,
    /// Tick.
    pub(super) tick: Decimal,
    /// Step.
    pub(super) step: Decimal,
}

impl SymbolText {
    /// `None` when the grid can't be printed or the name is no plain JSON string.
    pub(super) fn of(spec: &SymbolSpec) -> Option<Self> {
        let i = &spec.instrument;
        let clean = !i.symbol.is_empty()
            && !i
                .symbol
                .chars()
                .any(|c| c.is_control() || c == '"' || c == '\\');
        clean.then_some(())?;
        Some(Self {
            name: i.symbol.to_string(),
            price: Grid::of(i.tick)?,
            qty: Grid::of(i.step)?,
            tick: i.tick,
            step: i.step,
        })
    }

    /// A price as text.
    pub(super) fn p(&self, p: Price) -> String {
        self.price.text(p.0)
    }

    /// A quantity as text.
    pub(super) fn q(&self, q: Qty) -> String {
        self.qty.text(q.0)
    }

    /// A price as a number; 0 beyond what can be told.
    pub(super) fn price_dec(&self, p: Price) -> Decimal {
        Decimal::from(p.0)
            .checked_mul(self.tick)
            .unwrap_or_default()
    }

    /// Price × quantity; 0 beyond what can be told.
    pub(super) fn quote(&self, price: Price, qty: Qty) -> Decimal {
        let qty = Decimal::from(qty.0).checked_mul(self.step);
        let v = qty.and_then(|q| q.checked_mul(self.price_dec(price)));
        v.unwrap_or_default()
    }
}

fn key(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn int(out: &mut Vec<u8>, name: &str, v: i64) {
    key(out, name);
    write_i64(out, v);
}

fn uint(out: &mut Vec<u8>, name: &str, v: u64) {
    key(out, name);
    write_u64(out, v);
}

fn string(out: &mut Vec<u8>, name: &str, v: &str) {
    key(out, name);
    out.push(b'"');
    out.extend_from_slice(v.as_bytes());
    out.push(b'"');
}

fn units(out: &mut Vec<u8>, name: &str, grid: Grid, v: i64) {
    key(out, name);
    out.push(b'"');
    grid.write(out, v);
    out.push(b'"');
}

/// Appends `[["price","qty"],…]`.
pub(super) fn levels<'a>(
    out: &mut Vec<u8>,
    s: &SymbolText,
    side: impl IntoIterator<Item = &'a (Price, Qty)>,
) {
    out.push(b'[');
    let mut first = true;
    for (p, q) in side {
        out.extend_from_slice(if first { b"[\"" } else { b",[\"" });
        first = false;
        s.price.write(out, p.0);
        out.extend_from_slice(b"\",\"");
        s.qty.write(out, q.0);
        out.extend_from_slice(b"\"]");
    }
    out.push(b']');
}

/// `depthUpdate`, also the shape of partial-depth streams.
pub(super) fn depth(s: &SymbolText, u: &DepthUpdate) -> Vec<u8> {
    depth_of(s, u, &u.bids, &u.asks)
}

/// `depthUpdate` with other levels than the update's own.
pub(super) fn depth_of(
    s: &SymbolText,
    u: &DepthUpdate,
    bids: &BookLevels,
    asks: &BookLevels,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(200 + 28 * (bids.len() + asks.len()));
    out.extend_from_slice(b"{\"e\":\"depthUpdate\"");
    int(&mut out, "E", u.event_ms);
    int(&mut out, "T", u.transact_ms);
    string(&mut out, "s", &s.name);
    uint(&mut out, "U", u.first_id);
    uint(&mut out, "u", u.last_id);
    uint(&mut out, "pu", u.prev_last_id);
    key(&mut out, "b");
    levels(&mut out, s, bids);
    key(&mut out, "a");
    levels(&mut out, s, asks);
    tail(&mut out, s);
    out
}

fn tail(out: &mut Vec<u8>, s: &SymbolText) {
    string(out, "ps", &s.name);
    out.extend_from_slice(b",\"st\":1}");
}

/// `bookTicker`.
pub(super) fn book_ticker(s: &SymbolText, t: &BookTicker) -> Vec<u8> {
    let mut out = Vec::with_capacity(220);
    out.extend_from_slice(b"{\"e\":\"bookTicker\"");
    uint(&mut out, "u", t.update_id);
    string(&mut out, "s", &s.name);
    units(&mut out, "b", s.price, t.bid.0.0);
    units(&mut out, "B", s.qty, t.bid.1.0);
    units(&mut out, "a", s.price, t.ask.0.0);
    units(&mut out, "A", s.qty, t.ask.1.0);
    int(&mut out, "T", t.transact_ms);
    int(&mut out, "E", t.event_ms);
    tail(&mut out, s);
    out
}

/// `aggTrade`. One simulated trade is one aggregate, so first and last trade id are its own.
pub(super) fn agg_trade(s: &SymbolText, t: &AggTrade) -> Vec<u8> {
    let mut out = Vec::with_capacity(200);
    out.extend_from_slice(b"{\"e\":\"aggTrade\"");
    int(&mut out, "E", t.event_ms);
    uint(&mut out, "a", t.id);
    string(&mut out, "s", &s.name);
    units(&mut out, "p", s.price, t.price.0);
    units(&mut out, "q", s.qty, t.qty.0);
    units(&mut out, "nq", s.qty, t.qty.0);
    uint(&mut out, "f", t.id);
    uint(&mut out, "l", t.id);
    int(&mut out, "T", t.transact_ms);
    key(&mut out, "m");
    out.extend_from_slice(if t.buyer_is_maker { b"true" } else { b"false" });
    out.extend_from_slice(b",\"st\":1}");
    out
}

/// `trade`.
pub(super) fn trade(s: &SymbolText, t: &AggTrade) -> Vec<u8> {
    let mut out = Vec::with_capacity(160);
    out.extend_from_slice(b"{\"e\":\"trade\"");
    int(&mut out, "E", t.event_ms);
    int(&mut out, "T", t.transact_ms);
    string(&mut out, "s", &s.name);
    uint(&mut out, "t", t.id);
    units(&mut out, "p", s.price, t.price.0);
    units(&mut out, "q", s.qty, t.qty.0);
    string(&mut out, "X", "MARKET");
    key(&mut out, "m");
    out.extend_from_slice(if t.buyer_is_maker { b"true" } else { b"false" });
    out.push(b'}');
    out
}

/// `24hrTicker`. Sources count no trades.
pub(super) fn ticker(s: &SymbolText, d: &Day, event_ms: i64) -> Vec<u8> {
    let mut out = Vec::with_capacity(360);
    out.extend_from_slice(b"{\"e\":\"24hrTicker\"");
    int(&mut out, "E", event_ms);
    string(&mut out, "s", &s.name);
    string(&mut out, "p", &d.change(s));
    string(&mut out, "P", &d.percent(s));
    string(&mut out, "w", &d.average(s));
    units(&mut out, "c", s.price, d.last.0);
    units(&mut out, "Q", s.qty, d.last_qty.0);
    units(&mut out, "o", s.price, d.open.0);
    extremes(&mut out, s, d);
    int(&mut out, "O", d.open_ms);
    int(&mut out, "C", d.close_ms);
    int(&mut out, "F", 0);
    uint(&mut out, "L", d.last_id);
    int(&mut out, "n", 0);
    tail(&mut out, s);
    out
}

/// `24hrMiniTicker`.
pub(super) fn mini_ticker(s: &SymbolText, d: &Day, event_ms: i64) -> Vec<u8> {
    let mut out = Vec::with_capacity(220);
    out.extend_from_slice(b"{\"e\":\"24hrMiniTicker\"");
    int(&mut out, "E", event_ms);
    string(&mut out, "s", &s.name);
    units(&mut out, "c", s.price, d.last.0);
    units(&mut out, "o", s.price, d.open.0);
    extremes(&mut out, s, d);
    tail(&mut out, s);
    out
}

fn extremes(out: &mut Vec<u8>, s: &SymbolText, d: &Day) {
    units(out, "h", s.price, d.high.0);
    units(out, "l", s.price, d.low.0);
    units(out, "v", s.qty, d.volume.0);
    string(out, "q", &d.quote_volume());
}

/// `forceOrder`; `order` is the object of the order.
pub(super) fn force_order(s: &SymbolText, order: &[u8], event_ms: i64) -> Vec<u8> {
    let mut out = Vec::with_capacity(order.len() + 80);
    out.extend_from_slice(b"{\"e\":\"forceOrder\"");
    int(&mut out, "E", event_ms);
    key(&mut out, "o");
    out.extend_from_slice(order);
    tail(&mut out, s);
    out
}

/// `markPriceUpdate`.
pub(super) fn mark(s: &SymbolText, m: &MarkPrice) -> Vec<u8> {
    use super::text::fixed;
    let mut out = Vec::with_capacity(220);
    out.extend_from_slice(b"{\"e\":\"markPriceUpdate\"");
    int(&mut out, "E", m.event_ms);
    string(&mut out, "s", &s.name);
    string(&mut out, "p", &fixed(m.mark, 8));
    string(&mut out, "ap", &fixed(m.mark, 8));
    string(&mut out, "P", &fixed(m.index, 8));
    string(&mut out, "i", &fixed(m.index, 8));
    string(&mut out, "r", &fixed(m.funding_rate, 8));
    int(&mut out, "T", m.next_funding_ms);
    out.extend_from_slice(b",\"st\":1}");
    out
}

/// `kline` of an open (`closed` false) or closed bar.
pub(super) fn kline(
    s: &SymbolText,
    interval: &str,
    event_ms: i64,
    bar: &Bar,
    closed: bool,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(400);
    out.extend_from_slice(b"{\"e\":\"kline\"");
    int(&mut out, "E", event_ms);
    string(&mut out, "s", &s.name);
    candle(&mut out, s, interval, bar, closed, true);
    out
}

/// `continuous_kline` of a pair's perpetual contract.
pub(super) fn continuous_kline(
    s: &SymbolText,
    interval: &str,
    event_ms: i64,
    bar: &Bar,
    closed: bool,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(400);
    out.extend_from_slice(b"{\"e\":\"continuous_kline\"");
    int(&mut out, "E", event_ms);
    string(&mut out, "ps", &s.name);
    string(&mut out, "ct", "PERPETUAL");
    candle(&mut out, s, interval, bar, closed, false);
    out
}

/// The bar of a candle's event, and the event's end.
fn candle(out: &mut Vec<u8>, s: &SymbolText, interval: &str, bar: &Bar, closed: bool, named: bool) {
    out.extend_from_slice(b",\"k\":{\"t\":");
    write_i64(out, bar.open_ms);
    int(out, "T", bar.open_ms + bar.interval_ms - 1);
    if named {
        string(out, "s", &s.name);
    }
    string(out, "i", interval);
    out.extend_from_slice(b",\"f\":-1,\"L\":-1");
    units(out, "o", s.price, bar.open.0);
    units(out, "c", s.price, bar.close.0);
    units(out, "h", s.price, bar.high.0);
    units(out, "l", s.price, bar.low.0);
    units(out, "v", s.qty, bar.volume.0);
    int(out, "n", 0);
    key(out, "x");
    out.extend_from_slice(if closed { b"true" } else { b"false" });
    string(out, "q", &quote_volume(s, bar));
    units(out, "V", s.qty, 0);
    string(out, "Q", "0");
    string(out, "B", "0");
    out.extend_from_slice(b"}}");
}

/// Quote volume of a bar, estimated at its close: sources keep no sum of price × quantity.
pub(super) fn quote_volume(s: &SymbolText, bar: &Bar) -> String {
    super::text::fixed(s.quote(bar.close, bar.volume), 5)
}

/// The extension stream `helios@time` of accelerated venues.
pub(super) fn time(now_ms: i64) -> Vec<u8> {
    let mut out = Vec::with_capacity(48);
    out.extend_from_slice(b"{\"e\":\"heliosTime\"");
    int(&mut out, "E", now_ms);
    out.push(b'}');
    out
}
