//! The configuration files and the arguments of each program of a control plane.
//!
//! Everything listens on the loopback alone. Rates that protect a real control plane are lifted: a test that is throttled
//! measures the throttle. Controllers keep users of their own, as in a real cluster, so that an audit tells who wrote.

use crate::cluster::Options;
use crate::home::Home;
use crate::pki::Secrets;
use anyhow::Result;
use serde_json::json;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

/// Writes are recorded without their bodies. What only reads is recorded of service accounts that are not Kubernetes' own, so
/// that it is seen which of their rights they use.
const AUDIT_POLICY: &str = r#"
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  userGroups: ["system:serviceaccounts:kube-system"]
  verbs: [get, list, watch]
- level: Metadata
  userGroups: ["system:serviceaccounts"]
  verbs: [get, list, watch]
- level: None
  verbs: [get, list, watch]
- level: Metadata
"#;

/// The audit log in a cluster's directory.
pub(crate) const AUDIT_LOG: &str = "audit.log";

/// Ports of one attempt to start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    pub(crate) etcd: u16,
    pub(crate) peer: u16,
    pub(crate) server: u16,
}

impl Ports {
    /// Ports that are free now. Another process may take one before its program listens: then the start is tried again.
    pub(crate) fn free() -> Result<Self> {
        // All at once, so that they are not the same.
        let held = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0"));
        let mut ports = [0; 3];
        for (port, listener) in ports.iter_mut().zip(held) {
            *port = listener?.local_addr()?.port();
        }
        let [etcd, peer, server] = ports;
        Ok(Self { etcd, peer, server })
    }
}

pub(crate) fn args(of: &[(&str, &str)]) -> Vec<String> {
    of.iter().map(|(k, v)| format!("--{k}={v}")).collect()
}

pub(crate) fn text(path: &Path) -> String {
    path.display().to_string()
}

/// A kubeconfig of one user.
pub(crate) fn kubeconfig(
    home: &Home,
    secrets: &Secrets,
    server: u16,
    user: &str,
) -> Result<PathBuf> {
    let name = user.replace(':', "-");
    let token = secrets.token(user)?;
    // JSON is YAML, and nobody's token or path needs escaping by hand.
    let content = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "e2e", "cluster": {
            "server": format!("https://127.0.0.1:{server}"),
            "certificate-authority": text(&secrets.ca.0),
        }}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": name}}],
        "current-context": "e2e",
    });
    home.write(&format!("{name}.kubeconfig"), &format!("{content:#}\n"))
}

pub(crate) fn etcd(home: &Home, ports: Ports) -> Vec<String> {
    let client = format!("http://127.0.0.1:{}", ports.etcd);
    let peer = format!("http://127.0.0.1:{}", ports.peer);
    let mut all = args(&[
        ("name", "e2e"),
        ("data-dir", &text(&home.path().join("etcd"))),
        ("listen-client-urls", &client),
        ("advertise-client-urls", &client),
        ("listen-peer-urls", &peer),
        ("initial-advertise-peer-urls", &peer),
        ("initial-cluster", &format!("e2e={peer}")),
        ("log-level", "warn"),
    ]);
    // The data ends with the test.
    all.push("--unsafe-no-fsync".to_owned());
    all
}

