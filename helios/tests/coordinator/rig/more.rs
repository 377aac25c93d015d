//! More of a rig: what a person does to it, edits, spans that must be free of new risk, and clients of NATS that are none of
//! the roles.

use super::check::{Ban, new_risk};
use super::clock::{Ns, now};
use super::role::{Role, Seen};
use super::{Rig, Setup, wait};
use crate::common::text;
use helios_bus::nats::{NatsBus, NatsConfig, NatsError};
use helios_bus::typed::AccountBus;
use helios_bus::{Bus, Message};
use helios_core::messages::Fence;
use rust_decimal::Decimal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Output;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Longest that something may take which is not measured.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Positions come by themselves and are held under far stops for as long as a test lasts.
pub fn holding() -> Setup {
    Setup {
        exits: "maxHoldSeconds: 86400, onOppositeSignal: Ignore",
        risk: "sizing: Probe, costGate: \"Off\", atr: {barSeconds: 60, period: 14, multiplier: \"20\"}, protections: {maxConsecutiveLosses: 0}",
        ..Setup::default()
    }
}

/// Whether a snapshot names a latch.
pub fn latched(snapshot: &Value, name: &str) -> bool {
    let all = snapshot["latches"].as_array();
    all.is_some_and(|all| all.iter().any(|l| l == name))
}

/// A number of a JSON line.
pub fn number(v: &Value, key: &str) -> u64 {
    v[key].as_u64().unwrap_or(0)
}

impl Rig {
    /// Asks as a person does: again when told to, because the lead was lost meanwhile (a disk that hangs for seconds is
    /// enough). Panics unless it is done within [`PATIENCE`].
    pub fn person(&self, args: &[&str]) {
        let mut said = String::new();
        let done = wait("a person's request", PATIENCE, || {
            let o: Output = self.admin(args);
            said = format!("{}{}", text(&o.stdout), text(&o.stderr));
            let again = !o.status.success() && said.contains("ask again");
            if again {
                eprintln!("{args:?}: {said}");
            }
            (!again).then_some(o.status.success())
        });
        assert_eq!(done, Some(true), "{args:?}: {said}");
    }

    /// Edits the manifest as an editor does: beside, then renamed.
    pub fn edit(&self, f: impl FnOnce(String) -> String) {
        let before = std::fs::read_to_string(&self.manifest).unwrap();
        let after = f(before.clone());
        assert_ne!(before, after);
        let beside = self.path("account.new");
        std::fs::write(&beside, after).unwrap();
        std::fs::rename(beside, &self.manifest).unwrap();
    }

    /// The epoch of the newest snapshot.
    pub fn epoch(&self) -> u64 {
        self.snapshot().map_or(0, |s| number(&s.value, "epoch"))
    }

    /// The first snapshot read since a moment for which `wanted` holds.
    pub fn when(&self, what: &str, since: Ns, wanted: impl Fn(&Value) -> bool) -> Seen {
        let look = || {
            let all = self.coordinators.iter().flat_map(|c| c.history(since));
            all.filter(|s| wanted(&s.value)).min_by_key(|s| s.at)
        };
        wait(what, PATIENCE, look).unwrap_or_else(|| {
            let last = self.snapshot().map(|s| s.value);
            panic!("{what}: {last:?}")
        })
    }

    /// Positions that are none of zero.
    pub fn held(&self) -> BTreeMap<String, Decimal> {
        let mut all = self.venue.positions();
        all.retain(|_, qty| !qty.is_zero());
        all
    }

    /// Waits for a position that its worker knows to be under a stop; returns its symbol.
    pub fn wait_held(&self) -> String {
        let look = || {
            let held = self.held();
            let safe = |s: &&String| {
                let r = self.report(s);
                r.is_some_and(|r| {
                    r.value["view"]["anchorConfirmed"] == true && r.value["view"]["position"] != "0"
                })
            };
            held.keys().find(safe).cloned()
        };
        wait("protected position", PATIENCE, look).expect("nothing is held")
    }

