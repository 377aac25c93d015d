//! One payload of a market stream into the event its machine hears.

use super::Feed;
use crate::decode::{DecodeError, Decoder, mark_price};
use helios_core::trader::TraderEvent;

/// The event and its `E`.
pub(super) fn decode(
    feed: Feed,
    d: &Decoder,
    data: &[u8],
) -> Result<(i64, TraderEvent), DecodeError> {
    Ok(match feed {
        Feed::Depth => {
            let x = d.depth(data)?;
            (x.event_ms, TraderEvent::Depth(x))
        }
        Feed::BookTicker => {
            let x = d.book_ticker(data)?;
            (x.event_ms, TraderEvent::BookTicker(x))
        }
        Feed::AggTrade => {
            let x = d.agg_trade(data)?;
            (x.event_ms, TraderEvent::Trade(x))
        }
        Feed::MarkPrice => {
            let x = mark_price(data)?;
            (x.event_ms, TraderEvent::Mark(x))
        }
    })
}

/// `{"e":"heliosTime","E":<venue ms>}`; 0, which the clock ignores, for anything else.
pub(super) fn time_sample(data: &[u8]) -> i64 {
    #[derive(serde::Deserialize)]
    struct Sample {
        #[serde(rename = "E")]
        event_ms: i64,
    }
    serde_json::from_slice::<Sample>(data).map_or(0, |s| s.event_ms)
}
