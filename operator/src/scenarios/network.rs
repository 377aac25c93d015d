//! Network policies follow the settings in both directions: narrower, wider, and away.

use super::bench::*;
use crate::config::NetworkSettings;

#[tokio::test(start_paused = true)]
async fn what_was_narrow_is_widened_again_and_nothing_else_is_sent() {
    let usual = NetworkSettings::default;
    for (narrow, whose) in [
        (
            NetworkSettings {
                api_server_cidrs: vec!["10.0.0.1/32".into()],
                ..usual()
            },
            &["hc-paper"][..],
        ),
        (
            NetworkSettings {
                nats_pods: vec![("app".into(), "nats".into())],
                ..usual()
            },
            &["hc-paper", "hw-paper"],
        ),
        // The exchange's metrics are for the same readers.
        (
            NetworkSettings {
                metrics_from: vec![("team".into(), "monitoring".into())],
                ..usual()
            },
            &["hc-paper", "hw-paper", "hv-paper"],
        ),
    ] {
        let mut b = Bench::trading().await;
        let wanted: Vec<String> = whose
            .iter()
            .map(|n| format!("apply networkpolicies/{n}"))
            .collect();
        for settings in [narrow, usual()] {
            b.ctx.config.pods.network = Some(settings);
            b.after(1000);
            assert_eq!(b.look().await, wanted);
            b.after(1000);
            assert!(b.look().await.is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn where_none_are_to_be_those_that_were_made_are_taken_away_and_nothing_else_is() {
    let mut b = Bench::trading().await;
    b.ctx.config.pods.network = None;
    b.after(1000);
    let gone = ["hc-paper", "hv-paper", "hw-paper"].map(|n| format!("delete networkpolicies/{n}"));
    assert_eq!(b.look().await, gone);
    b.after(1000);
    assert!(b.look().await.is_empty());
}
