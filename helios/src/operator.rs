//! `helios operator`: the operator as a process, in a pod or beside a cluster.
//!
//! Here it is put together: flags, the API server, its lock, NATS, the port of its numbers. What it does is `helios-operator`'s.

use crate::alone::{NatsArgs, Side, asked_to_end, block_on};
use crate::api_server;
use crate::metrics::{self, Shown};
use anyhow::{Result, bail};
use clap::Args;
use helios_bus::Bus;
use helios_lease::kubernetes::KubeLease;
use helios_operator::operator::lease_times;
use helios_operator::{
    Connect, Metrics, NetworkSettings, OperatorConfig, OperatorLinks, Patience, PodSettings,
};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::sync::watch;

/// Arguments of `helios operator`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "The operator runs what HeliosAccount and HeliosStrategy objects ask for: two coordinators for each account, one worker\n\
for each symbol that its coordinator chose, and the parameters that workers run. Several may run: one leads. Trading never\n\
depends on it. The chart `helios` installs it; by hand, beside a cluster:\n\n  \
kubectl apply -f charts/helios-crds/templates\n  \
helios operator --image helios:dev --nats nats://helios-nats.helios:4222\n\n\
It finds the API server by KUBECONFIG, or in a pod by its service account."
)]
pub struct OperatorArgs {
    /// Watch this namespace alone (default: all)
    #[arg(long, value_name = "NAMESPACE", env = "HELIOS_WATCH_NAMESPACE")]
    namespace: Option<String>,
    /// Namespace of the operator's own lease
    #[arg(
        long,
        value_name = "NAMESPACE",
        env = "POD_NAMESPACE",
        default_value = "default"
    )]
    lease_namespace: String,
    /// Name of the operator's own lease
    #[arg(long, value_name = "NAME", default_value = "helios-operator")]
    lease: String,
    /// Image of coordinators and workers
    #[arg(long, value_name = "IMAGE", env = "HELIOS_IMAGE")]
    image: String,
    /// Its pull policy
    #[arg(long, value_name = "POLICY", default_value = "IfNotPresent", value_parser = ["Always", "IfNotPresent", "Never"])]
    image_pull_policy: String,
    /// Secret to pull it with; may be given several times
    #[arg(long, value_name = "SECRET")]
    image_pull_secret: Vec<String>,
    /// NATS as coordinators and workers reach it (default: as the operator does)
    #[arg(long, value_name = "URL")]
    pods_nats: Option<String>,
    /// Label of the NATS pods, for network policies; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    nats_pod_label: Vec<(String, String)>,
    /// Priority class of coordinators and workers
    #[arg(long, value_name = "CLASS", default_value = "")]
    priority_class: String,
    /// Cluster role of the coordinators, bound in each account's namespace
    #[arg(long, value_name = "ROLE", default_value = "helios-coordinator")]
    coordinator_role: String,
    /// Address block that pods may reach at TCP 443 (default: every public one); may be given several times
    #[arg(long, value_name = "CIDR")]
    egress_cidr: Vec<String>,
    /// Port of the API server as coordinators reach it, for network policies; may be given several times
    #[arg(long, value_name = "PORT", default_values_t = [443, 6443])]
    api_server_port: Vec<u16>,
    /// Its address block (default: any); may be given several times
    #[arg(long, value_name = "CIDR")]
    api_server_cidr: Vec<String>,
    /// Label of the namespaces that may read metrics of coordinators and workers (default: all); may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    metrics_from: Vec<(String, String)>,
    /// Make no network policies
    #[arg(long)]
    no_network_policies: bool,
    /// Coordinators of each account
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(i32).range(1..=5))]
    coordinators: i32,
    /// Serve /metrics (Prometheus), /healthz and /readyz here; no password
    #[arg(long, value_name = "ADDR")]
    metrics: Option<SocketAddr>,
    #[command(flatten)]
    nats: NatsArgs,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    Ok((key.into(), value.into()))
}

/// Runs `helios operator`.
///
/// # Errors
/// A refused start, or the failure that ended it, in words.
pub fn run(args: OperatorArgs) -> Result<ExitCode> {
    block_on(operate(args))
}

