//! The pods that the operator builds are started with arguments that this binary takes.
#![allow(clippy::unwrap_used)]
use super::{Cli, Command};
use clap::Parser;
use helios_crds::manifest::{self, Manifests};
use helios_operator::{PodSettings, build};
use serde_json::Value;

fn manifests(account: &str) -> Manifests {
    let text = format!(
        "apiVersion: helios.trading/v1alpha1\nkind: HeliosAccount\nmetadata: {{name: paper, namespace: trading}}\nspec: {account}\n---\n\
apiVersion: helios.trading/v1alpha1\nkind: HeliosStrategy\nmetadata: {{name: nobi, namespace: trading}}\nspec: {{accountRef: {{name: paper}}}}\n"
    );
    manifest::parse(&[("f.yaml".into(), text)]).unwrap()
}

/// The arguments of a container as the kubelet gives them to the image's entry point.
fn parsed(container: &Value) -> Command {
    let args = container["args"].as_array().unwrap();
    let args = args.iter().map(|a| a.as_str().unwrap());
    let line: Vec<&str> = std::iter::once("helios").chain(args).collect();
    match Cli::try_parse_from(&line) {
        Ok(cli) => cli.command,
        Err(e) => panic!("{line:?}: {e}"),
    }
}

const ACCOUNTS: [&str; 5] = [
    "{venue: Simulated}",
    "{venue: Simulated, simulated: {speed: 60, seed: 9007199254740991, edge: \"0.25\", profile: btc-like, latencyMs: 10000, initialBalance: \"1000000000\"}}",
    "{venue: Simulated, simulated: {url: \"http://venue:9181\"}}",
    "{venue: Simulated, simulated: {url: \"http://venue:9181\"}, credentialsSecretRef: {name: keys}}",
    "{venue: BinanceUsdm, environment: Testnet, credentialsSecretRef: {name: keys}}",
];

#[test]
fn what_the_operator_writes_into_pods_is_what_the_roles_take() {
    let settings = PodSettings::default();
    for spec in ACCOUNTS {
        let m = manifests(spec);
        let (a, h) = (&m.accounts[0].object, &m.strategies[0].object);
        let of_pod = |p: &Value| parsed(&p["spec"]["containers"][0]);
        let coordinator = build::deployment(a, &settings);
        let role = of_pod(&coordinator["spec"]["template"]);
        assert!(matches!(role, Command::Coordinator(_)), "{spec}");
        for symbol in ["BTCUSDT", "1000SHIBUSDT", "BTCUSDT_261225", "币安人生USDT"] {
            let role = of_pod(&build::pod(a, h, &settings, symbol));
            assert!(matches!(role, Command::Worker(_)), "{spec} {symbol}");
        }
        let role = of_pod(&build::venue(a, &settings)["spec"]["template"]);
        assert!(matches!(role, Command::Venue(_)), "{spec}");
    }
}

#[test]
fn a_role_has_ended_by_itself_before_its_pod_is_killed() {
    let m = manifests(ACCOUNTS[0]);
    let (a, h) = (&m.accounts[0].object, &m.strategies[0].object);
    let settings = PodSettings::default();
    let grace = |p: &Value| p["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap();
    // What a runtime still waits for after its role has ended.
    let rest = 5;
    let worker = crate::alone::WORKER_LEAVES_BY.as_secs() + rest;
    assert!(worker <= grace(&build::pod(a, h, &settings, "BTCUSDT")));
    let coordinator = crate::alone::COORDINATOR_LEAVES_BY.as_secs() + rest;
    let template = &build::deployment(a, &settings)["spec"]["template"];
    assert!(coordinator <= grace(template));
}

#[test]
fn keys_come_from_one_place() {
    let refused = |more: &[&str]| {
        let line = ["helios", "worker", "f.yaml", "--symbol", "X"];
        Cli::try_parse_from([&line[..], more].concat()).is_err()
    };
    assert!(!refused(&["--known-key"]) && !refused(&["--credentials-dir", "d"]));
    assert!(refused(&["--known-key", "--credentials-dir", "d"]));
    assert!(refused(&["--known-key", "--credentials-file", "f"]));
    assert!(refused(&[
        "--credentials-dir",
        "d",
        "--credentials-file",
        "f"
    ]));
}
