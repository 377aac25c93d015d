//! Whether a message comes from a client or was sent on by the store.
//!
//! Whoever may read a key may name any subject as the address of the answer, and the server sends the value there with
//! permissions of its own. Such a message carries the store's headers, which those of an honest client do not, so that a
//! receiver can tell.

use async_nats::HeaderMap;

/// Header that the store puts on every value it sends.
const STREAM: &str = "Nats-Stream";

/// How often the store has sent on what this message holds: 0 when a client published it, 1 for the answer to a read. More
/// than that in a read is a value that was written by having the store send it, not by whoever may write the key; any in a
/// question, report or command is none of its sender's.
pub fn passes(headers: Option<&HeaderMap>) -> usize {
    headers.map_or(0, |h| h.get_all(STREAM).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pass_through_the_store_is_counted() {
        let mut h = HeaderMap::new();
        assert_eq!((passes(None), passes(Some(&h))), (0, 0));
        h.append(STREAM, "KV_helios");
        h.append(STREAM, "KV_helios");
        assert_eq!(passes(Some(&h)), 2);
    }
}
