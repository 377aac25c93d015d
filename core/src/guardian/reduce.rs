//! The hard measures: reduce-only orders of the coordinator's own, in slices or all at once.
//!
//! Critical: one slice at a time, ≤ 25 % of the position and of visible depth within 20 bp, the symbol that frees most
//! maintenance margin per cost first, measured anew after each. Emergency and latches that flatten: every position at
//! once, unsliced. At most one order of ours is under way per symbol; its outcome comes from the stream, a query or a
//! later read, and what is still to do is derived from the venue's position, never from what was sent.

use super::event::GuardianEffect;
use super::merge::ReadOf;
use super::picture::SymbolView;
use super::{Guardian, alert, ms};
use crate::fixed::{Money, Qty};
use crate::instrument::Symbol;
use crate::messages::{LadderLevel, Severity};
use crate::order::{
    CancelTarget, ClientId, EntryKind, NewOrder, OrderKind, OrderUpdate, Refusal, VenueReply,
};
use crate::risk::brackets::maintenance_margin;
use crate::risk::margin::believable;
use crate::time::{NS_PER_S, Now};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

/// Slices in a row after which the ratio is no better: they do not bite.
pub(super) const STUCK_AFTER: u32 = 4;
/// An order without an end is asked after.
const ASK_AFTER_NS: u64 = 2 * NS_PER_S;
/// An order that a read asked for this long after it does not show is over.
const OVER_AFTER_NS: u64 = 3 * NS_PER_S;
/// After a refusal a symbol rests.
const REST_NS: u64 = ms(250);
/// Between the end of a slice and the next, where its position and balance are in.
const SETTLED_NS: u64 = ms(20);
/// The same after [`BURST`] slices: the exchange counts orders.
const STEADY_NS: u64 = ms(100);
/// So many slices may follow each other as fast as answers come.
const BURST: u32 = 30;
/// Where they are not in yet.
const UNSETTLED_NS: u64 = ms(300);
/// Window within which the exchange must accept an exit, wall ms.
const EXIT_WINDOW_MS: u32 = 1000;

/// An order of ours under way.
#[derive(Clone, Debug)]
struct Exit {
    id: ClientId,
    sent_at: u64,
    asked_at: u64,
    /// Venue ms before which the exchange may still accept it, where the reply is unknown.
    dead_after_ms: Option<i64>,
    slice: bool,
}

/// A stretch of slices, judged as a whole: each of them may lift the ratio a little while prices take more in between.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bite {
    pub since: u64,
    pub ratio: Decimal,
    pub slices: u32,
}

/// What is under way and how well it works.
#[derive(Clone, Debug, Default)]
pub(super) struct Reduce {
    exits: BTreeMap<Symbol, Exit>,
    pub rest_until: BTreeMap<Symbol, u64>,
    pub depth: BTreeMap<Symbol, (Money, Money, u64)>,
    pub depth_asked: BTreeMap<Symbol, u64>,
    pub looking_since: Option<u64>,
    /// Liveness time before which no further slice is sent.
    pub slice_ready_at: u64,
    pub ratio_at_slice: Option<Decimal>,
    pub misses: u32,
    pub bite: Option<Bite>,
    /// Slices since the account was last recovered.
    pub slices: u32,
    /// Single positions to close whole: their stop could not be placed.
    close: BTreeSet<Symbol>,
}

impl Reduce {
    pub fn depth(&mut self, now: Now, symbol: &Symbol, bid: Money, ask: Money) {
        let sane = |d: Money| d >= Decimal::ZERO && believable(d);
        if sane(bid) && sane(ask) {
            self.depth.insert(symbol.clone(), (bid, ask, now.mono_ns));
        }
    }

    pub fn stuck(&self) -> bool {
        self.misses >= STUCK_AFTER
    }

    pub fn level_changed(&mut self, level: LadderLevel) {
        if level < LadderLevel::Critical {
            self.misses = 0;
            self.ratio_at_slice = None;
            self.looking_since = None;
            self.bite = None;
            self.slices = 0;
        }
    }

