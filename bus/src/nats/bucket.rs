//! The bucket as a whole: made when missing, its keys listed. Workers need neither.

use super::config::NatsConfig;
use super::kv;
use super::link::Link;
use crate::BusError;
use bytes::Bytes;
use serde_json::{Value, json};
use std::time::Duration;

/// JetStream's codes.
const STREAM_NOT_FOUND: u64 = 10059;

/// Longest that making the bucket may take.
const PATIENCE: Duration = Duration::from_secs(3);

async fn ask(
    link: &Link,
    subject: &str,
    body: &Value,
    within: Duration,
) -> Result<Value, BusError> {
    let answer = kv::ask(link, subject, None, Bytes::from(body.to_string()), within).await?;
    serde_json::from_slice(&answer.payload).map_err(|e| BusError::Malformed {
        subject: subject.into(),
        why: e.to_string(),
    })
}

fn refused(subject: &str, answer: &Value) -> Result<(), BusError> {
    match answer.get("error") {
        None => Ok(()),
        Some(e) => Err(BusError::Refused {
            subject: subject.into(),
            why: e["description"].as_str().unwrap_or("unknown").into(),
        }),
    }
}

/// The stream behind the bucket: as key-value clients make it, but nothing can be deleted or purged from it, since a key that
/// vanishes is a lost fence.
fn wanted(config: &NatsConfig) -> Value {
    json!({
        "name": format!("KV_{}", config.bucket),
        "subjects": [format!("$KV.{}.>", config.bucket)],
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "max_msgs_per_subject": 1,
        "max_msgs": -1,
        "max_bytes": -1,
        "max_age": 0,
        "max_msg_size": -1,
        "max_consumers": -1,
        "num_replicas": config.replicas,
        "allow_direct": true,
        "allow_rollup_hdrs": false,
        "deny_delete": true,
        "deny_purge": true,
    })
}

/// Makes the bucket unless it exists.
pub(super) async fn ensure(config: &NatsConfig, link: &Link) -> Result<(), BusError> {
    let info = format!("$JS.API.STREAM.INFO.KV_{}", config.bucket);
    let answer = ask(link, &info, &json!({}), PATIENCE).await?;
    if answer["error"]["err_code"].as_u64() != Some(STREAM_NOT_FOUND) {
        refused(&info, &answer)?;
        let (is, wish) = (&answer["config"], wanted(config));
        for field in [
            "storage",
            "max_msgs_per_subject",
            "num_replicas",
            "allow_direct",
            "deny_delete",
            "deny_purge",
        ] {
            if is[field] != wish[field] {
                tracing::warn!(field, is = %is[field], wanted = %wish[field], "bus: the bucket was made otherwise");
            }
        }
        return Ok(());
    }
    let create = format!("$JS.API.STREAM.CREATE.KV_{}", config.bucket);
    let answer = ask(link, &create, &wanted(config), PATIENCE).await?;
    refused(&create, &answer)?;
    tracing::info!(bucket = config.bucket, "bus: bucket made");
    Ok(())
}

/// Keys under a prefix (which ends in a dot, or is empty).
pub(super) async fn keys(
    config: &NatsConfig,
    link: &Link,
    prefix: &str,
) -> Result<Vec<String>, BusError> {
    let info = format!("$JS.API.STREAM.INFO.KV_{}", config.bucket);
    let root = format!("$KV.{}.", config.bucket);
    let mut found = Vec::new();
    loop {
        let body = json!({ "subjects_filter": format!("{root}{prefix}>"), "offset": found.len() });
        let answer = ask(link, &info, &body, config.bucket_timeout).await?;
        refused(&info, &answer)?;
        let before = found.len();
        if let Some(page) = answer["state"]["subjects"].as_object() {
            found.extend(
                page.keys()
                    .filter_map(|s| s.strip_prefix(&root).map(str::to_owned)),
            );
        }
        let total = answer["total"].as_u64().unwrap_or(0) as usize;
        if found.len() == before || found.len() >= total {
            return Ok(found);
        }
    }
}
