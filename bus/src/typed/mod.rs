//! Core's messages on a bus: what workers and coordinators call.

mod questions;
mod streams;
#[cfg(test)]
mod tests;

pub use questions::{AdminQuestion, AdminServer, GrantQuestion, GrantServer};
pub use streams::{ParamsNews, ParamsWatch, Typed, TypedWatch};

use crate::codec::{Codec, Refused, to_bytes};
use crate::{Bus, BusError, subject};
use helios_core::messages::{
    AccountSnapshot, AdminReply, AdminRequest, Alert, Command, Fence, GrantReply, GrantRequest,
    ParamsDocument, WorkerReport,
};
use std::sync::Arc;
use std::time::Duration;

/// The bus of one account.
#[derive(Clone, Debug)]
pub struct AccountBus {
    bus: Arc<dyn Bus>,
    account: String,
    codec: Codec,
}

impl AccountBus {
    /// For the account `namespace/name`.
    pub fn new(bus: Arc<dyn Bus>, account: impl Into<String>) -> Self {
        Self {
            bus,
            account: account.into(),
            codec: Codec::default(),
        }
    }

    /// `namespace/name` of the account.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The transport.
    pub fn transport(&self) -> &Arc<dyn Bus> {
        &self.bus
    }

    /// Writes from now on in the lowest schema that any peer reports.
    pub fn speak(&self, schema: u32) {
        self.codec.speak(schema);
    }

    /// Messages dropped since start because they were none.
    pub fn refused(&self) -> Refused {
        self.codec.refused()
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
        let answer = self
            .bus
            .request(&s, self.codec.encode(&s, request)?, timeout)
            .await?;
        self.codec.decode(&s, &answer)
    }

    /// The coordinator answers grant questions.
    ///
    /// # Errors
    /// The bus is closed.
    pub async fn serve_grants(&self) -> Result<GrantServer, BusError> {
        Ok(GrantServer {
            server: self.bus.serve(&subject::grants(&self.account)).await?,
            codec: self.codec.clone(),
        })
    }

    /// A worker reports.
    ///
    /// # Errors
    /// The bus is closed.
    pub async fn report(&self, report: &WorkerReport) -> Result<(), BusError> {
        let s = subject::report(&self.account, &report.symbol);
        self.bus.publish(&s, self.codec.encode(&s, report)?).await
    }

    /// All reports of the account, each of the worker on whose subject it came and of nobody else.
    ///
    /// # Errors
    /// The bus is closed.
    pub async fn reports(&self) -> Result<Typed<WorkerReport>, BusError> {
        Ok(Typed::new(
            self.codec.clone(),
            self.bus.subscribe(&subject::reports(&self.account)).await?,
        )
        .only(|subject, r: &WorkerReport| {
            subject::is_of(subject, &r.symbol)
                && r.closed
                    .iter()
                    .all(|t| t.symbol == r.symbol && t.strategy == r.strategy)
        }))
    }

    /// The coordinator commands a worker.
    ///
    /// # Errors
    /// The bus is closed.
    pub async fn command(&self, symbol: &str, command: &Command) -> Result<(), BusError> {
        let s = subject::command(&self.account, symbol);
        self.bus.publish(&s, self.codec.encode(&s, command)?).await
    }

