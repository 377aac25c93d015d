//! Connections: accepting them, reading requests, upgrading to WebSocket, sending answers.

use super::address::{asked, asked_api};
use super::config::VenueServerError;
use super::link::{Link, wait};
use super::rest::{self, Call, Reply};
use super::socket::Talk;
use super::subscribe::Subscriptions;
use super::venue::Venue;
use super::wsapi::{self, Requests};
use super::{admin, socket};
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::net::IpAddr;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// Longest request body.
const MAX_BODY: usize = 64 * 1024;

/// What a listener serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Port {
    /// Binance's protocol.
    Exchange,
    /// Administration.
    Admin,
}

/// Accepts connections until the venue stops.
pub(super) async fn listen(listener: TcpListener, port: Port, link: Link) {
    loop {
        tokio::select! {
            () = link.stopping() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => {
                    tokio::spawn(connection(stream, from.ip(), port, link.clone()));
                }
                // Out of descriptors, or a connection gone before it was accepted: neither may end the venue.
                Err(e) => {
                    tracing::warn!(error = %e, "a connection could not be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
            }
        }
    }
}

async fn connection(stream: TcpStream, ip: IpAddr, port: Port, link: Link) {
    let _ = stream.set_nodelay(true);
    let stop = link.clone();
    let service = service_fn(move |req| answer(req, ip, port, link.clone()));
    let conn = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::select! {
        () = stop.stopping() => {}
        result = conn => if let Err(e) = result {
            tracing::debug!(error = %e, "connection ended");
        }
    }
}

/// The connection ends without an answer, by an ordered fault.
#[derive(Debug, thiserror::Error)]
#[error("cut by an ordered fault")]
struct Cut;

/// A request to the exchange, with what is ordered to go wrong on its way.
async fn exchange(call: Call, link: &Link) -> Result<Result<Reply, VenueServerError>, Cut> {
    let course = link.faults.request(&call);
    link.delay().await;
    wait(course.before).await;
    let reply = if course.lost {
        None
    } else {
        Some(link.call(move |v| rest::answer(v, &call)).await)
    };
    wait(course.after).await;
    link.delay().await;
    match (course.say.map(|s| s.reply()), reply) {
        (Some(Ok(instead)), _) => Ok(Ok(instead)),
        (Some(Err(silence)), _) => {
            wait(silence).await;
            Err(Cut)
        }
        (None, Some(reply)) => Ok(reply),
        // A request is lost only where its sender hears something else.
        (None, None) => Err(Cut),
    }
}

async fn answer(
    req: Request<Incoming>,
    ip: IpAddr,
    port: Port,
    link: Link,
) -> Result<Response<Body>, Cut> {
    if port == Port::Exchange && is_upgrade(req.headers()) {
        if link.faults.maintenance() {
            return Ok(plain(StatusCode::SERVICE_UNAVAILABLE));
        }
        let api = asked_api(req.uri().path(), req.uri().query());
        let counted = move |v: &mut Venue| {
            let (now, now_ms) = (Instant::now(), v.clock.now_ms());
            let connected = v.limits.connect(now, now_ms, ip);
            let counted = match api {
                Some(_) => {
                    connected.and_then(|()| v.limits.take(now, now_ms, ip, wsapi::HANDSHAKE_WEIGHT))
                }
                None => connected,
            };
            let counted = counted.map_err(|(e, s)| rest::refused(&e, vec![("retry-after", s)]));
            counted.map(|()| now_ms)
        };
        return Ok(match link.call(counted).await {
            Ok(Ok(now_ms)) => {
                let talk = match api {
                    Some(limits) => Some(Talk::Api(Requests::new(ip, now_ms, limits))),
                    None => asked(req.uri().path(), req.uri().query())
                        .map(|a| Talk::Streams(Subscriptions::new(a))),
                };
                talk.map_or_else(|| plain(StatusCode::NOT_FOUND), |t| upgrade(req, t, link))
            }
            Ok(Err(reply)) => response(reply),
            Err(_) => plain(StatusCode::SERVICE_UNAVAILABLE),
        });
    }
    let (parts, body) = req.into_parts();
    let Ok(body) = to_bytes(Body::new(body), MAX_BODY).await else {
        return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE));
    };
    let Ok(body) = String::from_utf8(body.to_vec()) else {
        return Ok(plain(StatusCode::BAD_REQUEST));
    };
    let call = Call {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or("").to_owned(),
        body,
        api_key: parts
            .headers
            .get("x-mbx-apikey")
            .and_then(|v| v.to_str().ok())
            .map(str::to_owned),
        ip,
    };
    let reply = match port {
        Port::Exchange => {
            // In a task of its own: a client that gives up does not take back what it has sent.
            let served = tokio::spawn(async move {
                tokio::select! {
                    () = link.stopping() => Err(Cut),
                    served = exchange(call, &link) => served,
                }
            });
            match served.await {
                Ok(Ok(reply)) => reply,
                Ok(Err(cut)) => return Err(cut),
                Err(_) => return Err(Cut),
            }
        }
        Port::Admin => link.call(move |v| admin::answer(v, &call)).await,
    };
    Ok(reply.map_or_else(|_| plain(StatusCode::SERVICE_UNAVAILABLE), response))
}

fn response(reply: Reply) -> Response<Body> {
    let mut r = Response::new(Body::from(reply.body));
    *r.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let h = r.headers_mut();
    h.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json;charset=UTF-8"),
    );
    for (name, value) in reply.headers {
        h.insert(name, HeaderValue::from(value));
    }
    r
}

fn plain(status: StatusCode) -> Response<Body> {
    let mut r = Response::new(Body::empty());
    *r.status_mut() = status;
    r
}

fn is_upgrade(h: &HeaderMap) -> bool {
    h.get(header::UPGRADE)
        .is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

fn upgrade(mut req: Request<Incoming>, talk: Talk, link: Link) -> Response<Body> {
    let version = req.headers().get(header::SEC_WEBSOCKET_VERSION);
    let key = req.headers().get(header::SEC_WEBSOCKET_KEY);
    let (Some(key), Some(b"13")) = (key, version.map(HeaderValue::as_bytes)) else {
        return plain(StatusCode::BAD_REQUEST);
    };
    let Ok(accept) = HeaderValue::from_str(&derive_accept_key(key.as_bytes())) else {
        return plain(StatusCode::BAD_REQUEST);
    };
    let upgraded = hyper::upgrade::on(&mut req);
    tokio::spawn(async move {
        if let Ok(io) = upgraded.await {
            let config = Some(socket::config());
            let ws = WebSocketStream::from_raw_socket(TokioIo::new(io), Role::Server, config).await;
            socket::run(ws, talk, link).await;
        }
    });
    let mut r = plain(StatusCode::SWITCHING_PROTOCOLS);
    let h = r.headers_mut();
    h.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    h.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    h.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    r
}
