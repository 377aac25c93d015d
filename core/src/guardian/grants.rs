//! Who may add how much: the answer to a worker's question.
//!
//! A ceiling is absolute: |position + open entries| of the symbol. Positions come first, then the rest of the limit is
//! shared: min(wish, remaining / number of flat symbols of equal priority). Whatever the sharing says, the last word is
//! the sum of everything that is held or promised ([`super::ledger`]), so that no interleaving of answers, fills and
//! expiries can breach a limit. Anything unknown is a refusal with its reason.

use super::event::GuardianEffect;
use super::ledger::{Owner, Slot};
use super::picture::SymbolView;
use super::usage::both;
use super::{Guardian, ladder};
use crate::fixed::Money;
use crate::instrument::Symbol;
use crate::messages::{DenyReason, Grant, GrantReply, GrantRequest, LadderLevel, RateShare};
use crate::order::client_id;
use crate::params::ExternalPositions;
use crate::risk::brackets::{maintenance_margin, max_notional};
use crate::risk::margin::{HUNDRED, Margin, max_notional_at_ratio};
use crate::time::Now;
use rust_decimal::{Decimal, RoundingStrategy};
use std::collections::BTreeSet;

/// Conditional orders an account may have at the exchange.
const STOP_LIMIT: usize = 200;
/// Reserved of them for each position: anchor, trail, and the trail that replaces it.
const STOPS_PER_POSITION: usize = 3;
/// Positions at once, whatever the manifest says: 3 conditional orders each of 200, some spare.
const MOST_POSITIONS: usize = 60;
/// A question about more than this (1e12) is none.
const MOST_WISH: Decimal = Decimal::from_parts(3_567_587_328, 232, 0, false, 0);

/// What every other symbol holds or may come to hold.
struct Others {
    /// Σ of max(usage, promise).
    taken: Money,
    /// Of it by symbols with a position.
    by_positions: Money,
    /// Of it by flat symbols of a higher priority.
    by_betters: Money,
    /// How many symbols hold or may come to hold something.
    count: usize,
    /// The account as if every promise were used, without the asker.
    margin: Margin,
}

impl Guardian {
    pub(super) fn request(&mut self, now: Now, r: &GrantRequest, out: &mut Vec<GuardianEffect>) {
        self.echo(now, &r.symbol, r.epoch_seen, out);
        if r.fence_lost {
            self.fence_lost_by_worker(now, r.epoch_seen);
        }
        let symbol: Symbol = r.symbol.as_str().into();
        let answer = self.decide(now, &symbol, r);
        let reply = match answer {
            Ok((ceiling, risk)) => {
                if ceiling > Decimal::ZERO {
                    self.ledger
                        .promise(now, &symbol, &r.task_uid, ceiling, risk);
                }
                let share = self.share(now, &symbol);
                GrantReply::Granted(self.grant(now, r, ceiling, share))
            }
            // A new epoch ends what was granted under the one before: a leader that can't grant yet does not tell of its own,
            // so that promises handed over to it hold until it can.
            Err(reason) => GrantReply::Denied {
                seq: r.seq,
                epoch: match reason {
                    DenyReason::NotReady => 0,
                    _ => self.office.epoch,
                },
                reason,
            },
        };
        out.push(GuardianEffect::Reply {
            task_uid: r.task_uid.clone(),
            reply,
        });
    }

    fn grant(&self, now: Now, r: &GrantRequest, ceiling: Money, share: RateShare) -> Grant {
        Grant {
            seq: r.seq,
            epoch: self.office.epoch,
            task_uid: r.task_uid.clone(),
            symbol: r.symbol.clone(),
            ceiling,
            equity: self.margin.map_or(Decimal::ZERO, |m| m.balance),
            available: self.available(),
            kelly: self
                .state
                .kelly
                .get(&r.strategy)
                .copied()
                .unwrap_or_default(),
            length_ms: self.office.lead.grant_ms(now).unwrap_or(0),
            share: Some(share),
        }
    }

