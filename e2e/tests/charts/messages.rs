//! NATS as the chart configures it, with the keys that the job makes, asking the callout as the chart starts it: whoever has a
//! token of the operator's service account is let in, and a token that is made for something else is not.

use crate::definitions::definitions;
use crate::pods::binary;
use crate::processes::{RIGHTS, Running, SOON, apply, args_of, clear, free_port, get, job};
use anyhow::ensure;
use helios_e2e::{shared, wait_for};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

/// A nats-server, if there is one or one can be built.
fn nats_server() -> Option<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tools/nats.sh");
    let output = Command::new("bash").arg(script).output().ok()?;
    let path = String::from_utf8(output.stdout).ok()?;
    if !output.status.success() {
        eprintln!("SKIPPED: no nats-server: name one with HELIOS_NATS_SERVER");
        return None;
    }
    Some(path.trim().into())
}

/// Shows a token to NATS as its protocol has it; the server's answer to a ping.
fn connect(port: u16, user: &str, token: &str) -> anyhow::Result<String> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let info = lines.next().transpose()?.unwrap_or_default();
    ensure!(info.starts_with("INFO"), "{info}");
    let who = serde_json::json!({"user": user, "pass": token, "verbose": false, "lang": "test", "version": "1", "protocol": 1});
    write!(&stream, "CONNECT {who}\r\nPING\r\n")?;
    Ok(lines.next().transpose()?.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn nats_of_the_chart_lets_in_whom_the_callout_of_the_chart_knows() {
    let (Some(binary), Some(server)) = (binary(), nats_server()) else {
        return;
    };
    let cluster = shared().await.unwrap();
    let ns = cluster.namespace("messages").await.unwrap();
    definitions(cluster);
    let all = apply(cluster, &ns, &RIGHTS);
    let (well, said) = job(cluster, &ns, &binary, &all, "helios-nats-keys").await;
    assert!(well, "{said}");

    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let (port, health, numbers) = (free_port(), free_port(), free_port());
    let config = all.iter().find(|o| o["kind"] == "ConfigMap").unwrap();
    let config = config["data"]["nats-server.conf"].as_str().unwrap();
    let config = config
        .replace("0.0.0.0:4222", &format!("127.0.0.1:{port}"))
        .replace("0.0.0.0:8222", &format!("127.0.0.1:{health}"))
        .replace("/data/jetstream", path("store").to_str().unwrap());
    std::fs::write(path("nats.conf"), config).unwrap();

    // The pods' views of the Secret: the server has the public keys in its environment, the callout the seeds as files.
    let read = [
        "-n",
        ns.name(),
        "get",
        "secret",
        "helios-nats-keys",
        "-o",
        "go-template={{range $k, $v := .data}}{{$k}} {{$v | base64decode}}\n{{end}}",
    ];
    let keys = cluster.kubectl(&read).unwrap();
    let key = |name: &str| {
        let line = keys
            .lines()
            .find_map(|l| l.strip_prefix(&format!("{name} ")));
        line.unwrap().to_string()
    };
    for seed in ["issuer.seed", "login.seed", "xkey.seed"] {
        std::fs::write(path(seed), key(seed)).unwrap();
        std::fs::set_permissions(path(seed), std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let set = all.iter().find(|o| o["kind"] == "StatefulSet").unwrap();
    let container = &set["spec"]["template"]["spec"]["containers"][0];
    let mut nats = Command::new(server);
    nats.arg("-c").arg(path("nats.conf"));
    for variable in container["env"].as_array().unwrap() {
        let named: &Value = &variable["valueFrom"]["secretKeyRef"];
        assert_eq!(named["name"], "helios-nats-keys");
        let name = named["key"].as_str().unwrap();
        assert!(name.ends_with(".pub"), "the server is given {name}");
        nats.env(variable["name"].as_str().unwrap(), key(name));
    }
    let nats = Running::start(nats, &path("nats.log"));

    let mut callout = Command::new(&binary);
    for arg in args_of(&all, "helios-nats-auth") {
        if arg == "/etc/helios/nats" {
            callout.arg(dir.path());
        } else if arg.starts_with("--nats=") {
            callout.arg(format!("--nats=nats://127.0.0.1:{port}"));
        } else if arg.starts_with("--metrics=") {
            callout.arg(format!("--metrics=127.0.0.1:{numbers}"));
        } else {
            callout.arg(arg);
        }
    }
    callout.env(
        "KUBECONFIG",
        cluster
            .kubeconfig_of(ns.name(), "helios-nats-auth")
            .await
            .unwrap(),
    );
    // It ends when there is no server yet, as its pod would, and is started again.
    wait_for("NATS to listen", SOON, async || {
        TcpStream::connect(("127.0.0.1", port))?;
        Ok(())
    })
    .await
    .unwrap_or_else(|e| panic!("{e:#}\n{}", nats.said()));
    let callout = Running::start(callout, &path("callout.log"));

    let token = |audience: &str| {
        let args = [
            "-n",
            ns.name(),
            "create",
            "token",
            "helios-operator",
            "--audience",
            audience,
        ];
        cluster.kubectl(&args).unwrap().trim().to_string()
    };
    let user = format!("operator:{}/paper", ns.name());
    let good = token("helios-nats");
    let let_in = wait_for("the operator to be let in", SOON, async || {
        let answer = connect(port, &user, &good)?;
        ensure!(answer == "PONG", "{answer}");
        Ok(())
    });
    let_in
        .await
        .unwrap_or_else(|e| panic!("{e:#}\n{}\n{}", nats.said(), callout.said()));
    for (user, token, what) in [
        (
            user.as_str(),
            token("another"),
            "a token for another audience",
        ),
        (user.as_str(), "x".repeat(40), "no token at all"),
        ("", good.clone(), "the operator as a coordinator"),
        ("worker:BTCUSDT", good, "the operator as a worker"),
    ] {
        let answer = connect(port, user, &token).unwrap_or_else(|e| format!("{e}"));
        assert!(!answer.starts_with("PONG"), "{what} is let in");
    }
    let said = get(numbers, "/readyz").unwrap();
    assert!(said.contains("200 OK"), "{said}");
    let said = get(numbers, "/metrics").unwrap();
    for line in [
        "helios_nats_auth_connected 1",
        "helios_nats_auth_admitted_total 1",
        "helios_nats_auth_refused_total 4",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    // Without its server it is no pod to count on, and it says so.
    drop(nats);
    wait_for("the callout not to be ready", SOON, async || {
        let said = get(numbers, "/readyz")?;
        ensure!(
            said.contains("503") && said.contains("no connection"),
            "{said}"
        );
        Ok(())
    })
    .await
    .unwrap();
    clear(cluster, ns.name());
}
