//! A venue (positions, resting entries, orders on their way), workers that use their grants as badly as they may, and a
//! guardian that sees only what reaches it. Prices stand still, so that every breach is one of sending.

use super::seats::Seat;
use crate::fixed::{Price, Qty, Side};
use crate::guardian::testkit::*;
use crate::guardian::*;
use crate::market::MarkPrice;
use crate::messages::{Grant, GrantReply, GrantRequest};
use crate::order::{
    CancelTarget, ClientId, ExecType, OpenOrder, OrderStatus, OrderUpdate, PositionUpdate,
    TradeFill, VenuePosition, VenueState,
};
use proptest::prelude::*;

/// The first belongs to a strategy of higher priority.
pub(super) const NAMES: [&str; 3] = ["AUSDT", "BUSDT", "CUSDT"];
const PRICE: i64 = 100;

/// Which frames of an event reach the guardian.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub order: bool,
    pub position: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Time passes, ms.
    Pass(u64),
    /// A task of a symbol (0 the present, 1 the one before) asks; the answer takes this long (ms), or is lost.
    /// It may ask the one that does not lead.
    Ask {
        symbol: usize,
        ago: u32,
        wish: i64,
        risk: i64,
        delay: Option<u64>,
        astray: bool,
    },
    /// A task sends an entry of this part (percent) of what its grant leaves; it arrives after this part of its window.
    Send {
        symbol: usize,
        ago: u32,
        part: i64,
        delay: u64,
        rest: bool,
        told: Told,
    },
    /// A resting entry fills (or is cancelled).
    Touch {
        symbol: usize,
        fill: bool,
        told: Told,
    },
    /// The position is left.
    Leave { symbol: usize, told: Told },
    /// Another task takes the place of the present one, which may not know it yet.
    Replace { symbol: usize },
    /// Something makes the guardians want to read the venue soon.
    Nudge,
    /// A coordinator hears and does nothing for this long, ms, as under SIGSTOP.
    Freeze { seat: usize, millis: u64 },
    /// The leader gives its lead up in peace.
    HandOver,
    /// A coordinator dies and starts anew.
    Crash { seat: usize },
}

/// An entry on its way to the venue.
struct Coming {
    arrives: u64,
    task: u32,
    id: ClientId,
    lots: i64,
    rest: bool,
    told: Told,
}

/// One symbol of the model, in lots of 0.001 at a price of 100 (0.1 quote a lot).
#[derive(Default)]
pub(super) struct Truth {
    pub position: i64,
    resting: Vec<(ClientId, i64)>,
    coming: Vec<Coming>,
    task: u32,
    /// Newest grant of each task and its end by the worker's own clock.
    grants: BTreeMap<u32, (Grant, u64)>,
    /// Answers on their way: arrival, t0, task, reply.
    pub(super) answers: Vec<(u64, u64, u32, GrantReply)>,
}

impl Truth {
    fn lots(&self) -> i64 {
        let resting: i64 = self.resting.iter().map(|x| x.1).sum();
        let coming: i64 = self.coming.iter().map(|x| x.lots).sum();
        self.position + resting + coming
    }

    /// What a task knows of: the venue and its own orders.
    fn known_to(&self, task: u32) -> i64 {
        let others = self.coming.iter().filter(|c| c.task != task);
        self.lots() - others.map(|c| c.lots).sum::<i64>()
    }
}

fn worth(lots: i64) -> Decimal {
    Decimal::new(lots * PRICE, 3)
}

/// Takes the elements that are due out of `all`.
fn due<T>(all: &mut Vec<T>, is_due: impl Fn(&T) -> bool) -> Vec<T> {
    let (due, later) = std::mem::take(all).into_iter().partition(|x| is_due(x));
    *all = later;
    due
}

pub(super) struct Model {
    pub(super) config: GuardianConfig,
    pub(super) seats: Vec<Seat>,
    pub(super) now: Now,
    pub truth: Vec<Truth>,
    pub(super) delays: Vec<(u64, u64)>,
    pub(super) seq: u64,
    /// The guardians' state as stored, and its revision.
    pub(super) stored: (u64, GuardianState),
    /// Holder and last renewal of the lock.
    pub(super) lock: Option<(usize, u64)>,
    pub(super) term: u64,
}

