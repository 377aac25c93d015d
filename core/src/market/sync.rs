//! Depth synchronisation: buffer, snapshot, then the exchange's `U`/`u`/`pu` rules; anything odd empties the book.
//!
//! Rules (Binance, "How to manage a local order book correctly"): events with `u < lastUpdateId` are dropped; the first one
//! processed has `U <= lastUpdateId <= u`; from then on each event's `pu` equals the previous `u`, else start over. An event
//! with `pu == lastUpdateId` is taken as the first one too: it follows the snapshot without a hole.
//! A repeated frame breaks the `pu` chain like a missing one, and is treated alike.
//! Borders: asks for nothing itself; whoever drives it fetches a snapshot while [`DepthSync::wants_snapshot`].

use super::{BadLevel, Book, DepthSnapshot, DepthUpdate};
use crate::fixed::{Price, Side};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// What became of one depth event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DepthOutcome {
    /// The book moved to this event.
    Applied,
    /// Kept until a snapshot comes.
    Buffered,
    /// Older than the snapshot (`u < lastUpdateId`): dropped, as the rules say.
    Stale,
    /// The chain broke: book emptied, event kept, snapshot wanted.
    Gap {
        /// `u` of the event (or `lastUpdateId` of the snapshot) before.
        expected: u64,
        /// `pu` of this event.
        got: u64,
    },
    /// In sequence, yet best bid ≥ best ask afterwards: book emptied, event kept, snapshot wanted.
    Crossed,
    /// A price or quantity no book may hold: book emptied, event thrown away, snapshot wanted.
    Refused(BadLevel),
    /// `U > u`: book emptied, event thrown away, snapshot wanted.
    Malformed,
}

impl DepthOutcome {
    /// True when this event cost us the book.
    pub const fn lost_sync(self) -> bool {
        matches!(
            self,
            Self::Gap { .. } | Self::Crossed | Self::Refused(_) | Self::Malformed
        )
    }
}

/// What became of one snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SnapshotOutcome {
    /// The book stands; buffered events were replayed on top.
    Synced {
        /// Buffered events applied.
        applied: usize,
        /// Buffered events older than the snapshot.
        stale: usize,
    },
    /// Older than the first buffered event (or than the live book): events stay, a newer one is wanted.
    TooOld {
        /// `lastUpdateId`.
        snapshot: u64,
        /// What it should have reached.
        needed: u64,
    },
    /// Buffered events broke off after this many were applied: the rest stays buffered, a newer snapshot is wanted.
    Broken {
        /// Buffered events applied before.
        applied: usize,
        /// Why.
        why: DepthOutcome,
    },
    /// Best bid ≥ best ask in the snapshot itself.
    Crossed,
    /// A price or quantity no book may hold.
    Refused(BadLevel),
    /// The book is live and no refill was begun.
    Ignored,
}

/// Counters since birth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncStats {
    /// Events applied.
    pub applied: u64,
    /// Events older than a snapshot.
    pub stale: u64,
    /// Breaks of the `pu` chain.
    pub gaps: u64,
    /// Crossed books, snapshots included.
    pub crossed: u64,
    /// Events and snapshots with impossible numbers.
    pub refused: u64,
    /// Buffered events thrown away because the buffer was full.
    pub overflowed: u64,
    /// Snapshots that brought the book (back) to life, the first included; refills are not.
    pub snapshots: u64,
    /// Of these, all but the first.
    pub resyncs: u64,
    /// Snapshots that renewed a live book.
    pub refills: u64,
}

/// A book with its place in the sequence.
#[derive(Clone, Debug)]
struct Line {
    book: Book,
    /// `u` of the last event applied, or `lastUpdateId`.
    last_id: u64,
    /// False until the first event after the snapshot proved the link.
    chained: bool,
    /// Worst price of the snapshot a side; levels beyond are unknown until touched. `None`: the whole side is known.
    horizon: [Option<Price>; 2],
}

impl Line {
    fn anchor(snapshot: &DepthSnapshot, limit: usize) -> Result<Self, BadLevel> {
        let mut book = Book::new();
        book.load(snapshot)?;
        let worst = |side| {
            let all = book.len(side) < limit;
            let last = match side {
                Side::Buy => book.bids().next_back(),
                Side::Sell => book.asks().next_back(),
            };
            last.filter(|_| !all).map(|l| l.0)
        };
        let horizon = [worst(Side::Buy), worst(Side::Sell)];
        Ok(Self {
            book,
            last_id: snapshot.last_id,
            chained: false,
            horizon,
        })
    }

