//! Core's messages on a bus: what workers and coordinators call.

use crate::{Bus, BusError, Server, Subscription, Watch, subject};
use bytes::Bytes;
use helios_core::messages::{
    AccountSnapshot, Alert, Command, GrantReply, GrantRequest, ParamsDocument, WorkerReport,
};
use serde::{Serialize, de::DeserializeOwned};
use std::sync::Arc;
use std::time::Duration;

/// Encodes a message; core's types always can be.
fn encode<T: Serialize>(what: &str, value: &T) -> Result<Bytes, BusError> {
    serde_json::to_vec(value)
        .map(Bytes::from)
        .map_err(|e| BusError::Malformed {
            subject: what.into(),
            why: e.to_string(),
        })
}

fn decode<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, BusError> {
    serde_json::from_slice(bytes).map_err(|e| BusError::Malformed {
        subject: what.into(),
        why: e.to_string(),
    })
}

/// The bus of one account.
#[derive(Clone, Debug)]
pub struct AccountBus {
    bus: Arc<dyn Bus>,
    account: String,
}

impl AccountBus {
    /// For the account `namespace/name`.
    pub fn new(bus: Arc<dyn Bus>, account: impl Into<String>) -> Self {
        Self {
            bus,
            account: account.into(),
        }
    }

    /// A worker asks for permission.
    ///
    /// # Errors
    /// No answer in time, nobody there, or an answer that is none: the worker's grant then runs out by itself.
    pub async fn ask_grant(
        &self,
        request: &GrantRequest,
        timeout: Duration,
    ) -> Result<GrantReply, BusError> {
        let s = subject::grant(&self.account, &request.symbol);
        let answer = self.bus.request(&s, encode(&s, request)?, timeout).await?;
        decode(&s, &answer)
    }

    /// The coordinator answers grant questions.
    ///
    /// # Errors
    /// The bus is closed.
    pub async fn serve_grants(&self) -> Result<GrantServer, BusError> {
        Ok(GrantServer {
            server: self.bus.serve(&subject::grants(&self.account)).await?,
            malformed: 0,
        })
    }

    /// A worker reports.
    ///
    /// # Errors
    /// The bus is closed.
    pub async fn report(&self, report: &WorkerReport) -> Result<(), BusError> {
        let s = subject::report(&self.account, &report.symbol);
        self.bus.publish(&s, encode(&s, report)?).await
    }

    /// All reports of the account.
    ///
    /// # Errors
    /// The bus is closed.
    pub async fn reports(&self) -> Result<Typed<WorkerReport>, BusError> {
        Ok(Typed::new(
            self.bus.subscribe(&subject::reports(&self.account)).await?,
        ))
    }

    /// The coordinator commands a worker.
    ///
    /// # Errors
    /// The bus is closed.
    pub async fn command(&self, symbol: &str, command: &Command) -> Result<(), BusError> {
        let s = subject::command(&self.account, symbol);
        self.bus.publish(&s, encode(&s, command)?).await
    }

    /// Commands to one symbol's worker.
    ///
    /// # Errors
    /// The bus is closed.
    pub async fn commands(&self, symbol: &str) -> Result<Typed<Command>, BusError> {
        Ok(Typed::new(
            self.bus
                .subscribe(&subject::command(&self.account, symbol))
                .await?,
        ))
    }

    /// Anybody alerts.
    ///
    /// # Errors
    /// The bus is closed.
    pub async fn alert(&self, alert: &Alert) -> Result<(), BusError> {
        let s = subject::alerts(&self.account);
        self.bus.publish(&s, encode(&s, alert)?).await
    }

    /// Alerts of the account.
    ///
    /// # Errors
    /// The bus is closed.
    pub async fn alerts(&self) -> Result<Typed<Alert>, BusError> {
        Ok(Typed::new(
            self.bus.subscribe(&subject::alerts(&self.account)).await?,
        ))
    }

    /// The leader publishes the snapshot.
    ///
    /// # Errors
    /// The bus is closed.
    pub async fn publish_snapshot(&self, snapshot: &AccountSnapshot) -> Result<(), BusError> {
        let k = subject::snapshot_key(&self.account);
        self.bus.put(&k, encode(&k, snapshot)?).await.map(drop)
    }

