//! What a run ends with: one table for people, one JSON line for programs.

use super::board::AccountBoard;
use helios_venue::server::{AuditReport, Ledger, VenueStats};
use rust_decimal::Decimal;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// The summary of an account's run.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Words about the market: simulated or recorded.
    pub market: String,
    /// Account.
    pub account: String,
    /// Per symbol.
    pub symbols: Vec<SymbolSummary>,
    /// Round trips, flat to flat.
    pub round_trips: usize,
    /// Fees of all fills, from the venue's ledger.
    pub fees: Decimal,
    /// Realised profit before fees, from the venue's ledger.
    pub realised_pnl: Decimal,
    /// Change of the wallet: realised − fees + funding.
    pub net_pnl: Decimal,
    /// Wallet at the end.
    pub wallet: Decimal,
    /// Depth resyncs.
    pub resyncs: u32,
    /// Errors logged, critical alerts among them.
    pub errors: u64,
    /// Tasks that failed and were started again.
    pub restarts: u64,
    /// Smallest margin ratio seen, percent; 100 when there never was a position.
    pub min_margin_ratio: Decimal,
    /// Longest time from a fill that opened a position to its stop's NEW, wall ms, in the venue's own log.
    pub max_unprotected_ms: f64,
    /// The same in market ms.
    pub max_unprotected_market_ms: i64,
    /// 99th percentile of that time, wall ms.
    pub fill_to_stop_p99_ms: f64,
    /// The venue's log of fills and stops.
    pub audit: AuditReport,
    /// Market seconds a wall second, reached.
    pub achieved_speed: f64,
    /// Market seconds traded.
    pub market_seconds: f64,
    /// Positions left open, by symbol.
    pub open_positions: BTreeMap<String, Decimal>,
    /// Workers' own sums equal the venue's ledger to the last digit: position, fees, realised.
    pub books_agree: bool,
    /// Where they don't, in words.
    pub disagreement: Vec<String>,
}

/// The venue's books at both ends of a run.
#[derive(Clone, Copy, Debug)]
pub struct Books<'a> {
    /// When it began.
    pub base: &'a Ledger,
    /// When it ended.
    pub end: &'a Ledger,
    /// Symbols that the coordinator closed because no worker was left to: no worker told of those round trips.
    pub released: &'a BTreeSet<String>,
}

/// The summary of a symbol.
#[derive(Clone, Debug, Serialize)]
pub struct SymbolSummary {
    /// Contract.
    pub symbol: String,
    /// Round trips.
    pub round_trips: usize,
    /// Of them won net of fees.
    pub won: usize,
    /// Realised before fees.
    pub realised_pnl: Decimal,
    /// Fees.
    pub fees: Decimal,
    /// Round trips by why they were left.
    pub exits: BTreeMap<String, usize>,
}

impl Summary {
    /// From the board and the venue's books at the end.
    pub fn new(
        account: &str,
        board: &AccountBoard,
        books: &Books<'_>,
        audit: AuditReport,
        stats: &VenueStats,
        errors: u64,
        restarts: u64,
    ) -> Self {
        let (base, ledger) = (books.base, books.end);
        let mut by_symbol: BTreeMap<String, SymbolSummary> = BTreeMap::new();
        for symbol in board.reports.keys() {
            by_symbol.insert(symbol.clone(), SymbolSummary::empty(symbol));
        }
        for t in &board.closed {
            let s = by_symbol
                .entry(t.symbol.clone())
                .or_insert_with(|| SymbolSummary::empty(&t.symbol));
            s.round_trips += 1;
            s.won += usize::from(t.gross > t.fees);
            s.realised_pnl += t.gross;
            s.fees += t.fees;
            *s.exits.entry(format!("{:?}", t.exit)).or_default() += 1;
        }
        let open_positions: BTreeMap<String, Decimal> = ledger
            .positions
            .iter()
            .map(|p| (p.symbol.clone(), p.qty))
            .collect();
        let disagreement = disagreement(board, books, &open_positions);
        Self {
            market: board.label.clone(),
            account: account.into(),
            round_trips: board.closed.len(),
            symbols: by_symbol.into_values().collect(),
            fees: ledger.fees - base.fees,
            realised_pnl: ledger.realised - base.realised,
            net_pnl: ledger.wallet - base.wallet,
            wallet: ledger.wallet,
            resyncs: board.resyncs(),
            errors,
            restarts,
            min_margin_ratio: board.min_margin_ratio.unwrap_or(Decimal::ONE_HUNDRED),
            max_unprotected_ms: audit.max_unprotected_ms,
            max_unprotected_market_ms: audit.max_unprotected_market_ms,
            fill_to_stop_p99_ms: audit.fill_to_stop_p99_ms,
            audit,
            achieved_speed: stats.achieved_speed,
            market_seconds: stats.market_elapsed_ms as f64 / 1000.0,
            open_positions,
            books_agree: disagreement.is_empty(),
            disagreement,
        }
    }

