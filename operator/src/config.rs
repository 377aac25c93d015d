//! What the operator is started with.

use std::time::Duration;

/// What the operator is started with.
#[derive(Clone, Debug)]
pub struct OperatorConfig {
    /// The namespace that is watched; `None` means all.
    pub namespace: Option<String>,
    /// Who this is; another in every life of a process.
    pub identity: String,
    /// Namespace of the operator's own lease.
    pub lease_namespace: String,
    /// Name of the operator's own lease.
    pub lease: String,
    /// What is put into pods.
    pub pods: PodSettings,
    /// How the world is told apart from a hiccup.
    pub patience: Patience,
    /// API calls of reconciles at once, at most.
    pub concurrency: usize,
}

/// What is put into pods of coordinators and workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodSettings {
    /// Image of coordinators and workers.
    pub image: String,
    /// Its pull policy.
    pub image_pull_policy: String,
    /// Secrets to pull it with.
    pub image_pull_secrets: Vec<String>,
    /// NATS servers as coordinators and workers reach them.
    pub nats_url: String,
    /// Priority class of both; empty for none.
    pub priority_class: String,
    /// Cluster role that an account's coordinator is bound to, in its namespace.
    pub coordinator_role: String,
    /// What network policies let through; `None` makes no policies.
    pub network: Option<NetworkSettings>,
    /// Coordinators of each account.
    pub coordinators: i32,
}

impl Default for PodSettings {
    fn default() -> Self {
        Self {
            image: format!("helios:{}", env!("CARGO_PKG_VERSION")),
            image_pull_policy: "IfNotPresent".into(),
            image_pull_secrets: Vec::new(),
            nats_url: "nats://helios-nats:4222".into(),
            priority_class: String::new(),
            coordinator_role: "helios-coordinator".into(),
            network: Some(NetworkSettings::default()),
            coordinators: 2,
        }
    }
}

/// What network policies let through besides names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkSettings {
    /// Labels of the NATS pods; empty where NATS is outside the cluster.
    pub nats_pods: Vec<(String, String)>,
    /// Address blocks that pods may reach at TCP 443: the exchange's. Empty means every public address.
    pub egress_cidrs: Vec<String>,
    /// Ports of the API server, as coordinators reach it.
    pub api_server_ports: Vec<u16>,
    /// Its address blocks. Empty means any address, as a policy can't name a Service.
    pub api_server_cidrs: Vec<String>,
    /// Labels of the namespaces whose pods may read metrics. Empty means everybody.
    pub metrics_from: Vec<(String, String)>,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self {
            nats_pods: Vec::new(),
            egress_cidrs: Vec::new(),
            api_server_ports: vec![443, 6443],
            api_server_cidrs: Vec::new(),
            metrics_from: Vec::new(),
        }
    }
}

/// How long things may take before they count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Before workers that are not ready count against a strategy that was.
    pub flap: Duration,
    /// Between two writes of one object's status.
    pub status_every: Duration,
    /// The same while a strategy goes on as its status says, and only counts move; twice as long after each such write, up to
    /// eight times.
    pub counts_every: Duration,
    /// How long a strategy may be on its way to what was committed before its status says so: mostly it has arrived by then, and
    /// one write says that.
    pub on_its_way: Duration,
    /// After which a snapshot is old.
    pub stale_after: Duration,
    /// Until a strategy that is being deleted is let go although something is open.
    pub flatten_by: Duration,
    /// The same when its namespace is going, counted from the deletion of that: its controller may come to the strategy late,
    /// and everything is let go within half a minute.
    pub namespace_by: Duration,
    /// A canary that is not ready for this long is a breach.
    pub canary_unready: Duration,
    /// Between two looks at an account without any news.
    pub resync: Duration,
    /// One API call.
    pub call: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            flap: Duration::from_secs(30),
            status_every: Duration::from_secs(1),
            counts_every: Duration::from_secs(5),
            on_its_way: Duration::from_secs(3),
            stale_after: Duration::from_secs(15),
            flatten_by: Duration::from_secs(300),
            namespace_by: Duration::from_secs(20),
            canary_unready: Duration::from_secs(60),
            resync: Duration::from_secs(10),
            call: Duration::from_secs(10),
        }
    }
}
