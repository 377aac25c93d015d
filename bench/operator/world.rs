//! What stands for the whole of the bench: control plane, bus, accounts with a venue and a coordinator each, operators.

use crate::market::{Still, name};
use crate::proxy::Proxy;
use crate::size::Size;
use crate::{kernel, keys};
use anyhow::{Context, Result, ensure};
use helios_e2e::stage::Running;
use helios_e2e::{ControlPlane, Options, Stage, helios_program, wait_for};
use helios_venue::server::{VenueConfig, VenueHandle, VenueServer};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Market seconds a wall second: the venue tells its time only to clients of an accelerated market.
const SPEED: f64 = 1.01;
/// Market seconds between two scans of the market: two of them lie in three minutes.
const RESCAN: u32 = 80;
/// Longest that a step of the preparation may take, on a busy machine.
pub const PREPARED: Duration = Duration::from_secs(120);

/// A control plane whose throttles are lifted: of the Deployment controller, which the operator is compared with, too.
pub async fn control_plane(size: Size) -> Result<ControlPlane> {
    let options = Options {
        nodes: size.nodes(),
        // Nothing here is about lost nodes, and on a busy machine none must be lost by accident.
        node_grace: Duration::from_secs(40),
        qps: 100_000,
        ..Options::default()
    };
    ControlPlane::start(options).await
}

pub struct World<'a> {
    pub size: Size,
    pub cluster: &'a ControlPlane,
    pub stage: Stage<'a>,
    pub proxy: Proxy,
    /// Operators that run, in the order in which they were started.
    pub operators: Vec<Running>,
    /// Kubeconfig of the operators, through the proxy.
    operators_access: PathBuf,
    operators_started: usize,
    peak_rss_mib: f64,
    pub coordinators: Vec<Running>,
    /// Who speaks for the workers.
    pub voices: Option<Running>,
    venues: Vec<VenueHandle>,
}

