//! What a client says about its streams on a WebSocket: SUBSCRIBE, UNSUBSCRIBE, LIST_SUBSCRIPTIONS and properties.

use super::address::Asked;
use super::link::Link;
use super::stream::{Route, topic};
use super::venue::Venue;
use serde_json::{Value, json};

/// Streams of a connection.
const MAX_STREAMS: usize = 1024;

/// The subscriptions of one connection.
pub(super) struct Subscriptions {
    asked: Asked,
    /// Number of the socket, once it is open.
    socket: u64,
    streams: Vec<String>,
}

/// A refusal in the protocol's own codes.
struct Wrong {
    code: i64,
    msg: String,
}

fn invalid(why: impl std::fmt::Display) -> Wrong {
    Wrong {
        code: 2,
        msg: format!("Invalid request: {why}"),
    }
}

impl Subscriptions {
    /// Of a connection that came with an address.
    pub(super) const fn new(asked: Asked) -> Self {
        Self {
            asked,
            socket: 0,
            streams: Vec::new(),
        }
    }

    /// The route's name at the administration port.
    pub(super) const fn kind(&self) -> &'static str {
        match self.asked.route {
            Route::Public => "public",
            Route::Market => "market",
            Route::Private => "private",
            Route::Unrouted => "unrouted",
        }
    }

    /// User events that are wanted.
    pub(super) fn events(&self) -> Vec<String> {
        self.asked.events.clone()
    }

    /// Subscribes to what the address named.
    pub(super) async fn begin(&mut self, socket: u64, link: &Link) -> Result<(), &'static str> {
        self.socket = socket;
        let names = std::mem::take(&mut self.asked.streams);
        if names.len() > MAX_STREAMS {
            return Err("Too many streams");
        }
        self.join(names, link).await.ok_or("The venue stops")
    }

    /// Answers a request; `None` ends the connection.
    pub(super) async fn request(&mut self, text: &str, link: &Link) -> Option<Value> {
        let error = |e: Wrong, id: &Value| {
            let mut e = json!({"error": {"code": e.code, "msg": e.msg}});
            if !id.is_null() {
                e["id"] = id.clone();
            }
            e
        };
        let v: Value = match serde_json::from_str(text) {
            Ok(v) => v,
            Err(e) => {
                let msg = format!("Invalid JSON: {e}");
                return Some(error(Wrong { code: 3, msg }, &Value::Null));
            }
        };
        let id = v.get("id").cloned().unwrap_or(Value::Null);
        if !(id.is_u64() || id.is_string() || id.is_null()) {
            let e = invalid("request ID must be an unsigned integer or a string");
            return Some(error(e, &Value::Null));
        }
        Some(match self.obey(&v, link).await? {
            Ok(result) => json!({"result": result, "id": id}),
            Err(e) => error(e, &id),
        })
    }

    async fn obey(&mut self, v: &Value, link: &Link) -> Option<Result<Value, Wrong>> {
        let params = v.get("params").and_then(Value::as_array);
        let names = || -> Option<Vec<String>> {
            let names = params?.iter().map(|p| p.as_str().map(str::to_owned));
            names.collect()
        };
        let Some(method) = v.get("method").and_then(Value::as_str) else {
            return Some(Err(invalid("method must be a string")));
        };
        let done = match (method, names()) {
            ("SUBSCRIBE", Some(names)) => {
                if self.streams.len() + names.len() > MAX_STREAMS {
                    let why = format!("too many streams (max {MAX_STREAMS})");
                    return Some(Err(invalid(why)));
                }
                self.join(names, link).await?;
                Value::Null
            }
            ("UNSUBSCRIBE", Some(names)) => {
                self.quit(names, link).await?;
                Value::Null
            }
            ("SUBSCRIBE" | "UNSUBSCRIBE", None) => {
                return Some(Err(invalid("params must be an array of strings")));
            }
            ("LIST_SUBSCRIPTIONS", _) => json!(self.streams),
            ("GET_PROPERTY", _) => match property(params) {
                Ok(_) => json!(self.asked.combined),
                Err(e) => return Some(Err(e)),
            },
            ("SET_PROPERTY", _) => {
                let on = property(params).and_then(|rest| match rest.map(Value::as_bool) {
                    Some(Some(on)) => Ok(on),
                    _ => Err(Wrong {
                        code: 1,
                        msg: "Invalid value type: expected Boolean".into(),
                    }),
                });
                let on = match on {
                    Ok(on) => on,
                    Err(e) => return Some(Err(e)),
                };
                self.asked.combined = on;
                self.join_anew(link).await?;
                Value::Null
            }
            (other, _) => {
                return Some(Err(invalid(format!(
                    "unknown variant `{other}`, expected one of `SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`"
                ))));
            }
        };
        Some(Ok(done))
    }

    /// Subscribes to the same once more, in the other form: at one moment, so that no frame falls between the two.
    async fn join_anew(&mut self, link: &Link) -> Option<()> {
        let (id, route, combined) = (self.socket, self.asked.route, self.asked.combined);
        let names = self.streams.clone();
        let both = move |v: &mut Venue| {
            for n in &names {
                if let Some(t) = topic(route, n, &v.lower) {
                    v.hub.quit(id, &t, n);
                    v.hub.join(id, t, n, combined);
                }
            }
        };
        link.call(both).await.ok()
    }

    async fn join(&mut self, names: Vec<String>, link: &Link) -> Option<()> {
        for n in &names {
            if !self.streams.contains(n) {
                self.streams.push(n.clone());
            }
        }
        let (id, route, combined) = (self.socket, self.asked.route, self.asked.combined);
        let join = move |v: &mut Venue| {
            for n in &names {
                if let Some(t) = topic(route, n, &v.lower) {
                    v.hub.join(id, t, n, combined);
                }
            }
        };
        link.call(join).await.ok()
    }

    async fn quit(&mut self, names: Vec<String>, link: &Link) -> Option<()> {
        self.streams.retain(|s| !names.contains(s));
        let (id, route) = (self.socket, self.asked.route);
        let quit = move |v: &mut Venue| {
            for n in &names {
                if let Some(t) = topic(route, n, &v.lower) {
                    v.hub.quit(id, &t, n);
                }
            }
        };
        link.call(quit).await.ok()
    }
}

/// Looks at the property that is asked for; there is one. What comes after its name is returned.
fn property(params: Option<&Vec<Value>>) -> Result<Option<&Value>, Wrong> {
    let params = params.map_or(&[][..], Vec::as_slice);
    match params.first().map(Value::as_str) {
        Some(Some("combined")) => Ok(params.get(1)),
        Some(Some(_)) => Err(Wrong {
            code: 0,
            msg: "Unknown property".into(),
        }),
        _ => Err(invalid("property name must be a string")),
    }
}
