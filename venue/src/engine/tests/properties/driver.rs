//! Random requests and market data, and how they are put to a rig.

use super::super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub enum Op {
    Order {
        b: bool,
        buy: bool,
        lots: i64,
        /// Ticks from the mid; `None` is a market order.
        at: Option<(i64, u8)>,
        reduce: bool,
        /// Self-trade prevention.
        stp: usize,
    },
    /// Of one's own n-th open order: ticks from the mid, new quantity.
    Modify(bool, usize, i64, i64),
    Conditional {
        b: bool,
        buy: bool,
        off: i64,
        lots: i64,
        /// Limit, ticks from the trigger, and its time in force.
        limit: Option<(i64, u8)>,
        kind: u8,
        stp: usize,
    },
    Stop {
        b: bool,
        buy: bool,
        off: i64,
        lots: Option<i64>,
        reduce: bool,
        tp: bool,
    },
    Cancel(bool, usize),
    CancelAll(bool),
    CancelStops(bool),
    Leverage(bool, u32),
    Countdown(bool, u64),
    /// New mid and quantities of five levels a side.
    Frame(i64, Vec<i64>),
    Print(i64, i64, bool),
    Mark(i64),
    Wait(i64),
    Snapshot(i64),
}

pub fn op() -> impl Strategy<Value = Op> {
    let at = prop::option::of((-3i64..4, prop_oneof![3 => Just(0u8), 1 => 1u8..4]));
    prop_oneof![
        6 => (any::<bool>(), any::<bool>(), 40i64..60_000, at.clone(), prop::bool::weighted(0.25), 0usize..4)
            .prop_map(|(b, buy, lots, at, reduce, stp)| Op::Order { b, buy, lots, at, reduce, stp }),
        3 => (any::<bool>(), 0usize..4, -4i64..5, 1i64..60_000).prop_map(|(b, i, d, q)| Op::Modify(b, i, d, q)),
        2 => (any::<bool>(), any::<bool>(), -20i64..21, 40i64..9_000, at, 0u8..6, 0usize..4)
            .prop_map(|(b, buy, off, lots, limit, kind, stp)| Op::Conditional { b, buy, off, lots, limit, kind, stp }),
        2 => (any::<bool>(), any::<bool>(), -20i64..21, prop::option::of(1i64..9_000), any::<bool>(), any::<bool>())
            .prop_map(|(b, buy, off, lots, reduce, tp)| Op::Stop { b, buy, off, lots, reduce, tp }),
        1 => (any::<bool>(), 0usize..5).prop_map(|(b, i)| Op::Cancel(b, i)),
        1 => any::<bool>().prop_map(Op::CancelAll),
        1 => any::<bool>().prop_map(Op::CancelStops),
        1 => (any::<bool>(), 0u32..60).prop_map(|(b, l)| Op::Leverage(b, l)),
        1 => (any::<bool>(), 0u64..900).prop_map(|(b, ms)| Op::Countdown(b, ms)),
        6 => (-4i64..5, prop::collection::vec(0i64..9_000, 10)).prop_map(|(d, q)| Op::Frame(d, q)),
        4 => (-4i64..5, 1i64..20_000, any::<bool>()).prop_map(|(p, q, s)| Op::Print(p, q, s)),
        3 => (-30i64..31).prop_map(Op::Mark),
        1 => (1i64..9_000_000).prop_map(Op::Wait),
        1 => (-3i64..4).prop_map(Op::Snapshot),
    ]
}

pub fn side(buy: bool) -> Side {
    if buy { Side::Buy } else { Side::Sell }
}

const TIFS: [TimeInForce; 4] = [
    TimeInForce::Gtc,
    TimeInForce::Ioc,
    TimeInForce::Fok,
    TimeInForce::Gtx,
];

fn guarded(stp: usize) -> OrderTerms {
    let modes = [
        SelfTrade::ExpireMaker,
        SelfTrade::None,
        SelfTrade::ExpireTaker,
        SelfTrade::ExpireBoth,
    ];
    OrderTerms {
        self_trade: modes[stp],
        ..OrderTerms::default()
    }
}

/// Drives a rig and knows the mid that the source is at.
pub struct Driver {
    pub rig: Rig,
    mid: i64,
    /// When each order came to the end of its queue.
    pub arrivals: BTreeMap<u64, usize>,
}

impl Driver {
    pub fn new(auto_cancel: bool) -> Self {
        let mut rig = Rig::with(auto_cancel, auto_cancel);
        // Little money, so that liquidations happen.
        for account in [rig.a, rig.b] {
            let mut out = vec![];
            rig.engine
                .deposit(rig.now, account, dec("-9700"), &mut out)
                .unwrap();
        }
        Self {
            rig,
            mid: 1000,
            arrivals: BTreeMap::new(),
        }
    }

    fn who(&self, b: bool) -> AccountId {
        if b { self.rig.b } else { self.rig.a }
    }

    pub fn step(&mut self, op: &Op) -> Vec<EngineEvent> {
        let events = self.act(op);
        for u in order_events(&events) {
            if matches!(u.exec, ExecType::New | ExecType::Amendment) {
                let next = self.arrivals.values().max().map_or(0, |n| n + 1);
                self.arrivals.insert(u.order_id, next);
            }
        }
        events
    }

