//! One account: the picture of its margin, permission to take risk, and the way back from danger.
//!
//! Same shape as the trader. The shell (coordinator, simulator) feeds the account's own streams and reads and the
//! workers' questions; it carries out the effects. Persisted marks ([`GuardianState`]) are written before they count.
//! One topic a file: `picture` (with `merge`, `reads`, `doubt`) what is known, `equity` (with `transfers`, `named`) gain and loss,
//! `ledger` what is promised, `grants` (with `clusters`, `record`, `rates`) who gets how much, `ladder` how bad it is, `calm`
//! and `reduce` (with `slices`) what is done about it, `protect` the stop of last resort, `wanted` the watchlist, `lead`
//! (with `lost`) who may act, `office` (with `numbers`) writing and publishing.

mod calm;
mod clusters;
mod doubt;
mod equity;
mod event;
mod fitness;
mod grants;
mod heard;
mod ladder;
mod lead;
mod ledger;
mod lost;
mod measure;
mod merge;
mod named;
mod numbers;
mod office;
mod picture;
mod protect;
mod rates;
mod reads;
mod record;
mod reduce;
mod slices;
mod transfers;
mod usage;
mod wanted;

#[cfg(test)]
mod props;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod testkit;

pub use equity::{DAILY_LOSS, DRAWDOWN, KILL, STATE_LOST};
pub use event::{
    GuardianConfig, GuardianEffect, GuardianEvent, GuardianState, HandedPromise, HandedShare,
    Handover, NamedTransfer, RateLimits, StrategyInfo, Transfer,
};
pub use lead::believable_epoch;
pub use reads::MARGIN_CONTRADICTION;

use crate::instrument::{Symbol, SymbolInfo};
use crate::messages::{AccountSnapshot, Alert, LadderLevel, Severity};
use crate::order::{ClientId, IdMaker, Refusal, ReplyTo, Role, VenueReply};
use crate::params::ExternalPositions;
use crate::risk::margin::Margin;
use crate::time::{NS_PER_MS, Now};
use calm::Calm;
use clusters::Clusters;
use heard::Heard;
use ladder::Ladder;
use ledger::Ledger;
use lost::{Missing, Unread};
use office::Office;
use picture::Picture;
use protect::Protect;
use rates::Rates;
use reduce::Reduce;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, VecDeque};
use transfers::Transfers;
use wanted::Wanted;

/// The machine of one account.
#[derive(Debug)]
pub struct Guardian {
    config: GuardianConfig,
    state: GuardianState,
    picture: Picture,
    ledger: Ledger,
    ladder: Ladder,
    office: Office,
    wanted: Wanted,
    clusters: Clusters,
    calm: Calm,
    reduce: Reduce,
    protect: Protect,
    heard: BTreeMap<Symbol, Heard>,
    makers: BTreeMap<Symbol, IdMaker>,
    transfers: Transfers,
    rates: Rates,
    missing: Option<Missing>,
    unread: Option<Unread>,
    /// Mode or key that Helios refuses: no new risk; what is held is guarded as ever.
    unfit: Option<std::sync::Arc<str>>,
    /// What people have heard of it from this process.
    unfit_told: Option<std::sync::Arc<str>>,
    unread_told: bool,
    /// The highest epoch a worker honoured that was above ours.
    echoed: u64,
    incarnation: Option<u64>,
    counted: VecDeque<(String, String, bool)>,
    unknown: Option<String>,
    /// As last measured.
    margin: Option<Margin>,
    /// It was measured at the last event, be the picture known or in doubt.
    measured: bool,
    want_read: bool,
    /// Reads that something waited for, without a pause between them.
    reads_in_a_row: u32,
    read_tried_at: Option<u64>,
    /// Something that the snapshot shows at once may have changed.
    touched: bool,
    /// A worker has said something new of itself, which the snapshot shows soon.
    told: bool,
    /// Time of the last event.
    at: Now,
}

