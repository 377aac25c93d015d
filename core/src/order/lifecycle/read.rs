//! What a read of the venue proves about orders: fills that the stream lost, orders of an earlier life, and absence.

use super::tracked::Tracked;
use super::types::{EndReason, OrderState, OrdersOut};
use super::{ABSENCE_MARGIN_MS, CANCEL_PAUSE_NS, Orders};
use crate::fixed::{Qty, Side};
use crate::messages::Severity;
use crate::order::{ClientId, EntryKind, TradeFill, VenueState};
use crate::time::Now;

impl Orders {
    /// A read of the venue. The first one only tells history; later ones fill gaps and prove absence.
    pub fn on_reconciled(&mut self, now: Now, s: &VenueState, out: &mut Vec<OrdersOut>) {
        let before = self.model;
        let stray = self.take_trades(s, out);
        let as_expected = stray.is_empty() && self.model == Some(s.position.qty.0);
        self.tell_stray(stray, s, out);
        self.model = Some(s.position.qty.0);
        self.take_orders(now, s, out);
        let absent: Vec<ClientId> = self
            .open
            .iter()
            .filter(|(_, t)| t.absent_ms.is_some_and(|at| proves_absence(t, at, s)))
            .map(|(id, _)| id.clone())
            .collect();
        for id in absent {
            if s.recent_ids.contains(&id) || s.orders.iter().any(|o| o.client_id == id) {
                if let Some(t) = self.open.get_mut(&id) {
                    t.absent_ms = None;
                    t.doubt();
                }
            } else if as_expected {
                if let Some(t) = self.open.get_mut(&id) {
                    t.finish(now, EndReason::Absent);
                }
            } else if before.is_some() {
                out.push(self.alert(
                    Severity::Warning,
                    "UnknownOrderDoubted",
                    format!(
                        "{id} is not found, but the position is {} lots instead of {:?}: reading again",
                        s.position.qty.0, before
                    ),
                ));
            }
        }
        self.settle(now, out);
    }

    /// Counts unseen trades of known orders; returns those nobody can be named for.
    fn take_trades(
        &mut self,
        s: &VenueState,
        out: &mut Vec<OrdersOut>,
    ) -> Vec<(ClientId, TradeFill)> {
        let mut stray = Vec::new();
        for (id, fill) in &s.trades {
            let known = id.as_ref().and_then(|id| {
                let t = self
                    .open
                    .get(id)
                    .or_else(|| self.done.get(id).map(|d| &d.last))?;
                Some((id.clone(), t.order_id, t.side))
            });
            if let Some((id, order_id, side)) = known {
                self.count(&id, order_id, side, fill, s.venue_ms, false, out);
            } else if self.model.is_none() {
                self.mark_seen(fill.trade_id); // History of an earlier life: the position includes it.
            } else if fill.trade_id > self.trades_floor && !self.trades.contains(&fill.trade_id) {
                stray.push((
                    id.clone().unwrap_or_else(|| ClientId::from("")),
                    fill.clone(),
                ));
            }
        }
        stray
    }

    /// A trade read without its side is told when the move of the position names the side beyond doubt.
    fn tell_stray(
        &mut self,
        stray: Vec<(ClientId, TradeFill)>,
        s: &VenueState,
        out: &mut Vec<OrdersOut>,
    ) {
        let sum = stray.iter().fold(Qty::ZERO, |q, (_, f)| q + f.qty);
        let moved = s.position.qty.0 - self.model.unwrap_or(s.position.qty.0);
        let side = if moved > 0 { Side::Buy } else { Side::Sell };
        for (id, fill) in stray {
            if moved != 0 && moved.abs() == sum.0 {
                self.count(&id, 0, side, &fill, s.venue_ms, true, out);
            } else {
                self.mark_seen(fill.trade_id);
            }
        }
    }

    fn take_orders(&mut self, now: Now, s: &VenueState, out: &mut Vec<OrdersOut>) {
        for o in &s.orders {
            self.revive(now, &o.client_id, out);
            if let Some(t) = self.open.get_mut(&o.client_id) {
                t.merge(now, o.order_id, o.status, o.filled);
            } else if self.is_own_worker(&o.client_id) && !self.done.contains_key(&o.client_id) {
                let mut t = Tracked::found(now, o);
                if t.purpose == EntryKind::Entry {
                    t.cancel_ns = Some(now.mono_ns);
                    out.push(OrdersOut::Cancel(o.client_id.clone()));
                }
                self.open.insert(o.client_id.clone(), t);
            }
        }
        // Believed to work, but not listed, and not so young that the read could have missed it: it ended unheard.
        for (id, t) in &mut self.open {
            let quiet = now.mono_since(t.touched_ns) > CANCEL_PAUSE_NS / 2;
            if matches!(
                t.state,
                OrderState::Working | OrderState::PartiallyFilled | OrderState::Accepted
            ) && quiet
                && !s.orders.iter().any(|o| o.client_id == *id)
            {
                t.doubt();
                t.immediate = true; // Keeps asking until the end is known.
            }
        }
    }
}

/// The read and the query before it both came after the last moment at which the order could have been accepted.
fn proves_absence(t: &Tracked, asked_ms: i64, s: &VenueState) -> bool {
    t.end.is_none()
        && t.seen.is_zero()
        && t.told.is_zero()
        && s.venue_ms >= asked_ms
        && t.dead_after_ms
            .is_some_and(|d| s.venue_ms > d.saturating_add(ABSENCE_MARGIN_MS))
}
