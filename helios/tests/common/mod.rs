//! A running `helios up` as tests see it: the real binary, its admin port, the venue's admin port, its files.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The binary under test: the one `make up` builds where it is there, else the tests' own build.
pub fn binary() -> PathBuf {
    std::env::var_os("HELIOS_BIN")
        .map(PathBuf::from)
        .filter(|p| p.exists())
        .unwrap_or_else(|| env!("CARGO_BIN_EXE_helios").into())
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .into()
}

/// A recording, or a visible skip.
pub fn capture(name: &str) -> Option<PathBuf> {
    let path = root().join("../shared/data/capture").join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("SKIPPED: {} is not here", path.display());
    None
}

/// Runs `helios` to its end.
pub fn helios(args: &[&str]) -> Output {
    Command::new(binary())
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The JSON summary: the last line of standard output.
pub fn summary(o: &Output) -> Value {
    let out = text(&o.stdout);
    let last = out
        .lines()
        .last()
        .unwrap_or_else(|| panic!("no output; standard error:\n{}", text(&o.stderr)));
    serde_json::from_str(last).unwrap_or_else(|e| panic!("{e} in {last}\n{}", text(&o.stderr)))
}

/// A `helios up` in the background; killed by id when dropped.
pub struct Up {
    child: Option<Child>,
    pub dir: tempfile::TempDir,
    pub admin: String,
}

impl Up {
    /// Starts it with its own logs and a free admin port, and waits until it answers.
    pub fn start(args: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let err = std::fs::File::create(dir.path().join("stderr")).unwrap();
        let out = std::fs::File::create(dir.path().join("stdout")).unwrap();
        let child = Command::new(binary())
            .arg("up")
            .args(args)
            .args(["--json", "--admin", "127.0.0.1:0", "--logs"])
            .arg(dir.path().join("logs"))
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .unwrap();
        let mut up = Self {
            child: Some(child),
            dir,
            admin: String::new(),
        };
        up.admin = up.wait_for("the admin port", Duration::from_secs(30), |up| {
            let log = up.log();
            let line = log
                .lines()
                .find(|l| l.contains("helios up admin="))?
                .to_string();
            Some(line.split("admin=").nth(1)?.split(' ').next()?.to_string())
        });
        up
    }

    pub fn pid(&self) -> i32 {
        self.child.as_ref().unwrap().id().try_into().unwrap()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("logs/helios.log")).unwrap_or_default()
    }

    pub fn alerts(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("logs/alerts.log")).unwrap_or_default()
    }

    /// Waits until `f` answers; the limit only ends a hopeless wait.
    pub fn wait_for<T>(
        &self,
        what: &str,
        limit: Duration,
        mut f: impl FnMut(&Self) -> Option<T>,
    ) -> T {
        let t0 = Instant::now();
        loop {
            if let Some(v) = f(self) {
                return v;
            }
            assert!(
                t0.elapsed() < limit,
                "no {what} in {limit:?}\n{}",
                tail(&self.log(), 40)
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn status(&self) -> Value {
        http(&self.admin, "GET", "/status", "").expect("status")
    }

    /// The only account's part of the status.
    pub fn account(&self) -> Value {
        self.status()["accounts"]
            .as_object()
            .unwrap()
            .values()
            .next()
            .unwrap()
            .clone()
    }

    pub fn ask(&self, request: &Value) -> Result<Value, String> {
        http(&self.admin, "POST", "/ask", &request.to_string())
    }

    /// Address of the venue's own admin port.
    pub fn venue_addr(&self) -> String {
        let url = self.account()["venueAdmin"].as_str().unwrap().to_string();
        url.trim_start_matches("http://").to_string()
    }

    /// Asks the venue's own admin port.
    pub fn venue(&self, path: &str) -> Value {
        http(&self.venue_addr(), "GET", path, "").unwrap()
    }

    pub fn venue_post(&self, path: &str, body: &Value) -> Value {
        http(&self.venue_addr(), "POST", path, &body.to_string()).unwrap()
    }

    /// Sends SIGINT as Ctrl-C does and waits for the end.
    pub fn interrupt(mut self) -> (i32, Value, String) {
        let pid = self.pid();
        assert!(
            Command::new("kill")
                .args(["-INT", &pid.to_string()])
                .status()
                .unwrap()
                .success()
        );
        let status = self.child.take().unwrap().wait().unwrap();
        let out = std::fs::read_to_string(self.dir.path().join("stdout")).unwrap();
        let summary = serde_json::from_str(out.lines().last().unwrap_or("null")).unwrap();
        (status.code().unwrap_or(-1), summary, self.log())
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        if let Some(mut c) = self.child.take() {
            let _ = c.kill();
            let _ = c.wait();
        }
    }
}

pub fn tail(text: &str, n: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(n)..].join("\n")
}

/// One HTTP/1.1 request on loopback; the body of a 2xx as JSON, else the words.
pub fn http(addr: &str, method: &str, path: &str, body: &str) -> Result<Value, String> {
    let mut s = TcpStream::connect(addr).map_err(|e| e.to_string())?;
    s.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {addr}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    s.write_all(request.as_bytes()).map_err(|e| e.to_string())?;
    let mut answer = Vec::new();
    s.read_to_end(&mut answer).map_err(|e| e.to_string())?;
    let answer = text(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no head")?;
    let ok = head.split(' ').nth(1).is_some_and(|c| c.starts_with('2'));
    if ok {
        serde_json::from_str(body).map_err(|e| format!("{e}: {body}"))
    } else {
        Err(body.to_string())
    }
}
