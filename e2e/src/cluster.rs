//! Starting a control plane, and knowing why when it does not start.
//!
//! etcd first, then the API server, then what talks to it, then the fake nodes; ready means that a pod made now would be
//! scheduled and would run. A program that ends early fails the start at once with the last lines it wrote.

use crate::config::{self, Ports};
use crate::home::Home;
use crate::pki::{ADMIN, HARNESS, Secrets};
use crate::process::Program;
use crate::wait::wait_for;
use anyhow::{Context, Result, anyhow, bail, ensure};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{Api, Client};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Longest that one step of a start may take, on a busy machine.
const STEP: Duration = Duration::from_secs(90);
/// Attempts to start: between finding a free port and using it, somebody else may take it.
const ATTEMPTS: usize = 3;

/// How to run it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Fake nodes to begin with, `node-0` and so on. When most nodes of a cluster are lost Kubernetes stops evicting pods, so
    /// a test that loses nodes needs more that stay.
    pub nodes: usize,
    /// A node whose lease was not renewed for this long is not ready. Renewals come four times as often.
    pub node_grace: Duration,
    /// Pods stay this long on a node that is lost or not ready, unless they say otherwise. Kubernetes' own default is 300 s.
    pub unreachable_toleration: Duration,
    /// Requests a second of each controller, twice that in bursts.
    pub qps: u32,
    /// Address at which pods of real nodes reach the API server; without one it is on the loopback alone.
    pub address: Option<Ipv4Addr>,
    /// More arguments of kube-apiserver.
    pub api_server_args: Vec<String>,
    /// More arguments of kube-controller-manager.
    pub controller_manager_args: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodes: 4,
            node_grace: Duration::from_secs(12),
            unreachable_toleration: Duration::from_secs(5),
            qps: 1000,
            address: None,
            api_server_args: Vec::new(),
            controller_manager_args: Vec::new(),
        }
    }
}

/// A cluster: one of our own, or the one that `HELIOS_E2E_KUBECONFIG` names.
///
/// Values are made for one process and shared by its tests; clients are not, because a client ends with the runtime that
/// made it, and each test has its own.
#[derive(Debug)]
pub struct ControlPlane {
    // Ends before the directory goes.
    own: Option<Own>,
    pub(crate) home: Home,
    pub(crate) programs: PathBuf,
    admin: PathBuf,
    harness: PathBuf,
    ready_after: Duration,
}

#[derive(Debug)]
struct Own {
    // Whether a program still runs is only asked of it by changing it.
    parts: Mutex<Vec<Program>>,
    secrets: Secrets,
    server: u16,
}

