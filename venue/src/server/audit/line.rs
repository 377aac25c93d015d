//! The log as a file: one JSON object a line, written as things happen.
//!
//! Quantities are lots, signed for a position; prices and money are the quote asset's. A file that can't be written ends
//! the file, never the venue.

use helios_core::fixed::{Money, Side};
use helios_core::order::AlgoStatus;
use rust_decimal::Decimal;
use serde::Serialize;
use std::fs::File;
use std::io::Write;

/// One line of the log.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum Line<'a> {
    /// A plain order arrived.
    Order {
        market_ms: i64,
        wall_ns: u64,
        symbol: &'a str,
        side: Side,
        qty: i64,
        reduce_only: bool,
        client_id: &'a str,
    },
    /// It was refused.
    Refused {
        market_ms: i64,
        wall_ns: u64,
        symbol: &'a str,
        client_id: &'a str,
        code: i64,
    },
    /// A fill; price, equity (wallet and unrealised profit) and gross notional in quote asset, on marks after its request.
    Fill {
        market_ms: i64,
        wall_ns: u64,
        symbol: &'a str,
        side: Side,
        qty: i64,
        position: i64,
        client_id: &'a str,
        price: Decimal,
        equity: Money,
        gross: Money,
    },
    Algo {
        market_ms: i64,
        wall_ns: u64,
        symbol: &'a str,
        side: Side,
        status: AlgoStatus,
        anchor: bool,
        trigger: Decimal,
        client_id: &'a str,
    },
}

/// Where the lines go, if anywhere.
#[derive(Debug, Default)]
pub(super) struct Lines {
    file: Option<File>,
    account: Option<String>,
}

/// A line and whose it is, where there are several accounts.
#[derive(Serialize)]
struct Owned<'a> {
    #[serde(flatten)]
    line: &'a Line<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
}

impl Lines {
    /// Lines into a file, with an account's name where one is given.
    pub(super) fn new(file: Option<File>, account: Option<String>) -> Self {
        Self { file, account }
    }

    pub(super) fn write(&mut self, line: &Line<'_>) {
        let Some(file) = &mut self.file else {
            return;
        };
        let mut text = match serde_json::to_vec(&Owned {
            line,
            account: self.account.as_deref(),
        }) {
            Ok(t) => t,
            Err(_) => return,
        };
        text.push(b'\n');
        if let Err(e) = file.write_all(&text) {
            tracing::error!(error = %e, "the venue's audit file can't be written; the log goes on in memory");
            self.file = None;
        }
    }
}
