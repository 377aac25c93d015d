//! Watchlist: ranking of tradable contracts by volatility against cost and liquidity, with hysteresis, and the
//! settlement of claims between strategies that wish the same symbol.
//!
//! Pure functions over one scan: [`rank`] says what one strategy would like, best first, with the numbers behind it;
//! [`settle_claims`] says who gets what. The scan itself is the coordinator's; `core::plan` reads the outcome.

mod candidate;
mod claims;
mod rank;

pub use candidate::{Candidate, ContractKind, ContractStatus};
pub use claims::{Claim, Settlement, settle_claims};
pub use rank::{RankEntry, RankParams, Ranking, SkipReason, Verdict, rank};
