//! What the engine says about the market: to the public streams, each at its own cadence.
//!
//! Depth and trades go out as they come, or when their stream's period is over ([`super::pace`]); mark prices when a new
//! period begins; tickers and liquidations on the whole second of market time.

use super::day::Day;
use super::frames;
use super::pace::{Offered, Pace};
use super::stream::Topic;
use super::venue::Venue;
use crate::engine::SymbolId;
use helios_core::fixed::{Price, Qty};
use helios_core::market::{AggTrade, BookTicker, DepthUpdate, MarkPrice};
use std::collections::{BTreeMap, VecDeque};

/// Trades kept of each contract for `GET /aggTrades` and the like.
const KEPT_TRADES: usize = 1000;
/// Period of the slow mark price streams, ms.
const SLOW_MARKS_MS: i64 = 3000;
const FAST_MARKS_MS: i64 = 1000;
const SECOND: i64 = 1000;

/// Best bid and ask as last sent.
type Top = ((Price, Qty), (Price, Qty));

/// An array of objects of one moment, being gathered.
#[derive(Default)]
struct Array(Vec<u8>);

impl Array {
    fn push(&mut self, object: &[u8]) {
        self.0.push(if self.0.is_empty() { b'[' } else { b',' });
        self.0.extend_from_slice(object);
    }

    fn take(&mut self) -> Option<Vec<u8>> {
        let mut json = std::mem::take(&mut self.0);
        (!json.is_empty()).then(|| {
            json.push(b']');
            json
        })
    }
}

/// What the public streams remember of a contract.
#[derive(Default)]
struct Lane {
    /// Latest trades, oldest first.
    trades: VecDeque<AggTrade>,
    top: Option<Top>,
    /// Slow period of the last mark price.
    slow_mark: Option<i64>,
    /// It traded since the last second that was told.
    traded: bool,
}

/// What the public streams remember.
pub(super) struct Public {
    lanes: Vec<Lane>,
    pace: Pace,
    /// Moment of the mark prices being gathered, ms.
    marks_ms: i64,
    fast_marks: Array,
    slow_marks: Array,
    /// The last liquidation order of each contract that is to be told.
    forced: BTreeMap<SymbolId, Vec<u8>>,
    /// The second that was told last, market ms.
    told_ms: i64,
}

impl Public {
    /// Nothing seen of so many contracts.
    pub(super) fn of(contracts: usize) -> Self {
        Self {
            lanes: (0..contracts).map(|_| Lane::default()).collect(),
            pace: Pace::default(),
            marks_ms: 0,
            fast_marks: Array::default(),
            slow_marks: Array::default(),
            forced: BTreeMap::new(),
            told_ms: i64::MIN,
        }
    }

    /// Latest trades of a contract, oldest first.
    pub(super) fn trades(&self, id: SymbolId) -> impl Iterator<Item = &AggTrade> {
        let lane = self.lanes.get(usize::from(id.0));
        lane.into_iter().flat_map(|l| &l.trades)
    }

    /// A liquidation order is done; `order` is what its frame tells of it.
    pub(super) fn forced(&mut self, id: SymbolId, order: Vec<u8>) {
        self.forced.insert(id, order);
    }
}

impl Venue {
    /// The last 24 hours of a contract.
    pub(super) fn day(&mut self, id: SymbolId) -> Option<Day> {
        let text = self.symbols.get(usize::from(id.0))?;
        let now = self.clock.now_ms();
        self.days.of(id, now, &self.engine, &self.source, text)
    }

    /// When frames are due that no event brings about.
    pub(super) fn next_frame_ms(&self) -> Option<i64> {
        let seconds = self.hub.wants_tickers() || !self.public.forced.is_empty();
        let second = seconds.then(|| {
            let now = self.clock.now_ms();
            let this = now - now.rem_euclid(SECOND);
            // The whole second itself is still to be told when time stands on it.
            match this == now && self.public.told_ms < this {
                true => this,
                false => this.saturating_add(SECOND),
            }
        });
        second.into_iter().chain(self.public.pace.next_ms()).min()
    }

