//! A real NATS server as a child of the test, and where to find its program.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    dir: PathBuf,
    /// Its address.
    pub url: String,
}

/// The program: named by `HELIOS_NATS_SERVER`, fetched by the project's script, or installed.
fn program() -> PathBuf {
    if let Some(p) = std::env::var_os("HELIOS_NATS_SERVER") {
        return p.into();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/nats.sh");
    if script.exists() {
        let out = Command::new(&script).output().unwrap();
        let said = String::from_utf8_lossy(&out.stdout);
        if let Some(path) = said.lines().last().filter(|_| out.status.success()) {
            return path.trim().into();
        }
    }
    "nats-server".into()
}

fn spawn(dir: &Path) -> Child {
    let log = std::fs::File::create(dir.join("server.log")).unwrap();
    let program = program();
    Command::new(&program)
        .arg("-c")
        .arg(dir.join("test.conf"))
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap_or_else(|e| {
            panic!(
                "{}: {e}; name a nats-server by HELIOS_NATS_SERVER",
                program.display()
            )
        })
}

impl Server {
    /// Starts one with this configuration, which leaves the port open (`listen: "127.0.0.1:-1"`).
    pub fn start(dir: &Path, conf: &str) -> Self {
        let ports = dir.join("ports");
        std::fs::create_dir_all(&ports).unwrap();
        let conf = format!("ports_file_dir: {ports:?}\n{conf}");
        std::fs::write(dir.join("test.conf"), conf).unwrap();
        let mut server = Self {
            child: spawn(dir),
            dir: dir.into(),
            url: String::new(),
        };
        server.url = server.wait();
        server
    }

    /// Kills it hard and starts it anew at the same address.
    pub fn restart(&mut self) {
        self.stop();
        let file = self.dir.join("test.conf");
        let port = self.url.rsplit(':').next().unwrap();
        let conf = std::fs::read_to_string(&file).unwrap();
        let conf = conf.replace("127.0.0.1:-1", &format!("127.0.0.1:{port}"));
        std::fs::write(&file, conf).unwrap();
        for old in std::fs::read_dir(self.dir.join("ports")).unwrap().flatten() {
            std::fs::remove_file(old.path()).unwrap();
        }
        self.child = spawn(&self.dir);
        assert_eq!(self.wait(), self.url);
    }

    /// By its handle; it may have ended already.
    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The server writes its ports when it listens.
    fn wait(&mut self) -> String {
        let until = Instant::now() + Duration::from_secs(20);
        while Instant::now() < until {
            if let Some(end) = self.child.try_wait().unwrap() {
                let log = std::fs::read_to_string(self.dir.join("server.log")).unwrap();
                panic!("nats-server ended ({end}):\n{log}");
            }
            let found = std::fs::read_dir(self.dir.join("ports"))
                .unwrap()
                .flatten()
                .next();
            if let Some(url) = found
                .and_then(|f| std::fs::read(f.path()).ok())
                .and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok())
                .and_then(|v| v["nats"][0].as_str().map(str::to_owned))
            {
                return url;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("nats-server does not listen");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}
