//! `helios inspect CAPTURE`: is this recording fit for replay and research?
//!
//! Reads lines of `<local ns> <json>` (combined-stream frames and bare REST snapshots; plain or gzip), rebuilds each
//! symbol's book by the exchange's rules and reports what it met. Whatever is wrong with the file is counted and said, and
//! the rest still read. Borders: one pass, bounded memory; reads again from the start only when numbers turn out finer
//! than guessed.

mod analysis;
mod lines;
mod oracle;
mod report;
mod stats;
mod symbol;

use crate::printed::print_all;
use anyhow::Context;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `helios inspect`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Recording: lines of `<local ns> <json>`, plain or gzip.
    pub capture: PathBuf,
    /// Levels a side that NOBI sums.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub depth: u32,
    /// One JSON object instead of the report.
    #[arg(long)]
    pub json: bool,
    /// Show the generated market of this profile (demo, btc-like) beside the recording, measure by measure.
    #[arg(long, value_name = "PROFILE", conflicts_with = "json")]
    pub beside: Option<String>,
}

/// Market time compared at most, ms.
const BESIDE_MS: i64 = 2_400_000;

/// The generated market beside the recorded one: what the simulated exchange gets right, and what it does not.
fn beside(capture: &std::path::Path, profile: &str) -> anyhow::Result<ExitCode> {
    use helios_venue::engine::SymbolId;
    use helios_venue::market::{FitReport, Generator, GeneratorConfig, Profile, Replay};
    let mut real = Replay::open(capture).with_context(|| format!("{}", capture.display()))?;
    let named = Profile::named(profile)
        .with_context(|| format!("\"{profile}\" is no profile: write demo or btc-like"))?;
    let mut config = GeneratorConfig::new(7, 0.0, named);
    config.symbols.truncate(1);
    let mut made = Generator::new(config)?;
    let report = FitReport::compare(&mut real, &mut made, (SymbolId(0), SymbolId(0)), BESIDE_MS);
    print_all(&report.table());
    Ok(ExitCode::SUCCESS)
}

/// Runs it. The exit code is a failure only when not one frame could be read.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    if let Some(profile) = &args.beside {
        return beside(&args.capture, profile);
    }
    let shown = args.capture.display();
    let mut grids = analysis::Grids::default();
    let report = loop {
        let mut lines = lines::Lines::open(&args.capture).with_context(|| format!("{shown}"))?;
        let mut analysis = analysis::Analysis::new(&mut grids, args.depth as usize);
        let mut finer = false;
        while let Some(line) = lines.next_line() {
            if analysis.line(line) == analysis::Verdict::ReadAgain {
                finer = true;
                break;
            }
        }
        if !finer {
            break analysis.finish(lines.end());
        }
    };
    let name = shown.to_string();
    let text = if args.json {
        serde_json::to_string(&report::json(&report, &name))?
    } else {
        report::text(&report, &name)
    };
    print_all(&text);
    if report.frames == 0 {
        eprintln!("helios: {name}: not one frame could be read");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}
