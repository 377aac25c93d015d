//! What a leader is asked: workers' questions for grants and persons' requests. Only who leads listens.
//!
//! A worker asks each half second. One that asks in a loop gets no answer to what is too much, so that it costs the others
//! nothing: its grants run out by themselves.

use helios_bus::typed::{AccountBus, AdminQuestion, AdminServer, GrantQuestion, GrantServer};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Between two attempts to listen while the bus is not there.
const AGAIN: Duration = Duration::from_millis(500);
/// Longest an attempt may take: the guardian's loop waits for it.
const ATTEMPT: Duration = Duration::from_millis(100);

/// Questions a task may have answered at once, and each second.
const MOST: f64 = 10.0;
/// Tasks that are told apart; far more than an account has. The one that asked longest ago is forgotten.
const TASKS: usize = 4096;

/// Somebody asks.
pub(crate) enum Question {
    /// A worker.
    Grant(GrantQuestion),
    /// A person.
    Person(AdminQuestion),
}

/// The ears of a leader.
#[derive(Default)]
pub(crate) struct Asked {
    open: bool,
    tried: Option<Instant>,
    grants: Option<GrantServer>,
    persons: Option<AdminServer>,
    patience: Patience,
}

/// What each task may still ask: a bucket that fills again.
#[derive(Default)]
struct Patience {
    /// By task: questions left, and when that was reckoned.
    left: BTreeMap<String, (f64, Instant)>,
    dropped: u64,
}

impl Patience {
    /// Whether this task's question is heard.
    fn hears(&mut self, task: &str) -> bool {
        let now = Instant::now();
        if !self.left.contains_key(task) {
            if self.left.len() >= TASKS
                && let Some(oldest) = self
                    .left
                    .iter()
                    .min_by_key(|(_, l)| l.1)
                    .map(|l| l.0.clone())
            {
                self.left.remove(&oldest);
            }
            self.left.insert(task.into(), (MOST, now));
        }
        let Some((left, at)) = self.left.get_mut(task) else {
            return false;
        };
        *left = (*left + now.duration_since(*at).as_secs_f64() * MOST).min(MOST);
        *at = now;
        if *left >= 1.0 {
            *left -= 1.0;
            return true;
        }
        self.dropped += 1;
        if self.dropped.is_power_of_two() {
            let dropped = self.dropped;
            tracing::warn!(task, dropped, "a worker asks too often: not answered");
        }
        false
    }
}

impl Asked {
    /// Listens from now on.
    pub(crate) async fn open(&mut self, bus: &AccountBus) {
        self.open = true;
        self.tried = None;
        self.keep(bus).await;
    }

    /// Listens no more.
    pub(crate) fn close(&mut self) {
        *self = Self::default();
    }

    /// Makes up for what could not be opened.
    pub(crate) async fn keep(&mut self, bus: &AccountBus) {
        let complete = self.grants.is_some() && self.persons.is_some();
        if !self.open || complete || self.tried.is_some_and(|t| t.elapsed() < AGAIN) {
            return;
        }
        self.tried = Some(Instant::now());
        if self.grants.is_none()
            && let Ok(Ok(s)) = timeout(ATTEMPT, bus.serve_grants()).await
        {
            self.grants = Some(s);
        }
        if self.persons.is_none()
            && let Ok(Ok(s)) = timeout(ATTEMPT, bus.serve_admin()).await
        {
            self.persons = Some(s);
        }
    }

    /// The next question; never resolves while nobody may ask. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Question {
        loop {
            let (grants, persons) = (&mut self.grants, &mut self.persons);
            tokio::select! {
                biased;
                q = async { match persons {
                    Some(s) => s.next().await,
                    None => std::future::pending().await,
                }} => match q {
                    Some(q) => return Question::Person(q),
                    None => self.persons = None,
                },
                q = async { match grants {
                    Some(s) => s.next().await,
                    None => std::future::pending().await,
                }} => match q {
                    Some(q) if self.patience.hears(&q.request.task_uid) => return Question::Grant(q),
                    // Dropped, and others get their turn before the next one is looked at.
                    Some(_) => tokio::task::yield_now().await,
                    None => self.grants = None,
                },
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use helios_core::messages::GrantRequest;
    use rust_decimal::Decimal;
    use tokio::time::advance;

    /// A question of this task.
    pub(crate) fn question(task: &str) -> GrantRequest {
        GrantRequest {
            symbol: "BTCUSDT".into(),
            strategy: "ns/nobi".into(),
            task_uid: task.into(),
            seq: 1,
            epoch_seen: 0,
            wish_notional: Decimal::ONE,
            position_notional: Decimal::ZERO,
            open_entry_notional: Decimal::ZERO,
            wish_risk: Decimal::ZERO,
            fence_lost: false,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_asks_in_a_loop_is_heard_ten_times_a_second_and_the_others_as_ever() {
        let mut p = Patience::default();
        let heard = |p: &mut Patience, n: u32| (0..n).filter(|_| p.hears("loop")).count();
        assert_eq!(heard(&mut p, 100), 10);
        assert!(p.hears("other"));
        let mut all = 0;
        for _ in 0..1000 {
            advance(Duration::from_millis(10)).await;
            all += heard(&mut p, 5);
        }
        assert!((95..=101).contains(&all), "{all} in ten seconds");
        // As a worker does that behaves.
        for _ in 0..100 {
            advance(Duration::from_millis(500)).await;
            assert!(p.hears("other"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn names_that_nobody_has_take_no_memory_without_end() {
        let mut p = Patience::default();
        for i in 0..TASKS + 100 {
            advance(Duration::from_millis(1)).await;
            assert!(p.hears(&i.to_string()));
        }
        assert_eq!(p.left.len(), TASKS);
    }
}
