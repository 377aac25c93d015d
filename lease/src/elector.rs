//! Who may lead, as a state machine: no I/O, no clock, no task. client-go's algorithm, made stricter where that costs nothing.
//!
//! - A candidate takes a held lease only after it has itself, on its own monotonic clock, seen the same version for the
//!   whole lease duration. The swap then proves that nothing was written in between.
//! - A leader leads until the *sending* of its last successful renewal + the renew deadline, and then stops by itself,
//!   without any message. Deadline < duration, so the next one begins later, even with clocks that run a little apart.
//! - Each term has its own number, above every number seen, so that it can serve as a fence.
//! - A missing record gives nobody the lead: a candidate first writes a vacant one, and that is observed as any other.
//!   So a record that was deleted under a leader is no way round the rule. Only a released record is taken at once.

use crate::clock::At;
pub use crate::exchange::{Input, Output, Why};
use crate::record::{LeaseRecord, MicroTime};
use crate::store::{LeaseError, Version};
use crate::times::{SetupError, Times, ns};
use helios_core::time::NS_PER_S;
use std::time::Duration;

/// Duration in a released record, s: take it at once.
const RELEASED_SECONDS: u32 = 1;

#[derive(Clone, Debug)]
struct Lead {
    transitions: u64,
    until: u64,
    /// As in [`Elector::waited_out`].
    waited_out: bool,
}

/// What the store last showed, and since when it shows it.
#[derive(Clone, Debug)]
struct Seen {
    found: Option<(LeaseRecord, Version)>,
    since_ns: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Read,
    Acquire,
    Renew,
    Vacate,
    Release,
}

#[derive(Clone, Debug)]
struct Flight {
    kind: Kind,
    sent_ns: u64,
    /// What is written; `None` for a read.
    record: Option<LeaseRecord>,
    /// An acquisition after the whole duration without a change.
    waited_out: bool,
}

/// One candidate.
#[derive(Clone, Debug)]
pub struct Elector {
    identity: String,
    times: Times,
    /// Highest term ever seen: a record that was deleted or put back can't lower the next one.
    highest: u64,
    seen: Option<Seen>,
    /// `seen` must be read again before anything is written.
    stale: bool,
    /// The term this elector last tried to begin. A record is its own only with this number and time: another process
    /// with the same identity (a mistake, or an earlier life) is somebody else.
    term: Option<(u64, MicroTime)>,
    /// In this term a record that had vanished was written anew. Such a write may land late, over the remains of another's
    /// term, so after the lead is lost this term's record proves nothing and is observed like any other.
    recreated: bool,
    lead: Option<Lead>,
    flight: Option<Flight>,
    /// Nothing is sent before.
    next_ns: u64,
    releasing: bool,
    done: bool,
}

impl Elector {
    /// A candidate. The identity must be its own in every life: two processes never share one.
    ///
    /// # Errors
    /// An empty identity; times out of order.
    pub fn new(identity: impl Into<String>, times: Times) -> Result<Self, SetupError> {
        let identity = identity.into();
        if identity.is_empty() {
            return Err(SetupError::EmptyIdentity);
        }
        Ok(Self::unchecked(&identity, times.check()?))
    }

    pub(crate) fn unchecked(identity: &str, times: Times) -> Self {
        Self {
            identity: identity.to_string(),
            times,
            highest: 0,
            seen: None,
            stale: true,
            term: None,
            recreated: false,
            lead: None,
            flight: None,
            next_ns: 0,
            releasing: false,
            done: false,
        }
    }

    /// When the next [`Input::Tick`] is wanted, own monotonic ns. An earlier one does nothing.
    pub fn next_ns(&self) -> u64 {
        let send = if self.flight.is_some() || self.done {
            u64::MAX
        } else {
            self.next_ns
        };
        self.lead.as_ref().map_or(send, |l| send.min(l.until))
    }

    /// Term and end of the lead, as of the last step. Whoever acts compares the end with its clock first.
    pub fn lead(&self) -> Option<(u64, u64)> {
        self.lead.as_ref().map(|l| (l.transitions, l.until))
    }

    /// The lead was taken after the record had not changed for the whole duration: whoever led before ended at least
    /// duration − renew deadline before that. False when it was handed over.
    pub fn waited_out(&self) -> bool {
        self.lead.as_ref().is_some_and(|l| l.waited_out)
    }

    /// Whom the record last seen names.
    pub fn holder(&self) -> Option<&str> {
        let (record, _) = self.seen.as_ref()?.found.as_ref()?;
        record.holder()
    }

