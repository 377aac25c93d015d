//! Lines to symbols: opens each frame, finds whose it is, decodes it on that symbol's grid, counts what can't be read.

use super::lines::{End, Line};
use super::stats::Arrivals;
use super::symbol::{SymbolState, bump};
use helios_binance::decode::{
    DecodeError, Decoder, GridGuess, Kind, MarketEvent, decode_combined, head,
};
use std::collections::BTreeMap;

/// Bad frames shown one by one; all are counted.
const LISTED: usize = 10;
/// Nameless snapshots kept until a symbol fits.
const MAX_ORPHANS: usize = 16;
/// A nameless snapshot belongs to the symbol whose price is nearest, within this fraction.
const SAME_PRICE: f64 = 0.03;
/// Times a recording is read again for a finer grid; beyond that it is noise and counted as bad frames.
const MAX_PASSES: u32 = 64;

/// Grids found so far; they outlive a pass.
#[derive(Debug, Default)]
pub struct Grids {
    guesses: BTreeMap<String, GridGuess>,
    passes: u32,
}

/// What to do after a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Next,
    /// A number was finer than the grid: the grid is finer now, start over.
    ReadAgain,
}

/// Everything found.
#[derive(Debug)]
pub struct Report {
    /// How the reading ended.
    pub end: End,
    /// Frames understood (types of no interest included).
    pub frames: u64,
    /// Frames by type, all symbols.
    pub frames_by_type: BTreeMap<String, u64>,
    /// Lines that are no frame, or whose numbers are none.
    pub bad_frames: u64,
    /// The first of them: line and reason.
    pub bad_examples: Vec<(u64, String)>,
    /// Nameless snapshots that fit no symbol.
    pub orphans: u64,
    /// When frames came.
    pub arrivals: Arrivals,
    /// By name.
    pub symbols: BTreeMap<String, SymbolState>,
    /// Levels a side that NOBI sums.
    pub depth: usize,
}

/// A snapshot that does not say whose it is.
struct Orphan {
    line: u64,
    local_ns: Option<i64>,
    payload: Vec<u8>,
    mid: f64,
}

/// One pass over a recording.
pub struct Analysis<'g> {
    grids: &'g mut Grids,
    orphans: Vec<Orphan>,
    report: Report,
}

impl<'g> Analysis<'g> {
    /// A pass with the grids known so far.
    pub fn new(grids: &'g mut Grids, depth: usize) -> Self {
        grids.passes += 1;
        Self {
            grids,
            orphans: Vec::new(),
            report: Report {
                end: End::default(),
                frames: 0,
                frames_by_type: BTreeMap::new(),
                bad_frames: 0,
                bad_examples: Vec::new(),
                orphans: 0,
                arrivals: Arrivals::default(),
                symbols: BTreeMap::new(),
                depth,
            },
        }
    }

    /// Takes a line.
    pub fn line(&mut self, line: Line<'_>) -> Verdict {
        match self.try_line(line) {
            Ok(verdict) => verdict,
            Err(why) => {
                self.report.bad_frames += 1;
                if self.report.bad_examples.len() < LISTED {
                    self.report.bad_examples.push((line.number, why));
                }
                Verdict::Next
            }
        }
    }

    /// The end of the recording.
    pub fn finish(mut self, end: End) -> Report {
        for s in self.report.symbols.values_mut() {
            s.oracle.finish();
        }
        self.report.orphans = self.report.orphans.max(self.orphans.len() as u64);
        self.report.end = end;
        self.report
    }

    fn try_line(&mut self, line: Line<'_>) -> Result<Verdict, String> {
        let frame = line.frame?;
        let (stream, payload) = match decode_combined(frame) {
            Ok(c) => (Some(c), c.data),
            // A bare REST snapshot, or a frame of a raw (not combined) stream.
            Err(DecodeError::Missing(_)) => (None, frame),
            Err(e) => return Err(e.to_string()),
        };
        if payload.first() == Some(&b'[') {
            let name = stream.map_or("array", |s| s.stream).to_owned();
            self.count_frame(&name, line.local_ns);
            return Ok(Verdict::Next);
        }
        let h = head(payload).map_err(|e| e.to_string())?;
        let symbol = match (h.symbol, stream) {
            ("", Some(s)) => s.symbol_lower().to_uppercase(),
            (s, _) => s.to_owned(),
        };
        let name = match h.kind {
            Kind::Snapshot => "snapshot",
            Kind::Depth if stream.is_some_and(|s| is_partial(s.stream)) => "partialDepth",
            _ if !h.event.is_empty() => h.event,
            _ => "other",
        };
        if h.kind == Kind::Other || name == "partialDepth" {
            // Not ours to read, but it must be whole.
            serde_json::from_slice::<serde::de::IgnoredAny>(payload).map_err(|e| e.to_string())?;
            self.count_frame(name, line.local_ns);
            return Ok(Verdict::Next);
        }
        if symbol.is_empty() {
            if h.kind != Kind::Snapshot {
                return Err("the frame names no symbol".into());
            }
            let mid = snapshot_mid(payload).map_err(|e| e.to_string())?;
            self.count_frame(name, line.local_ns);
            return Ok(self.nameless(Orphan {
                line: line.number,
                local_ns: line.local_ns,
                payload: payload.to_vec(),
                mid,
            }));
        }
        let verdict = self.decode(&symbol, h.kind, payload, |s, event| {
            if let (MarketEvent::Depth(_), Some(c)) = (&event, stream) {
                let followed = s.depth_stream.get_or_insert_with(|| c.stream.to_owned());
                if followed != c.stream {
                    s.count("secondDepthStream", line.local_ns);
                    return;
                }
            }
            s.count(name, line.local_ns);
            s.event(event, line.number, line.local_ns);
        })?;
        self.count_frame(name, line.local_ns);
        if verdict == Verdict::Next && h.kind != Kind::Snapshot {
            return Ok(self.adopt(&symbol));
        }
        Ok(verdict)
    }

