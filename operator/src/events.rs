//! Events: what people see with `kubectl describe`. Told by a task of its own, so that nothing waits for one.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use std::time::Duration;
use tokio::sync::mpsc;

/// Events that may wait; of a flood the rest is dropped, as conditions say the same.
const WAITING: usize = 256;

/// Something to tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    /// Of which object.
    pub object: ObjectReference,
    /// It is not as it should be.
    pub warning: bool,
    /// One word for one situation.
    pub reason: String,
    /// In words.
    pub words: String,
}

/// Where to tell it.
#[derive(Clone, Debug)]
pub struct Notes(mpsc::Sender<Note>);

impl Notes {
    /// Starts the task that tells.
    pub fn start(client: Client, instance: String) -> Self {
        let (sender, mut notes) = mpsc::channel::<Note>(WAITING);
        tokio::spawn(async move {
            let reporter = Reporter {
                controller: "helios.trading/operator".into(),
                instance: Some(instance),
            };
            // One recorder: it folds repetitions.
            let recorder = Recorder::new(client, reporter);
            while let Some(n) = notes.recv().await {
                let event = Event {
                    type_: if n.warning {
                        EventType::Warning
                    } else {
                        EventType::Normal
                    },
                    reason: n.reason,
                    note: Some(n.words).filter(|w| !w.is_empty()),
                    action: "Reconcile".into(),
                    secondary: None,
                };
                let told = recorder.publish(&event, &n.object);
                if let Ok(Err(e)) = tokio::time::timeout(Duration::from_secs(5), told).await {
                    tracing::debug!("event not told: {e}");
                }
            }
        });
        Self(sender)
    }

    /// Notes that only whoever holds the other end hears.
    pub fn heard_by(sender: mpsc::Sender<Note>) -> Self {
        Self(sender)
    }

    /// Tells it, or drops it where too many wait.
    pub fn tell(&self, note: Note) {
        let _ = self.0.try_send(note);
    }
}
