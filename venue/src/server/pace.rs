//! Depth streams at a cadence of their own.
//!
//! A stream sends an event at once when its last frame is a period old; events before that are held and merged, and go out
//! as one frame when the period is over, or with the next event if that comes at the same moment. A merged frame has the
//! last quantity of each level, `U` of the first event, `u` of the last and `pu` of the first: the `u` of the frame before,
//! so that the chain holds for whoever follows it.

use super::stream::Topic;
use helios_core::fixed::{Price, Qty};
use helios_core::market::{BookLevels, DepthUpdate};
use std::collections::BTreeMap;

/// What becomes of an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Offered {
    /// It goes out as it is.
    AsItIs,
    /// It goes out with those held before it.
    Merged(DepthUpdate),
    /// It is held.
    Held,
}

#[derive(Default)]
struct Held {
    first: DepthUpdate,
    last_id: u64,
    transact_ms: i64,
    bids: BTreeMap<Price, Qty>,
    asks: BTreeMap<Price, Qty>,
}

impl Held {
    fn add(&mut self, u: &DepthUpdate, levels: bool) {
        self.last_id = u.last_id;
        self.transact_ms = u.transact_ms;
        if levels {
            self.bids.extend(u.bids.iter().copied());
            self.asks.extend(u.asks.iter().copied());
        }
    }

    fn frame(self, event_ms: i64) -> DepthUpdate {
        let bids: BookLevels = self.bids.into_iter().rev().collect();
        DepthUpdate {
            event_ms,
            transact_ms: self.transact_ms,
            last_id: self.last_id,
            bids,
            asks: self.asks.into_iter().collect(),
            ..self.first
        }
    }
}

#[derive(Default)]
struct Stream {
    /// `u` of the last event seen.
    seen: Option<u64>,
    /// When the next frame may go, market ms.
    free_ms: i64,
    held: Option<Held>,
}

/// The depth streams that somebody has listened to.
pub(super) struct Pace {
    streams: BTreeMap<Topic, Stream>,
    /// When the first held frame is to go, market ms; `i64::MAX` where none is held.
    next_ms: i64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            streams: BTreeMap::new(),
            next_ms: i64::MAX,
        }
    }
}

impl Pace {
    /// When something held is to go.
    pub(super) fn next_ms(&self) -> Option<i64> {
        (self.next_ms < i64::MAX).then_some(self.next_ms)
    }

    /// An event for a stream; with `levels` it is their changes that matter, else only the ids.
    pub(super) fn offer(
        &mut self,
        topic: &Topic,
        period_ms: i64,
        now_ms: i64,
        u: &DepthUpdate,
        levels: bool,
    ) -> Offered {
        if period_ms == 0 {
            return Offered::AsItIs;
        }
        let s = self.streams.entry(topic.clone()).or_default();
        if s.seen != Some(u.prev_last_id) {
            // Nobody listened, or the source's own chain broke: what is held would hide it.
            s.held = None;
        }
        s.seen = Some(u.last_id);
        let free = now_ms >= s.free_ms;
        if free {
            s.free_ms = now_ms.saturating_add(period_ms);
            if s.held.is_none() {
                return Offered::AsItIs;
            }
        }
        let held = s.held.get_or_insert_with(|| Held {
            first: DepthUpdate {
                bids: BookLevels::new(),
                asks: BookLevels::new(),
                ..*u
            },
            ..Held::default()
        });
        held.add(u, levels);
        if free && let Some(held) = s.held.take() {
            return Offered::Merged(held.frame(u.event_ms));
        }
        self.next_ms = self.next_ms.min(s.free_ms);
        Offered::Held
    }

