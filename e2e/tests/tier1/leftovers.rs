//! Nothing outlives the process that started it.

use helios_e2e::{ControlPlane, Options, wait_for};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Ids and command lines of the running processes that name a directory.
fn processes_of(dir: &Path) -> Vec<(String, String)> {
    let dir = dir.display().to_string();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        // Not all of /proc is processes, and some end while we look.
        if let Ok(line) = std::fs::read_to_string(entry.path().join("cmdline"))
            && line.contains(&dir)
        {
            found.push((entry.file_name().into_string().unwrap(), line));
        }
    }
    found
}

#[tokio::test]
async fn a_program_that_dies_is_told_with_its_last_words() {
    let cluster = ControlPlane::start(Options {
        nodes: 0,
        ..Options::default()
    })
    .await
    .unwrap();
    if !cluster.has_fake_nodes() {
        return;
    }
    assert_eq!(cluster.casualties(), Vec::<String>::new());
    let dir = cluster.directory().to_owned();
    let running = processes_of(&dir);
    let (pid, _) = running.iter().find(|p| p.1.contains("kwok.yaml")).unwrap();
    let killed = Command::new("kill").args(["-KILL", pid]).status();
    assert!(killed.unwrap().success());
    wait_for(
        "its death to be seen",
        Duration::from_secs(10),
        async || {
            let told = cluster.casualties();
            anyhow::ensure!(
                told.len() == 1 && told[0].starts_with("kwok ended"),
                "{told:?}"
            );
            Ok(())
        },
    )
    .await
    .unwrap();
    drop(cluster);
    assert!(!dir.exists() || std::env::var_os("HELIOS_E2E_KEEP").is_some());
}

#[tokio::test]
async fn a_killed_test_leaves_no_process_and_no_file() {
    let mut owner = Command::new(env!("CARGO_BIN_EXE_helios-cluster"))
        .args(["up", "1"])
        .env_remove("HELIOS_E2E_KUBECONFIG")
        .env_remove("HELIOS_E2E_KEEP")
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    let mut line = String::new();
    let out = owner.stdout.take().unwrap();
    BufReader::new(out).read_line(&mut line).unwrap();
    let kubeconfig = line.trim().strip_prefix("export KUBECONFIG=").unwrap();
    let dir = Path::new(kubeconfig).parent().unwrap();
    let running = processes_of(dir);
    assert!(running.len() >= 5, "{running:?}");

    owner.kill().unwrap();
    owner.wait().unwrap();
    wait_for(
        "everything to be gone",
        Duration::from_secs(10),
        async || {
            let running = processes_of(dir);
            anyhow::ensure!(running.is_empty() && !dir.exists(), "{running:?}");
            Ok(())
        },
    )
    .await
    .unwrap();
}
