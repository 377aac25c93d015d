//! The simulated exchange of an account: one pod, a Service, and a policy that lets in the account's own pods alone.
//!
//! Its key is known to everybody, so the network says who trades there. It keeps its state as long as its pod: a container
//! that is started again goes on, a pod that is replaced begins a new exchange.

use super::network::metrics;
use super::parts::{
    CREDENTIALS_DIR, METRICS_PORT, container, labels, meta, pod_spec, probes, selector,
};
use crate::config::{NetworkSettings, PodSettings};
use crate::names;
use helios_crds::{HeliosAccount, Venue};
use serde_json::{Value, json};

/// Port of REST and WebSocket.
pub const VENUE_PORT: u16 = 9181;
/// Where its state lies.
const STATE_DIR: &str = "/var/lib/helios";

/// The account trades at a venue of its own in the cluster.
pub fn has_venue(a: &HeliosAccount) -> bool {
    a.spec.venue == Venue::Simulated && a.spec.simulated.url.is_none()
}

/// The account trades with the key that everybody knows: at its own venue, and elsewhere unless it names its keys.
pub fn known_key(a: &HeliosAccount) -> bool {
    let spec = &a.spec;
    has_venue(a) || spec.venue == Venue::Simulated && spec.credentials_secret_ref.is_none()
}

/// How coordinator and workers of an account reach the exchange, and with which key.
pub fn link_args(a: &HeliosAccount) -> Vec<String> {
    let spec = &a.spec;
    let key = if known_key(a) {
        "--known-key".into()
    } else {
        format!("--credentials-dir={CREDENTIALS_DIR}")
    };
    if spec.venue != Venue::Simulated {
        return vec![key];
    }
    let own = || {
        let host = names::venue(&a.metadata.name);
        format!("http://{host}:{VENUE_PORT}")
    };
    let url = spec.simulated.url.clone().unwrap_or_else(own);
    vec![
        format!("--venue-url={url}"),
        format!("--speed={}", spec.simulated.speed),
        key,
    ]
}

/// What the market is: another one begins where any of it differs.
pub fn market_args(a: &HeliosAccount) -> [String; 6] {
    let market = &a.spec.simulated;
    [
        format!("--seed={}", market.seed),
        format!("--edge={}", market.edge),
        format!("--profile={}", market.profile),
        format!("--speed={}", market.speed),
        format!("--latency={}", market.latency_ms),
        format!("--balance={}", market.initial_balance),
    ]
}

/// The Deployment. The old pod is gone before the new one comes: there is one exchange.
pub fn venue(a: &HeliosAccount, s: &PodSettings) -> Value {
    let account = &a.metadata.name;
    let name = names::venue(account);
    let mut args = vec![
        "venue".into(),
        format!("--listen=0.0.0.0:{VENUE_PORT}"),
        "--known-key".into(),
        format!("--metrics=0.0.0.0:{METRICS_PORT}"),
        format!("--state={STATE_DIR}"),
        "--save-every=10".into(),
    ];
    args.extend(market_args(a));
    let mut c = container("venue", s, &args);
    probes(&mut c);
    c["ports"] = json!([
        {"name": "venue", "containerPort": VENUE_PORT, "protocol": "TCP"},
        {"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"},
    ]);
    c["resources"] = json!({
        "requests": {"cpu": "50m", "memory": "64Mi"},
        "limits": {"memory": "512Mi"},
    });
    // The API server leaves out what is false, so it is not said that this one can be written.
    c["volumeMounts"] = json!([{"name": "state", "mountPath": STATE_DIR}]);
    let volumes = json!([{"name": "state", "emptyDir": {"sizeLimit": "256Mi"}}]);
    // It may do nothing at the API server, as the workers.
    let mut spec = pod_spec(s, &names::workers(account), c, volumes);
    spec["automountServiceAccountToken"] = json!(false);
    spec["terminationGracePeriodSeconds"] = json!(30);
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta(a, &name, names::VENUE),
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 2,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": selector(names::VENUE, account)},
            "template": {
                "metadata": {"labels": labels(names::VENUE, account)},
                "spec": spec,
            },
        },
    })
}

/// Its address.
pub fn venue_service(a: &HeliosAccount) -> Value {
    let account = &a.metadata.name;
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta(a, &names::venue(account), names::VENUE),
        "spec": {
            "selector": selector(names::VENUE, account),
            "ports": [{"name": "venue", "port": VENUE_PORT, "targetPort": "venue", "protocol": "TCP"}],
        },
    })
}

/// In from the account's pods, and for whoever may read metrics; out to nobody.
pub fn venue_policy(a: &HeliosAccount, n: &NetworkSettings) -> Value {
    let account = &a.metadata.name;
    let of_account = json!({
        names::MANAGED_BY: names::MANAGER,
        names::ACCOUNT: account,
    });
    let tcp = |port: u16| json!([{"protocol": "TCP", "port": port}]);
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": meta(a, &names::venue(account), names::VENUE),
        "spec": {
            "podSelector": {"matchLabels": selector(names::VENUE, account)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [
                {"from": [{"podSelector": {"matchLabels": of_account}}], "ports": tcp(VENUE_PORT)},
                metrics(n),
            ],
            "egress": [],
        },
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use helios_crds::manifest;

    fn account(spec: &str) -> HeliosAccount {
        let text = format!(
            "apiVersion: helios.trading/v1alpha1\nkind: HeliosAccount\nmetadata: {{name: paper, namespace: trading}}\nspec: {spec}\n"
        );
        let m = manifest::parse(&[("f.yaml".into(), text)]).unwrap();
        m.accounts[0].object.clone()
    }

    #[test]
    fn a_simulated_account_without_an_address_has_a_venue_of_its_own_and_the_known_key() {
        let a = account("{venue: Simulated, simulated: {speed: 60}}");
        assert!(has_venue(&a));
        let args = link_args(&a);
        assert_eq!(
            args,
            [
                "--venue-url=http://hv-paper:9181",
                "--speed=60",
                "--known-key"
            ]
        );
    }

    #[test]
    fn a_venue_elsewhere_takes_the_accounts_keys_if_it_names_some() {
        let url = "venue: Simulated, simulated: {url: \"http://v:9\"}";
        let a = account(&format!("{{{url}}}"));
        assert!(!has_venue(&a) && link_args(&a).contains(&"--known-key".to_string()));
        let a = account(&format!("{{{url}, credentialsSecretRef: {{name: k}}}}"));
        let args = link_args(&a);
        assert!(args[0] == "--venue-url=http://v:9" && args[2].starts_with("--credentials-dir="));
    }

    #[test]
    fn there_is_one_exchange_and_only_the_accounts_pods_reach_it() {
        let a = account("{venue: Simulated}");
        let policy = venue_policy(&a, &NetworkSettings::default());
        assert_eq!(policy["spec"]["egress"], json!([]), "out to nobody");
        let from = &policy["spec"]["ingress"][0]["from"][0]["podSelector"]["matchLabels"];
        assert_eq!(from[names::ACCOUNT], "paper");
        assert_eq!(venue_service(&a)["metadata"]["name"], "hv-paper");
    }
}
