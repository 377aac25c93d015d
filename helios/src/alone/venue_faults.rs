//! What goes wrong at `helios venue`, as its arguments: a file of faults with their times, or a seed to draw them by.

use anyhow::{Context, Result};
use clap::Args;
use helios_venue::server::{FaultPlan, Timed, VenueConfig};
use std::path::{Path, PathBuf};

/// The faults.
#[derive(Clone, Debug, Args)]
pub struct Faults {
    /// Faults and when they come: a YAML or JSON list of at_ms, every_ms and the fault (docs/venue.md)
    #[arg(long, value_name = "FILE", conflicts_with = "fault_seed")]
    faults: Option<PathBuf>,
    /// Draw faults of the whole menu by this seed: lost sockets, requests without an answer, stops that vanish, ...
    #[arg(long, value_name = "N")]
    fault_seed: Option<u64>,
    /// Mean of the time between two drawn faults, market s
    #[arg(long, value_name = "S", default_value_t = 30, requires = "fault_seed", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    fault_every: u64,
}

impl Faults {
    /// Has a venue fail by them.
    ///
    /// # Errors
    /// A file that can't be read or followed, in words.
    pub fn apply(&self, config: &mut VenueConfig) -> Result<()> {
        config.faults = match (&self.faults, self.fault_seed) {
            (Some(file), _) => Some(read(file).with_context(|| format!("{}", file.display()))?),
            (None, Some(seed)) => Some(FaultPlan::Drawn {
                seed,
                every_ms: self.fault_every * 1000,
            }),
            (None, None) => None,
        };
        Ok(())
    }
}

fn read(file: &Path) -> Result<FaultPlan> {
    let text = std::fs::read_to_string(file)?;
    let all: Vec<Timed> = serde_saphyr::from_str(&text)
        .context("not a list of faults, such as `- {at_ms: 5000, fault: drop, kind: private}`")?;
    Ok(FaultPlan::timed(all)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use helios_venue::server::Fault;

    fn plan(text: &str) -> Result<FaultPlan> {
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("faults.yaml");
        std::fs::write(&file, text)?;
        read(&file)
    }

    #[test]
    fn a_file_says_what_fails_and_when() {
        let text = "
- {at_ms: 5000, fault: drop, kind: private}
- at_ms: 9000
  every_ms: 60000
  fault: answer
  on: {request: POST /fapi/v1/order}
  say: timeout
  effect: true
";
        let Ok(FaultPlan::Timed(all)) = plan(text) else {
            unreachable!()
        };
        assert_eq!((all[0].at_ms, all[1].every_ms), (5000, Some(60_000)));
        assert!(matches!(&all[1].fault, Fault::Answer(a) if a.effect && a.times == 1));
    }

    #[test]
    fn a_file_that_is_wrong_says_so() {
        for text in [
            "- {at_ms: 0, fault: earthquake}",
            "- {at_ms: -1, fault: drop, kind: private}",
            "- {fault: drop, kind: private}",
            "fault: drop",
        ] {
            assert!(plan(text).is_err(), "{text}");
        }
    }
}
