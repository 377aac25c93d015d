//! Half a million broken messages into every decoder of the adapter: whatever comes, nothing panics. (The venue's half is the
//! venue's.) Each begins as a message somebody recorded and is bent from there, so that it gets past the first brace.
#![allow(clippy::unwrap_used)]

use crate::decode::{self, Decoder, Kind};
use crate::error::{Heard, classify};
use crate::rest::wire;
use crate::{instruments::Instruments, samples, user};
use helios_core::instrument::Instrument;
use rust_decimal::Decimal;

const INPUTS: u32 = 500_000;

/// Marsaglia's xorshift64*: the same inputs in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.roll() % n.max(1) as u64).unwrap()
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

/// What decoders have stumbled over elsewhere.
const AWKWARD: [&str; 28] = [
    "\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "true",
    "-1",
    "0",
    "1e400",
    "-0.0",
    "\"\"",
    "\"NaN\"",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551616",
    "\"79228162514264337593543950335\"",
    "\"0.0000000000000000000000000001\"",
    "\"-79228162514264337593543950335\"",
    "\"1e-30\"",
    "\"1E28\"",
    "\\u0000",
    "\\ud800",
    "\u{5e01}",
    "\"99999999999999999999999999999999999999999\"",
    "{\"e\":",
];

fn bend(text: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    for _ in 0..=dice.below(3) {
        let at = dice.below(text.len() + 1);
        let end = (at + dice.below(12)).min(text.len());
        match dice.below(8) {
            0 => text.truncate(at),
            1 => drop(text.splice(at..end, dice.one(&AWKWARD).bytes())),
            2 => drop(text.drain(at..end)),
            3 => {
                let again = text[at..end].to_vec();
                drop(text.splice(at..at, again));
            }
            4 if at < text.len() => text[at] = (dice.roll() & 0xff) as u8,
            5 => {
                let from = dice.below(other.len() + 1);
                drop(text.splice(at.., other[from..].iter().copied()));
            }
            6 => number(text, at, dice),
            _ => value(text, at, dice),
        }
    }
}

/// Puts another number where the next one stands.
fn number(text: &mut Vec<u8>, at: usize, dice: &mut Dice) {
    let digit = |c: &u8| c.is_ascii_digit() || *c == b'.' || *c == b'-';
    if let Some(start) = text[at..].iter().position(digit).map(|n| at + n) {
        let end = text[start..]
            .iter()
            .position(|c| !digit(c))
            .map_or(text.len(), |n| start + n);
        let digits = dice.one(&[
            "0",
            "-1",
            "1",
            "9007199254740993",
            "0.00000001",
            "79228162514264337593543950335",
            "1e9",
            ".",
            "-",
        ]);
        drop(text.splice(start..end, digits.bytes()));
    }
}

/// Puts another value after the next colon.
fn value(text: &mut Vec<u8>, at: usize, dice: &mut Dice) {
    if let Some(start) = text[at..]
        .iter()
        .position(|c| *c == b':')
        .map(|n| at + n + 1)
    {
        let end = text[start..]
            .iter()
            .position(|c| matches!(c, b',' | b'}' | b']'))
            .map_or(text.len(), |n| start + n);
        drop(text.splice(start..end, dice.one(&AWKWARD).bytes()));
    }
}

fn grid(tick: Decimal, step: Decimal) -> Instrument {
    Instrument::with_grid("BTCUSDT", tick, step).unwrap()
}

/// Everything that takes bytes from the exchange.
fn feed(
    bytes: &[u8],
    read: samples::Read,
    decoders: &[Decoder],
    known: &Instruments,
    dice: &mut Dice,
) {
    let data = decode::decode_combined(bytes).map_or(bytes, |c| c.data);
    let d = &decoders[dice.below(decoders.len())];
    let kind = decode::head(data).map_or(Kind::Other, |h| h.kind);
    let _ = d.event(kind, data);
    let kinds = [
        Kind::Depth,
        Kind::AggTrade,
        Kind::Trade,
        Kind::BookTicker,
        Kind::MarkPrice,
        Kind::Snapshot,
    ];
    let _ = d.event(kinds[dice.below(kinds.len())], data);
    let _ = decode::mark_prices(data);
    let _ = user::decode(bytes, known);
    if let Ok(v) = serde_json::from_slice::<serde_json::Value>(bytes) {
        let _ = read(&v);
    }
    let error: Option<wire::ErrorBody> = serde_json::from_slice(bytes).ok();
    let text = String::from_utf8_lossy(bytes);
    let heard = Heard {
        retry_after_ms: None,
        now_ms: 0,
    };
    let _ = classify(400, error.map(|e| e.code), &text, heard);
}

#[test]
fn nothing_that_can_come_from_the_exchange_panics() {
    let mut readers = samples::readers();
    if readers.is_empty() {
        let depth = r#"{"stream":"btcusdt@depth","data":{"e":"depthUpdate","E":1,"T":1,"s":"BTCUSDT","U":1,"u":2,"pu":0,"b":[["1.0","2.0"]],"a":[]}}"#;
        readers.push((depth.into(), |_| Ok(())));
    }
    let (fine, coarse) = (Decimal::new(1, 8), Decimal::from(1_000));
    let grids = [
        grid(fine, fine),
        grid(Decimal::new(1, 1), Decimal::new(1, 3)),
        grid(coarse, coarse),
    ];
    let decoders: Vec<Decoder> = grids.iter().map(|g| Decoder::new(g).unwrap()).collect();
    let known: Instruments = [grids[1].clone()].into_iter().collect();
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    for n in 0..INPUTS {
        let (text, read) = &readers[dice.below(readers.len())];
        let mut bytes = text.clone().into_bytes();
        let other = readers[dice.below(readers.len())].0.as_bytes();
        bend(&mut bytes, other, &mut dice);
        let fed =
            std::panic::AssertUnwindSafe(|| feed(&bytes, *read, &decoders, &known, &mut dice));
        if std::panic::catch_unwind(fed).is_err() {
            panic!("input {n}: {}", String::from_utf8_lossy(&bytes));
        }
    }
}
