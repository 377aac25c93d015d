//! Refusals, signatures, limits, market data over REST.

use super::client::{signature, venue, with};
use super::source::{BTC_BID, Flat, T0};
use helios_venue::server::{VenueConfig, VenueServer, VenueServerError};
use serde_json::Value;

#[tokio::test]
async fn each_kind_of_refusal_has_its_code_and_status() {
    let c = venue().await;
    let sign = |q: &str| {
        format!(
            "{q}&signature={}",
            signature(&c.venue.credentials().secret, q)
        )
    };
    let key = c.venue.credentials().key.clone();
    let other = "A".repeat(64);
    let good = sign(&format!("timestamp={T0}"));
    let account = |q: &str| format!("/fapi/v3/account?{q}");
    for (target, key, want) in [
        (account(&good), None, (401, -2014)),
        (account(&good), Some("short"), (401, -2014)),
        (account(&good), Some(other.as_str()), (401, -2015)),
        (
            account(&format!("timestamp={T0}")),
            Some(&key),
            (400, -1102),
        ),
        (account(&sign("recvWindow=5000")), Some(&key), (400, -1102)),
        (account(&sign("timestamp=abc")), Some(&key), (400, -1100)),
        (
            account(&sign(&format!("timestamp={}", T0 - 5001))),
            Some(&key),
            (400, -1021),
        ),
        (
            account(&sign(&format!("timestamp={}", T0 + 1000))),
            Some(&key),
            (400, -1021),
        ),
        (
            account(&sign(&format!("recvWindow=60001&timestamp={T0}"))),
            Some(&key),
            (400, -1131),
        ),
        (
            account(&format!("timestamp={T0}&signature=00")),
            Some(&key),
            (400, -1022),
        ),
        (
            account(&format!("a=1&a=2&{good}")),
            Some(&key),
            (400, -1101),
        ),
        ("/fapi/v1/depth".into(), None, (400, -1102)),
        ("/fapi/v1/depth?symbol=XUSDT".into(), None, (400, -1121)),
        ("/fapi/v1/depth?symbol=btcusdt".into(), None, (400, -1121)),
        (
            "/fapi/v1/depth?symbol=BTCUSDT&limit=7".into(),
            None,
            (400, -4021),
        ),
        (
            "/fapi/v1/depth?symbol=BTCUSDT&limit=x".into(),
            None,
            (400, -1100),
        ),
        (
            "/fapi/v1/klines?symbol=BTCUSDT&interval=9m".into(),
            None,
            (400, -1120),
        ),
        ("/fapi/v9/nothing".into(), None, (404, -5000)),
        ("/".into(), None, (404, -5000)),
    ] {
        let r = c.send("GET", &target, key, "").await;
        assert_eq!(r.refusal(), want, "{target}");
    }
    for t in [T0 - 5000, T0 + 999] {
        let ok = account(&sign(&format!("timestamp={t}")));
        assert_eq!(c.send("GET", &ok, Some(&key), "").await.status, 200, "{t}");
    }
}

