//! What holds after every step of any sequence of requests and market data.

use super::*;
use helios_core::order::TradeFill;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Op {
    Order {
        b: bool,
        buy: bool,
        lots: i64,
        /// Ticks from the mid; `None` is a market order.
        at: Option<(i64, u8)>,
        reduce: bool,
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

fn op() -> impl Strategy<Value = Op> {
    let at = prop::option::of((-3i64..4, prop_oneof![3 => Just(0u8), 1 => 1u8..4]));
    prop_oneof![
        6 => (any::<bool>(), any::<bool>(), 40i64..60_000, at, prop::bool::weighted(0.25))
            .prop_map(|(b, buy, lots, at, reduce)| Op::Order { b, buy, lots, at, reduce }),
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

fn side(buy: bool) -> Side {
    if buy { Side::Buy } else { Side::Sell }
}

/// Drives a rig and knows the mid that the source is at.
struct Driver {
    rig: Rig,
    mid: i64,
}

impl Driver {
    fn new(auto_cancel: bool) -> Self {
        let mut rig = Rig::with(auto_cancel, auto_cancel);
        // Little money, so that liquidations happen.
        for account in [rig.a, rig.b] {
            let mut out = vec![];
            rig.engine
                .deposit(rig.now, account, dec("-9700"), &mut out)
                .unwrap();
        }
        Self { rig, mid: 1000 }
    }

    fn who(&self, b: bool) -> AccountId {
        if b { self.rig.b } else { self.rig.a }
    }

    fn step(&mut self, op: &Op) -> Vec<EngineEvent> {
        self.rig.now += 37;
        let mid = self.mid;
        let (account, request) = match op.clone() {
            Op::Order {
                b,
                buy,
                lots,
                at,
                reduce,
            } => {
                let kind = at.map_or(OrderKind::Market, |(d, tif)| OrderKind::Limit {
                    price: Price(mid + d),
                    tif: [
                        TimeInForce::Gtc,
                        TimeInForce::Ioc,
                        TimeInForce::Fok,
                        TimeInForce::Gtx,
                    ][usize::from(tif)],
                });
                (b, new_order(side(buy), kind, lots, reduce, None))
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
                let id = open.get(i).map_or(1, |o| o.order.order_id);
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

fn fills(events: &[EngineEvent]) -> Vec<(AccountId, u64, Side, TradeFill)> {
    events
        .iter()
        .filter_map(|e| match e {
            EngineEvent::User(
                a,
                _,
                UserEvent::Fill {
                    order_id,
                    side,
                    fill,
                    ..
                },
            ) => Some((*a, *order_id, *side, fill.clone())),
            _ => None,
        })
        .collect()
}

/// Wallet, position and realised profit against what the events alone say.
fn check_money(rig: &Rig) {
    let inst = spec("X").instrument;
    for account in [rig.a, rig.b] {
        let mine: Vec<_> = fills(&rig.events)
            .into_iter()
            .filter(|f| f.0 == account)
            .collect();
        let position: i64 = mine.iter().map(|f| f.3.qty.0 * f.2.sign()).sum();
        assert_eq!(position, rig.pos(account), "Σ fills = position");
        let mut running = 0;
        for (_, id, side, f) in &mine {
            let next = running + f.qty.0 * side.sign();
            let order = rig.engine.order(account, S, &OrderRef::Id(*id)).unwrap();
            assert!(
                !order.order.reduce_only || (next.abs() < running.abs() && next * running >= 0),
                "reduce-only took {running} to {next}"
            );
            running = next;
        }
        let view = rig.engine.account(account).unwrap();
        let sum = |k: LedgerKind| -> Decimal {
            let l = rig.engine.ledger(account).iter();
            l.filter(|l| l.kind == k).map(|l| l.amount).sum()
        };
        let realised: Decimal = mine.iter().map(|f| f.3.realised).sum();
        let fees: Decimal = mine.iter().map(|f| f.3.fee).sum();
        let covered: Decimal = rig
            .engine
            .ledger(account)
            .iter()
            .filter(|l| l.kind == LedgerKind::InsuranceClear && l.trade_id.is_none())
            .map(|l| l.amount)
            .sum();
        assert_eq!(
            view.wallet,
            sum(LedgerKind::Transfer) + realised + sum(LedgerKind::FundingFee) - fees + covered,
            "wallet = deposits + realised + funding − fees"
        );
        let mut balance = Decimal::ZERO;
        for l in rig.engine.ledger(account) {
            balance += l.amount;
            assert_eq!(balance, l.balance);
        }
        assert_eq!(balance, view.wallet);
        let cash: Decimal = mine
            .iter()
            .map(|f| -inst.notional(f.3.price, f.3.qty) * Decimal::from(f.2.sign()))
            .sum();
        let p = rig.engine.position(account, S).unwrap();
        assert_eq!(
            realised + p.unrealised,
            cash + inst.qty_dec(Qty(position)) * p.mark,
            "cost basis is exact"
        );
        assert!(view.wallet >= Decimal::ZERO || position != 0);
        if let (Some(lp), true) = (p.liquidation_price, position != 0) {
            let cost_free = view.margin_balance - p.unrealised;
            let cost = cash - realised; // signed, negative for a long
            let equity = cost_free + cost + inst.qty_dec(Qty(position)) * lp;
            let mm =
                margin::maintenance(&spec("X").brackets, inst.qty_dec(Qty(position)).abs() * lp);
            assert!((equity - mm).abs() < dec("0.0000001"), "{equity} {mm}");
        }
        assert!(
            position == 0 || view.maint_margin < view.margin_balance,
            "nobody is left under water"
        );
    }
}

/// Book and orders agree; own queues are in order; nothing is crossed.
fn check_book(rig: &Rig) {
    let market = rig.engine.market(S);
    if let (Some(b), Some(a)) = rig.engine.best(S) {
        assert!(b.0 < a.0, "crossed: {b:?} {a:?}");
    }
    let mut resting = BTreeMap::new();
    for side in [Side::Buy, Side::Sell] {
        let own = market.side(side).own_orders();
        for w in own.windows(2) {
            if w[0].0 == w[1].0 {
                assert!(w[0].1.id < w[1].1.id, "first come, first in the queue");
                assert!(w[0].1.ahead <= w[1].1.ahead);
            }
        }
        for (price, r) in own {
            assert!(r.remaining > 0 && r.ahead >= 0);
            assert!(r.ahead <= market.side(side).outside_at(price));
            resting.insert(r.id, (side, price, r.remaining));
        }
    }
    let mut open = BTreeMap::new();
    for account in [rig.a, rig.b] {
        for o in rig.engine.open_orders(account, Some(S)) {
            let left = o.order.qty.0 - o.order.filled.0;
            open.insert(
                o.order.order_id,
                (o.order.side, o.order.price.unwrap(), left),
            );
        }
        for o in rig.engine.orders(account, Some(S)) {
            assert!(o.order.filled <= o.order.qty);
            assert_eq!(
                o.order.status.is_final(),
                !open.contains_key(&o.order.order_id)
            );
        }
    }
    assert_eq!(resting, open);
}

/// No maker fill while a better or earlier own order stayed untouched.
fn check_priority(before: &[(Side, Price, u64)], events: &[EngineEvent], rig: &Rig) {
    let done = fills(events);
    for (side, price, id) in before {
        let untouched = done.iter().all(|f| f.1 != *id)
            && rig
                .engine
                .market(S)
                .side(*side)
                .own_orders()
                .iter()
                .any(|(_, r)| r.id == *id);
        if !untouched {
            continue;
        }
        for (_, other, s, f) in done.iter().filter(|f| f.3.maker && f.2 == *side) {
            let worse = (f.price.0 - price.0) * s.sign() < 0;
            let later = f.price == *price && other > id;
            assert!(!worse && !later, "order {id} was passed over by {other}");
        }
    }
}

fn lots(rig: &Rig, side: Side) -> i64 {
    let d = rig.engine.depth(S, 10_000);
    let levels = if side == Side::Buy { d.bids } else { d.asks };
    levels.iter().map(|l| l.1.0).sum()
}

/// What a new order took is missing from the other side, no more and no less.
fn check_conservation(op: &Op, opposite_before: i64, events: &[EngineEvent], rig: &Rig) {
    let Op::Order { buy, .. } = op else { return };
    let (updates, other) = (order_events(events), side(*buy).opposite());
    if updates.iter().any(|u| u.exec == ExecType::Calculated)
        || !algo_events(events).is_empty()
        || updates.iter().any(|u| u.exec == ExecType::Canceled)
    {
        return;
    }
    let taken: i64 = fills(events)
        .iter()
        .filter(|f| !f.3.maker)
        .map(|f| f.3.qty.0)
        .sum();
    let expired: i64 = updates
        .iter()
        .filter(|u| u.exec == ExecType::Expired && u.side == other)
        .map(|u| u.qty.0 - u.filled.0)
        .sum();
    assert_eq!(opposite_before - lots(rig, other), taken + expired);
}

/// A client that applies every frame to its first snapshot.
struct Replica {
    bids: BTreeMap<Price, Qty>,
    asks: BTreeMap<Price, Qty>,
    last: u64,
}

impl Replica {
    fn of(rig: &Rig) -> Self {
        let d = rig.engine.depth(S, 10_000);
        Self {
            bids: d.bids.into_iter().collect(),
            asks: d.asks.into_iter().collect(),
            last: d.last_id,
        }
    }

    fn follow(&mut self, events: &[EngineEvent], rig: &Rig) {
        for e in events {
            if let EngineEvent::Depth(s, d) = e
                && *s == S
            {
                assert_eq!(d.prev_last_id, self.last, "ids are unbroken");
                self.last = d.last_id;
                for (mine, theirs) in [(&mut self.bids, &d.bids), (&mut self.asks, &d.asks)] {
                    for (p, q) in theirs {
                        mine.insert(*p, *q);
                    }
                    mine.retain(|_, q| q.0 > 0);
                }
                let now = Self::of(rig);
                assert_eq!((&self.bids, &self.asks), (&now.bids, &now.asks));
            }
        }
    }
}

fn run(ops: &[Op], auto_cancel: bool) {
    let mut d = Driver::new(auto_cancel);
    let mut replica = Replica::of(&d.rig);
    for op in ops {
        let mut before = vec![];
        for s in [Side::Buy, Side::Sell] {
            let own = d.rig.engine.market(S).side(s).own_orders();
            before.extend(own.iter().map(|(p, r)| (s, *p, r.id)));
        }
        let opposite = match op {
            Op::Order { buy, .. } => lots(&d.rig, side(!buy)),
            _ => 0,
        };
        let events = d.step(op);
        check_money(&d.rig);
        check_book(&d.rig);
        check_priority(&before, &events, &d.rig);
        check_conservation(op, opposite, &events, &d.rig);
        if matches!(op, Op::Snapshot(_)) {
            replica = Replica::of(&d.rig);
        }
        replica.follow(&events, &d.rig);
    }
}

/// Every event as bytes; with `reload`, the state is saved and loaded in the middle.
fn bytes(ops: &[Op], reload: bool) -> String {
    let mut d = Driver::new(true);
    for (i, op) in ops.iter().enumerate() {
        if reload && i == ops.len() / 2 {
            let saved = serde_json::to_string(&d.rig.engine).unwrap();
            d.rig.engine = serde_json::from_str(&saved).unwrap();
        }
        d.step(op);
    }
    serde_json::to_string(&(d.rig.events, d.rig.engine)).unwrap()
}

/// Bounded so that the whole takes a few seconds.
const CASES: u32 = 1_000;

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn money_quantity_priority_and_book_hold_after_every_step(
        ops in prop::collection::vec(op(), 1..90), auto in any::<bool>()
    ) {
        run(&ops, auto);
    }

    #[test]
    fn the_same_calls_give_the_same_bytes_also_across_saving(ops in prop::collection::vec(op(), 1..90)) {
        let first = bytes(&ops, false);
        prop_assert_eq!(&first, &bytes(&ops, false));
        prop_assert_eq!(&first, &bytes(&ops, true));
    }

    #[test]
    fn maintenance_margin_is_continuous_and_monotone(cents in 1i64..9_999_999, step in 1i64..100) {
        let b = spec("X").brackets;
        let n = Decimal::new(cents, 2);
        let more = Decimal::new(cents + step, 2);
        let (x, y) = (margin::maintenance(&b, n), margin::maintenance(&b, more));
        prop_assert!(x <= y);
        prop_assert!(y - x <= (more - n) * dec("0.05"));
    }
}
