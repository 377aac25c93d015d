//! The stop of last resort: no position of ours stays without an anchor while the coordinator lives.
//!
//! A position without a working `closePosition` stop for 1 s gets one at entry ∓ multiplier × ATR (the worker's ATR as
//! last reported), idempotent because the exchange refuses a second (−4130: it exists, read it). Without an ATR the
//! distance is [`FALLBACK_PERCENT`] of the entry: some stop beats none. A stop that would trigger at once (−2021), is
//! rejected, or can't be confirmed in [`TRIES`] tries means: close at market, reduce-only.

use super::event::GuardianEffect;
use super::{Guardian, alert, ms};
use crate::fixed::Price;
use crate::instrument::Symbol;
use crate::messages::Severity;
use crate::order::{
    AlgoStatus, AlgoUpdate, CancelTarget, ClientId, NewStop, Refusal, VenueReply, filters,
};
use crate::time::{NS_PER_S, Now};
use rust_decimal::Decimal;
use rust_decimal::prelude::FromPrimitive;
use std::collections::BTreeMap;

/// A worker has this long to have its anchor confirmed.
const BARE_NS: u64 = NS_PER_S;
/// A stop of ours not confirmed in this time is asked after; in twice the time it has failed.
const CONFIRM_NS: u64 = NS_PER_S;
/// A position that nothing explains yet is read before it is given a stop, for at most this long.
const DOUBT_NS: u64 = 3 * NS_PER_S;
/// Stops tried before the position is closed.
const TRIES: u32 = 3;
/// Stop distance without an ATR, percent of the entry.
const FALLBACK_PERCENT: Decimal = Decimal::TWO;

/// A stop of ours on its way.
#[derive(Clone, Debug)]
struct Placing {
    id: ClientId,
    sent_at: u64,
    asked: bool,
}

/// One position without an anchor.
#[derive(Clone, Debug)]
struct Bare {
    since: u64,
    tries: u32,
    placing: Option<Placing>,
    retry_at: u64,
}

/// Positions without an anchor.
#[derive(Clone, Debug, Default)]
pub(super) struct Protect {
    bare: BTreeMap<Symbol, Bare>,
}

impl Guardian {
    pub(super) fn drive_protect(&mut self, now: Now, out: &mut Vec<GuardianEffect>) {
        let naked: Vec<Symbol> = self
            .picture
            .open()
            .filter(|(s, v)| v.anchor().is_none() && self.in_charge_of(s))
            .map(|(s, _)| s.clone())
            .collect();
        let doubtful: Vec<Symbol> = naked
            .iter()
            .filter(|s| self.is_doubtful(s))
            .cloned()
            .collect();
        self.protect.bare.retain(|s, _| naked.contains(s));
        for s in naked {
            let bare = self.protect.bare.entry(s.clone()).or_insert(Bare {
                since: now.mono_ns,
                tries: 0,
                placing: None,
                retry_at: 0,
            });
            let naked_for = now.mono_since(bare.since);
            if naked_for < BARE_NS || self.reduce.closing(&s) {
                continue;
            }
            // It may be a stranger's; if no read says so in time, a stop that was not needed is the lesser evil.
            if doubtful.contains(&s) && naked_for < DOUBT_NS {
                self.want_read = true;
                continue;
            }
            if let Some(p) = &mut bare.placing {
                let waited = now.mono_since(p.sent_at);
                if waited >= CONFIRM_NS && !p.asked {
                    p.asked = true;
                    self.want_read = true;
                    out.push(GuardianEffect::Query(
                        s.clone(),
                        CancelTarget::Stop(p.id.clone()),
                    ));
                }
                if waited >= 2 * CONFIRM_NS {
                    bare.placing = None;
                }
            }
            let (ready, tries) = (
                bare.placing.is_none() && now.mono_ns >= bare.retry_at,
                bare.tries,
            );
            if ready && tries >= TRIES {
                self.close_unprotected(now, &s, "no stop could be confirmed", out);
            } else if ready {
                self.place_stop(now, &s, out);
            }
        }
    }

