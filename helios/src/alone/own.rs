//! What a process is: its name among others, and its bus with a copy of its own words.

use super::tap::Tap;
use helios_bus::Bus;
use helios_bus::memory::MemoryBus;
use helios_bus::typed::AccountBus;
use helios_clock::wall;
use std::path::Path;
use std::sync::Arc;

/// The host's name, one token; `host` where it has none.
fn host() -> String {
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let plain: String = name
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "-._".contains(*c))
        .collect();
    if plain.is_empty() {
        "host".into()
    } else {
        plain
    }
}

/// Another in every life of a process: lock and grants are bound to it.
pub fn life() -> String {
    format!("{}-{}", std::process::id(), wall().as_millis())
}

/// Identity of a coordinator: a given name (the host's, without) and its life.
pub fn identity(name: Option<&str>) -> String {
    format!("{}-{}", name.map_or_else(host, str::to_string), life())
}

/// Identity of a worker that was given none.
pub fn task_uid() -> String {
    format!("worker-{}-{}", host(), life())
}

/// Does the kubelet keep this file, in a volume of a Secret or of a projected token? Then it is the pod's, whatever its mode: it
/// replaces such a volume whole, by a link.
pub fn kubelet_keeps(file: &Path) -> bool {
    std::fs::read_link(file).is_ok_and(|to| to.starts_with("..data"))
}

/// The account's bus, and the copy of what this process says on it; without a network both are one, in memory.
pub fn bus(network: Option<Arc<dyn Bus>>, account: &str) -> (AccountBus, AccountBus) {
    let memory = MemoryBus::new();
    let copy = AccountBus::new(Arc::new(memory.clone()), account);
    match network {
        Some(n) => (
            AccountBus::new(Arc::new(Tap::new(n, memory)), account),
            copy,
        ),
        None => (copy.clone(), copy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_and_each_life_is_another() {
        let id = identity(Some("a"));
        assert!(
            id.starts_with("a-") && id.contains(&std::process::id().to_string()),
            "{id}"
        );
        assert!(task_uid().starts_with("worker-"));
        assert!(!kubelet_keeps(Path::new("/etc/hostname")));
        assert!(!host().is_empty());
    }
}
