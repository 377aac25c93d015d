//! One account and one strategy on a small API server, and an operator that looks at them when the test says so.

use super::api::{self, Refusal, Shared};
use crate::board::Board;
use crate::config::{OperatorConfig, Patience, PodSettings};
use crate::events::{Note, Notes};
use crate::facts::*;
use crate::lead::Lead;
use crate::metrics::Metrics;
use crate::reconcile::{Context, reconcile_at};
use crate::writer::Writer;
use helios_core::messages::{AccountSnapshot, Health, ParamsDocument, WorkerHealth};
use helios_core::plan::worker_name;
use helios_crds::kube::{AccountStatus, Condition, StrategyStatus};
use helios_lease::Leadership;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

pub const FIVE: [&str; 5] = ["ADAUSDT", "BNBUSDT", "BTCUSDT", "ETHUSDT", "XRPUSDT"];
pub const NOBI: &str = "heliosstrategies/nobi";
pub const PAPER: &str = "heliosaccounts/paper";
pub const PARAMS: &str = "configmaps/hs-nobi";
pub const DEPLOYMENT: &str = "deployments/hc-paper";

pub struct Bench {
    pub ctx: Context,
    pub api: Shared,
    pub now: u64,
    pub wall_ms: i64,
    /// The coordinator's newest word; said again whenever time passes, unless it is silent.
    pub snapshot: Option<AccountSnapshot>,
    pub silent: bool,
    /// When the last look wants the next one.
    pub wake: u64,
    pub notes: mpsc::Receiver<Note>,
    /// What the leader lock says.
    pub lock: watch::Sender<Leadership>,
}

/// This process leads, for as long as it says so.
pub fn leads(transitions: u64, until_ns: u64) -> Leadership {
    Leadership::Leader {
        transitions,
        until_ns,
        waited_out: true,
    }
}

/// Now and then it is looked whether the lock is there, whatever else happens.
pub fn but_the_lock(mut asked: Vec<String>) -> Vec<String> {
    asked.retain(|a| a != "get leases/hc-paper");
    asked
}

/// How many of these requests were made.
pub fn count(asked: &[String], prefix: &str) -> usize {
    asked.iter().filter(|a| a.starts_with(prefix)).count()
}

pub fn pod(symbol: &str) -> String {
    format!("pods/{}", worker_name("t/paper", symbol))
}

pub fn object(kind: &str, name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "helios.trading/v1alpha1", "kind": kind,
        "metadata": {"name": name, "namespace": "t", "generation": 1, "creationTimestamp": "2027-01-01T00:00:00Z"},
        "spec": spec,
    })
}

impl Bench {
    /// An account and a strategy have just been applied.
    pub fn new() -> Self {
        let (client, api) = api::start();
        let metrics = Arc::new(Metrics::new().unwrap());
        let (sender, notes) = mpsc::channel(1000);
        let (lock, shown) = watch::channel(leads(1, u64::MAX));
        let mut b = Self {
            ctx: operator(client, metrics, sender, Lead::new(shown)),
            api,
            now: 1_000_000,
            wall_ms: 1_800_000_000_000,
            snapshot: None,
            silent: false,
            wake: 0,
            notes,
            lock,
        };
        b.put("HeliosAccount", PAPER, json!({"venue": "Simulated"}));
        b.put(
            "HeliosStrategy",
            NOBI,
            json!({"accountRef": {"name": "paper"}}),
        );
        let mut i = b.ctx.index.lock().unwrap();
        i.account(News::Complete);
        i.strategy(News::Complete);
        i.pod(News::Complete, 0);
        i.document(News::Complete);
        i.node(News::Listed("n1".into(), NodeFact { heard: true }), 0);
        i.node(News::Complete, 0);
        for kind in OwnedKind::ALL {
            i.owned(kind, News::Complete);
        }
        drop(i);
        b.sees();
        b
    }

    /// It is settled: the coordinators are ready, five workers trade.
    pub async fn trading() -> Self {
        let mut b = Self::new();
        b.settle().await;
        b.coordinators_are_ready(2);
        b.wants(&FIVE);
        b.settle().await;
        b.workers_are_ready();
        b.settle().await;
        assert_eq!(b.condition("Ready").reason, "Trading");
        b
    }

    /// The account has been made ready for a strategy, and that one is gone.
    pub async fn without_strategies() -> Self {
        let mut b = Self::new();
        b.settle().await;
        b.gone(NOBI);
        b.gone(PARAMS);
        b
    }

