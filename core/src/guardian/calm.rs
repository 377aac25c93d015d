//! The mild measures: entries off, stops tightened one symbol at a time, unwanted symbols drained, orphans cleared away.
//!
//! Entries off means: workers are told, and resting entries of ours that the account shows are cancelled directly, so
//! that a dead worker's don't stay. Stops are tightened only in a Warning by numbers (never because something is
//! unknown), most maintenance margin first, 2 s apart: all at once would be a cascade of our own making. People are told once
//! an episode what is done, not at each repeat; entries that are found later in it, at most every 10 s.

use super::event::GuardianEffect;
use super::{Guardian, alert, ms};
use crate::fixed::Money;
use crate::instrument::Symbol;
use crate::messages::{Command, LadderLevel, Severity};
use crate::order::{CancelTarget, client_id};
use crate::time::{NS_PER_S, Now};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Between two symbols whose stops are tightened.
const TIGHTEN_EVERY_NS: u64 = 2 * NS_PER_S;
/// A cancel is repeated after this while the order is still seen.
const CANCEL_AGAIN_NS: u64 = 2 * NS_PER_S;
/// Entries that are found and cancelled later in an episode are told of at most this often.
const TELL_AGAIN_NS: u64 = 10 * NS_PER_S;
/// A drain is repeated after this: commands may be lost.
const DRAIN_AGAIN_NS: u64 = 5 * NS_PER_S;
/// Flat for longer than this, stops of ours are orphans whose worker has not cleared them.
const ORPHAN_NS: u64 = 3 * NS_PER_S;

/// What has been said to whom.
#[derive(Clone, Debug, Default)]
pub(super) struct Calm {
    entries_off: bool,
    /// Symbols still to tighten; `None` when not asked for.
    tighten: Option<VecDeque<Symbol>>,
    tightened_at: Option<u64>,
    drained_at: BTreeMap<Symbol, u64>,
    cancelled: Cancelled,
}

/// Whose entries were cancelled since entries went off.
#[derive(Clone, Debug, Default)]
struct Cancelled {
    told: BTreeSet<Symbol>,
    untold: BTreeSet<Symbol>,
    told_at: Option<u64>,
}

impl Cancelled {
    fn add(&mut self, symbol: &Symbol) {
        if !self.told.contains(symbol) {
            self.untold.insert(symbol.clone());
        }
    }

    /// Symbols that people are to hear of now.
    fn tell(&mut self, now: Now) -> Option<String> {
        let rested = self
            .told_at
            .is_none_or(|t| now.mono_since(t) >= TELL_AGAIN_NS);
        if self.untold.is_empty() || !rested {
            return None;
        }
        self.told_at = Some(now.mono_ns);
        let fresh = std::mem::take(&mut self.untold);
        let text = names(&fresh);
        self.told.extend(fresh);
        Some(text)
    }
}

fn names<'a>(symbols: impl IntoIterator<Item = &'a Symbol>) -> String {
    let all: Vec<&str> = symbols.into_iter().map(|s| &**s).collect();
    all.join(", ")
}

impl Calm {
    pub fn level_changed(&mut self, level: LadderLevel) {
        // The queue is made when it is first worked on; a level other than Warning drops it.
        self.tighten = None;
        if level != LadderLevel::Warning {
            self.tightened_at = None;
        }
    }
}

impl Guardian {
    pub(super) fn keep_calm(&mut self, now: Now, out: &mut Vec<GuardianEffect>) {
        let heard_once = self.picture.read.is_some();
        let off = self.halted() || (heard_once && self.level() != LadderLevel::Normal);
        let edge = off && !self.calm.entries_off;
        self.calm.entries_off = off;
        let epoch = self.office.epoch;
        if edge {
            let names: BTreeSet<Symbol> = self
                .ledger
                .symbols()
                .chain(self.heard.keys())
                .chain(self.picture.open().map(|o| o.0))
                .cloned()
                .collect();
            for s in names {
                out.push(GuardianEffect::Command(s, Command::CancelEntries { epoch }));
            }
        }
        if off {
            self.cancel_entries(now, out);
            self.tell_cancelled(now, out);
        } else {
            self.calm.cancelled = Cancelled::default();
        }
        if self.ladder.level() == LadderLevel::Warning && self.unknown.is_none() {
            self.tighten(now, out);
        }
    }

