//! Which symbols go on which socket of a route: a symbol's streams stay together and where they are, a socket takes only so
//! many streams, and a new one is opened when all are full.

use super::{StreamConfig, Subscription};
use helios_core::instrument::Symbol;
use std::collections::{BTreeMap, BTreeSet};

/// Spreads what is wanted over the sockets there are: answers what each shall carry, with new ones at the end.
pub(super) fn spread(
    wanted: &BTreeSet<Subscription>,
    now: &[BTreeSet<Subscription>],
    most: usize,
) -> Vec<BTreeSet<Subscription>> {
    let home: BTreeMap<&Symbol, usize> = now
        .iter()
        .enumerate()
        .flat_map(|(n, set)| set.iter().map(move |s| (&s.symbol, n)))
        .collect();
    let mut out = vec![BTreeSet::new(); now.len()];
    let mut homeless: BTreeMap<&Symbol, Vec<&Subscription>> = BTreeMap::new();
    for s in wanted {
        match home.get(&s.symbol) {
            Some(n) => drop(out[*n].insert(s.clone())),
            None => homeless.entry(&s.symbol).or_default().push(s),
        }
    }
    for streams in homeless.into_values() {
        let room = out.iter().position(|set| set.len() + streams.len() <= most);
        let n = room.unwrap_or_else(|| {
            out.push(BTreeSet::new());
            out.len() - 1
        });
        out[n].extend(streams.into_iter().cloned());
    }
    out
}

/// Streams of one socket: well below the exchange's 1024, so that what one loss takes down stays small.
pub(super) const fn most(config: &StreamConfig) -> usize {
    if config.streams_per_socket == 0 {
        1
    } else {
        config.streams_per_socket
    }
}

#[cfg(test)]
mod tests {
    use super::super::Feed;
    use super::*;

    fn wanted(symbols: impl IntoIterator<Item = u32>) -> BTreeSet<Subscription> {
        symbols
            .into_iter()
            .flat_map(|n| {
                [Feed::AggTrade, Feed::MarkPrice].map(|feed| Subscription {
                    symbol: format!("S{n}").as_str().into(),
                    feed,
                })
            })
            .collect()
    }

    #[test]
    fn symbols_fill_one_socket_after_the_other() {
        let all = wanted(0..5);
        let out = spread(&all, &[BTreeSet::new()], 4);
        assert_eq!(out.iter().map(BTreeSet::len).collect::<Vec<_>>(), [4, 4, 2]);
        assert_eq!(out.iter().flatten().cloned().collect::<BTreeSet<_>>(), all);
    }

    #[test]
    fn a_symbol_that_stays_stays_where_it_is_and_room_is_used_again() {
        let before = spread(&wanted(0..5), &[], 4);
        let after = spread(&wanted([0, 2, 4, 7]), &before, 4);
        for n in [0, 2, 4] {
            let at = |sets: &[BTreeSet<Subscription>]| {
                sets.iter().position(|s| s.is_superset(&wanted([n])))
            };
            assert_eq!(at(&before), at(&after), "S{n}");
        }
        assert_eq!(
            after.len(),
            before.len(),
            "no new socket while there is room"
        );
    }

    #[test]
    fn a_symbol_with_more_streams_than_a_socket_takes_gets_one_of_its_own() {
        let out = spread(&wanted(0..2), &[], 1);
        assert_eq!(out.iter().map(BTreeSet::len).collect::<Vec<_>>(), [2, 2]);
    }
}
