//! Kubernetes' resource quantities: `250m`, `1`, `128Mi`. They are carried, not reckoned with.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// A resource quantity, written as a string (`"250m"`) or a whole number (`2`) and kept as text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(pub String);

/// The suffixes that Kubernetes knows, without exponents.
const SUFFIXES: [&str; 16] = [
    "", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "n", "u", "m", "k", "M", "G", "T", "P", "E",
];

impl Quantity {
    /// Whether a text is a quantity that a pod may ask for: digits, at most one point, a suffix or an exponent, no sign.
    pub(crate) fn is_one(text: &str) -> bool {
        let digits = |s: &str, most: usize| {
            (1..=most).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_digit())
        };
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let plain = match number.split_once('.') {
            Some((whole, part)) => digits(whole, 15) && digits(part, 9),
            None => digits(number, 15),
        };
        let exponent = suffix
            .strip_prefix(['e', 'E'])
            .is_some_and(|e| digits(e, 2));
        plain && (exponent || SUFFIXES.contains(&suffix))
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl de::Visitor<'_> for V {
            type Value = Quantity;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity such as 250m or 128Mi")
            }
            fn visit_str<E: de::Error>(self, s: &str) -> Result<Quantity, E> {
                Ok(Quantity(s.into()))
            }
            fn visit_i64<E: de::Error>(self, v: i64) -> Result<Quantity, E> {
                Ok(Quantity(v.to_string()))
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Quantity, E> {
                Ok(Quantity(v.to_string()))
            }
        }
        d.deserialize_any(V)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_pod_may_ask_for_is_a_quantity_and_nothing_else_is() {
        for good in [
            "0", "2", "250m", "0.5", "128Mi", "1.5Gi", "1E", "1e3", "2E6", "100n", "1k",
        ] {
            assert!(Quantity::is_one(good), "{good}");
        }
        for bad in [
            "",
            "m",
            "-1",
            "+1",
            "1 Gi",
            "1.",
            ".5",
            "1.2.3",
            "1gi",
            "1GiB",
            "1e",
            "1e100",
            "1234567890123456",
            "1.0123456789",
            "ten",
            "1,5",
            "1٣",
        ] {
            assert!(!Quantity::is_one(bad), "{bad}");
        }
    }
}