impl Guardian {
    /// Starts from persisted marks; grants nothing before the account picture is complete.
    pub fn new(config: GuardianConfig, state: GuardianState) -> Self {
        let mut g = Self {
            config,
            state,
            picture: Picture::default(),
            ledger: Ledger::default(),
            ladder: Ladder::default(),
            office: Office::default(),
            wanted: Wanted::default(),
            clusters: Clusters::default(),
            calm: Calm::default(),
            reduce: Reduce::default(),
            protect: Protect::default(),
            heard: BTreeMap::new(),
            makers: BTreeMap::new(),
            transfers: Transfers::default(),
            rates: Rates::default(),
            missing: None,
            unread: None,
            unfit: None,
            unfit_told: None,
            unread_told: false,
            echoed: 0,
            at: Now::default(),
            incarnation: None,
            counted: VecDeque::new(),
            unknown: Some("the account has not been read yet".into()),
            margin: None,
            measured: false,
            want_read: false,
            reads_in_a_row: 0,
            read_tried_at: None,
            touched: true,
            told: false,
        };
        g.ladder.resume(g.state.level);
        g.settle(0);
        g
    }

    /// The epoch under which this guardian leads, as of the last event, if it does.
    pub fn leads(&self) -> Option<u64> {
        self.office.leading().then_some(self.office.epoch)
    }

    /// Names of the latches in force.
    pub fn latches(&self) -> Vec<String> {
        self.state.latches.keys().cloned().collect()
    }

    /// Handles one event; effects are appended to `out` in the order they must be carried out.
    pub fn on_event(&mut self, now: Now, event: &GuardianEvent, out: &mut Vec<GuardianEffect>) {
        self.at = now;
        self.lapse(now, out);
        self.touched |= !matches!(
            event,
            GuardianEvent::Tick
                | GuardianEvent::AccountAlive
                | GuardianEvent::Mark(..)
                | GuardianEvent::VisibleDepth(..)
                | GuardianEvent::GrantRequested(_)
                | GuardianEvent::Report(_)
        );
        match event {
            GuardianEvent::Start => {
                self.ask_read(now, out);
                self.scan(now, out);
            }
            GuardianEvent::Tick => {}
            GuardianEvent::AccountAlive => self.picture.alive(now),
            GuardianEvent::AccountUp => {
                self.picture.alive(now);
                self.transfers.socket_up(now);
                self.want_read = true;
            }
            GuardianEvent::AccountDown => {
                self.transfers.socket_down();
                self.picture.down();
            }
            GuardianEvent::Balance {
                event_ms,
                wallet,
                transfer,
            } => self.balance(now, *event_ms, *wallet, *transfer),
            GuardianEvent::Position(symbol, update) => {
                self.picture.position(now, symbol, update);
            }
            GuardianEvent::Order(symbol, update) => {
                let info = self.config.symbols.get(symbol);
                let account = &self.config.account.account;
                self.picture.order(now, account, info, symbol, update);
                self.exit_update(now, symbol, update);
            }
            GuardianEvent::Algo(symbol, update) => {
                let info = self.config.symbols.get(symbol);
                let account = &self.config.account.account;
                self.picture.algo(now, account, info, symbol, update);
                self.stop_update(now, symbol, update, out);
            }
            GuardianEvent::Fitness { unfit } => self.judge_fitness(unfit.as_ref()),
            GuardianEvent::Doubt { symbol, alert } => {
                self.doubt(symbol.as_ref(), alert.as_ref(), out);
            }
            GuardianEvent::Mark(symbol, mark) => {
                // Hundreds come each second, most of symbols that hold nothing: what time alone makes due is the tick's.
                if !self.picture.mark(now, symbol, mark) {
                    return;
                }
            }
            GuardianEvent::Reconciled {
                asked_at,
                venue_ms,
                wallet,
                available: _,
                maint_margin,
                marks,
                symbols,
                unknown_symbols,
            } => {
                let read = merge::ReadOf {
                    venue_ms: *venue_ms,
                    wallet: *wallet,
                    marks,
                    symbols,
                    strange: unknown_symbols,
                };
                self.reconciled(now, *asked_at, &read, *maint_margin, out);
            }
            GuardianEvent::ReconcileFailed { asked_at } => self.read_failed(*asked_at),
            GuardianEvent::VisibleDepth(symbol, bid, ask) => {
                self.reduce.depth(now, symbol, *bid, *ask);
            }
            GuardianEvent::GrantRequested(request) => {
                // The answer must rest on this instant's numbers.
                self.assess(now, out);
                self.request(now, request, out);
            }
            GuardianEvent::Report(report) => self.report(now, report, out),
            GuardianEvent::Scanned {
                candidates,
                correlations,
            } => self.scanned(now, candidates, correlations),
            GuardianEvent::Reply(symbol, to, reply) => self.reply(now, symbol, to, reply, out),
            GuardianEvent::Config(config) => {
                self.config = (**config).clone();
                self.settle(now.market_ms);
            }
            GuardianEvent::Release(symbol) => self.reduce.close_whole(symbol),
            GuardianEvent::Persisted => self.office.written(now, true),
            GuardianEvent::PersistFailed => {
                self.office.written(now, false);
                out.push(alert(
                    Severity::Critical,
                    "StateNotWritten",
                    None,
                    "the guardian's marks could not be written: no new risk until they are".into(),
                ));
            }
            GuardianEvent::Latch { name, set } => self.latch(now, name, *set, out),
            GuardianEvent::State(state) => self.state_read(state),
            GuardianEvent::LockRanOut => self.office.lead.lock_ran_out(),
            GuardianEvent::StateMissing { transitions } => self.state_missing(*transitions),
            GuardianEvent::StateUnread { why } => self.state_unread(why),
            GuardianEvent::Transfers(list) => self.transferred(now, list),
            GuardianEvent::TransfersFailed => self.transfers_failed(),
            GuardianEvent::Renewed { until_ns } => self.office.lead.renewed(*until_ns),
            GuardianEvent::FenceLost => self.fence_lost(),
            GuardianEvent::FenceUnheard => self.fence_heard(false, out),
            GuardianEvent::FenceHeard => self.fence_heard(true, out),
            GuardianEvent::Lead { epoch, until_ns } => self.lead(now, *epoch, *until_ns),
            GuardianEvent::Follow => self.step_down(now),
        }
        self.drive(now, out);
    }

