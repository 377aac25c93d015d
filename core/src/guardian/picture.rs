//! What is known of the account, and how old it is.
//!
//! Stream events and reads are merged so that neither can undo the other: a read replaces a symbol except for what the
//! stream has told since the read was asked for. Ages count liveness time. Nothing here decides; a number that is
//! missing, zero or contradictory makes [`Picture::unknown`] say so.

use super::doubt::{Word, same_side, same_wallet};
use super::merge::{ReadOf, merge, stop_view};
use crate::fixed::{Money, Qty, Side};
use crate::instrument::{Symbol, SymbolInfo};
use crate::market::MarkPrice;
use crate::order::{
    AlgoOrder, AlgoUpdate, ClientId, ExecType, OrderUpdate, PositionUpdate, VenueState, client_id,
};
use crate::risk::margin::{CrossPosition, Margin, believable};
use crate::time::{NS_PER_S, Now};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// Account input or mark older than this: entries off.
pub(super) const STALE_NS: u64 = 3 * NS_PER_S;
/// Account input older than this, with positions and failing reads: Critical.
pub(super) const BLIND_NS: u64 = 15 * NS_PER_S;
/// No good read for this long: unknown, however alive the socket is.
pub(super) const READ_STALE_NS: u64 = 30 * NS_PER_S;
/// Contracts of the venue, each at most this often.
type Infos = BTreeMap<Symbol, SymbolInfo>;

/// A working order, whoever's, as last heard.
#[derive(Clone, Debug)]
pub(super) struct OrderView {
    pub left: Qty,
    pub price: Option<Decimal>,
    pub reduce_only: bool,
    pub heard_at: u64,
    /// When a cancel was last sent for it.
    pub cancelled_at: Option<u64>,
}

/// A conditional order waiting for its trigger.
#[derive(Clone, Debug)]
pub(super) struct StopView {
    pub side: Side,
    pub trigger: Decimal,
    /// `None` closes the whole position: an anchor.
    pub qty: Option<Qty>,
    pub heard_at: u64,
    pub cancelled_at: Option<u64>,
}

/// An entry fill without its position yet.
#[derive(Clone, Debug)]
pub(super) struct Unbooked {
    pub heard_at: u64,
    venue_ms: i64,
    pub qty: Qty,
    pub price: Decimal,
}

/// One symbol.
#[derive(Clone, Debug, Default)]
pub(super) struct SymbolView {
    pub qty: Qty,
    pub entry: Decimal,
    pub isolated: bool,
    /// Venue ms of the newest position known.
    pub position_ms: i64,
    pub position_heard_at: u64,
    /// Liveness time since which it is not flat.
    pub open_since: Option<u64>,
    /// Liveness time since which it is flat (with orders left).
    pub flat_since: Option<u64>,
    /// Mark, index, and when its frame came.
    pub mark: Option<(Decimal, Decimal, u64)>,
    pub orders: BTreeMap<ClientId, OrderView>,
    pub stops: BTreeMap<ClientId, StopView>,
    /// Ids the stream has seen ended, so that a read under way can't revive them.
    pub gone: BTreeMap<ClientId, u64>,
    /// An id of ours was seen for this symbol since it was last flat, and its symbol tag.
    pub own_tag: Option<String>,
    /// Entry fills whose position has not been told.
    pub unbooked: Vec<Unbooked>,
    /// Whose this position is has been read: by an open order of ours, or by the orders that made it.
    pub owner_read: bool,
    /// What the stream last said of it, against the reads.
    pub word: Word<Qty>,
}

impl SymbolView {
    /// Value per unit: the mark, or the entry while no mark has come yet.
    pub fn value(&self) -> Option<Decimal> {
        let mark = self.mark.map(|m| m.0).filter(|m| *m > Decimal::ZERO);
        mark.or(Some(self.entry).filter(|e| *e > Decimal::ZERO))
    }

    /// The working anchor of the present position.
    pub fn anchor(&self) -> Option<(&ClientId, &StopView)> {
        let exit = self.qty.position_side()?.opposite();
        self.stops
            .iter()
            .find(|(_, s)| s.qty.is_none() && s.side == exit)
    }

