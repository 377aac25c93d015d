//! The fault port: what goes wrong here on order, as it goes wrong at the real exchange.
//!
//! [`Fault`] is the menu, [`Faults`] what is ordered and not used up: a part of it the connections ask ([`Faults::request`]), a
//! part the hub ([`Faults::frame`]), the rest is done at once by `admin` or handed to the engine. `schedule` says when faults come
//! by themselves. Without an order none of this is on the way of a request or a frame but for one flag.

mod admin;
mod frames;
mod menu;
mod requests;
mod schedule;

pub(super) use admin::{answer as admin, dropped};
pub use menu::{
    Answer, Clock, Delay, Disorder, Fault, Filters, Frames, Liquidation, ListenKey, Maintenance,
    Partial, Rules, Say, Sockets, Vanish, Which,
};
pub(super) use requests::Course;
pub(super) use schedule::Schedule;
pub use schedule::{FaultPlan, FaultPlanError, Timed};

use super::stream::Topic;
use crate::engine::AccountId;
pub(super) use frames::Held;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::time::{Duration, Instant};

/// Used up faults that `GET /fault` tells of.
const REMEMBERED: usize = 256;

/// What a `frames` fault is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    /// A market stream.
    Topic(Topic),
    /// An account's events, whatever its listen key is.
    User(AccountId),
}

impl Target {
    /// A topic at any cadence.
    pub(super) fn of(topic: &Topic) -> Self {
        Self::Topic(topic.whole().unwrap_or_else(|| topic.clone()))
    }
}

/// A fault that waits for what it is about.
struct Ordered {
    id: u64,
    fault: Fault,
    /// What a `frames` fault is about.
    target: Option<Target>,
    left: u64,
    hits: u64,
}

#[derive(Default)]
struct Inner {
    next: u64,
    ordered: Vec<Ordered>,
    used_up: VecDeque<Ordered>,
    held: Held,
    maintenance: Option<Instant>,
}

/// What is ordered; shared by connections and actor.
#[derive(Default)]
pub(super) struct Faults {
    any: AtomicBool,
    skew_ms: AtomicI64,
    inner: Mutex<Inner>,
}

impl Faults {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // What is in it is whole after every statement.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Orders a fault that waits for `times` requests, frames or orders; its number.
    fn order(&self, fault: Fault, target: Option<Target>, times: u64) -> u64 {
        let mut inner = self.lock();
        inner.next += 1;
        let id = inner.next;
        inner.ordered.push(Ordered {
            id,
            fault,
            target,
            left: times,
            hits: 0,
        });
        self.any.store(true, SeqCst);
        id
    }

    /// Nothing waits.
    pub(super) fn none(&self) -> bool {
        !self.any.load(SeqCst)
    }

    /// How far REST's clock is off, ms.
    pub(super) fn skew_ms(&self) -> i64 {
        self.skew_ms.load(SeqCst)
    }

    fn skew(&self, ms: i64) {
        self.skew_ms.store(ms, SeqCst);
    }

    fn maintain(&self, for_: Duration) {
        self.lock().maintenance = Some(Instant::now() + for_);
        self.any.store(true, SeqCst);
    }

    /// Nothing is served now.
    pub(super) fn maintenance(&self) -> bool {
        self.any.load(SeqCst) && self.lock().maintenance.is_some_and(|t| t > Instant::now())
    }

    /// What is ordered, and how often each has hit.
    fn tell(&self) -> Value {
        let inner = self.lock();
        let tell =
            |o: &Ordered| json!({"id": o.id, "fault": o.fault, "left": o.left, "hits": o.hits});
        let now = Instant::now();
        let left = inner.maintenance.filter(|t| *t > now);
        json!({
            "faults": inner.used_up.iter().chain(&inner.ordered).map(tell).collect::<Vec<_>>(),
            "clock_ms": self.skew_ms(),
            "maintenance_ms": left.map(|t| (t - now).as_millis() as u64),
        })
    }

    /// Takes back one fault; false for a number that none has.
    fn take_back(&self, id: u64) -> bool {
        let mut inner = self.lock();
        let all = |i: &Inner| i.ordered.len() + i.used_up.len();
        let before = all(&inner);
        inner.ordered.retain(|o| o.id != id);
        inner.used_up.retain(|o| o.id != id);
        let found = all(&inner) < before;
        self.note(&inner);
        found
    }

    /// Takes back all of it, clock and maintenance too; the frames that were held back.
    fn take_all_back(&self) -> Held {
        let mut inner = self.lock();
        self.skew(0);
        self.any.store(false, SeqCst);
        let next = inner.next;
        let over = std::mem::replace(
            &mut *inner,
            Inner {
                next,
                ..Inner::default()
            },
        );
        over.held
    }

    /// The first fault that `hit` takes, counted.
    fn take<T>(&self, hit: impl Fn(&Ordered) -> Option<T>) -> Option<T> {
        if self.none() {
            return None;
        }
        let mut inner = self.lock();
        let taken = inner.take(hit);
        self.note(&inner);
        taken
    }

    fn note(&self, inner: &Inner) {
        let waits = !inner.ordered.is_empty() || !inner.held.is_empty();
        self.any.store(waits || inner.maintenance.is_some(), SeqCst);
    }
}

impl Inner {
    fn take<T>(&mut self, hit: impl Fn(&Ordered) -> Option<T>) -> Option<T> {
        let all = self.ordered.iter_mut().enumerate();
        let (i, taken) = all.filter(|(_, o)| o.left > 0).find_map(|(i, o)| {
            let taken = hit(o)?;
            o.left -= 1;
            o.hits += 1;
            Some((i, taken))
        })?;
        if self.ordered[i].left == 0 {
            let over = self.ordered.remove(i);
            if self.used_up.len() == REMEMBERED {
                self.used_up.pop_front();
            }
            self.used_up.push_back(over);
        }
        Some(taken)
    }
}
