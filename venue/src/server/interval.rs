//! The names of candles' intervals, for endpoints and streams.

/// The exchange's kline intervals, except the month, whose length varies.
const INTERVALS: [(&str, i64); 14] = [
    ("1m", 60_000),
    ("3m", 180_000),
    ("5m", 300_000),
    ("15m", 900_000),
    ("30m", 1_800_000),
    ("1h", 3_600_000),
    ("2h", 7_200_000),
    ("4h", 14_400_000),
    ("6h", 21_600_000),
    ("8h", 28_800_000),
    ("12h", 43_200_000),
    ("1d", 86_400_000),
    ("3d", 259_200_000),
    ("1w", 604_800_000),
];

/// Length of a kline interval; `None` for one the venue does not serve.
pub(super) fn interval_ms(name: &str) -> Option<i64> {
    INTERVALS
        .iter()
        .find(|(n, _)| *n == name)
        .map(|(_, ms)| *ms)
}

/// Name of a kline interval.
pub(super) fn interval_name(ms: i64) -> &'static str {
    INTERVALS
        .iter()
        .find(|(_, v)| *v == ms)
        .map_or("1m", |(n, _)| *n)
}
