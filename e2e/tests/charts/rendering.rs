//! Rendering a chart with the real helm, without a cluster.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Sets of values: what each is about, and what is set.
pub const RENDERINGS: &[(&str, &[&str])] = &[
    ("defaults", &[]),
    ("one namespace", &["watchNamespace=trading"]),
    (
        "own NATS",
        &[
            "nats.enabled=false",
            "nats.url=nats://nats.messaging.svc:4333",
            "nats.podLabels.app=nats",
        ],
    ),
    (
        "own NATS with its own callout",
        &[
            "nats.enabled=false",
            "nats.url=tls://a.example:4222\\,tls://b.example:4222",
            "natsAuth.enabled=false",
        ],
    ),
    (
        "a NATS account for each account",
        &[
            "natsAuth.natsAccount=",
            "natsAuth.accounts={default/paper,trading/main}",
            "natsAuth.tokensSecret=people",
        ],
    ),
    (
        "keys made elsewhere",
        &[
            "natsAuth.keys.create=false",
            "natsAuth.keys.secretName=my-keys",
        ],
    ),
    ("no network policies", &["networkPolicies.enabled=false"]),
    (
        "narrow network policies",
        &[
            "egress.cidrs={203.0.113.0/24,2001:db8::/32}",
            "networkPolicies.apiServerCidrs={10.0.0.1/32}",
            "networkPolicies.metricsFrom.kubernetes\\.io/metadata\\.name=monitoring",
        ],
    ),
    ("forced uninstall", &["uninstall.force=true"]),
    (
        "everything small",
        &[
            "operator.replicas=1",
            "operator.coordinators=1",
            "natsAuth.replicas=1",
            "admission.accountInUse=false",
        ],
    ),
    (
        "everything pinned",
        &[
            "image.digest=sha256:0123456789012345678901234567890123456789012345678901234567890123",
            "image.pullPolicy=Never",
            "image.pullSecrets={one,two}",
            "nats.persistence.enabled=true",
            "nats.persistence.storageClass=fast",
            "traders.priorityClass.create=true",
            "operator.priorityClassName=system-cluster-critical",
            "operator.nodeSelector.disk=ssd",
            "operator.tolerations[0].key=traders",
            "operator.tolerations[0].operator=Exists",
            "operator.log=debug",
            "natsAuth.log=debug",
        ],
    ),
    (
        "simulated venue",
        &[
            "simulatedVenue.enabled=true",
            "simulatedVenue.credentialsSecret=venue-key",
            "simulatedVenue.speed=60",
        ],
    ),
    (
        "monitoring",
        &[
            "monitoring.podMonitor.enabled=true",
            "monitoring.serviceMonitor.enabled=true",
            "monitoring.rules.enabled=true",
            "monitoring.dashboards.enabled=true",
            "monitoring.rules.labels.release=prometheus",
        ],
    ),
];

/// Path of a chart.
pub fn chart(name: &str) -> String {
    format!("{}/../charts/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Runs helm; what it printed, or what it said of what is wrong.
pub fn helm(args: &[&str]) -> Result<String> {
    let program = helios_e2e::programs()?.join("helm");
    let home = tempfile::tempdir()?;
    let output = Command::new(program)
        .args(args)
        .env("HOME", home.path())
        .env("KUBECONFIG", Path::new("/dev/null"))
        .output()
        .context("helm")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// What the chart helios renders in a namespace.
pub fn try_template(namespace: &str, values: &[&str]) -> Result<String> {
    let chart = chart("helios");
    let mut args = vec!["template", "helios", &chart, "--namespace", namespace];
    for v in values {
        args.extend(["--set", v]);
    }
    helm(&args)
}

/// The objects in a stream of YAML.
pub fn objects(text: &str) -> Vec<Value> {
    let documents = text.split("\n---").filter(|d| {
        d.lines()
            .any(|l| !l.trim().is_empty() && !l.starts_with(['#', '-']))
    });
    documents
        .map(|d| {
            serde_saphyr::from_str(d.trim_start_matches('-'))
                .unwrap_or_else(|e| panic!("{e}:\n{d}"))
        })
        .collect()
}

/// The objects that the chart helios renders, in the namespace `helios-system`.
pub fn render(values: &[&str]) -> Vec<Value> {
    let text = try_template("helios-system", values).unwrap_or_else(|e| panic!("{values:?}: {e}"));
    objects(&text)
}

/// The strings of a list, none where there is no list.
pub fn strings(list: &Value) -> Vec<&str> {
    list.as_array()
        .into_iter()
        .flatten()
        .map(|v| v.as_str().unwrap())
        .collect()
}
