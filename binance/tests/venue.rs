//! The adapter against the simulated venue over loopback: two sides of one protocol, written apart.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;
mod still;

use common::{WAIT, next};
use helios_binance::clock::VenueClock;
use helios_binance::credentials::{Credentials, KeyType, Secret};
use helios_binance::endpoints::Endpoints;
use helios_binance::instruments::Instruments;
use helios_binance::rest::{KlineInterval, Owners, RateBudget, RateLimits, RestClient, RestConfig};
use helios_binance::user::{UserStream, UserStreamConfig, UserStreamEvent};
use helios_binance::ws::{MarketMessage, MarketStreams, StreamConfig, worker_feeds};
use helios_core::fixed::{Price, Qty, Side};
use helios_core::instrument::Instrument;
use helios_core::market::DepthUpdate;
use helios_core::order::client_id::{IdMaker, Role};
use helios_core::order::{
    AlgoStatus, CancelTarget, EntryKind, ExecType, NewOrder, NewStop, OrderKind, OrderStatus,
    Refusal, TimeInForce, VenueReply,
};
use helios_core::trader::{StreamKind, TraderEvent};
use helios_venue::market::MarketSource;
use helios_venue::server::{VenueConfig, VenueHandle, VenueServer};
use rust_decimal::Decimal;
use std::time::Duration;
use still::{MID, START_MS, Still, dec};
use tokio::sync::mpsc::{self, Receiver};

struct Both {
    venue: VenueHandle,
    rest: RestClient,
    instrument: Instrument,
    known: Instruments,
}

async fn both(speed: f64) -> Both {
    let mut config = VenueConfig::new(Box::new(Still::new()));
    config.speed = speed;
    let venue = VenueServer::start(config).await.unwrap();
    let keys = venue.credentials();
    let secret = Secret::new(keys.secret.clone());
    let rest = RestClient::new(
        Endpoints::for_local(&venue.rest_url(), &venue.ws_url()),
        Some(Credentials::new(&keys.key, secret, KeyType::Hmac).unwrap()),
        VenueClock::sampled(speed),
        RateBudget::new(RateLimits::default()),
        RestConfig::default(),
    )
    .unwrap();
    rest.sync_clock().await.unwrap();
    let info = rest.exchange_info().await.unwrap();
    assert!(info.refused.is_empty(), "{:?}", info.refused);
    let listed = &info.contracts[0];
    assert!(listed.is_tradable_perpetual(), "{listed:?}");
    let instrument = listed.instrument.clone();
    assert_eq!(instrument.tick, dec("0.1"));
    Both {
        venue,
        rest,
        known: [instrument.clone()].into_iter().collect(),
        instrument,
    }
}

impl Both {
    fn market(&self) -> (MarketStreams, Receiver<MarketMessage>) {
        let (tx, rx) = mpsc::channel(4_096);
        let config = StreamConfig {
            time_samples: true,
            ..StreamConfig::default()
        };
        let streams = MarketStreams::spawn(
            self.rest.endpoints(),
            &self.known,
            self.rest.clock(),
            &config,
            worker_feeds(&self.instrument.symbol),
            &tx,
        );
        (streams, rx)
    }

    fn user(&self) -> (UserStream, Receiver<UserStreamEvent>) {
        let (tx, rx) = mpsc::channel(4_096);
        let config = UserStreamConfig::default();
        (UserStream::spawn(&self.rest, &self.known, config, tx), rx)
    }

    async fn place(&self, o: &NewOrder) -> VenueReply {
        self.rest.place_order(&self.instrument, o).await
    }

    async fn stop(&self, id: &str, ticks: i64, qty: Option<i64>) -> VenueReply {
        let s = NewStop {
            client_id: id.into(),
            side: Side::Sell,
            trigger: Price(ticks),
            qty: qty.map(Qty),
        };
        self.rest.place_stop(&self.instrument, &s).await
    }

    async fn cancel(&self, t: CancelTarget) -> VenueReply {
        self.rest.cancel(&self.instrument, &t).await
    }

    async fn query(&self, t: CancelTarget) -> VenueReply {
        self.rest.query(&self.instrument, &t).await
    }
}

