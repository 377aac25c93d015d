//! Tests of the engine: scripted ones by topic, and properties over random request and market sequences.
#![allow(clippy::unwrap_used)]

mod conditional;
mod history;
mod matching;
mod modify;
mod money;
mod properties;
mod refusals;
mod stops;
mod terms;

use super::*;
use helios_core::fixed::{Price, Qty, Side};
use helios_core::instrument::{Bracket, FeeRates, Instrument};
use helios_core::market::{AggTrade, DepthSnapshot, DepthUpdate, MarkPrice};
use helios_core::order::{
    AlgoStatus, AlgoUpdate, ClientId, ExecType, OpenOrder, OrderKind, OrderStatus, OrderUpdate,
    TimeInForce,
};
use rust_decimal::Decimal;

pub(crate) const S: SymbolId = SymbolId(0);

pub(crate) fn dec(s: &str) -> Decimal {
    s.parse().unwrap()
}

/// Tick 0.1, step 0.001, prices around 100 (1000 ticks), three brackets.
pub(crate) fn spec(name: &str) -> SymbolSpec {
    let bracket = |floor: &str, cap: &str, mmr: &str, cum: &str, lev| Bracket {
        notional_floor: dec(floor),
        notional_cap: dec(cap),
        maint_margin_ratio: dec(mmr),
        cum: dec(cum),
        initial_leverage: lev,
    };
    SymbolSpec {
        instrument: Instrument {
            symbol: name.into(),
            tick: dec("0.1"),
            step: dec("0.001"),
            min_qty: Qty(1),
            max_qty: Qty(1_000_000),
            market_max_qty: Qty(500_000),
            min_notional: dec("5"),
            multiplier_up: dec("1.05"),
            multiplier_down: dec("0.95"),
        },
        brackets: vec![
            bracket("0", "1000", "0.01", "0", 50),
            bracket("1000", "10000", "0.02", "10", 20),
            bracket("10000", "100000", "0.05", "310", 10),
        ],
        fees: FeeRates {
            maker: dec("0.0002"),
            taker: dec("0.0005"),
        },
        liquidation_fee: dec("0.0125"),
        onboard_ms: 0,
        funding_hours: 8,
    }
}

pub(crate) struct Rig {
    pub engine: Engine,
    pub a: AccountId,
    pub b: AccountId,
    pub now: i64,
    pub id: u64,
    pub events: Vec<EngineEvent>,
}

impl Rig {
    /// Bids 99.9 … and asks 100.1 …, 10 levels of 10.000 each, mark 100, two accounts with 10000.
    pub fn new() -> Self {
        Self::with(false, false)
    }

    pub fn with(auto_cancel_orphan_stops: bool, countdown_cancels_algo: bool) -> Self {
        let mut engine = Engine::new(EngineConfig {
            symbols: vec![spec("AUSDT"), spec("BUSDT")],
            auto_cancel_orphan_stops,
            countdown_cancels_algo,
        });
        let (a, b) = (
            engine.open_account(dec("10000")),
            engine.open_account(dec("10000")),
        );
        let mut rig = Self {
            engine,
            a,
            b,
            now: 1_000,
            id: 100,
            events: vec![],
        };
        for s in [S, SymbolId(1)] {
            rig.market(
                s,
                MarketInput::Snapshot(DepthSnapshot {
                    last_id: 100,
                    event_ms: 1_000,
                    bids: (0..10).map(|i| (Price(999 - i), Qty(10_000))).collect(),
                    asks: (0..10).map(|i| (Price(1001 + i), Qty(10_000))).collect(),
                }),
            );
            rig.mark_of(s, "100");
        }
        rig
    }

    pub fn market(&mut self, s: SymbolId, input: MarketInput) -> Vec<EngineEvent> {
        let mut out = vec![];
        self.engine.on_market(self.now, s, input, &mut out);
        self.events.extend(out.iter().cloned());
        out
    }

    pub fn mark_of(&mut self, s: SymbolId, mark: &str) -> Vec<EngineEvent> {
        let event_ms = self.now;
        self.market(
            s,
            MarketInput::Mark(MarkPrice {
                event_ms,
                mark: dec(mark),
                index: dec(mark),
                funding_rate: dec("0.0001"),
                next_funding_ms: 28_800_000,
            }),
        )
    }

    pub fn mark(&mut self, mark: &str) -> Vec<EngineEvent> {
        self.mark_of(S, mark)
    }

    /// A depth frame with unbroken ids.
    pub fn depth(&mut self, bids: &[(i64, i64)], asks: &[(i64, i64)]) -> Vec<EngineEvent> {
        let levels = |l: &[(i64, i64)]| l.iter().map(|(p, q)| (Price(*p), Qty(*q))).collect();
        let prev = self.id;
        self.id += 2;
        let (event_ms, last_id) = (self.now, self.id);
        self.market(
            S,
            MarketInput::Depth(DepthUpdate {
                event_ms,
                transact_ms: event_ms,
                first_id: prev + 1,
                last_id,
                prev_last_id: prev,
                bids: levels(bids),
                asks: levels(asks),
            }),
        )
    }

