//! Decimals as strings: what a manifest writes for every number that must be exact.

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// A decimal written as a string (`"0.4"`). A bare number is refused: YAML and JSON tools rewrite those.
///
/// It has at most 10 digits before its point and 5 after it. Fifteen digits are what a double keeps apart, so that the API
/// server, whose rules know doubles only, compares them as exactly as this type does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dec(pub Decimal);

impl Dec {
    /// From a literal of the source; anything that is no decimal becomes 0 (a test reads every default).
    pub(crate) fn lit(s: &str) -> Self {
        Self(s.parse().unwrap_or_default())
    }
}

impl fmt::Display for Dec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Dec {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Dec {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl de::Visitor<'_> for V {
            type Value = Dec;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a decimal in quotes, such as \"0.4\"")
            }
            fn visit_str<E: de::Error>(self, s: &str) -> Result<Dec, E> {
                match s.parse::<Decimal>() {
                    Ok(d) if is_plain(s) => Ok(Dec(d)),
                    _ => Err(E::custom(format_args!(
                        "\"{s}\" is no decimal: write up to 10 digits, and up to 5 after a point, such as \"0.4\""
                    ))),
                }
            }
            fn visit_f64<E: de::Error>(self, v: f64) -> Result<Dec, E> {
                Err(E::custom(format_args!(
                    "{v} must be a string, so that it stays exact: write \"{v}\""
                )))
            }
            fn visit_i64<E: de::Error>(self, v: i64) -> Result<Dec, E> {
                Err(E::custom(format_args!(
                    "{v} must be a string, so that it stays exact: write \"{v}\""
                )))
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Dec, E> {
                Err(E::custom(format_args!(
                    "{v} must be a string, so that it stays exact: write \"{v}\""
                )))
            }
        }
        d.deserialize_any(V)
    }
}

/// `-?[0-9]{1,10}(\.[0-9]{1,5})?`
fn is_plain(s: &str) -> bool {
    let digits = |s: &str, most: usize| {
        (1..=most).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_digit())
    };
    let s = s.strip_prefix('-').unwrap_or(s);
    match s.split_once('.') {
        Some((whole, part)) => digits(whole, 10) && digits(part, 5),
        None => digits(s, 10),
    }
}
