//! What the chart needs of the cluster before it comes.

use crate::rendering::chart;
use helios_e2e::ControlPlane;

/// The definitions, applied as their chart has them.
pub fn definitions(cluster: &ControlPlane) {
    let templates = format!("{}/templates", chart("helios-crds"));
    let apply = ["apply", "--server-side", "-f", &templates];
    cluster.kubectl(&apply).unwrap();
    let names = "crd/heliosaccounts.helios.trading crd/heliosstrategies.helios.trading";
    let mut wait = vec!["wait", "--for=condition=Established", "--timeout=60s"];
    wait.extend(names.split(' '));
    cluster.kubectl(&wait).unwrap();
}
