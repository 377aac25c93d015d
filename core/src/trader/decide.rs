//! Decision records: why an order was, or was not, sent; repeated reasons are folded.
//!
//! A reason is recorded when it is new or was last recorded [`FOLD_NS`] of liveness time ago, with the number of times it
//! held meanwhile. Texts are only written when they are recorded: the hot path stays free of allocation.

use super::TraderEffect;
use crate::order::ClientId;
use crate::time::{NS_PER_S, Now};

/// Liveness time within which the same reason is only counted.
pub const FOLD_NS: u64 = 10 * NS_PER_S;

/// Memory of the reasons.
#[derive(Clone, Debug, Default)]
pub struct Decisions {
    slots: Vec<Slot>,
    latest: Option<&'static str>,
}

#[derive(Clone, Debug)]
struct Slot {
    reason: &'static str,
    last_ns: u64,
    folded: u64,
}

impl Decisions {
    /// An entry was held back for `reason`.
    pub fn held(
        &mut self,
        now: Now,
        reason: &'static str,
        text: impl FnOnce() -> String,
        out: &mut Vec<TraderEffect>,
    ) {
        self.latest = Some(reason);
        let folded = match self.slots.iter_mut().find(|s| s.reason == reason) {
            Some(s) if now.mono_since(s.last_ns) < FOLD_NS => {
                s.folded += 1;
                return;
            }
            Some(s) => {
                s.last_ns = now.mono_ns;
                std::mem::take(&mut s.folded)
            }
            None => {
                self.slots.push(Slot {
                    reason,
                    last_ns: now.mono_ns,
                    folded: 0,
                });
                0
            }
        };
        let mut text = text();
        if folded > 0 {
            text.push_str(&format!(" ({folded} more since the last record)"));
        }
        out.push(TraderEffect::Decision {
            reason: reason.into(),
            text,
            sent: None,
        });
    }

    /// True when this reason would be recorded now; otherwise nobody needs its text.
    pub fn due(&self, now: Now, reason: &'static str) -> bool {
        self.slots
            .iter()
            .find(|s| s.reason == reason)
            .is_none_or(|s| now.mono_since(s.last_ns) >= FOLD_NS)
    }

    /// An order was sent: always recorded.
    pub fn sent(
        &mut self,
        reason: &'static str,
        text: String,
        id: ClientId,
        out: &mut Vec<TraderEffect>,
    ) {
        self.latest = None;
        out.push(TraderEffect::Decision {
            reason: reason.into(),
            text,
            sent: Some(id),
        });
    }

    /// The newest reason for not trading; `None` after an order was sent.
    pub fn latest(&self) -> Option<&'static str> {
        self.latest
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_repeated_reason_is_recorded_once_in_ten_seconds_with_its_count() {
        let (mut d, mut out) = (Decisions::default(), Vec::new());
        for s in 0..=10u64 {
            d.held(
                Now::new(0, s * NS_PER_S),
                "NoGrant",
                || "no grant".into(),
                &mut out,
            );
            d.held(
                Now::new(0, s * NS_PER_S),
                "BookStale",
                String::new,
                &mut out,
            );
        }
        let texts: Vec<_> = out
            .iter()
            .filter_map(|e| match e {
                TraderEffect::Decision { reason, text, .. } if reason == "NoGrant" => Some(text),
                _ => None,
            })
            .collect();
        assert_eq!(
            texts,
            ["no grant", "no grant (9 more since the last record)"]
        );
        assert_eq!(out.len(), 4);
        assert_eq!(d.latest(), Some("BookStale"));
    }
}
