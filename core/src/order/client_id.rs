//! Client order ids: made so that no id is ever used twice, and read back from the venue.
//!
//! `h` + 6 base32 of hash(account) + role (`w` worker, `c` coordinator) + 6 base32 of hash(strategy uid, symbol) +
//! incarnation in base36 + `-` + sequence in base36, at most 36 characters. "Ours" is decided by the first seven.
//! The incarnation is the venue's time in ms of the starting read, strictly above any own one found there, so a restart
//! needs no memory. The venue checks uniqueness among open orders only: never repeating an id is this module's promise.

use super::ClientId;

/// Who sent an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The worker of the symbol; only its ids count as incarnations.
    Worker,
    /// The coordinator of the account.
    Coordinator,
}

impl Role {
    const fn letter(self) -> char {
        match self {
            Self::Worker => 'w',
            Self::Coordinator => 'c',
        }
    }
}

/// The parts of an id of the scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed<'a> {
    /// Six characters that stand for the account.
    pub account_tag: &'a str,
    /// Who sent it.
    pub role: Role,
    /// Six characters that stand for strategy uid and symbol.
    pub symbol_tag: &'a str,
    /// Venue ms at the start of the sender.
    pub incarnation: u64,
    /// Counts up from 1 within an incarnation.
    pub seq: u64,
}

/// Characters of `h` and the account tag: what makes an id ours.
pub const OURS_LEN: usize = 7;
const HEAD_LEN: usize = 14;
const MAX_LEN: usize = 36;
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const BASE36: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// Reads an id of the scheme; `None` for anything else (foreign ids, `autoclose-…`).
pub fn parse(id: &ClientId) -> Option<Parsed<'_>> {
    let s = id.as_str();
    if !s.is_ascii() || s.len() > MAX_LEN || s.len() < HEAD_LEN + 3 || !s.starts_with('h') {
        return None;
    }
    let role = match s.as_bytes()[OURS_LEN] {
        b'w' => Role::Worker,
        b'c' => Role::Coordinator,
        _ => return None,
    };
    let (account_tag, symbol_tag) = (&s[1..OURS_LEN], &s[OURS_LEN + 1..HEAD_LEN]);
    if !(is_base32(account_tag) && is_base32(symbol_tag)) {
        return None;
    }
    let (inc, seq) = s[HEAD_LEN..].split_once('-')?;
    Some(Parsed {
        account_tag,
        role,
        symbol_tag,
        incarnation: from_base36(inc)?,
        seq: from_base36(seq)?,
    })
}

/// The first seven characters of every id of an account (`namespace/name`).
pub fn account_prefix(account: &str) -> String {
    format!("h{}", tag(&[account]))
}

/// True when the id was made for this account, by whichever role, strategy or incarnation.
pub fn is_ours(account: &str, id: &ClientId) -> bool {
    parse(id).is_some_and(|p| p.account_tag == tag(&[account]))
}

/// True for the ids the exchange gives to liquidation, auto-deleveraging and settlement.
pub fn is_forced_close(id: &ClientId) -> bool {
    let s = id.as_str();
    s.starts_with("autoclose-") || s == "adl_autoclose" || s.starts_with("settlement_autoclose-")
}

/// The highest worker incarnation of the account among `ids`, which the caller read for one symbol: ids of an older
/// strategy uid count, those of the coordinator don't.
pub fn highest_incarnation<'a>(
    account: &str,
    ids: impl IntoIterator<Item = &'a ClientId>,
) -> Option<u64> {
    let own = tag(&[account]);
    ids.into_iter()
        .filter_map(parse)
        .filter(|p| p.role == Role::Worker && p.account_tag == own)
        .map(|p| p.incarnation)
        .max()
}

/// The incarnation of a start at venue time `venue_ms`, strictly above any own one found among `ids`.
pub fn next_incarnation<'a>(
    account: &str,
    venue_ms: i64,
    ids: impl IntoIterator<Item = &'a ClientId>,
) -> u64 {
    let at_least = highest_incarnation(account, ids).map_or(0, |i| i.saturating_add(1));
    u64::try_from(venue_ms).unwrap_or(0).max(at_least)
}

