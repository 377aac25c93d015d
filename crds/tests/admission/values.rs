//! Values at and around the boundaries of each type of field, and some that are of another type.

use serde_json::{Value, json};

pub fn decimals(list: &[&str]) -> Vec<Value> {
    let odd = [
        "0",
        "-1",
        "-0.00001",
        "0.00001",
        "1",
        "0.99999",
        "1.00001",
        "9999999999.99999",
        "1.000001",
        "12345678901",
        "",
        "1.",
        ".5",
        "1e3",
        "+1",
        "NaN",
        "١",
    ];
    list.iter()
        .chain(&odd)
        .map(|s| json!(s))
        .chain([json!(1), json!(0.5)])
        .collect()
}

pub fn integers(low: i64, high: i64) -> Vec<Value> {
    [
        low - 1,
        low,
        low + 1,
        high - 1,
        high,
        high + 1,
        0,
        -1,
        i64::from(i32::MAX),
    ]
    .iter()
    .map(|n| json!(n))
    .chain([json!("1"), json!(1.5)])
    .collect()
}

pub fn texts(most: usize) -> Vec<Value> {
    vec![
        json!(""),
        json!("a"),
        json!("é".repeat(most)),
        json!("é".repeat(most + 1)),
        json!("a".repeat(most)),
        json!(7),
    ]
}

pub fn urls() -> Vec<Value> {
    let mut all: Vec<Value> = [
        "http://h",
        "https://h/p?q#f",
        "ws://h",
        "wss://h",
        "http://",
        "httpss://h",
        "http//h",
        "http:// h",
        "http://é",
        "HTTP://h",
        "xhttp://h",
        "http://h\n",
        "wsss://h",
        "",
    ]
    .iter()
    .map(|s| json!(s))
    .collect();
    all.push(json!(format!("http://{}", "a".repeat(2041))));
    all.push(json!(format!("http://{}", "a".repeat(2042))));
    all
}

pub fn symbols() -> Vec<Value> {
    let many = |n: usize| json!((0..n).map(|i| format!("S{i}USDT")).collect::<Vec<_>>());
    vec![
        json!([]),
        json!(["BTCUSDT"]),
        json!(["BTCUSDT", "ETHUSDT"]),
        json!(["ETHUSDT"]),
        json!(["BTCUSDT", "ETHUSDT", "BTCUSDT"]),
        json!(["btcusdt"]),
        json!([""]),
        json!(["A B"]),
        json!(["A/B"]),
        json!(["A.B"]),
        json!(["A\nB"]),
        json!(["币安人生USDT"]),
        json!(["éUSDT"]),
        json!(["BTCUSDT_260327"]),
        json!(["Ä".repeat(40)]),
        json!(["Ä".repeat(41)]),
        json!(["Ä".repeat(65)]),
        json!([1]),
        many(60),
        many(61),
        many(200),
        many(201),
        json!("BTCUSDT"),
    ]
}

pub fn names() -> Vec<Value> {
    let mut all: Vec<Value> = [
        "a", "a-b", "-a", "a-", "A", "a.b", "a_b", "", "é", "paper", "9",
    ]
    .iter()
    .map(|s| json!(s))
    .collect();
    all.push(json!("a".repeat(40)));
    all.push(json!("a".repeat(41)));
    all
}

pub fn one_of(list: &[&str]) -> Vec<Value> {
    list.iter()
        .chain(&["", "Nonsense"])
        .map(|s| json!(s))
        .chain([json!(true)])
        .collect()
}

pub fn flags() -> Vec<Value> {
    vec![json!(true), json!(false), json!("true")]
}

pub fn quantities() -> Vec<Value> {
    [
        "0",
        "1",
        "250m",
        "128Mi",
        "1.5Gi",
        "1e3",
        "1E",
        "-1",
        "+1",
        "1gi",
        "1.",
        ".5",
        "",
        "1 Gi",
        "1e100",
        "123456789012345",
        "1234567890123456",
        "0.123456789",
        "0.1234567891",
    ]
    .iter()
    .map(|s| json!(s))
    .chain([
        json!(0),
        json!(2),
        json!(-1),
        json!(1.5),
        json!(999_999_999_999_999_u64),
        json!(1_000_000_000_000_000_u64),
    ])
    .collect()
}

pub fn many_quantities(n: usize) -> Value {
    (0..n)
        .map(|i| (format!("example.com/r{i}"), json!("1")))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
