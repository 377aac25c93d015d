//! Workers as last heard: their reports.

use super::Guardian;
use super::event::GuardianEffect;
use crate::fixed::Money;
use crate::instrument::Symbol;
use crate::messages::{RateReport, WorkerReport};
use crate::time::Now;
use rust_decimal::Decimal;

/// A worker as last heard.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub strategy: String,
    pub task_uid: String,
    pub life: String,
    pub atr: Option<f64>,
    pub generation: u64,
    pub ready: bool,
    pub heard_at: u64,
    pub epoch: u64,
    pub schema: u32,
    pub protected: bool,
    /// Signed, base asset.
    pub position: Decimal,
    /// Since when that is not what the account shows.
    pub apart_since: Option<u64>,
    pub rates: Option<RateReport>,
    pub params: (u64, u64, u32),
    pub refused: bool,
    pub alarms: u32,
    pub realised_net: Money,
}

impl Guardian {
    pub(super) fn report(
        &mut self,
        now: Now,
        report: &WorkerReport,
        out: &mut Vec<GuardianEffect>,
    ) {
        let symbol: Symbol = report.symbol.as_str().into();
        if !self.config.symbols.contains_key(&symbol) {
            return;
        }
        self.echo(now, &symbol, report.epoch, out);
        let acknowledged = |h: &Heard| {
            (h.generation, h.params, h.refused, h.ready)
                == (
                    report.generation,
                    report.params,
                    report.refused,
                    report.ready,
                )
                && h.strategy == report.strategy
        };
        self.told |= !self.heard.get(&symbol).is_some_and(acknowledged);
        let view = &report.view;
        let apart_since = self.heard.get(&symbol).and_then(|h| h.apart_since);
        self.heard.insert(
            symbol,
            Heard {
                strategy: report.strategy.clone(),
                task_uid: report.task_uid.clone(),
                life: report.life.clone(),
                atr: view.atr.filter(|a| a.is_finite() && *a > 0.0),
                generation: report.generation,
                ready: report.ready,
                heard_at: now.mono_ns,
                epoch: report.epoch,
                schema: report.schema,
                protected: view.anchor_confirmed || view.position.is_zero(),
                position: view.position,
                apart_since,
                rates: report.rates.clone(),
                params: report.params,
                refused: report.refused,
                alarms: report.alarms,
                realised_net: view.realised_net,
            },
        );
        for trade in &report.closed {
            self.count_trade(trade);
        }
    }
}
