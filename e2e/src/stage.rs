//! A stage: one namespace with Helios' own programs beside it, for a scenario on fake nodes.
//!
//! The operator makes pods, and in kwok's pods nothing runs. So real processes on this host speak for them: one coordinator for
//! each account, which trades on a simulated venue of its own, and one `helios worker --listen-only` that takes and acknowledges
//! parameters for every worker pod that is ready. All talk over a NATS server of the stage. Everything ends with the stage.

mod cast;
mod look;
mod mount;
mod rights;
mod run;
mod voices;

pub use run::{Running, helios, nats_server};

use crate::cluster::ControlPlane;
use crate::namespace::Namespace;
use anyhow::{Context, Result};
use kube::Client;
use mount::Mount;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use tokio::sync::Mutex;
use voices::Voices;

/// Namespace of the operators' service accounts and leases.
const HOME: &str = "default";

/// One scenario's world.
pub struct Stage<'a> {
    /// The control plane.
    pub cluster: &'a ControlPlane,
    /// A client of the administrator.
    pub client: Client,
    /// Name of the namespace.
    pub ns: String,
    /// Operators, in the order in which they were started.
    pub operators: Vec<Running>,
    /// Venue and coordinator of each account.
    pub accounts: BTreeMap<String, Desk>,
    nats: Running,
    nats_url: String,
    files: PathBuf,
    voices: Option<Voices>,
    traders: Vec<Running>,
    /// Of its own, the chart's manifests that were applied.
    applied: Vec<PathBuf>,
    mounts: Vec<Mount>,
    /// Where the audit log ended when it began; none in an existing cluster.
    mark: Option<u64>,
    // Last: its programs end before the namespace is deleted.
    namespace: Namespace<'a>,
}

impl std::fmt::Debug for Stage<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stage({})", self.ns)
    }
}

/// What runs for an account.
#[derive(Debug)]
pub struct Desk {
    /// Its venue.
    pub venue: Running,
    /// Address of its venue.
    pub url: String,
    /// Its coordinators, in the order in which they were started.
    pub coordinators: Vec<Running>,
    /// Key of the venue.
    keys: Keys,
}

/// From where coordinators and workers of an account have the venue's key.
#[derive(Debug)]
enum Keys {
    /// A file that the venue wrote.
    File(PathBuf),
    /// The account's Secret, mounted.
    Secret(Mount),
}

impl Keys {
    fn arg(&self) -> String {
        match self {
            Self::File(f) => format!("--credentials-file={}", f.display()),
            Self::Secret(m) => format!("--credentials-dir={}", m.dir().display()),
        }
    }
}

/// The kinds, installed once in each cluster: a scenario may have changed them since.
async fn kinds(cluster: &ControlPlane) -> Result<()> {
    static DONE: Mutex<BTreeSet<PathBuf>> = Mutex::const_new(BTreeSet::new());
    let mut done = DONE.lock().await;
    if done.contains(cluster.directory()) {
        return Ok(());
    }
    let charts = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../charts/helios-crds/templates"
    );
    cluster.kubectl(&["apply", "--server-side", "-f", charts])?;
    let established = [
        "wait",
        "--for=condition=Established",
        "crd",
        "heliosaccounts.helios.trading",
        "heliosstrategies.helios.trading",
    ];
    cluster.kubectl(&established)?;
    done.insert(cluster.directory().to_owned());
    Ok(())
}

