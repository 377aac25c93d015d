//! Who may talk to whom: everything is refused but DNS, NATS, the venue, and for coordinators the API server.
//!
//! Policies are rendered here; whether anything enforces them is the cluster's network's to say.

use super::parts::{METRICS_PORT, meta, selector};
use crate::config::PodSettings;
use crate::names;
use helios_crds::{HeliosAccount, Venue};
use serde_json::{Value, json};

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
pub fn workers_policy(a: &HeliosAccount, s: &PodSettings) -> Value {
    let name = names::workers(&a.metadata.name);
    policy(a, s, &name, names::WORKER, Vec::new())
}

/// Policy of the coordinators; they also reach the API server, whose address a policy can't name, so its port is open.
pub fn coordinator_policy(a: &HeliosAccount, s: &PodSettings) -> Value {
    let name = names::coordinator(&a.metadata.name);
    let api = json!({"ports": [tcp(443), tcp(6443)]});
    policy(a, s, &name, names::COORDINATOR, vec![api])
}

fn tcp(port: u16) -> Value {
    json!({"protocol": "TCP", "port": port})
}

fn policy(
    a: &HeliosAccount,
    s: &PodSettings,
    name: &str,
    component: &str,
    more: Vec<Value>,
) -> Value {
    let mut egress = vec![dns(), nats(s)];
    egress.push(venue(a, s));
    egress.extend(more);
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": meta(a, name, component),
        "spec": {
            "podSelector": {"matchLabels": selector(component, &a.metadata.name)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"ports": [tcp(METRICS_PORT)]}],
            "egress": egress,
        },
    })
}

fn dns() -> Value {
    json!({"ports": [{"protocol": "UDP", "port": 53}, tcp(53)]})
}

fn nats(s: &PodSettings) -> Value {
    let port = url_port(&s.nats_url).unwrap_or(4222);
    let mut rule = json!({"ports": [tcp(port)]});
    if !s.nats_pods.is_empty() {
        let labels: serde_json::Map<String, Value> = s
            .nats_pods
            .iter()
            .map(|(k, v)| (k.clone(), json!(v)))
            .collect();
        rule["to"] = json!([{"namespaceSelector": {}, "podSelector": {"matchLabels": labels}}]);
    }
    rule
}

/// The exchange: TCP 443 at the given blocks, else at every public address. A simulated one: any pod, at its port.
fn venue(a: &HeliosAccount, s: &PodSettings) -> Value {
    if a.spec.venue == Venue::Simulated {
        let url = a.spec.simulated.url.as_deref();
        let port = url.and_then(url_port).unwrap_or(9181);
        return json!({"ports": [tcp(port)]});
    }
    let to: Vec<Value> = if s.egress_cidrs.is_empty() {
        vec![
            json!({"ipBlock": {"cidr": "0.0.0.0/0", "except": NOT_PUBLIC}}),
            json!({"ipBlock": {"cidr": "2000::/3"}}),
        ]
    } else {
        let blocks = s.egress_cidrs.iter();
        blocks.map(|c| json!({"ipBlock": {"cidr": c}})).collect()
    };
    json!({"to": to, "ports": [tcp(443)]})
}

/// Port of a URL that names one.
fn url_port(url: &str) -> Option<u16> {
    let (_, rest) = url.split_once("://")?;
    let host = rest.split(['/', ',']).next()?;
    host.rsplit_once(':')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::url_port;

    #[test]
    fn the_port_of_an_address_is_found() {
        assert_eq!(url_port("nats://helios-nats:4222"), Some(4222));
        assert_eq!(url_port("nats://a:4222,nats://b:4223"), Some(4222));
        assert_eq!(url_port("http://venue:9181/x"), Some(9181));
        assert_eq!(url_port("https://venue"), None);
    }
}
