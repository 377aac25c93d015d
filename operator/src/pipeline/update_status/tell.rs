//! Events: one for each condition whose reason changed, where people should know, and for the steps of a rollout.

use super::Clerk;
use crate::events::Note;
use crate::pipeline::plan::Progress;
use helios_crds::kube::Condition;
use k8s_openapi::api::core::v1::ObjectReference;

impl Clerk<'_> {
    /// An event for each condition whose reason changed, where people should know.
    pub(super) fn tell(
        &mut self,
        key: &str,
        object: &ObjectReference,
        before: &[Condition],
        after: &[Condition],
    ) {
        for c in after {
            let Some(type_) = ["Ready", "Degraded", "Stalled"]
                .into_iter()
                .find(|t| *t == c.type_)
            else {
                continue;
            };
            let old = before.iter().find(|b| b.type_ == c.type_);
            let good = (c.status == "True") == (type_ == "Ready");
            // Nothing to tell while all was well and is.
            if old.is_none() && good && type_ != "Ready"
                || old.is_some_and(|o| o.reason == c.reason)
            {
                continue;
            }
            let told = self
                .memory
                .told
                .insert((key.into(), type_), c.reason.clone());
            if told.as_deref() == Some(c.reason.as_str()) {
                continue;
            }
            // What ends well is told by Ready alone.
            if good && type_ != "Ready" {
                continue;
            }
            self.notes.tell(Note {
                object: object.clone(),
                warning: !good,
                reason: c.reason.clone(),
                words: c.message.clone(),
            });
        }
    }

    pub(super) fn tell_rollout(&mut self, strategy: &str, object: &ObjectReference) {
        for (_, pod) in self.applied.struck.iter().filter(|(s, _)| s == strategy) {
            self.notes.tell(Note {
                object: object.clone(),
                warning: true,
                reason: "WorkerStruckOff".into(),
                words: format!(
                    "the node of {pod} is lost: the pod was struck off and is started elsewhere"
                ),
            });
        }
        let Some(d) = self.plan.documents.get(strategy) else {
            return;
        };
        let (reason, words) = match d.progress {
            Progress::Settled | Progress::RolledBack => return,
            Progress::Soaking => ("RolloutStarted", "canary symbols run the change first"),
            Progress::Promoted => ("RolloutPromoted", "all symbols run the change"),
        };
        let told = self.memory.told.insert(
            (strategy.into(), "Rollout"),
            format!("{reason} {}", d.document.generation),
        );
        let now = format!("{reason} {}", d.document.generation);
        // What was promoted before this process began is no news.
        if told.as_deref() != Some(now.as_str())
            && (told.is_some() || d.progress == Progress::Soaking)
        {
            self.notes.tell(Note {
                object: object.clone(),
                warning: false,
                reason: reason.into(),
                words: words.into(),
            });
        }
    }
}
