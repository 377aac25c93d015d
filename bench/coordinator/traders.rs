//! Real traders, brought by events to where a measurement begins: ready to enter, or with an entry resting at the venue.

use crate::market::{BID, bars, book, info, mark};
use anyhow::{Context, Result, bail};
use helios_binance::clock::mono_ns;
use helios_core::fixed::Qty;
use helios_core::market::DepthUpdate;
use helios_core::messages::{Grant, GrantReply, GrantRequest, KellyStats, ParamsDocument};
use helios_core::order::{
    ClientId, ExecType, OrderStatus, OrderUpdate, ReplyTo, VenueReply, VenueState,
};
use helios_core::params::Environment;
use helios_core::time::Now;
use helios_core::trader::{StreamKind, Trader, TraderConfig, TraderEffect, TraderEvent};
use helios_crds::{HeliosStrategy, convert, manifest};
use rust_decimal::Decimal;

/// 2024-08-09 00:00 UTC.
const T0: i64 = 1_723_161_600_000;
/// Post-only entries of a fixed size in a market that pays for nothing.
const STRATEGY: &str = "apiVersion: helios.trading/v1alpha1
kind: HeliosAccount
metadata: {name: bench}
spec: {venue: Simulated}
---
apiVersion: helios.trading/v1alpha1
kind: HeliosStrategy
metadata: {name: bench}
spec:
  accountRef: {name: bench}
  signals: {model: {mode: \"Off\"}}
  risk: {sizing: FixedNotional, fixedNotional: \"1000\", costGate: \"Off\", atr: {barSeconds: 60}}
  execution: {entry: PostOnly}
";

/// Both clocks: market time goes with this host's.
pub fn now() -> Now {
    let mono = mono_ns();
    Now::new(T0 + (mono / 1_000_000) as i64, mono)
}

/// Parameters of every trader here.
pub fn params() -> Result<ParamsDocument> {
    let all = manifest::parse(&[("bench".into(), STRATEGY.into())])?;
    let s = &all.strategies.first().context("a strategy")?.object;
    let uid = HeliosStrategy::local_uid(&s.metadata.full_name());
    Ok(convert::params_document(s, &uid, 1, 1))
}

/// One trader with its inbox.
pub struct Desk {
    pub trader: Trader,
    symbol: String,
    last_id: u64,
    out: Vec<TraderEffect>,
}

impl Desk {
    /// Started; knows nothing yet.
    pub fn new(symbol: &str, params: &ParamsDocument) -> Self {
        Self::of(symbol, "default/bench", params)
    }

    /// Of that strategy.
    pub fn of(symbol: &str, strategy: &str, params: &ParamsDocument) -> Self {
        let config = TraderConfig {
            account: "default/bench".into(),
            strategy: strategy.into(),
            strategy_uid: params.strategy_uid.clone(),
            task_uid: format!("bench-{symbol}"),
            info: info(symbol),
            params: params.clone(),
            environment: Environment::Paper,
        };
        let mut desk = Self {
            trader: Trader::new(config),
            symbol: symbol.into(),
            last_id: 1000,
            out: Vec::new(),
        };
        // First, so that the read which the start asks for is later than the stream, and counts.
        desk.tell(&TraderEvent::StreamUp(StreamKind::User));
        desk.tell(&TraderEvent::Start);
        desk
    }

    /// One event at this instant; what the trader wants done.
    pub fn tell(&mut self, event: &TraderEvent) -> Vec<TraderEffect> {
        self.trader.on_event(now(), event, &mut self.out);
        std::mem::take(&mut self.out)
    }

    /// Streams up, book, bars and account read: everything but a grant and a signal.
    pub fn warm(&mut self) {
        for kind in [StreamKind::Depth, StreamKind::Market] {
            self.tell(&TraderEvent::StreamUp(kind));
        }
        let at = now().market_ms;
        self.tell(&TraderEvent::Snapshot(book(at, self.last_id, false)));
        self.tell(&TraderEvent::History(bars(at, 60_000, 100)));
        let state = VenueState {
            venue_ms: at,
            available: Some(Decimal::from(10_000)),
            ..VenueState::default()
        };
        let asked_at = now().mono_ns;
        self.tell(&TraderEvent::Reconciled { asked_at, state });
        self.book(false);
        self.mark();
    }

    /// A mark price.
    pub fn mark(&mut self) -> Vec<TraderEffect> {
        let m = mark(now().market_ms, Decimal::from(BID / 10));
        self.tell(&TraderEvent::Mark(m))
    }

    /// The next book; a heavy one asks for a long.
    pub fn book(&mut self, heavy: bool) -> Vec<TraderEffect> {
        let at = now().market_ms;
        let full = book(at, 0, heavy);
        let prev = self.last_id;
        self.last_id += 1;
        self.tell(&TraderEvent::Depth(DepthUpdate {
            event_ms: at,
            transact_ms: at,
            first_id: prev + 1,
            last_id: self.last_id,
            prev_last_id: prev,
            bids: full.bids,
            asks: full.asks,
        }))
    }

    /// The trader's question for a grant, which its tick asks.
    pub fn question(&mut self) -> Option<GrantRequest> {
        let out = self.tell(&TraderEvent::Tick);
        out.into_iter().find_map(|e| match e {
            TraderEffect::AskGrant(q) => Some(q),
            _ => None,
        })
    }

    /// Brings an entry to rest at the venue, under this epoch.
    pub fn rest_entry(&mut self, epoch: u64) -> Result<ClientId> {
        self.warm();
        let q = self.question().context("no question for a grant")?;
        let granted = grant(&q, epoch, Decimal::from(5_000));
        self.tell(&TraderEvent::Grant(granted));
        let out = self.book(true);
        let order = out.iter().find_map(|e| match e {
            TraderEffect::Place(o) => Some(o.clone()),
            _ => None,
        });
        let Some(o) = order else {
            bail!(
                "{}: no entry was sent: {:?}",
                self.symbol,
                self.trader.view().reason
            );
        };
        let to = ReplyTo::Place(o.client_id.clone());
        self.tell(&TraderEvent::Reply(to, VenueReply::Accepted { id: 1 }));
        let at = now().market_ms;
        self.tell(&TraderEvent::Order(OrderUpdate {
            event_ms: at,
            transact_ms: at,
            client_id: o.client_id.clone(),
            order_id: 1,
            side: o.side,
            exec: ExecType::New,
            status: OrderStatus::New,
            qty: o.qty,
            filled: Qty(0),
            reduce_only: false,
            fill: None,
        }));
        Ok(o.client_id)
    }
}

/// Permission for two seconds.
pub fn grant(q: &GrantRequest, epoch: u64, ceiling: Decimal) -> GrantReply {
    GrantReply::Granted(Grant {
        seq: q.seq,
        epoch,
        task_uid: q.task_uid.clone(),
        symbol: q.symbol.clone(),
        ceiling,
        equity: Decimal::from(10_000),
        available: Decimal::from(10_000),
        kelly: KellyStats::default(),
        length_ms: 2000,
        share: None,
    })
}

/// Does it cancel an order?
pub fn cancels(effects: &[TraderEffect]) -> bool {
    effects.iter().any(|e| matches!(e, TraderEffect::Cancel(_)))
}
