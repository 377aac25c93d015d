//! What the real exchange has been seen to do both ways, as arguments of `helios venue`.

use clap::{Args, ValueEnum};
use helios_venue::server::{FanOut, VenueConfig};

/// The switches.
#[derive(Clone, Debug, Args)]
pub struct Rules {
    /// What becomes of the stops of a position that went flat (the real exchange has been seen both ways)
    #[arg(long, value_name = "WHAT", default_value = "cancel")]
    orphan_stops: Orphans,
    /// The same as --orphan-stops stay
    #[arg(long, hide = true, conflicts_with = "orphan_stops")]
    keep_orphan_stops: bool,
    /// The status in which stops end that the venue cancels
    #[arg(long, value_name = "STATUS", default_value = "EXPIRED")]
    orphan_status: OrphanStatus,
    /// A countdown takes conditional orders too
    #[arg(long, alias = "countdown-cancels-algo")]
    countdown_takes_stops: bool,
    /// Untriggered reduce-only stops hold position quantity, as open reduce-only orders do
    #[arg(long)]
    stops_hold_reduce_only: bool,
    /// Which sockets of one listenKey receive
    #[arg(long, value_name = "WHICH", default_value = "all")]
    fan_out: Sockets,
}

impl Rules {
    /// Has a venue go by them.
    pub fn apply(&self, config: &mut VenueConfig) {
        config.auto_cancel_orphan_stops =
            self.orphan_stops == Orphans::Cancel && !self.keep_orphan_stops;
        config.orphan_stops_canceled = self.orphan_status == OrphanStatus::Canceled;
        config.countdown_cancels_algo = self.countdown_takes_stops;
        config.stops_hold_reduce_only = self.stops_hold_reduce_only;
        config.fan_out = match self.fan_out {
            Sockets::All => FanOut::All,
            Sockets::Newest => FanOut::Newest,
            Sockets::First => FanOut::First,
        };
    }
}

/// What becomes of orphaned stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Orphans {
    /// The venue cancels them
    Cancel,
    /// They stay
    Stay,
}

/// How orphaned stops end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
enum OrphanStatus {
    /// By the venue's own doing
    Expired,
    /// As if asked for
    Canceled,
}

/// Sockets of one listenKey.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sockets {
    /// All of them
    All,
    /// The one opened last
    Newest,
    /// The one opened first, of those that are open
    First,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::Parser;
    use helios_venue::market::{Generator, GeneratorConfig, Profile};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        rules: Rules,
    }

    fn config(args: &[&str]) -> Option<VenueConfig> {
        let line = Line::try_parse_from([&["venue"], args].concat()).ok()?;
        let market = GeneratorConfig::new(1, 0.0, Profile::named("demo").unwrap());
        let mut config = VenueConfig::new(Box::new(Generator::new(market).unwrap()));
        line.rules.apply(&mut config);
        Some(config)
    }

    #[test]
    fn each_argument_turns_its_own_switch() {
        let all = |args: &[&str]| {
            let c = config(args).unwrap();
            let flags = [
                c.auto_cancel_orphan_stops,
                c.orphan_stops_canceled,
                c.countdown_cancels_algo,
                c.stops_hold_reduce_only,
            ];
            (flags.map(u8::from), c.fan_out)
        };
        assert_eq!(all(&[]), ([1, 0, 0, 0], FanOut::All));
        assert_eq!(all(&["--orphan-stops", "stay"]).0, [0, 0, 0, 0]);
        assert_eq!(all(&["--keep-orphan-stops"]).0, [0, 0, 0, 0]);
        assert_eq!(all(&["--orphan-status", "CANCELED"]).0, [1, 1, 0, 0]);
        assert_eq!(all(&["--countdown-takes-stops"]).0, [1, 0, 1, 0]);
        assert_eq!(all(&["--countdown-cancels-algo"]).0, [1, 0, 1, 0]);
        assert_eq!(all(&["--stops-hold-reduce-only"]).0, [1, 0, 0, 1]);
        assert_eq!(all(&["--fan-out", "newest"]).1, FanOut::Newest);
        assert_eq!(all(&["--fan-out", "first"]).1, FanOut::First);
        assert!(config(&["--fan-out", "some"]).is_none());
        assert!(config(&["--orphan-stops", "stay", "--keep-orphan-stops"]).is_none());
    }
}
