//! Modes and rights that Helios refuses, and news that only a read makes clear.

use crate::guardian::testkit::*;
use crate::guardian::*;
use crate::messages::DenyReason;

const A: &str = "AUSDT";

fn fitness(unfit: Option<&str>) -> GuardianEvent {
    GuardianEvent::Fitness {
        unfit: unfit.map(Into::into),
    }
}

#[test]
fn an_unfit_account_takes_no_new_risk_and_keeps_what_it_holds() {
    let mut r = Rig::new(&[A]).ready();
    r.protected(A, 1_000, "100");
    r.out.clear();
    for _ in 0..3 {
        r.send(&fitness(Some("the API key may withdraw")));
        r.pass(2_000);
    }
    let told = alerts(&r.out, "AccountUnfit");
    assert!(
        told.len() == 1 && told[0].contains("may withdraw"),
        "{told:?}"
    );
    assert_eq!(denied(&r.ask(A, "t", "2000")), DenyReason::Halted);
    let s = r.g.snapshot();
    assert!(s.halted && s.unfit.is_some_and(|why| why.contains("may withdraw")));
    assert!(orders(&r.out).is_empty() && r.g.latches().is_empty());
    r.send(&fitness(None));
    r.pass(1_000);
    assert_eq!(alerts(&r.out, "AccountFit").len(), 1);
    granted(&r.ask(A, "t", "2000"));
}

#[test]
fn a_doubt_is_read_at_once_and_told_where_there_is_something_to_tell() {
    let mut r = Rig::new(&[A]).ready();
    r.pass(3_000);
    r.out.clear();
    let read = |out: &[GuardianEffect]| {
        out.iter()
            .any(|e| matches!(e, GuardianEffect::Reconcile { .. }))
    };
    r.pass(300);
    assert!(!read(&r.out), "none is due");
    r.send(&GuardianEvent::Doubt {
        symbol: None,
        alert: None,
    });
    r.pass(300);
    assert!(read(&r.out));
    r.send(&GuardianEvent::Doubt {
        symbol: Some(A.into()),
        alert: Some(("TriggerRejected".into(), "its order was refused".into())),
    });
    assert_eq!(alerts(&r.out, "TriggerRejected"), ["its order was refused"]);
}