    pub fn close_whole(&mut self, symbol: &Symbol) {
        self.close.insert(symbol.clone());
    }

    pub fn closing(&self, symbol: &str) -> bool {
        self.close.contains(symbol) || self.exits.contains_key(symbol)
    }

    pub fn slicing(&self) -> bool {
        self.exits.values().any(|e| e.slice)
    }
}

impl Guardian {
    pub(super) fn drive_reduce(&mut self, now: Now, out: &mut Vec<GuardianEffect>) {
        self.ask_after(now, out);
        let picture = &self.picture;
        let open = |s: &Symbol| picture.symbols.get(s).is_some_and(|v| !v.qty.is_zero());
        self.reduce.close.retain(|s| open(s));
        let all = self.flattening() || self.ladder.level() == LadderLevel::Emergency;
        let whole: Vec<Symbol> = if all {
            self.by_maintenance().into_iter().map(|x| x.0).collect()
        } else {
            self.reduce.close.iter().cloned().collect()
        };
        for s in whole {
            if let Some(v) = self.picture.symbols.get(&s) {
                let qty = v.qty.abs();
                self.send_exit(now, &s, qty, false, out);
            }
        }
        if !all && self.ladder.level() == LadderLevel::Critical {
            self.slice(now, out);
        }
    }

    pub(super) fn send_exit(
        &mut self,
        now: Now,
        symbol: &Symbol,
        qty: Qty,
        slice: bool,
        out: &mut Vec<GuardianEffect>,
    ) {
        let resting = self
            .reduce
            .rest_until
            .get(symbol)
            .is_some_and(|t| now.mono_ns < *t);
        if resting || self.reduce.exits.contains_key(symbol) {
            return;
        }
        let (Some(v), Some(info)) = (self.picture.symbols.get(symbol), self.info(symbol)) else {
            return;
        };
        let Some(side) = v.qty.position_side() else {
            return;
        };
        let inst = &info.instrument;
        let qty = qty
            .min(v.qty.abs())
            .min(inst.market_max_qty)
            .min(inst.max_qty);
        if qty.0 <= 0 {
            return;
        }
        let Some(id) = self.next_id(symbol) else {
            return;
        };
        self.reduce.exits.insert(
            symbol.clone(),
            Exit {
                id: id.clone(),
                sent_at: now.mono_ns,
                asked_at: now.mono_ns,
                dead_after_ms: None,
                slice,
            },
        );
        out.push(GuardianEffect::Place {
            symbol: symbol.clone(),
            order: NewOrder {
                client_id: id,
                side: side.opposite(),
                kind: OrderKind::Market,
                qty,
                reduce_only: true,
                purpose: EntryKind::Exit,
                recv_window_ms: EXIT_WINDOW_MS,
            },
            slice,
        });
        let what = if slice {
            "reduced by a slice of"
        } else {
            "closed:"
        };
        let info = &self.config.symbols[symbol];
        let text = format!(
            "{what} {} of {} at margin ratio {:.2} %",
            info.instrument.qty_dec(qty),
            self.picture
                .symbols
                .get(symbol)
                .map_or(Decimal::ZERO, |v: &SymbolView| info
                    .instrument
                    .qty_dec(v.qty)),
            self.ratio()
        );
        out.push(alert(
            Severity::Warning,
            "PositionReduced",
            Some(symbol),
            text,
        ));
    }

    /// Orders that take too long are asked after, by id and by a read.
    fn ask_after(&mut self, now: Now, out: &mut Vec<GuardianEffect>) {
        for (s, e) in &mut self.reduce.exits {
            if now.mono_since(e.asked_at) >= ASK_AFTER_NS {
                e.asked_at = now.mono_ns;
                self.want_read = true;
                out.push(GuardianEffect::Query(
                    s.clone(),
                    CancelTarget::Order(e.id.clone()),
                ));
            }
        }
    }

