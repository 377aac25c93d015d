//! What the server speaks, told from the lists that it goes by itself: the documentation is held against it.

use super::rest::routes::ROUTES;
use super::stream::STREAMS;
use super::wsapi::methods::METHODS;

/// Names of all that can be asked of a venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surface {
    /// REST endpoints: `GET /fapi/v1/ping`.
    pub rest: Vec<String>,
    /// Streams, with their routes: `public <symbol>@bookTicker`.
    pub streams: Vec<String>,
    /// Methods of the WebSocket API: `order.place`.
    pub methods: Vec<String>,
}

/// What the server speaks.
#[must_use]
pub fn surface() -> Surface {
    let route = |r: super::stream::Route| format!("{r:?}").to_lowercase();
    Surface {
        rest: ROUTES
            .iter()
            .map(|r| format!("{} {}", r.method, r.path))
            .collect(),
        streams: STREAMS
            .iter()
            .map(|s| format!("{} {}", route(s.route), s.name))
            .collect(),
        methods: METHODS.iter().map(|m| m.name.to_owned()).collect(),
    }
}
