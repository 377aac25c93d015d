//! What goes out over the bus without the guardian waiting for it: commands and alerts in order, the newest snapshot.
//!
//! A bus that hangs must never hold back an exit. Commands go first; alerts are bounded and the excess is counted (they are
//! in the log already). A snapshot that was not sent yet is replaced by a newer one.

use helios_bus::typed::AccountBus;
use helios_core::messages::{AccountSnapshot, Alert, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Commands and alerts that may wait. A command that finds no room is repeated by the guardian or rides the snapshot.
const WAITING: usize = 4096;

enum Message {
    Command(String, Command),
    Alert(Box<Alert>),
}

/// The way out; dropping it ends its tasks.
pub(crate) struct Outbox {
    messages: mpsc::Sender<Message>,
    snapshots: watch::Sender<Option<Box<AccountSnapshot>>>,
    tasks: [JoinHandle<()>; 2],
    lost: u64,
}

impl Outbox {
    pub(crate) fn new(bus: &AccountBus) -> Self {
        let (messages, receiver) = mpsc::channel(WAITING);
        let (snapshots, newest) = watch::channel(None);
        let tasks = [
            tokio::spawn(send_messages(bus.clone(), receiver)),
            tokio::spawn(send_snapshots(bus.clone(), newest)),
        ];
        Self {
            messages,
            snapshots,
            tasks,
            lost: 0,
        }
    }

    pub(crate) fn command(&mut self, symbol: &str, command: Command) {
        self.send(Message::Command(symbol.into(), command));
    }

    pub(crate) fn alert(&mut self, alert: Alert) {
        self.send(Message::Alert(Box::new(alert)));
    }

    pub(crate) fn snapshot(&self, snapshot: Box<AccountSnapshot>) {
        self.snapshots.send_replace(Some(snapshot));
    }

    fn send(&mut self, message: Message) {
        if self.messages.try_send(message).is_err() {
            self.lost += 1;
            if self.lost.is_power_of_two() {
                tracing::warn!(lost = self.lost, "the bus takes no more messages");
            }
        }
    }

    /// Lets what waits go out, for as long as the caller has patience.
    pub(crate) async fn finish(self) {
        let Self {
            messages,
            snapshots,
            tasks,
            ..
        } = self;
        drop((messages, snapshots));
        for t in tasks {
            let _ = t.await;
        }
    }
}

async fn send_messages(bus: AccountBus, mut waiting: mpsc::Receiver<Message>) {
    while let Some(m) = waiting.recv().await {
        let (what, sent) = match &m {
            Message::Command(symbol, c) => ("command", bus.command(symbol, c).await),
            Message::Alert(a) => ("alert", bus.alert(a).await),
        };
        if let Err(e) = sent {
            tracing::debug!(error = %e, "{what} not sent");
        }
    }
}

async fn send_snapshots(
    bus: AccountBus,
    mut newest: watch::Receiver<Option<Box<AccountSnapshot>>>,
) {
    while newest.changed().await.is_ok() {
        let snapshot = newest.borrow_and_update().clone();
        if let Some(s) = snapshot
            && let Err(e) = bus.publish_snapshot(&s).await
        {
            tracing::debug!(error = %e, "snapshot not published");
        }
    }
}
