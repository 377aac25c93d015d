//! What one strategy would like to trade, best first.
//!
//! Score = hourly volatility / round-trip cost × liquidity: a stop of some ATR must be wide against what a trade costs,
//! and the book must take the size. Liquidity saturates (volume and depth beyond what an account of ours moves earn
//! nothing more). An incumbent's score counts [`RankParams::hysteresis`] times, so that a rescan does not churn.

use super::candidate::{Candidate, ContractKind, ContractStatus};
use crate::instrument::Symbol;
use crate::params::WatchlistParams;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;
/// Slippage a side that the cost gate assumes at least, bp.
const MIN_SLIPPAGE_BP: f64 = 0.5;
/// Daily volume (quote asset) that counts half.
const HALF_VOLUME: f64 = 20e6;
/// Depth within 20 bp (quote asset) that counts half.
const HALF_DEPTH: f64 = 50e3;
/// What an unread book counts: less than any we would trade on.
const UNREAD_DEPTH_FACTOR: f64 = 0.25;

/// How to rank.
#[derive(Clone, Debug, PartialEq)]
pub struct RankParams {
    /// Symbols wanted.
    pub size: usize,
    /// Margin asset.
    pub quote_asset: String,
    /// Always wanted first, in this order, where they may be traded.
    pub include: Vec<String>,
    /// Never wanted.
    pub exclude: Vec<String>,
    /// Fixed list instead of a ranking; empty means rank.
    pub symbols: Vec<String>,
    /// Younger listings are skipped, market ms.
    pub min_age_ms: i64,
    /// Contracts delivered or delisted within this are skipped, market ms.
    pub delisting_horizon_ms: i64,
    /// Factor on an incumbent's score, at least 1.
    pub hysteresis: f64,
}

impl From<&WatchlistParams> for RankParams {
    fn from(p: &WatchlistParams) -> Self {
        Self {
            size: p.size as usize,
            quote_asset: p.quote_asset.clone(),
            include: p.include.clone(),
            exclude: p.exclude.clone(),
            symbols: p.symbols.clone(),
            min_age_ms: 14 * DAY_MS,
            delisting_horizon_ms: 7 * DAY_MS,
            hysteresis: 1.25,
        }
    }
}

/// Why a contract is out of the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SkipReason {
    /// On the exclude list.
    Excluded,
    /// Another quote asset.
    QuoteAsset,
    /// Status is not TRADING.
    NotTrading,
    /// Dated contract, or delisting within the horizon.
    Delisting,
    /// TradFi contract: trades in sessions.
    TradFi,
    /// Listed less than 14 days ago, or nobody knows when.
    NewListing,
    /// A number is missing, zero or not finite: unknown.
    Unknown,
}

/// What became of a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Verdict {
    /// Named by the manifest (`symbols` or `include`).
    Named,
    /// By rank.
    Chosen,
    /// By rank, thanks to hysteresis only.
    Kept,
    /// Fit, but below the cut: next in line.
    Below,
    /// Not wanted, but with a position: to be left, not dropped.
    Drained,
    /// Out of the question.
    Skipped(SkipReason),
}

impl Verdict {
    /// On the wanted list.
    pub const fn is_wanted(self) -> bool {
        matches!(self, Self::Named | Self::Chosen | Self::Kept)
    }
}

/// One contract with its numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RankEntry {
    /// Name.
    pub symbol: Symbol,
    /// Verdict.
    pub verdict: Verdict,
    /// Why it was skipped, also when it is drained.
    pub skipped: Option<SkipReason>,
    /// Volatility / cost × liquidity, 0 where unknown.
    pub score: f64,
    /// Hourly volatility, bp.
    pub volatility_bp: f64,
    /// Round trip at the taker fee: 2 × fee + spread + 2 × slippage, bp.
    pub cost_bp: f64,
    /// In [0, 1].
    pub liquidity: f64,
}

/// A ranking: wanted first, then next in line, then drained, then skipped.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    /// Best first.
    pub entries: Vec<RankEntry>,
}