    fn count_frame(&mut self, name: &str, local_ns: Option<i64>) {
        self.report.frames += 1;
        bump(&mut self.report.frames_by_type, name);
        if let Some(ns) = local_ns {
            self.report.arrivals.add(ns);
        }
    }

    /// Decodes on the symbol's grid and hands the event on; widens the grid when a number is finer.
    fn decode(
        &mut self,
        symbol: &str,
        kind: Kind,
        payload: &[u8],
        then: impl FnOnce(&mut SymbolState, MarketEvent),
    ) -> Result<Verdict, String> {
        let words = |e: DecodeError| e.to_string();
        if !self.report.symbols.contains_key(symbol) {
            // The grid of a symbol's first frame is the first guess, kept only if the frame can be read.
            let mut guess = self.grids.guesses.get(symbol).copied().unwrap_or_default();
            guess.observe(kind, payload).map_err(words)?;
            let instrument = guess.instrument(symbol).map_err(|e| e.to_string())?;
            let decoder = Decoder::new(&instrument).map_err(words)?;
            decoder.event(kind, payload).map_err(words)?;
            self.grids.guesses.insert(symbol.to_owned(), guess);
            let state = SymbolState::new(instrument, decoder, self.report.depth);
            self.report.symbols.insert(symbol.to_owned(), state);
        }
        let Some(state) = self.report.symbols.get_mut(symbol) else {
            return Ok(Verdict::Next);
        };
        match state.decoder.event(kind, payload) {
            Ok(Some(event)) => then(state, event),
            Ok(None) => {}
            Err(e) if e.is_off_grid() && self.grids.passes < MAX_PASSES => {
                let mut guess = self.grids.guesses.get(symbol).copied().unwrap_or_default();
                if !guess.observe(kind, payload).map_err(words)? {
                    return Err(e.to_string());
                }
                // Only for numbers that a finer grid can read: garbage beside them is still a bad frame.
                let finer = guess.instrument(symbol).map_err(|e| e.to_string())?;
                Decoder::new(&finer)
                    .and_then(|d| d.event(kind, payload))
                    .map_err(words)?;
                self.grids.guesses.insert(symbol.to_owned(), guess);
                return Ok(Verdict::ReadAgain);
            }
            Err(e) => return Err(e.to_string()),
        }
        Ok(Verdict::Next)
    }

    /// A snapshot without a name goes to the symbol whose price is nearest, or waits for one.
    fn nameless(&mut self, o: Orphan) -> Verdict {
        let distance = |s: &SymbolState| s.rough_mid.map(|m| (m / o.mid - 1.0).abs());
        let nearest = self
            .report
            .symbols
            .iter()
            .filter_map(|(n, s)| Some((distance(s)?, n)))
            .filter(|(d, _)| *d <= SAME_PRICE)
            .min_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, n)| n.clone());
        match nearest {
            Some(symbol) => self.give(&symbol, &o),
            None => {
                if self.orphans.len() >= MAX_ORPHANS {
                    self.orphans.remove(0);
                    self.report.orphans += 1;
                }
                self.orphans.push(o);
                Verdict::Next
            }
        }
    }

    /// Gives waiting snapshots to a symbol whose price is known now.
    fn adopt(&mut self, symbol: &str) -> Verdict {
        if self.orphans.is_empty() {
            return Verdict::Next;
        }
        let Some(mid) = self.report.symbols.get(symbol).and_then(|s| s.rough_mid) else {
            return Verdict::Next;
        };
        let (mine, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.orphans)
            .into_iter()
            .partition(|o| (mid / o.mid - 1.0).abs() <= SAME_PRICE);
        self.orphans = others;
        for o in mine {
            if self.give(symbol, &o) == Verdict::ReadAgain {
                return Verdict::ReadAgain;
            }
        }
        Verdict::Next
    }

    fn give(&mut self, symbol: &str, o: &Orphan) -> Verdict {
        let given = self.decode(symbol, Kind::Snapshot, &o.payload, |s, event| {
            s.count("snapshot", None);
            s.event(event, o.line, o.local_ns);
        });
        given.unwrap_or_else(|why| {
            self.report.bad_frames += 1;
            if self.report.bad_examples.len() < LISTED {
                self.report.bad_examples.push((o.line, why));
            }
            Verdict::Next
        })
    }
}

/// `<symbol>@depth5`, `@depth20@100ms`, ...: whole best levels, not changes.
fn is_partial(stream: &str) -> bool {
    stream
        .split('@')
        .nth(1)
        .and_then(|s| s.strip_prefix("depth"))
        .is_some_and(|n| n.bytes().next().is_some_and(|c| c.is_ascii_digit()))
}

/// Mid price of a snapshot whose grid is not known yet; good enough to tell symbols apart.
fn snapshot_mid(payload: &[u8]) -> Result<f64, String> {
    #[derive(serde::Deserialize)]
    struct Sides<'a> {
        #[serde(borrow)]
        bids: Vec<(&'a str, &'a str)>,
        #[serde(borrow)]
        asks: Vec<(&'a str, &'a str)>,
    }
    let s: Sides<'_> = serde_json::from_slice(payload).map_err(|e| e.to_string())?;
    let price = |l: Option<&(&str, &str)>| l.and_then(|l| l.0.parse::<f64>().ok());
    match (price(s.bids.first()), price(s.asks.first())) {
        (Some(b), Some(a)) if b > 0.0 && a > 0.0 && (a + b).is_finite() => Ok((a + b) / 2.0),
        _ => Err("the snapshot has no usable best bid and ask".into()),
    }
}
