//! The market scan: what every contract of the venue looks like, within the request budget.
//!
//! Reads all tickers in two requests, then klines and depth of the best by volume only. Ranking is core's.

use helios_binance::error::ApiError;
use helios_binance::rest::{KlineInterval, Lane, ListedContract, RestClient};
use helios_core::instrument::{Instrument, Symbol};
use helios_core::market::{Bar, DepthSnapshot};
use helios_core::watchlist::{Candidate, ContractKind, ContractStatus};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use std::collections::BTreeMap;

/// Contracts by 24 h volume whose klines and book are read: about 10 weight each.
const LOOKED_AT: usize = 40;
/// One hour, ms.
const HOUR_MS: i64 = 3_600_000;
const M15: i64 = 900_000;

/// What a scan found.
#[derive(Clone, Debug, PartialEq)]
pub struct ScanResult {
    /// Every listed contract.
    pub candidates: Vec<Candidate>,
    /// Correlation of 15-minute returns over 24 h, each pair once.
    pub correlations: Vec<(Symbol, Symbol, f64)>,
}

/// Scans the market; `taker_fee` is the account's own rate.
///
/// # Errors
/// A read of all tickers failed; a single contract that can't be read only ranks worse.
pub async fn scan(rest: &RestClient, taker_fee: Decimal) -> Result<ScanResult, ApiError> {
    let info = rest.exchange_info().await?;
    let tickers = rest.ticker_24h().await?;
    let tops = rest.book_tickers().await?;
    let volume: BTreeMap<&str, f64> = tickers
        .iter()
        .map(|t| (&*t.symbol, t.quote_volume.to_f64().unwrap_or(f64::NAN)))
        .collect();
    let spread: BTreeMap<&str, f64> = tops
        .iter()
        .filter_map(|t| Some((&*t.symbol, spread_bp(t.bid.0, t.ask.0)?)))
        .collect();
    let mut order: Vec<&ListedContract> = info.contracts.iter().collect();
    let key = |c: &ListedContract| volume.get(&*c.instrument.symbol).copied().unwrap_or(0.0);
    order.sort_by(|a, b| {
        key(b)
            .total_cmp(&key(a))
            .then_with(|| a.instrument.symbol.cmp(&b.instrument.symbol))
    });
    let mut candidates = Vec::with_capacity(order.len());
    let mut returns: Vec<(Symbol, Vec<f64>)> = Vec::new();
    for (place, c) in order.into_iter().enumerate() {
        let i = &c.instrument;
        let looked = place < LOOKED_AT && c.is_tradable_perpetual();
        let (volatility_bp, depth_20bp) = if looked {
            let m15 = rest
                .klines(
                    i,
                    KlineInterval::largest_dividing(M15).unwrap_or(KlineInterval::M1),
                    96,
                )
                .await;
            let m15 = m15.unwrap_or_default();
            returns.push((i.symbol.clone(), log_returns(i, &m15)));
            let depth = rest
                .depth(i, 500, Lane::Background)
                .await
                .ok()
                .map(|s| thinner_depth(i, &s));
            (hourly_range_bp(i, &m15), depth)
        } else {
            (f64::NAN, None)
        };
        candidates.push(Candidate {
            symbol: i.symbol.clone(),
            status: ContractStatus::from_exchange(&c.status),
            kind: ContractKind::from_exchange(&c.contract_type),
            quote_asset: c.quote_asset.clone(),
            volatility_bp,
            spread_bp: spread.get(&*i.symbol).copied().unwrap_or(f64::NAN),
            taker_fee_bp: (taker_fee * Decimal::from(10_000))
                .to_f64()
                .unwrap_or(f64::NAN),
            quote_volume: volume.get(&*i.symbol).copied().unwrap_or(f64::NAN),
            depth_20bp,
            onboard_ms: (c.onboard_ms > 0).then_some(c.onboard_ms),
            delivery_ms: (c.delivery_ms > 0).then_some(c.delivery_ms),
        });
    }
    Ok(ScanResult {
        candidates,
        correlations: correlations(&returns),
    })
}