    /// Sends what is due at a moment that has been reached; at the end of the market, whatever is held.
    pub(super) fn send_due(&mut self, at_ms: i64) {
        for (topic, u) in self.public.pace.over(at_ms) {
            let event_ms = u.event_ms.min(self.clock.now_ms());
            self.send_depth(&topic, &DepthUpdate { event_ms, ..u });
        }
        self.flush_marks();
        if at_ms.rem_euclid(SECOND) == 0 && self.public.told_ms < at_ms {
            self.public.told_ms = at_ms;
            self.send_tickers(at_ms);
            self.send_forced(at_ms);
        }
    }

    pub(super) fn on_depth(&mut self, id: SymbolId, u: &DepthUpdate) {
        let now = self.clock.now_ms();
        let first = Topic::Depth(id, 0);
        let depth = self.hub.topics_from(&first).map_while(|t| match t {
            Topic::Depth(s, ms) if *s == id => Some((t, *ms, true)),
            _ => None,
        });
        let first = Topic::Partial(id, 0, 0);
        let partial = self.hub.topics_from(&first).map_while(|t| match t {
            Topic::Partial(s, _, ms) if *s == id => Some((t, *ms, false)),
            _ => None,
        });
        let mut out = Vec::new();
        for (topic, ms, levels) in depth.chain(partial) {
            match self.public.pace.offer(topic, ms, now, u, levels) {
                Offered::AsItIs => out.push((topic.clone(), None)),
                Offered::Merged(m) => out.push((topic.clone(), Some(m))),
                Offered::Held => {}
            }
        }
        for (topic, merged) in out {
            self.send_depth(&topic, merged.as_ref().unwrap_or(u));
        }
        self.send_top(id, u);
    }

    /// A frame of a depth stream: the changes, or the best levels as they stand.
    fn send_depth(&mut self, topic: &Topic, u: &DepthUpdate) {
        let due = self.due();
        let id = topic.symbol();
        let Some((id, text)) = id.and_then(|id| Some((id, self.symbols.get(usize::from(id.0))?)))
        else {
            return;
        };
        let frame = match topic {
            Topic::Partial(_, n, _) => {
                let book = self.engine.depth(id, usize::from(*n));
                frames::depth_of(text, u, &book.bids, &book.asks)
            }
            _ => frames::depth(text, u),
        };
        self.hub.publish(topic, frame, due);
    }

    fn send_top(&mut self, id: SymbolId, u: &DepthUpdate) {
        let one = Topic::BookTicker(id);
        if !self.hub.wanted(&one) && !self.hub.wanted(&Topic::AllBookTickers) {
            return;
        }
        let due = self.due();
        let i = usize::from(id.0);
        let (Some(text), Some(lane)) = (self.symbols.get(i), self.public.lanes.get_mut(i)) else {
            return;
        };
        let (Some(bid), Some(ask)) = self.engine.best(id) else {
            return;
        };
        if lane.top.replace((bid, ask)) == Some((bid, ask)) {
            return;
        }
        let ticker = BookTicker {
            update_id: u.last_id,
            event_ms: u.event_ms,
            transact_ms: u.transact_ms,
            bid,
            ask,
        };
        let frame = frames::book_ticker(text, &ticker);
        if self.hub.wanted(&Topic::AllBookTickers) {
            self.hub.publish(&Topic::AllBookTickers, frame.clone(), due);
        }
        self.hub.publish(&one, frame, due);
    }

    pub(super) fn on_trade(&mut self, id: SymbolId, t: &AggTrade) {
        let due = self.due();
        let i = usize::from(id.0);
        let (Some(text), Some(lane)) = (self.symbols.get(i), self.public.lanes.get_mut(i)) else {
            return;
        };
        if lane.trades.len() == KEPT_TRADES {
            lane.trades.pop_front();
        }
        lane.trades.push_back(*t);
        lane.traded = true;
        let topic = Topic::AggTrade(id);
        if self.hub.wanted(&topic) {
            self.hub.publish(&topic, frames::agg_trade(text, t), due);
        }
        let topic = Topic::Trade(id);
        if self.hub.wanted(&topic) {
            self.hub.publish(&topic, frames::trade(text, t), due);
        }
        let closed = self.klines.on_trade(id, t);
        self.klines
            .publish(id, t, closed, text, &self.source, &mut self.hub, due);
    }