async fn operate(args: OperatorArgs) -> Result<ExitCode> {
    if args.nats.nats.is_empty() {
        bail!(
            "where is NATS? say --nats nats://HOST:4222: watchlists come and parameters go that way"
        );
    }
    let identity = crate::alone::pod_identity();
    let metrics = Arc::new(Metrics::new()?);
    if let Some(addr) = args.metrics {
        metrics::serve(addr, Arc::new(Port(metrics.clone()))).await?;
    }
    let client = api_server::client(lease_times().call()).await?;
    let (end, ending) = watch::channel(false);
    let asked = asked_to_end()?;
    tokio::spawn(async move {
        let why = asked.await;
        tracing::info!("leaving: {why}");
        end.send_replace(true);
    });
    let links = OperatorLinks {
        connect: Arc::new(Nats(args.nats.clone(), identity.clone())),
        lease: Arc::new(KubeLease::new(
            client.clone(),
            &args.lease_namespace,
            &args.lease,
        )),
        client,
        metrics,
        ending,
    };
    tracing::info!(
        identity,
        namespace = args.namespace.as_deref().unwrap_or("(all)"),
        "operator runs"
    );
    helios_operator::run(config(args, identity), links).await?;
    Ok(ExitCode::SUCCESS)
}

fn config(args: OperatorArgs, identity: String) -> OperatorConfig {
    OperatorConfig {
        namespace: args.namespace,
        identity,
        lease_namespace: args.lease_namespace,
        lease: args.lease,
        pods: PodSettings {
            image: args.image,
            image_pull_policy: args.image_pull_policy,
            image_pull_secrets: args.image_pull_secret,
            nats_url: args.pods_nats.unwrap_or_else(|| args.nats.nats.join(",")),
            priority_class: args.priority_class,
            coordinator_role: args.coordinator_role,
            network: (!args.no_network_policies).then_some(NetworkSettings {
                nats_pods: args.nats_pod_label,
                egress_cidrs: args.egress_cidr,
                api_server_ports: args.api_server_port,
                api_server_cidrs: args.api_server_cidr,
                metrics_from: args.metrics_from,
            }),
            coordinators: args.coordinators,
        },
        patience: Patience::default(),
        concurrency: 64,
    }
}

/// Buses of accounts, over NATS.
struct Nats(NatsArgs, String);

impl Connect for Nats {
    fn bus(&self, account: &str) -> Result<Arc<dyn Bus>, String> {
        let bus = self
            .0
            .start(Side::Operator, account, &format!("operator {}", self.1));
        let bus = bus.map_err(|e| format!("{e:#}"))?;
        bus.ok_or_else(|| "no server is named".into())
    }
}

/// The operator's numbers.
struct Port(Arc<Metrics>);

impl Shown for Port {
    fn text(&self) -> Result<String> {
        Ok(self.0.text())
    }

    fn lives(&self) -> bool {
        self.0.lives()
    }

    fn ready(&self) -> Result<(), String> {
        self.0.ready()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: OperatorArgs,
    }

    fn network(more: &[&str]) -> Option<NetworkSettings> {
        let line = [&["x", "--image=i", "--nats=nats://n"], more].concat();
        let args = Cli::try_parse_from(line).unwrap().args;
        config(args, "me".into()).pods.network
    }

    #[test]
    fn what_network_policies_let_through_is_what_was_said() {
        assert_eq!(network(&[]), Some(NetworkSettings::default()));
        assert_eq!(network(&["--no-network-policies"]), None);
        let said = network(&[
            "--nats-pod-label=a=nats",
            "--egress-cidr=203.0.113.0/24",
            "--api-server-port=8443",
            "--api-server-cidr=10.0.0.1/32",
            "--metrics-from=team=monitoring",
        ]);
        let wanted = NetworkSettings {
            nats_pods: vec![("a".into(), "nats".into())],
            egress_cidrs: vec!["203.0.113.0/24".into()],
            api_server_ports: vec![8443],
            api_server_cidrs: vec!["10.0.0.1/32".into()],
            metrics_from: vec![("team".into(), "monitoring".into())],
        };
        assert_eq!(said, Some(wanted));
    }
}
