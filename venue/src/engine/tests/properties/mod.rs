//! What holds after every step of any sequence of requests and market data.

mod driver;

use super::*;
use driver::{Driver, Op, op};
use helios_core::order::TradeFill;
use proptest::prelude::*;
use std::collections::BTreeMap;

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
fn check_book(rig: &Rig, arrivals: &BTreeMap<u64, usize>) {
    let market = rig.engine.market(S);
    if let (Some(b), Some(a)) = rig.engine.best(S) {
        assert!(b.0 < a.0, "crossed: {b:?} {a:?}");
    }
    let mut resting = BTreeMap::new();
    for side in [Side::Buy, Side::Sell] {
        let own = market.side(side).own_orders();
        for w in own.windows(2) {
            if w[0].0 == w[1].0 {
                let (first, second) = (arrivals[&w[0].1.id], arrivals[&w[1].1.id]);
                assert!(first < second, "first come, first in the queue");
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

/// No maker fill while a better or earlier own order stayed untouched, and nobody's place in a queue gets worse. `before`:
/// side, price, id and outside lots ahead of every resting order.
fn check_priority(before: &[(Side, Price, u64, i64)], events: &[EngineEvent], d: &Driver) {
    let (done, rig) = (fills(events), &d.rig);
    let changed: Vec<u64> = order_events(events)
        .iter()
        .filter(|u| u.exec == ExecType::Amendment)
        .map(|u| u.order_id)
        .collect();
    for (side, price, id, ahead) in before.iter().filter(|b| !changed.contains(&b.2)) {
        let own = rig.engine.market(S).side(*side).own_orders();
        let Some((_, now)) = own.iter().find(|(_, r)| r.id == *id) else {
            continue;
        };
        assert!(now.ahead <= *ahead, "the queue before {id} grew");
        if done.iter().any(|f| f.1 == *id) {
            continue;
        }
        for (_, other, s, f) in done.iter().filter(|f| f.3.maker && f.2 == *side) {
            let worse = (f.price.0 - price.0) * s.sign() < 0;
            let later = f.price == *price && d.arrivals[other] > d.arrivals[id];
            assert!(!worse && !later, "order {id} was passed over by {other}");
        }
    }
}

fn lots(rig: &Rig, side: Side) -> i64 {
    let d = rig.engine.depth(S, 10_000);
    let levels = if side == Side::Buy { d.bids } else { d.asks };
    levels.iter().map(|l| l.1.0).sum()
}

/// What an order took from `other` is missing there, no more and no less.
fn check_conservation(other: Side, before: i64, events: &[EngineEvent], rig: &Rig) {
    let updates = order_events(events);
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
    assert_eq!(before - lots(rig, other), taken + expired);
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
            before.extend(own.iter().map(|(p, r)| (s, *p, r.id, r.ahead)));
        }
        let taken_from = d.takes(op);
        let opposite = taken_from.map_or(0, |s| lots(&d.rig, s));
        let events = d.step(op);
        check_money(&d.rig);
        check_book(&d.rig, &d.arrivals);
        check_priority(&before, &events, &d);
        if let Some(other) = taken_from {
            check_conservation(other, opposite, &events, &d.rig);
        }
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