    /// What the rest of the system reads, with the sequence number of the last one published.
    pub fn snapshot(&self) -> AccountSnapshot {
        AccountSnapshot {
            numbers: Some(self.numbers(self.at)),
            health: Some(self.health(self.at)),
            ..self.make_snapshot()
        }
    }

    /// Everything that follows from what is known and from time passing.
    fn drive(&mut self, now: Now, out: &mut Vec<GuardianEffect>) {
        self.assess(now, out);
        self.wanted_changed(now);
        if self.office.leading() {
            self.judge_missing(now, out);
            self.drive_transfers(now, out);
            self.tell_fitness(out);
            self.keep_calm(now, out);
            self.drive_reduce(now, out);
            self.drive_protect(now, out);
            self.sweep_orphans(now, out);
            self.drain(now, out);
        }
        self.drive_reads(now, out);
        self.drive_scan(now, out);
        if self.unread.is_none() {
            self.persist(now, out);
        }
        self.publish(now, out);
    }

    /// Marks as read after the lock was taken: another leader may have written them since.
    fn state_read(&mut self, state: &GuardianState) {
        if !self.office.leading() {
            self.state = state.clone();
            // A reduction that another process began goes on.
            self.ladder.resume(state.level);
            self.note_level();
            (self.missing, self.unread) = (None, None);
            self.office.lead.forget();
        }
    }

    fn latch(&mut self, now: Now, name: &str, set: bool, out: &mut Vec<GuardianEffect>) {
        let changed = if set {
            self.state
                .latches
                .insert(name.into(), now.market_ms)
                .is_none()
        } else {
            self.state.latches.remove(name).is_some()
        };
        if !changed {
            return;
        }
        // A person who releases a drawdown accepts it: the peak starts anew, else it would trip again at once.
        if !set {
            self.accept_equity(now, name);
        }
        self.office.dirty(true, false);
        let (severity, word) = if set {
            (Severity::Critical, "set")
        } else {
            (Severity::Warning, "released")
        };
        out.push(alert(
            severity,
            "Latch",
            None,
            format!("latch {name} {word} by a person"),
        ));
    }