    /// Ceiling and risk, or why none.
    fn decide(
        &mut self,
        now: Now,
        symbol: &Symbol,
        r: &GrantRequest,
    ) -> Result<(Money, Money), DenyReason> {
        let strategy = self.config.strategies.iter().find(|s| s.name == r.strategy);
        let suspended = strategy.ok_or(DenyReason::NotWanted)?.params.suspend;
        if !self.config.symbols.contains_key(symbol) {
            return Err(DenyReason::NotWanted);
        }
        // The claim counts even when the answer is no: a replaced task must not come back later.
        let owner = self.ledger.claim(now, symbol, &r.task_uid, &r.strategy);
        if owner == Owner::Replaced {
            return Err(DenyReason::NotOwner);
        }
        let may = self.office.may_grant(now, self.picture.read.map(|x| x.0));
        if !may || self.unread.is_some() {
            return Err(DenyReason::NotReady);
        }
        if self.office.lead.grant_ms(now).is_none() {
            return Err(DenyReason::NotReady);
        }
        if self.halted() || suspended || self.transfers.doubting() {
            return Err(DenyReason::Halted);
        }
        if self.unknown.is_some() {
            return Err(DenyReason::AccountUnknown);
        }
        if self.ladder.level() != LadderLevel::Normal {
            return Err(DenyReason::Ladder);
        }
        if self.foreign(symbol) {
            return Err(DenyReason::External);
        }
        if self.owner_unknown(symbol) {
            return Err(DenyReason::AccountUnknown);
        }
        if self.wanted.settled().wanted_by(symbol) != Some(&r.strategy) {
            return Err(DenyReason::NotWanted);
        }
        if owner == Owner::Waiting {
            return Err(DenyReason::Reserved);
        }
        let numbers = [
            r.wish_notional,
            r.position_notional,
            r.open_entry_notional,
            r.wish_risk,
        ];
        let sane = numbers.iter().all(|n| n.abs() <= MOST_WISH);
        if !sane || r.wish_notional < Decimal::ZERO || r.wish_risk < Decimal::ZERO {
            return Err(DenyReason::Limit);
        }
        if r.wish_notional.is_zero() {
            return Ok((Decimal::ZERO, Decimal::ZERO));
        }
        self.ceiling(now, symbol, r)
    }

    /// Something on the account is in the way of new risk in this symbol.
    fn foreign(&self, symbol: &str) -> bool {
        let account = &self.config.account.account;
        let refuse = self.config.account.external_positions == ExternalPositions::Refuse;
        self.picture.symbols.iter().any(|(s, v)| {
            let here = refuse || **s == *symbol;
            let ids = || v.orders.keys().chain(v.stops.keys());
            // Another Helios under the same key fights ours whatever the policy.
            let rival =
                ids().any(|id| client_id::parse(id).is_some() && !client_id::is_ours(account, id));
            let stranger =
                ids().any(|id| !client_id::is_ours(account, id) && !client_id::is_forced_close(id));
            (v.isolated && !v.qty.is_zero())
                || rival
                || (here && (stranger || self.is_external_view(s, v)))
        })
    }

    /// A position that may turn out to be in the way: whose it is has not been read.
    fn owner_unknown(&self, symbol: &str) -> bool {
        let refuse = self.config.account.external_positions == ExternalPositions::Refuse;
        let mut open = self.picture.open();
        open.any(|(s, _)| (refuse || **s == *symbol) && self.is_doubtful(s))
    }

