//! A made-up market: seeded, several contracts, an explicit predictive edge.
//!
//! Every contract has streams of draws of its own, so that adding one changes no other. An event of a contract is made of
//! its trades, then the changed levels, and once a second its mark price; trades at the moving price carry the time of the
//! depth event that shows the move, so that nothing is told ahead of time.

mod book;
mod price;
mod profile;

pub use profile::{Imbalance, Profile};

use super::MarketSource;
use super::history::{History, Past};
use super::listing::{self, DEMO_SYMBOLS};
use super::rng::{Ou, Rng, exp, normal_quantiles};
use crate::engine::{MarketInput, SymbolId, SymbolSpec};
use book::{RingBook, Shape};
use helios_core::fixed::{Price, Qty};
use helios_core::market::{AggTrade, Bar, DepthSnapshot, DepthUpdate, MarkPrice};
use price::PriceProcess;
use rust_decimal::Decimal;
use std::collections::VecDeque;

/// What a generated market is made from.
#[derive(Clone, Debug, PartialEq)]
pub struct GeneratorConfig {
    /// Same seed, same market.
    pub seed: u64,
    /// How much the imbalance foretells the drift, 0 (nothing) to 1.
    pub edge: f64,
    /// Character.
    pub profile: Profile,
    /// Contracts by name; [`DEMO_SYMBOLS`] are known, others start at a price of 10.
    pub symbols: Vec<String>,
    /// Venue time of the first event, ms.
    pub start_ms: i64,
}

impl GeneratorConfig {
    /// 2026-01-05 00:00 UTC: where a market begins unless it is told otherwise, ms.
    pub const START_MS: i64 = 1_767_571_200_000;

    /// All demo contracts from 2026-01-05 00:00 UTC.
    pub fn new(seed: u64, edge: f64, profile: Profile) -> Self {
        Self {
            seed,
            edge,
            profile,
            symbols: DEMO_SYMBOLS.iter().map(ToString::to_string).collect(),
            start_ms: Self::START_MS,
        }
    }
}

/// Why a generator was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GeneratorError {
    /// The edge is outside 0 to 1.
    #[error("edge is {0}: write a number from 0 to 1")]
    Edge(f64),
    /// A number of the profile makes no market.
    #[error("profile {name}: {what}")]
    Profile {
        /// Profile.
        name: String,
        /// What is wrong, and what to write.
        what: String,
    },
    /// No contracts, too many, an empty name or the same one twice.
    #[error("symbols: {0}")]
    Symbols(String),
}

/// The seeded market.
#[derive(Clone, Debug)]
pub struct Generator {
    config: GeneratorConfig,
    streams: Vec<Stream>,
}

/// One contract.
#[derive(Clone, Debug)]
struct Stream {
    spec: SymbolSpec,
    rng: Rng,
    price: PriceProcess,
    book: RingBook,
    depth: Ou,
    basis: Ou,
    premium: Ou,
    history: History,
    interval: i64,
    /// Of the next step.
    next_ms: i64,
    last_ms: i64,
    last_id: u64,
    last_trade: u64,
    levels: f64,
    trades: f64,
    trade_lots: Vec<u32>,
    tick: f64,
    funding: Decimal,
    funding_ms: i64,
    queue: VecDeque<(i64, MarketInput)>,
}

impl Generator {
    /// A market ready to be read.
    ///
    /// # Errors
    /// [`GeneratorError`] for an edge, profile or list of symbols that makes no market.
    pub fn new(config: GeneratorConfig) -> Result<Self, GeneratorError> {
        if !(0.0..=1.0).contains(&config.edge) {
            return Err(GeneratorError::Edge(config.edge));
        }
        config
            .profile
            .check()
            .map_err(|what| GeneratorError::Profile {
                name: config.profile.name.clone(),
                what,
            })?;
        let n = config.symbols.len();
        if n == 0 || n > 512 {
            return Err(GeneratorError::Symbols(format!(
                "{n} listed: write 1 to 512"
            )));
        }
        for (i, s) in config.symbols.iter().enumerate() {
            if s.is_empty() || config.symbols[..i].contains(s) {
                return Err(GeneratorError::Symbols(format!(
                    "{s:?} is empty or listed twice"
                )));
            }
        }
        let streams = (0..n)
            .map(|i| Stream::new(&config, i))
            .collect::<Result<_, _>>()?;
        Ok(Self { config, streams })
    }

    fn next_stream(&self) -> Option<(i64, usize)> {
        self.streams
            .iter()
            .enumerate()
            .filter_map(|(i, s)| s.queue.front().map(|e| (e.0, i)))
            .min()
    }
}

impl MarketSource for Generator {
    fn symbols(&self) -> Vec<SymbolSpec> {
        self.streams.iter().map(|s| s.spec.clone()).collect()
    }

