//! The arguments of `helios up`.

use clap::Args as ClapArgs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `helios up`.
#[derive(Clone, Debug, ClapArgs)]
#[command(
    after_help = "Without FILES the built-in quickstart runs: five symbols of a simulated market, no keys, no money.\n\
Edit a file while it runs: a changed parameter is in force within a second, a broken edit changes nothing.\n\n\
Examples:\n  helios up\n  helios up my-strategies/ --speed 10\n  helios up config/samples/replay.yaml --replay capture.jsonl.gz --speed 50\n  helios up --for 60s --seed 7 --json"
)]
pub struct Args {
    /// Manifest files, or directories of *.yaml: HeliosAccount and HeliosStrategy
    #[arg(value_name = "FILES|DIR")]
    pub files: Vec<PathBuf>,
    /// Stop after this long on the wall clock, counted from the start of market time (60s, 5m, 1h)
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub run_for: Option<Duration>,
    /// Trade a recorded market: a raw capture, `<local ns> <combined stream json>` a line, plain or gz
    #[arg(long, value_name = "CAPTURE")]
    pub replay: Option<PathBuf>,
    /// Market seconds a wall second; overrides the manifest
    #[arg(long, value_name = "N")]
    pub speed: Option<f64>,
    /// Seed of the generated market; overrides the manifest
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Predictive edge of order book imbalance in the generated market, 0 to 1; overrides the manifest
    #[arg(long, value_name = "X")]
    pub edge: Option<f64>,
    /// Delay of the venue for an order's round trip, market ms; overrides the manifest
    #[arg(long, value_name = "MS")]
    pub latency: Option<u64>,
    /// Keep the venue's and the guardian's state here, and start from it (default: a new market each run)
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Print one JSON summary as the last line of standard output; the log goes to standard error
    #[arg(long)]
    pub json: bool,
    /// Plain log lines even on a terminal
    #[arg(long)]
    pub plain: bool,
    /// Where helios.log and alerts.log are written
    #[arg(long, value_name = "DIR", default_value = "logs")]
    pub logs: PathBuf,
    /// Loopback address of the admin port, for `helios debug`, `helios kill` and `helios release`
    #[arg(long, value_name = "ADDR", default_value = crate::admin::DEFAULT_ADDR)]
    pub admin: SocketAddr,
    /// Loopback address of the venue (REST and WebSocket); 0 takes a free port
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub venue: SocketAddr,
}

/// `90`, `90s`, `5m`, `1h`, `250ms`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let n: f64 = number
        .parse()
        .map_err(|_| format!("\"{text}\" is no time: write 60s, 5m or 1h"))?;
    let seconds = match unit {
        "" | "s" => n,
        "ms" => n / 1000.0,
        "m" => n * 60.0,
        "h" => n * 3600.0,
        other => return Err(format!("unknown unit \"{other}\": write ms, s, m or h")),
    };
    Duration::try_from_secs_f64(seconds).map_err(|e| format!("\"{text}\": {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_and_without_units() {
        let s = |t| duration(t).map(|d| d.as_millis());
        assert_eq!(
            (s("60s"), s("2m"), s("1.5h"), s("250ms"), s("7")),
            (Ok(60_000), Ok(120_000), Ok(5_400_000), Ok(250), Ok(7_000))
        );
        assert!(s("soon").is_err() && s("5d").is_err() && s("-1s").is_err());
    }
}
