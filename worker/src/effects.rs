//! Carrying out what the trader wants: requests in their own tasks, answers back as events.
//!
//! Effects of one event go out in order, one after the other; those of different events run beside each other, so a slow
//! answer never holds back a stop. The tasks die with the worker: what was on its way then is an unknown outcome, which
//! the next incarnation settles by reading the venue.

use helios_binance::rest::{KlineInterval, RestClient};
use helios_bus::typed::AccountBus;
use helios_core::instrument::Instrument;
use helios_core::order::{EntryKind, NewOrder, Refusal, ReplyTo, VenueReply};
use helios_core::trader::{TraderEffect, TraderEvent};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Longest a grant question waits: a later answer would have no life left anyway.
const GRANT_TIMEOUT: Duration = Duration::from_millis(1500);

/// Sends requests and brings answers back.
#[derive(Debug)]
pub(crate) struct Effects {
    rest: RestClient,
    bus: AccountBus,
    instrument: Arc<Instrument>,
    answers: mpsc::UnboundedSender<TraderEvent>,
    tasks: JoinSet<()>,
}

/// Work that needs the venue's order endpoints, in the order it was asked for.
enum Order {
    Place(helios_core::order::NewOrder),
    Stop(helios_core::order::NewStop),
    Cancel(helios_core::order::CancelTarget),
    Query(helios_core::order::CancelTarget),
    Countdown(u64),
}

impl Effects {
    /// The answers' receiver is unbounded because each answer belongs to a request the machine made: it bounds them itself.
    pub(crate) fn new(
        rest: RestClient,
        bus: AccountBus,
        instrument: Instrument,
    ) -> (Self, mpsc::UnboundedReceiver<TraderEvent>) {
        let (answers, receiver) = mpsc::unbounded_channel();
        (
            Self {
                rest,
                bus,
                instrument: Arc::new(instrument),
                answers,
                tasks: JoinSet::new(),
            },
            receiver,
        )
    }

    /// Carries out the effects of one event; those that are no request are handed back in order.
    pub(crate) fn carry_out(&mut self, effects: &mut Vec<TraderEffect>) -> Vec<TraderEffect> {
        while self.tasks.try_join_next().is_some() {}
        let mut orders = Vec::new();
        let mut rest = Vec::new();
        for effect in effects.drain(..) {
            match effect {
                TraderEffect::Place(o) => orders.push(Order::Place(o)),
                TraderEffect::PlaceStop(s) => orders.push(Order::Stop(s)),
                TraderEffect::Cancel(t) => orders.push(Order::Cancel(t)),
                TraderEffect::Query(t) => orders.push(Order::Query(t)),
                TraderEffect::Countdown { ms } => orders.push(Order::Countdown(ms)),
                TraderEffect::FetchSnapshot => self.fetch_snapshot(),
                TraderEffect::FetchHistory { bar_ms, bars } => self.fetch_history(bar_ms, bars),
                TraderEffect::Reconcile { asked_at } => self.reconcile(asked_at),
                TraderEffect::AskGrant(request) => self.ask_grant(request),
                other => rest.push(other),
            }
        }
        if !orders.is_empty() {
            self.send_orders(orders);
        }
        rest
    }

    /// Orders of one event, in order. An entry's window was reckoned when it was decided: what waiting has used up of it is
    /// taken off, and an entry that has too little left, or whose dead-man switch was not armed, is not sent.
    fn send_orders(&mut self, orders: Vec<Order>) {
        let (rest, instrument, answers) = (
            self.rest.clone(),
            self.instrument.clone(),
            self.answers.clone(),
        );
        let decided = Instant::now();
        self.tasks.spawn(async move {
            let mut armed = true;
            for order in orders {
                let reply = match order {
                    Order::Place(mut o) => {
                        let r = match fence(&mut o, decided.elapsed(), armed) {
                            Ok(()) => rest.place_order(&instrument, &o).await,
                            Err(why) => VenueReply::Refused(Refusal::NotSent { why: why.into() }),
                        };
                        (ReplyTo::Place(o.client_id), r)
                    }
                    Order::Stop(s) => {
                        let r = rest.place_stop(&instrument, &s).await;
                        (ReplyTo::PlaceStop(s.client_id), r)
                    }
                    Order::Cancel(t) => {
                        let r = rest.cancel(&instrument, &t).await;
                        (ReplyTo::Cancel(t), r)
                    }
                    Order::Query(t) => {
                        let r = rest.query(&instrument, &t).await;
                        (ReplyTo::Query(t), r)
                    }
                    Order::Countdown(ms) => {
                        if let Err(e) = rest.countdown_cancel_all(&instrument.symbol, ms).await {
                            tracing::warn!(symbol = %instrument.symbol, error = %e, "countdown not armed");
                            armed = ms == 0;
                        }
                        continue;
                    }
                };
                log_reply(&instrument.symbol, &reply);
                let _ = answers.send(TraderEvent::Reply(reply.0, reply.1));
            }
        });
    }