/// Makes the ids of one sender and symbol.
#[derive(Clone, Debug)]
pub struct IdMaker {
    head: String,
    role: Role,
    incarnation: u64,
    seq: u64,
}

impl IdMaker {
    /// A maker for `account` (`namespace/name`), strategy and symbol. `incarnation` comes from [`next_incarnation`].
    pub fn new(
        account: &str,
        role: Role,
        strategy_uid: &str,
        symbol: &str,
        incarnation: u64,
    ) -> Self {
        Self {
            head: format!(
                "{}{}{}",
                account_prefix(account),
                role.letter(),
                tag(&[strategy_uid, symbol])
            ),
            role,
            incarnation,
            seq: 0,
        }
    }

    /// The next id; never the same twice.
    pub fn next_id(&mut self) -> ClientId {
        self.seq += 1;
        let id = format!(
            "{}{}-{}",
            self.head,
            to_base36(self.incarnation),
            to_base36(self.seq)
        );
        debug_assert!(id.len() <= MAX_LEN);
        ClientId(id.into())
    }

    /// Incarnation of this maker.
    pub const fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// True when the id was made for the same account.
    pub fn is_ours(&self, id: &ClientId) -> bool {
        parse(id).is_some_and(|p| p.account_tag == &self.head[1..OURS_LEN])
    }

    /// True when this very maker made the id.
    pub fn made(&self, id: &ClientId) -> bool {
        parse(id).is_some_and(|p| {
            id.as_str().starts_with(&self.head)
                && p.incarnation == self.incarnation
                && p.seq <= self.seq
        })
    }

    /// The incarnation of another worker that has taken this symbol over, when `id` (seen at the venue for this symbol)
    /// proves one: a later incarnation, or a twin of the same millisecond. Whoever sees one sends nothing more.
    pub fn superseded_by(&self, id: &ClientId) -> Option<u64> {
        let p = parse(id)?;
        if self.role != Role::Worker
            || p.role != Role::Worker
            || p.account_tag != &self.head[1..OURS_LEN]
        {
            return None;
        }
        let twin = p.incarnation == self.incarnation && !self.made(id);
        (p.incarnation > self.incarnation || twin).then_some(p.incarnation)
    }
}

