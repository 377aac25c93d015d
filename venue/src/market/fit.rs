//! Generated beside real: the same measures taken of two sources.
//!
//! A source is read for some market time with a book of its own; depth events are merged into windows of 100 ms, so that a
//! recording at full cadence and a generator at 100 ms are counted alike. What is in the numbers and what is not is said
//! in the table itself.

use super::MarketSource;
use crate::engine::{MarketInput, SymbolId};
use helios_core::market::BookLevels;
use rust_decimal::prelude::ToPrimitive;
use std::collections::BTreeMap;
use std::fmt::Write as _;

const WINDOW_MS: i64 = 100;
const TOP: usize = 10;

/// What was measured of one contract of a source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MarketStats {
    /// Market seconds read.
    pub seconds: f64,
    /// Measures by name, in a fixed order.
    pub rows: Vec<(&'static str, f64)>,
}

/// One measure of two sources.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FitRow {
    /// What is measured, with its unit.
    pub name: &'static str,
    /// In the recording.
    pub real: f64,
    /// In the generated market.
    pub generated: f64,
}

/// Generated beside real.
#[derive(Clone, Debug, PartialEq)]
pub struct FitReport {
    /// Label of the recording and seconds read of it.
    pub real: (String, f64),
    /// Label of the generated market and seconds read of it.
    pub generated: (String, f64),
    /// The measures.
    pub rows: Vec<FitRow>,
}

impl FitReport {
    /// Reads the recording's contract to its end, at most `max_ms` of market time, and as much of the generated market's.
    pub fn compare(
        real: &mut dyn MarketSource,
        generated: &mut dyn MarketSource,
        symbols: (SymbolId, SymbolId),
        max_ms: i64,
    ) -> Self {
        let a = MarketStats::measure(real, symbols.0, max_ms);
        let b = MarketStats::measure(generated, symbols.1, max_ms);
        let rows = a
            .rows
            .iter()
            .zip(&b.rows)
            .map(|(x, y)| FitRow {
                name: x.0,
                real: x.1,
                generated: y.1,
            })
            .collect();
        Self {
            real: (real.label(), a.seconds),
            generated: (generated.label(), b.seconds),
            rows,
        }
    }

    /// A measure by name.
    pub fn row(&self, name: &str) -> Option<FitRow> {
        self.rows.iter().find(|r| r.name == name).copied()
    }

    /// The table as text.
    pub fn table(&self) -> String {
        let mut t = String::new();
        let _ = writeln!(t, "real:      {} ({:.0} s)", self.real.0, self.real.1);
        let _ = writeln!(
            t,
            "generated: {} ({:.0} s)",
            self.generated.0, self.generated.1
        );
        let _ = writeln!(
            t,
            "{:<44}{:>12}{:>12}{:>8}",
            "measure", "real", "generated", "ratio"
        );
        for r in &self.rows {
            let ratio = if r.real.abs() > 1e-12 {
                r.generated / r.real
            } else {
                f64::NAN
            };
            let _ = writeln!(
                t,
                "{:<44}{:>12.4}{:>12.4}{:>8.2}",
                r.name, r.real, r.generated, ratio
            );
        }
        t
    }
}

#[derive(Default)]
struct Measure {
    bids: BTreeMap<i64, i64>,
    asks: BTreeMap<i64, i64>,
    /// Levels changed in the running window: (is bid, price) to quantity.
    window: BTreeMap<(bool, i64), i64>,
    window_no: i64,
    changed: Vec<f64>,
    distance: Vec<f64>,
    sizes: Vec<f64>,
    zeros: f64,
    spreads_of_one: f64,
    best: Vec<f64>,
    ten: Vec<f64>,
    span_100: Vec<f64>,
    span_900: Vec<f64>,
    nobi: Vec<f64>,
    mids: Vec<f64>,
    trades: Vec<f64>,
    per_second: BTreeMap<i64, f64>,
}

impl MarketStats {
    /// Reads one contract of a source for at most `max_ms` of market time.
    pub fn measure(source: &mut dyn MarketSource, symbol: SymbolId, max_ms: i64) -> Self {
        let Some(spec) = source.symbols().get(usize::from(symbol.0)).cloned() else {
            return Self::default();
        };
        let tick = spec.instrument.tick.to_f64().unwrap_or(1.0);
        let step = spec.instrument.step.to_f64().unwrap_or(1.0);
        let mut m = Measure::default();
        let (start, mut last) = (source.start_ms(), source.start_ms());
        while let Some((t, s, e)) = source.next_event() {
            if t > start + max_ms {
                break;
            }
            last = t;
            if s != symbol {
                continue;
            }
            let no = (t - start).div_euclid(WINDOW_MS);
            if no != m.window_no {
                m.end_window();
                m.window_no = no;
            }
            match e {
                MarketInput::Snapshot(x) => {
                    m.bids = x.bids.iter().map(|(p, q)| (p.0, q.0)).collect();
                    m.asks = x.asks.iter().map(|(p, q)| (p.0, q.0)).collect();
                }
                MarketInput::Depth(d) => {
                    m.apply(true, &d.bids);
                    m.apply(false, &d.asks);
                }
                MarketInput::Trade(x) => {
                    m.trades.push(x.qty.0 as f64);
                    *m.per_second.entry(t.div_euclid(1000)).or_default() += 1.0;
                }
                MarketInput::Mark(_) => {}
            }
        }
        m.finish((last - start) as f64 / 1000.0, tick, step)
    }
}