fn ioc(id: &str, side: Side, ticks: i64, qty: i64) -> NewOrder {
    NewOrder {
        client_id: id.into(),
        side,
        kind: OrderKind::Limit {
            price: Price(ticks),
            tif: TimeInForce::Ioc,
        },
        qty: Qty(qty),
        reduce_only: side == Side::Sell,
        purpose: if side == Side::Buy {
            EntryKind::Entry
        } else {
            EntryKind::Exit
        },
        recv_window_ms: 1_000,
    }
}

/// The first event that `pick` takes; anything else before it is let go.
async fn wait<T>(
    rx: &mut Receiver<UserStreamEvent>,
    mut pick: impl FnMut(&UserStreamEvent) -> Option<T>,
) -> T {
    loop {
        let e = next(rx).await;
        if let Some(t) = pick(&e) {
            return t;
        }
    }
}

async fn algo(rx: &mut Receiver<UserStreamEvent>, id: &str, status: AlgoStatus) {
    wait(rx, |e| match e {
        UserStreamEvent::Algo(_, u) if u.client_id.as_str() == id && u.status == status => Some(()),
        _ => None,
    })
    .await;
}

/// Ids of ours and of a stranger's, and the reader that tells them apart.
const ACCOUNT: &str = "default/paper";

fn own(sequence: u32) -> String {
    let mut ids = IdMaker::new(ACCOUNT, Role::Worker, "uid", "BTCUSDT", 1);
    (0..sequence).for_each(|_| drop(ids.next_id()));
    ids.next_id().to_string()
}

#[tokio::test]
async fn the_account_names_who_made_a_position_when_nothing_open_does_and_reads_it_once() {
    let s = both(1.0).await;
    s.venue.start_market().await.unwrap();
    let owners = Owners::new(ACCOUNT);
    let read = async || {
        let state = s.rest.account_state(&s.known, &owners).await.unwrap();
        state.symbols["BTCUSDT"].clone()
    };
    let fill = async |id: &str, side, qty: i64| {
        let ticks = if side == Side::Buy {
            MID + 10
        } else {
            MID - 10
        };
        let r = s.place(&ioc(id, side, ticks, qty)).await;
        assert!(matches!(r, VenueReply::Accepted { .. }), "{r:?}");
        let VenueReply::Order(o) = s.query(order(id)).await else {
            panic!("{id} is not known")
        };
        assert_eq!(o.filled, Qty(qty));
    };
    // An entry of ours, filled; no order and no stop stands.
    fill(&own(0), Side::Buy, 100).await;
    let v = read().await;
    assert_eq!(v.position.qty, Qty(100));
    assert!(v.orders.is_empty() && v.stops.is_empty());
    assert!(v.ids_read);
    assert_eq!(v.recent_ids, [own(0).as_str().into()]);
    // The same position again: 91, and nothing for the orders.
    let before = s.rest.budget().usage().weight_1m;
    assert_eq!(read().await.recent_ids, v.recent_ids);
    assert_eq!(s.rest.budget().usage().weight_1m - before, 91);

    // Left, and a stranger's in its place: what was ours before it names nobody.
    fill(&own(1), Side::Sell, 100).await;
    fill("by-hand", Side::Buy, 50).await;
    let v = read().await;
    assert!(v.ids_read);
    assert_eq!(v.recent_ids, ["by-hand".into()]);
    // Under a stop of ours there is nothing to ask.
    let r = s.stop(&own(2), MID - 6_000, None).await;
    assert!(matches!(r, VenueReply::Accepted { .. }), "{r:?}");
    let v = read().await;
    assert!(!v.ids_read && v.recent_ids.is_empty() && v.stops.len() == 1);
}

fn refused(r: Refusal) -> VenueReply {
    VenueReply::Refused(r)
}

fn order(id: &str) -> CancelTarget {
    CancelTarget::Order(id.into())
}

fn stop(id: &str) -> CancelTarget {
    CancelTarget::Stop(id.into())
}