    /// The stop that would close first, own or not, of the present position.
    pub fn nearest_stop(&self) -> Option<Decimal> {
        let exit = self.qty.position_side()?.opposite();
        let triggers = self
            .stops
            .values()
            .filter(|s| s.side == exit)
            .map(|s| s.trigger);
        match exit {
            Side::Sell => triggers.max(),
            Side::Buy => triggers.min(),
        }
    }

    pub fn note_id(&mut self, account: &str, id: &ClientId) {
        if client_id::is_ours(account, id)
            && let Some(p) = client_id::parse(id)
        {
            self.own_tag = Some(p.symbol_tag.to_string());
        }
    }

    pub fn set_position(&mut self, now: Now, qty: Qty, entry: Decimal) {
        let turned = self.qty.position_side() != qty.position_side();
        self.qty = qty;
        // Not a price: unknown, and the picture says so.
        self.entry = Some(entry).filter(|e| believable(*e)).unwrap_or_default();
        if qty.is_zero() {
            self.open_since = None;
            self.flat_since.get_or_insert(now.mono_ns);
            self.own_tag = None;
            self.owner_read = false;
        } else {
            self.flat_since = None;
            if turned || self.open_since.is_none() {
                self.open_since = Some(now.mono_ns);
            }
        }
    }
}

/// Everything known of the account.
#[derive(Clone, Debug, Default)]
pub(super) struct Picture {
    pub wallet: Option<Money>,
    wallet_ms: i64,
    wallet_heard_at: u64,
    pub symbols: BTreeMap<Symbol, SymbolView>,
    up: bool,
    alive_at: Option<u64>,
    /// When the read under way was asked for.
    pub asked_at: Option<u64>,
    /// When the newest good read was asked for and when it came.
    pub read: Option<(u64, u64)>,
    /// The last read failed.
    pub read_failed: bool,
    /// The exchange's maintenance margin was far from ours at the last read.
    pub contradiction: bool,
    /// What the stream last said of the wallet, against the reads.
    pub wallet_word: Word<Money>,
    /// Contracts of the last read that are not known here.
    pub strange: Vec<String>,
    pub venue_ms: i64,
}

impl Picture {
    /// A frame or pong of the private socket.
    pub fn alive(&mut self, now: Now) {
        self.up = true;
        self.alive_at = Some(now.mono_ns);
    }

    pub fn down(&mut self) {
        self.up = false;
        self.void_words();
    }

    /// Age of the account input; `None` when there never was one.
    pub fn age(&self, now: Now) -> Option<u64> {
        self.alive_at.map(|t| now.mono_since(t))
    }

    /// Positions exist and nothing tells of them any more.
    pub fn blind(&self, now: Now) -> bool {
        let stale = self.age(now).is_none_or(|a| a > BLIND_NS);
        let unread = self.read_failed && self.read.is_none_or(|r| now.mono_since(r.1) > STALE_NS);
        // A process that never heard of the account can't know of positions either: starting is not being blind.
        stale && unread && self.open().next().is_some()
    }

    /// Symbols with a position.
    pub fn open(&self) -> impl Iterator<Item = (&Symbol, &SymbolView)> {
        self.symbols.iter().filter(|(_, v)| !v.qty.is_zero())
    }

    pub fn balance(&mut self, now: Now, event_ms: i64, wallet: Money) {
        self.alive(now);
        if event_ms >= self.wallet_ms {
            self.wallet_word.say(now, wallet);
            self.set_wallet(now, event_ms, wallet);
        }
    }

    fn set_wallet(&mut self, now: Now, ms: i64, wallet: Money) {
        self.wallet_ms = ms;
        self.wallet_heard_at = now.mono_ns;
        self.wallet = Some(wallet).filter(|w| *w > Decimal::ZERO && believable(*w));
    }