impl Measure {
    fn apply(&mut self, is_bid: bool, l: &BookLevels) {
        let side = if is_bid {
            &mut self.bids
        } else {
            &mut self.asks
        };
        for (p, q) in l {
            if q.is_zero() {
                side.remove(&p.0);
            } else {
                side.insert(p.0, q.0);
            }
            self.window.insert((is_bid, p.0), q.0);
        }
    }

    fn end_window(&mut self) {
        let window = std::mem::take(&mut self.window);
        let (Some((&bid, &bq)), Some((&ask, &aq))) =
            (self.bids.last_key_value(), self.asks.first_key_value())
        else {
            return;
        };
        if window.is_empty() {
            return;
        }
        self.changed.push(window.len() as f64);
        for (&(is_bid, p), &q) in &window {
            let d = if is_bid { bid - p } else { p - ask };
            self.distance.push(d as f64);
            if q == 0 {
                self.zeros += 1.0;
            } else if d > 0 {
                self.sizes.push(q as f64);
            }
        }
        self.spreads_of_one += f64::from(u8::from(ask - bid == 1));
        self.best.extend([bq as f64, aq as f64]);
        let sum = |i: &mut dyn Iterator<Item = (&i64, &i64)>| -> (f64, f64) {
            i.take(TOP).fold((0.0, 0.0), |a, (p, q)| {
                (a.0 + (*p as f64) * (*q as f64), a.1 + *q as f64)
            })
        };
        let (b, bl) = sum(&mut self.bids.iter().rev());
        let (a, al) = sum(&mut self.asks.iter());
        self.nobi.push((a - b) / (a + b));
        self.ten.push(bl + al);
        self.mids.push(0.5 * (bid + ask) as f64);
        if self.mids.len() % 50 == 1 {
            let at = |n: usize| self.bids.keys().rev().nth(n).map(|p| (bid - p) as f64);
            self.span_100.extend(at(99));
            self.span_900.extend(at(899));
        }
    }

    fn finish(mut self, seconds: f64, tick: f64, step: f64) -> MarketStats {
        self.end_window();
        let bp = self.mids.first().map_or(1.0, |m| 1e4 / m);
        let usd = tick * step / bp * 1e4 / 1000.0;
        let n = self.nobi.len().max(1) as f64;
        let share = self.nobi.iter().filter(|x| x.abs() >= 0.4).count() as f64 / n;
        let changes = self.distance.len().max(1) as f64;
        let mut per_second: Vec<f64> = self.per_second.values().copied().collect();
        let rate = self.trades.len() as f64 / seconds.max(0.001);
        let sd = variance(&self.nobi).sqrt();
        let (mean_changed, mean_trade) = (mean(&self.changed), mean(&self.trades));
        let vol = |k: usize| volatility(&self.mids, k) * 1e4;
        let (v01, v1, v30) = (vol(1), vol(10), vol(300));
        let acf = |k| autocorrelation(&self.nobi, k);
        let (a1, a10, a50) = (acf(1), acf(10), acf(50));
        let rows = vec![
            (
                "levels changed in 100 ms, median",
                quantile(&mut self.changed, 0.5),
            ),
            ("levels changed in 100 ms, mean", mean_changed),
            (
                "levels changed in 100 ms, 95 %",
                quantile(&mut self.changed, 0.95),
            ),
            (
                "distance of a change from best, bp, 25 %",
                quantile(&mut self.distance, 0.25) * bp,
            ),
            (
                "distance of a change from best, bp, median",
                quantile(&mut self.distance, 0.5) * bp,
            ),
            (
                "distance of a change from best, bp, 75 %",
                quantile(&mut self.distance, 0.75) * bp,
            ),
            ("changes that remove a level, share", self.zeros / changes),
            ("spread of one tick, share", self.spreads_of_one / n),
            (
                "best level, thousand USDT, median",
                quantile(&mut self.best, 0.5) * usd,
            ),
            (
                "best level, thousand USDT, 90 %",
                quantile(&mut self.best, 0.9) * usd,
            ),
            (
                "best ten of both sides, thousand USDT, median",
                quantile(&mut self.ten, 0.5) * usd,
            ),
            (
                "changed level, thousand USDT, median",
                quantile(&mut self.sizes, 0.5) * usd,
            ),
            (
                "changed level, thousand USDT, 90 %",
                quantile(&mut self.sizes, 0.9) * usd,
            ),
            (
                "100 levels reach, bp, median",
                quantile(&mut self.span_100, 0.5) * bp,
            ),
            (
                "900 levels reach, bp, median",
                quantile(&mut self.span_900, 0.5) * bp,
            ),
            ("aggregate trades per second, mean", rate),
            (
                "aggregate trades per second, median",
                quantile(&mut per_second, 0.5),
            ),
            (
                "trade, thousand USDT, median",
                quantile(&mut self.trades, 0.5) * usd,
            ),
            ("trade, thousand USDT, mean", mean_trade * usd),
            ("volatility of mid, bp/sqrt(s), over 0.1 s", v01),
            ("volatility of mid, bp/sqrt(s), over 1 s", v1),
            ("volatility of mid, bp/sqrt(s), over 30 s", v30),
            ("NOBI(10), standard deviation", sd),
            ("NOBI(10), share beyond 0.4", share),
            ("NOBI(10), autocorrelation at 0.1 s", a1),
            ("NOBI(10), autocorrelation at 1 s", a10),
            ("NOBI(10), autocorrelation at 5 s", a50),
        ];
        MarketStats { seconds, rows }
    }
}

