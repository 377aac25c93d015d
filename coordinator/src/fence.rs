//! The fence: a key of the bus that a leader writes each second by compare-and-swap.
//!
//! A revision that goes back means that the store lost what it had acknowledged. A fence of another coordinator with as high
//! an epoch means that this one has been outranked, so it stands down until the other has been silent for a whole lease. The
//! store may be slow or away: what it is asked for is under way beside whoever follows the lock, never in front of it.

use crate::observe::Observer;
use helios_bus::BusError;
use helios_bus::typed::AccountBus;
use helios_core::messages::Fence;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Longest that one read or write of the fence may take.
const FENCE_TIMEOUT: Duration = Duration::from_millis(800);
/// A fence of another that has not moved for this long has no leader behind it: the lease's duration.
const SILENT: Duration = Duration::from_secs(6);

/// Beats in a row without an acknowledgement after which the fence is taken for one that says nothing.
const MISSES: u32 = 3;

/// What a beat has found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FenceSays {
    /// Nothing to act on: written, or the store is away and workers run out of permission by themselves.
    Nothing,
    /// The store has gone back.
    WentBack,
    /// Somebody else leads with this epoch.
    Outranked {
        /// Its identity.
        holder: String,
        /// Its epoch.
        epoch: u64,
    },
    /// Whoever outranked this one has been silent for long enough.
    Silent,
    /// Some beats in a row were not acknowledged: a rollback or a rival would not be noticed.
    Unheard,
    /// After that: a beat was acknowledged.
    Heard,
}

/// What the store answered.
enum Answer {
    Written(u64),
    /// It knows less than it had acknowledged.
    Back(u64),
    /// The fence is newer than ours: a write of ours whose answer was lost, a former leader's, or a rival's.
    Newer(Fence, u64),
    /// Its revision, 0 without a fence; asked for while standing down.
    At(u64),
    None,
}

/// Another's fence that outranks ours.
struct Rival {
    revision: u64,
    moved: Instant,
}

/// Keeps the fence of one coordinator.
pub(crate) struct FenceKeeper {
    bus: AccountBus,
    observer: Arc<dyn Observer>,
    identity: String,
    revision: u64,
    beats: u64,
    /// Epoch that is being written.
    epoch: u64,
    rival: Option<Rival>,
    /// Beats in a row without an answer.
    misses: u32,
    /// [`FenceSays::Unheard`] was said, and [`FenceSays::Heard`] not yet. Outlives a term: whoever was told does too.
    unheard: bool,
    under_way: Option<Pin<Box<dyn Future<Output = Answer> + Send>>>,
}

impl FenceKeeper {
    pub(crate) fn new(bus: AccountBus, identity: String, observer: Arc<dyn Observer>) -> Self {
        Self {
            bus,
            observer,
            identity,
            revision: 0,
            beats: 0,
            epoch: 0,
            rival: None,
            misses: 0,
            unheard: false,
            under_way: None,
        }
    }

    /// Stands down for another.
    pub(crate) fn yields(&self) -> bool {
        self.rival.is_some()
    }

    /// A new term, or none: what was under way is of the old one.
    pub(crate) fn forget(&mut self) {
        (self.rival, self.under_way, self.misses) = (None, None, 0);
    }

    /// A term begins: the epoch of the fence as it stands, `None` when there is none or it can't be read. Without the bus
    /// nobody can be granted anything; the first beat finds out.
    pub(crate) async fn read(&mut self) -> Option<u64> {
        self.forget();
        match timeout(FENCE_TIMEOUT, self.bus.read_fence()).await {
            Ok(Ok(Some((fence, revision)))) => {
                self.revision = revision;
                Some(fence.epoch)
            }
            Ok(Ok(None)) => {
                self.revision = 0;
                None
            }
            Ok(Err(_)) | Err(_) => None,
        }
    }

    /// It is time for the next write, with this epoch; while standing down, for a look. One at a time.
    pub(crate) fn beat(&mut self, epoch: Option<u64>) {
        if self.under_way.is_some() {
            return;
        }
        let bus = self.bus.clone();
        if self.rival.is_some() {
            self.under_way = Some(Box::pin(look(bus)));
        } else if let Some(epoch) = epoch {
            self.beats += 1;
            self.epoch = epoch;
            let fence = Fence {
                epoch,
                holder: self.identity.clone(),
                beat: self.beats,
            };
            self.under_way = Some(Box::pin(write(bus, self.revision, fence)));
        }
    }

    /// Waits for what is under way, for ever when nothing is. May be dropped and called again.
    pub(crate) async fn says(&mut self) -> FenceSays {
        let answer = match self.under_way.as_mut() {
            Some(f) => f.await,
            None => std::future::pending().await,
        };
        self.under_way = None;
        self.heard(answer)
    }

