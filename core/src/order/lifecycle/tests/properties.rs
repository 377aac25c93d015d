//! Random lives of orders at a model venue: unknown outcomes with and without effect, late arrivals, lost and doubled events.

use super::super::{EndReason, OrdersOut};
use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

struct Rng(u64);
impl Rng {
    fn below(&mut self, n: i64) -> i64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as i64) % n.max(1)
    }
    fn chance(&mut self, per_mille: i64) -> bool {
        self.below(1_000) < per_mille
    }
}

#[derive(Clone, Debug)]
enum Msg {
    Arrive(NewOrder, bool),
    Query(ClientId),
    Cancel(ClientId),
    Read,
    Update(OrderUpdate),
    Reply(ReplyTo, VenueReply),
    State(VenueState),
}

struct World {
    rng: Rng,
    t: i64,
    delay: i64,
    unknown: i64,
    lose: i64,
    orders: Orders,
    ids: IdMaker,
    net: BTreeMap<(i64, u64), Msg>,
    seq: u64,
    // Venue.
    position: i64,
    known: BTreeMap<ClientId, OpenOrder>,
    trades: Vec<(ClientId, TradeFill)>,
    // Judgement.
    told: i64,
    ended: BTreeMap<ClientId, EndReason>,
    seen_trades: BTreeSet<u64>,
    pending: Option<ClientId>,
    reading: bool,
}

impl World {
    fn send(&mut self, m: Msg) {
        let at = self.t + 1 + self.rng.below(self.delay);
        self.seq += 1;
        if matches!(m, Msg::Update(_)) {
            if self.rng.chance(self.lose) {
                return;
            }
            if self.rng.chance(100) {
                self.net.insert((at + 90, self.seq + 1_000_000), m.clone());
            }
        }
        self.net.insert((at, self.seq), m);
    }

    /// A fresh intent: an entry when flat, an exit when not; only when nothing of it is in doubt.
    fn intend(&mut self) {
        let id = self.ids.next_id();
        let (side, qty, purpose) = if self.position == 0 {
            (Side::Buy, 1 + self.rng.below(20), EntryKind::Entry)
        } else {
            (Side::Sell, self.position, EntryKind::Exit)
        };
        let o = order(&id, side, qty, purpose);
        self.orders.on_sent(at(self.t), &o);
        self.pending = Some(id.clone());
        let unknown = self.rng.chance(self.unknown);
        if !unknown || self.rng.chance(500) {
            // Accepted up to the end of its window, however late the reply has given it up.
            let late = if unknown { self.rng.below(900) } else { 0 };
            self.seq += 1;
            let when = self.t + 1 + late + self.rng.below(100);
            self.net.insert((when, self.seq), Msg::Arrive(o, unknown));
        }
        if unknown {
            let r = VenueReply::Unknown {
                why: "timeout".into(),
                dead_after_ms: self.t + 1_000,
            };
            self.send(Msg::Reply(ReplyTo::Place(id), r));
        }
    }

    fn arrive(&mut self, o: NewOrder, silent: bool) {
        let to = ReplyTo::Place(o.client_id.clone());
        if o.reduce_only && self.position == 0 {
            if !silent {
                self.send(Msg::Reply(to, VenueReply::Refused(Refusal::ReduceOnly)));
            }
            return;
        }
        self.seq += 1;
        let mut rest = if o.reduce_only {
            o.qty.0.min(self.position)
        } else {
            o.qty.0
        };
        let (mut filled, mut status) = (0, OrderStatus::New);
        let mut events = vec![(status, 0, None)];
        while rest > 0 && !self.rng.chance(150) {
            let part = 1 + self.rng.below(rest);
            rest -= part;
            filled += part;
            self.position += o.side.sign() * part;
            let trade = self.trades.len() as u64 + 1;
            self.trades.push((o.client_id.clone(), fill(trade, part)));
            status = if filled == o.qty.0 {
                OrderStatus::Filled
            } else {
                OrderStatus::PartiallyFilled
            };
            events.push((status, filled, Some((trade, part))));
        }
        if filled < o.qty.0 {
            status = OrderStatus::Expired;
            events.push((status, filled, None));
        }
        for (st, z, part) in events {
            let mut u = update(&o.client_id, st, o.qty.0, z, part);
            u.side = o.side;
            u.reduce_only = o.reduce_only;
            self.send(Msg::Update(u));
        }
        let shown = OpenOrder {
            client_id: o.client_id.clone(),
            order_id: 9,
            side: o.side,
            status,
            qty: o.qty,
            filled: Qty(filled),
            price: None,
            reduce_only: o.reduce_only,
            update_ms: self.t,
        };
        self.known.insert(o.client_id, shown);
        if !silent {
            self.send(Msg::Reply(to, VenueReply::Accepted { id: 9 }));
        }
    }