#[tokio::test]
async fn orders_are_refused_by_the_exchanges_codes() {
    let c = venue().await;
    let base = "symbol=BTCUSDT&side=BUY";
    for (params, want) in [
        ("side=BUY&type=MARKET&quantity=1".to_owned(), -1102),
        (format!("{base}&quantity=1"), -1102),
        (format!("{base}&type=MARKET"), -1102),
        (format!("{base}&type=LIMIT&quantity=1&price=60000"), -1102),
        (
            "symbol=BTCUSDT&side=UP&type=MARKET&quantity=1".into(),
            -1117,
        ),
        (format!("{base}&type=FISH&quantity=1"), -1116),
        (
            format!("{base}&type=LIMIT&timeInForce=XYZ&quantity=1&price=60000"),
            -1115,
        ),
        (
            format!("{base}&type=STOP_MARKET&stopPrice=70000&quantity=1"),
            -4120,
        ),
        (
            format!("{base}&type=TAKE_PROFIT&stopPrice=70000&price=1&quantity=1"),
            -4120,
        ),
        (format!("{base}&type=MARKET&quantity=1&price=5"), -1106),
        (
            format!("{base}&type=MARKET&quantity=1&positionSide=LONG"),
            -4061,
        ),
        (format!("{base}&type=MARKET&quantity=1e3"), -1100),
        (format!("{base}&type=MARKET&quantity=0"), -4003),
        (format!("{base}&type=MARKET&quantity=0.0005"), -1111),
        (format!("{base}&type=MARKET&quantity=0.00005"), -1111),
        (
            format!("{base}&type=LIMIT&timeInForce=GTX&quantity=0.1&price=60010"),
            -5022,
        ),
        (
            format!("{base}&type=LIMIT&timeInForce=GTC&quantity=0.1&price=60010.05"),
            -1111,
        ),
        (
            format!("{base}&type=MARKET&quantity=1&reduceOnly=true"),
            -2022,
        ),
        (format!("{base}&type=MARKET&quantity=0.00"), -4003),
        (format!("{base}&type=MARKET&quantity=5"), -2019),
        (
            format!("{base}&type=LIMIT&timeInForce=GTC&quantity=0.1&price=1"),
            -4164,
        ),
    ] {
        assert_eq!(c.order(&params).await.refusal(), (400, want), "{params}");
    }
    // Where several rules are broken at once the engine's order decides.
    for q in ["900", "5000", "99999999999999999999"] {
        let (status, code) = c
            .order(&format!("{base}&type=MARKET&quantity={q}"))
            .await
            .refusal();
        assert!(
            status == 400 && [-4005, -4023, -2019, -2027].contains(&code),
            "{q}: {code}"
        );
    }
    for (method, path, params, want) in [
        ("GET", "/fapi/v1/order", "symbol=BTCUSDT&orderId=5", -2013),
        ("GET", "/fapi/v1/order", "symbol=BTCUSDT", -1102),
        (
            "DELETE",
            "/fapi/v1/order",
            "symbol=BTCUSDT&origClientOrderId=x",
            -2011,
        ),
        ("DELETE", "/fapi/v1/algoOrder", "clientAlgoId=x", -2011),
        ("GET", "/fapi/v1/algoOrder", "algoId=7", -2013),
        (
            "POST",
            "/fapi/v1/marginType",
            "symbol=BTCUSDT&marginType=CROSSED",
            -4046,
        ),
        (
            "POST",
            "/fapi/v1/positionSide/dual",
            "dualSidePosition=false",
            -4059,
        ),
        (
            "POST",
            "/fapi/v1/leverage",
            "symbol=BTCUSDT&leverage=126",
            -4028,
        ),
    ] {
        assert_eq!(
            c.signed(method, path, params).await.refusal(),
            (400, want),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn query_and_body_are_signed_as_one() {
    let c = venue().await;
    let (key, secret) = {
        let k = c.venue.credentials();
        (k.key.clone(), k.secret.clone())
    };
    let query = "symbol=BTCUSDT&leverage=10";
    let body = format!("timestamp={T0}");
    let s = signature(&secret, &format!("{query}{body}"));
    let r = c
        .send(
            "POST",
            &format!("/fapi/v1/leverage?{query}"),
            Some(&key),
            &format!("{body}&signature={s}"),
        )
        .await;
    assert_eq!(r.ok()["leverage"], 10);
    // An unencoded character is not what the exchange lets pass, even if the client signed it so.
    let body = format!("symbol=BTCUSDT&newClientOrderId=ü&timestamp={T0}");
    let s = signature(&secret, &body);
    let r = c
        .send(
            "POST",
            "/fapi/v1/leverage",
            Some(&key),
            &format!("{body}&signature={s}"),
        )
        .await;
    assert_eq!(r.refusal(), (400, -1022));
}

#[tokio::test]
async fn weight_and_orders_are_counted_and_refused_beyond_the_limit() {
    let c = venue().await;
    let r = c.get("/fapi/v1/depth?symbol=BTCUSDT&limit=1000").await;
    assert_eq!(r.header("x-mbx-used-weight-1m"), Some("20"));
    let r = c
        .order("symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.01")
        .await;
    assert_eq!(r.header("x-mbx-order-count-10s"), Some("1"));
    assert_eq!(r.header("x-mbx-order-count-1m"), Some("1"));
    let mut last = None;
    for _ in 0..130 {
        last = Some(c.get("/fapi/v1/depth?symbol=BTCUSDT&limit=1000").await);
    }
    let last = last.unwrap();
    assert_eq!(last.refusal(), (429, -1003));
    assert!(last.header("retry-after").is_some());
}

#[tokio::test]
async fn candles_end_with_the_running_one() {
    let c = venue().await;
    c.venue.set_speed(50.0).await.unwrap();
    c.venue.start_market().await.unwrap();
    while c.now().await < T0 + 2_000 {
        tokio::task::yield_now().await;
    }
    let rows = c
        .get("/fapi/v1/klines?symbol=BTCUSDT&interval=15m&limit=200")
        .await
        .ok();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 200);
    for (a, b) in rows.iter().zip(&rows[1..]) {
        assert_eq!(a[0].as_i64().unwrap() + 900_000, b[0].as_i64().unwrap());
        assert_eq!(a[6].as_i64().unwrap() + 1, b[0].as_i64().unwrap());
    }
    assert_eq!(rows[199][0], T0);
    let closed = c
        .get(&format!(
            "/fapi/v1/klines?symbol=BTCUSDT&interval=1m&limit=3&endTime={}",
            T0 - 1
        ))
        .await;
    let closed = closed.ok();
    let opens: Vec<&Value> = closed.as_array().unwrap().iter().map(|r| &r[0]).collect();
    assert_eq!(opens, [T0 - 180_000, T0 - 120_000, T0 - 60_000]);
}

#[tokio::test]
async fn the_book_is_served_to_the_depth_asked_for() {
    let c = venue().await;
    let d = c.get("/fapi/v1/depth?symbol=BTCUSDT&limit=5").await.ok();
    assert_eq!(d["bids"].as_array().unwrap().len(), 5);
    assert_eq!(
        d["bids"][0][0],
        format!("{}.{}0", BTC_BID / 10, BTC_BID % 10)
    );
    assert_eq!(d["bids"][0][1], "1.000");
    assert_eq!(d["asks"][0][1], "2.000");
    assert_eq!(
        c.get("/fapi/v1/depth?symbol=ETHUSDT").await.ok()["asks"]
            .as_array()
            .unwrap()
            .len(),
        40
    );
}

#[tokio::test]
async fn a_port_in_use_and_a_bad_speed_are_named() {
    let c = venue().await;
    let taken = || {
        let mut config = VenueConfig::new(Box::new(Flat::endless()));
        config.listen = c.addr().parse().unwrap();
        config
    };
    let e = VenueServer::start(taken()).await.err().unwrap();
    assert!(matches!(e, VenueServerError::PortInUse { .. }), "{e}");
    assert!(e.to_string().contains(&c.addr()));
    for speed in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let mut config = VenueConfig::new(Box::new(Flat::endless()));
        config.speed = speed;
        let e = VenueServer::start(config).await.err().unwrap();
        assert!(matches!(e, VenueServerError::BadSpeed { .. }), "{e}");
    }
    let mut open = VenueConfig::new(Box::new(Flat::endless()));
    open.admin = "0.0.0.0:0".parse().unwrap();
    let e = VenueServer::start(open).await.err().unwrap();
    assert!(
        matches!(e, VenueServerError::AdminNotLoopback { .. }),
        "{e}"
    );
}

#[tokio::test]
async fn the_tolerances_of_a_timestamp_follow_the_speed() {
    let mut config = VenueConfig::new(Box::new(Flat::endless()));
    config.speed = 60.0;
    let c = with(config).await;
    let k = c.venue.credentials().clone();
    for (t, status) in [(T0 + 59_999, 200), (T0 + 60_000, 400)] {
        let q = format!("timestamp={t}");
        let target = format!(
            "/fapi/v3/account?{q}&signature={}",
            signature(&k.secret, &q)
        );
        assert_eq!(
            c.send("GET", &target, Some(&k.key), "").await.status,
            status
        );
    }
}
