//! Seeded crashes: a saved venue whose account stands near the edge, a fall or squeeze that would liquidate most such
//! accounts, and the real guardian, workers and exchange in virtual time.
//!
//! With protection and without differ in one thing: whether the guardian leads. The same workers live, with the same stops
//! at the venue, which stand **beyond** where the account would be liquidated (as those of positions held for days under a
//! wide ATR, or taken over from a person): near stops would close the positions first and show nothing of the account's
//! protection. Daily loss and drawdown are at 100 %, because their latches flatten before the ladder is asked. The state is
//! one that admission never allows, so it is saved after the fall, not traded into. Nobody enters anew.
//!
//! Rooms: `draw` (the account), `saved` (the venue before), `path` and `market` (the crash), `watch` (what is written
//! down), `rules` (what the ladder may and must do), `outcome`.

mod draw;
mod market;
mod outcome;
mod path;
mod rules;
mod saved;
mod watch;

pub use draw::CrashSet;
pub use outcome::{CrashOutcome, Overshoot};
pub(crate) use watch::Note;

use crate::driver::{Resumed, Sim, SimError};
use crate::setup::{Latency, SimConfig, SimStrategy, quickstart};
use draw::Portfolio;
use helios_core::params::{OnOppositeSignal, StrategyParams};
use helios_core::risk::brackets::maintenance_margin;
use helios_venue::market::Rng;
use market::CrashMarket;
use path::{CONTRACTS, Path, between};
use rust_decimal::Decimal;
use std::sync::Arc;

/// When every crash begins, ms.
const START_MS: i64 = 1_767_571_200_000 + 3 * 3_600_000;
/// Uid of the strategy all positions belong to.
const UID: &str = "uid-default/crash";

/// One crash and the account it meets.
#[derive(Clone, Debug)]
pub struct Crash {
    set: CrashSet,
    seed: u64,
    portfolio: Portfolio,
    path: Arc<Path>,
    saved: Vec<u8>,
    config: SimConfig,
}

impl Crash {
    /// Draws the crash of a seed.
    ///
    /// # Errors
    /// [`SimError`] when the venue refuses what the scenario needs: a mistake in it.
    pub fn draw(set: CrashSet, seed: u64) -> Result<Self, SimError> {
        let mut rng = Rng::new(seed, set as u64 + 1);
        let portfolio = Portfolio::draw(&mut rng, set, START_MS)?;
        let path = Arc::new(Path::draw(&mut rng, set.fall(), portfolio.up));
        let mut config = config(&portfolio);
        let mut delay = |most: f64| between(&mut rng, 5.0, most) as i64;
        config.latency = Latency {
            market_ms: delay(40.0),
            order_ms: delay(40.0),
            user_ms: delay(40.0),
            bus_ms: delay(10.0),
        };
        let saved = saved::save(&portfolio, &config.account.account, UID, START_MS)?;
        Ok(Self {
            set,
            seed,
            portfolio,
            path,
            saved,
            config,
        })
    }

    /// Runs it, with the guardian leading or not.
    ///
    /// # Errors
    /// [`SimError`] when the books of machines and venue differ in the end.
    pub fn run(&self, protected: bool) -> Result<CrashOutcome, SimError> {
        let (engine, account) = saved::load(&self.saved)?;
        let market = CrashMarket::new(
            Arc::clone(&self.path),
            self.portfolio.starts.clone(),
            START_MS,
            format!("crash {:?} {}", self.set, self.seed),
            Rng::new(self.seed, 1_000 + self.set as u64),
        );
        let venue = Resumed {
            engine,
            account,
            coordinated: protected,
            deserted: self.portfolio.deserted.clone(),
        };
        let mut sim = Sim::resume(self.config.clone(), Box::new(market), venue)?;
        sim.notes = Some(Vec::new());
        let start = sim.at_venue();
        let mut o = CrashOutcome::begun(self.set, self.seed, protected, start.ratio());
        o.workers = self.portfolio.minded();
        o.fall = self.path.fall;
        o.fall_s = self.path.fall_s;
        o.shrink = self.path.shrink;
        let mut seen = vec![start];
        for second in 0..=self.path.seconds() as i64 {
            let mark_ms = START_MS + second * 1_000;
            while sim.step(mark_ms - 1) {}
            let before = sim.at_venue();
            seen.push(before);
            if o.overshoot.is_none() {
                o.overshoot = self.overshoot(second as usize, &before);
            }
            while sim.step(mark_ms) {}
            let now = sim.at_venue();
            seen.push(now);
            if sim.liquidated() {
                o.liquidated_at_s = Some(second);
                break;
            }
            if now.gross.is_zero() {
                break;
            }
        }
        sim.settle();
        seen.push(sim.at_venue());
        o.finish(&sim, &seen);
        if protected && o.liquidated_at_s.is_none() {
            sim.check_positions()?;
        }
        o.broken = rules::broken(&self.portfolio, &sim, &seen, &o);
        Ok(o)
    }

    fn marks(&self, second: usize) -> [Decimal; CONTRACTS] {
        let m = self.path.at_second(second);
        std::array::from_fn(|i| CrashMarket::mark(&self.portfolio.starts[i], m[i]))
    }

    /// Whether the next tick takes the account, as it is held now, from above the critical ratio to liquidation. Nothing of
    /// what happens then is looked at.
    fn overshoot(&self, second: usize, now: &watch::Account) -> Option<Overshoot> {
        let distance = now.ratio();
        if distance <= self.config.account.critical_margin_ratio || now.gross.is_zero() {
            return None;
        }
        let marks = self.marks(second);
        let (mut moved, mut maintenance) = (Decimal::ZERO, Decimal::ZERO);
        for (i, s) in self.portfolio.starts.iter().enumerate() {
            let qty = Decimal::from(now.lots[i]) * s.spec.instrument.step;
            if qty.is_zero() {
                continue;
            }
            moved -= qty * (marks[i] - now.marks[i]);
            let notional = qty.abs() * marks[i];
            maintenance += maintenance_margin(&s.spec.brackets, notional)?;
        }
        (now.balance - moved <= maintenance).then(|| Overshoot {
            second,
            distance,
            moved: moved * Decimal::ONE_HUNDRED / now.gross,
        })
    }
}

/// The account's and the strategy's parameters: the schema's, with what would hide the ladder out of the way.
fn config(p: &Portfolio) -> SimConfig {
    let mut s: StrategyParams = quickstart();
    s.suspend = true;
    s.signals.nobi_trigger_threshold = 1.0;
    s.exits.max_hold_seconds = 7 * 86_400;
    s.exits.on_opposite_signal = OnOppositeSignal::Ignore;
    s.risk.atr.bar_seconds = 900;
    let names = p.starts.iter();
    let names: Vec<String> = names
        .map(|s| s.spec.instrument.symbol.to_string())
        .collect();
    let mut strategy = SimStrategy::over("default/crash", s, &names);
    strategy.uid = UID.into();
    let mut config = SimConfig::new(vec![strategy]);
    config.account.max_daily_loss_percent = Decimal::ONE_HUNDRED;
    config.account.max_drawdown_percent = Decimal::ONE_HUNDRED;
    config
}