    fn heard(&mut self, answer: Answer) -> FenceSays {
        match answer {
            Answer::Written(revision) => {
                // A fence written for the first time over nothing is no loss; one acknowledged below the last one is.
                let back = revision <= self.revision;
                self.revision = revision;
                self.misses = 0;
                self.observer.fence_acknowledged();
                if back {
                    FenceSays::WentBack
                } else if std::mem::take(&mut self.unheard) {
                    FenceSays::Heard
                } else {
                    FenceSays::Nothing
                }
            }
            Answer::Back(actual) => {
                tracing::error!(
                    actual,
                    expected = self.revision,
                    "the fence went back: the message store has lost what it had acknowledged"
                );
                (self.revision, self.misses) = (actual, 0);
                FenceSays::WentBack
            }
            Answer::Newer(fence, revision) => {
                self.revision = revision;
                // Twice in one beat somebody with less was quicker: as good as not acknowledged.
                if fence.holder == self.identity || fence.epoch < self.epoch {
                    return self.missed();
                }
                self.misses = 0;
                tracing::error!(
                    holder = fence.holder,
                    theirs = fence.epoch,
                    ours = self.epoch,
                    "another coordinator leads this account: standing down"
                );
                self.rival = Some(Rival {
                    revision,
                    moved: Instant::now(),
                });
                FenceSays::Outranked {
                    holder: fence.holder,
                    epoch: fence.epoch,
                }
            }
            Answer::At(revision) => self.watch(Some(revision)),
            Answer::None if self.rival.is_none() => self.missed(),
            Answer::None => self.watch(None),
        }
    }

    fn missed(&mut self) -> FenceSays {
        self.misses += 1;
        if self.misses < MISSES || self.unheard {
            return FenceSays::Nothing;
        }
        tracing::error!(beats = self.misses, "the fence is not acknowledged");
        self.unheard = true;
        FenceSays::Unheard
    }

    /// While standing down: has the other's fence moved?
    fn watch(&mut self, revision: Option<u64>) -> FenceSays {
        let Some(rival) = &mut self.rival else {
            return FenceSays::Nothing;
        };
        // What can't be read tells nothing of the other: it may well go on.
        if revision != Some(rival.revision) {
            rival.moved = Instant::now();
        }
        rival.revision = revision.unwrap_or(rival.revision);
        if rival.moved.elapsed() < SILENT {
            return FenceSays::Nothing;
        }
        self.rival = None;
        FenceSays::Silent
    }
}

/// Writes over what is there; over a lower epoch's fence, or an earlier one of our own, again at once: whoever keeps writing
/// that would always be first by the next beat.
async fn write(bus: AccountBus, over: u64, fence: Fence) -> Answer {
    match put(&bus, over, &fence).await {
        Answer::Newer(found, revision)
            if found.holder == fence.holder || found.epoch < fence.epoch =>
        {
            put(&bus, revision, &fence).await
        }
        answer => answer,
    }
}

async fn put(bus: &AccountBus, over: u64, fence: &Fence) -> Answer {
    match timeout(FENCE_TIMEOUT, bus.write_fence(over, fence)).await {
        Ok(Ok(revision)) => Answer::Written(revision),
        Ok(Err(BusError::WrongRevision { actual, .. })) if actual < over => Answer::Back(actual),
        Ok(Err(BusError::WrongRevision { .. })) => {
            match timeout(FENCE_TIMEOUT, bus.read_fence()).await {
                Ok(Ok(Some((found, revision)))) => Answer::Newer(found, revision),
                _ => Answer::None,
            }
        }
        Ok(Err(_)) | Err(_) => Answer::None,
    }
}

