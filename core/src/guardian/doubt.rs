//! Contradictions: the stream against the reads, the workers against both, and contracts that nobody knows.
//!
//! What the stream last said of a position or the wallet is held against each later read. One read that gainsays it may
//! have crossed a frame; a second one in a row proves that a frame was lost or a read lies: the account is unknown until
//! the stream agrees, its socket is renewed, or the reads have stood by their word for [`CALM_NS`]. The exchange's read is
//! what counts meanwhile.

use super::Guardian;
use super::picture::{Picture, STALE_NS};
use crate::fixed::{Money, Qty, Side};
use crate::time::{NS_PER_S, Now};
use rust_decimal::Decimal;

/// Reads that gainsay the stream for this long are right.
const CALM_NS: u64 = 10 * NS_PER_S;
/// A worker that holds something else than the account shows, for longer than this, is a contradiction.
const APART_NS: u64 = 3 * NS_PER_S;
/// The account is read when they have been apart for this long.
const APART_READ_NS: u64 = NS_PER_S;
/// Names of unknown contracts shown in the reason.
const NAMED: usize = 5;

/// What the stream last said, and what reads said since.
#[derive(Clone, Debug)]
pub(super) struct Word<T> {
    /// The stream's word and when it came.
    said: Option<(T, u64)>,
    /// Reads in a row that gainsaid it.
    against: u32,
    /// When the first of them came.
    since: u64,
    /// What the last of them said.
    read: Option<T>,
}

impl<T> Default for Word<T> {
    fn default() -> Self {
        Self {
            said: None,
            against: 0,
            since: 0,
            read: None,
        }
    }
}

impl<T: Copy> Word<T> {
    /// The stream speaks.
    pub fn say(&mut self, now: Now, value: T) {
        *self = Self {
            said: Some((value, now.mono_ns)),
            ..Self::default()
        };
    }

    /// Its word is no longer the last thing known.
    pub fn void(&mut self) {
        *self = Self::default();
    }

    /// A read asked for at `asked_at` says `value`.
    pub fn held_against(&mut self, now: Now, asked_at: u64, value: T, same: impl Fn(T, T) -> bool) {
        let Some((said, at)) = self.said else {
            return;
        };
        if at >= asked_at {
            return;
        }
        if same(said, value) {
            self.say(Now { mono_ns: at, ..now }, said);
            return;
        }
        if self.against == 0 {
            self.since = now.mono_ns;
        }
        self.against += 1;
        self.read = Some(value);
        if self.against > 2 && now.mono_since(self.since) >= CALM_NS {
            self.void();
        }
    }

    /// One read gainsays it: another will tell.
    pub fn doubted(&self) -> bool {
        self.against == 1
    }

    /// The stream's word and the reads', while two or more gainsay it.
    pub fn contradiction(&self) -> Option<(T, T)> {
        self.gainsaid().filter(|_| self.against >= 2)
    }

    /// The same from the first read on.
    pub fn gainsaid(&self) -> Option<(T, T)> {
        (self.against > 0)
            .then(|| Some((self.said?.0, self.read?)))
            .flatten()
    }
}

/// Both flat, both long, or both short.
pub(super) fn same_side(a: Qty, b: Qty) -> bool {
    a.position_side() == b.position_side()
}

/// Within 1 %.
pub(super) fn same_wallet(a: Money, b: Money) -> bool {
    let apart = a.checked_sub(b).map(|d| d.abs());
    apart.is_some_and(|d| d <= a.abs().max(b.abs()) / Decimal::ONE_HUNDRED)
}

fn side_word(q: Qty) -> &'static str {
    match q.position_side() {
        None => "flat",
        Some(Side::Buy) => "long",
        Some(Side::Sell) => "short",
    }
}

impl Picture {
    /// A read will tell more about a contradiction.
    pub fn doubted(&self) -> bool {
        self.wallet_word.doubted() || self.symbols.values().any(|v| v.word.doubted())
    }

    /// The stream's words count no more: frames may have been missed.
    pub fn void_words(&mut self) {
        self.wallet_word.void();
        for v in self.symbols.values_mut() {
            v.word.void();
        }
    }

    /// Why stream and reads can't both be right.
    pub fn contradicted(&self) -> Option<String> {
        if !self.strange.is_empty() {
            let named: Vec<&str> = self
                .strange
                .iter()
                .take(NAMED)
                .map(String::as_str)
                .collect();
            let more = self.strange.len().saturating_sub(NAMED);
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            return Some(format!(
                "positions or orders in contracts that are not known here: {}{more}",
                named.join(", ")
            ));
        }
        if let Some((said, read)) = self.wallet_word.contradiction() {
            return Some(format!(
                "wallet balance: the reads say {read}, the stream said {said}"
            ));
        }
        self.symbols.iter().find_map(|(s, v)| {
            let (said, read) = v.word.contradiction()?;
            Some(format!(
                "{s}: the reads say {}, the stream said {}",
                side_word(read),
                side_word(said)
            ))
        })
    }
}

impl Guardian {
    /// Why a worker and the account can't both be right; asks for a read that decides.
    pub(super) fn workers_apart(&mut self, now: Now) -> Option<String> {
        let mut why = None;
        let mut open = self.picture.open().peekable();
        for (symbol, h) in &mut self.heard {
            // Both in order: hundreds of flat workers are told apart from the few positions without a search each.
            while open.next_if(|(s, _)| *s < symbol).is_some() {}
            let flat = open.peek().is_none_or(|(s, _)| *s != symbol);
            if flat && h.position.is_zero() {
                h.apart_since = None;
                continue;
            }
            let owner = self.ledger.slot(symbol).and_then(|s| s.owner.as_ref());
            let counts = h.ready
                && now.mono_since(h.heard_at) <= STALE_NS
                && owner.is_none_or(|o| *o == h.task_uid);
            let held = self.config.symbols.get(symbol).map(|i| {
                let qty = self.picture.symbols.get(symbol).map(|v| v.qty);
                i.instrument.qty_dec(qty.unwrap_or_default())
            });
            let Some(held) = held.filter(|q| counts && *q != h.position) else {
                h.apart_since = None;
                continue;
            };
            let since = *h.apart_since.get_or_insert(now.mono_ns);
            let read = self.picture.read.is_some_and(|r| r.0 >= since);
            let asked = self.picture.asked_at.is_some_and(|t| t >= since);
            if now.mono_since(since) > APART_READ_NS && !read && !asked {
                self.want_read = true;
            }
            if now.mono_since(since) > APART_NS && read {
                why.get_or_insert(format!(
                    "{symbol}: its worker holds {}, the account shows {held}",
                    h.position
                ));
            }
        }
        why
    }
}
