//! Tier 2: one real node, with containerd, kubelet, kube-proxy and CoreDNS as child processes, beside a control plane; a
//! second one for scenarios that lose or empty one.
//!
//! All of it, and the test too, is inside namespaces that `tools/tier2.sh` makes: pods reach the API server at the
//! bridge's address, names of Services resolve, and nothing has to be cleaned up, because mounts, interfaces, packet
//! filters and containers end with the namespaces.

use crate::cluster::{ControlPlane, Options};
use crate::config::{self, args, text};
use crate::host::{Host, Machine, address};
use crate::image::Image;
use crate::pki::{NODE, SPARE};
use crate::process::Program;
use anyhow::{Result, ensure};
use serde_json::json;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The bridge that `tools/tier2.sh` makes, and its address: of the node, the API server and the cluster's DNS.
pub(crate) const BRIDGE: &str = "helios0";
pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 1);
/// Nodes and pods have addresses of this.
pub(crate) const PODS: &str = "10.88.0.0/24";
/// What pods of self-tests run, and what holds every pod's network.
pub(crate) const PROBE: &str = "helios.local/probe:1";

/// The node.
const FIRST: Machine = Machine {
    name: "e2e-node",
    user: NODE,
    address: ADDRESS,
    port: 10250,
    health: 10248,
};
/// The second one.
const SECOND: Machine = Machine {
    name: "e2e-spare",
    user: SPARE,
    address: Ipv4Addr::new(10, 88, 0, 2),
    port: 10260,
    health: 0,
};

/// A cluster with one real node.
#[derive(Debug)]
pub struct Node {
    // Before the control plane, so that it does not see its node go.
    _parts: Vec<Program>,
    host: Host,
    cluster: ControlPlane,
    /// Every archive whose images are on the node.
    archives: Mutex<Vec<PathBuf>>,
}

impl Node {
    /// Whether there can be one here. When not it says so: a test that needs one returns then.
    pub fn possible() -> bool {
        let inside = std::env::var_os("HELIOS_E2E_INSIDE").is_some();
        if !inside {
            eprintln!(
                "SKIPPED: a real node needs namespaces of its own: run this through tools/tier2.sh"
            );
        }
        inside
    }

    /// Starts a control plane and the node, and waits until the node is ready. The image [`Node::probe_image`] is there.
    pub async fn start(options: Options) -> Result<Self> {
        ensure!(
            std::env::var_os("HELIOS_E2E_INSIDE").is_some(),
            "a real node needs namespaces of its own: run the test through tools/tier2.sh"
        );
        let cluster = ControlPlane::start(Options {
            nodes: 0,
            address: Some(ADDRESS),
            ..options
        })
        .await?;
        let files = Files::write(&cluster)?;
        let start = |name: &str, args: &[String]| {
            Program::start(&cluster.home, cluster.programs.join(name), args)
        };
        let parts = vec![
            start("coredns", &["-conf".to_owned(), text(&files.coredns)])?,
            start("kube-proxy", &args(&[("config", &text(&files.proxy))]))?,
        ];
        let host = Host::start(&cluster, FIRST, &[]).await?;
        Ok(Self {
            _parts: parts,
            host,
            cluster,
            archives: Mutex::default(),
        })
    }

    /// A second node, ready, with the same images. There is one at a time: drop or lose the last one first.
    pub async fn spare(&self) -> Result<Host> {
        address(&SECOND)?;
        let archives = self.archives.lock();
        let archives = archives.unwrap_or_else(PoisonError::into_inner).clone();
        Host::start(&self.cluster, SECOND, &archives).await
    }

    /// Its control plane.
    pub fn cluster(&self) -> &ControlPlane {
        &self.cluster
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.host.name()
    }

    /// Where its containerd listens, for programs that put images there themselves (`CONTAINERD_ADDRESS`).
    pub fn containerd(&self) -> &Path {
        self.host.socket()
    }

    /// Name of the image that `e2e/tools/probe` is in: it waits, serves or asks.
    pub fn probe_image(&self) -> &str {
        PROBE
    }

    /// The program in that image, to make others of.
    pub fn probe_program(&self) -> PathBuf {
        self.cluster.programs.join("probe")
    }

    /// Makes an image and puts it on the node.
    pub fn image(&self, image: &Image) -> Result<()> {
        self.archive(&image.write(self.cluster.directory())?)
    }

    /// Puts the images of an archive on the node, as `docker save` or `make image` writes one. Pods name them as it does.
    pub fn archive(&self, path: &Path) -> Result<()> {
        ensure!(path.is_file(), "{} is not there", path.display());
        self.host.load(path)?;
        let archives = self.archives.lock();
        archives
            .unwrap_or_else(PoisonError::into_inner)
            .push(path.to_owned());
        Ok(())
    }
}

/// Files of the programs that are the network's.
struct Files {
    proxy: PathBuf,
    coredns: PathBuf,
}

impl Files {
    fn write(cluster: &ControlPlane) -> Result<Self> {
        let home = &cluster.home;
        let (secrets, server) = cluster.secrets()?;
        let kubeconfig = |user| config::kubeconfig(home, secrets, server, user);
        // One serves all nodes: they share the network that it writes its rules into.
        let proxy = json!({
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "hostnameOverride": FIRST.name,
            "clientConnection": {"kubeconfig": text(&kubeconfig("system:kube-proxy")?)},
            "clusterCIDR": PODS,
            // Limits of the whole machine are not ours to set.
            "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        });
        let dns = format!(
            ".:53 {{\n  bind {ADDRESS}\n  errors\n  kubernetes cluster.local in-addr.arpa {{\n    kubeconfig {}\n  }}\n}}\n",
            kubeconfig("coredns")?.display()
        );
        Ok(Self {
            proxy: home.write("kube-proxy.yaml", &proxy.to_string())?,
            coredns: home.write("Corefile", &dns)?,
        })
    }
}