impl Ranking {
    /// Wanted symbols, best first, before other strategies' claims.
    pub fn wanted(&self) -> Vec<Symbol> {
        self.pick(Verdict::is_wanted)
    }

    /// Wanted ones and those next in line: what [`super::settle_claims`] needs.
    pub fn preference(&self) -> Vec<Symbol> {
        self.pick(|v| v.is_wanted() || v == Verdict::Below)
    }

    /// Symbols to leave.
    pub fn drained(&self) -> Vec<Symbol> {
        self.pick(|v| v == Verdict::Drained)
    }

    fn pick(&self, keep: impl Fn(Verdict) -> bool) -> Vec<Symbol> {
        self.entries
            .iter()
            .filter(|e| keep(e.verdict))
            .map(|e| e.symbol.clone())
            .collect()
    }
}

/// Ranks `candidates` at venue time `now_ms`. `current` are the symbols wanted until now, `with_position` those of this
/// strategy that are not flat. A symbol in one of these or in `params.symbols`/`include` that the scan does not know is
/// [`SkipReason::Unknown`].
pub fn rank(
    candidates: &[Candidate],
    params: &RankParams,
    now_ms: i64,
    current: &[Symbol],
    with_position: &BTreeSet<Symbol>,
) -> Ranking {
    let by_name: BTreeMap<&str, &Candidate> = candidates.iter().map(|c| (&*c.symbol, c)).collect();
    let named: &[String] = if params.symbols.is_empty() {
        &params.include
    } else {
        &params.symbols
    };
    let mut seen: BTreeSet<Symbol> = BTreeSet::new();
    let (mut first, mut ranked, mut out) = (Vec::new(), Vec::new(), Vec::new());
    for name in named {
        let symbol: Symbol = name.as_str().into();
        if !seen.insert(symbol.clone()) {
            continue;
        }
        let c = by_name.get(name.as_str()).copied();
        let e = measure(&symbol, c, params, now_ms);
        // A scan looks closely at the most traded contracts only: a named one needs no score, but a market with two sides.
        let unranked = e.skipped == Some(SkipReason::Unknown)
            && c.is_some_and(|c| c.spread_bp.is_finite() && c.quote_volume > 0.0);
        match e.skipped {
            // Who names a symbol may have it young.
            None | Some(SkipReason::NewListing) => first.push(RankEntry {
                verdict: Verdict::Named,
                skipped: None,
                ..e
            }),
            Some(_) if unranked => first.push(RankEntry {
                verdict: Verdict::Named,
                skipped: None,
                ..e
            }),
            Some(_) => out.push(e),
        }
    }
    for (name, c) in &by_name {
        let symbol: Symbol = (*name).into();
        if !seen.insert(symbol.clone()) {
            continue;
        }
        let e = measure(&symbol, Some(c), params, now_ms);
        if e.skipped.is_some() {
            out.push(e);
        } else if params.symbols.is_empty() {
            ranked.push(e);
        } else if with_position.contains(&symbol) {
            out.push(e);
        }
    }
    for symbol in with_position {
        if seen.insert(symbol.clone()) {
            out.push(measure(symbol, None, params, now_ms));
        }
    }
    if params.symbols.is_empty() {
        first.truncate(params.size);
    }
    let room = params.size.saturating_sub(first.len());
    choose(&mut ranked, room, params.hysteresis, current);
    let mut entries = first;
    entries.extend(ranked);
    for e in &mut entries {
        if e.verdict == Verdict::Below && with_position.contains(&e.symbol) {
            e.verdict = Verdict::Drained;
        }
    }
    for mut e in out {
        if with_position.contains(&e.symbol) {
            e.verdict = Verdict::Drained;
        }
        entries.push(e);
    }
    entries.sort_by_key(|e| match e.verdict {
        Verdict::Named | Verdict::Chosen | Verdict::Kept => 0,
        Verdict::Below => 1,
        Verdict::Drained => 2,
        Verdict::Skipped(_) => 3,
    });
    Ranking { entries }
}

