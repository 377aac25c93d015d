//! What a venue is made of when it starts: the engine, new or loaded, the accounts, and the books of the first moment.

use super::accounts::{Account, AccountConfig, Accounts, DEFAULT_ACCOUNT, SavedAccount};
use super::audit::{At, Audit};
use super::clock::Clock;
use super::config::{ApiCredentials, VenueConfig, VenueServerError};
use super::day::Days;
use super::fault::{Faults, Schedule};
use super::frames::SymbolText;
use super::hub::Hub;
use super::klines::Klines;
use super::limits::{Limits, OrderCount};
use super::outbox::Gate;
use super::path::PathSource;
use super::public::Public;
use super::state;
use super::venue::Venue;
use crate::engine::{AccountId, Engine, EngineConfig, Switches, SymbolId, SymbolSpec};
use crate::market::MarketSource as _;
use std::fs::{File, OpenOptions};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::time::Instant;

fn texts(specs: &[SymbolSpec]) -> Result<Vec<SymbolText>, VenueServerError> {
    let bad = |why: String| VenueServerError::BadSource { why };
    if specs.is_empty() {
        return Err(bad("it has no symbols".into()));
    }
    specs
        .iter()
        .map(|s| {
            SymbolText::of(s).ok_or_else(|| {
                bad(format!(
                    "{}: its name, tick or step can't be sent",
                    s.instrument.symbol
                ))
            })
        })
        .collect()
}

/// A venue as it is configured, or as it was saved.
///
/// # Errors
/// [`VenueServerError`] for a source that can't be sent, and for files that can't be used.
pub(super) fn build(
    config: VenueConfig,
    gate: Arc<Gate>,
    delay_ns: Arc<AtomicU64>,
    faults: Arc<Faults>,
) -> Result<Venue, VenueServerError> {
    let specs = config.source.symbols();
    let symbols = texts(&specs)?;
    let mut source = PathSource::new(config.source, &specs);
    let saved = match &config.state_dir {
        Some(dir) => {
            let first = config.accounts.first();
            let first = first.map_or(DEFAULT_ACCOUNT, |a| &a.name);
            state::load(dir, &source, first)?
        }
        None => None,
    };
    let mut known = Vec::new();
    let mut now_ms = source.start_ms();
    let mut engine = match saved {
        Some(s) => {
            while source.peek_ms().is_some_and(|ms| ms <= s.now_ms) {
                source.next_event();
            }
            source.set_shifts(&s.shifts);
            (now_ms, known) = (s.now_ms, s.accounts);
            s.engine
        }
        None => Engine::new(EngineConfig {
            symbols: specs,
            auto_cancel_orphan_stops: config.auto_cancel_orphan_stops,
            countdown_cancels_algo: config.countdown_cancels_algo,
        }),
    };
    let rules = Switches {
        auto_cancel_orphan_stops: config.auto_cancel_orphan_stops,
        orphan_stops_canceled: config.orphan_stops_canceled,
        countdown_cancels_algo: config.countdown_cancels_algo,
        stops_hold_reduce_only: config.stops_hold_reduce_only,
    };
    engine.switch(rules);
    let audit_file = config.audit_file.as_ref().map(|path| {
        let opened = OpenOptions::new().create(true).append(true).open(path);
        opened.map_err(|e| VenueServerError::State {
            path: path.clone(),
            why: e.to_string(),
        })
    });
    let audit_file = audit_file.transpose()?;
    let id = |i: usize| SymbolId(i as u16);
    let names = || symbols.iter().enumerate().map(|(i, s)| (i, &s.name));
    let mut venue = Venue {
        account: AccountId(0),
        first: AccountId(0),
        rules,
        trigger_rejects: false,
        accounts: Accounts::default(),
        engine,
        clock: Clock::new(now_ms, config.speed),
        source,
        hub: Hub::new(config.fan_out, Arc::clone(&faults)),
        plan: config.faults.map(|plan| Schedule::new(plan, now_ms)),
        faults,
        limits: Limits::new(config.enforce_limits, config.speed),
        klines: Klines::default(),
        upper: names().map(|(i, n)| (n.clone(), id(i))).collect(),
        lower: names().map(|(i, n)| (n.to_lowercase(), id(i))).collect(),
        public: Public::of(symbols.len()),
        days: Days::default(),
        state_dir: config.state_dir,
        requests: 0,
        refused: 0,
        started: Instant::now(),
        gate,
        delay_ns,
        latency_ms: config.latency_ms,
        scratch: Vec::new(),
        symbols,
    };
    let mut wanted = config.accounts;
    if let Some(first) = wanted.first_mut().filter(|_| config.known_key) {
        first.keys.push(ApiCredentials::known().into());
    }
    venue.open(known, wanted, audit_file.as_ref())?;
    venue.set_speed(config.speed);
    if config.in_step {
        venue.clock.keep_in_step();
    }
    Ok(venue)
}

impl Venue {
    /// Brings the venue to where market time stands: the accounts, the first snapshots, what a loaded state holds. An
    /// account that the state knows and nobody asked for stays as it is, without a key.
    fn open(
        &mut self,
        saved: Vec<SavedAccount>,
        wanted: Vec<AccountConfig>,
        audit_file: Option<&File>,
    ) -> Result<(), VenueServerError> {
        let now = self.clock.now_ms();
        let mut events = Vec::new();
        self.engine.advance(now, &mut events);
        let orders = OrderCount::new(self.started);
        for (i, s) in saved.into_iter().enumerate() {
            let id = AccountId(i as u32);
            self.accounts.push(Account::restored(id, s, orders));
        }
        let several = wanted.len() > 1;
        let mut first = None;
        for w in wanted {
            let id = match self.accounts.named(&w.name) {
                Some(a) => a.id,
                None => {
                    let id = self.engine.open_account(w.balance);
                    let fresh = SavedAccount::new(w.name, w.balance);
                    self.accounts.push(Account::restored(id, fresh, orders));
                    id
                }
            };
            first = first.or(Some(id));
            let a = self.accounts.of_mut(id);
            let file = audit_file.map(File::try_clone).transpose();
            let file = file.map_err(|e| VenueServerError::State {
                path: "audit file".into(),
                why: e.to_string(),
            })?;
            a.audit = Audit::new(file, several.then(|| a.name.clone()));
            (a.keys, a.restrictions) = (w.keys, w.restrictions);
        }
        self.first = first.unwrap_or(self.first);
        // The books stand before the market starts: clients synchronise against them while time waits.
        while self.source.peek_ms().is_some_and(|ms| ms <= now) {
            if let Some((ms, symbol, input)) = self.source.next_event() {
                self.engine.on_market(ms, symbol, input, &mut events);
            }
        }
        events.clear();
        let at = At {
            market_ms: now,
            wall_ns: 0,
        };
        for a in self.accounts.iter_mut() {
            for p in self.engine.positions(a.id).unwrap_or_default() {
                let stops = self.engine.open_stops(a.id, Some(p.symbol));
                let anchors: Vec<_> = stops
                    .iter()
                    .filter(|s| s.stop.qty.is_none() && !s.take_profit)
                    .map(|s| (s.stop.algo_id, s.stop.side))
                    .collect();
                a.audit.seed(p.symbol, p.qty, &anchors, at);
            }
            if let Ok(now) = self.engine.account(a.id) {
                a.seen_wallet = now.wallet;
            }
        }
        Ok(())
    }
}
