//! Measuring: the account's margin from the picture, and the ladder stepped by it.
//!
//! Where the picture is in doubt, its numbers still count against the account: a level rises by them and is never left. So a
//! single input that is missing or contradictory takes new risk away, but never the account's protection. The exchange's own
//! maintenance margin counts where it is more than the brackets known here make it.

use super::event::GuardianEffect;
use super::ladder::Reading;
use super::picture::{Infos, Picture, STALE_NS, apart};
use super::{Guardian, alert};
use crate::fixed::Money;
use crate::messages::{LadderLevel, Severity};
use crate::risk::margin::{CrossPosition, Margin, believable};
use crate::time::{NS_PER_S, Now};
use rust_decimal::Decimal;

/// While the private socket is silent, positions are those of a read at most this old: a little over the pace of reads.
const LAST_READ_NS: u64 = 10 * NS_PER_S;
/// The exchange's maintenance margin is believed to be at most this many times ours.
const MOST_FACTOR: Decimal = Decimal::TEN;

impl Picture {
    /// Margin of the whole cross account. `None`: some number is unknown.
    pub fn margin(&self, infos: &Infos) -> Option<Margin> {
        self.margin_on(self.wallet?, infos)
    }

    /// The wallet that the ladder goes by: of two balances that gainsay each other the better one, so that a number that is
    /// merely wrong closes no position. It stays so until the stream agrees or the reads have stood by theirs.
    fn likely_wallet(&self) -> Option<Money> {
        let wallet = self.wallet?;
        Some(match self.wallet_word.gainsaid() {
            Some((said, read)) => wallet.max(said).max(read),
            None => wallet,
        })
    }

    fn margin_on(&self, wallet: Money, infos: &Infos) -> Option<Margin> {
        let mut positions = Vec::new();
        for (symbol, v) in self.open().filter(|(_, v)| !v.isolated) {
            let info = infos.get(symbol)?;
            positions.push(CrossPosition {
                qty: info.instrument.qty_dec(v.qty),
                entry: v.entry,
                mark: v.value()?,
                brackets: &info.brackets,
            });
        }
        self.as_the_exchange(Margin::of(wallet, &positions)?)
    }

    /// The same as the ladder sees it.
    fn likely_margin(&self, infos: &Infos) -> Option<Margin> {
        self.margin_on(self.likely_wallet()?, infos)
    }

    /// The same from what is at hand while the picture is in doubt: contracts that are unknown are left out, and a mark far
    /// from its index is replaced by the index. `None` where nothing can be said.
    pub fn margin_in_doubt(&self, now: Now, infos: &Infos) -> Option<Margin> {
        let silent = !self.is_up() || self.age(now).is_none_or(|a| a > STALE_NS);
        let read = self
            .read
            .is_some_and(|r| now.mono_since(r.0) <= LAST_READ_NS);
        if silent && !read {
            return None;
        }
        let wallet = self.likely_wallet()?;
        let mut positions = Vec::new();
        for (symbol, v) in self.open().filter(|(_, v)| !v.isolated) {
            let Some(info) = infos.get(symbol) else {
                continue;
            };
            let mark = match v.mark {
                Some((mark, index, _)) if apart(mark, index) => index,
                _ => v.value()?,
            };
            positions.push(CrossPosition {
                qty: info.instrument.qty_dec(v.qty),
                entry: v.entry,
                mark,
                brackets: &info.brackets,
            });
        }
        self.as_the_exchange(Margin::of(wallet, &positions)?)
    }

    /// Σ maintenance margin as the brackets known here make it.
    pub fn maintenance(&self, infos: &Infos) -> Option<Money> {
        let factor = self.maintenance_factor.unwrap_or(Decimal::ONE);
        self.margin(infos)?.maintenance.checked_div(factor)
    }

    /// The exchange's maintenance margin, read at `asked_at`, beside ours.
    pub fn compare_maintenance(&mut self, asked_at: u64, ours: Option<Money>, theirs: Money) {
        // What moved while the read was under way, and what isolated positions have of it, is no difference of brackets.
        let moved = |(_, v): (_, &super::picture::SymbolView)| {
            v.isolated || v.position_heard_at >= asked_at
        };
        if self.symbols.iter().any(moved) || !believable(theirs) {
            return;
        }
        self.maintenance_factor = ours
            .and_then(|o| theirs.checked_div(o))
            .map(|f| f.clamp(Decimal::ONE, MOST_FACTOR));
    }

    fn as_the_exchange(&self, mut m: Margin) -> Option<Margin> {
        if let Some(f) = self.maintenance_factor {
            m.maintenance = m.maintenance.checked_mul(f)?;
        }
        Some(m)
    }
}

impl Guardian {
    /// Measures the account and steps the ladder.
    pub(super) fn assess(&mut self, now: Now, out: &mut Vec<GuardianEffect>) {
        let unknown = self.picture.unknown(now, &self.config.symbols);
        let unknown = unknown.or_else(|| self.workers_apart(now));
        if unknown.is_some() != self.unknown.is_some() {
            let (severity, code, text) = match &unknown {
                Some(why) => (Severity::Warning, "AccountUnknown", why.clone()),
                None => (
                    Severity::Info,
                    "AccountKnown",
                    "the account picture is complete".into(),
                ),
            };
            out.push(alert(severity, code, None, text));
        }
        self.unknown = unknown;
        let sure = self.unknown.is_none();
        let infos = &self.config.symbols;
        // Grants go by the plain numbers, the ladder by those that no single wrong balance can bring down.
        let (plain, margin) = if sure {
            (
                self.picture.margin(infos),
                self.picture.likely_margin(infos),
            )
        } else {
            let m = self.picture.margin_in_doubt(now, infos);
            (m, m)
        };
        self.measured = margin.is_some();
        // Kept where there are none: the last numbers are what slices and the snapshot go by.
        self.margin = plain.or(self.margin);
        if let Some(m) = margin {
            self.mark_equity(now, m.balance, sure, out);
        }
        let reading = Reading {
            margin,
            sure,
            blind: self.picture.blind(now),
            stuck: self.reduce.stuck(),
        };
        let before = self.ladder.level();
        if self.ladder.step(now, &self.config.account, &reading) {
            self.level_changed(before, out);
        }
    }

    fn level_changed(&mut self, before: LadderLevel, out: &mut Vec<GuardianEffect>) {
        let level = self.ladder.level();
        let ratio = self.ratio();
        out.push(GuardianEffect::Ladder {
            level,
            margin_ratio: ratio,
        });
        let severity = match level {
            LadderLevel::Normal => Severity::Info,
            LadderLevel::Warning => Severity::Warning,
            LadderLevel::Critical | LadderLevel::Emergency => Severity::Critical,
        };
        let text = format!("margin ladder {before:?} -> {level:?} at margin ratio {ratio:.2} %");
        out.push(alert(severity, "Ladder", None, text));
        self.reduce.level_changed(level);
        self.calm.level_changed(level);
        self.note_level();
    }

    /// Has a level at which positions are reduced written down, and the end of it.
    pub(super) fn note_level(&mut self) {
        let level = Some(self.ladder.level()).filter(|l| *l >= LadderLevel::Critical);
        let level = level.unwrap_or_default();
        if self.state.level != level {
            self.state.level = level;
            self.office.dirty(true, false);
        }
    }
}