    /// The side on which an operation takes, if it is an order or a change of one.
    pub fn takes(&self, op: &Op) -> Option<Side> {
        match op {
            Op::Order { buy, .. } => Some(side(!buy)),
            Op::Modify(b, i, ..) => {
                let open = self.rig.engine.open_orders(self.who(*b), Some(S));
                open.get(i % open.len().max(1))
                    .map(|o| o.order.side.opposite())
            }
            _ => None,
        }
    }

    fn act(&mut self, op: &Op) -> Vec<EngineEvent> {
        self.rig.now += 37;
        let mid = self.mid;
        let (account, request) = match op.clone() {
            Op::Order {
                b,
                buy,
                lots,
                at,
                reduce,
                stp,
            } => {
                let mut kind = at.map_or(OrderKind::Market, |(d, tif)| OrderKind::Limit {
                    price: Price(mid + d),
                    tif: TIFS[usize::from(tif)],
                });
                let mut terms = guarded(stp);
                if let OrderKind::Limit {
                    price,
                    tif: TimeInForce::Gtc,
                } = &mut kind
                {
                    if lots % 4 == 0 {
                        terms.good_till_ms = self.rig.now + 605_000;
                    }
                    if lots % 5 == 0 {
                        *price = Price(0);
                        terms.price_match = PriceMatch::parse(["QUEUE", "OPPONENT"][stp % 2]);
                    }
                }
                let order = PlaceOrder {
                    symbol: S,
                    client_id: None,
                    side: side(buy),
                    kind,
                    qty: Qty(lots),
                    reduce_only: reduce,
                    terms,
                };
                (b, Request::Place(order))
            }
            Op::Modify(b, i, d, lots) => {
                let open = self.rig.engine.open_orders(self.who(b), Some(S));
                let Some(o) = open.get(i % open.len().max(1)) else {
                    return vec![];
                };
                let change = ModifyOrder {
                    symbol: S,
                    which: OrderRef::Id(o.order.order_id),
                    side: o.order.side,
                    qty: Qty(lots),
                    price: Price(mid + d),
                    price_match: None,
                    modify_id: None,
                };
                (b, Request::Modify(change))
            }
            Op::Conditional {
                b,
                buy,
                off,
                lots,
                limit,
                kind,
                stp,
            } => {
                let price = Price(mid + off);
                let take_profit = kind % 2 == 1;
                let trigger = match kind {
                    0..4 => Trigger::Level { price, take_profit },
                    _ => Trigger::Trailing {
                        activation: take_profit.then_some(price),
                        callback: dec("0.5"),
                    },
                };
                let limit = limit.filter(|_| kind < 4);
                let order = NewConditional {
                    symbol: S,
                    client_id: None,
                    side: side(buy),
                    trigger,
                    working: [WorkingType::ContractPrice, WorkingType::MarkPrice]
                        [usize::from(kind / 3 % 2)],
                    kind: limit.map_or(OrderKind::Market, |(d, tif)| OrderKind::Limit {
                        price: Price(price.0 + d),
                        tif: TIFS[usize::from(tif)],
                    }),
                    qty: Some(Qty(lots)),
                    reduce_only: lots % 3 == 0,
                    price_protect: lots % 5 == 0,
                    terms: guarded(stp),
                };
                (b, Request::NewConditional(order))
            }
            Op::Stop {
                b,
                buy,
                off,
                lots,
                reduce,
                tp,
            } => (
                b,
                Request::NewStop {
                    symbol: S,
                    client_id: None,
                    side: side(buy),
                    trigger: Price(mid + off),
                    qty: lots.map(Qty),
                    reduce_only: reduce,
                    take_profit: tp,
                },
            ),
            Op::Cancel(b, i) => {
                let open = self.rig.engine.open_orders(self.who(b), Some(S));
                let id = open
                    .get(i % open.len().max(1))
                    .map_or(1, |o| o.order.order_id);
                (b, Request::Cancel(S, OrderRef::Id(id)))
            }
            Op::CancelAll(b) => (b, Request::CancelAll(S)),
            Op::CancelStops(b) => (b, Request::CancelAllStops(S)),
            Op::Leverage(b, l) => (b, Request::SetLeverage(S, l)),
            Op::Countdown(b, ms) => (b, Request::Countdown(S, ms)),
            Op::Frame(d, q) => {
                self.mid = (mid + d).max(900);
                let m = self.mid;
                let mut bids: Vec<_> = (0..5).map(|i| (m - 1 - i, q[i as usize])).collect();
                let mut asks: Vec<_> = (0..5).map(|i| (m + 1 + i, q[5 + i as usize])).collect();
                bids.extend((m..m + 16).map(|p| (p, 0)));
                asks.extend((m - 15..=m).map(|p| (p, 0)));
                return self.rig.depth(&bids, &asks);
            }
            Op::Print(d, q, sell) => return self.rig.print(mid + d, q, sell),
            Op::Mark(d) => {
                let mark = (dec("0.1") * Decimal::from(mid + d)).to_string();
                return self.rig.mark(&mark);
            }
            Op::Wait(ms) => return self.rig.pass(ms),
            Op::Snapshot(d) => {
                self.mid = mid + d;
                let (m, id) = (self.mid, self.rig.id);
                return self.rig.market(
                    S,
                    MarketInput::Snapshot(DepthSnapshot {
                        last_id: id,
                        event_ms: 0,
                        bids: (1..4).map(|i| (Price(m - i), Qty(3_000))).collect(),
                        asks: (1..4).map(|i| (Price(m + i), Qty(3_000))).collect(),
                    }),
                );
            }
        };
        self.rig.ask(self.who(account), request).1
    }
}