    /// Kills both coordinators, does something while none is there, and lets them start again; returns when they were killed.
    pub fn while_down(&self, f: impl FnOnce()) -> Ns {
        for c in &self.coordinators {
            c.hold(true);
        }
        let at = self.coordinators.iter().map(Role::kill).max().unwrap();
        let down = || {
            let mut all = self.coordinators.iter();
            all.all(|c| c.pid().is_none()).then_some(())
        };
        wait("end of both", PATIENCE, down).unwrap();
        f();
        for c in &self.coordinators {
            c.hold(false);
        }
        at
    }

    /// Panics when an order or a fill added exposure in a span.
    pub fn no_risk(&self, from: Ns, to: Ns, why: &str) {
        assert!(from < to, "{why}: nothing to look at");
        let ban = Ban {
            from,
            to,
            symbol: None,
            why: why.into(),
        };
        let broken = new_risk(&self.venue.audit(), &[ban]);
        assert!(broken.is_empty(), "{}", broken.join("\n"));
    }

    /// Panics when a worker said in a span that it may take risk.
    pub fn no_grant(&self, from: Ns, to: Ns, why: &str) {
        for w in self.workers.values() {
            let said = w.history(from).into_iter().filter(|s| s.at < to);
            for s in said {
                assert_ne!(s.value["view"]["granted"], true, "{why}: {}", s.value);
            }
        }
    }

    /// Panics when a worker's epoch ever went down.
    pub fn epochs_only_rise(&self) {
        for w in self.workers.values() {
            for life in w.lives() {
                let mut last = 0;
                let said = w.history(life.from).into_iter();
                for s in said.filter(|s| s.at < life.to) {
                    let epoch = number(&s.value, "epoch");
                    assert!(epoch >= last, "{}: {epoch} after {last}", w.name());
                    last = epoch;
                }
            }
        }
    }

    /// Waits for an entry after a moment.
    pub fn wait_entry(&self, since: Ns) {
        let traded = wait("entry", PATIENCE, || {
            (self.entries(since) > 0).then_some(())
        });
        assert!(traded.is_some(), "trading did not go on");
    }

    /// Every process lives its first life.
    pub fn nobody_crashed(&self) {
        for r in self.coordinators.iter().chain(self.workers.values()) {
            assert_eq!(r.lives().len(), 1, "{} ended:\n{}", r.name(), r.log());
        }
    }
}

/// What a client has heard, with when.
pub type Heard<T> = Arc<Mutex<Vec<(Ns, T)>>>;

/// A copy of it.
pub fn heard<T: Clone>(h: &Heard<T>) -> Vec<(Ns, T)> {
    h.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// A client of NATS that is none of the roles.
pub struct Client {
    runtime: tokio::runtime::Runtime,
    pub bus: Arc<NatsBus>,
}

impl Client {
    /// # Errors
    /// The server does not let it in.
    pub fn connect(config: NatsConfig) -> Result<Self, NatsError> {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let bus = runtime.block_on(NatsBus::connect(config))?;
        let bus = Arc::new(bus);
        Ok(Self { runtime, bus })
    }

    pub fn account(&self) -> AccountBus {
        AccountBus::new(self.bus.clone(), super::ACCOUNT)
    }

    pub fn block<T>(&self, f: impl Future<Output = T>) -> T {
        self.runtime.block_on(f)
    }

    /// Runs beside the test.
    pub fn spawn<T: Send + 'static>(
        &self,
        f: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.runtime.spawn(f)
    }

    /// Publishes; returns whether the client's side took it.
    pub fn publish(&self, subject: &str, payload: &[u8]) -> bool {
        let payload = bytes::Bytes::copy_from_slice(payload);
        self.block(self.bus.publish(subject, payload)).is_ok()
    }

    /// Everything on a pattern from now on.
    pub fn hear(&self, pattern: &str) -> Heard<Message> {
        let mut messages = self.block(self.bus.subscribe(pattern)).unwrap();
        let all: Heard<Message> = Arc::default();
        let to = all.clone();
        self.runtime.spawn(async move {
            while let Some(m) = messages.next().await {
                to.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push((now(), m));
            }
        });
        all
    }

    /// Every fence from now on.
    pub fn fences(&self) -> Heard<Fence> {
        let account = self.account();
        let all: Heard<Fence> = Arc::default();
        let to = all.clone();
        self.runtime.spawn(async move {
            let mut fences = account.fences().await.unwrap();
            while let Some((f, _)) = fences.next().await {
                to.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push((now(), f));
            }
        });
        all
    }
}