    /// Released, and nothing more to write.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Handles one input. `at` never goes back.
    pub fn step(&mut self, at: At, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        // Before anything else: after a pause, no answer that waited may come first.
        if self.lead.as_ref().is_some_and(|l| at.mono_ns >= l.until) {
            self.lose(at, Why::Deadline, &mut out);
            self.stale = true;
        }
        match input {
            Input::Tick => {}
            Input::Release => {
                self.releasing = true;
                self.next_ns = at.mono_ns;
                if self.lead.is_some() {
                    self.lose(at, Why::Released, &mut out);
                }
            }
            Input::ReadDone(result) => {
                if let Some(f) = self.flight.take_if(|f| f.kind == Kind::Read) {
                    self.on_read(at, &f, result, &mut out);
                }
            }
            Input::WriteDone(result) => {
                if let Some(f) = self.flight.take_if(|f| f.kind != Kind::Read) {
                    self.on_written(at, f, result, &mut out);
                }
            }
        }
        self.act(at, &mut out);
        out
    }

    fn lose(&mut self, at: At, why: Why, out: &mut Vec<Output>) {
        self.lead = None;
        self.next_ns = at.mono_ns;
        out.push(Output::Lost { why });
    }

    fn after(&self, from_ns: u64, wait: Duration) -> u64 {
        from_ns.saturating_add(ns(wait))
    }

    fn retry_at(&self, at: At) -> u64 {
        self.after(at.mono_ns, self.times.renew_every / 4)
    }

    fn observe(&mut self, at: At, found: Option<(LeaseRecord, Version)>) {
        if let Some((r, _)) = &found {
            self.highest = self.highest.max(r.lease_transitions);
        }
        let same = self
            .seen
            .as_ref()
            .is_some_and(|s| match (&s.found, &found) {
                (Some((_, a)), Some((_, b))) => a == b,
                (None, None) => true,
                _ => false,
            });
        if !same {
            let since_ns = at.mono_ns;
            self.seen = Some(Seen { found, since_ns });
        }
        self.stale = false;
    }

    fn is_mine(&self, r: &LeaseRecord) -> bool {
        r.holder() == Some(&self.identity)
            && r.acquire_time
                .is_some_and(|t| self.term == Some((r.lease_transitions, t)))
    }

    fn on_read(
        &mut self,
        at: At,
        f: &Flight,
        result: Result<Option<(LeaseRecord, Version)>, LeaseError>,
        out: &mut Vec<Output>,
    ) {
        let Ok(found) = result else {
            self.next_ns = if self.lead.is_some() || self.releasing {
                self.retry_at(at)
            } else {
                self.after(f.sent_ns, self.times.renew_every)
                    .max(self.retry_at(at))
            };
            return;
        };
        self.observe(at, found);
        self.next_ns = at.mono_ns;
        let Some(lead) = &self.lead else { return };
        // While this one leads nobody else does, so it may write over what isn't a term: nothing, a vacancy, or its own
        // record in a version it didn't know (an answer that was lost, a label put on by a person).
        let other = match self.seen.as_ref().and_then(|s| s.found.as_ref()) {
            None => None,
            Some((r, _)) if self.is_mine(r) => None,
            Some((r, _)) if r.holder().is_none() && r.lease_transitions <= lead.transitions => None,
            Some((r, _)) => Some(r.holder().map(str::to_string)),
        };
        if let Some(by) = other {
            self.lose(at, Why::Taken(by), out);
        }
    }

    fn on_written(
        &mut self,
        at: At,
        f: Flight,
        result: Result<Version, LeaseError>,
        out: &mut Vec<Output>,
    ) {
        let (version, record) = match (result, f.record) {
            (Ok(version), Some(record)) => (version, record),
            _ => {
                // It may have happened all the same, so the record is read before the next try.
                self.stale = true;
                self.next_ns = self.retry_at(at);
                return;
            }
        };
        let transitions = record.lease_transitions;
        self.observe(at, Some((record, version)));
        self.next_ns = self.after(f.sent_ns, self.times.renew_every);
        let until = self.after(f.sent_ns, self.times.renew_deadline);
        match f.kind {
            Kind::Renew => match &mut self.lead {
                Some(lead) => {
                    lead.until = until;
                    out.push(Output::Renewed { until });
                }
                // Lost meanwhile: a term that is over doesn't come back, the next one has another number.
                None => self.next_ns = at.mono_ns,
            },
            Kind::Acquire if at.mono_ns < until && !self.releasing => {
                self.lead = Some(Lead {
                    transitions,
                    until,
                    waited_out: f.waited_out,
                });
                out.push(Output::Became { transitions, until });
            }
            Kind::Acquire => self.next_ns = at.mono_ns,
            Kind::Release => self.done = true,
            Kind::Vacate | Kind::Read => {}
        }
    }