    fn step(&mut self, e: &DepthUpdate) -> DepthOutcome {
        if e.first_id > e.last_id {
            return DepthOutcome::Malformed;
        }
        if !self.chained && e.last_id < self.last_id {
            return DepthOutcome::Stale;
        }
        // Here u >= lastUpdateId while unchained.
        let linked =
            e.prev_last_id == self.last_id || (!self.chained && e.first_id <= self.last_id);
        if !linked {
            return DepthOutcome::Gap {
                expected: self.last_id,
                got: e.prev_last_id,
            };
        }
        if let Err(bad) = self.book.apply(e) {
            return DepthOutcome::Refused(bad);
        }
        self.chained = true;
        self.last_id = e.last_id;
        if self.book.is_crossed() {
            return DepthOutcome::Crossed;
        }
        DepthOutcome::Applied
    }
}

/// The state machine around one [`Book`].
#[derive(Clone, Debug)]
pub struct DepthSync {
    line: Option<Line>,
    buffer: VecDeque<DepthUpdate>,
    capacity: usize,
    limit: usize,
    /// A snapshot is awaited although the book is live: applied events are kept as well.
    refill: bool,
    stats: SyncStats,
}

impl Default for DepthSync {
    fn default() -> Self {
        Self::new()
    }
}

impl DepthSync {
    /// Buffered events at most: at 100 ms well over a minute, far more than a snapshot takes.
    pub const CAPACITY: usize = 1024;
    /// Levels a side that a snapshot is asked for.
    pub const SNAPSHOT_LIMIT: usize = 1000;

    /// Unsynced, with the default bounds.
    pub fn new() -> Self {
        Self::with_bounds(Self::CAPACITY, Self::SNAPSHOT_LIMIT)
    }

    /// Unsynced. `capacity`: buffered events at most, the oldest go first. `snapshot_limit`: levels a side snapshots are
    /// asked for; a side with fewer is taken as known to its end.
    pub fn with_bounds(capacity: usize, snapshot_limit: usize) -> Self {
        Self {
            line: None,
            buffer: VecDeque::new(),
            capacity: capacity.max(1),
            limit: snapshot_limit,
            refill: false,
            stats: SyncStats::default(),
        }
    }

    /// The book, only while it may be trusted.
    pub fn book(&self) -> Option<&Book> {
        self.line.as_ref().map(|l| &l.book)
    }

    /// True while the book may be trusted.
    pub fn is_synced(&self) -> bool {
        self.line.is_some()
    }

    /// `u` of the last event applied, or the snapshot's `lastUpdateId` before the first.
    pub fn last_id(&self) -> Option<u64> {
        self.line.as_ref().map(|l| l.last_id)
    }

    /// True while a snapshot is needed: unsynced, or a refill was begun.
    pub fn wants_snapshot(&self) -> bool {
        self.line.is_none() || self.refill
    }

    /// Counters since birth.
    pub fn stats(&self) -> SyncStats {
        self.stats
    }

    /// Forgets everything, as after a reconnect; counters stay.
    pub fn reset(&mut self) {
        self.line = None;
        self.buffer.clear();
        self.refill = false;
    }

    /// Best levels known for sure on the thinner side: those no worse than the snapshot's worst price. Deeper ones are
    /// unknown until touched, and after a large move they surface at the top.
    pub fn known_depth(&self) -> usize {
        let Some(l) = &self.line else { return 0 };
        let side = |s, h: Option<Price>| h.map_or(usize::MAX, |p| l.book.count_within(s, p));
        side(Side::Buy, l.horizon[0]).min(side(Side::Sell, l.horizon[1]))
    }

    /// Worst price of a side that the last snapshot reached; `None` when the whole side is known, or unsynced.
    pub fn horizon(&self, side: Side) -> Option<Price> {
        let l = self.line.as_ref()?;
        l.horizon[usize::from(side == Side::Sell)]
    }

    /// Wants a new snapshot while the live book goes on serving: for when [`Self::known_depth`] runs low.
    pub fn begin_refill(&mut self) {
        if self.line.is_some() && !self.refill {
            self.refill = true;
            self.buffer.clear();
        }
    }

    /// Takes one depth event.
    pub fn on_depth(&mut self, event: DepthUpdate) -> DepthOutcome {
        self.on_depth_ref(&event)
    }

