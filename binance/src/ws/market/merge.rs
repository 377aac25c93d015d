//! Two sockets of the same streams read as one: each frame is handed on once and in order, whichever socket brings it first.
//!
//! A diff of the book is in order when it begins where the last one ended (`pu`); one from further ahead is kept until the
//! other socket has brought what lies between. Trades, tickers and marks are in order by their ids or times.

use helios_core::trader::TraderEvent;

/// Diffs kept at most while the other socket lags behind: half a minute of them.
const MOST_KEPT: usize = 512;
/// A diff waits so long for what lies before it.
const PATIENCE_NS: u64 = 1_500_000_000;

/// An event and when its frame was received, monotonic ns.
pub(super) type Received = (TraderEvent, u64);

/// What of one stream has been handed on.
#[derive(Debug, Default)]
pub(super) struct Merge {
    /// Place of the last frame handed on.
    last: Option<u64>,
    /// The socket that is left may still bring what the other one has brought, until this liveness time, ns.
    behind_until: u64,
    /// Diffs from ahead, in the order they came.
    kept: Vec<Received>,
}

impl Merge {
    /// A frame while there is one socket, its place noted: it is to be handed on as it is, unless the socket has only just
    /// taken over and lags behind the one before.
    pub fn alone(&mut self, event: &TraderEvent, received_ns: u64) -> bool {
        let at = place(event).map(|(_, at)| at);
        if received_ns < self.behind_until {
            if at <= self.last {
                return false;
            }
            self.behind_until = 0;
        }
        self.last = at;
        true
    }

    /// A frame while there are two, with the instant it was received: what is to be handed on now, in order. `Err` gives
    /// back everything kept: what lies between will not come.
    pub fn both(
        &mut self,
        event: TraderEvent,
        received_ns: u64,
    ) -> Result<Vec<Received>, Vec<Received>> {
        let Some((prev, at)) = place(&event) else {
            return Ok(vec![(event, received_ns)]);
        };
        match (self.last, prev) {
            (Some(last), _) if at <= last => return Ok(Vec::new()),
            (Some(last), Some(prev)) if prev != last => {
                self.kept.push((event, received_ns));
                return match self.kept.len() {
                    ..MOST_KEPT => Ok(Vec::new()),
                    _ => Err(self.give_up()),
                };
            }
            _ => {}
        }
        self.last = Some(at);
        let mut out = vec![(event, received_ns)];
        while let Some(next) = self.next_kept() {
            out.push(next);
        }
        Ok(out)
    }

    /// Something between has not come for longer than a socket lags.
    pub fn stuck(&self, now_ns: u64) -> bool {
        let oldest = self.kept.iter().map(|(_, at)| *at).min();
        oldest.is_some_and(|at| now_ns.saturating_sub(at) >= PATIENCE_NS)
    }

    /// Something between the two sockets has not come yet.
    pub fn waits(&self) -> bool {
        !self.kept.is_empty()
    }

    /// The kept diff that begins where the last one ended.
    fn next_kept(&mut self) -> Option<Received> {
        let last = self.last?;
        self.kept
            .retain(|(e, _)| place(e).is_some_and(|(_, at)| at > last));
        let found = self
            .kept
            .iter()
            .position(|(e, _)| place(e).is_some_and(|(prev, _)| prev == Some(last)))?;
        let next = self.kept.remove(found);
        self.last = place(&next.0).map(|(_, at)| at);
        Some(next)
    }

    /// One socket is left, which may lag until `until_ns`. Gives back what is still kept: it has a hole before it.
    pub fn one_left(&mut self, until_ns: u64) -> Vec<Received> {
        self.behind_until = until_ns;
        self.give_up()
    }

    /// What is kept, in order: what lies before it will not come.
    pub fn give_up(&mut self) -> Vec<Received> {
        let mut kept = std::mem::take(&mut self.kept);
        kept.sort_by_key(|(e, _)| place(e).map(|(_, at)| at));
        kept.dedup_by_key(|(e, _)| place(e).map(|(_, at)| at));
        if let Some((e, _)) = kept.last() {
            self.last = place(e).map(|(_, at)| at);
        }
        kept
    }
}

