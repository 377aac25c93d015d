//! Several accounts and kinds of keys, limits of each, and what a client for the whole of Binance asks first.

use super::client::{Client, Reply, signature, venue, with};
use super::source::{Flat, T0};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer, SigningKey};
use helios_venue::server::{
    AccountConfig, ApiKey, ApiRestrictions, VenueConfig, VenueServer, VenueServerError,
};
use rust_decimal::Decimal;
use serde_json::{Value, json};

fn config() -> VenueConfig {
    VenueConfig::new(Box::new(Flat::endless()))
}

fn account(name: &str, keys: Vec<ApiKey>, balance: i64) -> AccountConfig {
    AccountConfig {
        name: name.into(),
        keys,
        balance: Decimal::from(balance),
        restrictions: ApiRestrictions::default(),
    }
}

/// A key of 64 letters.
fn key(letter: &str) -> String {
    letter.repeat(64)
}

async fn two() -> Client {
    let mut c = config();
    let keys = vec![ApiKey::hmac(key("A"), "one"), ApiKey::hmac(key("B"), "two")];
    c.accounts = vec![
        account("alpha", keys, 1000),
        account("beta", vec![ApiKey::hmac(key("C"), "three")], 2000),
    ];
    with(c).await
}

async fn signed(
    c: &Client,
    (letter, secret): (&str, &str),
    method: &str,
    path: &str,
    params: &str,
) -> Reply {
    let sep = if params.is_empty() { "" } else { "&" };
    let query = format!("{params}{sep}recvWindow=60000&timestamp={}", c.now().await);
    let target = format!("{path}?{query}&signature={}", signature(secret, &query));
    c.send(method, &target, Some(&key(letter)), "").await
}

const ALPHA: (&str, &str) = ("A", "one");
const BETA: (&str, &str) = ("C", "three");
const BUY: &str = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.010";

#[tokio::test]
async fn each_account_has_its_own_wallet_positions_counters_and_books() {
    let c = two().await;
    let wallet = |v: &Value| v["totalWalletBalance"].as_str().unwrap().to_owned();
    for (who, want) in [
        (ALPHA, "1000.00000000"),
        (("B", "two"), "1000.00000000"),
        (BETA, "2000.00000000"),
    ] {
        let a = signed(&c, who, "GET", "/fapi/v3/account", "").await;
        assert_eq!(a.header("x-mbx-order-count-10s"), None);
        assert_eq!(wallet(&a.ok()), want);
    }
    for n in ["1", "2"] {
        let r = signed(&c, ALPHA, "POST", "/fapi/v1/order", BUY).await;
        assert_eq!(r.header("x-mbx-order-count-10s"), Some(n));
    }
    let r = signed(&c, BETA, "POST", "/fapi/v1/order", BUY).await;
    assert_eq!(r.header("x-mbx-order-count-1m"), Some("1"));
    let open = signed(&c, BETA, "GET", "/fapi/v3/positionRisk", "")
        .await
        .ok();
    assert_eq!(open[0]["positionAmt"], "0.010");
    let open = signed(&c, ("B", "two"), "GET", "/fapi/v3/positionRisk", "").await;
    assert_eq!(open.ok()[0]["positionAmt"], "0.020");
    let books = |name: &'static str| c.admin("GET", name, json!({}));
    assert_eq!(books("/ledger").await.ok()["fills"], 2);
    let beta = books("/ledger?account=beta").await.ok();
    assert_eq!(
        (&beta["fills"], &beta["initial_balance"]),
        (&json!(1), &json!("2000"))
    );
    assert_eq!(books("/audit?account=beta").await.ok()["openings"], 1);
    assert_eq!(books("/ledger?account=gamma").await.status, 404);
}

#[tokio::test]
async fn a_key_of_another_account_or_of_nobody_signs_for_nobody() {
    let c = two().await;
    let code = |r: Reply| r.refusal();
    let get = |who| signed(&c, who, "GET", "/fapi/v3/account", "");
    assert_eq!(code(get(("A", "three")).await), (400, -1022));
    assert_eq!(code(get(("A", "two")).await), (400, -1022));
    assert_eq!(code(get(("D", "one")).await), (401, -2015));
    let bad = c
        .send("POST", "/fapi/v1/listenKey", Some("short"), "")
        .await;
    assert_eq!(code(bad), (401, -2014));
}

#[tokio::test]
async fn each_account_has_its_own_user_stream() {
    let c = two().await;
    let mut keys = Vec::new();
    for letter in ["A", "C"] {
        let r = c
            .send("POST", "/fapi/v1/listenKey", Some(&key(letter)), "")
            .await;
        keys.push(r.ok()["listenKey"].as_str().unwrap().to_owned());
    }
    assert_ne!(keys[0], keys[1]);
    let mut alpha = c.ws(&format!("/private/ws/{}", keys[0])).await;
    let mut beta = c.ws(&format!("/private/ws/{}", keys[1])).await;
    for ws in [&mut alpha, &mut beta] {
        ws.ask("LIST_SUBSCRIPTIONS", json!([]), 1).await;
    }
    signed(&c, BETA, "POST", "/fapi/v1/order", BUY).await.ok();
    let filled = beta.until(|v| v["o"]["X"] == "FILLED").await;
    assert_eq!(filled["o"]["z"], "0.010");
    assert!(alpha.silent(200).await);
    let gone = c
        .send("DELETE", "/fapi/v1/listenKey", Some(&key("C")), "")
        .await;
    gone.ok();
    signed(&c, ALPHA, "POST", "/fapi/v1/order", BUY).await.ok();
    alpha.event("ORDER_TRADE_UPDATE").await;
}

