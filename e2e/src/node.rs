//! Tier 2: one real node, with containerd, kubelet, kube-proxy and CoreDNS as child processes, beside a control plane.
//!
//! All of it, and the test too, is inside namespaces that `tools/tier2.sh` makes: pods reach the API server at the
//! bridge's address, names of Services resolve, and nothing has to be cleaned up, because mounts, interfaces, packet
//! filters and containers end with the namespaces.

use crate::cluster::{ControlPlane, Options, until};
use crate::config::{self, args, text};
use crate::image::Image;
use crate::pki::NODE;
use crate::process::Program;
use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The bridge that `tools/tier2.sh` makes, and its address: of the node, the API server and the cluster's DNS.
const BRIDGE: &str = "helios0";
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 1);
/// Pods have addresses of this.
const PODS: &str = "10.88.0.0/24";
/// The node's name.
const NAME: &str = "e2e-node";
/// What pods of self-tests run, and what holds every pod's network.
const PROBE: &str = "helios.local/probe:1";

/// A cluster with one real node.
#[derive(Debug)]
pub struct Node {
    // Before the control plane, so that it does not see its node go.
    _parts: Vec<Program>,
    cluster: ControlPlane,
    socket: PathBuf,
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
        let home = &cluster.home;
        let start = |path: PathBuf, args: &[String]| Program::start(home, path, args);
        let own = |name: &str| cluster.programs.join(name);

        let mut parts = vec![start(
            "/usr/bin/containerd".into(),
            &["--config".to_owned(), text(&files.containerd)],
        )?];
        until(&mut parts, "containerd to answer", async || {
            ctr(&files.socket, &["version"])
        })
        .await?;
        let probe = Image {
            name: PROBE.to_owned(),
            files: vec![(own("probe"), "/probe".to_owned())],
            entrypoint: vec!["/probe".to_owned()],
        };
        load(&files.socket, &probe.write(home.path())?)?;

        parts.push(start(
            own("coredns"),
            &["-conf".to_owned(), text(&files.coredns)],
        )?);
        parts.push(start(
            own("kube-proxy"),
            &args(&[("config", &text(&files.proxy))]),
        )?);
        let kubelet = args(&[
            ("config", &text(&files.kubelet)),
            ("kubeconfig", &text(&files.kubelet_config)),
            ("root-dir", &text(&home.path().join("kubelet"))),
            ("cert-dir", &text(&home.path().join("kubelet-pki"))),
            ("hostname-override", NAME),
            ("node-ip", &ADDRESS.to_string()),
        ]);
        parts.push(start(own("kubelet"), &kubelet)?);
        let client = cluster.harness().await?;
        until(&mut parts, "the node to be ready", async || {
            let ready = crate::nodes::readiness(&client, NAME).await?;
            ready.is("True", NAME)
        })
        .await?;
        Ok(Self {
            _parts: parts,
            cluster,
            socket: files.socket,
        })
    }

    /// Its control plane.
    pub fn cluster(&self) -> &ControlPlane {
        &self.cluster
    }

    /// Name of the image that `e2e/tools/probe` is in: it waits, serves or asks.
    pub fn probe_image(&self) -> &str {
        PROBE
    }

    /// The program in that image, to make others of.
    pub fn probe_program(&self) -> PathBuf {
        self.cluster.programs.join("probe")
    }

    /// Puts the images of an archive on the node, as `docker save` or `make image` writes one. Pods name them as it does.
    pub fn archive(&self, archive: &Path) -> Result<()> {
        ensure!(archive.is_file(), "{} is not there", archive.display());
        load(&self.socket, archive)
    }

    /// Makes an image and puts it on the node.
    pub fn image(&self, image: &Image) -> Result<()> {
        let archive = image.write(self.cluster.directory())?;
        load(&self.socket, &archive)
    }
}

/// Files that the node's programs read.
struct Files {
    containerd: PathBuf,
    socket: PathBuf,
    kubelet: PathBuf,
    kubelet_config: PathBuf,
    proxy: PathBuf,
    coredns: PathBuf,
}

impl Files {
    fn write(cluster: &ControlPlane) -> Result<Self> {
        let home = &cluster.home;
        let dir = home.path();
        let (secrets, server) = cluster.secrets()?;
        let kubeconfig = |user| config::kubeconfig(home, secrets, server, user);
        let socket = dir.join("containerd.sock");
        std::fs::create_dir_all(dir.join("cni"))?;
        home.write("cni/10-e2e.conflist", &network(dir).to_string())?;
        let containerd = format!(
            r#"version = 2
root = "{dir}/containerd"
state = "{dir}/containerd-run"
[grpc]
address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PROBE}"
# Lowering the score takes a right that this machine may not give.
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{dir}/cni"
"#,
            dir = dir.display(),
            socket = socket.display(),
        );
        let proxy = json!({
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "hostnameOverride": NAME,
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
            containerd: home.write("containerd.toml", &containerd)?,
            kubelet: home.write(
                "kubelet.yaml",
                &kubelet(dir, &socket, &secrets.ca.0).to_string(),
            )?,
            kubelet_config: kubeconfig(NODE)?,
            proxy: home.write("kube-proxy.yaml", &proxy.to_string())?,
            coredns: home.write("Corefile", &dns)?,
            socket,
        })
    }
}

/// A bridge, addresses of its network, and the pods' own loopback.
fn network(dir: &Path) -> serde_json::Value {
    json!({
        "cniVersion": "0.4.0",
        "name": "e2e",
        "plugins": [
            {
                "type": "bridge",
                "bridge": BRIDGE,
                "isGateway": true,
                "hairpinMode": true,
                "ipam": {
                    "type": "host-local",
                    "dataDir": dir.join("addresses"),
                    "ranges": [[{"subnet": PODS}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "loopback"},
        ],
    })
}

fn kubelet(dir: &Path, socket: &Path, authority: &Path) -> serde_json::Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": "0.0.0.0",
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": authority},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": format!("unix://{}", socket.display()),
        "podLogsDir": dir.join("pod-logs"),
        "volumePluginDir": dir.join("volume-plugins"),
        "clusterDNS": [ADDRESS],
        "clusterDomain": "cluster.local",
        "resolvConf": "",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": std::env::var("HELIOS_E2E_CGROUP").unwrap_or_default(),
        "failCgroupV1": false,
        "failSwapOn": false,
        "enforceNodeAllocatable": [],
        "localStorageCapacityIsolation": false,
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "nodeStatusUpdateFrequency": "2s",
        "nodeLeaseDurationSeconds": 12,
        "registerNode": true,
    })
}

fn ctr(socket: &Path, args: &[&str]) -> Result<()> {
    let out = Command::new("ctr")
        .arg("--address")
        .arg(socket)
        .args(args)
        .output()
        .context("ctr (of containerd) cannot be run")?;
    if !out.status.success() {
        bail!(
            "ctr {}: {}",
            args.join(" "),
            String::from_utf8_lossy(&out.stderr).trim()
        );
    }
    Ok(())
}

fn load(socket: &Path, archive: &Path) -> Result<()> {
    // kubelet's namespace in containerd.
    ctr(
        socket,
        &["--namespace", "k8s.io", "images", "import", &text(archive)],
    )
}