impl<'a> Stage<'a> {
    /// A namespace, the kinds, NATS; nothing of Helios yet.
    pub async fn new(cluster: &'a ControlPlane, name: &str) -> Result<Stage<'a>> {
        kinds(cluster).await?;
        let namespace = cluster.namespace(name).await?;
        let ns = namespace.name().to_owned();
        let files = cluster.directory().join(&ns);
        std::fs::create_dir_all(&files)?;
        let port = run::free_port()?;
        let nats = run::nats_server()?;
        let args = [
            "-js",
            "-a",
            "127.0.0.1",
            "-p",
            &port.to_string(),
            "-sd",
            &files.join("js").display().to_string(),
        ];
        let nats = run::start(cluster, &format!("{ns}-nats"), nats, &args, Vec::new())?;
        // Elsewhere, as an operator of a cluster is: it must outlive the namespace.
        let rights = rights::give(cluster, &ns, &files)?;
        Ok(Self {
            client: cluster.client().await?,
            cluster,
            ns,
            operators: Vec::new(),
            accounts: BTreeMap::new(),
            nats,
            nats_url: format!("nats://127.0.0.1:{port}"),
            files,
            voices: None,
            traders: Vec::new(),
            applied: vec![rights],
            mounts: Vec::new(),
            mark: cluster.audit_mark().ok(),
            namespace,
        })
    }

    /// User name of the stage's operators in the audit log.
    pub fn operator_user(&self) -> String {
        format!("system:serviceaccount:{HOME}:{}-operator", self.ns)
    }

    /// Where the stage's NATS server listens.
    pub fn nats_url(&self) -> &str {
        &self.nats_url
    }

    /// Where the stage's files are.
    pub fn files(&self) -> &std::path::Path {
        &self.files
    }

    /// Starts one more program beside the stage, which ends with its value; `name` is that of its log.
    pub fn program(
        &self,
        name: &str,
        path: PathBuf,
        args: &[&str],
        env: Vec<(String, String)>,
    ) -> Result<Running> {
        run::start(
            self.cluster,
            &format!("{}-{name}", self.ns),
            path,
            args,
            env,
        )
    }

    /// Applies a strategy of an account. `extra` is YAML of its spec.
    pub fn strategy(&self, name: &str, account: &str, extra: &str) -> Result<String> {
        self.apply(&format!(
            "apiVersion: helios.trading/v1alpha1\nkind: HeliosStrategy\nmetadata: {{name: {name}}}\nspec:\n  accountRef: {{name: {account}}}\n{extra}"
        ))
    }

    /// `kubectl apply` in the namespace.
    pub fn apply(&self, manifests: &str) -> Result<String> {
        let file = self.files.join("apply.yaml");
        std::fs::write(&file, manifests)?;
        self.kubectl(&["apply", "-f", &file.display().to_string()])
    }

    /// What the API server would store for new objects, in their order: admitted, judged and completed, but not kept.
    pub fn judged(&self, manifests: &str) -> Result<Vec<Value>> {
        let file = self.files.join("judged.yaml");
        std::fs::write(&file, manifests)?;
        let file = file.display().to_string();
        let told = self.kubectl(&["create", "--dry-run=server", "-o=json", "-f", &file])?;
        let objects = serde_json::Deserializer::from_str(&told).into_iter();
        objects
            .collect::<Result<_, _>>()
            .context("what kubectl told of the objects")
    }

    /// kubectl in the namespace.
    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        let all: Vec<&str> = ["-n", &self.ns].iter().chain(args).copied().collect();
        self.cluster.kubectl(&all)
    }

    /// What every program of the stage wrote last: for a scenario that failed.
    pub fn logs(&self) -> String {
        let desks = self
            .accounts
            .values()
            .flat_map(|d| d.coordinators.iter().chain([&d.venue]));
        let voices = self.voices.iter().map(Voices::speaker);
        let all = self
            .operators
            .iter()
            .chain(desks)
            .chain(voices)
            .chain(&self.traders)
            .chain([&self.nats]);
        all.map(Running::tail).collect::<Vec<_>>().join("\n")
    }

    /// The end of a scenario that went well: everything is deleted and seen to go.
    pub async fn end(self) -> Result<()> {
        self.nobody_was_refused()?;
        let Self {
            operators,
            accounts,
            voices,
            traders,
            nats,
            namespace,
            cluster,
            ns,
            applied,
            ..
        } = self;
        drop((traders, voices, accounts, operators, nats));
        // Nobody is left to take finalizers off.
        for kind in ["heliosstrategies", "heliosaccounts"] {
            let names = cluster.kubectl(&["-n", &ns, "get", kind, "-o", "name"])?;
            for name in names.lines() {
                let patch = "{\"metadata\":{\"finalizers\":null}}";
                cluster.kubectl(&["-n", &ns, "patch", name, "--type=merge", "-p", patch])?;
            }
        }
        namespace.delete().await.context("the end of the stage")?;
        applied.iter().try_for_each(|f| rights::take(cluster, f))
    }
}
