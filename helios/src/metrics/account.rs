//! What an account snapshot says, as gauges; the coordinator decides which snapshot is the newest.
//!
//! The numbers stand as they were said. Only the ages go on: they are reckoned at each look at the page.

use super::{Book, bit};
use anyhow::Result;
use helios_core::guardian::{DAILY_LOSS, DRAWDOWN, KILL, STATE_LOST};
use helios_core::messages::AccountSnapshot;
use prometheus::{Gauge, GaugeVec};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use std::time::Instant;

/// Latches there are.
const LATCHES: [&str; 4] = [KILL, DRAWDOWN, DAILY_LOSS, STATE_LOST];

/// What the snapshot tells, as gauges.
#[derive(Debug)]
pub(super) struct Account {
    ratio: Gauge,
    exchange_ratio: Gauge,
    equity: Gauge,
    available: Gauge,
    maintenance: Gauge,
    notional: Gauge,
    leverage: Gauge,
    promised: Gauge,
    peak: Gauge,
    day_start: Gauge,
    positions: Gauge,
    level: Gauge,
    known: Gauge,
    halted: Gauge,
    latch: GaugeVec,
    workers: GaugeVec,
    unprotected: Gauge,
    input_age: Gauge,
    read_age: Gauge,
    snapshot_age: Gauge,
}

impl Account {
    pub(super) fn new(book: &Book) -> Result<Self> {
        let g = |name, help| book.gauge(name, help);
        Ok(Self {
            ratio: g(
                "helios_margin_ratio_percent",
                "Adverse move in every symbol at once that would liquidate the account; 100 when flat",
            )?,
            exchange_ratio: g(
                "helios_exchange_margin_ratio_percent",
                "The exchange's own: maintenance margin over margin balance",
            )?,
            equity: g("helios_equity", "Wallet and unrealised profit, quote asset")?,
            available: g(
                "helios_available_balance",
                "Margin balance less initial margins, quote asset",
            )?,
            maintenance: g(
                "helios_maintenance_margin",
                "Maintenance margin of all positions, quote asset",
            )?,
            notional: g(
                "helios_gross_notional",
                "Sum of |notional| of all positions, quote asset",
            )?,
            leverage: g("helios_gross_leverage", "Gross notional over equity")?,
            promised: g(
                "helios_promised_notional",
                "Held or allowed by grants alive, quote asset",
            )?,
            peak: g(
                "helios_peak_equity",
                "Highest equity known; the drawdown counts from it",
            )?,
            day_start: g(
                "helios_day_start_equity",
                "Equity at 00:00 UTC, net of transfers since",
            )?,
            positions: g("helios_positions", "Symbols with a position")?,
            level: g(
                "helios_ladder_level",
                "0 normal, 1 warning, 2 critical, 3 emergency",
            )?,
            known: g(
                "helios_account_known",
                "1 while the picture of the account is complete and fresh",
            )?,
            halted: g(
                "helios_account_halted",
                "1 while a manifest or a latch halts the account",
            )?,
            latch: book.gauges("helios_latch", "1 while the latch is set", "name")?,
            workers: book.gauges("helios_workers", "Workers heard of, by readiness", "ready")?,
            unprotected: g(
                "helios_workers_unprotected",
                "Workers whose position has no confirmed stop",
            )?,
            input_age: g(
                "helios_account_input_age_seconds",
                "Age of the private stream's last sign of life",
            )?,
            read_age: g(
                "helios_account_read_age_seconds",
                "Age of the last good read of the account",
            )?,
            snapshot_age: g(
                "helios_snapshot_age_seconds",
                "Age of the newest snapshot, own or heard; +Inf before the first",
            )?,
        })
    }

    /// Shows what a snapshot says.
    pub(super) fn set(&self, s: &AccountSnapshot) {
        let f = |g: &Gauge, d: Decimal| g.set(number(d));
        f(&self.ratio, s.margin_ratio);
        f(&self.exchange_ratio, s.exchange_margin_ratio);
        f(&self.equity, s.equity);
        f(&self.notional, s.gross_notional);
        self.positions.set(s.positions.len() as f64);
        self.level.set(f64::from(s.level as u8));
        self.known.set(bit(s.known));
        self.halted.set(bit(s.halted));
        for name in LATCHES {
            let on = s.latches.iter().any(|l| l == name);
            self.latch.with_label_values(&[name]).set(bit(on));
        }
        let n = s.numbers.clone().unwrap_or_default();
        f(&self.available, n.available);
        f(&self.maintenance, n.maintenance);
        f(&self.leverage, n.gross_leverage);
        f(&self.promised, n.promised);
        let maybe = |g: &Gauge, d: Option<Decimal>| g.set(d.map_or(f64::NAN, number));
        maybe(&self.peak, n.peak_equity);
        maybe(&self.day_start, n.day_start_equity);
        let health = s.health.clone().unwrap_or_default();
        for (label, ready) in [("true", true), ("false", false)] {
            let count = health.workers.values().filter(|w| w.ready == ready).count();
            self.workers.with_label_values(&[label]).set(count as f64);
        }
        let bare = health.workers.values().filter(|w| !w.protected).count();
        self.unprotected.set(bare as f64);
    }

    /// Ages go on between snapshots.
    pub(super) fn age(&self, newest: Option<&(AccountSnapshot, Instant)>) {
        let Some((s, at)) = newest else {
            for g in [&self.input_age, &self.read_age, &self.snapshot_age] {
                g.set(f64::INFINITY);
            }
            return;
        };
        let since = at.elapsed().as_secs_f64();
        let n = s.numbers.as_ref();
        let age = |ms: Option<u64>| ms.map_or(f64::INFINITY, |ms| ms as f64 / 1000.0 + since);
        self.snapshot_age.set(since);
        self.input_age.set(age(n.and_then(|n| n.input_age_ms)));
        self.read_age.set(age(n.and_then(|n| n.read_age_ms)));
    }
}

fn number(d: Decimal) -> f64 {
    d.to_f64().unwrap_or(f64::NAN)
}
