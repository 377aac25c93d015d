//! The venue's audit file, on the test's clock.

use super::clock::Ns;
use helios_core::fixed::Side;
use helios_core::order::AlgoStatus;
use rust_decimal::Decimal;
use serde::Deserialize;
use std::path::Path;

/// What happened at the venue.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum What {
    /// A plain order arrived.
    Order {
        side: Side,
        qty: i64,
        reduce_only: bool,
    },
    /// It was refused.
    Refused { code: i64 },
    /// A fill; position in lots after it, the account's worth after its request.
    Fill {
        side: Side,
        qty: i64,
        position: i64,
        price: Decimal,
        equity: Decimal,
        gross: Decimal,
    },
    /// A conditional order changed.
    Algo {
        side: Side,
        status: AlgoStatus,
        anchor: bool,
        trigger: Decimal,
    },
}

/// One line.
#[derive(Clone, Debug, Deserialize)]
pub struct Entry {
    /// Market ms.
    pub market_ms: i64,
    /// Wall ns since the venue's start, as written; after [`read`], when on the test's clock.
    #[serde(rename = "wall_ns")]
    pub at: Ns,
    pub symbol: String,
    pub client_id: String,
    #[serde(flatten)]
    pub what: What,
}

impl Entry {
    /// A fill that left more exposure than there was before it.
    pub fn adds(&self) -> bool {
        match self.what {
            What::Fill {
                side,
                qty,
                position,
                ..
            } => {
                let before = position - qty * side.sign();
                position.abs() > before.abs() || position.signum() * before.signum() < 0
            }
            _ => false,
        }
    }
}

/// Every whole line so far; `offset` is the venue's start on the test's clock.
pub fn read(file: &Path, offset: Ns) -> Vec<Entry> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |x| x.0);
    whole
        .lines()
        .map(|l| {
            let mut e: Entry = serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}"));
            e.at += offset;
            e
        })
        .collect()
}