    fn fetch_snapshot(&mut self) {
        let (rest, instrument, answers) = (
            self.rest.clone(),
            self.instrument.clone(),
            self.answers.clone(),
        );
        self.tasks.spawn(async move {
            let event = match rest.depth_snapshot(&instrument).await {
                Ok(s) => TraderEvent::Snapshot(s),
                Err(e) => {
                    tracing::warn!(symbol = %instrument.symbol, error = %e, "no depth snapshot");
                    TraderEvent::SnapshotFailed
                }
            };
            let _ = answers.send(event);
        });
    }

    fn fetch_history(&mut self, bar_ms: i64, bars: u32) {
        let (rest, instrument, answers) = (
            self.rest.clone(),
            self.instrument.clone(),
            self.answers.clone(),
        );
        self.tasks.spawn(async move {
            // No kline interval divides the bars, or there is no answer: ATR warms up live.
            let history = match KlineInterval::largest_dividing(bar_ms) {
                None => Vec::new(),
                Some(interval) => {
                    let limit = i64::from(bars).saturating_mul(bar_ms / interval.ms);
                    let limit = u32::try_from(limit).unwrap_or(u32::MAX).min(1_499);
                    rest.klines(&instrument, interval, limit).await.unwrap_or_else(|e| {
                        tracing::warn!(symbol = %instrument.symbol, error = %e, "no history: ATR warms up live");
                        Vec::new()
                    })
                }
            };
            let _ = answers.send(TraderEvent::History(history));
        });
    }

    fn reconcile(&mut self, asked_at: u64) {
        let (rest, instrument, answers) = (
            self.rest.clone(),
            self.instrument.clone(),
            self.answers.clone(),
        );
        self.tasks.spawn(async move {
            let event = match rest.venue_state(&instrument).await {
                Ok(state) => TraderEvent::Reconciled { asked_at, state },
                Err(e) => {
                    tracing::warn!(symbol = %instrument.symbol, error = %e, "reconcile failed");
                    TraderEvent::ReconcileFailed { asked_at }
                }
            };
            let _ = answers.send(event);
        });
    }

    fn ask_grant(&mut self, request: helios_core::messages::GrantRequest) {
        let (bus, answers) = (self.bus.clone(), self.answers.clone());
        self.tasks.spawn(async move {
            match bus.ask_grant(&request, GRANT_TIMEOUT).await {
                Ok(reply) => {
                    let _ = answers.send(TraderEvent::Grant(reply));
                }
                // Silence needs no message: the running grant dies by its own deadline.
                Err(e) => tracing::debug!(symbol = request.symbol, error = %e, "no grant"),
            }
        });
    }
}

/// Least that an entry's window must still hold when it is sent, wall ms.
const ENTRY_WINDOW_LEFT_MS: u32 = 300;

/// Takes the time already used off an entry's window.
fn fence(o: &mut NewOrder, used: Duration, armed: bool) -> Result<(), &'static str> {
    if o.purpose == EntryKind::Exit {
        return Ok(());
    }
    if !armed {
        return Err("the dead-man switch was not armed");
    }
    let used = u32::try_from(used.as_millis()).unwrap_or(u32::MAX);
    match o.recv_window_ms.checked_sub(used) {
        // Within a millisecond of its decision nothing was waited for.
        Some(left) if used <= 1 || left >= ENTRY_WINDOW_LEFT_MS => {
            o.recv_window_ms = left.max(1);
            Ok(())
        }
        _ => Err("its permission ran out before it could be sent"),
    }
}

fn log_reply(symbol: &str, (to, reply): &(ReplyTo, VenueReply)) {
    match reply {
        // What is gone already is what a cancel wants.
        VenueReply::Refused(Refusal::NotFound) if matches!(to, ReplyTo::Cancel(_)) => {
            tracing::debug!(symbol, ?to, "gone already");
        }
        VenueReply::Refused(r) => tracing::info!(symbol, ?to, refusal = ?r, "refused"),
        VenueReply::Unknown { why, .. } => tracing::warn!(symbol, ?to, %why, "outcome unknown"),
        _ => tracing::debug!(symbol, ?to, ?reply, "answered"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use helios_core::fixed::{Price, Qty, Side};
    use helios_core::order::{OrderKind, TimeInForce};

    fn order(purpose: EntryKind, recv_window_ms: u32) -> NewOrder {
        NewOrder {
            client_id: "x".into(),
            side: Side::Buy,
            kind: OrderKind::Limit {
                price: Price(1),
                tif: TimeInForce::Gtx,
            },
            qty: Qty(1),
            reduce_only: purpose == EntryKind::Exit,
            purpose,
            recv_window_ms,
        }
    }

    #[test]
    fn an_entry_that_waited_has_that_much_less_window_and_none_is_sent_with_too_little() {
        let ms = Duration::from_millis;
        let mut o = order(EntryKind::Entry, 1000);
        assert_eq!(
            (fence(&mut o, ms(400), true), o.recv_window_ms),
            (Ok(()), 600)
        );
        assert!(fence(&mut order(EntryKind::Entry, 1000), ms(701), true).is_err());
        assert!(fence(&mut order(EntryKind::Entry, 1000), ms(5000), true).is_err());
        assert!(fence(&mut order(EntryKind::Entry, 1000), ms(0), false).is_err());
        let mut exit = order(EntryKind::Exit, 1000);
        assert_eq!(
            (fence(&mut exit, ms(5000), false), exit.recv_window_ms),
            (Ok(()), 1000)
        );
    }
}