    /// Cancels resting entries of ours on both order books.
    fn cancel_entries(&mut self, now: Now, out: &mut Vec<GuardianEffect>) {
        let account = &self.config.account.account;
        for (symbol, v) in &mut self.picture.symbols {
            let due = |at: Option<u64>| at.is_none_or(|t| now.mono_since(t) >= CANCEL_AGAIN_NS);
            for (id, o) in &mut v.orders {
                if !o.reduce_only && client_id::is_ours(account, id) && due(o.cancelled_at) {
                    o.cancelled_at = Some(now.mono_ns);
                    self.calm.cancelled.add(symbol);
                    out.push(GuardianEffect::Cancel(
                        symbol.clone(),
                        CancelTarget::Order(id.clone()),
                    ));
                }
            }
            // A conditional order on the position's own side would add to it.
            let side = v.qty.position_side();
            for (id, s) in &mut v.stops {
                let adds = side.is_some_and(|p| p == s.side);
                if adds && client_id::is_ours(account, id) && due(s.cancelled_at) {
                    s.cancelled_at = Some(now.mono_ns);
                    self.calm.cancelled.add(symbol);
                    out.push(GuardianEffect::Cancel(
                        symbol.clone(),
                        CancelTarget::Stop(id.clone()),
                    ));
                }
            }
        }
    }

    fn tell_cancelled(&mut self, now: Now, out: &mut Vec<GuardianEffect>) {
        let Some(symbols) = self.calm.cancelled.tell(now) else {
            return;
        };
        let why = if self.halted() {
            "halted".into()
        } else if self.unknown.is_some() {
            "the account is unknown".into()
        } else {
            format!("margin ratio {:.2} %", self.ratio())
        };
        let text = format!("entries cancelled ({why}): {symbols}");
        out.push(alert(Severity::Warning, "EntriesCancelled", None, text));
    }

    fn tighten(&mut self, now: Now, out: &mut Vec<GuardianEffect>) {
        if self.calm.tighten.is_none() {
            let queue: VecDeque<Symbol> = self.by_maintenance().into_iter().map(|x| x.0).collect();
            if !queue.is_empty() {
                let text = format!(
                    "stops tightened to 1 ATR, one symbol each {} s (margin ratio {:.2} %): {}",
                    TIGHTEN_EVERY_NS / NS_PER_S,
                    self.ratio(),
                    names(&queue)
                );
                out.push(alert(Severity::Warning, "StopsTightened", None, text));
            }
            self.calm.tighten = Some(queue);
        }
        let rested = self
            .calm
            .tightened_at
            .is_none_or(|t| now.mono_since(t) >= TIGHTEN_EVERY_NS);
        if !rested {
            return;
        }
        while let Some(symbol) = self.calm.tighten.as_mut().and_then(VecDeque::pop_front) {
            let open = self
                .picture
                .symbols
                .get(&symbol)
                .is_some_and(|v| !v.qty.is_zero());
            if open {
                self.calm.tightened_at = Some(now.mono_ns);
                let epoch = self.office.epoch;
                out.push(GuardianEffect::Command(
                    symbol,
                    Command::TightenStop { epoch },
                ));
                return;
            }
        }
    }

    /// Open positions we may touch with their maintenance margin, most first.
    pub(super) fn by_maintenance(&self) -> Vec<(Symbol, Money)> {
        let mut all: Vec<(Symbol, Money)> = self
            .picture
            .open()
            .filter(|(s, _)| self.in_charge_of(s))
            .map(|(s, v)| (s.clone(), self.maintenance_of(s, v).unwrap_or_default()))
            .collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        all
    }

    /// Tells the workers of unwanted symbols to leave, again and again while there is a position.
    pub(super) fn drain(&mut self, now: Now, out: &mut Vec<GuardianEffect>) {
        let epoch = self.office.epoch;
        let drained = self.wanted.to_drain();
        self.calm.drained_at.retain(|s, _| drained.contains(s));
        for s in drained {
            let due = self
                .calm
                .drained_at
                .get(&s)
                .is_none_or(|t| now.mono_since(*t) >= DRAIN_AGAIN_NS);
            if due {
                self.calm.drained_at.insert(s.clone(), now.mono_ns);
                out.push(GuardianEffect::Command(
                    s,
                    Command::Drain { epoch, now: false },
                ));
            }
        }
    }

    /// Cancels stops of ours that outlived their position by more than their worker needs to clear them.
    pub(super) fn sweep_orphans(&mut self, now: Now, out: &mut Vec<GuardianEffect>) {
        if self.picture.age(now).is_none_or(|a| a > NS_PER_S) {
            return;
        }
        let account = &self.config.account.account;
        for (symbol, v) in &mut self.picture.symbols {
            if v.flat_since.is_none_or(|t| now.mono_since(t) <= ORPHAN_NS) {
                continue;
            }
            for (id, s) in &mut v.stops {
                let old = now.mono_since(s.heard_at) > ms(500);
                let due = s
                    .cancelled_at
                    .is_none_or(|t| now.mono_since(t) >= CANCEL_AGAIN_NS);
                if old && due && client_id::is_ours(account, id) {
                    s.cancelled_at = Some(now.mono_ns);
                    out.push(GuardianEffect::Cancel(
                        symbol.clone(),
                        CancelTarget::Stop(id.clone()),
                    ));
                }
            }
        }
    }
}