    /// Takes one depth event, copied only where it must be kept: in sequence nothing is allocated.
    pub fn on_depth_ref(&mut self, event: &DepthUpdate) -> DepthOutcome {
        let Some(line) = &mut self.line else {
            if event.first_id > event.last_id {
                self.stats.refused += 1;
                return DepthOutcome::Malformed;
            }
            self.keep(event.clone());
            return DepthOutcome::Buffered;
        };
        let outcome = line.step(event);
        self.count(outcome);
        if outcome.lost_sync() {
            self.reset();
        }
        match outcome {
            DepthOutcome::Applied if self.refill => self.keep(event.clone()),
            // The next snapshot may lie within this event's ids.
            DepthOutcome::Gap { .. } | DepthOutcome::Crossed => self.keep(event.clone()),
            _ => {}
        }
        outcome
    }

    /// Takes a snapshot.
    pub fn on_snapshot(&mut self, snapshot: &DepthSnapshot) -> SnapshotOutcome {
        self.on_snapshot_with(snapshot, |_, _| {})
    }

    /// Takes a snapshot and shows the book after each buffered event that is replayed on it (not in a refill, where they
    /// were applied before).
    pub fn on_snapshot_with(
        &mut self,
        snapshot: &DepthSnapshot,
        mut applied: impl FnMut(&Book, &DepthUpdate),
    ) -> SnapshotOutcome {
        if !self.wants_snapshot() {
            return SnapshotOutcome::Ignored;
        }
        let mut line = match Line::anchor(snapshot, self.limit) {
            Ok(l) => l,
            Err(bad) => {
                self.stats.refused += 1;
                return SnapshotOutcome::Refused(bad);
            }
        };
        if line.book.is_crossed() {
            self.stats.crossed += 1;
            return SnapshotOutcome::Crossed;
        }
        let too_old = |needed| SnapshotOutcome::TooOld {
            snapshot: snapshot.last_id,
            needed,
        };
        let (mut done, mut stale, mut broke) = (0, 0, None);
        for (i, e) in self.buffer.iter().enumerate() {
            match line.step(e) {
                DepthOutcome::Applied => {
                    done += 1;
                    if !self.refill {
                        applied(&line.book, e);
                    }
                }
                DepthOutcome::Stale => stale += 1,
                DepthOutcome::Gap { .. } if done == 0 => return too_old(e.first_id),
                why => {
                    broke = Some((i, why));
                    break;
                }
            }
        }
        if let Some(live) = &self.line {
            // A refill: the live book was in sequence all along, so only a candidate at least as new may replace it.
            if broke.is_some() || line.last_id < live.last_id {
                return too_old(live.last_id);
            }
            self.refill = false;
            self.buffer.clear();
            self.stats.refills += 1;
            self.line = Some(line);
            return SnapshotOutcome::Synced {
                applied: done,
                stale,
            };
        }
        self.stats.applied += done as u64;
        self.stats.stale += stale as u64;
        if let Some((i, why)) = broke {
            self.count(why);
            let keep = matches!(why, DepthOutcome::Gap { .. } | DepthOutcome::Crossed);
            self.buffer.drain(..if keep { i } else { i + 1 });
            return SnapshotOutcome::Broken { applied: done, why };
        }
        self.stats.resyncs += u64::from(self.stats.snapshots > 0);
        self.stats.snapshots += 1;
        self.buffer.clear();
        self.line = Some(line);
        SnapshotOutcome::Synced {
            applied: done,
            stale,
        }
    }

    fn keep(&mut self, event: DepthUpdate) {
        if self.buffer.len() >= self.capacity {
            // The newest are the ones a later snapshot can link to.
            self.buffer.pop_front();
            self.stats.overflowed += 1;
        }
        self.buffer.push_back(event);
    }

    fn count(&mut self, outcome: DepthOutcome) {
        let s = &mut self.stats;
        match outcome {
            DepthOutcome::Applied => s.applied += 1,
            DepthOutcome::Stale => s.stale += 1,
            DepthOutcome::Gap { .. } => s.gaps += 1,
            DepthOutcome::Crossed => s.crossed += 1,
            DepthOutcome::Refused(_) | DepthOutcome::Malformed => s.refused += 1,
            DepthOutcome::Buffered => {}
        }
    }
}

#[cfg(test)]
mod tests;
