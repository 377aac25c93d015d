//! Decimals as strings: what a manifest writes for every number that must be exact.

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// A decimal written as a string (`"0.4"`). A bare number is refused: YAML and JSON tools rewrite those.
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

#[cfg(feature = "kubernetes")]
impl schemars::JsonSchema for Dec {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Dec".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string"})
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
                let plain = !s.is_empty()
                    && s.len() <= 32
                    && s.bytes()
                        .all(|b| b.is_ascii_digit() || b == b'.' || b == b'-');
                match s.parse::<Decimal>() {
                    Ok(d) if plain => Ok(Dec(d)),
                    _ => Err(E::custom(format_args!(
                        "\"{s}\" is no decimal: write digits with at most one point, such as \"0.4\""
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