    /// The snapshot, then every newer one.
    ///
    /// # Errors
    /// The bus is closed.
    pub async fn snapshots(&self) -> Result<TypedWatch<AccountSnapshot>, BusError> {
        Ok(TypedWatch::new(
            self.bus
                .watch(&subject::snapshot_key(&self.account))
                .await?,
        ))
    }

    /// Publishes a strategy's parameters.
    ///
    /// # Errors
    /// The bus is closed.
    pub async fn publish_params(
        &self,
        strategy: &str,
        document: &ParamsDocument,
    ) -> Result<(), BusError> {
        let k = subject::params_key(&self.account, strategy);
        self.bus.put(&k, encode(&k, document)?).await.map(drop)
    }

    /// A strategy's parameters, then every newer document.
    ///
    /// # Errors
    /// The bus is closed.
    pub async fn params(&self, strategy: &str) -> Result<TypedWatch<ParamsDocument>, BusError> {
        Ok(TypedWatch::new(
            self.bus
                .watch(&subject::params_key(&self.account, strategy))
                .await?,
        ))
    }
}

/// Messages of one type; malformed ones are counted and skipped.
pub struct Typed<T> {
    inner: Box<dyn Subscription>,
    malformed: u64,
    of: std::marker::PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Typed<T> {
    fn new(inner: Box<dyn Subscription>) -> Self {
        Self {
            inner,
            malformed: 0,
            of: std::marker::PhantomData,
        }
    }

    /// Next well-formed message; `None` when the bus is closed. Cancel-safe.
    pub async fn next(&mut self) -> Option<T> {
        loop {
            let m = self.inner.next().await?;
            match decode(&m.subject, &m.payload) {
                Ok(v) => return Some(v),
                Err(e) => {
                    self.malformed += 1;
                    tracing::warn!(error = %e, "message skipped");
                }
            }
        }
    }

    /// Messages skipped because they were none.
    pub fn malformed(&self) -> u64 {
        self.malformed
    }
}

/// Values of one type under a watched key; malformed ones are counted and skipped.
pub struct TypedWatch<T> {
    inner: Box<dyn Watch>,
    malformed: u64,
    of: std::marker::PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> TypedWatch<T> {
    fn new(inner: Box<dyn Watch>) -> Self {
        Self {
            inner,
            malformed: 0,
            of: std::marker::PhantomData,
        }
    }

    /// Next well-formed value with its revision; `None` when the bus is closed. Cancel-safe.
    pub async fn next(&mut self) -> Option<(T, u64)> {
        loop {
            let e = self.inner.next().await?;
            match decode(&e.key, &e.value) {
                Ok(v) => return Some((v, e.revision)),
                Err(e) => {
                    self.malformed += 1;
                    tracing::warn!(error = %e, "value skipped");
                }
            }
        }
    }

    /// Values skipped because they were none.
    pub fn malformed(&self) -> u64 {
        self.malformed
    }
}

/// Grant questions of an account; malformed ones are counted and dropped, which tells the asker at once.
pub struct GrantServer {
    server: Box<dyn Server>,
    malformed: u64,
}

/// One grant question with the way back.
pub struct GrantQuestion {
    /// What is asked.
    pub request: GrantRequest,
    question: crate::Question,
}

impl GrantQuestion {
    /// Answers it.
    ///
    /// # Errors
    /// The reply cannot be encoded.
    pub fn answer(self, reply: &GrantReply) -> Result<(), BusError> {
        let bytes = encode(&self.question.subject, reply)?;
        self.question.answer(bytes);
        Ok(())
    }
}

impl GrantServer {
    /// Next question; `None` when the bus is closed. Cancel-safe.
    pub async fn next(&mut self) -> Option<GrantQuestion> {
        loop {
            let question = self.server.next().await?;
            match decode::<GrantRequest>(&question.subject, &question.payload) {
                // The subject is what permissions bind: a question about another symbol is no question.
                Ok(request)
                    if question.subject.rsplit('.').next()
                        == Some(subject::token(&request.symbol).as_str()) =>
                {
                    return Some(GrantQuestion { request, question });
                }
                Ok(_) => self.malformed += 1,
                Err(e) => {
                    self.malformed += 1;
                    tracing::warn!(error = %e, "grant question dropped");
                }
            }
        }
    }

    /// Questions dropped because they were none.
    pub fn malformed(&self) -> u64 {
        self.malformed
    }
}
