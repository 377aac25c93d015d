//! A real nats-server for tests: a child process with its data in a directory of its own, on a free port of the loopback.
//!
//! The binary is `HELIOS_NATS_SERVER`, or what `tools/nats.sh` prints, which builds it once. It ends with its [`NatsServer`].
//! What fails here fails the test, so functions panic with the reason.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longest that a server may take to be ready.
const READY: Duration = Duration::from_secs(20);
/// Between two looks at whether it is.
const LOOK: Duration = Duration::from_millis(10);

/// How to run it.
#[derive(Clone, Debug, Default)]
pub struct NatsOptions {
    /// More of the configuration file: `authorization {...}`, `accounts {...}`. `include` paths are relative to the directory.
    pub config: String,
    /// Encrypt: certificate and key files, and an authority whose certificates clients must show.
    pub tls: Option<ServerTls>,
    /// Member of a cluster.
    pub cluster: Option<ClusterMember>,
    /// `config` is the whole file, as an operator would run it; it listens on [`ANY_PORT`].
    pub whole: bool,
}

/// What a [`NatsOptions::whole`] configuration names as its address: a port is picked once and kept.
pub const ANY_PORT: &str = "127.0.0.1:-1";

/// Certificate files of the server.
#[derive(Clone, Debug)]
pub struct ServerTls {
    /// Own certificate.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Authority of the clients' certificates; `None` = clients need none.
    pub client_ca: Option<PathBuf>,
}

/// One server of a cluster on the loopback.
#[derive(Clone, Debug)]
pub struct ClusterMember {
    /// Its name.
    pub name: String,
    /// Its port for the others.
    pub port: u16,
    /// Ports of all.
    pub routes: Vec<u16>,
}

/// A running server.
#[derive(Debug)]
pub struct NatsServer {
    binary: PathBuf,
    options: NatsOptions,
    dir: TempDir,
    child: Option<Child>,
    port: u16,
}

/// Path of the nats-server to run.
pub fn nats_binary() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/nats.sh");
    let out = Command::new("bash")
        .arg(&script)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(out.status.success(), "{} failed", script.display());
    String::from_utf8(out.stdout).unwrap().trim().into()
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

impl NatsServer {
    /// Starts one and returns when it takes connections (a cluster may still have no leader).
    pub fn start(options: NatsOptions) -> Self {
        let mut server = Self {
            binary: nats_binary(),
            options,
            dir: tempfile::Builder::new()
                .prefix("helios-nats-")
                .tempdir()
                .unwrap(),
            child: None,
            port: 0,
        };
        server.run();
        server
    }

    /// Where clients connect.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its directory, with `log` and `jetstream/`.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Replaces the extra configuration, for the next [`NatsServer::restart`] or [`NatsServer::reload`].
    pub fn configure(&mut self, config: impl Into<String>) {
        self.options.config = config.into();
        self.write_config();
    }

    /// Tells it to read its configuration again.
    pub fn reload(&self) {
        self.signal(Signal::HUP);
    }

    /// Kills it at once, as a crash does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Kills it if it runs, and starts it again on the same port and data.
    pub fn restart(&mut self) {
        self.kill();
        self.run();
    }

    /// Freezes it: connections stay and nothing answers.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
    }

    /// Ends [`NatsServer::stop`].
    pub fn cont(&self) {
        self.signal(Signal::CONT);
    }

    /// A copy of its data as it is now, as a disk snapshot would be.
    pub fn backup_store(&self) -> TempDir {
        let to = tempfile::tempdir().unwrap();
        if self.child.is_some() {
            self.stop();
        }
        copy(&self.store(), to.path());
        if self.child.is_some() {
            self.cont();
        }
        to
    }

    /// Kills it, puts a copy of the data in place, and starts it again.
    pub fn restore_store(&mut self, backup: &Path) {
        self.kill();
        std::fs::remove_dir_all(self.store()).unwrap();
        copy(backup, &self.store());
        self.run();
    }

    /// What it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir().join("log")).unwrap_or_default()
    }

    fn store(&self) -> PathBuf {
        self.dir().join("store")
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("the server runs");
        kill_process(Pid::from_child(child), signal).unwrap();
    }

    fn write_config(&self) {
        let ports = format!("ports_file_dir: \"{}\"\n", self.dir().display());
        let listen = match self.port {
            0 => ANY_PORT.to_owned(),
            port => format!("127.0.0.1:{port}"),
        };
        let c = if self.options.whole {
            ports + &self.options.config.replace(ANY_PORT, &listen)
        } else {
            format!("listen: \"{listen}\"\n{ports}{}", self.made_config())
        };
        std::fs::write(self.dir().join("nats.conf"), c).unwrap();
    }

    /// A store, what the options ask for, and the rest of the configuration.
    fn made_config(&self) -> String {
        let mut c = format!(
            "jetstream {{ store_dir: \"{}\", sync_interval: always }}\n",
            self.store().display(),
        );
        if let Some(t) = &self.options.tls {
            c += &format!(
                "tls {{ cert_file: \"{}\", key_file: \"{}\", timeout: 5",
                t.cert.display(),
                t.key.display()
            );
            if let Some(ca) = &t.client_ca {
                c += &format!(", ca_file: \"{}\", verify: true", ca.display());
            }
            c += " }\n";
        }
        if let Some(m) = &self.options.cluster {
            let routes: Vec<String> = m
                .routes
                .iter()
                .map(|p| format!("\"nats://127.0.0.1:{p}\""))
                .collect();
            c += &format!(
                "server_name: \"{}\"\ncluster {{ name: test, listen: \"127.0.0.1:{}\", routes: [{}] }}\n",
                m.name,
                m.port,
                routes.join(", ")
            );
        }
        c + &self.options.config
    }

    fn run(&mut self) {
        self.write_config();
        let dir = self.dir().to_owned();
        let child = Command::new(&self.binary)
            .arg("-c")
            .arg(dir.join("nats.conf"))
            .arg("-l")
            .arg(dir.join("log"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let ports = dir.join(format!("nats-server_{}.ports", child.id()));
        self.child = Some(child);
        let until = Instant::now() + READY;
        loop {
            if self.port == 0 {
                self.port = port_in(&ports).unwrap_or(0);
            }
            if self.port != 0 && greets(self.port) {
                return;
            }
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < until,
                "nats-server does not start: {}",
                self.log()
            );
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn port_in(file: &Path) -> Option<u16> {
    let text = std::fs::read_to_string(file).ok()?;
    let ports: serde_json::Value = serde_json::from_str(&text).ok()?;
    let url = ports["nats"][0].as_str().or(ports["tls"][0].as_str())?;
    url.rsplit(':').next()?.parse().ok()
}

/// Does a server with JetStream greet on the port?
fn greets(port: u16) -> bool {
    let Ok(socket) = TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    let _ = socket.set_read_timeout(Some(Duration::from_secs(2)));
    let mut line = String::new();
    BufReader::new(socket).read_line(&mut line).is_ok()
        && line.starts_with("INFO ")
        && line.contains("\"jetstream\":true")
}