/// Orders `ranked` by score with hysteresis and marks the best `room` as wanted.
fn choose(ranked: &mut [RankEntry], room: usize, hysteresis: f64, current: &[Symbol]) {
    let held: BTreeSet<&Symbol> = current.iter().collect();
    let bare = |a: &RankEntry, b: &RankEntry| {
        b.score
            .total_cmp(&a.score)
            .then_with(|| a.symbol.cmp(&b.symbol))
    };
    ranked.sort_by(bare);
    let by_bare: BTreeSet<Symbol> = ranked.iter().take(room).map(|e| e.symbol.clone()).collect();
    let weight = |e: &RankEntry| {
        if held.contains(&e.symbol) {
            e.score * hysteresis.max(1.0)
        } else {
            e.score
        }
    };
    ranked.sort_by(|a, b| {
        weight(b)
            .total_cmp(&weight(a))
            .then_with(|| a.symbol.cmp(&b.symbol))
    });
    for (i, e) in ranked.iter_mut().enumerate() {
        e.verdict = match (i < room, by_bare.contains(&e.symbol)) {
            (true, true) => Verdict::Chosen,
            (true, false) => Verdict::Kept,
            (false, _) => Verdict::Below,
        };
    }
}

/// Numbers and fitness of one contract; the verdict is `Below` when fit.
fn measure(symbol: &Symbol, c: Option<&Candidate>, params: &RankParams, now_ms: i64) -> RankEntry {
    let mut e = RankEntry {
        symbol: symbol.clone(),
        verdict: Verdict::Below,
        skipped: None,
        score: 0.0,
        volatility_bp: 0.0,
        cost_bp: 0.0,
        liquidity: 0.0,
    };
    let known = |v: f64| v.is_finite() && v >= 0.0;
    if let Some(c) = c
        && known(c.volatility_bp)
        && known(c.spread_bp)
        && known(c.taker_fee_bp)
        && known(c.quote_volume)
    {
        e.volatility_bp = c.volatility_bp;
        e.cost_bp = 2.0 * c.taker_fee_bp + c.spread_bp + 2.0 * MIN_SLIPPAGE_BP;
        let depth = match c.depth_20bp {
            Some(d) if known(d) => d / (d + HALF_DEPTH),
            Some(_) => 0.0,
            None => UNREAD_DEPTH_FACTOR,
        };
        e.liquidity = depth * c.quote_volume / (c.quote_volume + HALF_VOLUME);
        e.score = e.volatility_bp / e.cost_bp * e.liquidity;
    }
    e.skipped = unfit(symbol, c, params, now_ms, e.score);
    if let Some(reason) = e.skipped {
        e.verdict = Verdict::Skipped(reason);
    }
    e
}

fn unfit(
    symbol: &Symbol,
    c: Option<&Candidate>,
    params: &RankParams,
    now_ms: i64,
    score: f64,
) -> Option<SkipReason> {
    if params.exclude.iter().any(|x| **x == **symbol) {
        return Some(SkipReason::Excluded);
    }
    let Some(c) = c else {
        return Some(SkipReason::Unknown);
    };
    let ends_soon = c
        .delivery_ms
        .is_some_and(|d| d.saturating_sub(now_ms) < params.delisting_horizon_ms);
    let young = c
        .onboard_ms
        .is_none_or(|t| now_ms.saturating_sub(t) < params.min_age_ms);
    if c.quote_asset != params.quote_asset {
        Some(SkipReason::QuoteAsset)
    } else if c.status == ContractStatus::Ending
        || c.kind == ContractKind::Other
        || (c.status == ContractStatus::Trading && ends_soon)
    {
        Some(SkipReason::Delisting)
    } else if c.status != ContractStatus::Trading {
        Some(SkipReason::NotTrading)
    } else if c.kind == ContractKind::TradFi {
        Some(SkipReason::TradFi)
    } else if score <= 0.0 || !score.is_finite() {
        Some(SkipReason::Unknown)
    } else if young {
        Some(SkipReason::NewListing)
    } else {
        None
    }
}

#[cfg(test)]
#[path = "rank_tests.rs"]
mod tests;
