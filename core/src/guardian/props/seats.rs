//! The model's two coordinators, their lock and their stored state.

use super::model::{Model, NAMES, Truth};
use crate::guardian::testkit::*;
use crate::guardian::*;
use crate::messages::{GrantReply, GrantRequest};
use crate::time::NS_PER_S;

/// The lock's times.
const RENEW_DEADLINE_MS: u64 = 3_000;
const LOCK_MS: u64 = 6_000;

/// A read under way.
pub(super) struct Read {
    pub asked_at: u64,
    /// When it is taken at the venue.
    pub taken_at: u64,
    pub arrives_at: u64,
    pub taken: Option<GuardianEvent>,
}

/// One of two coordinators.
pub(super) struct Seat {
    pub g: Guardian,
    /// Several once the guardian gave one up: each may still arrive, in any order.
    pub under_way: Vec<Read>,
    /// How many were asked for.
    pub reads: usize,
    /// Revision of the state it has read or written last.
    pub revision: u64,
    pub frozen_until: u64,
    /// Questions that came while it was frozen: t0, symbol, task.
    pub inbox: Vec<(u64, usize, u32, GrantRequest)>,
}

impl Model {
    pub fn new(params: crate::params::AccountParams, delays: Vec<(u64, u64)>) -> Self {
        let mut c = config(&NAMES);
        c.account = params;
        c.strategies = vec![
            strategy("ns/nobi", 1, &NAMES[..1]),
            strategy("ns/low", 0, &NAMES[1..]),
        ];
        let mut m = Self {
            config: c,
            seats: Vec::new(),
            now: Now::new(1_700_000_000_000, NS_PER_S),
            truth: (0..NAMES.len()).map(|_| Truth::default()).collect(),
            delays,
            seq: 0,
            stored: (0, GuardianState::default()),
            lock: None,
            term: 0,
        };
        for i in 0..2 {
            let seat = m.seat();
            m.seats.push(seat);
            m.tell(i, &GuardianEvent::Start);
        }
        m.take_lock(0);
        m
    }

    pub(super) fn seat(&self) -> Seat {
        Seat {
            g: Guardian::new(self.config.clone(), self.stored.1.clone()),
            under_way: Vec::new(),
            reads: 0,
            revision: self.stored.0,
            frozen_until: 0,
            inbox: Vec::new(),
        }
    }

    pub(super) fn frozen(&self, i: usize) -> bool {
        self.now.mono_ns < self.seats[i].frozen_until
    }

    /// The lock is free or has run out: a coordinator takes it, reads the state and leads.
    fn take_lock(&mut self, i: usize) {
        let ran_out = self.lock.is_some();
        self.term += 1;
        self.lock = Some((i, self.now.mono_ns));
        self.seats[i].revision = self.stored.0;
        let state = self.stored.1.clone();
        self.tell(i, &GuardianEvent::State(Box::new(state)));
        if ran_out {
            self.tell(i, &GuardianEvent::LockRanOut);
        }
        let until_ns = Some(self.now.mono_ns + ms(RENEW_DEADLINE_MS));
        let epoch = self.term;
        self.tell(i, &GuardianEvent::Lead { epoch, until_ns });
    }

    /// What the lock's clients do each 50 ms: renew each second, take what has run out.
    pub(super) fn keep_lock(&mut self) {
        let Some((holder, at)) = self.lock else {
            if let Some(i) = (0..2).rev().find(|i| !self.frozen(*i)) {
                self.take_lock(i);
            }
            return;
        };
        let age = self.now.mono_since(at);
        if age >= ms(LOCK_MS) {
            if let Some(i) = [1 - holder, holder].into_iter().find(|i| !self.frozen(*i)) {
                self.take_lock(i);
            }
        } else if age >= ms(1000)
            && age < ms(RENEW_DEADLINE_MS)
            && !self.frozen(holder)
            && self.seats[holder].g.leads().is_some()
        {
            self.lock = Some((holder, self.now.mono_ns));
            let until_ns = self.now.mono_ns + ms(RENEW_DEADLINE_MS);
            self.tell(holder, &GuardianEvent::Renewed { until_ns });
        }
    }

    /// Both coordinators hear it, unless frozen.
    pub(super) fn send(&mut self, e: &GuardianEvent) {
        for i in 0..self.seats.len() {
            if !self.frozen(i) {
                self.tell(i, e);
            }
        }
    }

    pub(super) fn tell(&mut self, i: usize, e: &GuardianEvent) -> Option<GrantReply> {
        let (mut out, mut reply) = (vec![], None);
        self.seats[i].g.on_event(self.now, e, &mut out);
        for e in out {
            match e {
                GuardianEffect::Persist(state) => {
                    let fits = self.seats[i].revision == self.stored.0;
                    if fits {
                        self.stored = (self.stored.0 + 1, *state);
                        self.seats[i].revision = self.stored.0;
                    }
                    let answer = if fits {
                        GuardianEvent::Persisted
                    } else {
                        GuardianEvent::PersistFailed
                    };
                    self.tell(i, &answer);
                }
                GuardianEffect::Reconcile { asked_at } => {
                    // The first comes at once: nothing is granted before it.
                    let seat = &mut self.seats[i];
                    let later = seat
                        .reads
                        .checked_sub(1)
                        .map(|n| self.delays[n % self.delays.len()]);
                    let (take, more) = later.unwrap_or_default();
                    seat.reads += 1;
                    let taken_at = self.now.mono_ns + ms(take);
                    seat.under_way.push(Read {
                        asked_at,
                        taken_at,
                        arrives_at: taken_at + ms(more),
                        taken: None,
                    });
                }
                GuardianEffect::Reply { reply: r, .. } => reply = Some(r),
                _ => {}
            }
        }
        reply
    }

    /// Reads go on and arrive; a coordinator that is not frozen any more finds what was asked of it meanwhile.
    pub(super) fn wake(&mut self, i: usize) {
        let (at, frozen) = (self.now.mono_ns, self.frozen(i));
        if !frozen {
            for (t0, symbol, task, r) in std::mem::take(&mut self.seats[i].inbox) {
                if let Some(reply) = self.tell(i, &GuardianEvent::GrantRequested(r)) {
                    self.truth[symbol].answers.push((at, t0, task, reply));
                }
            }
        }
        let mut arrived = Vec::new();
        for mut read in std::mem::take(&mut self.seats[i].under_way) {
            if at >= read.taken_at && read.taken.is_none() {
                read.taken = Some(self.take_read(read.asked_at));
            }
            match read.taken {
                Some(e) if at >= read.arrives_at && !frozen => arrived.push(e),
                _ => self.seats[i].under_way.push(read),
            }
        }
        for e in arrived {
            self.tell(i, &e);
        }
    }
}
