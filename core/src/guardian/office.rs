//! Writing the marks, publishing the snapshot.
//!
//! The epoch and latches are written at once, equity marks at most once a minute; nothing is granted while something
//! urgent is not acknowledged.

use super::event::GuardianEffect;
use super::lead::{Lead, THERE_NS};
use super::{Guardian, equity};
use crate::messages::{AccountSnapshot, SCHEMA};
use crate::time::{NS_PER_S, Now};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// Equity marks are written at most this often, liveness time.
const MARKS_EVERY_NS: u64 = 60 * NS_PER_S;
/// A write without an answer has failed; a failed one is tried again after [`RETRY_NS`].
const WRITE_TIMEOUT_NS: u64 = 5 * NS_PER_S;
const RETRY_NS: u64 = NS_PER_S;
/// The snapshot is published at least this often.
const PUBLISH_EVERY_NS: u64 = NS_PER_S;
/// And at most this often for what workers say of themselves: five hundred that take a change over are not five hundred snapshots,
/// each with all of them in it.
const TOLD_EVERY_NS: u64 = NS_PER_S / 5;

/// Leadership and what is on its way to be written or read by others.
#[derive(Clone, Debug, Default)]
pub(super) struct Office {
    pub lead: Lead,
    /// Epoch of the present or the last lead of this process, 0 before the first.
    pub epoch: u64,
    urgent: bool,
    marks: bool,
    /// A write under way, since when, and whether it carries something urgent.
    writing: Option<(u64, bool)>,
    written_at: Option<u64>,
    failed_at: Option<u64>,
    seq: u64,
    published: Option<(u64, AccountSnapshot)>,
}

impl Office {
    pub fn leading(&self) -> bool {
        self.lead.since().is_some()
    }

    pub fn dirty(&mut self, urgent: bool, marks: bool) {
        self.urgent |= urgent;
        self.marks |= marks;
    }

    pub fn written(&mut self, now: Now, ok: bool) {
        let Some((_, urgent)) = self.writing.take() else {
            return;
        };
        self.lead.written();
        if ok {
            self.failed_at = None;
            self.written_at = Some(now.mono_ns);
        } else {
            self.failed_at = Some(now.mono_ns);
            self.urgent |= urgent;
            self.marks = true;
        }
    }

    /// True when everything that must outlive the process has been written.
    fn settled(&self) -> bool {
        !self.urgent
            && self.failed_at.is_none()
            && self.written_at.is_some()
            && !self.writing.is_some_and(|w| w.1)
    }

    /// Leading, written, and whatever a former leader granted is dead and read.
    pub fn may_grant(&self, now: Now, read_asked_at: Option<u64>) -> bool {
        self.leading() && self.settled() && self.lead.clear(now, read_asked_at)
    }
}

impl Guardian {
    pub(super) fn persist(&mut self, now: Now, out: &mut Vec<GuardianEffect>) {
        let o = &mut self.office;
        if o.writing
            .is_some_and(|(t, _)| now.mono_since(t) > WRITE_TIMEOUT_NS)
        {
            o.written(now, false);
        }
        if o.writing.is_some() {
            return;
        }
        if !o.leading() {
            // The last word of a lead: everything as it stands, with the handover in it.
            if o.lead.wants_write(now) {
                o.lead.writing();
                o.writing = Some((now.mono_ns, o.urgent));
                (o.urgent, o.marks) = (false, false);
                out.push(GuardianEffect::Persist(Box::new(self.state.clone())));
            }
            return;
        }
        let rested = o.failed_at.is_none_or(|t| now.mono_since(t) >= RETRY_NS);
        let minute = o
            .written_at
            .is_none_or(|t| now.mono_since(t) >= MARKS_EVERY_NS);
        if rested && (o.urgent || (o.marks && minute) || (o.failed_at.is_some())) {
            o.writing = Some((now.mono_ns, o.urgent));
            o.urgent = false;
            o.marks = false;
            out.push(GuardianEffect::Persist(Box::new(self.state.clone())));
        }
    }