/// Six base32 characters (30 bits) of the parts: FNV-1a of 64 bits over each part and a separator that can't occur in
/// UTF-8, then the finaliser of SplitMix64, because FNV's high bits move little on short input. Not cryptographic: two
/// accounts of one key that collide would be noticed as a later incarnation or a foreign order, and refuse to start.
fn tag(parts: &[&str]) -> String {
    let mut h: u64 = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        for b in part.bytes().chain([0xff]) {
            h = (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    h = (h ^ (h >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    h = (h ^ (h >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    h ^= h >> 31;
    (0..6)
        .map(|i| char::from(BASE32[((h >> (59 - 5 * i)) & 31) as usize]))
        .collect()
}

fn is_base32(s: &str) -> bool {
    s.bytes().all(|b| BASE32.contains(&b))
}

fn to_base36(mut n: u64) -> String {
    let mut out = Vec::with_capacity(13);
    loop {
        out.push(BASE36[(n % 36) as usize]);
        n /= 36;
        if n == 0 {
            break;
        }
    }
    out.iter().rev().map(|b| char::from(*b)).collect()
}

fn from_base36(s: &str) -> Option<u64> {
    if s.is_empty() || s.bytes().any(|b| b.is_ascii_uppercase() || b == b'+') {
        return None;
    }
    u64::from_str_radix(s, 36).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn maker(inc: u64) -> IdMaker {
        IdMaker::new("trading/paper", Role::Worker, "uid-1", "BTCUSDT", inc)
    }

    #[test]
    fn an_id_reads_back_as_it_was_made() {
        let mut m = maker(1_723_000_000_123);
        let (a, b) = (m.next_id(), m.next_id());
        assert_ne!(a, b);
        let p = parse(&b).unwrap();
        assert_eq!(
            (p.role, p.incarnation, p.seq),
            (Role::Worker, 1_723_000_000_123, 2)
        );
        assert!(is_ours("trading/paper", &a) && !is_ours("trading/live", &a));
        assert!(m.made(&a) && m.is_ours(&a));
        assert_eq!(&a.as_str()[..OURS_LEN], account_prefix("trading/paper"));
    }

    #[test]
    fn the_hash_is_pinned_because_orders_outlive_versions() {
        // A change of these would make a new version blind to the orders of the old one.
        assert_eq!(tag(&["trading/paper"]), PINNED.0);
        assert_eq!(tag(&["uid-1", "BTCUSDT"]), PINNED.1);
        assert_ne!(tag(&["ab", "c"]), tag(&["a", "bc"]));
    }
    const PINNED: (&str, &str) = ("go6ryw", "lktsky");

    #[test]
    fn foreign_ids_are_not_parsed() {
        for s in [
            "",
            "h",
            "autoclose-1723",
            "web_abcdef",
            "habcdefxabcdef1-1",
            "habcdefwabcdef1",
            "habcdefwabcdef-1",
            "habcdefwabcdef1-",
            "hABCDEFwabcdef1-1",
            "habcdefwabcdef1-A",
            "habcdefwabcdef1-+1",
            "hñbcdefwabcdef1-1",
            "habcdefwabcdef1-1zzzzzzzzzzzzzzzzzzzzzz",
        ] {
            assert_eq!(parse(&s.into()), None, "{s}");
        }
    }

    #[test]
    fn a_restart_is_strictly_above_what_the_venue_shows_even_when_the_clock_went_back() {
        let mut old = maker(5_000);
        let mut coordinator =
            IdMaker::new("trading/paper", Role::Coordinator, "", "BTCUSDT", 9_000);
        let mut other_uid = IdMaker::new("trading/paper", Role::Worker, "uid-0", "BTCUSDT", 6_000);
        let ids = [old.next_id(), coordinator.next_id(), other_uid.next_id()];
        assert_eq!(next_incarnation("trading/paper", 4_000, &ids), 6_001);
        assert_eq!(next_incarnation("trading/paper", 7_000, &ids), 7_000);
        assert_eq!(next_incarnation("trading/live", -1, &ids), 0);
    }

    #[test]
    fn a_later_incarnation_or_a_twin_supersedes_and_the_coordinator_does_not() {
        let mut me = maker(5_000);
        let mine = me.next_id();
        assert_eq!(me.superseded_by(&mine), None);
        assert_eq!(me.superseded_by(&maker(4_999).next_id()), None);
        assert_eq!(me.superseded_by(&maker(5_001).next_id()), Some(5_001));
        let mut twin = maker(5_000);
        twin.next_id();
        assert_eq!(me.superseded_by(&twin.next_id()), Some(5_000));
        let mut c = IdMaker::new("trading/paper", Role::Coordinator, "", "BTCUSDT", 9_000);
        assert_eq!(me.superseded_by(&c.next_id()), None);
        let mut foreign = IdMaker::new("trading/live", Role::Worker, "uid-1", "BTCUSDT", 9_000);
        assert_eq!(me.superseded_by(&foreign.next_id()), None);
    }

    #[test]
    fn forced_closes_are_recognised() {
        for s in ["autoclose-1", "adl_autoclose", "settlement_autoclose-9"] {
            assert!(is_forced_close(&s.into()));
        }
        assert!(!is_forced_close(&maker(1).next_id()));
    }

    proptest! {
        #[test]
        fn ids_round_trip_and_fit_the_exchange(account in "\\PC{0,40}", uid in "\\PC{0,40}", symbol in "\\PC{1,20}",
            inc in 0u64..2_821_109_907_456, n in 1u64..50) {
            let mut m = IdMaker::new(&account, Role::Worker, &uid, &symbol, inc);
            m.seq = n - 1;
            let id = m.next_id();
            prop_assert!(id.as_str().len() <= 36 && id.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
            let p = parse(&id).unwrap();
            prop_assert_eq!((p.incarnation, p.seq), (inc, n));
            prop_assert!(is_ours(&account, &id));
        }

        #[test]
        fn parsing_never_panics(s in "\\PC{0,40}") { let _ = parse(&s.as_str().into()); }
    }
}