    fn ceiling(
        &self,
        now: Now,
        symbol: &Symbol,
        r: &GrantRequest,
    ) -> Result<(Money, Money), DenyReason> {
        let account = &self.config.account;
        let unknown = DenyReason::AccountUnknown;
        let info = self.info(symbol).ok_or(unknown)?;
        let margin = self.margin.ok_or(unknown)?;
        let equity = margin.balance;
        if equity <= Decimal::ZERO {
            return Err(unknown);
        }
        let seen = self.picture.usage(symbol, Some(info)).ok_or(unknown)?;
        let told = r.position_notional.abs() + r.open_entry_notional.max(Decimal::ZERO);
        let own = seen.max(told);
        let priority = self.priority(&r.strategy);
        let others = self.others(symbol, priority, &margin).ok_or(unknown)?;

        let flat = own.is_zero();
        let queue = self.queue(now, symbol);
        if flat && !self.has_place(symbol, &queue, &others) {
            return Err(self.room_reason(now));
        }
        let limit = account.max_gross_leverage * equity;
        let class = queue.iter().filter(|q| q.priority == priority).count();
        let sharers = if flat { class.max(1) } else { class + 1 };
        let rest = (limit - others.by_positions - others.by_betters - own).max(Decimal::ZERO);
        let share = own + rest / Decimal::from(sharers);
        let fee = info.fees.taker;
        let floor = ladder::recovered(account);
        let mut ceiling = r
            .wish_notional
            .min(share)
            .min(limit - others.taken)
            .min(account.max_symbol_notional_percent / HUNDRED * equity)
            .min(max_notional(&info.brackets, info.leverage))
            .min(max_notional_at_ratio(
                &others.margin,
                &info.brackets,
                fee,
                floor,
            ));

        // A risk of nothing for something is not known: then it is the most a trade may risk.
        let most = self.max_risk(&r.strategy, equity);
        let wish_risk = if r.wish_risk.is_zero() {
            most
        } else {
            r.wish_risk
        };
        let mates = self.clusters.mates(symbol);
        if !mates.is_empty() {
            let taken: Money = mates.iter().map(|m| self.risk_of(m, equity)).sum();
            let left = (Decimal::TWO * most - taken).max(Decimal::ZERO);
            if wish_risk > left {
                ceiling = ceiling.min(scale(r.wish_notional, left, wish_risk));
            }
        }
        let ceiling = ceiling.round_dp_with_strategy(8, RoundingStrategy::ToZero);
        let least = if flat {
            info.instrument.min_notional
        } else {
            Decimal::ZERO
        };
        if ceiling < least || ceiling <= Decimal::ZERO {
            return Err(self.room_reason(now));
        }
        Ok((ceiling, scale(wish_risk, ceiling, r.wish_notional)))
    }

    /// Why there is no room: for good, or until a dead promise is read away.
    fn room_reason(&self, now: Now) -> DenyReason {
        if self.ledger.dying(now) {
            DenyReason::Reserved
        } else {
            DenyReason::Limit
        }
    }

    fn others(&self, symbol: &Symbol, priority: i32, margin: &Margin) -> Option<Others> {
        let mut o = Others {
            taken: Decimal::ZERO,
            by_positions: Decimal::ZERO,
            by_betters: Decimal::ZERO,
            count: 0,
            margin: Margin {
                maintenance: Decimal::ZERO,
                gross_notional: Decimal::ZERO,
                ..*margin
            },
        };
        for (s, view, slot) in both(&self.picture.symbols, self.ledger.slots()) {
            let reserved = slot.map_or(Decimal::ZERO, Slot::reserved);
            let idle = view.is_none_or(SymbolView::is_idle) && reserved.is_zero();
            if idle || s == symbol {
                continue;
            }
            let info = self.info(s);
            let used = view.map_or(Some(Decimal::ZERO), |v| v.usage(info))?;
            let held = used.max(reserved);
            if held.is_zero() {
                continue;
            }
            let info = info?;
            o.count += 1;
            o.taken += held;
            if view.is_some_and(|v| !v.qty.is_zero()) {
                o.by_positions += held;
            } else if slot.is_some_and(|x| self.priority(&x.strategy) > priority) {
                o.by_betters += held;
            }
            o.margin.balance -= (held - used) * info.fees.taker.max(Decimal::ZERO);
            o.margin.maintenance += maintenance_margin(&info.brackets, held)?;
            o.margin.gross_notional += held;
        }
        Some(o)
    }