    fn act(&mut self, at: At, out: &mut Vec<Output>) {
        if self.flight.is_some() || self.done || at.mono_ns < self.next_ns {
            return;
        }
        let seen = match self.seen.as_ref() {
            Some(seen) if !self.stale => seen,
            None if self.releasing => {
                self.done = true;
                return;
            }
            _ => return self.send(at, Kind::Read, None, out),
        };
        let record = seen.found.as_ref().map(|(r, _)| r);
        if self.releasing {
            match record.filter(|r| self.is_mine(r) && !self.recreated) {
                Some(r) => {
                    let released = LeaseRecord {
                        holder_identity: None,
                        lease_duration_seconds: RELEASED_SECONDS,
                        renew_time: Some(self.stamp(at)),
                        ..r.clone()
                    };
                    self.send(at, Kind::Release, Some(released), out);
                }
                None => self.done = true,
            }
        } else if let Some(lead) = &self.lead {
            let renewed = self.record(at, lead.transitions);
            self.recreated |= record.is_none();
            self.send(at, Kind::Renew, Some(renewed), out);
        } else if let Some(r) = record {
            let free_ns = seen.since_ns.saturating_add(self.patience_ns(r));
            if at.mono_ns >= free_ns {
                let transitions = self.highest.saturating_add(1);
                // An earlier try for the same term may still land: with the same time it is recognised.
                if self.term.is_none_or(|(t, _)| t != transitions) {
                    self.term = Some((transitions, at.wall));
                    self.recreated = false;
                }
                let taken = self.record(at, transitions);
                self.send(at, Kind::Acquire, Some(taken), out);
            } else {
                self.stale = true;
                self.next_ns = free_ns.min(self.after(at.mono_ns, self.times.renew_every));
            }
        } else {
            let vacant = LeaseRecord {
                holder_identity: None,
                acquire_time: None,
                ..self.record(at, self.highest)
            };
            self.send(at, Kind::Vacate, Some(vacant), out);
        }
    }

    /// How long this record must be seen unchanged before it may be taken.
    fn patience_ns(&self, r: &LeaseRecord) -> u64 {
        // A released record older than the newest term seen was put back by somebody: it proves nothing.
        let released = r.holder().is_none()
            && r.lease_duration_seconds <= RELEASED_SECONDS
            && r.lease_transitions >= self.highest;
        if released || (self.is_mine(r) && !self.recreated) {
            return 0;
        }
        let theirs = u64::from(r.lease_duration_seconds).saturating_mul(NS_PER_S);
        ns(self.times.duration).max(theirs)
    }

    /// Wall time for a write. Never that of the record it replaces: equal content would not be a new version everywhere.
    fn stamp(&self, at: At) -> MicroTime {
        let found = self.seen.as_ref().and_then(|s| s.found.as_ref());
        if found.is_some_and(|(r, _)| r.renew_time == Some(at.wall)) {
            MicroTime::from_unix_us(at.wall.unix_us().saturating_add(1))
        } else {
            at.wall
        }
    }

    fn record(&self, at: At, transitions: u64) -> LeaseRecord {
        LeaseRecord {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: u32::try_from(self.times.duration.as_secs())
                .unwrap_or(u32::MAX),
            acquire_time: self.term.map(|(_, t)| t),
            renew_time: Some(self.stamp(at)),
            lease_transitions: transitions,
        }
    }

    fn send(&mut self, at: At, kind: Kind, record: Option<LeaseRecord>, out: &mut Vec<Output>) {
        let found = self.seen.as_ref().and_then(|s| s.found.as_ref());
        out.push(match &record {
            None => Output::Read,
            Some(r) => Output::Write(found.map(|(_, v)| v.clone()), r.clone()),
        });
        let sent_ns = at.mono_ns;
        let replaced = self.seen.as_ref().and_then(|s| s.found.as_ref());
        let waited_out = kind == Kind::Acquire
            && replaced.is_some_and(|(r, _)| self.patience_ns(r) >= ns(self.times.duration));
        self.flight = Some(Flight {
            kind,
            sent_ns,
            record,
            waited_out,
        });
    }
}

#[cfg(test)]
#[path = "elector_tests.rs"]
mod tests;
