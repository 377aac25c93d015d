//! A stage: one namespace with Helios' own programs beside it, for a scenario on fake nodes.
//!
//! The operator makes pods, and in kwok's pods nothing runs. So real processes on this host speak for them: one coordinator for
//! each account, which trades on a simulated venue of its own, and one `helios worker --listen-only` that takes and acknowledges
//! parameters for every worker pod that is ready. All talk over a NATS server of the stage. Everything ends with the stage.

mod look;
mod run;
mod voices;

pub use run::Running;

use crate::cluster::ControlPlane;
use crate::namespace::Namespace;
use crate::wait_for;
use anyhow::{Context, Result};
use kube::Client;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::OnceCell;
use voices::Voices;

/// Service account of the stage's operators.
const OPERATOR: &str = "operator";

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
    /// Its coordinator.
    pub coordinator: Running,
}

/// The kinds, installed once for all scenarios.
async fn kinds(cluster: &ControlPlane) -> Result<()> {
    static DONE: OnceCell<()> = OnceCell::const_new();
    DONE.get_or_try_init(|| async {
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
        Ok(())
    })
    .await
    .copied()
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
        let account = format!(
            "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {OPERATOR}, namespace: {ns}}}\n---\n\
             apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {{name: {ns}-operator}}\n\
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}}\n\
             subjects: [{{kind: ServiceAccount, name: {OPERATOR}, namespace: {ns}}}]\n"
        );
        cluster.apply(&account)?;
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
            namespace,
        })
    }

    /// User name of the stage's operators in the audit log.
    pub fn operator_user(&self) -> String {
        format!("system:serviceaccount:{}:{OPERATOR}", self.ns)
    }

    /// Starts an operator for the namespace.
    pub async fn operator(&mut self) -> Result<()> {
        self.operator_with("helios:test", &[]).await
    }

    /// Starts an operator that makes pods of an image, with more arguments.
    pub async fn operator_with(&mut self, image: &str, more: &[&str]) -> Result<()> {
        let kubeconfig = self.cluster.kubeconfig_of(&self.ns, OPERATOR).await?;
        let n = self.operators.len();
        let mut args = vec![
            "operator",
            "--namespace",
            &self.ns,
            "--lease-namespace",
            &self.ns,
            "--image",
            image,
            "--nats",
            &self.nats_url,
        ];
        args.extend(more);
        let env = vec![
            ("KUBECONFIG".into(), kubeconfig.display().to_string()),
            ("POD_NAME".into(), format!("operator-{n}")),
            ("POD_UID".into(), format!("uid-{n}")),
        ];
        let name = format!("{}-operator-{n}", self.ns);
        self.operators
            .push(run::start(self.cluster, &name, run::helios()?, &args, env)?);
        Ok(())
    }

    /// Applies an account on the simulated venue, and starts its venue and its coordinator. `extra` is YAML of its spec.
    pub async fn account(&mut self, name: &str, extra: &str) -> Result<()> {
        let port = run::free_port()?;
        let credentials = self.files.join(format!("{name}-venue.json"));
        let shown = credentials.display().to_string();
        let listen = format!("127.0.0.1:{port}");
        let args = [
            "venue",
            "--listen",
            &listen,
            "--admin",
            "127.0.0.1:0",
            "--edge",
            "0.5",
            "--credentials-file",
            &shown,
        ];
        let venue = run::start(
            self.cluster,
            &format!("{}-venue-{name}", self.ns),
            run::helios()?,
            &args,
            Vec::new(),
        )?;
        wait_for(
            "the venue's credentials",
            Duration::from_secs(10),
            async || {
                anyhow::ensure!(credentials.exists(), "no file; {}", venue.tail());
                Ok(())
            },
        )
        .await?;
        self.apply(&format!(
            "apiVersion: helios.trading/v1alpha1\nkind: HeliosAccount\nmetadata: {{name: {name}}}\nspec:\n  venue: Simulated\n  simulated: {{url: \"http://{listen}\"}}\n{extra}"
        ))?;
        let coordinator = self.coordinator(name, &credentials, 0)?;
        self.accounts
            .insert(name.into(), Desk { venue, coordinator });
        Ok(())
    }

    fn coordinator(&self, account: &str, credentials: &std::path::Path, n: u32) -> Result<Running> {
        let (full, shown) = (
            format!("{}/{account}", self.ns),
            credentials.display().to_string(),
        );
        let args = [
            "coordinator",
            "--kubernetes",
            "--account",
            &full,
            "--nats",
            &self.nats_url,
            "--credentials-file",
            &shown,
        ];
        let env = vec![
            (
                "KUBECONFIG".into(),
                self.cluster.kubeconfig_path().display().to_string(),
            ),
            ("POD_NAME".into(), format!("hc-{account}-{n}")),
            ("POD_UID".into(), format!("uid-{n}")),
        ];
        let name = format!("{}-coordinator-{account}-{n}", self.ns);
        run::start(self.cluster, &name, run::helios()?, &args, env)
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

    /// kubectl in the namespace.
    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        let all: Vec<&str> = ["-n", &self.ns].iter().chain(args).copied().collect();
        self.cluster.kubectl(&all)
    }

    /// From now on every worker pod that is ready is spoken for.
    pub fn speak_for_workers(&mut self) -> Result<()> {
        let list = self.files.join("voices.json");
        std::fs::write(&list, "[]")?;
        let shown = list.display().to_string();
        let args = [
            "worker",
            "--listen-only",
            "--speak-for",
            &shown,
            "--nats",
            &self.nats_url,
        ];
        let name = format!("{}-voices", self.ns);
        let speaker = run::start(self.cluster, &name, run::helios()?, &args, Vec::new())?;
        self.voices = Some(Voices::start(
            self.client.clone(),
            self.ns.clone(),
            list,
            speaker,
        ));
        Ok(())
    }

    /// Symbols of which the workers are to be silent, as if they were gone.
    pub fn silence(&self, symbols: &[&str]) {
        if let Some(v) = &self.voices {
            v.silence(symbols);
        }
    }

    /// What every program of the stage wrote last: for a scenario that failed.
    pub fn logs(&self) -> String {
        let desks = self
            .accounts
            .values()
            .flat_map(|d| [&d.venue, &d.coordinator]);
        let voices = self.voices.iter().map(Voices::speaker);
        let all = self
            .operators
            .iter()
            .chain(desks)
            .chain(voices)
            .chain([&self.nats]);
        all.map(Running::tail).collect::<Vec<_>>().join("\n")
    }

    /// The end of a scenario that went well: everything is deleted and seen to go.
    pub async fn end(self) -> Result<()> {
        let Self {
            operators,
            accounts,
            voices,
            nats,
            namespace,
            cluster,
            ns,
            ..
        } = self;
        drop((voices, accounts, operators, nats));
        // Nobody is left to take finalizers off.
        for kind in ["heliosstrategies", "heliosaccounts"] {
            let names = cluster.kubectl(&["-n", &ns, "get", kind, "-o", "name"])?;
            for name in names.lines() {
                let patch = "{\"metadata\":{\"finalizers\":null}}";
                cluster.kubectl(&["-n", &ns, "patch", name, "--type=merge", "-p", patch])?;
            }
        }
        cluster.kubectl(&["delete", "clusterrolebinding", &format!("{ns}-operator")])?;
        namespace.delete().await.context("the end of the stage")
    }
}
