//! Parameters of a request, and the exchange's errors about them.

use crate::engine::VenueError;
use rust_decimal::Decimal;
use serde_json::json;

/// A refusal: HTTP status, the exchange's code and words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApiError {
    /// HTTP status.
    pub(super) status: u16,
    /// Exchange code.
    pub(super) code: i64,
    /// Exchange words.
    pub(super) msg: String,
}

impl ApiError {
    /// A refusal with status 400.
    pub(super) fn new(code: i64, msg: impl Into<String>) -> Self {
        let status = match code {
            -2014 | -2015 => 401,
            -1003 | -1015 => 429,
            -1008 => 503,
            -5000 => 404,
            _ => 400,
        };
        Self {
            status,
            code,
            msg: msg.into(),
        }
    }

    /// −1102.
    pub(super) fn missing(name: &str) -> Self {
        Self::new(
            -1102,
            format!("Mandatory parameter '{name}' was not sent, was empty/null, or malformed."),
        )
    }

    /// −1100.
    pub(super) fn illegal(name: &str) -> Self {
        Self::new(
            -1100,
            format!(
                "Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'."
            ),
        )
    }

    /// The body.
    pub(super) fn json(&self) -> serde_json::Value {
        json!({"code": self.code, "msg": self.msg})
    }
}

impl From<VenueError> for ApiError {
    fn from(e: VenueError) -> Self {
        Self::new(e.code, e.msg)
    }
}

/// Parameters of one request at most; the longest has about twenty.
const MOST: usize = 100;

/// Query and form parameters, decoded.
#[derive(Clone, Debug, Default)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    /// Decodes query and body.
    ///
    /// # Errors
    /// −1101 when a parameter comes twice.
    pub(super) fn parse(query: &str, body: &str) -> Result<Self, ApiError> {
        let parts = [query, body].into_iter();
        let pairs = parts.flat_map(|p| url::form_urlencoded::parse(p.as_bytes()));
        Self::of(pairs.map(|(k, v)| (k.into_owned(), v.into_owned())))
    }

    /// Parameters by name and value.
    ///
    /// # Errors
    /// −1101 when one comes twice, −1103 for more than any request has.
    pub(super) fn of(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, ApiError> {
        let mut all: Vec<(String, String)> = Vec::new();
        for (k, v) in pairs {
            // Each is held against all before it.
            if all.len() == MOST {
                let msg = "An unknown parameter was sent.";
                return Err(ApiError::new(-1103, msg));
            }
            if all.iter().any(|(name, _)| *name == k) {
                return Err(ApiError::new(
                    -1101,
                    "Duplicate values for a parameter detected.",
                ));
            }
            all.push((k, v));
        }
        Ok(Self(all))
    }

    /// Names and values in the order they came.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// The elements of a JSON array of flat objects, each as parameters of its own; numbers and flags count as their text.
    ///
    /// # Errors
    /// −1102 not sent, −1130 no such array, empty, or more than `max` elements.
    pub(super) fn list(&self, name: &str, max: usize) -> Result<Vec<Self>, ApiError> {
        let bad = || {
            let msg = format!("Data sent for parameter '{name}' is not valid.");
            ApiError::new(-1130, msg)
        };
        let text = self.need(name)?;
        let all: Vec<serde_json::Map<String, serde_json::Value>> =
            serde_json::from_str(text).map_err(|_| bad())?;
        if all.is_empty() || all.len() > max {
            return Err(bad());
        }
        let flat = |(k, v): (String, serde_json::Value)| match v {
            serde_json::Value::String(s) => Some((k, s)),
            serde_json::Value::Number(n) => Some((k, n.to_string())),
            serde_json::Value::Bool(b) => Some((k, b.to_string())),
            _ => None,
        };
        let one = |m: serde_json::Map<_, _>| m.into_iter().map(flat).collect::<Option<Vec<_>>>();
        all.into_iter()
            .map(|m| one(m).map(Self).ok_or_else(bad))
            .collect()
    }

    /// A parameter; an empty one counts as not sent.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(k, v)| k == name && !v.is_empty())
            .map(|(_, v)| v.as_str())
    }

    /// A mandatory parameter.
    pub(super) fn need(&self, name: &str) -> Result<&str, ApiError> {
        self.get(name).ok_or_else(|| ApiError::missing(name))
    }

    /// An unsigned integer.
    pub(super) fn uint(&self, name: &str) -> Result<Option<u64>, ApiError> {
        self.get(name)
            .map(|v| match v.bytes().all(|b| b.is_ascii_digit()) {
                true => v.parse().map_err(|_| ApiError::illegal(name)),
                false => Err(ApiError::illegal(name)),
            })
            .transpose()
    }

    /// A time in ms.
    pub(super) fn time(&self, name: &str) -> Result<Option<i64>, ApiError> {
        self.uint(name)?
            .map(|v| i64::try_from(v).map_err(|_| ApiError::illegal(name)))
            .transpose()
    }

    /// `limit` within bounds, or the default.
    pub(super) fn limit(&self, default: usize, max: usize) -> Result<usize, ApiError> {
        let v = self.uint("limit")?;
        Ok(v.map_or(default, |v| usize::try_from(v).unwrap_or(max))
            .clamp(1, max))
    }

    /// A decimal number.
    pub(super) fn decimal(&self, name: &str) -> Result<Option<Decimal>, ApiError> {
        let Some(v) = self.get(name) else {
            return Ok(None);
        };
        let plain = v.len() <= 28
            && v.bytes()
                .all(|b| b.is_ascii_digit() || b == b'.' || b == b'-');
        match v.parse::<Decimal>() {
            Ok(d) if plain => Ok(Some(d)),
            _ => Err(ApiError::new(
                -1100,
                format!(
                    "Illegal characters found in parameter '{name}'; legal range is '^([0-9]{{1,20}})(\\.[0-9]{{1,20}})?$'."
                ),
            )),
        }
    }

    /// `true` or `false`, in any case.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some(v) if v.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(v) if v.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(_) => Err(ApiError::missing(name)),
        }
    }
}
