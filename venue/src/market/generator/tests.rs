#![allow(clippy::unwrap_used)]
use super::*;
use std::collections::BTreeMap;

fn made(profile: &str, seed: u64, edge: f64, symbols: usize) -> Generator {
    let mut c = GeneratorConfig::new(seed, edge, Profile::named(profile).unwrap());
    c.symbols.truncate(symbols);
    Generator::new(c).unwrap()
}

/// A reader's view of one contract: best prices and NOBI over ten levels.
#[derive(Default)]
struct Reader {
    bids: BTreeMap<i64, i64>,
    asks: BTreeMap<i64, i64>,
}

impl Reader {
    fn apply(&mut self, e: &MarketInput) {
        let (b, a) = match e {
            MarketInput::Snapshot(s) => (&s.bids, &s.asks),
            MarketInput::Depth(d) => (&d.bids, &d.asks),
            _ => return,
        };
        for (m, l) in [(&mut self.bids, b), (&mut self.asks, a)] {
            for (p, q) in l {
                if q.is_zero() {
                    m.remove(&p.0);
                } else {
                    m.insert(p.0, q.0);
                }
            }
        }
    }

    fn mid(&self) -> f64 {
        let (b, a) = (self.bids.last_key_value(), self.asks.first_key_value());
        0.5 * (b.unwrap().0 + a.unwrap().0) as f64
    }

    fn nobi(&self) -> f64 {
        let sum = |i: &mut dyn Iterator<Item = (&i64, &i64)>| -> f64 {
            i.take(10).map(|(p, q)| (p * q) as f64).sum()
        };
        let (b, a) = (sum(&mut self.bids.iter().rev()), sum(&mut self.asks.iter()));
        (a - b) / (a + b)
    }
}

#[test]
fn the_same_seed_makes_the_same_market_and_another_seed_another() {
    let read = |seed| -> Vec<_> {
        let mut g = made("demo", seed, 0.3, 3);
        (0..3_000).map(|_| g.next_event().unwrap()).collect()
    };
    assert_eq!(read(7), read(7));
    assert_ne!(read(7), read(8));
}

#[test]
fn another_contract_in_the_list_changes_none_of_the_others() {
    let only = |n: usize| -> Vec<_> {
        let mut g = made("demo", 7, 0.0, n);
        std::iter::from_fn(|| g.next_event())
            .filter(|e| e.1 == SymbolId(0))
            .take(500)
            .map(|(t, _, e)| (t, e))
            .collect()
    };
    // The phase within the interval hangs on the place in the list, which is the same here.
    assert_eq!(only(1), only(4));
}

#[test]
fn events_come_in_order_with_unbroken_ids_and_uncrossed_books() {
    let mut g = made("demo", 3, 0.5, 8);
    let n = g.symbols().len();
    let mut readers: Vec<Reader> = (0..n).map(|_| Reader::default()).collect();
    let (mut ids, mut trade_ids, mut marks) = (vec![0u64; n], vec![0u64; n], vec![0; n]);
    let mut last = g.start_ms();
    let end = g.start_ms() + 60_000;
    while g.peek_ms().unwrap() <= end {
        let peek = g.peek_ms().unwrap();
        let (t, s, e) = g.next_event().unwrap();
        assert!(t >= last && t == peek);
        last = t;
        let i = usize::from(s.0);
        readers[i].apply(&e);
        match e {
            MarketInput::Snapshot(x) => {
                assert_eq!((ids[i], t), (0, g.start_ms()));
                ids[i] = x.last_id;
            }
            MarketInput::Depth(d) => {
                assert_eq!(d.prev_last_id, ids[i]);
                assert!(d.first_id > ids[i] && d.last_id >= d.first_id && d.event_ms == t);
                ids[i] = d.last_id;
                let r = &readers[i];
                assert!(r.bids.last_key_value().unwrap().0 < r.asks.first_key_value().unwrap().0);
            }
            MarketInput::Trade(x) => {
                assert!(x.id > trade_ids[i] && x.qty.0 > 0 && x.price.0 > 0);
                trade_ids[i] = x.id;
            }
            MarketInput::Mark(m) => {
                marks[i] += 1;
                let spec = &g.symbols()[i];
                let mid = Decimal::try_from(readers[i].mid()).unwrap() * spec.instrument.tick;
                assert!(((m.mark - mid) / mid).abs() < Decimal::new(2, 4));
            }
        }
    }
    assert!(marks.iter().all(|&m| (60..=62).contains(&m)), "{marks:?}");
}

#[test]
fn history_is_warm_and_the_demo_moves_25_bp_a_minute() {
    let mut g = made("demo", 21, 0.0, 4);
    let start = g.start_ms();
    let end = start + 5_400_000;
    while g.peek_ms().unwrap() <= end {
        g.next_event();
    }
    let (mut before, mut during) = (0.0, 0.0);
    for i in 0..4 {
        let s = SymbolId(i);
        let atr = |b: &[Bar]| {
            let tr = b.windows(2).map(|w| {
                let (c, x) = (w[0].close.0, &w[1]);
                (x.high.0.max(c) - x.low.0.min(c)) as f64 / x.close.0 as f64 * 1e4
            });
            tr.sum::<f64>() / (b.len() - 1) as f64
        };
        let old = g.history(s, 60_000, start, 400);
        assert_eq!(old.len(), 400);
        let new = g.history(s, 60_000, end, 80);
        assert_eq!(new.len(), 80);
        assert!(new[0].open_ms >= start);
        before += atr(&old) / 4.0;
        during += atr(&new) / 4.0;
        assert_eq!(g.history(s, 900_000, end, 200).len(), 200);
    }
    eprintln!("ATR of a minute: {before:.1} bp before the start, {during:.1} bp in the run");
    assert!((20.0..31.0).contains(&before), "{before}");
    assert!((18.0..33.0).contains(&during), "{during}");
}

