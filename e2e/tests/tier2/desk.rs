//! A desk: a scenario's own namespace, account, exchange and strategies on the shared installation.

use crate::SOON;
use crate::install::{self, Place};
use crate::pods;
use crate::venue::Venue;
use anyhow::{Context, Result, ensure};
use helios_e2e::{ControlPlane, Namespace, Node, wait_for};
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, ListParams};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::SemaphorePermit;

/// Its account.
pub const ACCOUNT: &str = "paper";
/// Its strategy, where there is one.
pub const STRATEGY: &str = "eager";

/// One life of a pod's program: the pod's uid, and how often its container was started again.
pub type Life = (String, i32);

fn life(pod: &Pod) -> Life {
    let uid = pod.metadata.uid.clone().unwrap_or_default();
    (uid, pods::restarts(pod))
}

pub struct Desk {
    pub node: &'static Node,
    pub cluster: &'static ControlPlane,
    pub client: Client,
    namespace: Namespace<'static>,
    place: Option<Place>,
    others: Option<SemaphorePermit<'static>>,
    // Given back last.
    _permit: SemaphorePermit<'static>,
}

/// How a desk begins.
#[derive(Default)]
pub struct Plan {
    /// YAML of the account's `simulated`; empty: the scenario makes its account itself.
    simulated: String,
    /// YAML of the spec of a strategy in two symbols, after the account's name.
    strategy: String,
}

impl Plan {
    /// An account whose market runs at so many seconds a second, and a strategy.
    pub fn at(speed: u32, strategy: &str) -> Self {
        Self {
            simulated: format!("{{speed: {speed}, edge: \"0.5\"}}"),
            strategy: strategy.to_owned(),
        }
    }
}

