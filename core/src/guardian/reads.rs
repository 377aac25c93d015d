//! Reads of the account: when they are asked for, and what follows from one.
//!
//! Regularly, and at once when something waits for it: a dead promise, a fill without its position, an order without an
//! answer. Only a read that was asked for releases anything.

use super::event::GuardianEffect;
use super::merge::ReadOf;
use super::{Guardian, alert};
use crate::fixed::Money;
use crate::messages::Severity;
use crate::order::{ClientId, Role, client_id};
use crate::risk::margin::believable;
use crate::time::{NS_PER_S, Now};
use rust_decimal::Decimal;

/// Code of the alert that the exchange's maintenance margin is far from what the brackets known here make it.
pub const MARGIN_CONTRADICTION: &str = "MarginContradiction";

/// The account is read at least this often, liveness time.
const READ_EVERY_NS: u64 = 8 * NS_PER_S;
/// A standby reads this often: its picture stays fit to begin with, and a pair doesn't take twice the weight of one.
const STANDBY_READ_EVERY_NS: u64 = 24 * NS_PER_S;
/// A read that is waited for is asked for at most this often, and the seldomer the more of them there were in a row: a read
/// weighs on what the exchange lets this address ask for, and exits need some of it.
const READ_AGAIN_NS: u64 = NS_PER_S;
/// So many in a row before the pause doubles.
const IN_A_ROW: u32 = 4;
/// Doublings at most.
const DOUBLINGS: u32 = 2;
/// A read without an answer counts as failed.
const READ_TIMEOUT_NS: u64 = 5 * NS_PER_S;

impl Guardian {
    pub(super) fn reconciled(
        &mut self,
        now: Now,
        asked_at: u64,
        read: &ReadOf<'_>,
        maint: Money,
        out: &mut Vec<GuardianEffect>,
    ) {
        self.picture.asked_at.take_if(|t| *t == asked_at);
        // An answer may be so late that another read was asked for, and even answered, since: what it can tell is told by
        // its own question's time, never by a newer one's.
        let overtaken = self.picture.read.is_some_and(|r| r.0 > asked_at);
        if overtaken || asked_at > now.mono_ns {
            return;
        }
        let account = self.config.account.account.clone();
        let before = self.picture.wallet;
        self.picture
            .reconciled(now, &account, &self.config.symbols, read, asked_at);
        self.transfers
            .wallet_read(now, asked_at, before, self.picture.wallet);
        if self.incarnation.is_none() {
            self.incarnation = Some(first_incarnation(&account, read));
        }
        let ours = self.picture.maintenance(&self.config.symbols);
        self.picture.compare_maintenance(asked_at, ours, maint);
        let apart = !believable(maint)
            || ours.is_some_and(|o| {
                (o - maint).abs() > o.max(maint) / Decimal::from(4) + Decimal::from(5)
            });
        let isolated = self.picture.open().any(|(_, v)| v.isolated);
        if apart && !isolated && !self.picture.contradiction {
            let text = format!(
                "the exchange's maintenance margin is {maint}, ours {}",
                ours.unwrap_or_default()
            );
            out.push(alert(Severity::Warning, MARGIN_CONTRADICTION, None, text));
        }
        self.picture.contradiction = apart && !isolated;
        // Frame and read may have crossed; the next one can't.
        self.want_read |= self.picture.doubted();
        self.ledger.sweep(asked_at);
        self.exits_read(now, read, asked_at);
    }

    /// The read asked for at `asked_at` brought nothing.
    pub(super) fn read_failed(&mut self, asked_at: u64) {
        let waited_for = self.picture.asked_at.take_if(|t| *t == asked_at);
        self.picture.read_failed |= waited_for.is_some();
    }

    pub(super) fn drive_reads(&mut self, now: Now, out: &mut Vec<GuardianEffect>) {
        let late = |t: &u64| now.mono_since(*t) > READ_TIMEOUT_NS;
        if let Some(asked_at) = self.picture.asked_at.filter(late) {
            self.read_failed(asked_at);
        }
        let late_fill = self.picture.late_fill(now);
        let read_at = self.picture.read.map(|r| r.0);
        let late_fill = late_fill || self.office.lead.wants_read(now, read_at);
        let wanted =
            self.want_read || late_fill || self.ledger.wants_read(now) || self.picture.read_failed;
        let gap = match (wanted, self.office.leading()) {
            (true, _) => READ_AGAIN_NS << (self.reads_in_a_row / IN_A_ROW).min(DOUBLINGS),
            (false, true) => READ_EVERY_NS,
            (false, false) => STANDBY_READ_EVERY_NS,
        };
        let due = self.read_tried_at.is_none_or(|t| now.mono_since(t) >= gap);
        if due && self.picture.asked_at.is_none() {
            self.reads_in_a_row += u32::from(wanted);
            self.ask_read(now, out);
        } else if !wanted
            && self
                .read_tried_at
                .is_none_or(|t| now.mono_since(t) >= 2 * READ_AGAIN_NS)
        {
            self.reads_in_a_row = 0;
        }
    }

    pub(super) fn ask_read(&mut self, now: Now, out: &mut Vec<GuardianEffect>) {
        if self.picture.asked_at.is_none() {
            self.picture.asked_at = Some(now.mono_ns);
            self.read_tried_at = Some(now.mono_ns);
            self.want_read = false;
            out.push(GuardianEffect::Reconcile {
                asked_at: now.mono_ns,
            });
        }
    }
}

/// Above any coordinator's incarnation found in the first read.
fn first_incarnation(account: &str, read: &ReadOf<'_>) -> u64 {
    let mut ids: Vec<&ClientId> = Vec::new();
    for s in read.symbols.values() {
        ids.extend(s.orders.iter().map(|o| &o.client_id));
        ids.extend(s.stops.iter().map(|o| &o.client_id));
        ids.extend(&s.recent_ids);
    }
    let own = ids
        .into_iter()
        .filter(|id| client_id::is_ours(account, id))
        .filter_map(client_id::parse)
        .filter(|p| p.role == Role::Coordinator)
        .map(|p| p.incarnation.saturating_add(1))
        .max();
    u64::try_from(read.venue_ms)
        .unwrap_or(0)
        .max(own.unwrap_or(0))
}