fn spread_bp(bid: Decimal, ask: Decimal) -> Option<f64> {
    let mid = (bid + ask) / Decimal::TWO;
    (bid > Decimal::ZERO && ask >= bid)
        .then(|| ((ask - bid) / mid * Decimal::from(10_000)).to_f64())
        .flatten()
}

/// Mean range of whole hours, bp of the close; NaN where there is no whole hour.
fn hourly_range_bp(i: &Instrument, bars: &[Bar]) -> f64 {
    let mut hours: BTreeMap<i64, (i64, i64, i64)> = BTreeMap::new();
    for b in bars {
        let h = hours
            .entry(b.open_ms.div_euclid(HOUR_MS))
            .or_insert((b.high.0, b.low.0, b.close.0));
        *h = (h.0.max(b.high.0), h.1.min(b.low.0), b.close.0);
    }
    let ranges: Vec<f64> = hours
        .values()
        .filter(|h| h.2 > 0)
        .map(|(high, low, close)| {
            let p = |t: i64| i.price_f64(helios_core::fixed::Price(t));
            (p(*high) - p(*low)) / p(*close) * 10_000.0
        })
        .collect();
    if ranges.is_empty() {
        f64::NAN
    } else {
        ranges.iter().sum::<f64>() / ranges.len() as f64
    }
}

/// The thinner side's notional within 20 bp of mid.
fn thinner_depth(i: &Instrument, s: &DepthSnapshot) -> f64 {
    let (bid, ask) = depth_within(i, s, 20);
    bid.min(ask).to_f64().unwrap_or(0.0)
}

/// Notional of each side within `bp` of mid, quote asset.
pub fn depth_within(i: &Instrument, s: &DepthSnapshot, bp: i64) -> (Decimal, Decimal) {
    let (Some(bid), Some(ask)) = (s.bids.first(), s.asks.first()) else {
        return (Decimal::ZERO, Decimal::ZERO);
    };
    let mid = (i.price_dec(bid.0) + i.price_dec(ask.0)) / Decimal::TWO;
    let reach = mid * Decimal::from(bp) / Decimal::from(10_000);
    let sum = |levels: &[(helios_core::fixed::Price, helios_core::fixed::Qty)]| {
        levels
            .iter()
            .filter(|l| (i.price_dec(l.0) - mid).abs() <= reach)
            .map(|l| i.notional(l.0, l.1))
            .sum()
    };
    (sum(&s.bids), sum(&s.asks))
}

fn log_returns(i: &Instrument, bars: &[Bar]) -> Vec<f64> {
    bars.windows(2)
        .map(|w| (i.price_f64(w[1].close) / i.price_f64(w[0].close)).ln())
        .filter(|r| r.is_finite())
        .collect()
}

/// Pearson correlation of each pair with at least 24 common returns (6 hours).
fn correlations(returns: &[(Symbol, Vec<f64>)]) -> Vec<(Symbol, Symbol, f64)> {
    let mut out = Vec::new();
    for (n, (a, x)) in returns.iter().enumerate() {
        for (b, y) in &returns[n + 1..] {
            let len = x.len().min(y.len());
            if len < 24 {
                continue;
            }
            let (x, y) = (&x[x.len() - len..], &y[y.len() - len..]);
            let mean = |v: &[f64]| v.iter().sum::<f64>() / len as f64;
            let (mx, my) = (mean(x), mean(y));
            let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
            for (p, q) in x.iter().zip(y) {
                xy += (p - mx) * (q - my);
                xx += (p - mx) * (p - mx);
                yy += (q - my) * (q - my);
            }
            let r = xy / (xx * yy).sqrt();
            if r.is_finite() {
                out.push((a.clone(), b.clone(), r));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opposite_and_equal_returns_correlate_fully() {
        let x: Vec<f64> = (0..30).map(|n| f64::from(n % 7) - 3.0).collect();
        let y: Vec<f64> = x.iter().map(|v| -2.0 * v).collect();
        let c = correlations(&[("A".into(), x.clone()), ("B".into(), y), ("C".into(), x)]);
        let r = |n: usize| (c[n].2 * 1e9).round() / 1e9;
        assert_eq!((c.len(), r(0), r(1), r(2)), (3, -1.0, 1.0, -1.0));
    }
}