    pub(super) fn exit_update(&mut self, now: Now, symbol: &Symbol, u: &OrderUpdate) {
        if u.status.is_final() {
            // A fill's position and balance come before its order update: then nothing is left to wait for.
            let v = self.picture.symbols.get(symbol);
            let told = v.is_some_and(|v| v.position_ms >= u.transact_ms);
            self.end_exit(now, symbol, &u.client_id, told);
        }
    }

    pub(super) fn exit_reply(
        &mut self,
        now: Now,
        symbol: &Symbol,
        id: &ClientId,
        reply: &VenueReply,
    ) {
        let Some(e) = self.reduce.exits.get_mut(symbol).filter(|e| e.id == *id) else {
            return;
        };
        match reply {
            VenueReply::Accepted { .. } => {}
            VenueReply::Refused(r) => {
                if matches!(r, Refusal::ReduceOnly | Refusal::NoPosition) {
                    self.want_read = true;
                }
                let wait = match r {
                    Refusal::RateLimited { retry_after_ms } => {
                        ms((*retry_after_ms).clamp(500, 60_000))
                    }
                    _ => REST_NS,
                };
                self.reduce
                    .rest_until
                    .insert(symbol.clone(), now.mono_ns + wait);
                let id = id.clone();
                self.end_exit(now, symbol, &id, true);
            }
            VenueReply::Unknown { dead_after_ms, .. } => {
                e.dead_after_ms = Some(*dead_after_ms);
                self.want_read = true;
            }
            _ => {}
        }
    }

    /// An order of ours has ended; the next one is derived from the position.
    pub(super) fn exit_over(&mut self, now: Now, symbol: &Symbol, id: &ClientId) {
        self.end_exit(now, symbol, id, false);
    }

    /// `told`: the position after it is known already, because its frame came first or because nothing was done.
    fn end_exit(&mut self, now: Now, symbol: &Symbol, id: &ClientId, told: bool) {
        if self.reduce.exits.get(symbol).is_none_or(|e| e.id != *id) {
            return;
        }
        let wait = match told {
            true if self.reduce.slices <= BURST => SETTLED_NS,
            true => STEADY_NS,
            false => UNSETTLED_NS,
        };
        if self.reduce.exits.remove(symbol).is_some_and(|e| e.slice) {
            self.reduce.slice_ready_at = now.mono_ns + wait;
            // It took from the book: what is visible now must be seen anew.
            self.reduce.depth.remove(symbol);
            self.reduce.depth_asked.remove(symbol);
        }
        if !told {
            // The position that the next is derived from must be the one after this: wait for its frame.
            let rest = self.reduce.rest_until.entry(symbol.clone()).or_default();
            *rest = (*rest).max(now.mono_ns + ms(100));
        }
    }

    /// A read asked for at `asked_at`: orders sent well before that it does not show are over.
    pub(super) fn exits_read(&mut self, now: Now, read: &ReadOf<'_>, asked_at: u64) {
        let over: Vec<(Symbol, ClientId)> = self
            .reduce
            .exits
            .iter()
            .filter(|(s, e)| {
                let shown = read
                    .symbols
                    .get(*s)
                    .is_some_and(|x| x.orders.iter().any(|o| o.client_id == e.id));
                let dead = e
                    .dead_after_ms
                    .is_none_or(|d| read.venue_ms > d.saturating_add(1000));
                !shown && dead && asked_at >= e.sent_at + OVER_AFTER_NS
            })
            .map(|(s, e)| (s.clone(), e.id.clone()))
            .collect();
        for (s, id) in over {
            self.exit_over(now, &s, &id);
        }
    }

    /// Maintenance margin of a position at its value.
    pub(super) fn maintenance_of(&self, symbol: &str, v: &SymbolView) -> Option<Money> {
        let info = self.info(symbol)?;
        let notional = info
            .instrument
            .qty_dec(v.qty.abs())
            .checked_mul(v.value()?)?;
        maintenance_margin(&info.brackets, notional)
    }
}
