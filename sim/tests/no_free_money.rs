//! The simulator gives no money away: without edge, NOBI trades earn nothing mid to mid and lose their costs. The control,
//! a market with edge, fails the very same statement: it could have failed.

mod common;

use common::over_seeds;
use helios_sim::stats::Earned;

fn show(what: &str, e: &Earned) {
    eprintln!(
        "{what}: {} trades, gross mid to mid {:.3} ± {:.3} bp, cost {:.3} bp, net {:.3} ± {:.3} bp",
        e.gross.n, e.gross.mean, e.gross.half, e.cost.mean, e.net.mean, e.net.half
    );
}

#[test]
fn without_edge_trading_earns_nothing_and_loses_its_costs_and_the_control_fails_this() {
    let e = Earned::by(&over_seeds(100..106, 0.0, 520));
    show("edge 0", &e);
    assert!(e.gross.n >= 3_000, "{}", e.gross.n);
    if let Err(why) = e.gives_nothing_away() {
        panic!("{why}");
    }
    let control = Earned::by(&over_seeds(200..202, 0.5, 300));
    show("control, edge 0.5", &control);
    let why = control.gives_nothing_away();
    assert!(
        why.as_ref().is_err_and(|w| w.contains("0 is outside")),
        "the control passed: {why:?}"
    );
}

#[test]
#[ignore = "the soak: minutes"]
fn without_edge_twenty_thousand_trades_earn_nothing() {
    let e = Earned::by(&over_seeds(1_000..1_040, 0.0, 520));
    show("edge 0, soak", &e);
    assert!(e.gross.n >= 20_000, "{}", e.gross.n);
    if let Err(why) = e.gives_nothing_away() {
        panic!("{why}");
    }
}