/// Enters soon and holds for long, with a stop that a market of some minutes does not reach: a position is there whenever a
/// scenario wants one.
pub const HOLDS: &str = "
  watchlist: {symbols: [BTCUSDT, ETHUSDT]}
  signals: {nobiTriggerThreshold: \"0.05\", cooldownSeconds: 0, model: {mode: \"Off\"}}
  risk: {sizing: FixedNotional, fixedNotional: \"500\", costGate: \"Off\", atr: {barSeconds: 60, multiplier: \"20\"}, protections: {maxConsecutiveLosses: 0}}
  exits: {maxHoldSeconds: 86400, onOppositeSignal: Ignore}
";
/// Enters soon and leaves soon: it trades all the time.
pub const TURNS: &str = "
  watchlist: {symbols: [BTCUSDT, ETHUSDT]}
  signals: {nobiTriggerThreshold: \"0.05\", cooldownSeconds: 0, model: {mode: \"Off\"}}
  risk: {sizing: FixedNotional, fixedNotional: \"500\", costGate: \"Off\", atr: {barSeconds: 5, multiplier: \"20\"}, protections: {maxConsecutiveLosses: 0}}
  exits: {maxHoldSeconds: 20, onOppositeSignal: Ignore}
";
/// Symbols of both.
pub const SYMBOLS: [&str; 2] = ["BTCUSDT", "ETHUSDT"];
/// The symbol of [`Desk::turns`].
pub const TURNING: &str = "SOLUSDT";

/// Runs a scenario at a desk of its own; a failure says what somebody who looks for the cause would ask first.
pub async fn scenario(name: &str, plan: Plan, act: impl AsyncFnOnce(&mut Desk) -> Result<()>) {
    if !Node::possible() {
        return;
    }
    let mut desk = Desk::open(name, &plan).await.unwrap();
    let ended = match desk.begin(&plan).await {
        Ok(()) => act(&mut desk).await,
        Err(e) => Err(e),
    };
    if let Err(e) = ended {
        panic!("{e:#}\n{}", picture(desk.cluster, desk.ns()));
    }
}

impl Desk {
    async fn open(name: &str, plan: &Plan) -> Result<Self> {
        let permit = install::desk().await?;
        let place = Place::beside().await;
        let node = install::install().await?;
        let cluster = node.cluster();
        let desk = Self {
            node,
            cluster,
            client: cluster.client().await?,
            namespace: cluster.namespace(name).await?,
            place: Some(place),
            others: None,
            _permit: permit,
        };
        if !plan.simulated.is_empty() {
            desk.account(&plan.simulated)?;
        }
        Ok(desk)
    }

    /// Applies the account. `simulated` is YAML of its field of that name.
    pub fn account(&self, simulated: &str) -> Result<()> {
        self.apply(&format!(
            "apiVersion: helios.trading/v1alpha1\nkind: HeliosAccount\nmetadata: {{name: {ACCOUNT}}}\nspec:\n  venue: Simulated\n  simulated: {simulated}\n"
        ))
        .map(drop)
    }

    async fn begin(&self, plan: &Plan) -> Result<()> {
        if plan.strategy.is_empty() {
            return Ok(());
        }
        self.strategy(STRATEGY, &plan.strategy)?;
        self.trading(STRATEGY, 2).await
    }

    /// One more strategy, which trades all the time in a symbol of its own.
    pub async fn turns(&self) -> Result<()> {
        self.strategy("turns", &TURNS.replace("BTCUSDT, ETHUSDT", TURNING))?;
        self.trading("turns", 1).await
    }

    /// Deletes the account. Its strategies are counted a moment after they are gone.
    pub async fn account_deleted(&self) -> Result<()> {
        wait_for("the account to go", SOON, async || {
            self.kubectl(&[
                "delete",
                "ha",
                ACCOUNT,
                "--ignore-not-found",
                "--timeout=60s",
            ])
            .map(drop)
        })
        .await
    }

    /// From now on nobody else is at work.
    pub async fn alone(&mut self) {
        self.place = None;
        self.place = Some(Place::alone().await);
    }

    /// From now on there is no other desk.
    pub async fn last(&mut self) -> Result<()> {
        self.place = None;
        self.others = Some(install::other_desks().await?);
        self.alone().await;
        Ok(())
    }

    pub fn ns(&self) -> &str {
        self.namespace.name()
    }

    /// kubectl in the namespace.
    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        let all: Vec<&str> = ["-n", self.ns()].iter().chain(args).copied().collect();
        self.cluster.kubectl(&all)
    }

    /// Applies manifests in the namespace.
    pub fn apply(&self, manifests: &str) -> Result<String> {
        let named = manifests.replace(
            "metadata: {name",
            &format!("metadata: {{namespace: {}, name", self.ns()),
        );
        self.cluster.apply(&named)
    }

    /// Applies a strategy of the account. `spec` is YAML of its spec.
    pub fn strategy(&self, name: &str, spec: &str) -> Result<()> {
        self.apply(&format!(
            "apiVersion: helios.trading/v1alpha1\nkind: HeliosStrategy\nmetadata: {{name: {name}}}\nspec:\n  accountRef: {{name: {ACCOUNT}}}{spec}"
        ))
        .map(drop)
    }

    /// An object, whole.
    pub fn object(&self, kind: &str, name: &str) -> Result<Value> {
        let text = self.kubectl(&["get", kind, name, "-o", "json"])?;
        Ok(serde_json::from_str(&text)?)
    }

    /// There is no such object any more.
    pub fn is_gone(&self, kind: &str, name: &str) -> Result<bool> {
        let text = self.kubectl(&["get", kind, name, "--ignore-not-found", "-o", "name"])?;
        Ok(text.trim().is_empty())
    }

    /// Waits until a strategy trades with so many workers, all with what was committed last.
    pub async fn trading(&self, strategy: &str, workers: i64) -> Result<()> {
        wait_for("the strategy to trade", SOON, async || {
            let object = self.object("heliosstrategies", strategy)?;
            let (status, generation) = (&object["status"], &object["metadata"]["generation"]);
            let all = ["wantedWorkers", "readyWorkers", "updatedWorkers"];
            ensure!(
                all.iter().all(|k| status[k].as_i64() == Some(workers))
                    && status["observedGeneration"] == *generation,
                "generation {generation}: {status}"
            );
            Ok(())
        })
        .await
    }

    async fn component(&self, component: &str) -> Result<Vec<Pod>> {
        self.component_in(self.ns(), component).await
    }

    /// Pods of a component in a namespace that are not on their way out.
    pub async fn component_in(&self, namespace: &str, component: &str) -> Result<Vec<Pod>> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let label = format!("app.kubernetes.io/component={component}");
        let pods = api.list(&ListParams::default().labels(&label)).await?;
        let staying = pods.items.into_iter();
        Ok(staying
            .filter(|p| p.metadata.deletion_timestamp.is_none())
            .collect())
    }

    /// Worker pods that are not on their way out, by symbol.
    pub async fn workers(&self) -> Result<BTreeMap<String, Pod>> {
        let pods = self.component("worker").await?.into_iter();
        let named = pods.filter_map(|p| {
            let notes = p.metadata.annotations.as_ref()?;
            Some((notes.get("helios.trading/symbol")?.clone(), p))
        });
        Ok(named.collect())
    }

    /// A symbol's worker.
    pub async fn worker(&self, symbol: &str) -> Result<Pod> {
        let mut all = self.workers().await?;
        all.remove(symbol)
            .with_context(|| format!("no worker of {symbol}"))
    }

    /// Coordinator pods that are not on their way out.
    pub async fn coordinators(&self) -> Result<Vec<Pod>> {
        self.component("coordinator").await
    }

    /// Identity of the coordinator that leads.
    pub fn leader(&self) -> Result<String> {
        let lease = self.object("lease", &format!("hc-{ACCOUNT}"))?;
        let holder = lease["spec"]["holderIdentity"].as_str();
        let holder = holder.filter(|h| !h.is_empty());
        Ok(holder.context("nobody leads")?.to_owned())
    }

    /// The coordinator that leads, and those that stand by.
    pub async fn led(&self) -> Result<(Pod, Vec<Pod>)> {
        let leader = self.leader()?;
        let leads = |p: &Pod| leader.starts_with(&format!("{}_", pods::name(p)));
        let (mut first, others) = self.coordinators().await?.into_iter().partition(leads);
        let first: Option<Pod> = Vec::pop(&mut first);
        Ok((
            first.with_context(|| format!("{leader} is no pod"))?,
            others,
        ))
    }

    /// Waits until both coordinators are ready.
    pub async fn a_standby(&self) -> Result<()> {
        wait_for("a standby that is ready", SOON, async || {
            let pods = self.coordinators().await?;
            let ready = pods.iter().filter(|p| pods::is_ready(p)).count();
            ensure!(ready == 2 && pods.len() == 2, "{ready} of {}", pods.len());
            Ok(())
        })
        .await
    }

    /// The account's exchange.
    pub async fn venue(&self) -> Result<Venue> {
        let pods = self.component("venue").await?;
        let pod = pods.first().context("no exchange yet")?;
        Venue::of_pod(pod.metadata.uid.as_deref().context("a uid")?)
    }

    /// Which life of each worker this is.
    pub async fn lives(&self) -> Result<BTreeMap<String, Life>> {
        let all = self.workers().await?.into_iter();
        Ok(all.map(|(s, p)| (s, life(&p))).collect())
    }

    /// Which life of each coordinator this is.
    pub async fn coordinator_lives(&self) -> Result<BTreeSet<Life>> {
        Ok(self.coordinators().await?.iter().map(life).collect())
    }

    /// Waits until each of these symbols has a position, with its stop, at the account's own exchange.
    pub async fn in_position(&self, symbols: &[&str]) -> Result<Venue> {
        let venue = self.venue().await?;
        venue.holds(symbols).await?;
        Ok(venue)
    }

    /// Whether a worker has permission to add risk, as it says itself.
    pub fn granted(&self, worker: &Pod) -> Result<bool> {
        Ok(pods::metric(worker, "helios_worker_granted")? > 0.0)
    }

    /// Waits until every worker has permission, or none.
    pub async fn all_granted(&self, yes: bool, limit: Duration) -> Result<()> {
        let what = if yes {
            "every worker to be permitted"
        } else {
            "no worker to be permitted"
        };
        wait_for(what, limit, async || {
            let workers = self.workers().await?;
            ensure!(!workers.is_empty(), "no workers");
            for (symbol, pod) in &workers {
                ensure!(self.granted(pod)? == yes, "{symbol} is the other way");
            }
            Ok(())
        })
        .await
    }

    /// Waits until the worker of a symbol is another than `before`, knows of a position and says that its stop stands.
    pub async fn adopted(&self, symbol: &str, before: &Life) -> Result<Pod> {
        wait_for("the position to be adopted", SOON, async || {
            let pod = self.worker(symbol).await?;
            ensure!(life(&pod) != *before, "it is the same worker still");
            ensure!(pods::is_ready(&pod), "it is not ready");
            let held = pods::metric(&pod, "helios_worker_notional")?;
            let protected = pods::metric(&pod, "helios_worker_protected")?;
            ensure!(
                held != 0.0 && protected == 1.0,
                "holds {held}, protected {protected}"
            );
            Ok(pod)
        })
        .await
    }

    /// Waits for an entry that is younger than now.
    pub async fn trades_on(&self, venue: &Venue) -> Result<()> {
        self.trades_within(venue, SOON).await
    }

    /// The same with another limit.
    pub async fn trades_within(&self, venue: &Venue, limit: Duration) -> Result<()> {
        let before = venue.openings()?.len();
        wait_for("a new entry", limit, async || {
            let now = venue.openings()?.len();
            ensure!(now > before, "{before} until now");
            Ok(())
        })
        .await
    }
}

/// What somebody who looks for the cause would ask first.
pub fn picture(cluster: &ControlPlane, namespace: &str) -> String {
    let ask = |args: &[&str]| cluster.kubectl(args).unwrap_or_else(|e| format!("{e:#}"));
    let mut all = ask(&["get", "pods,ha,hs", "-A", "-o", "wide"]);
    all += &ask(&["get", "ha,hs", "-n", namespace, "-o", "yaml"]);
    all += &ask(&["get", "events", "-n", namespace]);
    for (namespace, component) in [
        (install::RELEASE, "operator"),
        (install::RELEASE, "nats-auth"),
        (namespace, "coordinator"),
        (namespace, "worker"),
    ] {
        let label = format!("app.kubernetes.io/component={component}");
        all += &ask(&[
            "logs",
            "-n",
            namespace,
            "-l",
            &label,
            "--tail=40",
            "--prefix",
        ]);
    }
    all
}