impl ControlPlane {
    /// Starts one and waits until it is ready, or takes the existing one.
    pub async fn start(options: Options) -> Result<Self> {
        let programs = tokio::task::spawn_blocking(crate::programs).await??;
        if let Some(kubeconfig) = std::env::var_os("HELIOS_E2E_KUBECONFIG") {
            return Self::existing(programs, kubeconfig.into()).await;
        }
        let mut attempt = 1;
        loop {
            match Self::attempt(&programs, &options).await {
                Err(e)
                    if attempt < ATTEMPTS
                        && format!("{e:#}").contains("address already in use") =>
                {
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    async fn existing(programs: PathBuf, kubeconfig: PathBuf) -> Result<Self> {
        let begin = Instant::now();
        let cluster = Self {
            own: None,
            home: Home::new()?,
            programs,
            admin: kubeconfig.clone(),
            harness: kubeconfig.clone(),
            ready_after: Duration::ZERO,
        };
        let client = cluster.harness().await?;
        let version = client.apiserver_version().await.with_context(|| {
            format!(
                "the cluster of HELIOS_E2E_KUBECONFIG={} does not answer",
                kubeconfig.display()
            )
        })?;
        eprintln!(
            "helios-e2e: using an existing cluster, Kubernetes {}",
            version.git_version
        );
        Ok(Self {
            ready_after: begin.elapsed(),
            ..cluster
        })
    }

    async fn attempt(programs: &Path, options: &Options) -> Result<Self> {
        ensure!(
            options.node_grace >= Duration::from_secs(4),
            "node_grace is in seconds, 4 or more: leases are renewed four times in it"
        );
        let begin = Instant::now();
        let home = Home::new()?;
        let secrets = Secrets::new(&home)?;
        let ports = Ports::free()?;
        let kubeconfig = |user| config::kubeconfig(&home, &secrets, ports.server, user);
        let (admin, harness) = (kubeconfig(ADMIN)?, kubeconfig(HARNESS)?);
        let manager = kubeconfig("system:kube-controller-manager")?;
        let scheduler = kubeconfig("system:kube-scheduler")?;
        let kwok = kubeconfig("kwok")?;

        let start =
            |name: &str, args: Vec<String>| Program::start(&home, programs.join(name), &args);
        let mut parts = vec![start("etcd", config::etcd(&home, ports))?];
        let etcd = ("127.0.0.1", ports.etcd);
        until(&mut parts, "etcd to listen", async || {
            TcpStream::connect(etcd)?;
            Ok(())
        })
        .await?;

        let args = config::api_server(&home, &secrets, ports, options)?;
        parts.push(start("kube-apiserver", args)?);
        let client = crate::access::client(&harness, None).await?;
        until(&mut parts, "the API server to be ready", async || {
            crate::outage::serves(&client).await
        })
        .await?;

        let args = config::controller_manager(&secrets, &manager, options);
        parts.push(start("kube-controller-manager", args)?);
        let args = config::scheduler(&home, &scheduler, options)?;
        parts.push(start("kube-scheduler", args)?);
        let args = config::kwok(&home, &kwok, options)?;
        parts.push(start("kwok", args)?);
        for n in 0..options.nodes {
            crate::nodes::create(&client, &format!("node-{n}"), None).await?;
        }
        until(&mut parts, "the default service account", async || {
            let api = Api::<ServiceAccount>::namespaced(client.clone(), "default");
            api.get("default").await?;
            Ok(())
        })
        .await?;
        until(&mut parts, "the fake nodes to be ready", async || {
            for n in 0..options.nodes {
                let name = format!("node-{n}");
                crate::nodes::readiness(&client, &name)
                    .await?
                    .is("True", &name)?;
            }
            Ok(())
        })
        .await?;
        Ok(Self {
            own: Some(Own {
                parts: Mutex::new(parts),
                secrets,
                server: ports.server,
            }),
            home,
            programs: programs.to_owned(),
            admin,
            harness,
            ready_after: begin.elapsed(),
        })
    }

    /// How long the start took.
    pub fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// Whether nodes are fake, so that a test can lose them and make pods fail. When they are not it says so: a test that
    /// needs them returns then.
    pub fn has_fake_nodes(&self) -> bool {
        if self.own.is_none() {
            eprintln!(
                "SKIPPED: this test needs fake nodes, and HELIOS_E2E_KUBECONFIG names a cluster without"
            );
        }
        self.own.is_some()
    }

    /// The administrator's kubeconfig, for programs under test and for kubectl by hand.
    pub fn kubeconfig_path(&self) -> &Path {
        &self.admin
    }

    /// Directory of the cluster's files: logs of its programs, the audit log.
    pub fn directory(&self) -> &Path {
        self.home.path()
    }

    /// The secrets of our own cluster, and the port of its API server.
    pub(crate) fn secrets(&self) -> Result<(&Secrets, u16)> {
        let own = self.own()?;
        Ok((&own.secrets, own.server))
    }

    pub(crate) fn harness_kubeconfig(&self) -> &Path {
        &self.harness
    }

    /// The harness's own audit log.
    pub(crate) fn audit_log(&self) -> Result<PathBuf> {
        self.own()?;
        Ok(self.home.path().join(config::AUDIT_LOG))
    }

    fn own(&self) -> Result<&Own> {
        self.own
            .as_ref()
            .ok_or_else(|| anyhow!("not to be had of an existing cluster"))
    }

    /// A namespace's default service account, without which no pod is admitted.
    pub(crate) async fn default_account(&self, client: &Client, namespace: &str) -> Result<()> {
        let api = Api::<ServiceAccount>::namespaced(client.clone(), namespace);
        let what = format!("the default service account of {namespace}");
        wait_for(&what, Duration::from_secs(30), async || {
            Ok(api.get("default").await.map(drop)?)
        })
        .await
    }

    /// The programs that ended though they should run, each with its last words. Empty is well.
    pub fn casualties(&self) -> Vec<String> {
        let Ok(mut parts) = self.parts() else {
            return Vec::new();
        };
        parts.iter_mut().filter_map(casualty).collect()
    }

    /// The programs of our own cluster.
    pub(crate) fn parts(&self) -> Result<MutexGuard<'_, Vec<Program>>> {
        let parts = &self.own()?.parts;
        Ok(parts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Waits for one step of a start; a program that ends meanwhile ends the wait.
pub(crate) async fn until(
    parts: &mut [Program],
    what: &str,
    mut look: impl AsyncFnMut() -> Result<()>,
) -> Result<()> {
    let waited = wait_for(what, STEP, async || {
        if let Some(words) = parts.iter_mut().find_map(casualty) {
            return Ok(Err(words));
        }
        look().await.map(Ok)
    })
    .await;
    match waited {
        Ok(Ok(())) => Ok(()),
        Ok(Err(words)) => bail!("waiting for {what}: {words}"),
        // The last started is the one that is waited for.
        Err(e) => Err(e.context(parts.last().map(Program::tail).unwrap_or_default())),
    }
}

fn casualty(part: &mut Program) -> Option<String> {
    let how = part.ended()?;
    Some(format!("{} ended ({how})\n{}", part.name(), part.tail()))
}
