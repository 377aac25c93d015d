//! The admission policy: an account that strategies still name is not deleted, and a namespace still is.

use crate::rendering::{chart, try_template};
use helios_e2e::{ControlPlane, shared, wait_for};
use std::time::Duration;

const ACCOUNT: &str = "apiVersion: helios.trading/v1alpha1\nkind: HeliosAccount\nmetadata: {name: paper}\nspec: {venue: Simulated}\n";

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

fn used_by(cluster: &ControlPlane, namespace: &str, strategies: u32) {
    let status = format!("{{\"status\": {{\"strategies\": {strategies}}}}}");
    let patch = [
        "-n",
        namespace,
        "patch",
        "heliosaccount",
        "paper",
        "--subresource=status",
        "--type=merge",
        "-p",
    ];
    cluster.kubectl(&[&patch[..], &[&status]].concat()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_in_use_is_not_deleted_and_one_that_is_not_or_whose_namespace_goes_is() {
    let cluster = shared().await.unwrap();
    let ns = cluster.namespace("in-use").await.unwrap();
    definitions(cluster);
    // One namespace's policy, so that it meets nobody else's accounts.
    let values = [format!("watchNamespace={}", ns.name())];
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let text = try_template(ns.name(), &values).unwrap();
    let policy: Vec<&str> = text
        .split("\n---")
        .filter(|d| d.contains("kind: ValidatingAdmissionPolicy"))
        .collect();
    assert_eq!(policy.len(), 2);
    cluster.apply(&policy.join("\n---\n")).unwrap();

    let create = || cluster.kubectl(&["-n", ns.name(), "get", "heliosaccount", "paper"]);
    let delete = |more: &[&str]| {
        let args = ["-n", ns.name(), "delete", "heliosaccounts", "--wait=false"];
        cluster.kubectl(&[&args[..], more].concat())
    };
    let file = ACCOUNT.replace(
        "{name: paper}",
        &format!("{{name: paper, namespace: {}}}", ns.name()),
    );
    cluster.apply(&file).unwrap();
    used_by(cluster, ns.name(), 2);
    // The API server takes a policy up a little later.
    wait_for(
        "the policy to be in force",
        Duration::from_secs(60),
        async || match cluster.kubectl(&[
            "-n",
            ns.name(),
            "delete",
            "heliosaccount",
            "paper",
            "--dry-run=server",
        ]) {
            Err(e) if format!("{e:#}").contains("in use by 2") => Ok(()),
            other => anyhow::bail!("{other:?}"),
        },
    )
    .await
    .unwrap();
    for more in [
        &["paper"] as &[&str],
        &["--all"],
        &["paper", "--cascade=orphan"],
        &["paper", "--force", "--grace-period=0"],
    ] {
        let refused = format!("{:#}", delete(more).unwrap_err());
        let command = format!("kubectl get heliosstrategies -n {}", ns.name());
        assert!(
            refused.contains("in use by 2 HeliosStrategy") && refused.contains(&command),
            "{more:?}: {refused}"
        );
    }
    create().unwrap();

    used_by(cluster, ns.name(), 0);
    delete(&["paper"]).unwrap();
    assert!(create().is_err(), "it is gone");

    // One whose status nobody has written yet is nobody's.
    cluster.apply(&file).unwrap();
    delete(&["paper"]).unwrap();

    cluster.apply(&file).unwrap();
    used_by(cluster, ns.name(), 1);
    let name = ns.name().to_string();
    ns.delete().await.unwrap();
    let policy = format!("helios-{name}-account-in-use");
    for kind in [
        "validatingadmissionpolicy",
        "validatingadmissionpolicybinding",
    ] {
        cluster.kubectl(&["delete", kind, &policy]).unwrap();
    }
}