    /// Commands to one symbol's worker.
    ///
    /// # Errors
    /// The bus is closed.
    pub async fn commands(&self, symbol: &str) -> Result<Typed<Command>, BusError> {
        Ok(Typed::new(
            self.codec.clone(),
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
        self.bus.publish(&s, self.codec.encode(&s, alert)?).await
    }

    /// Alerts of the account.
    ///
    /// # Errors
    /// The bus is closed.
    pub async fn alerts(&self) -> Result<Typed<Alert>, BusError> {
        Ok(Typed::new(
            self.codec.clone(),
            self.bus.subscribe(&subject::alerts(&self.account)).await?,
        ))
    }

    /// A person asks the leader.
    ///
    /// # Errors
    /// Nobody leads, no answer in time, or one that is none.
    pub async fn ask_admin(
        &self,
        request: &AdminRequest,
        timeout: Duration,
    ) -> Result<AdminReply, BusError> {
        let s = subject::admin(&self.account);
        let bytes = self.codec.encode(&s, request)?;
        let answer = self.bus.request(&s, bytes, timeout).await?;
        self.codec.decode(&s, &answer)
    }

    /// The leader hears persons.
    ///
    /// # Errors
    /// The bus is closed.
    pub async fn serve_admin(&self) -> Result<AdminServer, BusError> {
        Ok(AdminServer {
            server: self.bus.serve(&subject::admin(&self.account)).await?,
            codec: self.codec.clone(),
        })
    }

    /// The leader writes the fence over its own last revision (0: there is none); returns the new revision.
    ///
    /// # Errors
    /// [`BusError::WrongRevision`] when somebody else wrote, or the store went back.
    pub async fn write_fence(&self, expected: u64, fence: &Fence) -> Result<u64, BusError> {
        let k = subject::fence_key(&self.account);
        let bytes = self.codec.encode(&k, fence)?;
        self.bus.compare_and_swap(&k, expected, bytes).await
    }

    /// The fence as it stands, with its revision; `None` when there is none. One that can't be read counts as written by nobody.
    ///
    /// # Errors
    /// The bus does not answer.
    pub async fn read_fence(&self) -> Result<Option<(Fence, u64)>, BusError> {
        let k = subject::fence_key(&self.account);
        let entry = self.bus.get(&k).await?;
        Ok(entry.map(|e| {
            let fence = self.codec.decode(&k, &e.value).unwrap_or_default();
            (fence, e.revision)
        }))
    }

    /// The fence, then every newer one.
    ///
    /// # Errors
    /// The bus is closed.
    pub async fn fences(&self) -> Result<TypedWatch<Fence>, BusError> {
        Ok(TypedWatch::new(
            self.codec.clone(),
            self.bus.watch(&subject::fence_key(&self.account)).await?,
        ))
    }

    /// The leader publishes the snapshot.
    ///
    /// # Errors
    /// The bus is closed.
    pub async fn publish_snapshot(&self, snapshot: &AccountSnapshot) -> Result<(), BusError> {
        let k = subject::snapshot_key(&self.account);
        self.bus
            .put(&k, self.codec.encode(&k, snapshot)?)
            .await
            .map(drop)
    }

    /// The snapshot, then every newer one.
    ///
    /// # Errors
    /// The bus is closed.
    pub async fn snapshots(&self) -> Result<TypedWatch<AccountSnapshot>, BusError> {
        Ok(TypedWatch::new(
            self.codec.clone(),
            self.bus
                .watch(&subject::snapshot_key(&self.account))
                .await?,
        ))
    }

    /// Publishes a strategy's parameters: the document's own bytes, as in its file or ConfigMap, without an envelope.
    ///
    /// # Errors
    /// The bus is closed.
    pub async fn publish_params(
        &self,
        strategy: &str,
        document: &ParamsDocument,
    ) -> Result<(), BusError> {
        let k = subject::params_key(&self.account, strategy);
        self.bus.put(&k, to_bytes(&k, document)?).await.map(drop)
    }

    /// A strategy's parameters, then every newer document.
    ///
    /// # Errors
    /// The bus is closed.
    pub async fn params(&self, strategy: &str) -> Result<ParamsWatch, BusError> {
        let k = subject::params_key(&self.account, strategy);
        Ok(ParamsWatch {
            inner: self.bus.watch(&k).await?,
            codec: self.codec.clone(),
        })
    }

    /// The parameters published last, with their revision; `None` when there are none or they can't be read.
    ///
    /// # Errors
    /// The bus does not answer.
    pub async fn read_params(&self, strategy: &str) -> Result<Option<ParamsDocument>, BusError> {
        let k = subject::params_key(&self.account, strategy);
        let entry = self.bus.get(&k).await?;
        Ok(entry.and_then(|e| serde_json::from_slice(&e.value).ok()))
    }
}
