//! The charts at a real API server: each rendering as a dry run, one installed, tested, upgraded and uninstalled.

use crate::definitions::definitions;
use crate::rendering::{RENDERINGS, chart, objects, try_template};
use helios_e2e::{ControlPlane, shared};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_takes_every_rendering() {
    let cluster = shared().await.unwrap();
    let ns = cluster.namespace("dry-run").await.unwrap();
    definitions(cluster);
    for (title, values) in RENDERINGS {
        let text = try_template(ns.name(), values).unwrap();
        // A namespace that is watched need not be there to render for it, but a dry run asks for it.
        let text = text.replace("namespace: trading", &format!("namespace: {}", ns.name()));
        let mut kept = Vec::new();
        for o in objects(&text) {
            // Kinds of the Prometheus operator are not served here.
            if o["apiVersion"] != "monitoring.coreos.com/v1" {
                kept.push(o);
            }
        }
        let list = json!({"apiVersion": "v1", "kind": "List", "items": kept});
        let file = cluster.directory().join("dry-run.json");
        std::fs::write(&file, list.to_string()).unwrap();
        let file = file.to_str().unwrap();
        // Applied by the server: another test may install or remove a release of this name meanwhile.
        let how = "apply --server-side --force-conflicts --dry-run=server --validate=strict -f";
        let said = cluster.kubectl(&how.split(' ').chain([file]).collect::<Vec<_>>());
        let said = said.unwrap_or_else(|e| panic!("{title}: {e:#}"));
        assert_eq!(said.lines().count(), kept.len(), "{title}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_takes_the_samples_and_what_kustomize_makes_of_the_base() {
    let cluster = shared().await.unwrap();
    let ns = cluster.namespace("samples").await.unwrap();
    definitions(cluster);
    let config = chart("../config");
    let dry = |how: &str, what: &str| {
        let path = format!("{config}/{what}");
        let args = [
            "-n",
            ns.name(),
            "apply",
            "--dry-run=server",
            "--validate=strict",
        ];
        let said = cluster.kubectl(&[&args[..], &[how, &path]].concat());
        said.unwrap_or_else(|e| panic!("{what}: {e:#}"))
    };
    assert_eq!(dry("-f", "samples").lines().count(), 13);
    assert_eq!(dry("-k", "kustomize/overlays/careful").lines().count(), 2);
}

/// May this service account do that?
fn may(cluster: &ControlPlane, user: &str, namespace: &str, ask: &str) -> bool {
    let mut args = vec!["auth", "can-i", "-n", namespace, "--as", user];
    args.extend(ask.split(' '));
    // kubectl fails where the answer is no.
    cluster.kubectl(&args).is_ok_and(|s| s.trim() == "yes")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_charts_install_test_upgrade_and_uninstall_and_the_operator_may_do_its_work_and_no_more()
 {
    let cluster = shared().await.unwrap();
    let ns = cluster.namespace("install").await.unwrap();
    let traders = cluster.namespace("traders").await.unwrap();
    // The API server's own word on what is restricted: a pod that is not would never come.
    let restricted = "pod-security.kubernetes.io/enforce=restricted";
    cluster
        .kubectl(&["label", "namespace", ns.name(), restricted])
        .unwrap();
    definitions(cluster);
    let helios = chart("helios");
    let release = ["helios", "-n", ns.name()];
    let pinned = [
        "--set",
        "simulatedVenue.enabled=true",
        "--wait",
        "--timeout=120s",
    ];
    let quota = [
        "-n",
        ns.name(),
        "create",
        "quota",
        "none",
        "--hard=count/jobs.batch=0",
    ];
    let known = [
        "-n",
        ns.name(),
        "wait",
        "quota/none",
        "--for=jsonpath={.status.hard}",
        "--timeout=30s",
    ];
    let no_quota = ["-n", ns.name(), "delete", "quota", "none"];
    // An install that fails before anything of the release is there can be taken back all the same.
    cluster.kubectl(&quota).unwrap();
    cluster.kubectl(&known).unwrap();
    let install = [&["install"], &release[..1], &[&helios], &release[1..]].concat();
    let refused = cluster.helm(&install).unwrap_err().to_string();
    assert!(refused.contains("quota"), "{refused}");
    cluster.kubectl(&no_quota).unwrap();
    let uninstall = [&["uninstall"], &release[..], &["--wait"]].concat();
    cluster.helm(&uninstall).unwrap();

    // What pods of this cluster run is nothing; that they come, are ready and hooks are waited for is what is seen.
    cluster
        .helm(
            &[
                &["install"],
                &release[..1],
                &[&helios],
                &release[1..],
                &pinned,
            ]
            .concat(),
        )
        .unwrap();
    let notes = cluster
        .helm(&[&["get", "notes"], &release[..]].concat())
        .unwrap();
    assert!(
        notes.contains("emptyDir") && !notes.contains("not served"),
        "{notes}"
    );
    cluster.helm(&[&["test"], &release[..]].concat()).unwrap();

    // A hook that fails stops an uninstall and leaves everything as it was. Here its job is refused by a quota.
    cluster.kubectl(&quota).unwrap();
    cluster.kubectl(&known).unwrap();
    let refused = cluster.helm(&uninstall).unwrap_err().to_string();
    assert!(refused.contains("quota"), "{refused}");
    let stands = [
        "-n",
        ns.name(),
        "get",
        "deployment/helios-operator",
        "service/helios-nats",
    ];
    cluster.kubectl(&stands).unwrap();
    // Helm takes it for half gone then and upgrades it no more, until it is rolled back to what it is.
    let again = [&["rollback"], &release[..1], &["1"], &release[1..]].concat();
    cluster.helm(&again).unwrap();
    cluster.kubectl(&no_quota).unwrap();

    let operator = format!("system:serviceaccount:{}:helios-operator", ns.name());
    for ask in [
        "create pods",
        "delete pods",
        "patch configmaps",
        "create leases.coordination.k8s.io",
        "patch heliosaccounts.helios.trading",
        "patch heliosstrategies.helios.trading --subresource=status",
        "create rolebindings.rbac.authorization.k8s.io",
        "create events.events.k8s.io",
        "get namespaces",
        "watch nodes",
    ] {
        assert!(may(cluster, &operator, traders.name(), ask), "{ask}");
    }
    for ask in [
        "get secrets",
        "list secrets",
        "create secrets",
        "patch pods",
        "create pods --subresource=exec",
        "get pods --subresource=log",
        "create clusterrolebindings.rbac.authorization.k8s.io",
        "patch clusterroles.rbac.authorization.k8s.io",
        "update leases.coordination.k8s.io",
        "delete heliosstrategies.helios.trading",
        "delete nodes",
        "create serviceaccounts --subresource=token",
        "get configmaps",
    ] {
        assert!(!may(cluster, &operator, traders.name(), ask), "{ask}");
    }
    let callout = format!("system:serviceaccount:{}:helios-nats-auth", ns.name());
    assert!(may(
        cluster,
        &callout,
        ns.name(),
        "create tokenreviews.authentication.k8s.io"
    ));
    assert!(!may(
        cluster,
        &callout,
        ns.name(),
        "create subjectaccessreviews.authorization.k8s.io"
    ));

    // The operator binds the coordinators' role, and no role that is more.
    let client = cluster.client_as(&operator, &[]).await.unwrap();
    let bindings = Api::<RoleBinding>::namespaced(client, traders.name());
    let binding = |role: &str| {
        let mut b: RoleBinding = serde_json::from_value(json!({
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": "hc-paper", "namespace": traders.name()}],
            "metadata": {},
        }))
        .unwrap();
        b.metadata = ObjectMeta {
            name: Some(format!("b-{role}")),
            ..ObjectMeta::default()
        };
        b
    };
    let how = PostParams::default();
    bindings
        .create(&how, &binding("helios-coordinator"))
        .await
        .unwrap();
    for role in ["view", "edit", "cluster-admin"] {
        let refused = bindings.create(&how, &binding(role)).await.unwrap_err();
        let words = refused.to_string();
        assert!(
            words.contains("attempting to grant RBAC permissions"),
            "{role}: {words}"
        );
    }
    let coordinator = format!("system:serviceaccount:{}:hc-paper", traders.name());
    for (ask, yes) in [
        ("update leases.coordination.k8s.io", true),
        ("update configmaps", true),
        ("watch heliosstrategies.helios.trading", true),
        ("list configmaps", false),
        ("create leases.coordination.k8s.io", false),
        ("get secrets", false),
        ("patch heliosaccounts.helios.trading", false),
        ("list pods", false),
    ] {
        assert_eq!(
            may(cluster, &coordinator, traders.name(), ask),
            yes,
            "{ask}"
        );
    }
    assert!(
        !may(cluster, &coordinator, ns.name(), "update configmaps"),
        "only where it is bound"
    );

    cluster
        .helm(
            &[
                &["upgrade"],
                &release[..1],
                &[&helios],
                &release[1..],
                &["--reuse-values", "--set", "uninstall.force=true", "--wait"],
            ]
            .concat(),
        )
        .unwrap();
    let hooks = cluster
        .helm(&[&["get", "hooks"], &release[..]].concat())
        .unwrap();
    assert!(
        !hooks.contains("pre-delete"),
        "forced: nobody asks any more"
    );
    cluster.helm(&uninstall).unwrap();
    let left = cluster
        .kubectl(&[
            "get",
            "clusterroles,clusterrolebindings,validatingadmissionpolicies",
            "-l",
            "app.kubernetes.io/part-of=helios",
            "-o",
            "name",
        ])
        .unwrap();
    // Those of other scenarios have the name of their namespace in them, and so a number.
    let ours = |l: &&str| !l.contains(|c: char| c.is_ascii_digit());
    let left: Vec<&str> = left.lines().filter(ours).collect();
    assert!(left.is_empty(), "{left:?}");
}
