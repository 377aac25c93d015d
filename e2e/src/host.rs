//! One machine of a cluster of tier 2: containerd and kubelet as child processes, with directories, ports, an address and a
//! place among the control groups of their own. Several share the bridge, so that pods of all reach each other.

use crate::cluster::{ControlPlane, until};
use crate::config::{self, args, text};
use crate::image::Image;
use crate::node::{ADDRESS, BRIDGE, PODS, PROBE};
use crate::process::Program;
use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Pods' addresses begin here: those below are the nodes'.
const FIRST_POD: &str = "10.88.0.16";

/// Which machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    /// Name of its node.
    pub(crate) name: &'static str,
    /// Its kubelet's user.
    pub(crate) user: &'static str,
    /// Its address on the bridge.
    pub(crate) address: Ipv4Addr,
    /// Where its kubelet answers the API server.
    pub(crate) port: u16,
    /// Where its kubelet says that it lives; 0 is nowhere.
    pub(crate) health: u16,
}

/// A machine that runs. It ends with its value, and what runs on it does not: that ends with the namespaces.
#[derive(Debug)]
pub struct Host {
    machine: Machine,
    parts: Vec<Program>,
    socket: PathBuf,
    group: String,
}

impl Host {
    /// Starts one and waits until its node is ready. The images of these archives are there.
    pub(crate) async fn start(
        cluster: &ControlPlane,
        machine: Machine,
        archives: &[PathBuf],
    ) -> Result<Self> {
        let dir = cluster.home.path().join(machine.name);
        fs::create_dir_all(dir.join("cni"))?;
        let socket = dir.join("containerd.sock");
        let group = format!(
            "{}/{}",
            std::env::var("HELIOS_E2E_CGROUP").unwrap_or_default(),
            machine.name
        );
        make_groups(&group)?;
        let write = |name: &str, content: &str| {
            cluster
                .home
                .write(&format!("{}/{name}", machine.name), content)
        };
        write("cni/10-e2e.conflist", &network(cluster).to_string())?;
        let runtime = write("containerd.toml", &containerd(&dir, &socket))?;
        let (secrets, server) = cluster.secrets()?;
        let settings = kubelet(&machine, &dir, &socket, &secrets.ca.0, &group);
        let settings = write("kubelet.yaml", &settings.to_string())?;
        let kubeconfig = config::kubeconfig(&cluster.home, secrets, server, machine.user)?;
        let start = |program: &str, path: PathBuf, args: &[String]| {
            let name = format!("{program}-{}", machine.name);
            Program::start_as(&cluster.home, name, path, args, Vec::new())
        };

        let args_of_runtime = ["--config".to_owned(), text(&runtime)];
        let mut parts = vec![start(
            "containerd",
            "/usr/bin/containerd".into(),
            &args_of_runtime,
        )?];
        until(&mut parts, "containerd to answer", async || {
            ctr(&socket, &["version"])
        })
        .await?;
        let probe = Image {
            name: PROBE.to_owned(),
            files: vec![(cluster.programs.join("probe"), "/probe".to_owned())],
            entrypoint: vec!["/probe".to_owned()],
        };
        load(&socket, &probe.write(cluster.directory())?)?;
        for archive in archives {
            load(&socket, archive)?;
        }
        let kubelet = args(&[
            ("config", &text(&settings)),
            ("kubeconfig", &text(&kubeconfig)),
            ("root-dir", &text(&dir.join("kubelet"))),
            ("cert-dir", &text(&dir.join("kubelet-pki"))),
            ("hostname-override", machine.name),
            ("node-ip", &machine.address.to_string()),
        ]);
        let program = cluster.programs.join("kubelet");
        parts.push(start("kubelet", program, &kubelet)?);
        let client = cluster.harness().await?;
        until(&mut parts, "the node to be ready", async || {
            let ready = crate::nodes::readiness(&client, machine.name).await?;
            ready.is("True", machine.name)
        })
        .await?;
        Ok(Self {
            machine,
            parts,
            socket,
            group,
        })
    }

    /// Name of its node.
    pub fn name(&self) -> &'static str {
        self.machine.name
    }

    /// Where its containerd listens.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Puts the images of an archive onto it.
    pub(crate) fn load(&self, archive: &Path) -> Result<()> {
        load(&self.socket, archive)
    }

    /// The power goes: kubelet, runtime and every container at once, and nobody tells the API server.
    pub fn lose(mut self) -> Result<()> {
        self.parts.clear();
        for dir in groups(&self.group)? {
            for file in processes(&dir)? {
                for id in fs::read_to_string(file)?.split_whitespace() {
                    let id = id.parse().ok().and_then(rustix::process::Pid::from_raw);
                    // It may have ended meanwhile, by another's end.
                    if let Some(id) = id {
                        let _ = rustix::process::kill_process(id, rustix::process::Signal::KILL);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Where a control group is: once, or in each hierarchy.
fn groups(group: &str) -> Result<Vec<PathBuf>> {
    let root = Path::new("/sys/fs/cgroup");
    if root.join("cgroup.controllers").exists() {
        return Ok(vec![root.join(group.trim_start_matches('/'))]);
    }
    let mut all = Vec::new();
    for hierarchy in fs::read_dir(root)? {
        let hierarchy = hierarchy?;
        // Two names of one hierarchy are a link.
        if hierarchy.file_type()?.is_dir() {
            all.push(hierarchy.path().join(group.trim_start_matches('/')));
        }
    }
    Ok(all)
}

fn make_groups(group: &str) -> Result<()> {
    for dir in groups(group)? {
        fs::create_dir_all(&dir).with_context(|| format!("control group {}", dir.display()))?;
    }
    Ok(())
}

/// The lists of processes of a control group and those below.
fn processes(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut all = vec![dir.join("cgroup.procs")];
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            all.extend(processes(&entry.path())?);
        }
    }
    Ok(all)
}

fn containerd(dir: &Path, socket: &Path) -> String {
    format!(
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
    )
}

/// A bridge, addresses of its network, and the pods' own loopback.
fn network(cluster: &ControlPlane) -> serde_json::Value {
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
                    // One list for all machines: they share the network.
                    "dataDir": cluster.directory().join("addresses"),
                    "ranges": [[{"subnet": PODS, "rangeStart": FIRST_POD, "gateway": ADDRESS}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "loopback"},
        ],
    })
}

fn kubelet(
    machine: &Machine,
    dir: &Path,
    socket: &Path,
    authority: &Path,
    group: &str,
) -> serde_json::Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": "0.0.0.0",
        "port": machine.port,
        "healthzPort": machine.health,
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
        "cgroupRoot": group,
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

/// Gives the bridge one more address, for a machine on it.
pub(crate) fn address(machine: &Machine) -> Result<()> {
    let address = format!("{}/24", machine.address);
    let done = Command::new("ip")
        .args(["address", "replace", &address, "dev", BRIDGE])
        .status()
        .context("ip (of iproute2) cannot be run")?;
    ensure!(done.success(), "{BRIDGE} takes no address {address}");
    Ok(())
}