/// Trades NOBI the plain way (threshold 0.4, fixed hold, cooldown), mid to mid in bp.
fn nobi_trades(g: &mut Generator, hours: f64, hold_ms: i64, cooldown_ms: i64) -> Vec<f64> {
    struct Open {
        at: i64,
        mid: f64,
        sign: f64,
    }
    let n = g.symbols().len();
    let mut readers: Vec<Reader> = (0..n).map(|_| Reader::default()).collect();
    let mut open: Vec<Option<Open>> = (0..n).map(|_| None).collect();
    let mut free = vec![0i64; n];
    let mut out = Vec::new();
    let end = g.start_ms() + (hours * 3_600_000.0) as i64;
    while let Some((t, s, e)) = g.next_event() {
        if t > end {
            break;
        }
        let i = usize::from(s.0);
        readers[i].apply(&e);
        if !matches!(e, MarketInput::Depth(_)) {
            continue;
        }
        match &open[i] {
            Some(o) if t >= o.at + hold_ms => {
                out.push(o.sign * (readers[i].mid() / o.mid - 1.0) * 1e4);
                open[i] = None;
                free[i] = t + cooldown_ms;
            }
            None if t >= free[i] => {
                let z = readers[i].nobi();
                if z.abs() >= 0.4 {
                    open[i] = Some(Open {
                        at: t,
                        mid: readers[i].mid(),
                        sign: -z.signum(),
                    });
                }
            }
            _ => {}
        }
    }
    out
}

fn mean_and_error(v: &[f64]) -> (f64, f64) {
    let n = v.len() as f64;
    let m = v.iter().sum::<f64>() / n;
    let var = v.iter().map(|x| (x - m) * (x - m)).sum::<f64>() / (n - 1.0);
    (m, (var / n).sqrt())
}

#[test]
fn without_edge_nobi_earns_nothing_and_with_edge_it_does() {
    let (m0, e0) = mean_and_error(&nobi_trades(
        &mut made("sim", 31, 0.0, 8),
        1.5,
        60_000,
        5_000,
    ));
    let v = nobi_trades(&mut made("sim", 31, 0.5, 8), 1.0, 60_000, 5_000);
    let (m1, e1) = mean_and_error(&v);
    eprintln!(
        "edge 0: {m0:.2} ± {e0:.2} bp; edge 0.5: {m1:.2} ± {e1:.2} bp, {} trades",
        v.len()
    );
    assert!(m0.abs() < 3.0 * e0, "{m0} ± {e0}");
    assert!(m1 > 3.5 * e1, "{m1} ± {e1}");
}

#[test]
fn the_demo_trades_about_ten_times_a_symbol_hour_and_pays_its_costs() {
    let v = nobi_trades(&mut made("demo", 7, 0.5, 5), 1.0, 300_000, 30_000);
    let (m, e) = mean_and_error(&v);
    let rate = v.len() as f64 / 5.0;
    eprintln!("demo, edge 0.5: {rate:.1} trades a symbol-hour, {m:.1} ± {e:.1} bp mid to mid");
    assert!((7.0..11.0).contains(&rate), "{rate}");
    assert!(m - 11.0 > e, "{m} ± {e}");
}

#[test]
fn what_makes_no_market_is_refused_in_words() {
    let p = Profile::named("demo").unwrap();
    let bad = |f: &dyn Fn(&mut GeneratorConfig)| {
        let mut c = GeneratorConfig::new(1, 0.0, p.clone());
        f(&mut c);
        Generator::new(c).unwrap_err().to_string()
    };
    assert!(bad(&|c| c.edge = 1.5).contains("from 0 to 1"));
    assert!(bad(&|c| c.edge = f64::NAN).contains("edge"));
    assert!(bad(&|c| c.symbols.clear()).contains("symbols"));
    assert!(bad(&|c| c.symbols.push("BTCUSDT".into())).contains("twice"));
    assert!(bad(&|c| c.profile.sigma_bp = -1.0).contains("sigmaBp"));
}

#[test]
#[ignore = "a measurement: cargo test --release -p helios-venue speed_of -- --ignored --nocapture"]
fn speed_of_the_profiles() {
    for name in Profile::NAMES {
        let mut g = made(name, 1, 0.3, 8);
        let t = std::time::Instant::now();
        let (mut depth, mut all, mut levels) = (0u32, 0u32, 0usize);
        while depth < 200_000 {
            let (_, _, e) = g.next_event().unwrap();
            all += 1;
            if let MarketInput::Depth(d) = e {
                depth += 1;
                levels += d.bids.len() + d.asks.len();
            }
        }
        let us = t.elapsed().as_secs_f64() * 1e6 / f64::from(depth);
        let lv = levels as f64 / f64::from(depth);
        eprintln!("{name}: {us:.2} µs a depth event ({lv:.0} levels), {all} events in all");
    }
}