    fn label(&self) -> String {
        let c = &self.config;
        format!(
            "simulated market (profile {}, seed {}, edge {}{})",
            c.profile.name,
            c.seed,
            c.edge,
            if c.edge > 0.0 {
                ": the order book foretells the price by design"
            } else {
                ": nothing foretells the price"
            }
        )
    }

    fn start_ms(&self) -> i64 {
        self.config.start_ms
    }

    fn peek_ms(&self) -> Option<i64> {
        self.next_stream().map(|(t, _)| t)
    }

    fn next_event(&mut self) -> Option<(i64, SymbolId, MarketInput)> {
        let (_, i) = self.next_stream()?;
        let s = &mut self.streams[i];
        let (t, e) = s.queue.pop_front()?;
        if s.queue.is_empty() {
            s.step();
        }
        Some((t, SymbolId(i as u16), e))
    }

    fn history(
        &self,
        symbol: SymbolId,
        interval_ms: i64,
        before_ms: i64,
        limit: usize,
    ) -> Vec<Bar> {
        self.streams
            .get(usize::from(symbol.0))
            .map(|s| s.history.bars(interval_ms, before_ms, limit))
            .unwrap_or_default()
    }
}

impl Stream {
    fn new(c: &GeneratorConfig, index: usize) -> Result<Self, GeneratorError> {
        let name = &c.symbols[index];
        let unknown = listing::Known {
            symbol: "",
            price: 10.0,
            tick: (1, 3),
            step: (1, 1),
            depth: 0.1,
            rate: 0.35,
            vol: 1.0,
        };
        let k = listing::known(name).copied().unwrap_or(unknown);
        // The stream of draws hangs on the name, not on the place in the list.
        let id = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| {
            (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let mut rng = Rng::new(c.seed, id);
        let tick = 10f64.powi(-(k.tick.1 as i32)) * k.tick.0 as f64;
        let step = 10f64.powi(-(k.step.1 as i32)) * k.step.0 as f64;
        let start_ticks = (k.price / tick).round();
        let spec = listing::spec(
            name,
            k.tick_dec(),
            k.step_dec(),
            Decimal::from(start_ticks as i64) * k.tick_dec(),
            k.depth,
            c.start_ms - 400 * 86_400_000,
        )
        .map_err(|e| GeneratorError::Symbols(e.to_string()))?;
        let p = &c.profile;
        let lots_per_unit = 61_800.0 / k.price / step * k.depth;
        let shape = Shape {
            tick_bp: tick / k.price * 1e4,
            lots_per_unit,
        };
        let price = PriceProcess::new(p, c.edge, k.vol, &mut rng);
        let mut book = RingBook::new(shape, start_ticks as i64, &mut rng);
        let depth = Ou::new(&mut rng);
        book.balance(price.nobi(), exp(0.45 * depth.x));
        let _ = book.take_changes();
        let trade_lots: Vec<u32> = normal_quantiles()
            .iter()
            .map(|z| ((0.03 * exp(2.05 * z).min(500.0) * lots_per_unit) as u32).max(1))
            .collect();
        let mean_lots =
            trade_lots.iter().map(|&q| f64::from(q)).sum::<f64>() / trade_lots.len() as f64;
        let trades = p.trades_per_second * k.rate;
        let history = History::made_up(
            Past {
                end_ms: c.start_ms,
                end_price: start_ticks as i64,
                sigma: price.sigma(),
                volume: mean_lots * trades * 60.0,
            },
            &mut Rng::new(c.seed, id ^ 0x5bd1_e995),
        );
        let funding_ms = (c.start_ms.div_euclid(FUNDING) + 1) * FUNDING;
        let mut s = Self {
            spec,
            price,
            book,
            depth,
            basis: Ou::new(&mut rng),
            premium: Ou::new(&mut rng),
            history,
            interval: p.depth_interval_ms,
            next_ms: c.start_ms + p.depth_interval_ms + (index as i64 * 37) % p.depth_interval_ms,
            last_ms: c.start_ms,
            last_id: 1_000_000 + (rng.bits() & 0xff_ffff),
            last_trade: 1 + (rng.bits() & 0xff_ffff),
            levels: p.levels_per_update * (0.3 + 0.7 * k.rate),
            trades,
            trade_lots,
            tick,
            funding: Decimal::new(1, 4),
            funding_ms,
            queue: VecDeque::new(),
            rng,
        };
        s.snapshot(c.start_ms);
        Ok(s)
    }

    fn snapshot(&mut self, ms: i64) {
        let (bids, asks) = self.book.levels();
        let last_id = self.last_id;
        let snap = DepthSnapshot {
            last_id,
            event_ms: ms,
            bids,
            asks,
        };
        self.queue.push_back((ms, MarketInput::Snapshot(snap)));
        let mark = self.mark(ms);
        self.queue.push_back((ms + 1, MarketInput::Mark(mark)));
    }

    /// One interval: trades, the depth event, the mark price.
    fn step(&mut self) {
        let (t0, t1) = (self.last_ms, self.next_ms);
        let (bid, ask) = (self.book.bid(), self.book.ask());
        let mid = 0.5 * (bid + ask) as f64;
        let s = self.price.step(&mut self.rng, mid, ask - bid);
        let new_bid = (bid + s.bid_move).max(64);
        let new_ask = new_bid + s.spread;
        self.trades(t0, t1, (bid, ask), (new_bid, new_ask), s.activity);
        self.book.shift(&mut self.rng, new_bid, new_ask);
        // Over-dispersed: as recorded, the mean is twice the median. Some draws change nothing, hence the factor.
        let n = 1.4 * self.levels * s.activity.sqrt() * exp(1.0 * self.rng.normal() - 0.5);
        self.book.churn(&mut self.rng, n.min(2_000.0) as u32);
        let dt = self.interval as f64 / 1000.0;
        let depth = self.depth.step(&mut self.rng, exp(-dt / 5.0));
        self.book.balance(s.nobi, exp(0.45 * depth));
        let (bids, asks) = self.book.take_changes();
        let first_id = self.last_id + 1 + (self.rng.bits() & 15);
        let last_id = first_id + 2 * (bids.len() + asks.len()) as u64;
        let update = DepthUpdate {
            event_ms: t1,
            transact_ms: t1,
            first_id,
            last_id,
            prev_last_id: self.last_id,
            bids,
            asks,
        };
        self.last_id = last_id;
        self.queue.push_back((t1, MarketInput::Depth(update)));
        if t1.div_euclid(1000) != t0.div_euclid(1000) {
            let mark = self.mark(t1);
            self.queue.push_back((t1, MarketInput::Mark(mark)));
        }
        self.history.advance(t1);
        self.last_ms = t1;
        self.next_ms = t1 + self.interval;
    }

    /// Trades of one interval: most at the standing best prices, the last one at the price the book moves to.
    fn trades(&mut self, t0: i64, t1: i64, old: (i64, i64), new: (i64, i64), activity: f64) {
        let dt = (t1 - t0) as f64 / 1000.0;
        let n = self.rng.poisson((self.trades * dt * activity).min(2_000.0));
        let up = new.0 - old.0;
        for i in 0..n {
            let r = self.rng.bits();
            let sweep = i + 1 == n && up != 0;
            let (ms, price, sell) = if sweep {
                // A rise takes the asks up to the new best bid's price, a fall the bids down to the new best ask's.
                let p = if up > 0 {
                    new.0.max(old.1)
                } else {
                    new.1.min(old.0)
                };
                (t1, p, up < 0)
            } else {
                let at = t0 + (t1 - t0) * i64::from(i + 1) / i64::from(n + 1);
                let sell = r >> 63 == 1;
                (at, if sell { old.0 } else { old.1 }, sell)
            };
            self.last_trade += 1;
            let t = AggTrade {
                id: self.last_trade,
                event_ms: ms,
                transact_ms: ms,
                price: Price(price),
                qty: Qty(i64::from(self.trade_lots[(r & 1023) as usize])),
                buyer_is_maker: sell,
            };
            self.history.on_trade(ms, t.price, t.qty);
            self.queue.push_back((ms, MarketInput::Trade(t)));
        }
    }

    fn mark(&mut self, ms: i64) -> MarkPrice {
        let mid = 0.5 * (self.book.bid() + self.book.ask()) as f64 * self.tick;
        let a = exp(-1.0 / 20.0);
        let index = mid * (1.0 + 2e-5 * self.basis.step(&mut self.rng, a));
        let mark = mid * (1.0 + 2e-5 * self.premium.step(&mut self.rng, a));
        if ms >= self.funding_ms {
            self.funding_ms = (ms.div_euclid(FUNDING) + 1) * FUNDING;
            let r = (5.0 * self.rng.normal()).clamp(-20.0, 20.0) as i64;
            self.funding = Decimal::new(10 + r, 5);
        }
        MarkPrice {
            event_ms: ms,
            mark: to_decimal(mark),
            index: to_decimal(index),
            funding_rate: self.funding,
            next_funding_ms: self.funding_ms,
        }
    }
}

const FUNDING: i64 = 8 * 3_600_000;

/// To eight decimals, as the exchange sends it.
fn to_decimal(x: f64) -> Decimal {
    Decimal::new((x * 1e8 + 0.5).floor() as i64, 8)
}

#[cfg(test)]
mod tests;