    /// A trade of others; `sell`: its taker sold.
    pub fn print(&mut self, price: i64, lots: i64, sell: bool) -> Vec<EngineEvent> {
        let event_ms = self.now;
        self.market(
            S,
            MarketInput::Trade(AggTrade {
                id: 5_000,
                event_ms,
                transact_ms: event_ms,
                price: Price(price),
                qty: Qty(lots),
                buyer_is_maker: sell,
            }),
        )
    }

    pub fn ask(
        &mut self,
        account: AccountId,
        request: Request,
    ) -> (Result<Response, VenueError>, Vec<EngineEvent>) {
        let mut out = vec![];
        let r = self.engine.request(self.now, account, request, &mut out);
        self.events.extend(out.iter().cloned());
        (r, out)
    }

    pub fn order(&mut self, account: AccountId, request: Request) -> (OpenOrder, Vec<EngineEvent>) {
        match self.ask(account, request) {
            (Ok(Response::Order(o)), e) => (o, e),
            (r, _) => panic!("no order: {r:?}"),
        }
    }

    pub fn refused(&mut self, account: AccountId, request: Request) -> i64 {
        let before = serde_json::to_string(&self.engine).unwrap();
        let (r, events) = self.ask(account, request);
        assert_eq!(events, vec![], "a refusal says nothing on the streams");
        assert_eq!(
            before,
            serde_json::to_string(&self.engine).unwrap(),
            "a refusal has no effect"
        );
        r.unwrap_err().code
    }

    pub fn pass(&mut self, ms: i64) -> Vec<EngineEvent> {
        self.now += ms;
        let mut out = vec![];
        self.engine.advance(self.now, &mut out);
        self.events.extend(out.iter().cloned());
        out
    }

    pub fn pos(&self, account: AccountId) -> i64 {
        self.engine.position(account, S).unwrap().qty.0
    }

    pub fn wallet(&self, account: AccountId) -> Decimal {
        self.engine.account(account).unwrap().wallet
    }
}

pub(crate) fn market(side: Side, lots: i64) -> Request {
    new_order(side, OrderKind::Market, lots, false, None)
}

pub(crate) fn limit(side: Side, price: i64, lots: i64, tif: TimeInForce) -> Request {
    let price = Price(price);
    new_order(side, OrderKind::Limit { price, tif }, lots, false, None)
}

pub(crate) fn new_order(
    side: Side,
    kind: OrderKind,
    lots: i64,
    reduce_only: bool,
    id: Option<&str>,
) -> Request {
    Request::NewOrder {
        symbol: S,
        client_id: id.map(ClientId::from),
        side,
        kind,
        qty: Qty(lots),
        reduce_only,
    }
}

pub(crate) fn reduce(side: Side, lots: i64) -> Request {
    new_order(side, OrderKind::Market, lots, true, None)
}

/// `None`: closePosition; else reduce-only.
pub(crate) fn stop(side: Side, trigger: i64, lots: Option<i64>, id: &str) -> Request {
    Request::NewStop {
        symbol: S,
        client_id: Some(id.into()),
        side,
        trigger: Price(trigger),
        qty: lots.map(Qty),
        reduce_only: lots.is_some(),
        take_profit: false,
    }
}

pub(crate) fn order_events(events: &[EngineEvent]) -> Vec<OrderUpdate> {
    events
        .iter()
        .filter_map(|e| match e {
            EngineEvent::User(_, _, UserEvent::Order { update, .. }) => Some(update.clone()),
            _ => None,
        })
        .collect()
}

pub(crate) fn algo_events(events: &[EngineEvent]) -> Vec<AlgoUpdate> {
    events
        .iter()
        .filter_map(|e| match e {
            EngineEvent::User(_, _, UserEvent::Algo(a, _)) => Some(a.clone()),
            _ => None,
        })
        .collect()
}

/// Kinds of events, for checking their sequence.
pub(crate) fn kinds(events: &[EngineEvent]) -> Vec<String> {
    events
        .iter()
        .map(|e| match e {
            EngineEvent::User(_, _, u) => match u {
                UserEvent::Order { update, .. } => {
                    format!("{:?}/{:?}", update.exec, update.status)
                }
                UserEvent::Algo(a, _) => format!("algo {:?}", a.status),
                UserEvent::TriggerRejected { .. } => "trigger rejected".into(),
                UserEvent::Account { reason, .. } => format!("account {reason}"),
                UserEvent::MarginCall { .. } => "margin call".into(),
                UserEvent::Fill { .. } => "fill".into(),
            },
            EngineEvent::Lost(..) => "lost".into(),
            EngineEvent::Depth(..) => "depth".into(),
            EngineEvent::Trade(..) => "trade".into(),
            EngineEvent::Mark(..) => "mark".into(),
        })
        .collect()
}

/// The depth frame among events.
pub(crate) fn frame(events: &[EngineEvent]) -> DepthUpdate {
    events
        .iter()
        .find_map(|e| match e {
            EngineEvent::Depth(_, d) => Some(d.clone()),
            _ => None,
        })
        .unwrap()
}

pub(crate) fn executed(events: &[EngineEvent]) -> Vec<(ExecType, OrderStatus, i64)> {
    order_events(events)
        .iter()
        .map(|u| (u.exec, u.status, u.filled.0))
        .collect()
}

pub(crate) fn statuses(events: &[EngineEvent]) -> Vec<AlgoStatus> {
    algo_events(events).iter().map(|a| a.status).collect()
}