    fn deliver(&mut self, m: Msg) {
        let now = at(self.t);
        let mut out = Vec::new();
        match m {
            Msg::Arrive(o, silent) => self.arrive(o, silent),
            Msg::Query(id) => {
                let mut r = match self.known.get(&id) {
                    Some(o) => VenueReply::Order(o.clone()),
                    None => VenueReply::Refused(Refusal::NotFound),
                };
                if self.rng.chance(self.unknown) {
                    r = VenueReply::Unknown {
                        why: "timeout".into(),
                        dead_after_ms: self.t,
                    };
                }
                self.send(Msg::Reply(ReplyTo::Query(CancelTarget::Order(id)), r));
            }
            Msg::Cancel(id) => self.send(Msg::Reply(
                ReplyTo::Cancel(CancelTarget::Order(id)),
                VenueReply::Refused(Refusal::NotFound),
            )),
            Msg::Read => {
                let named = |(id, f): &(ClientId, TradeFill)| (Some(id.clone()), f.clone());
                let s = VenueState {
                    venue_ms: self.t,
                    position: VenuePosition {
                        qty: Qty(self.position),
                        ..VenuePosition::default()
                    },
                    trades: self.trades.iter().map(named).collect(),
                    ..VenueState::default()
                };
                self.send(Msg::State(s));
            }
            Msg::Update(u) => self.orders.on_update(now, &u, &mut out),
            Msg::Reply(to, r) => self.orders.on_reply(now, &to, &r, &mut out),
            Msg::State(s) => {
                self.reading = false;
                self.orders.on_reconciled(now, &s, &mut out);
            }
        }
        self.judge(out);
    }

    fn judge(&mut self, out: Vec<OrdersOut>) {
        for o in out {
            match o {
                OrdersOut::Filled { side, fill, .. } => {
                    assert!(
                        self.seen_trades.insert(fill.trade_id),
                        "trade {} told twice",
                        fill.trade_id
                    );
                    self.told += side.sign() * fill.qty.0;
                }
                OrdersOut::Ended {
                    client_id, reason, ..
                } => {
                    let real = self.known.get(&client_id);
                    let there = !matches!(reason, EndReason::Absent | EndReason::Refused(_));
                    assert_eq!(
                        there,
                        real.is_some(),
                        "I7: {client_id} ended {reason:?}, the venue has {real:?}"
                    );
                    assert!(
                        !self
                            .net
                            .values()
                            .any(|m| matches!(m, Msg::Arrive(o, _) if o.client_id == client_id)),
                        "I7: {client_id} ended {reason:?} and is still on its way"
                    );
                    if self.pending.as_ref() == Some(&client_id) {
                        self.pending = None;
                    }
                    assert!(
                        self.ended.insert(client_id, reason).is_none(),
                        "ended twice"
                    );
                }
                OrdersOut::Query(id) => self.send(Msg::Query(id)),
                OrdersOut::Cancel(id) => self.send(Msg::Cancel(id)),
                OrdersOut::Reconcile if !self.reading => {
                    self.reading = true;
                    self.send(Msg::Read);
                }
                _ => {}
            }
        }
        assert!(
            self.told + self.orders.open_entry_qty().0 >= self.position,
            "exposure understated: told {} open {} real {}",
            self.told,
            self.orders.open_entry_qty().0,
            self.position
        );
    }

    fn step(&mut self) {
        self.t += 5;
        while let Some((&key, _)) = self.net.first_key_value() {
            if key.0 > self.t {
                break;
            }
            let m = self.net.remove(&key).unwrap();
            self.deliver(m);
        }
        if self.t % 100 == 0 {
            let mut out = Vec::new();
            self.orders.on_tick(at(self.t), &mut out);
            self.judge(out);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fills_count_once_ends_are_true_and_exposure_is_never_understated(
        seed in any::<u64>(), delay in 1i64..300, unknown in 0i64..400, lose in 0i64..200,
    ) {
        let mut w = World {
            rng: Rng(seed), t: 10_000, delay, unknown, lose, orders: tracker(), ids: ids(1),
            net: BTreeMap::new(), seq: 0, position: 0, known: BTreeMap::new(), trades: Vec::new(), told: 0,
            ended: BTreeMap::new(), seen_trades: BTreeSet::new(), pending: None, reading: true,
        };
        w.send(Msg::Read);
        let mut sent = 0;
        while w.t < 90_000 {
            w.step();
            if w.pending.is_none() && w.orders.is_idle() && !w.reading && w.told == w.position && w.rng.chance(100) {
                w.intend();
                sent += 1;
            }
        }
        (w.unknown, w.lose) = (0, 0);
        for _ in 0..4_000 {
            w.step();
        }
        prop_assert!(w.orders.is_idle(), "{:?}", w.orders);
        prop_assert_eq!(w.ended.len(), sent);
        prop_assert!(sent > 2);
        // A fill lost for good by the stream is found by the next read at the latest.
        w.send(Msg::Read);
        for _ in 0..200 {
            w.step();
        }
        prop_assert_eq!(w.told, w.position);
    }
}