pub(crate) fn api_server(
    home: &Home,
    secrets: &Secrets,
    ports: Ports,
    options: &Options,
) -> Result<Vec<String>> {
    let policy = home.write("audit-policy.yaml", AUDIT_POLICY)?;
    let toleration = options.unreachable_toleration.as_secs().to_string();
    let mut all = args(&[
        ("etcd-servers", &format!("http://127.0.0.1:{}", ports.etcd)),
        ("secure-port", &ports.server.to_string()),
        ("tls-cert-file", &text(&secrets.server.0)),
        ("tls-private-key-file", &text(&secrets.server.1)),
        ("cert-dir", &text(home.path())),
        ("client-ca-file", &text(&secrets.ca.0)),
        ("token-auth-file", &text(&secrets.tokens)),
        ("anonymous-auth", "false"),
        ("authorization-mode", "Node,RBAC"),
        ("enable-admission-plugins", "NodeRestriction"),
        ("service-account-issuer", "https://kubernetes.default.svc"),
        ("service-account-key-file", &text(&secrets.accounts.0)),
        (
            "service-account-signing-key-file",
            &text(&secrets.accounts.1),
        ),
        ("service-cluster-ip-range", "10.96.0.0/16"),
        ("default-not-ready-toleration-seconds", &toleration),
        ("default-unreachable-toleration-seconds", &toleration),
        ("max-requests-inflight", "3000"),
        ("max-mutating-requests-inflight", "1000"),
        ("audit-policy-file", &text(&policy)),
        ("audit-log-path", &text(&home.path().join(AUDIT_LOG))),
        // Written before the answer is, so that a client that has its answer finds its write in the log.
        ("audit-log-mode", "blocking-strict"),
        // In megabytes: it is read as a whole, so it is not rotated away.
        ("audit-log-maxsize", "100000"),
        ("profiling", "false"),
    ]);
    // Pods of real nodes reach it at its address; pods that do not exist need none.
    let (bind, advertise, reconciler) = match options.address {
        Some(address) => ("0.0.0.0", address.to_string(), "master-count"),
        None => ("127.0.0.1", "127.0.0.1".to_owned(), "none"),
    };
    all.extend(args(&[
        ("bind-address", bind),
        ("advertise-address", &advertise),
        ("endpoint-reconciler-type", reconciler),
        ("kubelet-client-certificate", &text(&secrets.to_kubelet.0)),
        ("kubelet-client-key", &text(&secrets.to_kubelet.1)),
        // A real node has a name that nobody resolves.
        ("kubelet-preferred-address-types", "InternalIP"),
    ]));
    all.extend(options.api_server_args.iter().cloned());
    Ok(all)
}

pub(crate) fn controller_manager(
    secrets: &Secrets,
    kubeconfig: &Path,
    options: &Options,
) -> Vec<String> {
    let grace = format!("{}s", options.node_grace.as_secs());
    let mut all = args(&[
        ("kubeconfig", &text(kubeconfig)),
        ("bind-address", "127.0.0.1"),
        ("secure-port", "0"),
        ("leader-elect", "false"),
        ("use-service-account-credentials", "true"),
        (
            "service-account-private-key-file",
            &text(&secrets.accounts.1),
        ),
        ("root-ca-file", &text(&secrets.ca.0)),
        ("cluster-signing-cert-file", &text(&secrets.ca.0)),
        ("cluster-signing-key-file", &text(&secrets.ca.1)),
        ("node-monitor-period", "1s"),
        ("node-monitor-grace-period", &grace),
        // A real cluster that loses most of its nodes stops evicting; ours has few, and losing them is the test.
        ("node-eviction-rate", "100"),
        ("secondary-node-eviction-rate", "100"),
        ("large-cluster-size-threshold", "0"),
        ("kube-api-qps", &options.qps.to_string()),
        ("kube-api-burst", &(options.qps * 2).to_string()),
        ("profiling", "false"),
    ]);
    all.extend(options.controller_manager_args.iter().cloned());
    all
}

pub(crate) fn scheduler(home: &Home, kubeconfig: &Path, options: &Options) -> Result<Vec<String>> {
    let content = json!({
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "clientConnection": {
            "kubeconfig": text(kubeconfig),
            "qps": options.qps,
            "burst": options.qps * 2,
        },
        "leaderElection": {"leaderElect": false},
        "enableProfiling": false,
    });
    let file = home.write("scheduler.yaml", &content.to_string())?;
    Ok(args(&[
        ("config", &text(&file)),
        ("bind-address", "127.0.0.1"),
        ("secure-port", "0"),
    ]))
}

pub(crate) fn kwok(home: &Home, kubeconfig: &Path, options: &Options) -> Result<Vec<String>> {
    let file = home.write("kwok.yaml", crate::kwok::STAGES)?;
    Ok(args(&[
        ("kubeconfig", &text(kubeconfig)),
        ("config", &text(&file)),
        ("manage-all-nodes", "false"),
        ("manage-nodes-with-label-selector", crate::kwok::SELECTOR),
        // Renewed four times in this; a node is lost when it has not been renewed for the grace period.
        (
            "node-lease-duration-seconds",
            &options.node_grace.as_secs().to_string(),
        ),
        ("cidr", "10.244.0.0/16"),
        ("node-ip", "127.0.0.1"),
        // Without a port it serves nothing: no logs, no exec, no metrics of pods that do not exist.
        ("node-port", "0"),
    ]))
}