    pub(super) fn publish(&mut self, now: Now, out: &mut Vec<GuardianEffect>) {
        if !self.office.leading() {
            return;
        }
        let every = if self.told {
            TOLD_EVERY_NS
        } else {
            PUBLISH_EVERY_NS
        };
        let quiet = self.office.published.as_ref().is_some_and(|(t, old)| {
            now.mono_since(*t) < every
                && !self.touched
                && (old.known, old.level, old.halted)
                    == (self.unknown.is_none(), self.level(), self.halted())
        });
        if quiet {
            return;
        }
        self.touched = false;
        let s = AccountSnapshot {
            market_ms: now.market_ms,
            ..self.make_snapshot()
        };
        let due = match &self.office.published {
            None => true,
            Some((t, old)) => now.mono_since(*t) >= every || changed(old, &s),
        };
        if due {
            self.told = false;
            self.office.seq += 1;
            // Ages move all the time, so they are reckoned only for what is published.
            let s = AccountSnapshot {
                seq: self.office.seq,
                numbers: Some(self.numbers(now)),
                health: Some(self.health(now)),
                ..s
            };
            self.office.published = Some((now.mono_ns, s.clone()));
            out.push(GuardianEffect::Publish(Box::new(s)));
        }
    }

    pub(super) fn make_snapshot(&self) -> AccountSnapshot {
        let m = self.margin.unwrap_or_default();
        let positions = self.picture.open().filter_map(|(s, v)| {
            let inst = &self.info(s)?.instrument;
            Some((s.to_string(), inst.qty_dec(v.qty)))
        });
        let names = |from: &BTreeMap<String, Vec<crate::instrument::Symbol>>| {
            from.iter()
                .map(|(k, v)| (k.clone(), v.iter().map(|s| s.to_string()).collect()))
                .collect()
        };
        let settled = self.wanted.settled();
        AccountSnapshot {
            schema: SCHEMA,
            epoch: self.office.epoch,
            seq: self.office.seq,
            market_ms: self.office.published.as_ref().map_or(0, |p| p.1.market_ms),
            known: self.unknown.is_none(),
            level: self.level(),
            halted: self.halted(),
            margin_ratio: self.ratio(),
            exchange_margin_ratio: self.margin.map_or(Decimal::ZERO, |m| m.exchange_ratio()),
            equity: m.balance,
            gross_notional: m.gross_notional,
            wanted: names(&settled.wanted),
            drained: names(&settled.drained),
            taken: settled
                .taken
                .iter()
                .map(|(k, v)| {
                    let v = v.iter().map(|(s, h)| (s.to_string(), h.clone()));
                    (k.clone(), v.collect())
                })
                .collect(),
            positions: positions.collect(),
            acknowledged: self
                .heard
                .iter()
                .map(|(s, h)| (format!("{}/{s}", h.strategy), h.generation))
                .collect(),
            latches: self.state.latches.keys().cloned().collect(),
            holder: String::new(),
            unknown: self.unknown.clone(),
            unfit: self.unfit.as_deref().map(Into::into),
            numbers: None,
            health: None,
        }
    }

    /// A latch that flattens is in force.
    pub(super) fn flattening(&self) -> bool {
        self.state.latches.keys().any(|l| equity::flattens(l))
    }

    /// A worker that may be running: it asked lately, or there has been no time to.
    pub(super) fn may_be_there(&self, now: Now, symbol: &str) -> bool {
        let asked = self.ledger.slot(symbol).and_then(|s| s.asked_at);
        let last = asked.max(self.office.lead.since());
        last.is_some_and(|t| now.mono_since(t) <= THERE_NS)
    }
}

/// Something changed that others act on; numbers that move with each mark are not it.
fn changed(a: &AccountSnapshot, b: &AccountSnapshot) -> bool {
    let key = |s: &AccountSnapshot| (s.epoch, s.known, s.level, s.halted);
    key(a) != key(b)
        || a.wanted != b.wanted
        || a.drained != b.drained
        || a.taken != b.taken
        || a.positions != b.positions
        || a.latches != b.latches
}