/// The whole way of a position, as a worker goes it.
async fn round_trip(speed: f64) {
    let s = both(speed).await;
    let (streams, mut market) = s.market();
    let (_user, mut user) = s.user();
    assert_eq!(next(&mut user).await, UserStreamEvent::Up);
    s.venue.start_market().await.unwrap();

    // Book: snapshot and diffs overlap by the futures rule, and the diffs chain.
    let (mut diffs, mut snapshot) = (Vec::<DepthUpdate>::new(), None);
    let (mut trades, mut marks) = (0, 0);
    while diffs.len() < 20 || trades == 0 || marks == 0 {
        match next(&mut market).await.event {
            TraderEvent::Depth(d) => {
                if snapshot.is_none() {
                    let read = s.rest.depth_snapshot(&s.instrument).await.unwrap();
                    snapshot = Some(read);
                }
                diffs.push(d);
            }
            TraderEvent::Trade(t) => {
                assert_eq!(t.price, Price(MID + 1));
                trades += 1;
            }
            TraderEvent::Mark(m) => {
                assert_eq!(m.mark, dec("60000"));
                marks += 1;
            }
            TraderEvent::StreamUp(_) => {}
            other => panic!("{other:?}"),
        }
    }
    let snapshot = snapshot.unwrap();
    assert_eq!(snapshot.bids[0], (Price(MID - 1), Qty(1_000)));
    assert!(diffs.windows(2).all(|w| w[1].prev_last_id == w[0].last_id));
    assert!(
        diffs
            .iter()
            .any(|d| d.first_id <= snapshot.last_id && snapshot.last_id <= d.last_id),
        "snapshot {} lies in none of {:?}",
        snapshot.last_id,
        diffs
            .iter()
            .map(|d| (d.first_id, d.last_id))
            .collect::<Vec<_>>()
    );

    // A consumer that stops reading would hold an accelerated venue back.
    tokio::spawn(async move { while market.recv().await.is_some() {} });

    // Refusals while flat.
    assert_eq!(
        s.stop("anchor-0", MID - 1_000, None).await,
        refused(Refusal::NoPosition)
    );
    assert_eq!(
        s.place(&ioc("exit-0", Side::Sell, MID - 10, 5)).await,
        refused(Refusal::ReduceOnly)
    );

    // Entry: the reply is an acceptance, the fill comes over the stream.
    let entry = ioc("entry-1", Side::Buy, MID + 10, 100);
    let VenueReply::Accepted { id } = s.place(&entry).await else {
        panic!("not accepted")
    };
    // ACCOUNT_UPDATE and ORDER_TRADE_UPDATE have no order between them.
    let (mut bought, mut held, mut done) = (Qty(0), Qty(0), false);
    wait(&mut user, |e| {
        match e {
            UserStreamEvent::Order(symbol, u) if u.order_id == id => {
                assert_eq!(&**symbol, "BTCUSDT");
                if let Some(f) = &u.fill {
                    assert_eq!(u.exec, ExecType::Trade);
                    assert!(f.fee > Decimal::ZERO && &*f.fee_asset == "USDT");
                    bought = bought + f.qty;
                }
                done |= u.status == OrderStatus::Filled && u.filled == Qty(100);
            }
            UserStreamEvent::Position(_, p) => held = p.qty,
            _ => {}
        }
        (done && held == Qty(100)).then_some(())
    })
    .await;
    assert_eq!(bought, Qty(100));

    // Anchor and trail, each placed only once NEW is seen; the refusals around them.
    assert!(matches!(
        s.stop("anchor-1", MID - 6_000, None).await,
        VenueReply::Accepted { .. }
    ));
    algo(&mut user, "anchor-1", AlgoStatus::New).await;
    assert_eq!(
        s.stop("anchor-2", MID - 7_000, None).await,
        refused(Refusal::StopExists)
    );
    assert_eq!(
        s.stop("trail-0", MID + 1_000, Some(100)).await,
        refused(Refusal::WouldTrigger)
    );
    assert!(matches!(
        s.stop("trail-1", MID - 3_000, Some(100)).await,
        VenueReply::Accepted { .. }
    ));
    algo(&mut user, "trail-1", AlgoStatus::New).await;
    let VenueReply::Stop(a) = s.query(stop("trail-1")).await else {
        panic!("no stop")
    };
    assert_eq!(
        (a.status, a.trigger, a.qty),
        (AlgoStatus::New, Price(MID - 3_000), Some(Qty(100)))
    );
    let VenueReply::Order(o) = s.query(order("entry-1")).await else {
        panic!("no order")
    };
    assert_eq!(
        (o.order_id, o.status, o.filled),
        (id, OrderStatus::Filled, Qty(100))
    );
    assert_eq!(s.query(order("nobody")).await, refused(Refusal::NotFound));
    assert_eq!(s.query(stop("nobody")).await, refused(Refusal::NotFound));

    // What a restarting worker and the guardian would read.
    let v = s.rest.venue_state(&s.instrument).await.unwrap();
    assert_eq!((v.position.qty, v.position.isolated), (Qty(100), false));
    assert_eq!(v.position.entry_price, dec("60000.1"));
    assert!(v.orders.is_empty() && v.stops.len() == 2, "{v:?}");
    let anchor = v.stops.iter().find(|x| x.client_id.as_str() == "anchor-1");
    assert_eq!(anchor.map(|x| x.qty), Some(None));
    assert!(v.recent_ids.iter().any(|c| c.as_str() == "entry-1"));
    let (name, fill) = v.trades.last().unwrap();
    assert_eq!(name.as_ref().unwrap().as_str(), "entry-1");
    assert_eq!(fill.price, Price(MID + 1));
    assert!(v.venue_ms >= START_MS && v.available.is_some_and(|a| a > Decimal::ZERO));
    let account = s
        .rest
        .account_state(&s.known, &Owners::default())
        .await
        .unwrap();
    assert!(account.unknown_symbols.is_empty());
    assert_eq!(account.symbols["BTCUSDT"].position.qty, Qty(100));
    assert_eq!(account.symbols["BTCUSDT"].stops.len(), 2);
    // 0.1 BTC × 60000 × 0.4 %.
    assert_eq!(account.maint_margin, dec("24"));
    assert!(account.wallet < dec("10000") && account.wallet > dec("9990"));

    // Cancel the trail, leave at market, clean up.
    assert!(matches!(
        s.cancel(stop("trail-1")).await,
        VenueReply::Accepted { .. }
    ));
    algo(&mut user, "trail-1", AlgoStatus::Canceled).await;
    assert_eq!(s.cancel(stop("trail-1")).await, refused(Refusal::NotFound));
    let exit = NewOrder {
        kind: OrderKind::Market,
        ..ioc("exit-1", Side::Sell, MID, 100)
    };
    assert!(matches!(s.place(&exit).await, VenueReply::Accepted { .. }));
    wait(&mut user, |e| match e {
        UserStreamEvent::Position(_, p) if p.qty.is_zero() => Some(()),
        _ => None,
    })
    .await;
    // With or without the venue's own clean-up of orphans.
    let gone = s.cancel(stop("anchor-1")).await;
    assert!(
        matches!(gone, VenueReply::Accepted { .. }) || gone == refused(Refusal::NotFound),
        "{gone:?}"
    );
    let v = s.rest.venue_state(&s.instrument).await.unwrap();
    assert!(v.position.qty.is_zero() && v.stops.is_empty() && v.orders.is_empty());
    let ledger = s.venue.ledger().await.unwrap();
    let account = s.rest.account().await.unwrap();
    assert_eq!(account.cross_wallet, Some(ledger.wallet));
    assert_eq!(streams.stats().0.errors + streams.stats().1.errors, 0);
    s.venue.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_position_goes_its_whole_way_at_real_speed() {
    tokio::time::timeout(WAIT * 2, round_trip(1.0))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_position_goes_its_whole_way_at_sixty_times_the_speed() {
    tokio::time::timeout(WAIT * 2, round_trip(60.0))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_market_that_has_not_started_can_be_read_and_no_stream_is_taken_for_dead() {
    let s = both(60.0).await;
    let (streams, mut market) = s.market();
    let mut up = [next(&mut market).await.event, next(&mut market).await.event];
    up.sort_by_key(|e| format!("{e:?}"));
    assert_eq!(
        up,
        [
            TraderEvent::StreamUp(StreamKind::Depth),
            TraderEvent::StreamUp(StreamKind::Market)
        ]
    );
    let v = s.rest.venue_state(&s.instrument).await.unwrap();
    assert!(v.position.qty.is_zero() && v.trades.is_empty());
    assert_eq!(s.rest.clock().market_ms(), START_MS);
    let book = s.rest.depth_snapshot(&s.instrument).await.unwrap();
    assert_eq!(book.asks[0].0, Price(MID + 1));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(streams.stats().0.losses + streams.stats().1.losses, 0);
}

#[tokio::test]
async fn rules_modes_history_and_tickers_are_read_as_the_venue_means_them() {
    let s = both(1.0).await;
    s.venue.start_market().await.unwrap();
    let (rest, symbol) = (&s.rest, "BTCUSDT");
    let brackets = rest.leverage_brackets(Some(symbol)).await.unwrap();
    assert_eq!(brackets[symbol], Still::new().symbols()[0].brackets);
    assert_eq!(rest.leverage_brackets(None).await.unwrap(), brackets);
    let fees = rest.commission_rate(symbol).await.unwrap();
    assert_eq!((fees.maker, fees.taker), (dec("0.0002"), dec("0.0005")));
    assert_eq!(rest.set_leverage(symbol, 10).await.unwrap(), 10);
    let config = rest.symbol_config(symbol).await.unwrap();
    assert_eq!((config[0].leverage, config[0].isolated), (10, false));
    let info = rest.symbol_info(&s.instrument, None).await.unwrap();
    assert_eq!((info.leverage, info.brackets.len()), (10, 2));
    let info = rest.symbol_info(&s.instrument, Some(20)).await.unwrap();
    assert_eq!((info.leverage, info.fees), (20, fees));
    rest.set_cross_margin(symbol).await.unwrap();
    assert!(!rest.position_mode_is_hedge().await.unwrap());
    assert!(!rest.multi_assets_mode().await.unwrap());
    let bars = rest
        .klines(&s.instrument, KlineInterval::M1, 200)
        .await
        .unwrap();
    assert!(bars.len() >= 199, "{}", bars.len());
    assert!(
        bars.windows(2)
            .all(|w| w[1].open_ms - w[0].open_ms == 60_000)
    );
    assert!(bars.last().unwrap().open_ms + 60_000 <= rest.server_time().await.unwrap());
    assert_eq!(rest.ticker_24h().await.unwrap().len(), 1);
    let top = rest.book_tickers().await.unwrap();
    assert_eq!(top[0].ask.0, dec("60000.1"));
    assert_eq!(
        rest.premium_index().await.unwrap()[0].mark.mark,
        dec("60000")
    );
    assert!(rest.open_orders(&s.instrument).await.unwrap().is_empty());
    rest.income(None, 0).await.unwrap();
    assert!(rest.budget().usage().weight_1m > 0);
}

#[tokio::test]
async fn post_only_duplicates_countdown_and_dead_timestamps_end_in_their_classes() {
    let s = both(1.0).await;
    let (_user, mut user) = s.user();
    assert_eq!(next(&mut user).await, UserStreamEvent::Up);
    s.venue.start_market().await.unwrap();
    let post = |id: &str, ticks| NewOrder {
        kind: OrderKind::Limit {
            price: Price(ticks),
            tif: TimeInForce::Gtx,
        },
        ..ioc(id, Side::Buy, ticks, 10)
    };
    let taken = s.place(&post("post-0", MID + 10)).await;
    if taken != refused(Refusal::PostOnlyTakes) {
        // The exchange has also been seen to accept and expire it at once.
        assert!(matches!(taken, VenueReply::Accepted { .. }), "{taken:?}");
    }
    assert!(matches!(
        s.place(&post("post-1", MID - 20)).await,
        VenueReply::Accepted { .. }
    ));
    assert_eq!(
        s.place(&post("post-1", MID - 20)).await,
        refused(Refusal::DuplicateId)
    );
    s.rest.countdown_cancel_all("BTCUSDT", 300).await.unwrap();
    wait(&mut user, |e| match e {
        UserStreamEvent::Order(_, u) if u.client_id.as_str() == "post-1" => {
            (u.status == OrderStatus::Canceled).then_some(())
        }
        _ => None,
    })
    .await;
    assert_eq!(s.cancel(order("post-1")).await, refused(Refusal::NotFound));
    let huge = ioc("huge", Side::Buy, MID + 40, 40_000);
    assert_eq!(s.place(&huge).await, refused(Refusal::Margin));
    // A clock far ahead of the venue's: refused, re-synced in the background, then accepted.
    s.rest.clock().observe(START_MS + 86_400_000);
    let late = ioc("late-1", Side::Buy, MID - 10, 10);
    assert_eq!(s.place(&late).await, refused(Refusal::Clock));
    tokio::time::timeout(WAIT, async {
        while !matches!(s.place(&late).await, VenueReply::Accepted { .. }) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
}