    /// The operator dies, and another one begins.
    pub fn restart(&mut self) {
        self.ctx.memories = Mutex::default();
    }

    pub fn put(&self, kind: &str, key: &str, spec: Value) {
        let name = key.split_once('/').unwrap().1;
        self.api.lock().unwrap().put(key, object(kind, name, spec));
    }

    pub fn change(&self, key: &str, change: impl FnOnce(&mut Value)) {
        self.api.lock().unwrap().change(key, change);
    }

    /// A person edits the spec.
    pub fn edit(&self, key: &str, change: impl FnOnce(&mut Value)) {
        self.change(key, |o| {
            change(&mut o["spec"]);
            o["metadata"]["generation"] = json!(o["metadata"]["generation"].as_i64().unwrap() + 1);
        });
    }

    /// The same: a parameter that workers take over while they run.
    pub fn commits_threshold(&self, nobi: &str) {
        self.edit(NOBI, |s| {
            s["signals"] = json!({"nobiTriggerThreshold": nobi})
        });
    }

    /// A person deletes an object that has finalizers.
    pub fn delete(&self, key: &str) {
        let t = k8s_openapi::jiff::Timestamp::from_second(self.wall_ms / 1000).unwrap();
        self.change(key, |o| {
            o["metadata"]["deletionTimestamp"] = json!(t.to_string())
        });
    }

    /// Something is gone: a pod has ended, or somebody deleted it.
    pub fn gone(&self, key: &str) {
        assert!(
            self.api.lock().unwrap().objects.remove(key).is_some(),
            "{key}"
        );
    }

    pub fn get(&self, key: &str) -> Option<Value> {
        self.api.lock().unwrap().objects.get(key).cloned()
    }

    pub fn refuse(&self, what: &str, code: u16, reason: &'static str, words: &'static str) {
        let refusal = Refusal::Says(code, reason, words);
        self.api
            .lock()
            .unwrap()
            .refuses
            .push((what.into(), refusal));
    }

    pub fn refuse_nothing(&self) {
        self.api.lock().unwrap().refuses.clear();
    }

    /// All pods that stand at the API server.
    pub fn pods(&self) -> Vec<String> {
        let api = self.api.lock().unwrap();
        let pods = api.objects.keys().filter(|k| k.starts_with("pods/"));
        pods.cloned().collect()
    }

    pub fn coordinators_are_ready(&self, n: i32) {
        self.change(DEPLOYMENT, |d| d["status"]["readyReplicas"] = json!(n));
    }

    /// The coordinator chose these symbols.
    pub fn wants(&mut self, symbols: &[&str]) {
        let mut s = self.snapshot.take().unwrap_or_default();
        let symbols = symbols.iter().map(ToString::to_string).collect();
        (s.epoch, s.known, s.equity) = (s.epoch.max(1), true, 10_000.into());
        s.holder = "hc-paper-0".into();
        s.wanted.insert("t/nobi".into(), symbols);
        self.says(s);
    }

    /// The coordinator says this.
    pub fn says(&mut self, mut s: AccountSnapshot) {
        // The first word ever heard counts as old.
        for _ in 0..2 {
            s.seq += 1;
            self.ctx.board.hear("t/paper", s.clone(), self.now, 15_000);
        }
        self.snapshot = Some(s);
    }

    pub fn heard(&mut self, change: impl FnOnce(&mut AccountSnapshot)) {
        let mut s = self.snapshot.take().unwrap();
        change(&mut s);
        self.says(s);
    }

    /// What the coordinator hears of a worker.
    pub fn worker(&mut self, symbol: &str, change: impl FnOnce(&mut WorkerHealth)) {
        self.heard(|s| {
            let workers = &mut s.health.get_or_insert_with(Health::default).workers;
            change(workers.entry(symbol.into()).or_default());
        });
    }

