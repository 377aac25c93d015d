//! Generated beside real: the same measures taken of two sources.

/// Placeholder until measured.
#[derive(Clone, Debug, Default)]
pub struct MarketStats;
/// Placeholder.
#[derive(Clone, Debug, Default)]
pub struct FitRow;
/// Placeholder.
#[derive(Clone, Debug, Default)]
pub struct FitReport;
