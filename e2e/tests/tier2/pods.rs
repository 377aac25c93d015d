//! What runs in a pod, from outside of it: its process, and what it says on its own loopback.

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Longest that an answer may take, on a busy machine.
const ANSWER: Duration = Duration::from_secs(5);

/// The process of a pod's program. The control group's name has the pod's uid; what holds the pod's network is another program.
pub fn process(uid: &str, program: &str) -> Result<i32> {
    let tag = format!("pod{uid}");
    for entry in std::fs::read_dir("/proc")? {
        let dir = entry?.path();
        let id = dir.file_name().and_then(|n| n.to_str()?.parse().ok());
        // Those that end meanwhile are not it.
        let (Some(id), Ok(groups)) = (id, std::fs::read_to_string(dir.join("cgroup"))) else {
            continue;
        };
        let line = std::fs::read(dir.join("cmdline")).unwrap_or_default();
        let first = line.split(|b| *b == 0).next().unwrap_or_default();
        let is = String::from_utf8_lossy(first);
        if groups.contains(&tag) && is.rsplit('/').next() == Some(program) {
            return Ok(id);
        }
    }
    bail!("no {program} runs in pod {uid}")
}

pub fn name(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().unwrap_or_default()
}

/// The program of a pod ends as by a crash.
pub fn kill(pod: &Pod) -> Result<()> {
    kill_program(pod, "helios")
}

/// A program in a pod ends as by a crash.
pub fn kill_program(pod: &Pod, program: &str) -> Result<()> {
    let uid = pod.metadata.uid.as_deref().context("a pod has a uid")?;
    let id = process(uid, program)?;
    let id = rustix::process::Pid::from_raw(id).context("a process")?;
    rustix::process::kill_process(id, rustix::process::Signal::KILL)?;
    Ok(())
}

/// How often a pod's containers were started again.
pub fn restarts(pod: &Pod) -> i32 {
    let status = pod.status.as_ref();
    let containers = status.and_then(|s| s.container_statuses.as_ref());
    containers
        .into_iter()
        .flatten()
        .map(|c| c.restart_count)
        .sum()
}

pub fn is_ready(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    let all = status.and_then(|s| s.conditions.as_ref());
    all.into_iter()
        .flatten()
        .any(|c| c.type_ == "Ready" && c.status == "True")
}

/// A number that a pod shows: of its metrics, the first of this name.
pub fn metric(pod: &Pod, name: &str) -> Result<f64> {
    let status = pod.status.as_ref();
    let address = status.and_then(|s| s.pod_ip.as_deref());
    let address: SocketAddr = format!("{}:9184", address.context("no address yet")?).parse()?;
    let mut s = TcpStream::connect_timeout(&address, ANSWER)?;
    s.set_read_timeout(Some(ANSWER))?;
    write!(s, "GET /metrics HTTP/1.0\r\nHost: pod\r\n\r\n")?;
    let mut text = String::new();
    s.read_to_string(&mut text)?;
    let line = text.lines().find(|l| {
        let rest = l.strip_prefix(name);
        rest.is_some_and(|r| r.starts_with('{') || r.starts_with(' '))
    });
    let number = line.and_then(|l| l.rsplit(' ').next());
    Ok(number.with_context(|| format!("no {name} yet"))?.parse()?)
}

/// Asks what listens on the loopback of a process' network.
pub fn ask_inside(process: i32, port: u16, method: &str, path: &str, body: &str) -> Result<Value> {
    let talk = format!("exec 3<>/dev/tcp/127.0.0.1/{port}; cat >&3; cat <&3");
    let mut child = Command::new("nsenter")
        .args(["--net", "--target", &process.to_string(), "--"])
        .args(["timeout", "5", "bash", "-c", &talk])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("nsenter (of util-linux) cannot be run")?;
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: venue\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    if let Some(mut to) = child.stdin.take() {
        to.write_all(request.as_bytes())?;
    }
    let out = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&out.stdout);
    let (head, body) = text.split_once("\r\n\r\n").with_context(|| {
        let words = String::from_utf8_lossy(&out.stderr);
        format!("{method} {path}: no answer: {}", words.trim())
    })?;
    ensure!(
        head.split(' ').nth(1) == Some("200"),
        "{method} {path}: {head} {body}"
    );
    Ok(serde_json::from_str(body)?)
}
