//! What rules are made of: bounds, lists, URLs and names, each with the words that say what to write instead.
//!
//! A rule never stops the next one. Bounds are decimals as text, so that they read in a message as they stand in the code.

use super::Problem;
use crate::decimal::Dec;
use crate::meta::{API_VERSION, ObjectMeta};
use std::collections::BTreeSet;

/// Collects problems.
#[derive(Default)]
pub(super) struct Rules(pub(super) Vec<Problem>);

impl Rules {
    /// Unless it holds, the message says what to write.
    pub(super) fn must(&mut self, ok: bool, path: &str, message: impl FnOnce() -> String) {
        if !ok {
            self.0.push(Problem {
                path: path.into(),
                message: message(),
            });
        }
    }

    /// `low < value ≤ high` where `open`, else `low ≤ value ≤ high`.
    pub(super) fn within(&mut self, path: &str, value: Dec, low: &str, open: bool, high: &str) {
        let (l, h) = (Dec::lit(low).0, Dec::lit(high).0);
        let ok = value.0 <= h && if open { value.0 > l } else { value.0 >= l };
        let words = if open { "above" } else { "from" };
        self.must(ok, path, || {
            format!("is \"{value}\": write a decimal {words} {low} up to {high}, in quotes")
        });
    }

    /// `low ≤ value ≤ high`.
    pub(super) fn between(&mut self, path: &str, value: u64, low: u64, high: u64) {
        self.must((low..=high).contains(&value), path, || {
            format!("is {value}: write a whole number from {low} to {high}")
        });
    }

    /// Symbols as the exchange writes them, each once.
    pub(super) fn distinct(&mut self, path: &str, list: &[String]) {
        let mut seen = BTreeSet::new();
        for s in list {
            self.must(seen.insert(s), path, || {
                format!("names {s} twice: keep one")
            });
            let good = !s.is_empty()
                && s.chars().count() <= 40
                && !s.contains(['/', ' ', '.'])
                && *s == s.to_uppercase();
            self.must(good, path, || {
                format!("\"{s}\" is no symbol: write it as the exchange does, such as BTCUSDT")
            });
        }
    }

    /// A URL of one of the schemes, where there is one.
    pub(super) fn url(&mut self, path: &str, value: Option<&String>, schemes: &[&str]) {
        if let Some(v) = value {
            let ok = schemes.iter().any(|s| {
                v.strip_prefix(s)
                    .is_some_and(|rest| rest.starts_with("://") && rest.len() > 3)
            });
            self.must(ok, path, || {
                format!(
                    "is \"{v}\": write a URL that starts with {}://",
                    schemes.join(":// or ")
                )
            });
        }
    }

    /// Version, name and namespace.
    pub(super) fn meta(&mut self, m: &ObjectMeta, api_version: &str) {
        self.must(api_version == API_VERSION, "apiVersion", || {
            format!("is \"{api_version}\": write {API_VERSION}")
        });
        let good = |s: &str| {
            !s.is_empty()
                && s.len() <= 40
                && s.bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && !s.starts_with('-')
                && !s.ends_with('-')
        };
        let words = "write 1 to 40 lower-case letters, digits or '-', starting and ending with a letter or digit";
        self.must(good(&m.name), "metadata.name", || {
            format!("is \"{}\": {words}", m.name)
        });
        if let Some(ns) = &m.namespace {
            self.must(good(ns), "metadata.namespace", || {
                format!("is \"{ns}\": {words}")
            });
        }
    }
}
