//! Rights: what the chart gives is what the golden list says, is enough, and is used.

use super::{FIVE, THREE, WHILE};
use anyhow::ensure;
use helios_e2e::audit::Request;
use helios_e2e::{Right, Stage, shared, wait_for};
use serde_json::Value;
use std::collections::BTreeSet;

/// Roles of the golden list that are not the operator's or the coordinators', and where each is tried.
const OTHERS: [(&str, &str); 3] = [
    (
        "helios-nats-auth",
        "the callout: charts, the_callout_* with a real NATS",
    ),
    (
        "helios-nats-keys",
        "a job of the chart: charts, the_jobs_make_keys_once_*",
    ),
    (
        "helios-uninstall-check",
        "a job of the chart: charts, the_jobs_make_keys_once_*",
    ),
];

/// Rights that leave no request of their own in the log, and why each is there.
const UNSEEN: [(&str, &str, &str); 1] = [(
    "rbac.authorization.k8s.io/clusterroles",
    "bind",
    "asked for by the API server itself when a RoleBinding is made: without it that one is refused",
)];

/// Kind and name of a role of the golden list's release, for the one of a stage.
fn as_golden(right: &Right, ns: &str) -> Right {
    let renamed = |s: &str| {
        s.replace(&format!("default/{ns}-"), "helios-system/helios-")
            .replace(&format!("{ns}-"), "helios-")
    };
    Right {
        role: renamed(&right.role),
        names: renamed(&right.names),
        ..right.clone()
    }
}

/// The request made use of a right. An apply of what is not there yet takes `create`, and is answered as one.
fn uses(r: &Request, right: &Right) -> bool {
    let group = if r.group.is_empty() { "core" } else { &r.group };
    let mut resource = format!("{group}/{}", r.resource);
    if !r.subresource.is_empty() {
        resource += &format!("/{}", r.subresource);
    }
    let created = r.verb == "patch" && r.code == 201 && right.verb == "create";
    resource == right.resource && !r.forbidden && (r.verb == right.verb || created)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rbac_is_exactly_the_golden_list() {
    let cluster = shared().await.unwrap();
    let Ok(mark) = cluster.audit_mark() else {
        eprintln!("SKIPPED: this test needs the API server's own audit log");
        return;
    };
    let mut stage = Stage::new(cluster, "golden").await.unwrap();
    // What the operator has here is the golden list, to the last verb: nothing else is bound to it.
    let golden = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../charts/helios/tests/rbac.golden.txt"
    );
    let golden = std::fs::read_to_string(golden).unwrap();
    let defaults = golden.split("\n# ").find(|s| s.starts_with("defaults\n"));
    let listed: BTreeSet<Right> = defaults.unwrap().lines().filter_map(Right::read).collect();
    let of_others = |r: &Right| OTHERS.iter().any(|(name, _)| r.role.ends_with(name));
    for (name, _) in OTHERS {
        assert!(listed.iter().any(|r| r.role.ends_with(name)), "{name}");
    }
    let listed: BTreeSet<Right> = listed.into_iter().filter(|r| !of_others(r)).collect();
    let mut given = BTreeSet::new();
    for role in stage.roles().unwrap() {
        given.extend(Right::of(&role).iter().map(|r| as_golden(r, &stage.ns)));
    }
    assert_eq!(given, listed);

    // A life: made, changed, disturbed, taken away.
    stage.operator().await.unwrap();
    stage.account("paper", "").await.unwrap();
    stage.strategy("nobi", "paper", FIVE).unwrap();
    stage.speak_for_workers().unwrap();
    stage.trading("nobi", 5, WHILE).await.unwrap();
    stage.strategy("nobi", "paper", THREE).unwrap();
    stage.trading("nobi", 3, WHILE).await.unwrap();
    // What is bent is put right.
    let bend = r#"{"spec": {"replicas": 0}}"#;
    stage
        .kubectl(&["patch", "deployment", "hc-paper", "-p", bend])
        .unwrap();
    wait_for("the Deployment to be put right", WHILE, async || {
        let get = [
            "get",
            "deployment",
            "hc-paper",
            "-o=jsonpath={.spec.replicas}",
        ];
        let replicas = stage.kubectl(&get)?;
        ensure!(replicas == "2", "{replicas} replicas");
        Ok(())
    })
    .await
    .unwrap();
    // The same news again is one event, counted: suspended, and not, and again.
    for suspend in [true, false, true, false] {
        let spec = format!("{THREE}  suspend: {suspend}\n");
        stage.strategy("nobi", "paper", &spec).unwrap();
        let reason = if suspend { "Suspended" } else { "Trading" };
        stage
            .reason("HeliosStrategy", "nobi", "Ready", reason, WHILE)
            .await
            .unwrap();
    }
    let gone = ["delete", "heliosstrategy", "nobi", "--timeout=90s"];
    stage.kubectl(&gone).unwrap();
    stage.accounts["paper"].coordinators[0].kill();
    let gone = ["delete", "heliosaccount", "paper", "--timeout=60s"];
    let gone = stage.kubectl(&gone);

    let users = stage.users();
    let audit = cluster.audit_about(mark, &users).unwrap();
    let of = |user: &str| audit.of(user).requests;
    let (operator, coordinator) = (stage.operator_user(), &users[0]);
    assert_ne!(&operator, coordinator);
    let refused: Vec<Request> = [of(&operator), of(coordinator)].concat();
    let refused: Vec<_> = refused.iter().filter(|r| r.forbidden).collect();
    assert!(refused.is_empty(), "rights that lack: {refused:#?}");
    gone.unwrap();
    let (by_operator, by_coordinator) = (of(&operator), of(coordinator));
    let unused: Vec<String> = listed
        .iter()
        .filter(|right| {
            let by = if right.role.ends_with("-coordinator") {
                &by_coordinator
            } else {
                &by_operator
            };
            let unseen = UNSEEN
                .iter()
                .any(|(resource, verb, _)| right.resource == *resource && right.verb == *verb);
            !unseen && !by.iter().any(|r| uses(r, right))
        })
        .map(ToString::to_string)
        .collect();
    assert!(
        unused.is_empty(),
        "rights that nothing uses: {unused:#?}\n{}",
        stage.logs()
    );
    stage.end().await.unwrap();
}

/// Who is bound to what is seen at the API server, so that a right from elsewhere would not be missed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_of_a_stage_is_bound_to_the_roles_of_its_release_alone() {
    let cluster = shared().await.unwrap();
    let stage = Stage::new(cluster, "bound").await.unwrap();
    let get = ["get", "clusterrolebindings,rolebindings", "-A", "-o=json"];
    let all: Value = serde_json::from_str(&cluster.kubectl(&get).unwrap()).unwrap();
    let name = format!("{}-operator", stage.ns);
    let of_operator = |b: &&Value| {
        let subjects = b["subjects"].as_array().into_iter().flatten();
        subjects.clone().any(|s| s["name"] == name.as_str())
    };
    let bound = all["items"].as_array().unwrap().iter().filter(of_operator);
    let bound: BTreeSet<&str> = bound
        .map(|b| b["roleRef"]["name"].as_str().unwrap())
        .collect();
    let (cluster_wide, lock) = (format!("{name}-cluster"), format!("{name}-lock"));
    assert_eq!(bound, BTreeSet::from([&*name, &*cluster_wide, &*lock]));
    stage.end().await.unwrap();
}
