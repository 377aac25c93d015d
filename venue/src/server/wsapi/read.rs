//! A request of the WebSocket API as text: envelope and parameters, numbers in the very characters they were sent in.
//!
//! A number is never turned into one here: its text is signed, and its text is what the handler reads.

use crate::server::params::{ApiError, Params};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A request.
pub(super) struct Request {
    /// Its id as JSON, as it came.
    pub(super) id: String,
    pub(super) method: String,
    /// All parameters but the signature.
    pub(super) params: Params,
    pub(super) signature: Option<String>,
}

impl Request {
    /// What is signed: the parameters by name, the key's among them.
    pub(super) fn payload(&self) -> String {
        let mut pairs: Vec<_> = self.params.pairs().collect();
        pairs.sort_unstable();
        let pairs: Vec<String> = pairs.iter().map(|(k, v)| format!("{k}={v}")).collect();
        pairs.join("&")
    }
}

#[derive(serde::Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<&'a RawValue>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
}

/// The members of an object in their order, each as it was written.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut out = Vec::new();
                while let Some(member) = map.next_entry()? {
                    out.push(member);
                }
                Ok(Members(out))
            }
        }
        d.deserialize_map(Object)
    }
}

/// −1135, to the request's id as far as that is known.
fn malformed(id: &str, msg: &str) -> (String, ApiError) {
    (id.to_owned(), ApiError::new(-1135, msg))
}

/// An integer or a string, as JSON.
fn is_id(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let integer = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    integer || text.starts_with('"')
}

/// Reads a request.
///
/// # Errors
/// The id to answer to, as JSON, and −1135 for what is no request, −1101 for a parameter that comes twice, −1130 for one
/// that is a list or an object.
pub(super) fn request(text: &str) -> Result<Request, (String, ApiError)> {
    let object = text.trim_start().starts_with('{');
    let read = serde_json::from_str::<Envelope<'_>>(text).ok();
    let Some(e) = read.filter(|_| object) else {
        return Err(malformed("null", "Invalid JSON Request."));
    };
    let id = e.id.map_or("null", RawValue::get);
    if id != "null" && !is_id(id) {
        return Err(malformed(
            "null",
            "Invalid 'id' in JSON request; expected an integer, a string, or null.",
        ));
    }
    let method = e.method.map(RawValue::get);
    let method = method.and_then(|m| serde_json::from_str::<String>(m).ok());
    let Some(method) = method else {
        let msg = "Invalid 'method' in JSON request; expected a string.";
        return Err(malformed(id, msg));
    };
    let members = match e
        .params
        .map(|p| serde_json::from_str::<Members<'_>>(p.get()))
    {
        None => Members(Vec::new()),
        Some(Ok(m)) => m,
        Some(Err(_)) => {
            let msg = "Invalid 'params' in JSON request; expected an object.";
            return Err(malformed(id, msg));
        }
    };
    let mut pairs = Vec::with_capacity(members.0.len());
    let mut signature = None;
    for (name, value) in members.0 {
        let Some(text) = plain(value.get()) else {
            let msg = format!("Data sent for parameter '{name}' is not valid.");
            return Err((id.to_owned(), ApiError::new(-1130, msg)));
        };
        match (name.as_str(), text) {
            ("signature", text) => signature = text,
            (_, Some(text)) => pairs.push((name, text)),
            (_, None) => {}
        }
    }
    let params = Params::of(pairs).map_err(|e| (id.to_owned(), e))?;
    Ok(Request {
        id: id.to_owned(),
        method,
        params,
        signature,
    })
}

/// A parameter's text: a string's own, a number's or flag's as written; `Some(None)` for null, `None` for anything else.
fn plain(json: &str) -> Option<Option<String>> {
    match json.bytes().next()? {
        b'"' => serde_json::from_str(json).ok(),
        b'n' => Some(None),
        b'[' | b'{' => None,
        _ => Some(Some(json.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_are_echoed_and_numbers_keep_their_characters() {
        for id in [
            "7",
            "-3",
            "99999999999999999999999",
            "\"a-B_9\"",
            "\"a.b \\u00fc\"",
            "null",
        ] {
            let r = request(&format!("{{\"id\": {id} ,\"method\":\"ping\"}}"))
                .ok()
                .unwrap();
            assert_eq!((r.id.as_str(), r.method.as_str()), (id, "ping"));
        }
        let text = r#"{"id":1,"method":"m","params":{"b":0.10000000000000000001,"a":"ü\"","C":1e5,"signature":"s","n":null,"f":true}}"#;
        let r = request(text).ok().unwrap();
        assert_eq!(r.payload(), "C=1e5&a=ü\"&b=0.10000000000000000001&f=true");
        assert_eq!(r.signature.as_deref(), Some("s"));
        assert_eq!(request("{\"method\":\"ping\"}").ok().unwrap().id, "null");
    }

    #[test]
    fn what_is_no_request_is_refused_by_its_code() {
        for (text, id, code) in [
            ("", "null", -1135),
            ("{nonsense", "null", -1135),
            ("[1,\"ping\",{}]", "null", -1135),
            ("\"ping\"", "null", -1135),
            ("{\"id\":1.5,\"method\":\"ping\"}", "null", -1135),
            ("{\"id\":[1],\"method\":\"ping\"}", "null", -1135),
            ("{\"id\":true,\"method\":\"ping\"}", "null", -1135),
            ("{\"id\":4}", "4", -1135),
            ("{\"id\":4,\"method\":7}", "4", -1135),
            ("{\"id\":4,\"method\":\"m\",\"params\":[]}", "4", -1135),
            ("{\"id\":4,\"method\":\"m\",\"params\":\"a=1\"}", "4", -1135),
            (
                "{\"id\":4,\"method\":\"m\",\"params\":{\"a\":1,\"a\":2}}",
                "4",
                -1101,
            ),
            (
                "{\"id\":4,\"method\":\"m\",\"params\":{\"a\":{}}}",
                "4",
                -1130,
            ),
            (
                "{\"id\":4,\"method\":\"m\",\"params\":{\"signature\":[]}}",
                "4",
                -1130,
            ),
        ] {
            let e = request(text).map(|r| r.id).unwrap_err();
            assert_eq!((e.0.as_str(), e.1.code), (id, code), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*", id in any::<i64>()) {
            let _ = request(&text);
            let quoted = serde_json::to_string(&text).unwrap();
            let json = format!("{{\"id\":{id},\"method\":\"m\",\"params\":{{\"p\":{quoted}}}}}");
            let r = request(&json).ok().unwrap();
            prop_assert_eq!(r.id, id.to_string());
            prop_assert_eq!(r.params.pairs().next().map(|p| p.1), Some(text.as_str()));
        }
    }
}