    fn place_stop(&mut self, now: Now, symbol: &Symbol, out: &mut Vec<GuardianEffect>) {
        let Some(trigger) = self.last_resort_trigger(symbol) else {
            return;
        };
        let Some(side) = self
            .picture
            .symbols
            .get(symbol)
            .and_then(|v| v.qty.position_side())
        else {
            return;
        };
        let (Some(id), Some(bare)) = (self.next_id(symbol), self.protect.bare.get_mut(symbol))
        else {
            return;
        };
        bare.tries += 1;
        bare.placing = Some(Placing {
            id: id.clone(),
            sent_at: now.mono_ns,
            asked: false,
        });
        let since = now.mono_since(bare.since) / ms(1);
        out.push(GuardianEffect::PlaceStop(
            symbol.clone(),
            NewStop {
                client_id: id,
                side: side.opposite(),
                trigger,
                qty: None,
            },
        ));
        let text = format!("no confirmed anchor for {since} ms: the coordinator places one");
        out.push(alert(
            Severity::Critical,
            "UnprotectedPosition",
            Some(symbol),
            text,
        ));
    }

    /// Entry ∓ multiplier × ATR, on the grid, rounded towards the market. `None` while the entry is unknown.
    fn last_resort_trigger(&self, symbol: &Symbol) -> Option<Price> {
        let v = self.picture.symbols.get(symbol)?;
        let inst = &self.info(symbol)?.instrument;
        let side = v.qty.position_side()?;
        let entry = Some(v.entry).filter(|e| *e > Decimal::ZERO).or(v.value())?;
        let owner = self.owner_of(symbol);
        let strategy = self
            .config
            .strategies
            .iter()
            .find(|s| Some(&s.name) == owner.as_ref());
        let multiplier = strategy.map_or(Decimal::TWO, |s| s.params.risk.atr.multiplier);
        let atr = self
            .heard
            .get(symbol)
            .and_then(|h| h.atr)
            .and_then(Decimal::from_f64);
        let distance = atr
            .and_then(|a| a.checked_mul(multiplier))
            .filter(|d| *d > Decimal::ZERO && *d < entry)
            .unwrap_or(entry / Decimal::ONE_HUNDRED * FALLBACK_PERCENT);
        let exit = side.opposite();
        let at = entry - distance * Decimal::from(side.sign());
        Some(filters::stop_trigger(inst, exit, at).max(Price(1)))
    }

    fn close_unprotected(
        &mut self,
        now: Now,
        symbol: &Symbol,
        why: &str,
        out: &mut Vec<GuardianEffect>,
    ) {
        self.reduce.close_whole(symbol);
        let text = format!("{why}: the position is closed at market");
        out.push(alert(
            Severity::Critical,
            "UnprotectedPosition",
            Some(symbol),
            text,
        ));
        self.drive_reduce(now, out);
    }

    /// ALGO_UPDATE of a stop of ours that was refused after acceptance.
    pub(super) fn stop_update(
        &mut self,
        now: Now,
        symbol: &Symbol,
        u: &AlgoUpdate,
        out: &mut Vec<GuardianEffect>,
    ) {
        let ours = self.placing(symbol, &u.client_id);
        if ours
            && matches!(u.status, AlgoStatus::Rejected | AlgoStatus::Expired)
            && self.office.leading()
        {
            self.close_unprotected(now, symbol, "the stop was rejected", out);
        }
    }

    pub(super) fn stop_reply(
        &mut self,
        now: Now,
        symbol: &Symbol,
        id: &ClientId,
        reply: &VenueReply,
        out: &mut Vec<GuardianEffect>,
    ) {
        if !self.placing(symbol, id) {
            return;
        }
        match reply {
            VenueReply::Refused(Refusal::WouldTrigger) if self.office.leading() => {
                self.close_unprotected(now, symbol, "the stop would trigger at once", out);
            }
            VenueReply::Refused(r) => {
                // It exists, or the position is gone, or something passing: the venue's word first, then again.
                self.want_read = true;
                let wait = match r {
                    Refusal::RateLimited { retry_after_ms } => {
                        ms((*retry_after_ms).clamp(500, 2000))
                    }
                    _ => ms(500),
                };
                if let Some(b) = self.protect.bare.get_mut(symbol) {
                    b.placing = None;
                    b.retry_at = now.mono_ns + wait;
                    // That one exists is no failed try; only a read may take long.
                    if *r == Refusal::StopExists {
                        b.tries -= 1;
                        b.retry_at = now.mono_ns + 2 * CONFIRM_NS;
                    }
                }
            }
            VenueReply::Unknown { .. } => self.want_read = true,
            _ => {}
        }
    }

    fn placing(&self, symbol: &Symbol, id: &ClientId) -> bool {
        let b = self.protect.bare.get(symbol);
        b.and_then(|b| b.placing.as_ref())
            .is_some_and(|p| p.id == *id)
    }
}
