//! Carrying out the planner's actions with tasks: the local actuator. What should run is `core::plan`'s to say.

use super::run::Run;
use helios_coordinator::CoordinatorLinks;
use helios_coordinator::observe::NoObserver;
use helios_core::plan::{Action, Observed, ObservedAccount, WorkerSpec, step};
use helios_worker::{WorkerConfig, WorkerLinks};
use std::sync::Arc;

impl Run {
    /// One step of the planner.
    pub(super) async fn plan(&mut self) {
        let (coordinators, workers) = self.tasks.observe();
        let accounts = {
            let board = self.board.lock();
            self.objects
                .accounts
                .keys()
                .map(|name| {
                    let heard = board.accounts.get(name);
                    let snapshot = heard.and_then(|a| a.snapshot.clone());
                    ObservedAccount {
                        name: name.clone(),
                        deleting: false,
                        heard_ms: heard.and_then(|a| a.heard).map_or(0, |t| self.tasks.ms(t)),
                        stale: false,
                        let_go: false,
                        snapshot: snapshot.filter(|s| s.known || s.lists_something()),
                    }
                })
                .collect()
        };
        let mut strategies = self.objects.observe();
        for s in &mut strategies {
            s.worker_ended_ms = self.tasks.worker_ended_ms(&s.name);
        }
        let observed = Observed {
            now_ms: self.tasks.now_ms(),
            accounts,
            strategies,
            coordinators,
            workers,
        };
        for action in step(&observed) {
            tracing::debug!(?action, "plan");
            self.act(action).await;
        }
    }

    /// Tells an account's coordinator what is wanted now.
    pub(super) fn tell_config(&mut self, account: &str) {
        if let Some(c) = self.objects.coordinator(account) {
            let message = helios_coordinator::Control::Config(Box::new(c));
            self.tasks.tell_coordinator(account, message);
        }
    }

    async fn act(&mut self, action: Action) {
        match action {
            Action::StartCoordinator { account } => self.start_coordinator(account),
            Action::PublishParams { strategy, document } => {
                let Some(c) = self.objects.strategies.get_mut(&strategy) else {
                    return;
                };
                let Some(a) = self.accounts.get(&c.object.account_name()) else {
                    return;
                };
                match a.bus.publish_params(&strategy, &document).await {
                    Ok(()) => c.published = Some(document.order()),
                    Err(e) => tracing::error!(strategy, error = %e, "parameters not published"),
                }
            }
            Action::StartWorker(spec) => self.start_worker(spec),
            Action::StopWorker { uid, how } => self.tasks.stop_worker(&uid, how),
            Action::RemoveWorker { uid } | Action::StrikeWorker { uid } => {
                self.tasks.remove_worker(&uid);
            }
            // Asked again with each step until the venue shows it flat.
            Action::Release {
                account, symbol, ..
            } => self.leave_to_coordinator(&account, &symbol),
            Action::FinalizeStrategy { strategy } => {
                if let Some(c) = self.objects.strategies.remove(&strategy) {
                    self.tell_config(&c.object.account_name());
                }
                tracing::info!(strategy, "strategy is gone");
            }
            Action::StopCoordinator { account } => {
                self.tasks
                    .tell_coordinator(&account, helios_coordinator::Control::Shutdown);
            }
            Action::FinalizeAccount { account } => tracing::info!(account, "account is gone"),
        }
    }

    fn start_coordinator(&mut self, account: String) {
        let (Some(a), Some(config)) = (
            self.accounts.get(&account),
            self.objects.coordinator(&account),
        ) else {
            return;
        };
        let links = CoordinatorLinks {
            rest: a.venue.rest.clone(),
            bus: a.bus.clone(),
            store: a.store.clone(),
            lock: None,
            identity: format!("up-{}", std::process::id()),
            observer: Arc::new(NoObserver),
        };
        self.tasks.start_coordinator(account, |control| async move {
            helios_coordinator::run(config, links, control)
                .await
                .map(|()| "as asked".into())
                .map_err(|e| e.to_string())
        });
    }

    /// Tells an account's coordinator to close a position that no worker is left for.
    pub(super) fn leave_to_coordinator(&mut self, account: &str, symbol: &str) {
        if self.released.insert(symbol.into()) {
            tracing::warn!(
                symbol,
                "no worker is left to close it: the coordinator does"
            );
        }
        let message = helios_coordinator::Control::Release(symbol.into());
        self.tasks.tell_coordinator(account, message);
    }

    fn start_worker(&mut self, spec: WorkerSpec) {
        let Some(a) = self.accounts.get(&spec.account) else {
            return;
        };
        let observed = self.objects.observe();
        let Some(s) = observed.iter().find(|s| s.name == spec.strategy) else {
            return;
        };
        let uid = self.tasks.new_uid();
        let config = WorkerConfig {
            account: spec.account.clone(),
            strategy: spec.strategy.clone(),
            strategy_uid: s.params.strategy_uid.clone(),
            task_uid: uid.clone(),
            life: uid.clone(),
            symbol: spec.symbol.clone(),
            environment: helios_core::params::Environment::Paper,
            params: s.params.clone(),
            egress: None,
            depth_cadence: "100ms".into(),
        };
        let links = WorkerLinks {
            rest: a.venue.rest.clone(),
            bus: a.bus.clone(),
        };
        tracing::info!(
            symbol = spec.symbol,
            strategy = spec.strategy,
            uid,
            "worker starts"
        );
        self.tasks.start_worker(uid, spec, |control| async move {
            helios_worker::run(config, links, control)
                .await
                .map(|e| format!("{e:?}"))
                .map_err(|e| e.to_string())
        });
    }
}
