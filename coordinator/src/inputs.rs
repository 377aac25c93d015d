//! What the guardian's loop hears, in order of urgency.
//!
//! A person and the lock come first, then the account's own stream, answers and time. Marks take turns with what workers ask
//! and say: marks that wait behind a worker which asks in a loop would make the account unknown for everybody, and a
//! question that waits behind a burst of marks would be late.

use crate::asked::{Asked, Question};
use crate::control::Control;
use crate::effects::Answer;
use helios_binance::user::UserStreamEvent;
use helios_binance::ws::MarketMessage;
use helios_bus::typed::Typed;
use helios_core::messages::WorkerReport;
use std::future::ready;
use tokio::sync::mpsc;
use tokio::time::Interval;

/// One thing to do.
pub(crate) enum Input {
    /// `None`: the actuator is gone.
    Control(Option<Control>),
    /// `None`: the task is gone.
    Lead(Option<crate::lead::News>),
    /// `None`: the feed is gone.
    User(Option<UserStreamEvent>),
    Answer(Answer),
    Tick,
    Mark(MarketMessage),
    Question(Question),
    Report(WorkerReport),
}

/// Where it comes from.
pub(crate) struct Inputs {
    pub(crate) control: mpsc::Receiver<Control>,
    pub(crate) user: mpsc::Receiver<UserStreamEvent>,
    pub(crate) answers: mpsc::UnboundedReceiver<Answer>,
    pub(crate) tick: Interval,
    pub(crate) marks: mpsc::Receiver<MarketMessage>,
    pub(crate) reports: Typed<WorkerReport>,
    /// The last input of those that take turns was a mark.
    pub(crate) marked: bool,
}

impl Inputs {
    /// The next input. `lead` and `asked` are the loop's own, as it also talks to them.
    pub(crate) async fn next(
        &mut self,
        lead: &mut mpsc::Receiver<crate::lead::News>,
        asked: &mut Asked,
    ) -> Input {
        loop {
            tokio::select! {
                biased;
                c = self.control.recv() => return Input::Control(c),
                n = lead.recv() => return Input::Lead(n),
                e = self.user.recv() => return Input::User(e),
                Some(a) = self.answers.recv() => return Input::Answer(a),
                _ = self.tick.tick() => return Input::Tick,
                Some(m) = self.marks.recv(), if !self.marked => {
                    self.marked = true;
                    return Input::Mark(m);
                }
                q = asked.next() => {
                    self.marked = false;
                    return Input::Question(q);
                }
                Some(r) = self.reports.next() => {
                    self.marked = false;
                    return Input::Report(r);
                }
                // Nobody else waits for a turn.
                () = ready(()), if self.marked => self.marked = false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use helios_bus::memory::MemoryBus;
    use helios_bus::typed::AccountBus;
    use helios_core::trader::{StreamKind, TraderEvent};
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::time::{Instant, interval_at};

    fn mark() -> MarketMessage {
        MarketMessage {
            symbol: "BTCUSDT".into(),
            event: TraderEvent::StreamUp(StreamKind::User),
            received_ns: 0,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn marks_and_questions_take_turns_and_time_waits_for_neither() {
        let bus = AccountBus::new(Arc::new(MemoryBus::new()), "acct");
        let mut asked = Asked::default();
        asked.open(&bus).await;
        for i in 0..8 {
            let bus = bus.clone();
            tokio::spawn(async move {
                let q = crate::asked::tests::question(&format!("t{i}"));
                bus.ask_grant(&q, Duration::from_secs(60)).await
            });
        }
        let (_control, control) = mpsc::channel(1);
        let (_lead, mut lead) = mpsc::channel(1);
        let (_user, user) = mpsc::channel(1);
        let (_answers, answers) = mpsc::unbounded_channel();
        let (marks_tx, marks) = mpsc::channel(64);
        for _ in 0..16 {
            marks_tx.try_send(mark()).unwrap();
        }
        let second = Duration::from_secs(1);
        let mut inputs = Inputs {
            control,
            user,
            answers,
            tick: interval_at(Instant::now() + second, second),
            marks,
            reports: bus.reports().await.unwrap(),
            marked: false,
        };
        // The questions are on their way.
        for _ in 0..64 {
            tokio::task::yield_now().await;
        }
        let mut heard = String::new();
        for n in 0..25 {
            if n == 9 {
                tokio::time::advance(second).await;
            }
            heard.push(match inputs.next(&mut lead, &mut asked).await {
                Input::Mark(_) => 'm',
                Input::Question(_) => 'q',
                Input::Tick => 't',
                _ => '?',
            });
        }
        assert_eq!(heard, "mqmqmqmqmtqmqmqmqmmmmmmmm");
    }
}
