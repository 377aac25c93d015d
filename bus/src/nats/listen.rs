//! Subscriptions and servers: a task each, which subscribes anew on every connection and feeds a bounded queue.
//!
//! Both are one listener that reads what arrives as messages or as questions. What the store was made to send never gets
//! that far: it is dropped here for all of them.

use super::Shared;
use super::link::{self, Link};
use super::queue::Queue;
use crate::auth::origin;
use crate::subject;
use crate::{BusError, Message, Question, Server, Subscription};
use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt};
use std::sync::Arc;

/// A task that ends with its owner.
#[derive(Debug)]
pub(super) struct Task(tokio::task::JoinHandle<()>);

impl Task {
    pub(super) fn of(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Gives `take` what arrives on `pattern`, on every connection, until the bus is closed.
async fn receive(
    shared: &Shared,
    pattern: &str,
    first: Option<(Arc<Link>, async_nats::Subscriber)>,
    take: impl Fn(&Arc<Link>, async_nats::Message),
) {
    let mut line = shared.line.subscribe();
    let mut current = first;
    let mut number = 0;
    loop {
        let (link, mut messages) = match current.take() {
            Some(c) => c,
            None => {
                let Some(link) = link::next(&mut line, number).await else {
                    return;
                };
                match link.client.subscribe(pattern.to_owned()).await {
                    Ok(s) => (link, s),
                    Err(_) => {
                        number = link.number;
                        continue;
                    }
                }
            }
        };
        number = link.number;
        loop {
            tokio::select! {
                biased;
                m = messages.next() => match m {
                    // What the store sent on is nobody's word, whatever it says.
                    Some(m) if origin::passes(m.headers.as_ref()) > 0 => {
                        tracing::warn!(subject = %m.subject, "a message that the store was made to send was dropped");
                    }
                    Some(m) => take(&link, m),
                    None => break,
                },
                () = link::ended(&mut line, number) => break,
            }
        }
    }
}

/// Subscribes at once when there is a connection, so that what is published next on it is heard.
async fn begin(
    shared: &Shared,
    pattern: &str,
) -> Result<Option<(Arc<Link>, async_nats::Subscriber)>, BusError> {
    let link = match link::up(&shared.line.subscribe()) {
        Ok(link) => link,
        Err(BusError::Closed) => return Err(BusError::Closed),
        Err(_) => return Ok(None),
    };
    match link.client.subscribe(pattern.to_owned()).await {
        Ok(s) => Ok(Some((link, s))),
        Err(e) if e.kind() == async_nats::SubscribeErrorKind::InvalidSubject => {
            Err(BusError::Malformed {
                subject: pattern.into(),
                why: "no pattern".into(),
            })
        }
        Err(_) => Ok(None),
    }
}

/// Reads what arrived as what is listened for; `None` drops it.
type Read<T> = fn(&Arc<Link>, async_nats::Message) -> Option<T>;

/// What arrives on a pattern, in a queue of its own.
pub(super) struct Listener<T> {
    queue: Arc<Queue<T>>,
    _task: Task,
}

impl<T: Send + 'static> Listener<T> {
    async fn start(shared: Arc<Shared>, pattern: &str, read: Read<T>) -> Result<Self, BusError> {
        let first = begin(&shared, pattern).await?;
        let queue = Arc::new(Queue::new(shared.config.queue));
        let (q, pattern) = (queue.clone(), pattern.to_owned());
        let task = Task::of(async move {
            receive(&shared, &pattern, first, |link, m| {
                let size = m.payload.len();
                if let Some(item) = read(link, m)
                    && q.push(item, size)
                {
                    shared.says.slow(&pattern);
                }
            })
            .await;
            q.close();
        });
        Ok(Self { queue, _task: task })
    }
}

/// Listens for messages.
pub(super) async fn messages(
    shared: Arc<Shared>,
    pattern: &str,
) -> Result<Listener<Message>, BusError> {
    Listener::start(shared, pattern, |_, m| {
        Some(Message {
            subject: m.subject.to_string(),
            payload: m.payload,
        })
    })
    .await
}

/// Listens for questions.
pub(super) async fn questions(
    shared: Arc<Shared>,
    pattern: &str,
) -> Result<Listener<Question>, BusError> {
    Listener::start(shared, pattern, question).await
}

fn question(link: &Arc<Link>, m: async_nats::Message) -> Option<Question> {
    // Without a way back it is no question.
    let back = m.reply?;
    // The asker names the way back: one that is not its own inbox would have us speak elsewhere with our permissions.
    if m.subject.starts_with("helios.") && !subject::answerable(&m.subject, &back) {
        tracing::warn!(subject = %m.subject, "a question that asks to be answered elsewhere was dropped");
        return None;
    }
    let link = link.clone();
    Some(Question {
        subject: m.subject.to_string(),
        payload: m.payload,
        answer: Box::new(move |answer| {
            // On the connection it came by: on a later one nobody waits. A full one loses it, as any network may.
            let _ = link.client.publish(back, answer).now_or_never();
        }),
    })
}

#[async_trait]
impl Subscription for Listener<Message> {
    async fn next(&mut self) -> Option<Message> {
        self.queue.pop().await
    }

    fn lost(&self) -> u64 {
        self.queue.lost()
    }
}

#[async_trait]
impl Server for Listener<Question> {
    async fn next(&mut self) -> Option<Question> {
        self.queue.pop().await
    }
}
