//! Sending the guardian's own orders: what one event wants of one symbol goes out in order, symbols beside each other.
//!
//! An emergency closes every position within one event, and none of them may wait for the answer to another's order, nor a
//! last-resort stop for somebody's cancel. Hence a queue of its own for each symbol of each event, and exits and stops first
//! in it: what the guardian cancels beside them (entries, orphans) never stands in their way, and nothing it cancels is
//! replaced by them. How many go at once is bounded by the rate budget, which refuses and never makes anybody wait.

use crate::effects::Answer;
use helios_binance::rest::RestClient;
use helios_core::guardian::GuardianEvent;
use helios_core::instrument::{Instrument, Symbol};
use helios_core::order::{CancelTarget, NewOrder, NewStop, Refusal, ReplyTo, VenueReply};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// An exit or stop that could not be sent within this time of its decision is not sent: the guardian takes a read that does
/// not show an order 3 s after its decision for that order's end and derives the next one, so none may be sent that late.
const TOO_LATE: Duration = Duration::from_secs(1);

/// An order of the guardian's own.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Order {
    Place(Symbol, NewOrder),
    Stop(Symbol, NewStop),
    Cancel(Symbol, CancelTarget),
    Query(Symbol, CancelTarget),
}

impl Order {
    pub(crate) const fn symbol(&self) -> &Symbol {
        let (Self::Place(s, _) | Self::Stop(s, _) | Self::Cancel(s, _) | Self::Query(s, _)) = self;
        s
    }

    /// What makes the account safer at once goes before what only tidies up or asks.
    const fn rank(&self) -> u8 {
        match self {
            Self::Place(..) => 0,
            Self::Stop(..) => 1,
            Self::Cancel(..) | Self::Query(..) => 2,
        }
    }

    fn reply_to(&self) -> ReplyTo {
        match self {
            Self::Place(_, o) => ReplyTo::Place(o.client_id.clone()),
            Self::Stop(_, o) => ReplyTo::PlaceStop(o.client_id.clone()),
            Self::Cancel(_, t) => ReplyTo::Cancel(t.clone()),
            Self::Query(_, t) => ReplyTo::Query(t.clone()),
        }
    }
}

/// Who carries an order to the exchange.
#[async_trait::async_trait]
pub(crate) trait Hand: Clone + Send + Sync + 'static {
    async fn send(&self, i: &Instrument, order: &Order) -> VenueReply;
}

#[async_trait::async_trait]
impl Hand for RestClient {
    async fn send(&self, i: &Instrument, order: &Order) -> VenueReply {
        match order {
            Order::Place(_, o) => self.place_order(i, o).await,
            Order::Stop(_, o) => self.place_stop(i, o).await,
            Order::Cancel(_, t) => self.cancel(i, t).await,
            Order::Query(_, t) => self.query(i, t).await,
        }
    }
}

/// Sends the orders of one event; each answer goes to `answers` as it comes.
pub(crate) fn send<H: Hand>(
    hand: &H,
    orders: Vec<(Arc<Instrument>, Order)>,
    answers: &UnboundedSender<Answer>,
    tasks: &mut JoinSet<()>,
) {
    let decided = Instant::now();
    for queue in queues(orders) {
        let (hand, answers) = (hand.clone(), answers.clone());
        tasks.spawn(async move {
            for (i, order) in queue {
                let late = order.rank() < 2 && decided.elapsed() > TOO_LATE;
                let reply = if late {
                    let why = "decided too long ago".into();
                    VenueReply::Refused(Refusal::NotSent { why })
                } else {
                    hand.send(&i, &order).await
                };
                let (symbol, to) = (order.symbol().clone(), order.reply_to());
                tracing::info!(%symbol, ?to, ?reply, "coordinator's order");
                let _ = answers.send(Answer::Event(GuardianEvent::Reply(symbol, to, reply)));
            }
        });
    }
}

