//! The model's venue: one position, its stops, what the mark does to them.

use super::model::World;
use super::network::Msg;
use crate::fixed::{Price, Qty, Side};
use crate::order::*;
use rust_decimal::Decimal;

impl World {
    pub(super) fn change_position(
        &mut self,
        by: i64,
        id: &ClientId,
        reduce_only: bool,
        told: bool,
    ) {
        let before = self.pos;
        if before * by > 0 {
            self.entry = (self.entry * before + self.mark * by) / (before + by);
        }
        self.pos += by;
        assert!(
            !reduce_only || before * self.pos >= 0,
            "I12: an exit flipped the position"
        );
        if before == 0 {
            self.entry = self.mark;
            self.best_trail = None;
            let side = self.side().unwrap().opposite();
            self.anchors_at = self
                .open(true)
                .filter(|s| s.side == side)
                .map(|s| (s.trigger.0, false))
                .collect();
            self.count.positions += 1;
        }
        self.resized_since = self.t;
        let ms = self.stamp();
        if before == 0 {
            self.opened = ms;
        }
        if self.pos == 0 {
            self.flat_since = self.t;
        }
        let p = PositionUpdate {
            event_ms: ms,
            transact_ms: ms,
            qty: Qty(self.pos),
            entry_price: Decimal::from(if self.pos == 0 { 0 } else { self.entry }),
        };
        self.send(Msg::Position(p));
        if told {
            self.next_id += 1;
            let side = if by > 0 { Side::Buy } else { Side::Sell };
            let u = OrderUpdate {
                event_ms: ms,
                transact_ms: ms,
                client_id: id.clone(),
                order_id: self.next_id,
                side,
                exec: ExecType::Trade,
                status: OrderStatus::PartiallyFilled,
                qty: Qty(by.abs()),
                filled: Qty(by.abs()),
                reduce_only,
                fill: Some(TradeFill {
                    trade_id: self.next_id,
                    price: Price(self.mark),
                    qty: Qty(by.abs()),
                    fee: Decimal::ZERO,
                    fee_asset: "USDT".into(),
                    realised: Decimal::ZERO,
                    maker: false,
                }),
            };
            self.send(Msg::Order(u));
        }
        if self.pos == 0 && self.chaos.auto_cancel {
            let open: Vec<ClientId> = self
                .stops
                .iter()
                .filter(|(_, s)| s.status == AlgoStatus::New)
                .map(|(id, _)| id.clone())
                .collect();
            for id in open {
                let status = if self.rng.chance(500) {
                    AlgoStatus::Expired
                } else {
                    AlgoStatus::Canceled
                };
                self.set_status(&id, status, None);
            }
        }
    }

    pub(super) fn triggers(side: Side, trigger: i64, mark: i64) -> bool {
        match side {
            Side::Sell => mark <= trigger,
            Side::Buy => mark >= trigger,
        }
    }

    pub(super) fn venue_place(&mut self, s: &NewStop) -> VenueReply {
        let closes = self.side() == Some(s.side.opposite());
        let refuse = |r| VenueReply::Refused(r);
        if s.qty.is_none() {
            if self.open(true).any(|o| o.side == s.side) {
                return refuse(Refusal::StopExists);
            }
            if !closes {
                return refuse(Refusal::NoPosition);
            }
        } else if !closes {
            return refuse(Refusal::ReduceOnly);
        }
        if Self::triggers(s.side, s.trigger.0, self.mark) {
            return refuse(Refusal::WouldTrigger);
        }
        self.next_id += 1;
        let id = self.next_id;
        if self.rng.chance(self.chaos.vanish) {
            return VenueReply::Accepted { id };
        }
        self.judge_new(s);
        self.stops.insert(
            s.client_id.clone(),
            AlgoOrder {
                client_id: s.client_id.clone(),
                algo_id: id,
                side: s.side,
                status: AlgoStatus::New,
                trigger: s.trigger,
                qty: s.qty,
                update_ms: self.t,
            },
        );
        self.algo(&s.client_id, None);
        VenueReply::Accepted { id }
    }

    /// What is read now, under the time that was asked for before.
    pub(super) fn state(&self, venue_ms: i64) -> VenueState {
        VenueState {
            venue_ms,
            position: VenuePosition {
                qty: Qty(self.pos),
                entry_price: Decimal::from(if self.pos == 0 { 0 } else { self.entry }),
                isolated: false,
                update_ms: self.last_ms,
            },
            stops: self
                .stops
                .values()
                .filter(|s| s.status == AlgoStatus::New)
                .cloned()
                .collect(),
            ..VenueState::default()
        }
    }

    /// Moves the mark; what it hits becomes an order and fills.
    pub fn move_mark(&mut self, mark: i64) {
        self.mark = mark.max(1_000);
        let hit: Vec<ClientId> = self
            .stops
            .iter()
            .filter(|(_, s)| {
                s.status == AlgoStatus::New && Self::triggers(s.side, s.trigger.0, self.mark)
            })
            .map(|(id, _)| id.clone())
            .collect();
        for id in hit {
            if self.stops[&id].status != AlgoStatus::New {
                continue;
            }
            self.count.fired += 1;
            self.next_id += 1;
            let order = self.next_id;
            self.set_status(&id, AlgoStatus::Triggered, Some(order));
            let (side, qty) = (self.stops[&id].side, self.stops[&id].qty);
            if self.side() == Some(side.opposite()) {
                let take = qty.map_or(self.pos.abs(), |q| q.0.min(self.pos.abs()));
                self.change_position(side.sign() * take, &ClientId::from("fired"), true, true);
            }
            self.set_status(&id, AlgoStatus::Finished, Some(order));
        }
        let mut out = Vec::new();
        let now = self.now();
        self.keeper
            .on_mark(now, Decimal::from(self.mark), &mut self.ids, &mut out);
        self.carry_out(out);
    }
}
