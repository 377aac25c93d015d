//! Logs of a run: `helios.log`, `alerts.log`, and lines for whoever watches.
//!
//! A log that can't be written (disk full) never stops trading: it is counted, said once, and tried again.

use anyhow::{Context, Result};
use helios_core::messages::{Alert, Severity};
use helios_crds::LogLevel;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context as LayerContext, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// The logs of a run.
#[derive(Clone, Debug)]
pub struct Logs {
    errors: Arc<AtomicU64>,
    alerts: Careful,
}

/// A file whose failures are counted instead of passed on.
#[derive(Clone, Debug)]
struct Careful {
    file: Arc<Mutex<File>>,
    name: Arc<str>,
    lost: Arc<AtomicU64>,
    said: Arc<AtomicBool>,
}

impl Careful {
    fn open(path: &Path) -> Result<Self> {
        let file = File::options().create(true).append(true).open(path);
        let file = file.with_context(|| {
            format!(
                "{} can't be written: choose another directory with --logs",
                path.display()
            )
        })?;
        Ok(Self {
            file: Arc::new(Mutex::new(file)),
            name: path.display().to_string().into(),
            lost: Arc::default(),
            said: Arc::default(),
        })
    }

    fn put(&self, bytes: &[u8]) {
        let wrote = self
            .file
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write_all(bytes);
        if let Err(e) = wrote {
            self.lost.fetch_add(1, Ordering::Relaxed);
            if !self.said.swap(true, Ordering::Relaxed) {
                eprintln!(
                    "helios: {}: {e}: lines are lost until it can be written again; trading goes on",
                    self.name
                );
            }
        } else {
            self.said.store(false, Ordering::Relaxed);
        }
    }
}

impl Write for Careful {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Careful {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Counts errors, whoever logs them.
struct CountErrors(Arc<AtomicU64>);

impl<S: tracing::Subscriber> Layer<S> for CountErrors {
    fn on_event(&self, event: &tracing::Event<'_>, _: LayerContext<'_, S>) {
        if *event.metadata().level() == tracing::Level::ERROR {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The level that a manifest asks for.
pub fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

impl Logs {
    /// Opens both files and takes over the process's log; `lines` also prints to `to_stderr` or standard output.
    ///
    /// # Errors
    /// The directory or a file can't be written: a refused start.
    pub fn start(dir: &Path, level: LevelFilter, lines: bool, to_stderr: bool) -> Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| {
            format!(
                "{} can't be made: choose another directory with --logs",
                dir.display()
            )
        })?;
        let file = Careful::open(&dir.join("helios.log"))?;
        let alerts = Careful::open(&dir.join("alerts.log"))?;
        let errors = Arc::<AtomicU64>::default();
        let ours = |level: LevelFilter| {
            tracing_subscriber::filter::Targets::new()
                .with_default(LevelFilter::WARN)
                // What a connection does is told by the bus, in its own words and once; of an API server by who asks it.
                .with_target("async_nats", LevelFilter::OFF)
                .with_target("kube_client", LevelFilter::OFF)
                .with_target("kube_runtime", LevelFilter::OFF)
                .with_targets(
                    [
                        "helios",
                        "helios_worker",
                        "helios_coordinator",
                        "helios_binance",
                        "helios_bus",
                        "helios_lease",
                        "helios_venue",
                    ]
                    .map(|t| (t, level)),
                )
        };
        let to_file = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(file)
            .with_filter(ours(level));
        let person = lines.then(|| {
            let ansi = if to_stderr {
                io::stderr().is_terminal()
            } else {
                io::stdout().is_terminal()
            };
            let writer = move || -> Box<dyn Write> {
                if to_stderr {
                    Box::new(io::stderr())
                } else {
                    Box::new(io::stdout())
                }
            };
            tracing_subscriber::fmt::layer()
                .with_target(false)
                .with_ansi(ansi)
                .with_writer(writer)
                .with_filter(ours(level.min(LevelFilter::INFO)))
        });
        tracing_subscriber::registry()
            .with(CountErrors(errors.clone()))
            .with(to_file)
            .with(person)
            .try_init()
            .context("another log is in force already")?;
        Ok(Self { errors, alerts })
    }

    /// Errors logged since the start.
    pub fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// Writes an alert, one JSON object a line with the wall time.
    pub fn alert(&self, account: &str, alert: &Alert) {
        let at = helios_clock::wall().as_millis();
        let severity = match alert.severity {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        };
        let line = serde_json::json!({
            "at_ms": u64::try_from(at).unwrap_or(u64::MAX), "account": account, "severity": severity,
            "code": alert.code, "symbol": alert.symbol, "text": alert.text,
        });
        self.alerts.put(format!("{line}\n").as_bytes());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_loses_lines_and_stops_nothing() {
        let full = Careful::open(Path::new("/dev/full")).unwrap();
        full.put(b"line\n");
        full.put(b"line\n");
        assert_eq!(full.lost.load(Ordering::Relaxed), 2);
    }
}