#[tokio::test]
async fn an_ed25519_key_takes_its_own_signatures_alone() {
    let own = SigningKey::from_bytes(&[7; 32]);
    let public = STANDARD.encode(own.verifying_key().to_bytes());
    let mut conf = config();
    let ed = ApiKey::ed25519(key("E"), &public).unwrap();
    conf.accounts = vec![account("ed", vec![ed], 500)];
    let c = with(conf).await;
    let ask = async |query: String, signature: &str| {
        let target = format!("/fapi/v3/account?{query}&signature={signature}");
        c.send("GET", &target, Some(&key("E")), "").await
    };
    // Until the text has each of the three characters that must be encoded.
    let signed = (0..10_000).find_map(|n| {
        let query = format!("n={n}&timestamp={T0}");
        let s = STANDARD.encode(own.sign(query.as_bytes()).to_bytes());
        (s.contains('+') && s.contains('/')).then_some((query, s))
    });
    let (query, s) = signed.unwrap();
    let encoded = s
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D");
    let a = ask(query.clone(), &encoded).await.ok();
    assert_eq!(a["totalWalletBalance"], "500.00000000");
    let refused = async |query: String, signature: &str| ask(query, signature).await.refusal();
    assert_eq!(refused(query.clone(), &s).await, (400, -1022));
    assert_eq!(
        refused(format!("{query}&a=1"), &encoded).await,
        (400, -1022)
    );
    // HMAC with what everybody knows of the key.
    for secret in [&public, &key("E"), ""] {
        let hmac = signature(secret, &query);
        assert_eq!(refused(query.clone(), &hmac).await, (400, -1022));
    }
    let other = SigningKey::from_bytes(&[8; 32]).sign(query.as_bytes());
    let other = hex::encode(other.to_bytes());
    assert_eq!(refused(query, &other).await, (400, -1022));
}

#[tokio::test]
async fn accounts_that_cannot_be_told_apart_are_refused_in_words() {
    let k = |l: &str| vec![ApiKey::hmac(key(l), "s")];
    for (accounts, word) in [
        (
            vec![account("a", k("A"), 1), account("a", k("B"), 1)],
            "twice",
        ),
        (
            vec![account("a", k("A"), 1), account("b", k("A"), 1)],
            "twice",
        ),
        (vec![account("", k("A"), 1)], "empty"),
        (vec![account("a", vec![], 1)], "no key"),
        (vec![account("a", k("A"), -1)], "below zero"),
        (vec![account("a", k("A b"), 1)], "letters"),
    ] {
        let mut c = config();
        c.accounts = accounts;
        let e = VenueServer::start(c).await.err().unwrap();
        assert!(matches!(e, VenueServerError::BadAccount { .. }), "{e}");
        let e = e.to_string();
        assert!(e.contains(word) && !e.contains("AAAA"), "{e}");
    }
    assert!(ApiKey::ed25519("k", "nonsense").is_err());
    let shown = format!("{:?}", account("a", vec![ApiKey::hmac("key", "hidden")], 1));
    assert!(!shown.contains("hidden"), "{shown}");
}

#[tokio::test]
async fn what_a_client_of_the_whole_of_binance_asks_first_is_answered() {
    let mut conf = config();
    let mut a = account("a", vec![ApiKey::hmac(key("A"), "one")], 1000);
    a.restrictions.ip_restrict = true;
    a.restrictions.enable_withdrawals = true;
    conf.accounts = vec![a];
    let c = with(conf).await;
    assert_eq!(c.get("/api/v3/ping").await.ok(), json!({}));
    assert_eq!(c.get("/api/v3/time").await.ok(), json!({"serverTime": T0}));
    let path = "/sapi/v1/account/apiRestrictions";
    let r = signed(&c, ALPHA, "GET", path, "").await.ok();
    for (name, want) in [
        ("ipRestrict", true),
        ("enableReading", true),
        ("enableWithdrawals", true),
        ("enableInternalTransfer", false),
        ("enableFutures", true),
        ("permitsUniversalTransfer", false),
        ("enableVanillaOptions", false),
        ("enableMargin", false),
        ("enableSpotAndMarginTrading", false),
    ] {
        assert_eq!(r[name], want, "{name}");
    }
    assert!(r["createTime"].is_i64());
    assert_eq!(c.get(path).await.refusal(), (401, -2014));
}

#[tokio::test]
async fn fee_burn_is_remembered_and_open_positions_have_a_place_in_the_adl_queue() {
    let c = venue().await;
    let path = "/fapi/v1/feeBurn";
    assert_eq!(c.signed("GET", path, "").await.ok()["feeBurn"], false);
    let set = c.signed("POST", path, "feeBurn=true").await.ok();
    assert_eq!(set, json!({"code": 200, "msg": "success"}));
    assert_eq!(c.signed("GET", path, "").await.ok()["feeBurn"], true);
    let account = c.signed("GET", "/fapi/v2/account", "").await.ok();
    assert_eq!(account["feeBurn"], true);
    assert_eq!(c.signed("POST", path, "").await.refusal(), (400, -1102));
    let adl = "/fapi/v1/adlQuantile";
    assert_eq!(c.signed("GET", adl, "").await.ok(), json!([]));
    c.order(BUY).await.ok();
    let rows = c.signed("GET", adl, "symbol=BTCUSDT").await.ok();
    assert_eq!(rows[0]["symbol"], "BTCUSDT");
    assert!(rows[0]["adlQuantile"]["BOTH"].is_i64());
    let none = c.signed("GET", adl, "symbol=ETHUSDT").await.ok();
    assert_eq!(none, json!([]));
}