    /// A flat symbol may open only if it is among the best that fit beside the positions, and if that many more
    /// positions, their stops and their sockets fit whatever comes of the promises.
    fn has_place(&self, symbol: &Symbol, queue: &[Place], others: &Others) -> bool {
        let most = (self.config.account.max_open_positions as usize).min(MOST_POSITIONS);
        let open = self.picture.open().count();
        let rank = queue.iter().position(|q| q.symbol == *symbol);
        let strangers = self
            .picture
            .symbols
            .values()
            .flat_map(|v| v.stops.keys())
            .filter(|id| !client_id::is_ours(&self.config.account.account, id))
            .count();
        rank.is_none_or(|r| r < most.saturating_sub(open))
            && others.count < most
            && strangers + STOPS_PER_POSITION * (others.count + 1) <= STOP_LIMIT
            && self.has_sockets(symbol, queue)
    }

    /// Flat symbols that may want to open, best first: by priority, place on the list, name. The asker is in it.
    fn queue(&self, now: Now, asker: &Symbol) -> Vec<Place> {
        let open: BTreeSet<&Symbol> = self.picture.open().map(|o| o.0).collect();
        let mut queue = Vec::new();
        for s in self.config.strategies.iter().filter(|s| !s.params.suspend) {
            let wanted = self.wanted.settled().wanted.get(&s.name);
            for (place, symbol) in wanted.into_iter().flatten().enumerate() {
                if !open.contains(symbol) && (symbol == asker || self.may_be_there(now, symbol)) {
                    queue.push(Place {
                        priority: s.params.priority,
                        place,
                        symbol: symbol.clone(),
                    });
                }
            }
        }
        queue.sort_by(|a, b| {
            (b.priority, a.place, &a.symbol).cmp(&(a.priority, b.place, &b.symbol))
        });
        queue
    }

    fn priority(&self, strategy: &str) -> i32 {
        let s = self.config.strategies.iter().find(|s| s.name == strategy);
        s.map_or(i32::MIN, |s| s.params.priority)
    }

    /// The most one trade of a strategy may lose at its stop; of an unknown strategy, the most any may.
    pub(super) fn max_risk(&self, strategy: &str, equity: Money) -> Money {
        let percent = |s: &super::StrategyInfo| s.params.risk.max_risk_per_trade_percent;
        let own = self
            .config
            .strategies
            .iter()
            .find(|s| s.name == strategy)
            .map(percent);
        let any = || self.config.strategies.iter().map(percent).max();
        own.or_else(any).unwrap_or(Decimal::ONE) / HUNDRED * equity
    }

    /// What a symbol may lose at its stop: promised, or of the position that is there.
    fn risk_of(&self, symbol: &Symbol, equity: Money) -> Money {
        let promised = self.ledger.risk(symbol);
        let held = self
            .picture
            .symbols
            .get(symbol)
            .filter(|v| !v.qty.is_zero())
            .map(|v| {
                let at_stop = v
                    .nearest_stop()
                    .zip(v.value())
                    .zip(self.info(symbol))
                    .and_then(|((stop, value), i)| {
                        let away = (value - stop) * Decimal::from(v.qty.0.signum());
                        i.instrument
                            .qty_dec(v.qty.abs())
                            .checked_mul(away.max(Decimal::ZERO))
                    });
                let strategy = self.owner_of(symbol).unwrap_or_default();
                at_stop.unwrap_or_else(|| self.max_risk(&strategy, equity))
            });
        promised.max(held.unwrap_or(Decimal::ZERO))
    }

    /// Margin balance less initial margins of positions and entries.
    pub(super) fn available(&self) -> Money {
        let Some(m) = self.margin else {
            return Decimal::ZERO;
        };
        let mut left = m.balance;
        for (s, v) in self.picture.symbols.iter().filter(|(_, v)| !v.is_idle()) {
            let info = self.info(s);
            let leverage = info.map_or(1, |i| i.leverage.max(1));
            left -= v.usage(info).unwrap_or(m.balance) / Decimal::from(leverage);
        }
        left.max(Decimal::ZERO)
    }
}

/// A flat symbol in the queue for a place.
pub(super) struct Place {
    priority: i32,
    place: usize,
    pub symbol: Symbol,
}

/// `x × num / den`, 0 when that can't be told.
fn scale(x: Money, num: Money, den: Money) -> Money {
    x.checked_mul(num)
        .and_then(|v| v.checked_div(den))
        .unwrap_or(Decimal::ZERO)
}