    /// The table for people.
    pub fn table(&self) -> String {
        let mut t = String::new();
        let _ = writeln!(t, "\n{} — {}", self.account, self.market);
        let _ = writeln!(
            t,
            "{:<14}{:>7}{:>7}{:>14}{:>12}{:>14}  left by",
            "symbol", "trips", "won", "realised", "fees", "net"
        );
        for s in &self.symbols {
            let exits: Vec<String> = s.exits.iter().map(|(k, n)| format!("{k} {n}")).collect();
            let _ = writeln!(
                t,
                "{:<14}{:>7}{:>7}{:>14.2}{:>12.2}{:>14.2}  {}",
                s.symbol,
                s.round_trips,
                s.won,
                s.realised_pnl,
                s.fees,
                s.realised_pnl - s.fees,
                exits.join(", ")
            );
        }
        let _ = writeln!(
            t,
            "{:<14}{:>7}{:>7}{:>14.2}{:>12.2}{:>14.2}",
            "all", self.round_trips, "", self.realised_pnl, self.fees, self.net_pnl
        );
        let _ = writeln!(
            t,
            "wallet {:.2} · {:.0} market seconds at speed {:.1} · smallest margin ratio {:.1} % · resyncs {} · errors {} · restarts {}",
            self.wallet,
            self.market_seconds,
            self.achieved_speed,
            self.min_margin_ratio,
            self.resyncs,
            self.errors,
            self.restarts
        );
        if self.audit.openings > 0 {
            let _ = writeln!(
                t,
                "fill to confirmed stop, by the venue's log: 99 % within {:.1} ms, longest without one {:.1} ms ({} opened, {} protected, {} flat first)",
                self.fill_to_stop_p99_ms,
                self.max_unprotected_ms,
                self.audit.openings,
                self.audit.protected,
                self.audit.flat_first
            );
        }
        for (symbol, qty) in &self.open_positions {
            let _ = writeln!(
                t,
                "left open: {symbol} {qty}{}",
                if self.audit.still_bare == 0 {
                    ", with its stop at the venue"
                } else {
                    "; SOME STAND WITHOUT A STOP"
                }
            );
        }
        for d in &self.disagreement {
            let _ = writeln!(t, "BOOKS DISAGREE: {d}");
        }
        if self.books_agree {
            let _ = writeln!(
                t,
                "our books and the venue's ledger agree to the last digit"
            );
        }
        t
    }
}

impl SymbolSummary {
    fn empty(symbol: &str) -> Self {
        Self {
            symbol: symbol.into(),
            round_trips: 0,
            won: 0,
            realised_pnl: Decimal::ZERO,
            fees: Decimal::ZERO,
            exits: BTreeMap::new(),
        }
    }
}

/// Where the workers' sums and the venue's ledger differ. Cash is compared when everything was flat at both ends and every
/// round trip was told by a worker: one that is open is in the ledger and not yet in the workers' sums.
fn disagreement(
    board: &AccountBoard,
    books: &Books<'_>,
    open: &BTreeMap<String, Decimal>,
) -> Vec<String> {
    let ledger = books.end;
    let mut words = Vec::new();
    let reported: BTreeMap<&String, Decimal> = board
        .reports
        .iter()
        .map(|(s, r)| (s, r.view.position))
        .collect();
    let symbols: BTreeSet<&String> = reported.keys().copied().chain(open.keys()).collect();
    for symbol in symbols.into_iter().filter(|s| !books.released.contains(*s)) {
        let ours = reported.get(symbol).copied().unwrap_or_default();
        let venue = open.get(symbol).copied().unwrap_or_default();
        if ours != venue {
            words.push(format!("{symbol}: worker holds {ours}, venue {venue}"));
        }
    }
    let computed = ledger.initial_balance + ledger.realised - ledger.fees + ledger.other;
    if computed != ledger.wallet {
        words.push(format!(
            "venue's wallet is {}, its entries say {computed}",
            ledger.wallet
        ));
    }
    if open.is_empty() && books.base.positions.is_empty() && books.released.is_empty() {
        let fees: Decimal = board.closed.iter().map(|t| t.fees).sum();
        let realised: Decimal = board.closed.iter().map(|t| t.gross).sum();
        let (venue_fees, venue_realised) = (
            ledger.fees - books.base.fees,
            ledger.realised - books.base.realised,
        );
        if fees != venue_fees {
            words.push(format!("fees: workers {fees}, venue {venue_fees}"));
        }
        if realised != venue_realised {
            words.push(format!(
                "realised: workers {realised}, venue {venue_realised}"
            ));
        }
    }
    words
}