    pub(super) fn on_mark(&mut self, id: SymbolId, m: &MarkPrice) {
        let i = usize::from(id.0);
        let (Some(text), Some(lane)) = (self.symbols.get(i), self.public.lanes.get_mut(i)) else {
            return;
        };
        let period = m.event_ms.div_euclid(SLOW_MARKS_MS);
        let slow = lane.slow_mark.replace(period) != Some(period);
        let periods = [(FAST_MARKS_MS, true), (SLOW_MARKS_MS, slow)];
        let wanted =
            |ms| self.hub.wanted(&Topic::Mark(id, ms)) || self.hub.wanted(&Topic::AllMarks(ms));
        if !periods.iter().any(|(ms, this)| *this && wanted(*ms)) {
            return;
        }
        let frame = frames::mark(text, m);
        if self.public.marks_ms != m.event_ms {
            self.flush_marks();
            self.public.marks_ms = m.event_ms;
        }
        let due = self.due();
        for (ms, _) in periods.into_iter().filter(|(_, this)| *this) {
            if self.hub.wanted(&Topic::AllMarks(ms)) {
                let array = match ms {
                    FAST_MARKS_MS => &mut self.public.fast_marks,
                    _ => &mut self.public.slow_marks,
                };
                array.push(&frame);
            }
            self.hub.publish(&Topic::Mark(id, ms), frame.clone(), due);
        }
    }

    /// Sends the arrays of mark prices of one moment.
    pub(super) fn flush_marks(&mut self) {
        let due = self.due();
        if let Some(frame) = self.public.fast_marks.take() {
            self.hub
                .publish(&Topic::AllMarks(FAST_MARKS_MS), frame, due);
        }
        if let Some(frame) = self.public.slow_marks.take() {
            self.hub
                .publish(&Topic::AllMarks(SLOW_MARKS_MS), frame, due);
        }
    }

    /// Tickers of a whole second: those of one contract each two, the arrays each one, with the contracts that traded.
    fn send_tickers(&mut self, at_ms: i64) {
        if !self.hub.wants_tickers() {
            return;
        }
        let due = self.due();
        let own = at_ms.rem_euclid(2 * SECOND) == 0;
        let whole = self.hub.wanted(&Topic::AllTickers);
        let mini = self.hub.wanted(&Topic::AllMiniTickers);
        let (mut tickers, mut minis) = (Array::default(), Array::default());
        for i in 0..self.symbols.len() {
            let id = SymbolId(i as u16);
            let lane = self.public.lanes.get_mut(i);
            let traded = lane.is_some_and(|l| std::mem::take(&mut l.traded));
            let (one, one_mini) = (Topic::Ticker(id), Topic::MiniTicker(id));
            let one_wanted = own && self.hub.wanted(&one);
            let mini_wanted = own && self.hub.wanted(&one_mini);
            if !one_wanted && !mini_wanted && !(traded && (whole || mini)) {
                continue;
            }
            let Some(day) = self.day(id) else { continue };
            let Some(text) = self.symbols.get(i) else {
                continue;
            };
            if one_wanted || (traded && whole) {
                let frame = frames::ticker(text, &day, at_ms);
                if traded && whole {
                    tickers.push(&frame);
                }
                if one_wanted {
                    self.hub.publish(&one, frame, due);
                }
            }
            if mini_wanted || (traded && mini) {
                let frame = frames::mini_ticker(text, &day, at_ms);
                if traded && mini {
                    minis.push(&frame);
                }
                if mini_wanted {
                    self.hub.publish(&one_mini, frame, due);
                }
            }
        }
        for (topic, mut array) in [(Topic::AllTickers, tickers), (Topic::AllMiniTickers, minis)] {
            if let Some(frame) = array.take() {
                self.hub.publish(&topic, frame, due);
            }
        }
    }

    /// The last liquidation order of each contract in the second that is over.
    fn send_forced(&mut self, at_ms: i64) {
        let due = self.due();
        for (id, order) in std::mem::take(&mut self.public.forced) {
            let Some(text) = self.symbols.get(usize::from(id.0)) else {
                continue;
            };
            let frame = frames::force_order(text, &order, at_ms);
            self.hub.publish(&Topic::AllForceOrders, frame.clone(), due);
            self.hub.publish(&Topic::ForceOrder(id), frame, due);
        }
    }
}
