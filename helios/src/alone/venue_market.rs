//! When the market of `helios venue` begins, and whether its time keeps in step with the system's clock.

use anyhow::{Result, bail};
use helios_clock::wall;
use helios_venue::market::GeneratorConfig;
use helios_venue::server::SavedStart;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const MINUTE: i64 = 60_000;

/// `--start`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the system's clock.
    Now,
    /// At this time, ms.
    At(i64),
}

/// Reads `--start`.
///
/// # Errors
/// It is neither `now` nor a time.
pub fn start(text: &str) -> Result<Start, String> {
    if text == "now" {
        return Ok(Start::Now);
    }
    let wrong = || "write now, or a time such as 2026-01-05T00:00:00Z".to_owned();
    let at = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| wrong())?;
    // Before 2010 and after 2100 the made-up past and the funding hours have no room.
    if !(2010..2100).contains(&at.year()) {
        return Err(wrong());
    }
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000)
        .map(Start::At)
        .map_err(|_| wrong())
}

/// When the generated market begins, ms, and whether it keeps in step with the system's clock: as it was saved, else as
/// asked for, else now at speed 1 and at the fixed start at any other speed.
///
/// # Errors
/// A saved market is asked to begin at another time.
pub fn begins(asked: Option<Start>, saved: Option<SavedStart>, speed: f64) -> Result<(i64, bool)> {
    let real_time = speed == 1.0;
    if let Some(s) = saved {
        let other = match asked {
            None => false,
            Some(Start::Now) => real_time && !s.in_step,
            Some(Start::At(ms)) => ms != s.start_ms || s.in_step,
        };
        if other {
            bail!(
                "--start: the market of the state began at another time: leave --start out to go on with it, or choose another --state"
            );
        }
        return Ok((s.start_ms, s.in_step && real_time));
    }
    // A minute's first moment, so that the bars of the made-up past end where the market begins.
    let now = (wall().as_millis() as i64).div_euclid(MINUTE) * MINUTE;
    Ok(match asked {
        Some(Start::At(ms)) => (ms, false),
        Some(Start::Now) => (now, real_time),
        None if real_time => (now, true),
        None => (GeneratorConfig::START_MS, false),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_start_is_now_or_a_time() {
        assert_eq!(start("now"), Ok(Start::Now));
        for text in ["2026-01-05T00:00:00Z", "2026-01-05T01:00:00.000+01:00"] {
            assert_eq!(start(text), Ok(Start::At(GeneratorConfig::START_MS)));
        }
        for text in [
            "",
            "Now",
            "2026-01-05",
            "1767571200000",
            "1999-01-01T00:00:00Z",
        ] {
            assert!(start(text).is_err(), "{text}");
        }
    }

    #[test]
    fn at_real_time_a_new_market_begins_now_and_a_saved_one_goes_on_as_it_began() {
        let first = GeneratorConfig::START_MS;
        let (now, in_step) = begins(None, None, 1.0).unwrap();
        let late = wall().as_millis() as i64 - now;
        assert!(in_step && now % MINUTE == 0 && (0..2 * MINUTE).contains(&late));
        assert_eq!(begins(None, None, 60.0).unwrap(), (first, false));
        assert!(!begins(Some(Start::Now), None, 60.0).unwrap().1);
        assert_eq!(begins(Some(Start::At(5)), None, 1.0).unwrap(), (5, false));
        let saved = |start_ms, in_step| Some(SavedStart { start_ms, in_step });
        // A venue of the version before.
        assert_eq!(
            begins(None, saved(first, false), 1.0).unwrap(),
            (first, false)
        );
        assert_eq!(begins(None, saved(7, true), 1.0).unwrap(), (7, true));
        assert_eq!(begins(None, saved(7, true), 2.0).unwrap(), (7, false));
        assert!(begins(Some(Start::Now), saved(7, true), 1.0).is_ok());
        assert!(begins(Some(Start::Now), saved(first, false), 1.0).is_err());
        assert!(begins(Some(Start::At(8)), saved(7, false), 1.0).is_err());
    }
}
