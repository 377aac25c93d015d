use super::*;
use std::collections::BTreeMap;

fn apply(m: &mut BTreeMap<i64, i64>, l: &BookLevels) {
    for (p, q) in l {
        if q.is_zero() {
            m.remove(&p.0);
        } else {
            m.insert(p.0, q.0);
        }
    }
}

#[test]
fn a_reader_of_the_changes_has_the_same_book() {
    let mut r = Rng::new(11, 0);
    let shape = Shape {
        tick_bp: 0.0162,
        lots_per_unit: 1000.0,
    };
    let mut b = RingBook::new(shape, 618_000, &mut r);
    b.balance(0.2, 1.0);
    let _ = b.take_changes();
    let (lb, la) = b.levels();
    let (mut mb, mut ma) = (BTreeMap::new(), BTreeMap::new());
    apply(&mut mb, &lb);
    apply(&mut ma, &la);
    for i in 0..2_000 {
        let n = (r.normal() * 60.0) as i64;
        let s = 1 + i64::from(i % 9 == 0);
        b.shift(&mut r, b.bid() + n, b.bid() + n + s);
        b.churn(&mut r, 50);
        b.balance((f64::from(i % 19) - 9.0) / 10.0, 1.0);
        let (cb, ca) = b.take_changes();
        apply(&mut mb, &cb);
        apply(&mut ma, &ca);
        assert!(cb.windows(2).all(|w| w[0].0 < w[1].0));
        let (lb, la) = b.levels();
        assert!(
            mb.iter()
                .rev()
                .map(|(p, q)| (*p, *q))
                .eq(lb.iter().map(|(p, q)| (p.0, q.0))),
            "bids at {i}"
        );
        assert!(
            ma.iter()
                .map(|(p, q)| (*p, *q))
                .eq(la.iter().map(|(p, q)| (p.0, q.0))),
            "asks at {i}"
        );
        assert_eq!(mb.last_key_value().map(|x| *x.0), Some(b.bid()));
        assert_eq!(ma.first_key_value().map(|x| *x.0), Some(b.ask()));
    }
}

#[test]
fn the_imbalance_of_the_best_ten_is_the_one_asked_for() {
    let mut r = Rng::new(12, 0);
    let shape = Shape {
        tick_bp: 0.7,
        lots_per_unit: 400.0,
    };
    let mut b = RingBook::new(shape, 14_200, &mut r);
    for i in 0..500 {
        let z = (f64::from(i % 37) - 18.0) / 20.0;
        let n = (r.normal() * 3.0) as i64;
        b.shift(&mut r, b.bid() + n, b.bid() + n + 1);
        b.churn(&mut r, 20);
        b.balance(z, 1.0);
        let (lb, la) = b.levels();
        let sum = |l: &BookLevels| l[..10].iter().map(|(p, q)| (p.0 * q.0) as f64).sum::<f64>();
        let (sb, sa) = (sum(&lb), sum(&la));
        let nobi = (sa - sb) / (sa + sb);
        assert!((nobi - z).abs() < 0.02, "{nobi} {z}");
    }
}

#[test]
fn about_a_thousand_levels_stand_on_each_side() {
    for (tick_bp, bid) in [(0.0162, 618_000), (0.04, 268_000), (1.4, 7_000)] {
        let mut r = Rng::new(13, 0);
        let b = RingBook::new(
            Shape {
                tick_bp,
                lots_per_unit: 100.0,
            },
            bid,
            &mut r,
        );
        let (lb, la) = b.levels();
        assert!(
            lb.len() > 900 && la.len() > 900,
            "{} {}",
            lb.len(),
            la.len()
        );
    }
}