impl Model {
    pub(super) fn take_read(&self, asked_at: u64) -> GuardianEvent {
        let mut symbols = BTreeMap::new();
        let mut maint = Decimal::ZERO;
        for (i, t) in self.truth.iter().enumerate() {
            maint += worth(t.position) * d("0.004");
            let order = |(id, lots): &(ClientId, i64)| OpenOrder {
                client_id: id.clone(),
                order_id: 1,
                side: Side::Buy,
                status: OrderStatus::New,
                qty: Qty(*lots),
                filled: Qty(0),
                price: Some(Price(PRICE * 10)),
                reduce_only: false,
                update_ms: self.now.market_ms,
            };
            let flat = t.position == 0;
            let own = IdMaker::new(ACCOUNT, Role::Worker, "uid", NAMES[i], 1).next_id();
            let v = VenueState {
                venue_ms: self.now.market_ms,
                position: VenuePosition {
                    qty: Qty(t.position),
                    entry_price: if flat { d("0") } else { d("100") },
                    isolated: false,
                    update_ms: if flat { 0 } else { self.now.market_ms },
                },
                orders: t.resting.iter().map(order).collect(),
                recent_ids: vec![own],
                ids_read: true,
                ..VenueState::default()
            };
            if !flat || !t.resting.is_empty() {
                symbols.insert(NAMES[i].into(), v);
            }
        }
        GuardianEvent::Reconciled {
            asked_at,
            venue_ms: self.now.market_ms,
            wallet: d("10000"),
            available: d("10000"),
            maint_margin: maint,
            marks: BTreeMap::new(),
            symbols,
            unknown_symbols: Vec::new(),
        }
    }

    pub fn pass(&mut self, millis: u64) {
        for _ in 0..millis / 50 {
            self.now = Now::new(self.now.market_ms + 50, self.now.mono_ns + ms(50));
            self.arrive();
            self.send(&GuardianEvent::AccountAlive);
            for s in NAMES {
                let mark = Decimal::from(PRICE);
                let m = MarkPrice {
                    event_ms: 0,
                    mark,
                    index: mark,
                    funding_rate: d("0"),
                    next_funding_ms: 0,
                };
                self.send(&GuardianEvent::Mark(s.into(), m));
            }
            self.send(&GuardianEvent::Tick);
            self.keep_lock();
            for i in 0..self.seats.len() {
                self.wake(i);
            }
        }
    }

    /// Sequence of the newest grant of a symbol's present task.
    pub fn granted(&self, symbol: usize) -> u64 {
        let t = &self.truth[symbol];
        t.grants.get(&t.task).map_or(0, |g| g.0.seq)
    }

    /// Orders and answers that are due arrive.
    fn arrive(&mut self) {
        let at = self.now.mono_ns;
        for i in 0..self.truth.len() {
            let t = &mut self.truth[i];
            for (_, t0, task, reply) in due(&mut t.answers, |a| a.0 <= at) {
                if let GrantReply::Granted(g) = reply
                    && t.grants.get(&task).is_none_or(|(old, _)| old.seq < g.seq)
                {
                    let end = t0 + ms(g.length_ms);
                    t.grants.insert(task, (g, end));
                }
            }
            for c in due(&mut t.coming, |c| c.arrives <= at) {
                if !c.rest {
                    self.filled(i, &c.id, c.lots, c.told);
                    continue;
                }
                self.truth[i].resting.push((c.id.clone(), c.lots));
                if c.told.order {
                    self.order(i, &c.id, c.lots, 0, OrderStatus::New);
                }
            }
        }
    }

    fn filled(&mut self, i: usize, id: &ClientId, lots: i64, told: Told) {
        self.truth[i].position += lots;
        if told.order {
            self.order(i, id, lots, lots, OrderStatus::Filled);
        }
        if told.position {
            self.position(i);
        }
    }

    fn order(&mut self, i: usize, id: &ClientId, lots: i64, filled: i64, status: OrderStatus) {
        let fill = TradeFill {
            trade_id: 1,
            price: Price(PRICE * 10),
            qty: Qty(filled),
            fee: d("0"),
            fee_asset: "USDT".into(),
            realised: d("0"),
            maker: false,
        };
        let exec = if filled > 0 {
            ExecType::Trade
        } else {
            ExecType::New
        };
        let u = OrderUpdate {
            event_ms: self.now.market_ms,
            transact_ms: self.now.market_ms,
            client_id: id.clone(),
            order_id: 1,
            side: Side::Buy,
            exec,
            status,
            qty: Qty(lots),
            filled: Qty(filled),
            reduce_only: false,
            fill: (filled > 0).then_some(fill),
        };
        self.send(&GuardianEvent::Order(NAMES[i].into(), u));
    }

    fn position(&mut self, i: usize) {
        let qty = Qty(self.truth[i].position);
        let u = PositionUpdate {
            event_ms: self.now.market_ms,
            transact_ms: self.now.market_ms,
            qty,
            entry_price: if qty.is_zero() { d("0") } else { d("100") },
        };
        self.send(&GuardianEvent::Position(NAMES[i].into(), u));
    }

    fn ask(
        &mut self,
        i: usize,
        task: u32,
        wish: i64,
        risk: i64,
        astray: bool,
    ) -> Option<GrantReply> {
        self.seq += 1;
        let leader = self.lock.map_or(0, |l| l.0);
        let to = if astray { 1 - leader } else { leader };
        let r = GrantRequest {
            symbol: NAMES[i].into(),
            strategy: if i < 1 { "ns/nobi" } else { "ns/low" }.into(),
            task_uid: format!("{}-{task}", NAMES[i]),
            seq: self.seq,
            epoch_seen: 0,
            wish_notional: Decimal::from(wish),
            position_notional: Decimal::ZERO,
            open_entry_notional: Decimal::ZERO,
            wish_risk: Decimal::from(risk),
            fence_lost: false,
        };
        if self.frozen(to) {
            let t0 = self.now.mono_ns;
            self.seats[to].inbox.push((t0, i, task, r));
            return None;
        }
        self.tell(to, &GuardianEvent::GrantRequested(r))
    }