    fn reply(
        &mut self,
        now: Now,
        symbol: &Symbol,
        to: &ReplyTo,
        reply: &VenueReply,
        out: &mut Vec<GuardianEffect>,
    ) {
        match (to, reply) {
            (ReplyTo::Place(id), r) => self.exit_reply(now, symbol, id, r),
            (ReplyTo::PlaceStop(id), r) => self.stop_reply(now, symbol, id, r, out),
            (ReplyTo::Cancel(t) | ReplyTo::Query(t), VenueReply::Refused(Refusal::NotFound)) => {
                self.picture.forget(now, symbol, t.client_id());
                self.want_read = true;
            }
            (ReplyTo::Query(_), VenueReply::Stop(s)) => {
                let info = self.config.symbols.get(symbol);
                self.picture.stop_read(now, info, symbol, s);
            }
            (ReplyTo::Query(_), VenueReply::Order(o)) if o.status.is_final() => {
                self.picture.forget(now, symbol, &o.client_id);
                self.exit_over(now, symbol, &o.client_id);
            }
            (ReplyTo::Cancel(_), VenueReply::Accepted { .. }) => {}
            _ => self.want_read = true,
        }
    }

    /// The margin ratio as last measured, percent; 0 while it never was.
    fn ratio(&self) -> Decimal {
        self.margin.map_or(Decimal::ZERO, |m| m.ratio())
    }

    /// The level that holds: unknown counts as Warning.
    fn level(&self) -> LadderLevel {
        match self.unknown {
            Some(_) => self.ladder.level().max(LadderLevel::Warning),
            None => self.ladder.level(),
        }
    }

    /// Effective halt: manifest or latch.
    fn halted(&self) -> bool {
        self.config.account.halt || !self.state.latches.is_empty() || self.unfit.is_some()
    }

    fn info(&self, symbol: &str) -> Option<&SymbolInfo> {
        self.config.symbols.get(symbol)
    }

    /// A new id of the coordinator's role; `None` before the first read.
    fn next_id(&mut self, symbol: &Symbol) -> Option<ClientId> {
        let incarnation = self.incarnation?;
        if !self.makers.contains_key(symbol) {
            let owner = self.owner_of(symbol);
            let uid = self
                .config
                .strategies
                .iter()
                .find(|s| Some(&s.name) == owner.as_ref());
            let uid = uid.map_or("", |s| s.uid.as_str());
            let account = &self.config.account.account;
            let maker = IdMaker::new(account, Role::Coordinator, uid, symbol, incarnation);
            self.makers.insert(symbol.clone(), maker);
        }
        self.makers.get_mut(symbol).map(IdMaker::next_id)
    }

    /// May this guardian touch the position: ours, or anybody's under [`ExternalPositions::Guard`].
    fn in_charge_of(&self, symbol: &str) -> bool {
        self.config.account.external_positions == ExternalPositions::Guard
            || !self.is_external(symbol)
    }

    /// A position not yet explained, whose owner no read has told: a read will. It counts as ours, not as a stranger's: after a
    /// restart our own looks the same while its stop is gone, and leaving that to the market is worse than a stop that a
    /// stranger did not ask for. Nobody gets new risk meanwhile.
    fn is_doubtful(&self, symbol: &str) -> bool {
        let v = self.picture.symbols.get(symbol);
        v.is_some_and(|v| !v.owner_read && self.is_unexplained(symbol, v))
    }

    /// A position that nothing of ours explains. Only a read of the orders that made it can tell, so one that is merely not
    /// known yet is never called external.
    fn is_external(&self, symbol: &str) -> bool {
        let v = self.picture.symbols.get(symbol);
        v.is_some_and(|v| self.is_external_view(symbol, v))
    }

    /// The same of a symbol at hand.
    fn is_external_view(&self, symbol: &str, v: &picture::SymbolView) -> bool {
        v.owner_read && self.is_unexplained(symbol, v)
    }

    fn is_unexplained(&self, symbol: &str, v: &picture::SymbolView) -> bool {
        !v.qty.is_zero() && v.own_tag.is_none() && self.ledger.reserved(symbol).is_zero()
    }
}

fn alert(severity: Severity, code: &str, symbol: Option<&Symbol>, text: String) -> GuardianEffect {
    GuardianEffect::Alert(Alert {
        severity,
        code: code.into(),
        symbol: symbol.map(|s| s.to_string()),
        text,
    })
}

/// Liveness nanoseconds of milliseconds.
const fn ms(n: u64) -> u64 {
    n * NS_PER_MS
}
