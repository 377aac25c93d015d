//! Small statistics with bounded memory: distributions, medians, rates.

use std::collections::BTreeMap;

/// Bins of a [`Spread`] over [−1, 1].
const BINS: usize = 4000;

/// Distribution of numbers in [−1, 1]; quantiles are exact to half a bin, 0.00025.
#[derive(Clone, Debug)]
pub struct Spread {
    bins: Vec<u64>,
    /// How many.
    pub count: u64,
    /// Their sum, in order of arrival.
    pub sum: f64,
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
}

impl Default for Spread {
    fn default() -> Self {
        Self {
            bins: vec![0; BINS],
            count: 0,
            sum: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
        }
    }
}

impl Spread {
    /// Takes a number.
    pub fn add(&mut self, x: f64) {
        let bin = ((x + 1.0) / 2.0 * BINS as f64) as usize;
        self.bins[bin.min(BINS - 1)] += 1;
        self.count += 1;
        self.sum += x;
        self.min = self.min.min(x);
        self.max = self.max.max(x);
    }

    /// Takes another's numbers.
    pub fn merge(&mut self, o: &Self) {
        for (a, b) in self.bins.iter_mut().zip(&o.bins) {
            *a += b;
        }
        self.count += o.count;
        self.sum += o.sum;
        self.min = self.min.min(o.min);
        self.max = self.max.max(o.max);
    }

    /// Quantile, `None` when empty.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let want = (q * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (i, n) in self.bins.iter().enumerate() {
            seen += n;
            if *n > 0 && seen >= want {
                let mid = (i as f64 + 0.5) / BINS as f64 * 2.0 - 1.0;
                return Some(mid.clamp(self.min, self.max));
            }
        }
        None
    }

    /// Counts of `n` equal bins over [−1, 1].
    pub fn histogram(&self, n: usize) -> Vec<u64> {
        self.bins.chunks(BINS / n).map(|c| c.iter().sum()).collect()
    }
}

/// Exact quantiles of differences in ns, to 10 µs.
#[derive(Clone, Debug, Default)]
pub struct Offsets {
    counts: BTreeMap<i64, u64>,
    total: u64,
}

impl Offsets {
    const UNIT_NS: i64 = 10_000;

    /// Takes `local ns − event ms`.
    pub fn add(&mut self, local_ns: i64, event_ms: i64) {
        let Some(d) = event_ms
            .checked_mul(1_000_000)
            .and_then(|e| local_ns.checked_sub(e))
        else {
            return;
        };
        *self.counts.entry(d.div_euclid(Self::UNIT_NS)).or_default() += 1;
        self.total += 1;
    }

    /// Takes another's.
    pub fn merge(&mut self, o: &Self) {
        for (k, n) in &o.counts {
            *self.counts.entry(*k).or_default() += n;
        }
        self.total += o.total;
    }

    /// Quantile in ms, `None` when empty.
    pub fn quantile_ms(&self, q: f64) -> Option<f64> {
        let want = (q * self.total as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (k, n) in &self.counts {
            seen += n;
            if seen >= want {
                return Some((k * Self::UNIT_NS) as f64 / 1e6);
            }
        }
        None
    }
}

/// When frames came.
#[derive(Clone, Debug, Default)]
pub struct Arrivals {
    /// First local time, ns.
    pub first_ns: Option<i64>,
    /// Last local time, ns.
    pub last_ns: Option<i64>,
    /// Frames with a local time.
    pub timed: u64,
    /// Most frames within one second of local time.
    pub peak_per_s: u64,
    /// Longest pause between two frames, ns.
    pub longest_pause_ns: i64,
    /// Frames whose local time lies before the one before.
    pub backwards: u64,
    second: i64,
    in_second: u64,
}

impl Arrivals {
    /// Takes a frame's local time.
    pub fn add(&mut self, ns: i64) {
        if let Some(last) = self.last_ns {
            self.longest_pause_ns = self.longest_pause_ns.max(ns.saturating_sub(last));
            self.backwards += u64::from(ns < last);
        }
        self.first_ns = Some(self.first_ns.map_or(ns, |f| f.min(ns)));
        self.last_ns = Some(ns);
        self.timed += 1;
        let second = ns / 1_000_000_000;
        if second != self.second {
            (self.second, self.in_second) = (second, 0);
        }
        self.in_second += 1;
        self.peak_per_s = self.peak_per_s.max(self.in_second);
    }

    /// Seconds from the first to the last frame.
    pub fn seconds(&self) -> f64 {
        match (self.first_ns, self.last_ns) {
            (Some(a), Some(b)) => (b.saturating_sub(a)).max(0) as f64 / 1e9,
            _ => 0.0,
        }
    }
}

/// Local time in words, UTC.
pub fn utc(ns: i64) -> String {
    let (days, rest) = (
        ns.div_euclid(86_400_000_000_000),
        ns.rem_euclid(86_400_000_000_000),
    );
    // Days to a civil date in the proleptic Gregorian calendar; years begin in March, so that leap days come last.
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    let ms = rest / 1_000_000;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        ms / 3_600_000,
        ms / 60_000 % 60,
        ms / 1000 % 60,
        ms % 1000
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn quantiles_lie_where_they_belong() {
        let mut s = Spread::default();
        assert_eq!(s.quantile(0.5), None);
        for i in 0..=1000 {
            s.add(i as f64 / 500.0 - 1.0);
        }
        for (q, want) in [(0.0, -1.0), (0.5, 0.0), (0.9, 0.8), (1.0, 1.0)] {
            assert!((s.quantile(q).unwrap() - want).abs() < 0.002, "{q}");
        }
        assert_eq!(s.histogram(20).iter().sum::<u64>(), 1001);
        let mut o = Offsets::default();
        for ms in [1, 2, 3, 4, 100] {
            o.add(ms * 1_000_000, 0);
        }
        assert_eq!(o.quantile_ms(0.5), Some(3.0));
        o.add(i64::MAX, i64::MIN);
        assert_eq!(o.quantile_ms(0.5), Some(3.0));
    }

    #[test]
    fn dates_are_the_calendars() {
        assert_eq!(utc(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(utc(1_723_161_255_030_314_667), "2024-08-08T23:54:15.030Z");
        assert_eq!(utc(1_709_164_800_000_000_000), "2024-02-29T00:00:00.000Z");
        assert_eq!(utc(-1_000_000), "1969-12-31T23:59:59.999Z");
    }
}
