//! What is answered: workers' questions for grants, persons' requests.

use crate::codec::Codec;
use crate::{BusError, Server, subject};
use helios_core::messages::{AdminReply, AdminRequest, GrantReply, GrantRequest, Versioned};
use serde::Serialize;

/// Grant questions of an account; malformed ones are counted and dropped, which tells the asker at once.
pub struct GrantServer {
    pub(super) server: Box<dyn Server>,
    pub(super) codec: Codec,
}

/// One grant question with the way back.
pub struct GrantQuestion {
    /// What is asked.
    pub request: GrantRequest,
    question: crate::Question,
    codec: Codec,
}

impl GrantQuestion {
    /// Answers it.
    ///
    /// # Errors
    /// The reply cannot be encoded.
    pub fn answer(self, reply: &GrantReply) -> Result<(), BusError> {
        answer(&self.codec, self.question, reply)
    }
}

impl GrantServer {
    /// Next question; `None` when the bus is closed. Cancel-safe.
    pub async fn next(&mut self) -> Option<GrantQuestion> {
        loop {
            let question = self.server.next().await?;
            let decoded = self
                .codec
                .decode::<GrantRequest>(&question.subject, &question.payload);
            match decoded {
                // The subject is what permissions bind: a question about another symbol is no question.
                Ok(request) if subject::is_of(&question.subject, &request.symbol) => {
                    let codec = self.codec.clone();
                    return Some(GrantQuestion {
                        request,
                        question,
                        codec,
                    });
                }
                Ok(_) => self.codec.count_malformed(),
                Err(e) => tracing::warn!(error = %e, "grant question dropped"),
            }
        }
    }
}

/// What persons ask the leader.
pub struct AdminServer {
    pub(super) server: Box<dyn Server>,
    pub(super) codec: Codec,
}

/// One person's request with the way back.
pub struct AdminQuestion {
    /// What is asked.
    pub request: AdminRequest,
    question: crate::Question,
    codec: Codec,
}

impl AdminQuestion {
    /// Answers it.
    ///
    /// # Errors
    /// The reply cannot be encoded.
    pub fn answer(self, reply: &AdminReply) -> Result<(), BusError> {
        answer(&self.codec, self.question, reply)
    }
}

impl AdminServer {
    /// Next request; `None` when the bus is closed. Cancel-safe.
    pub async fn next(&mut self) -> Option<AdminQuestion> {
        loop {
            let question = self.server.next().await?;
            match self.codec.decode(&question.subject, &question.payload) {
                Ok(request) => {
                    return Some(AdminQuestion {
                        request,
                        question,
                        codec: self.codec.clone(),
                    });
                }
                Err(e) => tracing::warn!(error = %e, "a person's request dropped"),
            }
        }
    }
}

fn answer<T: Serialize + Versioned>(
    codec: &Codec,
    question: crate::Question,
    reply: &T,
) -> Result<(), BusError> {
    let bytes = codec.encode(&question.subject, reply)?;
    question.answer(bytes);
    Ok(())
}