async fn look(bus: AccountBus) -> Answer {
    match timeout(FENCE_TIMEOUT, bus.read_fence()).await {
        Ok(Ok(found)) => Answer::At(found.map_or(0, |f| f.1)),
        Ok(Err(_)) | Err(_) => Answer::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use helios_bus::memory::MemoryBus;
    use tokio::time::advance;

    fn keeper(bus: &MemoryBus, identity: &str) -> FenceKeeper {
        let bus = AccountBus::new(Arc::new(bus.clone()), "acct");
        FenceKeeper::new(bus, identity.into(), Arc::new(crate::observe::NoObserver))
    }

    async fn beat(k: &mut FenceKeeper, epoch: u64) -> FenceSays {
        k.beat(Some(epoch));
        k.says().await
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_went_back_is_noticed_at_the_next_beat_and_once() {
        let bus = MemoryBus::new();
        let mut k = keeper(&bus, "a");
        assert_eq!(k.read().await, None);
        assert_eq!(beat(&mut k, 1).await, FenceSays::Nothing);
        let old = bus.backup();
        for _ in 0..3 {
            assert_eq!(beat(&mut k, 1).await, FenceSays::Nothing);
        }
        bus.restore(&old);
        assert_eq!(beat(&mut k, 1).await, FenceSays::WentBack);
        assert_eq!(beat(&mut k, 2).await, FenceSays::Nothing);
        assert_eq!(keeper(&bus, "b").read().await, Some(2));
    }

    #[tokio::test(start_paused = true)]
    async fn the_lower_epoch_stands_down_until_the_higher_one_is_silent_for_a_lease() {
        let bus = MemoryBus::new();
        let (mut low, mut high) = (keeper(&bus, "low"), keeper(&bus, "high"));
        low.read().await;
        assert_eq!(beat(&mut low, 4).await, FenceSays::Nothing);
        high.read().await;
        assert_eq!(beat(&mut high, 5).await, FenceSays::Nothing);
        let holder = "high".to_string();
        let outranked = FenceSays::Outranked { holder, epoch: 5 };
        assert_eq!(beat(&mut low, 4).await, outranked);
        assert!(low.yields());
        // As long as the other writes, or the store can't be read, it is not silent.
        for _ in 0..8 {
            advance(Duration::from_secs(1)).await;
            assert_eq!(beat(&mut high, 5).await, FenceSays::Nothing);
            assert_eq!(beat(&mut low, 4).await, FenceSays::Nothing);
        }
        bus.disconnect();
        advance(SILENT).await;
        assert_eq!(beat(&mut low, 4).await, FenceSays::Nothing);
        bus.reconnect();
        advance(SILENT - Duration::from_secs(1)).await;
        assert_eq!(beat(&mut low, 4).await, FenceSays::Nothing);
        advance(Duration::from_secs(1)).await;
        assert_eq!(beat(&mut low, 4).await, FenceSays::Silent);
        assert!(!low.yields());
    }

    #[tokio::test(start_paused = true)]
    async fn a_higher_epoch_wins_the_fence_of_a_lower_one_that_keeps_writing() {
        let bus = MemoryBus::new();
        let (mut low, mut high) = (keeper(&bus, "low"), keeper(&bus, "high"));
        low.read().await;
        high.read().await;
        // The lower one is always first.
        for _ in 0..3 {
            assert_eq!(beat(&mut low, 4).await, FenceSays::Nothing);
        }
        assert_eq!(beat(&mut high, 9).await, FenceSays::Nothing);
        assert_eq!(keeper(&bus, "x").read().await, Some(9));
        let holder = "high".to_string();
        let outranked = FenceSays::Outranked { holder, epoch: 9 };
        assert_eq!(beat(&mut low, 4).await, outranked);
    }

    #[tokio::test(start_paused = true)]
    async fn a_former_leader_or_an_answer_that_was_lost_is_no_rival() {
        let bus = MemoryBus::new();
        let (mut former, mut now) = (keeper(&bus, "former"), keeper(&bus, "now"));
        former.read().await;
        assert_eq!(beat(&mut former, 4).await, FenceSays::Nothing);
        now.read().await;
        assert_eq!(beat(&mut now, 5).await, FenceSays::Nothing);
        // The former one writes once more, late.
        former.read().await;
        assert_eq!(beat(&mut former, 4).await, FenceSays::Nothing);
        assert_eq!(beat(&mut now, 5).await, FenceSays::Nothing);
        assert!(!now.yields());
        // Its own write, of which it never heard.
        now.revision -= 1;
        assert_eq!(beat(&mut now, 5).await, FenceSays::Nothing);
        assert_eq!(beat(&mut now, 5).await, FenceSays::Nothing);
        assert!(!now.yields());
    }

    #[derive(Debug, Default)]
    struct Count(std::sync::atomic::AtomicU32);

    impl Observer for Count {
        fn fence_acknowledged(&self) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn three_beats_in_a_row_without_an_acknowledgement_are_told_once_and_so_is_the_next_one()
    {
        let bus = MemoryBus::new();
        let mut k = keeper(&bus, "a");
        let seen = Arc::new(Count::default());
        k.observer = seen.clone();
        let acknowledged = || seen.0.load(std::sync::atomic::Ordering::Relaxed);
        k.read().await;
        assert_eq!(beat(&mut k, 1).await, FenceSays::Nothing);
        for _ in 0..2 {
            bus.disconnect();
            for _ in 0..2 {
                assert_eq!(beat(&mut k, 1).await, FenceSays::Nothing);
            }
            bus.reconnect();
            assert_eq!(beat(&mut k, 1).await, FenceSays::Nothing, "not in a row");
        }
        bus.disconnect();
        for _ in 0..2 {
            assert_eq!(beat(&mut k, 1).await, FenceSays::Nothing);
        }
        assert_eq!(acknowledged(), 3);
        assert_eq!(beat(&mut k, 1).await, FenceSays::Unheard);
        for _ in 0..5 {
            assert_eq!(beat(&mut k, 1).await, FenceSays::Nothing);
        }
        // A new term changes nothing about what was told.
        k.read().await;
        bus.reconnect();
        assert_eq!(beat(&mut k, 1).await, FenceSays::Heard);
        assert_eq!(beat(&mut k, 1).await, FenceSays::Nothing);
        assert_eq!(acknowledged(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_under_way_waits_in_nobodys_way_and_is_not_doubled() {
        let bus = MemoryBus::new();
        let mut k = keeper(&bus, "a");
        k.read().await;
        k.beat(Some(1));
        k.beat(Some(1));
        assert_eq!(k.beats, 1);
        // Dropped while it waits, as a select does; the answer still comes.
        tokio::select! {
            biased;
            () = std::future::ready(()) => {}
            _ = k.says() => unreachable!(),
        }
        assert_eq!(k.says().await, FenceSays::Nothing);
        assert_eq!(k.revision, 1);
    }
}