impl<'a> World<'a> {
    pub async fn start(cluster: &'a ControlPlane, size: Size) -> Result<World<'a>> {
        let stage = Stage::new(cluster, "bench").await?;
        let user = stage.operator_user();
        let (namespace, account) = operator_account(&user)?;
        let direct = cluster.kubeconfig_of(namespace, account).await?;
        let proxy = Proxy::start(&direct).await?;
        let operators_access = proxy.kubeconfig(&direct)?;
        let mut world = Self {
            size,
            cluster,
            stage,
            proxy,
            operators: Vec::new(),
            operators_access,
            operators_started: 0,
            peak_rss_mib: 0.0,
            coordinators: Vec::new(),
            voices: None,
            venues: Vec::new(),
        };
        // One leads, one stands by: so it is installed.
        world.operator()?;
        world.operator()?;
        for n in 0..size.accounts {
            world.account(n).await?;
        }
        world.scanned().await?;
        Ok(world)
    }

    pub fn ns(&self) -> &str {
        &self.stage.ns
    }

    /// Starts one more operator.
    pub fn operator(&mut self) -> Result<()> {
        let user = self.stage.operator_user();
        let (namespace, account) = operator_account(&user)?;
        let n = self.operators_started;
        self.operators_started += 1;
        let args = [
            "operator",
            &format!("--namespace={}", self.stage.ns),
            &format!("--lease-namespace={namespace}"),
            &format!("--lease={account}"),
            "--image=helios:bench",
            &format!("--coordinator-role={}-coordinator", self.stage.ns),
            &format!("--nats={}", self.stage.nats_url()),
        ];
        let env = vec![
            ("KUBECONFIG".into(), shown(&self.operators_access)),
            ("POD_NAME".into(), format!("operator-{n}")),
            ("POD_UID".into(), format!("uid-{n}")),
        ];
        let name = format!("operator-{n}");
        let started = self.stage.program(&name, helios_program()?, &args, env)?;
        self.operators.push(started);
        Ok(())
    }

    /// Place of the operator that leads.
    pub fn leader(&self) -> Result<usize> {
        let leads = |o: &Running| {
            let output = o.output();
            let word = |w: &str| output.rfind(w);
            word("INFO leads\n") > word("INFO stands by\n") && !o.ended()
        };
        let found = self.operators.iter().position(leads);
        found.context("no operator leads")
    }

    /// The most memory that any operator has had so far, MiB.
    pub fn operators_rss_mib(&mut self) -> f64 {
        let all = self.operators.iter();
        let peaks = all.filter_map(|o| kernel::peak_rss_mib(o.id()).ok());
        self.peak_rss_mib = peaks.fold(self.peak_rss_mib, f64::max);
        self.peak_rss_mib
    }

    /// Account `a<n>`: a venue in this process that lists what its strategies want and five more, a strategy that scans and
    /// gets those five, and a coordinator.
    async fn account(&mut self, n: usize) -> Result<()> {
        let listed = self.size.strategies * self.size.symbols;
        let mut config = VenueConfig::new(Box::new(Still::new(listed + 5)));
        config.speed = SPEED;
        let venue = VenueServer::start(config).await?;
        venue.start_market().await?;
        let keys = self.stage.files().join(format!("a{n}-keys.json"));
        keys::write(&keys, &venue, SPEED)?;
        let scanned: Vec<String> = (listed..listed + 5).map(name).collect();
        self.stage.apply(&format!(
            "apiVersion: helios.trading/v1alpha1\nkind: HeliosAccount\nmetadata: {{name: a{n}}}\nspec:\n  venue: Simulated\n  simulated: {{url: \"{}\", speed: 1}}\n---\n\
             apiVersion: helios.trading/v1alpha1\nkind: HeliosStrategy\nmetadata: {{name: scan-{n}}}\nspec:\n  accountRef: {{name: a{n}}}\n  watchlist: {{size: 5, rescanIntervalSeconds: {RESCAN}, include: [{}]}}\n",
            venue.rest_url(),
            scanned.join(", ")
        ))?;
        self.venues.push(venue);
        let args = [
            "coordinator",
            "--kubernetes",
            &format!("--account={}/a{n}", self.ns()),
            &format!("--nats={}", self.stage.nats_url()),
            &format!("--credentials-file={}", keys.display()),
        ];
        let env = vec![
            ("KUBECONFIG".into(), shown(self.cluster.kubeconfig_path())),
            ("POD_NAME".into(), format!("hc-a{n}-0")),
            ("POD_UID".into(), "uid-0".into()),
        ];
        let name = format!("coordinator-{n}");
        let started = self.stage.program(&name, helios_program()?, &args, env)?;
        self.coordinators.push(started);
        Ok(())
    }

    /// Waits until every account is guarded and its scanning strategy has its pods.
    async fn scanned(&self) -> Result<()> {
        for n in 0..self.size.accounts {
            let what = format!("account a{n} to be guarded");
            let waited = wait_for(&what, PREPARED, async || {
                let (_, reason, words) = self
                    .stage
                    .condition("HeliosAccount", &format!("a{n}"), "Ready")
                    .await?;
                ensure!(reason == "Guarding", "{reason}: {words}");
                let s = self
                    .stage
                    .object("HeliosStrategy", &format!("scan-{n}"))
                    .await?;
                let ready = s.unwrap_or_default()["status"]["readyWorkers"].clone();
                ensure!(
                    ready == 5,
                    "{ready} of 5 scanned symbols have a pod that is ready"
                );
                Ok(())
            });
            waited.await?;
        }
        Ok(())
    }

    /// Last words of everybody.
    pub fn logs(&self) -> String {
        let all = self
            .operators
            .iter()
            .chain(&self.coordinators)
            .chain(&self.voices);
        all.map(Running::tail).collect::<Vec<_>>().join("\n")
    }

    /// Ends all that was started; the control plane goes with what is stored in it.
    pub async fn end(self) -> Result<()> {
        drop((self.operators, self.coordinators, self.voices));
        for venue in self.venues {
            venue.shutdown().await?;
        }
        Ok(())
    }
}

/// Namespace and name of the service account of a user.
fn operator_account(user: &str) -> Result<(&str, &str)> {
    let account = user.strip_prefix("system:serviceaccount:");
    let account = account.and_then(|a| a.split_once(':'));
    account.context("operators have no service account")
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
