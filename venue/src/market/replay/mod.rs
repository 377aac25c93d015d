//! A recording played back: its book with its own update ids, its trades, and a mark price made from its mid.
//!
//! The whole recording is read when it is opened, so that its grid, its gaps and its statistics are known before the first
//! event. Order is the venue's event time. A break in the update ids makes the book unknown: events are held back until a
//! later snapshot, and without one the recording ends there; both are counted.

mod build;
mod decode;
mod marks;

use super::MarketSource;
use super::history::History;
use crate::engine::{MarketInput, SymbolId, SymbolSpec};
use helios_core::market::Bar;
use std::collections::VecDeque;
use std::io::Read;
use std::path::Path;

/// Why a recording can't be played.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// It could not be opened, or not one line could be read.
    #[error("{path}: {what}")]
    Io {
        /// File, or "recording" when there is none.
        path: String,
        /// The system's words.
        what: String,
    },
    /// There is no depth event in it.
    #[error(
        "no depth event among {lines} lines ({bad} of them unreadable): is it a capture of combined-stream frames?"
    )]
    NoDepth {
        /// Lines read.
        lines: u64,
        /// Of them unreadable.
        bad: u64,
    },
    /// There is no REST snapshot in it, so the book can't be known.
    #[error(
        "no snapshot ({{\"lastUpdateId\": ...}}) among {lines} lines: the book can't be built from changes alone"
    )]
    NoSnapshot {
        /// Lines read.
        lines: u64,
    },
    /// No depth event follows on any snapshot.
    #[error(
        "none of {snapshots} snapshots is followed by a depth event with U <= lastUpdateId <= u"
    )]
    NeverSynced {
        /// Snapshots seen.
        snapshots: u64,
    },
    /// The prices or quantities make no grid.
    #[error("{0}")]
    Grid(String),
}

/// What was found in a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayStats {
    /// Lines read.
    pub lines: u64,
    /// Lines that are no frame and no snapshot.
    pub bad_lines: u64,
    /// Frames of other contracts than the first.
    pub other_symbol: u64,
    /// Frames of kinds that are not played.
    pub other_frames: u64,
    /// Depth events played.
    pub depth_applied: u64,
    /// Depth events older than the book (before the snapshot, or sent twice).
    pub depth_stale: u64,
    /// Depth events lost between a gap and the snapshot after it.
    pub depth_lost: u64,
    /// Breaks in the update ids.
    pub gaps: u64,
    /// Snapshots played after the first.
    pub resyncs: u64,
    /// Events after which best bid ≥ best ask.
    pub crossed: u64,
    /// Aggregate trades played.
    pub trades: u64,
    /// The file breaks off (truncated or corrupt gz); what came before is played.
    pub truncated: Option<String>,
    /// Venue time from which the book is unknown for good, ms.
    pub unsynced_from_ms: Option<i64>,
}

/// A recording as a source.
#[derive(Clone, Debug)]
pub struct Replay {
    spec: SymbolSpec,
    start_ms: i64,
    events: VecDeque<(i64, MarketInput)>,
    history: History,
    stats: ReplayStats,
}

impl Replay {
    /// Reads a capture, gz or plain.
    ///
    /// # Errors
    /// [`ReplayError`] when it can't be read or holds no book.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReplayError> {
        let path = path.as_ref();
        let io = |e: std::io::Error| ReplayError::Io {
            path: path.display().to_string(),
            what: e.to_string(),
        };
        let file = std::fs::File::open(path).map_err(io)?;
        Self::from_reader(file).map_err(|e| match e {
            ReplayError::Io { what, .. } => ReplayError::Io {
                path: path.display().to_string(),
                what,
            },
            e => e,
        })
    }

    /// Reads a capture from any stream of bytes.
    ///
    /// # Errors
    /// [`ReplayError`] when it can't be read or holds no book.
    pub fn from_reader(reader: impl Read) -> Result<Self, ReplayError> {
        build::Recording::read(reader)?.build()
    }

    /// What was found in it.
    pub fn stats(&self) -> &ReplayStats {
        &self.stats
    }
}

impl MarketSource for Replay {
    fn symbols(&self) -> Vec<SymbolSpec> {
        vec![self.spec.clone()]
    }

    fn label(&self) -> String {
        format!(
            "recorded market, synthesised mark price ({}; bars before the recording are synthesised too)",
            self.spec.instrument.symbol
        )
    }

    fn start_ms(&self) -> i64 {
        self.start_ms
    }

    fn peek_ms(&self) -> Option<i64> {
        self.events.front().map(|e| e.0)
    }

    fn next_event(&mut self) -> Option<(i64, SymbolId, MarketInput)> {
        let (t, e) = self.events.pop_front()?;
        if let MarketInput::Trade(x) = &e {
            self.history.on_trade(t, x.price, x.qty);
        } else {
            self.history.advance(t);
        }
        Some((t, SymbolId(0), e))
    }

    fn history(
        &self,
        symbol: SymbolId,
        interval_ms: i64,
        before_ms: i64,
        limit: usize,
    ) -> Vec<Bar> {
        if symbol.0 == 0 {
            self.history.bars(interval_ms, before_ms, limit)
        } else {
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests;