    /// ACCOUNT_UPDATE; older than what is known is dropped.
    pub fn position(&mut self, now: Now, symbol: &Symbol, u: &PositionUpdate) {
        self.alive(now);
        let v = self.symbols.entry(symbol.clone()).or_default();
        if u.transact_ms < v.position_ms {
            return;
        }
        v.position_ms = u.transact_ms;
        v.position_heard_at = now.mono_ns;
        v.unbooked.retain(|f| f.venue_ms > u.transact_ms);
        v.word.say(now, u.qty);
        v.set_position(now, u.qty, u.entry_price);
    }

    pub fn order(
        &mut self,
        now: Now,
        account: &str,
        info: Option<&SymbolInfo>,
        symbol: &Symbol,
        u: &OrderUpdate,
    ) {
        self.alive(now);
        let v = self.symbols.entry(symbol.clone()).or_default();
        if u.exec == ExecType::Trade {
            // The position is another now, though its own frame is still to come.
            v.word.void();
            v.note_id(account, &u.client_id);
        }
        if let Some(f) = &u.fill
            && !u.reduce_only
            && u.transact_ms > v.position_ms
        {
            v.unbooked.push(Unbooked {
                heard_at: now.mono_ns,
                venue_ms: u.transact_ms,
                qty: f.qty.abs(),
                price: info.map_or(Decimal::ZERO, |i| i.instrument.price_dec(f.price)),
            });
        }
        if u.status.is_final() || u.filled >= u.qty {
            v.orders.remove(&u.client_id);
            v.gone.insert(u.client_id.clone(), now.mono_ns);
            return;
        }
        let price = v.orders.get(&u.client_id).and_then(|o| o.price);
        let at_fill = u
            .fill
            .as_ref()
            .zip(info)
            .map(|(f, i)| i.instrument.price_dec(f.price));
        let cancelled_at = v.orders.get(&u.client_id).and_then(|o| o.cancelled_at);
        v.orders.insert(
            u.client_id.clone(),
            OrderView {
                left: Qty(u.qty.0.saturating_sub(u.filled.0)),
                price: price.or(at_fill),
                reduce_only: u.reduce_only,
                heard_at: now.mono_ns,
                cancelled_at,
            },
        );
    }

    pub fn algo(
        &mut self,
        now: Now,
        account: &str,
        info: Option<&SymbolInfo>,
        symbol: &Symbol,
        u: &AlgoUpdate,
    ) {
        self.alive(now);
        let v = self.symbols.entry(symbol.clone()).or_default();
        v.note_id(account, &u.client_id);
        if u.status.is_working() && !v.gone.contains_key(&u.client_id) {
            let trigger = info.map_or(Decimal::ZERO, |i| i.instrument.price_dec(u.trigger));
            let cancelled_at = v.stops.get(&u.client_id).and_then(|s| s.cancelled_at);
            v.stops.insert(
                u.client_id.clone(),
                StopView {
                    side: u.side,
                    trigger,
                    qty: u.qty,
                    heard_at: now.mono_ns,
                    cancelled_at,
                },
            );
        } else {
            v.stops.remove(&u.client_id);
            v.gone.insert(u.client_id.clone(), now.mono_ns);
        }
    }

    /// Forgets an order or stop that the exchange says it does not have.
    pub fn forget(&mut self, now: Now, symbol: &Symbol, id: &ClientId) {
        if let Some(v) = self.symbols.get_mut(symbol) {
            v.orders.remove(id);
            v.stops.remove(id);
            v.gone.insert(id.clone(), now.mono_ns);
        }
    }

    /// A queried stop.
    pub fn stop_read(
        &mut self,
        now: Now,
        info: Option<&SymbolInfo>,
        symbol: &Symbol,
        s: &AlgoOrder,
    ) {
        let v = self.symbols.entry(symbol.clone()).or_default();
        if !s.status.is_working() {
            v.stops.remove(&s.client_id);
        } else if !v.gone.contains_key(&s.client_id) {
            v.stops
                .insert(s.client_id.clone(), stop_view(now, info, s, None));
        }
    }

    /// Takes a mark price; false when nothing follows from it.
    pub fn mark(&mut self, now: Now, symbol: &Symbol, m: &MarkPrice) -> bool {
        let v = self.symbols.entry(symbol.clone()).or_default();
        if m.mark > Decimal::ZERO && believable(m.mark) && believable(m.index) {
            v.mark = Some((m.mark, m.index, now.mono_ns));
        }
        !v.is_bare()
    }

