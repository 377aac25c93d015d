//! Who may talk to whom: everything is refused but DNS, NATS, the venue, and for coordinators the API server.
//!
//! Policies are rendered here; whether anything enforces them is the cluster's network's to say. An empty list of peers is
//! everybody, and is always written: what is left out would not be missed, and a policy that was narrow once would stay so.

use super::parts::{METRICS_PORT, meta, selector};
use crate::config::NetworkSettings;
use crate::names;
use helios_crds::{HeliosAccount, Venue};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Private and special address blocks (RFC 1918, 6598, 3927, 1122): not the exchange's.
const NOT_PUBLIC: [&str; 6] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "127.0.0.0/8",
];

/// Policy of the workers.
pub fn workers_policy(a: &HeliosAccount, nats_url: &str, n: &NetworkSettings) -> Value {
    let name = names::workers(&a.metadata.name);
    policy(a, nats_url, n, &name, names::WORKER, None)
}

/// Policy of the coordinators; they also reach the API server.
pub fn coordinator_policy(a: &HeliosAccount, nats_url: &str, n: &NetworkSettings) -> Value {
    let name = names::coordinator(&a.metadata.name);
    let api = Some(api_server(n));
    policy(a, nats_url, n, &name, names::COORDINATOR, api)
}

fn api_server(n: &NetworkSettings) -> Value {
    let ports: Vec<Value> = n.api_server_ports.iter().map(|p| tcp(*p)).collect();
    json!({"ports": ports, "to": blocks(&n.api_server_cidrs)})
}

/// Who may read metrics.
pub(super) fn metrics(n: &NetworkSettings) -> Value {
    let from = match &n.metrics_from[..] {
        [] => json!([]),
        whose => json!([{"namespaceSelector": {"matchLabels": labels(whose)}}]),
    };
    json!({"ports": [tcp(METRICS_PORT)], "from": from})
}

fn blocks(cidrs: &[String]) -> Value {
    let all = cidrs.iter();
    all.map(|c| json!({"ipBlock": {"cidr": c}})).collect()
}

fn labels(all: &[(String, String)]) -> Map<String, Value> {
    all.iter().map(|(k, v)| (k.clone(), json!(v))).collect()
}

fn tcp(port: u16) -> Value {
    json!({"protocol": "TCP", "port": port})
}

fn policy(
    a: &HeliosAccount,
    nats_url: &str,
    n: &NetworkSettings,
    name: &str,
    component: &str,
    api: Option<Value>,
) -> Value {
    let mut egress = vec![dns(), nats(nats_url, n), venue(a, n)];
    egress.extend(api);
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": meta(a, name, component),
        "spec": {
            "podSelector": {"matchLabels": selector(component, &a.metadata.name)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [metrics(n)],
            "egress": egress,
        },
    })
}

fn dns() -> Value {
    json!({"ports": [{"protocol": "UDP", "port": 53}, tcp(53)]})
}

/// All servers of the list: whichever is lost, the next is asked.
fn nats(urls: &str, n: &NetworkSettings) -> Value {
    let ports: BTreeSet<u16> = urls.split(',').map(|u| url_port(u, 4222)).collect();
    let ports: Vec<Value> = ports.into_iter().map(tcp).collect();
    let to = match &n.nats_pods[..] {
        [] => json!([]),
        whose => {
            json!([{"namespaceSelector": {}, "podSelector": {"matchLabels": labels(whose)}}])
        }
    };
    json!({"ports": ports, "to": to})
}

/// The exchange: TCP 443 at the given blocks, else at every public address. A simulated one: any pod, at its port.
fn venue(a: &HeliosAccount, n: &NetworkSettings) -> Value {
    if a.spec.venue == Venue::Simulated {
        let url = a.spec.simulated.url.as_deref();
        let port = url.map_or(9181, |u| url_port(u, 80));
        return json!({"ports": [tcp(port)], "to": []});
    }
    let to = if n.egress_cidrs.is_empty() {
        json!([
            {"ipBlock": {"cidr": "0.0.0.0/0", "except": NOT_PUBLIC}},
            {"ipBlock": {"cidr": "2000::/3"}},
        ])
    } else {
        blocks(&n.egress_cidrs)
    };
    json!({"to": to, "ports": [tcp(443)]})
}

/// Port of a URL: the one it names, or its scheme's, or `otherwise`.
fn url_port(url: &str, otherwise: u16) -> u16 {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let host = rest.split('/').next().unwrap_or_default();
    // The colons of an address in brackets are its own.
    let named = host
        .rsplit_once(':')
        .filter(|(_, port)| !port.contains(']'));
    let of_scheme = match scheme {
        "https" | "wss" => 443,
        "http" | "ws" => 80,
        _ => otherwise,
    };
    named
        .and_then(|(_, port)| port.parse().ok())
        .unwrap_or(of_scheme)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_an_address_is_the_one_it_names_or_its_schemes() {
        for (url, port) in [
            ("nats://helios-nats:4333", 4333),
            ("nats://helios-nats", 4222),
            ("helios-nats:4333", 4333),
            ("http://venue:9181/x", 9181),
            ("http://venue/x", 80),
            ("https://venue", 443),
            ("nats://[fd00::1]", 4222),
            ("nats://[fd00::1]:4333", 4333),
        ] {
            assert_eq!(url_port(url, 4222), port, "{url}");
        }
    }

    #[test]
    fn each_nats_server_of_a_list_may_be_reached() {
        let rule = super::nats("nats://a:4222,nats://b:4223", &NetworkSettings::default());
        assert_eq!(rule["ports"], json!([tcp(4222), tcp(4223)]));
    }
}