    /// One pod runs on node n1 and is ready, or not.
    pub fn pod_runs(&self, key: &str, ready: bool) {
        self.change(key, |p| {
            p["spec"]["nodeName"] = json!("n1");
            let ready = if ready { "True" } else { "False" };
            p["status"] =
                json!({"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]});
        });
    }

    /// All workers run the parameters that stand published.
    pub fn workers_are_ready(&mut self) {
        let order = self.published().order();
        for key in self.pods() {
            self.pod_runs(&key, true);
            let p = self.get(&key).unwrap();
            let symbol = p["metadata"]["annotations"]["helios.trading/symbol"].clone();
            let uid = p["metadata"]["uid"].as_str().unwrap().to_string();
            self.worker(symbol.as_str().unwrap(), |w| {
                (w.task_uid, w.strategy, w.ready) = (uid, "t/nobi".into(), true);
                w.params = order;
            });
        }
    }

    /// The document that stands published.
    pub fn published(&self) -> ParamsDocument {
        let map = self.get(PARAMS).unwrap();
        serde_json::from_str(map["data"]["params.json"].as_str().unwrap()).unwrap()
    }

    /// Time passes. A coordinator that is not silent goes on talking.
    pub fn after(&mut self, ms: u64) {
        self.now += ms;
        self.wall_ms += i64::try_from(ms).unwrap();
        if let Some(s) = self.snapshot.clone().filter(|_| !self.silent) {
            self.says(s);
        }
    }

    /// A node is heard of again, or no more.
    pub fn node(&self, heard: bool) {
        let news = News::Changed("n1".into(), NodeFact { heard });
        self.ctx.index.lock().unwrap().node(news, self.now);
    }

    /// One look, by what the watches brought last. Returns what was asked of the API server, in order.
    pub async fn look_blind(&mut self) -> Vec<String> {
        self.wake = reconcile_at(&self.ctx, "t/paper", self.now, self.wall_ms / 1000).await;
        assert!(self.wake > self.now, "no look asks for another at once");
        let asked = std::mem::take(&mut self.api.lock().unwrap().asked);
        for (what, body) in asked.iter().filter(|(w, _)| w.starts_with("status ")) {
            self.check_conditions(what, &body["status"]);
        }
        asked.into_iter().map(|(what, _)| what).collect()
    }

    /// Whatever a status says, it names every condition, and the generation that each speaks about.
    fn check_conditions(&self, what: &str, status: &Value) {
        let object = self.get(what.trim_start_matches("status ")).unwrap();
        let generation = &object["metadata"]["generation"];
        let conditions = object["status"]["conditions"].as_array().unwrap();
        let types: Vec<&str> = conditions
            .iter()
            .map(|c| c["type"].as_str().unwrap())
            .collect();
        assert_eq!(types, crate::conditions::TYPES, "{what}");
        for c in conditions {
            assert_eq!(&c["observedGeneration"], generation, "{what}");
            assert!(c["reason"].as_str().is_some_and(|r| !r.is_empty()));
        }
        assert_eq!(&object["status"]["observedGeneration"], generation);
        assert_ne!(*status, json!({}), "an empty patch is none");
    }

    /// The watches bring what is new, then one look.
    pub async fn look(&mut self) -> Vec<String> {
        self.sees();
        but_the_lock(self.look_blind().await)
    }

    /// Looks once a second until nothing is asked any more.
    pub async fn settle(&mut self) {
        for _ in 0..20 {
            if self.look().await.is_empty() {
                return;
            }
            self.after(1000);
        }
        panic!("it does not settle: {:?}", self.look().await);
    }

    pub fn status(&self) -> StrategyStatus {
        serde_json::from_value(self.get(NOBI).unwrap()["status"].clone()).unwrap()
    }

    pub fn account_status(&self) -> AccountStatus {
        serde_json::from_value(self.get(PAPER).unwrap()["status"].clone()).unwrap()
    }

    /// A condition of the strategy.
    pub fn condition(&self, type_: &str) -> Condition {
        let all = self.status().conditions;
        all.into_iter().find(|c| c.type_ == type_).unwrap()
    }

    /// A condition of the account.
    pub fn account_condition(&self, type_: &str) -> Condition {
        let all = self.account_status().conditions;
        all.into_iter().find(|c| c.type_ == type_).unwrap()
    }
}

fn operator(
    client: kube::Client,
    metrics: Arc<Metrics>,
    notes: mpsc::Sender<Note>,
    lead: Lead,
) -> Context {
    Context {
        config: OperatorConfig {
            namespace: None,
            identity: "test".into(),
            lease_namespace: "t".into(),
            lease: "helios-operator".into(),
            pods: PodSettings::default(),
            patience: Patience::default(),
            concurrency: 8,
        },
        index: Arc::default(),
        board: Arc::new(Board::default()),
        writer: Writer::new(client, 8, Duration::from_secs(10), metrics.clone(), lead),
        notes: Notes::heard_by(notes),
        metrics,
        memories: Mutex::default(),
    }
}