    /// Merges a read of the whole account, asked for at `asked_at`.
    pub fn reconciled(
        &mut self,
        now: Now,
        account: &str,
        infos: &Infos,
        read: &ReadOf<'_>,
        asked_at: u64,
    ) {
        self.venue_ms = self.venue_ms.max(read.venue_ms);
        self.read = Some((asked_at, now.mono_ns));
        self.read_failed = false;
        self.strange = read.strange.to_vec();
        self.wallet_word
            .held_against(now, asked_at, read.wallet, same_wallet);
        if self.wallet.is_none() || self.wallet_heard_at < asked_at {
            self.set_wallet(now, read.venue_ms.max(self.wallet_ms), read.wallet);
        }
        let empty = VenueState::default();
        let mut names: Vec<Symbol> = self.symbols.keys().cloned().collect();
        names.extend(read.symbols.keys().cloned());
        names.sort();
        names.dedup();
        for name in names {
            let state = read.symbols.get(&name).unwrap_or(&empty);
            let v = self.symbols.entry(name.clone()).or_default();
            v.word
                .held_against(now, asked_at, state.position.qty, same_side);
            merge(now, account, infos.get(&name), v, state, asked_at);
        }
    }

    /// |position| at mark plus what open entries may add, quote asset. `None`: unknown.
    pub fn usage(&self, symbol: &str, info: Option<&SymbolInfo>) -> Option<Money> {
        match self.symbols.get(symbol) {
            Some(v) => v.usage(info),
            None => Some(Decimal::ZERO),
        }
    }

    /// Margin of the whole cross account. `None`: some number is unknown.
    pub fn margin(&self, infos: &Infos) -> Option<Margin> {
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
        Margin::of(self.wallet?, &positions)
    }

    /// A fill whose position is overdue: the frame is lost, or late.
    pub fn late_fill(&self, now: Now) -> bool {
        let late = |f: &Unbooked| now.mono_since(f.heard_at) > NS_PER_S / 2;
        self.symbols.values().any(|v| v.unbooked.iter().any(late))
    }

    /// Why the picture can't be relied on, `None` when it can.
    pub fn unknown(&self, now: Now, infos: &Infos) -> Option<String> {
        let Some((_, read_at)) = self.read else {
            return Some("the account has not been read yet".into());
        };
        if !self.up {
            return Some("the private socket is down".into());
        }
        if self.age(now).is_none_or(|a| a > STALE_NS) {
            return Some("nothing heard of the private socket for 3 s".into());
        }
        if now.mono_since(read_at) > READ_STALE_NS {
            return Some("no read of the account has succeeded for 30 s".into());
        }
        if self.contradiction {
            return Some("the exchange's maintenance margin is far from ours".into());
        }
        if let Some(why) = self.contradicted() {
            return Some(why);
        }
        if self.wallet.is_none() {
            return Some("wallet balance zero or missing".into());
        }
        for (symbol, v) in self.open() {
            if !infos.contains_key(symbol) {
                return Some(format!("{symbol}: a position in a contract without rules"));
            }
            let since = v.open_since.unwrap_or(now.mono_ns);
            match v.mark {
                None if now.mono_since(since) > STALE_NS => {
                    return Some(format!("{symbol}: no mark price"));
                }
                Some((_, _, at)) if now.mono_since(at) > STALE_NS => {
                    return Some(format!("{symbol}: mark price older than 3 s"));
                }
                Some((mark, index, _)) if apart(mark, index) => {
                    return Some(format!("{symbol}: mark {mark} is far from index {index}"));
                }
                _ => {}
            }
        }
        self.margin(infos)
            .is_none()
            .then(|| "a position can't be valued".into())
    }
}

/// Mark more than 10 % from an index that is known.
fn apart(mark: Decimal, index: Decimal) -> bool {
    index > Decimal::ZERO && (mark - index).abs() > index / Decimal::TEN
}