    /// Frames whose period is over at `now_ms`.
    pub(super) fn over(&mut self, now_ms: i64) -> Vec<(Topic, DepthUpdate)> {
        let mut out = Vec::new();
        if now_ms < self.next_ms {
            return out;
        }
        self.next_ms = i64::MAX;
        for (topic, s) in &mut self.streams {
            if s.held.is_some() && s.free_ms > now_ms {
                self.next_ms = self.next_ms.min(s.free_ms);
                continue;
            }
            if let Some(held) = s.held.take() {
                let period = match topic {
                    Topic::Depth(_, ms) | Topic::Partial(.., ms) => *ms,
                    _ => 0,
                };
                s.free_ms = now_ms.saturating_add(period);
                out.push((topic.clone(), held.frame(now_ms)));
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::engine::SymbolId;
    use proptest::prelude::*;

    type Book = (BTreeMap<Price, Qty>, BTreeMap<Price, Qty>);

    fn apply(book: &mut Book, u: &DepthUpdate) {
        for (side, changes) in [(&mut book.0, &u.bids), (&mut book.1, &u.asks)] {
            for (p, q) in changes {
                if q.is_zero() {
                    side.remove(p);
                } else {
                    side.insert(*p, *q);
                }
            }
        }
    }

    /// An event each `gap` ms with a level a side.
    fn events(all: &[(i64, i64, i64)]) -> Vec<DepthUpdate> {
        let (mut at, mut id) = (0, 0);
        let event = |(gap, price, qty): &(i64, i64, i64)| {
            at += gap;
            id += 3;
            DepthUpdate {
                event_ms: at,
                transact_ms: at - 1,
                first_id: id - 1,
                last_id: id,
                prev_last_id: id - 3,
                bids: vec![(Price(*price), Qty(*qty))],
                asks: vec![(Price(1000 + *price), Qty(*qty))],
            }
        };
        all.iter().map(event).collect()
    }

    /// What a stream of a period sends of events, as the venue drives it: held frames before the next event's moment.
    fn sent(events: &[DepthUpdate], period: i64) -> Vec<DepthUpdate> {
        let (mut pace, topic) = (Pace::default(), Topic::Depth(SymbolId(0), period));
        let mut out = Vec::new();
        for u in events {
            while let Some(at) = pace.next_ms().filter(|at| *at < u.event_ms) {
                out.extend(pace.over(at).into_iter().map(|(_, f)| f));
            }
            match pace.offer(&topic, period, u.event_ms, u, true) {
                Offered::AsItIs => out.push(u.clone()),
                Offered::Merged(f) => out.push(f),
                Offered::Held => {}
            }
        }
        if let Some(at) = pace.next_ms() {
            out.extend(pace.over(at).into_iter().map(|(_, f)| f));
        }
        out
    }

    #[test]
    fn events_within_a_period_are_one_frame_with_the_last_quantity_of_each_level() {
        let e = events(&[
            (100, 1, 5),
            (40, 2, 6),
            (30, 2, 7),
            (130, 3, 8),
            (100, 4, 9),
        ]);
        let out = sent(&e, 100);
        let told: Vec<_> = out
            .iter()
            .map(|u| (u.event_ms, u.first_id, u.last_id, u.prev_last_id))
            .collect();
        assert_eq!(
            told,
            [
                (100, 2, 3, 0),
                (200, 5, 9, 3),
                (300, 11, 12, 9),
                (400, 14, 15, 12)
            ]
        );
        assert_eq!(out[1].bids, [(Price(2), Qty(7))]);
        assert_eq!(out[1].transact_ms, 169);
        assert_eq!(sent(&e, 0), e);
    }

    #[test]
    fn a_broken_chain_of_the_source_shows_in_the_stream() {
        let mut e = events(&[(100, 1, 5), (40, 2, 6), (10, 3, 7), (200, 4, 8)]);
        e[2].prev_last_id = 77;
        let out = sent(&e, 100);
        let ids: Vec<_> = out.iter().map(|u| (u.prev_last_id, u.last_id)).collect();
        assert_eq!(ids, [(0, 3), (77, 9), (9, 12)]);
        assert_eq!(out[1].bids, [(Price(3), Qty(7))]);
    }

    proptest! {
        #[test]
        fn every_cadence_rebuilds_the_same_book_over_an_unbroken_chain(
            all in proptest::collection::vec((1_i64..180, 0_i64..12, 0_i64..4), 1..120),
        ) {
            let e = events(&all);
            let mut want = Book::default();
            e.iter().for_each(|u| apply(&mut want, u));
            for period in [100, 250, 500] {
                let out = sent(&e, period);
                let mut book = Book::default();
                out.iter().for_each(|u| apply(&mut book, u));
                prop_assert_eq!(&book, &want);
                prop_assert_eq!(out[0].prev_last_id, 0);
                prop_assert_eq!(out.last().unwrap().last_id, e.last().unwrap().last_id);
                for w in out.windows(2) {
                    prop_assert_eq!(w[1].prev_last_id, w[0].last_id);
                    prop_assert!(w[1].first_id > w[0].last_id && w[1].event_ms >= w[0].event_ms + period);
                }
            }
        }
    }
}
