//! Book against bookTicker: after each applied event the best bid and ask must equal the last ticker with `u ≤ event.u`.
//!
//! Which ticker is the last one is known only when a later one arrived, and tickers may come before or after the event
//! they belong to. So events wait for a later ticker, and tickers for events; both queues are bounded.

use helios_core::fixed::{Price, Qty};
use helios_core::market::{Book, BookTicker};
use std::collections::VecDeque;

type Best = (Option<(Price, Qty)>, Option<(Price, Qty)>);

/// Tickers and events kept at most; what falls out is not compared.
const MAX_WAITING: usize = 200_000;

/// Compares.
#[derive(Debug, Default)]
pub struct Oracle {
    /// Ascending `u`.
    tickers: VecDeque<(u64, Best)>,
    /// Ascending `u`.
    events: VecDeque<(u64, Best)>,
    /// Events compared.
    pub checked: u64,
    /// Of these, equal in price and quantity on both sides.
    pub equal: u64,
    /// Events without a ticker at or before them.
    pub unchecked: u64,
    /// `u` of the first event that differed.
    pub first_difference: Option<u64>,
}

impl Oracle {
    /// A ticker came.
    pub fn ticker(&mut self, t: &BookTicker) {
        let late = self.tickers.back().is_some_and(|b| b.0 > t.update_id);
        if late {
            // Out of order: put where it belongs, events already compared stay so.
            let at = self.tickers.partition_point(|x| x.0 <= t.update_id);
            self.tickers
                .insert(at, (t.update_id, (Some(t.bid), Some(t.ask))));
            return;
        }
        while self.events.front().is_some_and(|e| e.0 < t.update_id) {
            self.settle_front();
        }
        if self.tickers.len() >= MAX_WAITING {
            self.tickers.pop_front();
        }
        self.tickers
            .push_back((t.update_id, (Some(t.bid), Some(t.ask))));
    }

    /// An event was applied.
    pub fn applied(&mut self, last_id: u64, book: &Book) {
        if self.events.len() >= MAX_WAITING {
            self.settle_front();
        }
        self.events
            .push_back((last_id, (book.best_bid(), book.best_ask())));
        while let (Some(e), Some(t)) = (self.events.front(), self.tickers.back()) {
            if e.0 >= t.0 {
                break;
            }
            self.settle_front();
        }
    }

    /// Nothing more comes.
    pub fn finish(&mut self) {
        while !self.events.is_empty() {
            self.settle_front();
        }
    }

    fn settle_front(&mut self) {
        let Some((id, best)) = self.events.pop_front() else {
            return;
        };
        // Later events have later ids: older tickers are of no more use.
        while self.tickers.get(1).is_some_and(|t| t.0 <= id) {
            self.tickers.pop_front();
        }
        match self.tickers.front() {
            Some(t) if t.0 <= id => {
                self.checked += 1;
                if t.1 == best {
                    self.equal += 1;
                } else {
                    self.first_difference.get_or_insert(id);
                }
            }
            _ => self.unchecked += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use helios_core::fixed::Side;

    fn ticker(u: u64, bid: i64) -> BookTicker {
        BookTicker {
            update_id: u,
            event_ms: 0,
            transact_ms: 0,
            bid: (Price(bid), Qty(1)),
            ask: (Price(100), Qty(1)),
        }
    }

    fn book(bid: i64) -> Book {
        let mut b = Book::new();
        b.set(Side::Buy, Price(bid), Qty(1)).unwrap();
        b.set(Side::Sell, Price(100), Qty(1)).unwrap();
        b
    }

    #[test]
    fn an_event_is_compared_with_the_last_ticker_at_or_before_it_in_either_order() {
        for ticker_first in [true, false] {
            let mut o = Oracle::default();
            o.ticker(&ticker(5, 50));
            if ticker_first {
                o.ticker(&ticker(9, 51));
                o.applied(10, &book(51));
            } else {
                o.applied(10, &book(51));
                o.ticker(&ticker(9, 51));
            }
            o.ticker(&ticker(11, 52));
            o.finish();
            assert_eq!((o.checked, o.equal), (1, 1));
        }
    }

    #[test]
    fn a_difference_is_seen_and_an_event_before_all_tickers_is_not_compared() {
        let mut o = Oracle::default();
        o.applied(3, &book(50));
        o.ticker(&ticker(5, 50));
        o.applied(6, &book(49));
        o.finish();
        assert_eq!((o.checked, o.equal, o.unchecked), (1, 0, 1));
        assert_eq!(o.first_difference, Some(6));
    }
}