    pub fn step(&mut self, s: &Step) {
        match s.clone() {
            Step::Pass(n) => self.pass(n),
            Step::Ask {
                symbol,
                ago,
                wish,
                risk,
                delay,
                astray,
            } => {
                let t0 = self.now.mono_ns;
                let Some(task) = self.truth[symbol].task.checked_sub(ago) else {
                    return;
                };
                let reply = self.ask(symbol, task, wish, risk, astray);
                if let Some((delay, reply)) = delay.zip(reply) {
                    let answer = (t0 + ms(delay), t0, task, reply);
                    self.truth[symbol].answers.push(answer);
                    self.arrive();
                }
            }
            Step::Send {
                symbol,
                ago,
                part,
                delay,
                rest,
                told,
            } => {
                let at = self.now.mono_ns;
                let t = &mut self.truth[symbol];
                let Some(task) = t.task.checked_sub(ago) else {
                    return;
                };
                let Some((g, end)) = t.grants.get(&task).cloned().filter(|g| at < g.1) else {
                    return;
                };
                let ceiling: i64 = (g.ceiling * Decimal::TEN).trunc().try_into().unwrap();
                let lots = (ceiling - t.known_to(task)) * part / 100;
                if lots <= 0 {
                    return;
                }
                self.seq += 1;
                let mut ids = IdMaker::new(ACCOUNT, Role::Worker, "uid", NAMES[symbol], self.seq);
                // recvWindow: what would arrive after the grant's end is refused.
                let arrives = at + (end - at).min(ms(1000)) * delay / 100;
                t.coming.push(Coming {
                    arrives,
                    task,
                    id: ids.next_id(),
                    lots,
                    rest,
                    told,
                });
                self.arrive();
            }
            Step::Touch { symbol, fill, told } => {
                let Some((id, lots)) = self.truth[symbol].resting.pop() else {
                    return;
                };
                if fill {
                    self.filled(symbol, &id, lots, told);
                } else if told.order {
                    self.order(symbol, &id, lots, 0, OrderStatus::Canceled);
                }
            }
            Step::Leave { symbol, told } => {
                if self.truth[symbol].position != 0 {
                    self.truth[symbol].position = 0;
                    if told.position {
                        self.position(symbol);
                    }
                }
            }
            Step::Replace { symbol } => self.truth[symbol].task += 1,
            Step::Nudge => {
                let to = ReplyTo::Query(CancelTarget::Order("x".into()));
                let unknown = VenueReply::Unknown {
                    why: "timeout".into(),
                    dead_after_ms: 0,
                };
                self.send(&GuardianEvent::Reply(NAMES[0].into(), to, unknown));
            }
            Step::Freeze { seat, millis } => {
                self.seats[seat].frozen_until = self.now.mono_ns + ms(millis);
            }
            Step::HandOver => {
                if let Some((i, _)) = self.lock.filter(|l| !self.frozen(l.0)) {
                    self.tell(i, &GuardianEvent::Follow);
                    if self.seats[i].g.handed_over() {
                        self.lock = None;
                    }
                    self.keep_lock();
                }
            }
            Step::Crash { seat } => {
                self.seats[seat] = self.seat();
                self.tell(seat, &GuardianEvent::Start);
            }
        }
    }

    /// What the venue holds and may still receive, and what workers may do with the grants they hold on top of it.
    pub fn check(&self) -> Result<(), TestCaseError> {
        let p = &self.config.account;
        let equity = d("10000");
        let limit = p.max_gross_leverage * equity;
        let sums: Vec<Decimal> = self.truth.iter().map(|t| worth(t.lots())).collect();
        let gross: Decimal = sums.iter().sum();
        prop_assert!(gross <= limit, "gross {gross}");
        for (i, s) in sums.iter().enumerate() {
            let most = p.max_symbol_notional_percent / d("100") * equity;
            prop_assert!(*s <= most, "{}: {s}", NAMES[i]);
        }
        let open = sums.iter().filter(|s| !s.is_zero()).count();
        prop_assert!(open <= p.max_open_positions as usize, "{open} positions");
        let live = |t: &Truth, held: Decimal| {
            let live = t.grants.values().filter(|g| self.now.mono_ns < g.1);
            live.map(|g| g.0.ceiling).fold(held, Decimal::max)
        };
        let may: Decimal = self.truth.iter().zip(&sums).map(|(t, s)| live(t, *s)).sum();
        prop_assert!(may <= limit, "held and granted {may}");
        Ok(())
    }
}
