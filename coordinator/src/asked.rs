//! What a leader is asked: workers' questions for grants and persons' requests. Only who leads listens.

use helios_bus::typed::{AccountBus, AdminQuestion, AdminServer, GrantQuestion, GrantServer};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Between two attempts to listen while the bus is not there.
const AGAIN: Duration = Duration::from_millis(500);
/// Longest an attempt may take: the guardian's loop waits for it.
const ATTEMPT: Duration = Duration::from_millis(100);

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
                    Some(q) => return Question::Grant(q),
                    None => self.grants = None,
                },
            }
        }
    }
}
