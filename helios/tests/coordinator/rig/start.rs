//! How a rig comes up: what is run, and each role's arguments in one place. Coordinators that share a state and a lock are
//! a pair; a test that wants two leaders gives each its own. Tokens, where NATS asks for them, are more arguments.

use super::clock::now;
use super::nats::Nats;
use super::role::Role;
use super::venue::Venue;
use super::{Rig, wait};
use helios_bus::testing::free_port;
use helios_crds::Limits;
use std::collections::BTreeMap;
use std::time::Duration;

/// Everything up, the first grant included; builds and other tests share the machine.
const START: Duration = Duration::from_secs(60);

/// What is run. The default trades busily.
#[derive(Clone, Debug)]
pub struct Setup {
    pub symbols: &'static [&'static str],
    pub speed: u32,
    pub seed: u64,
    pub balance: u32,
    pub max_gross_leverage: &'static str,
    /// More of the account's `limits`, a YAML flow map's inside.
    pub limits: &'static str,
    /// `signals`, `risk` and `exits`, YAML flow maps.
    pub signals: &'static str,
    pub risk: &'static str,
    pub exits: &'static str,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            symbols: &["BTCUSDT", "ETHUSDT", "SOLUSDT"],
            speed: 15,
            seed: 7,
            balance: 10_000,
            max_gross_leverage: "2",
            limits: "maxDailyLossPercent: \"100\", maxDrawdownPercent: \"100\"",
            signals: "nobiTriggerThreshold: \"0.3\", cooldownSeconds: 5, model: {mode: \"Off\"}",
            risk: "sizing: Probe, costGate: \"Off\", atr: {barSeconds: 60, period: 14, multiplier: \"2\"}, protections: {maxConsecutiveLosses: 0}",
            exits: "maxHoldSeconds: 60",
        }
    }
}

impl Setup {
    /// The account's limits, what is not said by default.
    pub fn limits(&self) -> Limits {
        let all = helios_crds::manifest::parse(&[("rig".into(), self.manifest())]).unwrap();
        all.accounts[0].object.spec.limits.clone()
    }

    fn manifest(&self) -> String {
        format!(
            "apiVersion: helios.trading/v1alpha1\nkind: HeliosAccount\nmetadata: {{name: paper}}\nspec:\n  venue: Simulated\n  environment: Paper\n  \
limits: {{maxGrossLeverage: \"{}\", {}}}\n---\n\
apiVersion: helios.trading/v1alpha1\nkind: HeliosStrategy\nmetadata: {{name: nobi}}\nspec:\n  accountRef: {{name: paper}}\n  \
watchlist: {{symbols: [{}]}}\n  signals: {{{}}}\n  risk: {{{}}}\n  exits: {{{}}}\n",
            self.max_gross_leverage,
            self.limits,
            self.symbols.join(", "),
            self.signals,
            self.risk,
            self.exits
        )
    }
}

impl Rig {
    /// Venue and NATS alone.
    pub fn bare(setup: Setup) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("helios-rig-")
            .tempdir()
            .unwrap();
        let manifest = dir.path().join("account.yaml");
        std::fs::write(&manifest, setup.manifest()).unwrap();
        let args = [
            ("--speed", setup.speed.to_string()),
            ("--seed", setup.seed.to_string()),
            ("--edge", "0.5".into()),
            ("--balance", setup.balance.to_string()),
        ];
        let args = args.into_iter().flat_map(|(k, v)| [k.to_string(), v]);
        let venue = Venue::start(dir.path(), args.collect());
        Self {
            workers: BTreeMap::new(),
            coordinators: Vec::new(),
            nats: Nats::start(),
            venue,
            setup,
            metrics: Vec::new(),
            manifest,
            dir,
        }
    }

    /// Everything, and every worker has been granted.
    pub fn start(setup: Setup) -> Self {
        let mut rig = Self::bare(setup);
        rig.start_coordinators();
        rig.start_workers(&[]);
        let t0 = now();
        if let Err(why) = rig.all_granted(t0, START) {
            panic!("it does not start: {why}");
        }
        rig
    }

    /// Coordinators `a` and `b`; returns when one leads and knows the account.
    pub fn start_coordinators(&mut self) {
        for name in ["a", "b"] {
            self.add_coordinator(name, "state", "leader.json", &[]);
        }
        let leads = wait("leader", START, || {
            self.snapshot().filter(|s| s.value["known"] == true)
        });
        assert!(leads.is_some(), "nobody leads");
    }

    /// Starts a coordinator; state and lock are names in the rig's directory.
    pub fn add_coordinator(&mut self, name: &str, state: &str, lock: &str, more: &[String]) {
        let metrics = format!("127.0.0.1:{}", free_port());
        let mut args = self.common("coordinator", name);
        args.extend(["--identity".into(), name.into()]);
        args.extend(["--state".into(), self.path(state).display().to_string()]);
        args.extend(["--lock".into(), self.path(lock).display().to_string()]);
        args.extend(["--metrics".into(), metrics.clone()]);
        args.extend_from_slice(more);
        let role = Role::start(name, self.dir.path(), move |_| args.clone());
        self.metrics.push(metrics);
        self.coordinators.push(role);
    }

    /// Starts a worker for each symbol.
    pub fn start_workers(&mut self, more: &[String]) {
        for symbol in self.setup.symbols {
            let mut args = self.common("worker", symbol);
            args.extend(["--symbol".into(), (*symbol).into()]);
            args.extend_from_slice(more);
            // Each life is a task of its own.
            let role = Role::start(symbol, self.dir.path(), move |life| {
                let task = format!("worker-{symbol}-{life}");
                [&args[..], &["--task-uid".into(), task]].concat()
            });
            self.workers.insert((*symbol).into(), role);
        }
    }

    /// What every role of the account is told.
    fn common(&self, role: &str, name: &str) -> Vec<String> {
        let logs = self.path(&format!("logs-{name}"));
        let mut args = vec![role.into(), self.manifest.display().to_string()];
        args.push("--json".into());
        let keys = self.venue.credentials.display().to_string();
        args.extend(["--credentials-file".into(), keys]);
        args.extend(["--nats".into(), self.nats.url()]);
        args.extend(["--logs".into(), logs.display().to_string()]);
        args
    }
}
