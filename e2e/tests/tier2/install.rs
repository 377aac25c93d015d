//! The one installation that all scenarios share: images, charts and NATS, made by the README's own commands. And who may
//! disturb it: scenarios are beside each other until one needs it for itself.

use anyhow::{Context, Result, bail, ensure};
use helios_e2e::{ControlPlane, Image, Node, helios_program, nats_program, shared_node};
use std::path::{Path, PathBuf};
use std::process::Command;
use tokio::sync::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard, Semaphore, SemaphorePermit};

pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Namespace and name of the release.
pub const RELEASE: &str = "helios";

/// Scenarios that trade at once: two cores carry no more of them and keep the promises that are timed.
const AT_ONCE: u32 = 3;
static DESKS: Semaphore = Semaphore::const_new(AT_ONCE as usize);
static PLACE: RwLock<()> = RwLock::const_new(());

/// A place beside others, or for oneself.
pub enum Place {
    Beside(#[allow(dead_code)] RwLockReadGuard<'static, ()>),
    Alone(#[allow(dead_code)] RwLockWriteGuard<'static, ()>),
}

impl Place {
    pub async fn beside() -> Self {
        Self::Beside(PLACE.read().await)
    }

    /// Waits until nobody else is at work. Whoever has a place must give it back first.
    pub async fn alone() -> Self {
        Self::Alone(PLACE.write().await)
    }
}

/// The right to trade; to be had before a place, or those who wait for each other wait for ever.
pub async fn desk() -> Result<SemaphorePermit<'static>> {
    Ok(DESKS.acquire().await?)
}

/// All other rights, for whoever has one: every desk is closed then, those that wait for their turn too.
pub async fn other_desks() -> Result<SemaphorePermit<'static>> {
    Ok(DESKS.acquire_many(AT_ONCE - 1).await?)
}

/// The node with the product on it: installed by whoever comes first, and anew by whoever comes after it was uninstalled.
pub async fn install() -> Result<&'static Node> {
    let node = shared_node().await?;
    let mut there = THERE.lock().await;
    if !*there {
        images(node)?;
        for command in readme()? {
            if command.starts_with("helm ") {
                run(node, &command)?;
            }
        }
        *there = true;
    }
    Ok(node)
}

/// It was uninstalled.
pub async fn gone() {
    *THERE.lock().await = false;
}

static THERE: Mutex<bool> = Mutex::const_new(false);

/// The commands of the README's section for clusters: the lines of its indented blocks.
pub fn readme() -> Result<Vec<String>> {
    let text = std::fs::read_to_string(Path::new(ROOT).join("README.md"))?;
    let (_, section) = text
        .split_once("\n## On your cluster\n")
        .context("the README has no such section")?;
    let section = section.split("\n## ").next().unwrap_or_default();
    let commands = section.lines().filter_map(|l| l.strip_prefix("    "));
    let commands: Vec<_> = commands.map(str::to_owned).collect();
    ensure!(
        commands.iter().any(|c| c.starts_with("kubectl apply")),
        "no commands in it: {section}"
    );
    Ok(commands)
}

/// Runs a command as somebody types it who has this cluster and this node, in the repository.
pub fn run(node: &Node, command: &str) -> Result<String> {
    let cluster = node.cluster();
    let caches = cluster.directory().join("caches");
    let path = format!(
        "{}:{}",
        helios_e2e::programs()?.display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let out = Command::new("bash")
        .args(["-euo", "pipefail", "-c", command])
        .current_dir(ROOT)
        .env("PATH", path)
        .env("KUBECONFIG", cluster.kubeconfig_path())
        .env("CONTAINERD_ADDRESS", node.containerd())
        // Settings of whoever runs the tests stay out of it.
        .env("HOME", &caches)
        .env("KUBECACHEDIR", &caches)
        .output()?;
    let words = String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success(), "{command}: {}", words.trim());
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// The images by the names that the charts have of themselves: those of a release where `HELIOS_E2E_IMAGE` is its archive, or
/// made of the programs under test.
fn images(node: &Node) -> Result<()> {
    match release_archive() {
        Some(archive) => node.archive(&archive)?,
        None => node.image(&helios_image()?)?,
    }
    node.image(&nats_image()?)
}

/// The archive that `make image` wrote, if it is to be tested.
pub fn release_archive() -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os("HELIOS_E2E_IMAGE")?);
    // As somebody means it who is at the repository's root.
    Some(Path::new(ROOT).join(path))
}

fn version() -> Result<String> {
    let chart = std::fs::read_to_string(Path::new(ROOT).join("charts/helios/Chart.yaml"))?;
    let line = chart.lines().find_map(|l| l.strip_prefix("appVersion: "));
    Ok(line.context("no appVersion")?.trim_matches('"').to_owned())
}

/// The program under test, without what only a debugger reads.
fn helios_image() -> Result<Image> {
    let dir = tempfile::tempdir()?.keep();
    let helios = dir.join("helios");
    let strip = Command::new("strip")
        .arg("-o")
        .arg(&helios)
        .arg(helios_program()?)
        .status();
    ensure!(strip.context("strip (binutils)")?.success(), "strip failed");
    let name = format!("docker.io/library/helios:{}", version()?);
    let mut image = Image::of_program(&name, &helios)?;
    // In the path, as in the image of a release: people run it in pods by its name.
    moved(&mut image, &helios, "/usr/bin/helios");
    image.entrypoint = vec!["/usr/bin/helios".to_owned()];
    // No client of the exchange is made without authorities to believe.
    let authorities = "/etc/ssl/certs/ca-certificates.crt";
    image.files.push((authorities.into(), authorities.into()));
    Ok(image)
}

/// Puts a file of an image elsewhere.
fn moved(image: &mut Image, file: &Path, to: &str) {
    for (_, place) in image.files.iter_mut().filter(|(from, _)| from == file) {
        to.clone_into(place);
    }
}

/// The server where the official image has it: in the path.
fn nats_image() -> Result<Image> {
    let values = std::fs::read_to_string(Path::new(ROOT).join("charts/helios/values.yaml"))?;
    let (_, nats) = values.split_once("\nnats:\n").context("no nats")?;
    let of = |key: &str| {
        let line = nats
            .lines()
            .find_map(|l| l.trim().strip_prefix(&format!("{key}: ")));
        line.with_context(|| format!("no {key}"))
    };
    let name = format!("docker.io/library/{}:{}", of("repository")?, of("tag")?);
    let program = nats_program()?;
    let mut image = Image::of_program(&name, &program)?;
    moved(&mut image, &program, "/usr/local/bin/nats-server");
    image.entrypoint = vec!["nats-server".to_owned()];
    Ok(image)
}

/// Waits until a rollout of the release is done.
pub fn rolled_out(cluster: &ControlPlane, what: &str) -> Result<()> {
    let args = ["rollout", "status", what, "-n", RELEASE, "--timeout=120s"];
    match cluster.kubectl(&args) {
        Ok(_) => Ok(()),
        Err(e) => bail!("{what}: {e:#}"),
    }
}

/// Puts something right again however a scenario ends: the next ones have the same installation.
pub struct Mend(pub &'static ControlPlane, pub Vec<&'static str>);

impl Drop for Mend {
    fn drop(&mut self) {
        if let Err(e) = self.0.kubectl(&self.1) {
            eprintln!("{e:#}");
        }
    }
}