/// One queue for each symbol, those that begin with an exit first; within one, those of a rank keep their order.
fn queues(orders: Vec<(Arc<Instrument>, Order)>) -> Vec<Vec<(Arc<Instrument>, Order)>> {
    let mut by_symbol: BTreeMap<Symbol, Vec<(Arc<Instrument>, Order)>> = BTreeMap::new();
    for (i, order) in orders {
        let queue = by_symbol.entry(order.symbol().clone()).or_default();
        queue.push((i, order));
    }
    let mut all: Vec<_> = by_symbol.into_values().collect();
    for queue in &mut all {
        queue.sort_by_key(|(_, o)| o.rank());
    }
    all.sort_by_key(|queue| queue.first().map(|(_, o)| o.rank()));
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use helios_core::fixed::{Price, Qty, Side};
    use helios_core::order::{ClientId, EntryKind, OrderKind};
    use rust_decimal::Decimal;
    use std::sync::Mutex;
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
    use tokio::time::sleep;

    /// Answers each order after a second and remembers when each was sent, ms since the beginning.
    #[derive(Clone)]
    struct Slow {
        began: Instant,
        sent: Arc<Mutex<Vec<(u128, Order)>>>,
    }

    #[async_trait::async_trait]
    impl Hand for Slow {
        async fn send(&self, _: &Instrument, order: &Order) -> VenueReply {
            let at = self.began.elapsed().as_millis();
            self.sent.lock().unwrap().push((at, order.clone()));
            sleep(Duration::from_secs(1)).await;
            VenueReply::Accepted { id: 1 }
        }
    }

    impl Slow {
        fn new() -> Self {
            Self {
                began: Instant::now(),
                sent: Arc::default(),
            }
        }

        fn sent(&self) -> Vec<(u128, Order)> {
            self.sent.lock().unwrap().clone()
        }
    }

    fn exit(symbol: &str) -> Order {
        let o = NewOrder {
            client_id: ClientId::from(format!("exit-{symbol}").as_str()),
            side: Side::Sell,
            kind: OrderKind::Market,
            qty: Qty(1),
            reduce_only: true,
            purpose: EntryKind::Exit,
            recv_window_ms: 1000,
        };
        Order::Place(symbol.into(), o)
    }

    fn stop(symbol: &str) -> Order {
        let s = NewStop {
            client_id: ClientId::from(format!("stop-{symbol}").as_str()),
            side: Side::Sell,
            trigger: Price(1),
            qty: None,
        };
        Order::Stop(symbol.into(), s)
    }

    fn cancel(symbol: &str, id: &str) -> Order {
        Order::Cancel(symbol.into(), CancelTarget::Order(ClientId::from(id)))
    }

    fn start(hand: &Slow, orders: &[Order], tasks: &mut JoinSet<()>) -> UnboundedReceiver<Answer> {
        let (tx, rx) = unbounded_channel();
        let known = |o: &Order| {
            let grid = Instrument::with_grid(o.symbol(), Decimal::ONE, Decimal::ONE);
            (Arc::new(grid.unwrap()), o.clone())
        };
        send(hand, orders.iter().map(known).collect(), &tx, tasks);
        rx
    }

    #[tokio::test(start_paused = true)]
    async fn every_symbols_exit_and_stop_goes_at_once_and_its_cancels_follow_in_order() {
        let hand = Slow::new();
        let orders = [
            cancel("A", "1"),
            cancel("A", "2"),
            cancel("B", "3"),
            exit("A"),
            exit("B"),
            stop("C"),
        ];
        let mut tasks = JoinSet::new();
        let mut answers = start(&hand, &orders, &mut tasks);
        while tasks.join_next().await.is_some() {}
        let sent = hand.sent();
        let at = |ms: u128| {
            let those = sent.iter().filter(|s| s.0 == ms);
            those.map(|s| s.1.clone()).collect::<Vec<_>>()
        };
        assert_eq!(at(0), [exit("A"), exit("B"), stop("C")]);
        assert_eq!(at(1000), [cancel("A", "1"), cancel("B", "3")]);
        assert_eq!(at(2000), [cancel("A", "2")]);
        let mut answered = 0;
        while answers.try_recv().is_ok() {
            answered += 1;
        }
        assert_eq!(answered, orders.len());
    }

    #[tokio::test(start_paused = true)]
    async fn an_exit_that_could_not_be_sent_in_time_is_never_sent_and_the_guardian_is_told() {
        let hand = Slow::new();
        let mut tasks = JoinSet::new();
        let mut answers = start(&hand, &[exit("A"), cancel("B", "1")], &mut tasks);
        // As if the process had been stopped before the tasks ran.
        tokio::time::advance(TOO_LATE + Duration::from_millis(1)).await;
        while tasks.join_next().await.is_some() {}
        let sent: Vec<_> = hand.sent().into_iter().map(|s| s.1).collect();
        assert_eq!(sent, [cancel("B", "1")]);
        let told = std::iter::from_fn(|| answers.try_recv().ok()).any(|a| {
            matches!(a, Answer::Event(GuardianEvent::Reply(s, ReplyTo::Place(_),
                VenueReply::Refused(Refusal::NotSent { .. }))) if &*s == "A")
        });
        assert!(told);
    }
}
