//! What people are told.

use super::Versioned;
use serde::{Deserialize, Serialize};

/// How loud an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Severity {
    /// For the record.
    Info,
    /// Look when you can.
    Warning,
    /// Look now.
    Critical,
}

/// What goes to `logs/alerts.log` and later to people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// How loud.
    pub severity: Severity,
    /// Stable name, e.g. `UnprotectedPosition`.
    pub code: String,
    /// Symbol, when it is about one.
    pub symbol: Option<String>,
    /// In words: what happened and what was done.
    pub text: String,
}

impl Versioned for Alert {}
