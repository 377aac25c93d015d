//! A scripted API server for tests: each request gets the next answer, and what was asked is kept.
//!
//! A request for which there is no answer left is kept too and answered 500, so that a test that compares all that was
//! asked sees it.

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// One answer of the script.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A body with a status.
    Json(u16, Value),
    /// None at all, for as long as the client waits.
    Silence,
}

impl Answer {
    /// 200 with an object.
    pub fn ok(object: Value) -> Self {
        Self::Json(200, object)
    }

    /// A failure as an API server words it.
    pub fn failure(code: u16, reason: &str) -> Self {
        let status = json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
            "reason": reason, "message": format!("it is {reason}"),
        });
        Self::Json(code, status)
    }
}

/// One request as it arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// Method and path with its query, e.g. `GET /api/v1/…`.
    pub what: String,
    /// The body; null when there is none.
    pub body: Value,
}

/// The server; it ends when every clone of the client is dropped.
#[derive(Debug)]
pub struct FakeApi {
    task: JoinHandle<Vec<Asked>>,
}

impl FakeApi {
    /// A client of a server that gives these answers, in this order. Needs a Tokio runtime.
    pub fn start(answers: Vec<Answer>) -> (Client, Self) {
        let (service, handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
        let client = Client::new(service, "default");
        let task = tokio::spawn(serve(handle, answers));
        (client, Self { task })
    }

    /// All that was asked; waits until the clients are gone.
    pub async fn asked(self) -> Vec<Asked> {
        self.task.await.unwrap_or_default()
    }
}

async fn serve(
    mut handle: tower_test::mock::Handle<Request<Body>, Response<Body>>,
    answers: Vec<Answer>,
) -> Vec<Asked> {
    let mut answers = answers.into_iter();
    let (mut asked, mut silent) = (Vec::new(), Vec::new());
    while let Some((request, answer)) = handle.next_request().await {
        let what = format!("{} {}", request.method(), request.uri());
        let body = request.into_body().collect_bytes().await;
        let body = body.ok().and_then(|b| serde_json::from_slice(&b).ok());
        asked.push(Asked {
            what,
            body: body.unwrap_or_default(),
        });
        let next = answers.next();
        match next.unwrap_or_else(|| Answer::failure(500, "OffTheScript")) {
            Answer::Silence => silent.push(answer),
            Answer::Json(code, body) => {
                let mut response = Response::new(Body::from(body.to_string().into_bytes()));
                *response.status_mut() =
                    http::StatusCode::from_u16(code).unwrap_or(http::StatusCode::IM_A_TEAPOT);
                answer.send_response(response);
            }
        }
    }
    asked
}