/// Where a frame stands in its stream: for a diff the place it follows, and its own.
fn place(event: &TraderEvent) -> Option<(Option<u64>, u64)> {
    match event {
        TraderEvent::Depth(d) => Some((Some(d.prev_last_id), d.last_id)),
        TraderEvent::Trade(t) => Some((None, t.id)),
        TraderEvent::BookTicker(t) => Some((None, t.update_id)),
        TraderEvent::Mark(m) => Some((None, u64::try_from(m.event_ms).ok()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use helios_core::market::DepthUpdate;
    use proptest::prelude::*;

    fn diff(n: u64) -> TraderEvent {
        TraderEvent::Depth(DepthUpdate {
            event_ms: 0,
            transact_ms: 0,
            first_id: n * 10 + 1,
            last_id: n * 10 + 10,
            prev_last_id: n * 10,
            bids: Vec::new(),
            asks: Vec::new(),
        })
    }

    fn numbers(events: &[Received]) -> Vec<u64> {
        events
            .iter()
            .map(|(e, _)| place(e).unwrap().1 / 10 - 1)
            .collect()
    }

    #[test]
    fn a_diff_from_ahead_waits_for_what_lies_between() {
        let mut m = Merge::default();
        m.alone(&diff(0), 0);
        assert_eq!(m.both(diff(2), 0), Ok(vec![]));
        assert_eq!(m.both(diff(3), 0), Ok(vec![]));
        assert_eq!(numbers(&m.both(diff(1), 0).unwrap()), [1, 2, 3]);
        assert_eq!(m.both(diff(2), 0), Ok(vec![]), "brought by the other");
        assert!(m.one_left(0).is_empty());
    }

    #[test]
    fn a_socket_that_lags_when_it_takes_over_repeats_nothing_but_may_begin_anew_later() {
        let mut m = Merge::default();
        m.alone(&diff(5), 0);
        assert!(m.one_left(100).is_empty());
        assert!(!m.alone(&diff(4), 50) && !m.alone(&diff(5), 60));
        assert!(m.alone(&diff(6), 70), "it has caught up");
        assert!(m.alone(&diff(2), 80), "and what it says now is its own");
        assert!(m.one_left(200).is_empty());
        assert!(m.alone(&diff(1), 200));
    }

    #[test]
    fn what_has_a_hole_before_it_is_given_back_in_order() {
        let mut m = Merge::default();
        m.alone(&diff(0), 0);
        for n in [4, 2, 4] {
            assert_eq!(m.both(diff(n), 0), Ok(vec![]));
        }
        assert_eq!(numbers(&m.one_left(0)), [2, 4]);
        assert_eq!(numbers(&m.both(diff(5), 0).unwrap()), [5]);
    }

    #[test]
    fn no_more_than_half_a_minute_of_diffs_is_kept() {
        let mut m = Merge::default();
        m.alone(&diff(0), 0);
        let full = (2..).map(|n| m.both(diff(n), 0)).find(Result::is_err);
        assert_eq!(full.unwrap().unwrap_err().len(), MOST_KEPT);
    }

    proptest! {
        /// Two sockets bring the same diffs, each in order, one cut off and one beginning late: all come once, in order.
        #[test]
        fn each_diff_is_handed_on_once_and_in_order(
            picks in prop::collection::vec(any::<bool>(), 200),
            first_of_next in 1_u64..20,
        ) {
            let mut m = Merge::default();
            m.alone(&diff(0), 0);
            let (mut a, mut b, mut out) = (1, first_of_next, Vec::new());
            for of_next in picks {
                let n = if of_next { &mut b } else { &mut a };
                out.extend(m.both(diff(*n), 0).unwrap());
                *n += 1;
            }
            let seen = numbers(&out);
            prop_assert!(seen.iter().copied().eq(1..=seen.len() as u64));
            let reached = if a >= first_of_next { a.max(b) - 1 } else { a - 1 };
            prop_assert_eq!(seen.len() as u64, reached);
        }
    }
}
