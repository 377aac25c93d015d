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
            let good = (1..=40).contains(&s.chars().count())
                && !s.contains(|c: char| c.is_ascii_lowercase() || ['/', ' ', '.'].contains(&c));
            self.must(good, path, || {
                format!("\"{s}\" is no symbol: write it as the exchange does, such as BTCUSDT")
            });
        }
        self.must(list.len() <= 200, path, || {
            "has more than 200 symbols: write fewer".into()
        });
    }

    /// A text of at most `most` characters.
    pub(super) fn text(&mut self, path: &str, value: &str, most: usize) {
        self.must(value.chars().count() <= most, path, || {
            format!("is longer than {most} characters: write a shorter one")
        });
    }

    /// The name of an object that must be there; `of` says of what.
    pub(super) fn name(&mut self, path: &str, value: &str, of: &str) {
        self.must(!value.is_empty(), path, || {
            format!("is empty: write the {of}'s name")
        });
        self.text(path, value, 253);
    }

    /// A URL of one of the schemes, where there is one.
    pub(super) fn url(&mut self, path: &str, value: Option<&String>, schemes: [&str; 2]) {
        if let Some(v) = value {
            let good = |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_graphic());
            let ok = schemes.iter().any(|s| {
                v.strip_prefix(s)
                    .and_then(|rest| rest.strip_prefix("://"))
                    .is_some_and(good)
            });
            self.must(ok, path, || {
                format!(
                    "is \"{v}\": write a URL that starts with {}://",
                    schemes.join(":// or ")
                )
            });
            self.text(path, v, 2048);
        }
    }

    /// Version, name and namespace.
    pub(super) fn meta(&mut self, m: &ObjectMeta, api_version: &str) {
        self.must(api_version == API_VERSION, "apiVersion", || {
            format!("is \"{api_version}\": write {API_VERSION}")
        });
        // An account's name becomes part of pods' names; a namespace is as long as Kubernetes lets it be.
        let good = |s: &str, most: usize| {
            !s.is_empty()
                && s.len() <= most
                && s.bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && !s.starts_with('-')
                && !s.ends_with('-')
        };
        let words = "lower-case letters, digits or '-', starting and ending with a letter or digit";
        self.must(good(&m.name, 40), "metadata.name", || {
            format!("is \"{}\": write 1 to 40 {words}", m.name)
        });
        if let Some(ns) = &m.namespace {
            self.must(good(ns, 63), "metadata.namespace", || {
                format!("is \"{ns}\": write 1 to 63 {words}")
            });
        }
    }
}