fn quantile(v: &mut [f64], p: f64) -> f64 {
    if v.is_empty() {
        return 0.0;
    }
    v.sort_unstable_by(f64::total_cmp);
    v[((v.len() - 1) as f64 * p) as usize]
}

fn mean(v: &[f64]) -> f64 {
    v.iter().sum::<f64>() / v.len().max(1) as f64
}

fn variance(v: &[f64]) -> f64 {
    let m = mean(v);
    v.iter().map(|x| (x - m) * (x - m)).sum::<f64>() / v.len().max(1) as f64
}

/// Root mean square move over `k` windows, as a fraction of price per √s.
fn volatility(mids: &[f64], k: usize) -> f64 {
    if mids.len() <= k {
        return 0.0;
    }
    let s: f64 = mids
        .windows(k + 1)
        .map(|w| ((w[k] - w[0]) / w[0]).powi(2))
        .sum();
    (s / (mids.len() - k) as f64 / (k as f64 * WINDOW_MS as f64 / 1000.0)).sqrt()
}

fn autocorrelation(v: &[f64], k: usize) -> f64 {
    if v.len() <= k {
        return 0.0;
    }
    let m = mean(v);
    let s: f64 = v.windows(k + 1).map(|w| (w[0] - m) * (w[k] - m)).sum();
    s / (v.len() - k) as f64 / variance(v).max(1e-12)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::market::{Generator, GeneratorConfig, Profile, Replay};

    #[test]
    fn the_btc_like_market_resembles_the_recorded_one() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../shared/data/capture/usdm_btcusdt_20240808.jsonl.gz"
        );
        if !std::path::Path::new(path).exists() {
            eprintln!("SKIPPED: {path} is not here");
            return;
        }
        let mut real = Replay::open(path).unwrap();
        let mut c = GeneratorConfig::new(7, 0.0, Profile::named("btc-like").unwrap());
        c.symbols.truncate(1);
        let mut made = Generator::new(c).unwrap();
        let r = FitReport::compare(&mut real, &mut made, (SymbolId(0), SymbolId(0)), 2_400_000);
        eprintln!("{}", r.table());
        // Loose on purpose: one recorded evening of six minutes is no law. The far book (beyond 66 bp) is not generated.
        for (name, factor) in [
            ("levels changed in 100 ms, median", 1.5),
            ("levels changed in 100 ms, mean", 1.5),
            ("distance of a change from best, bp, median", 1.6),
            ("changes that remove a level, share", 1.7),
            ("spread of one tick, share", 1.02),
            ("best level, thousand USDT, median", 1.6),
            ("changed level, thousand USDT, median", 2.0),
            ("100 levels reach, bp, median", 1.6),
            ("900 levels reach, bp, median", 1.6),
            ("aggregate trades per second, mean", 1.5),
            ("trade, thousand USDT, median", 1.6),
            ("trade, thousand USDT, mean", 1.6),
            ("NOBI(10), standard deviation", 1.25),
            ("NOBI(10), share beyond 0.4", 1.3),
            ("NOBI(10), autocorrelation at 0.1 s", 1.2),
            ("NOBI(10), autocorrelation at 1 s", 1.5),
        ] {
            let x = r.row(name).unwrap();
            let ratio = x.generated / x.real;
            assert!(
                ratio < factor && ratio > 1.0 / factor,
                "{name}: real {} generated {}",
                x.real,
                x.generated
            );
        }
    }
}
