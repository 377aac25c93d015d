//! What is listened to: messages of one type, values of one key, parameters.

use crate::codec::Codec;
use crate::{Entry, Subscription, Watch};
use helios_core::messages::{ParamsDocument, SCHEMA};
use serde::de::DeserializeOwned;

/// What came under a strategy's parameters key.
#[derive(Clone, Debug, PartialEq)]
pub enum ParamsNews {
    /// A document.
    Document(Box<ParamsDocument>),
    /// A document of a schema that is not understood here: whoever runs by it may not add exposure.
    Unknown {
        /// Its schema.
        schema: u32,
    },
}

impl ParamsNews {
    /// What stands in the bytes of a document, wherever they come from.
    ///
    /// # Errors
    /// It is no document at all.
    pub fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(serde::Deserialize)]
        struct Version {
            schema: u32,
        }
        serde_json::from_slice(bytes)
            .map(|d| Self::Document(Box::new(d)))
            .or_else(|e| match serde_json::from_slice::<Version>(bytes) {
                Ok(Version { schema }) if schema > SCHEMA => Ok(Self::Unknown { schema }),
                _ => Err(e),
            })
    }
}

/// A strategy's parameters; what is no document at all is counted and skipped.
pub struct ParamsWatch {
    pub(super) inner: Box<dyn Watch>,
    pub(super) codec: Codec,
}

impl ParamsWatch {
    /// Next document; `None` when the bus is closed. Cancel-safe.
    pub async fn next(&mut self) -> Option<ParamsNews> {
        loop {
            let Entry { key, value, .. } = self.inner.next().await?;
            match ParamsNews::parse(&value) {
                Ok(news) => return Some(news),
                Err(e) => {
                    self.codec.count_malformed();
                    tracing::warn!(key, error = %e, "parameters skipped");
                }
            }
        }
    }
}

/// Messages of one type; malformed ones are counted and skipped.
pub struct Typed<T> {
    inner: Box<dyn Subscription>,
    codec: Codec,
    /// May this stand on that subject? Permissions bind the subject only, so what speaks for another is no message.
    fits: fn(&str, &T) -> bool,
}

impl<T: DeserializeOwned> Typed<T> {
    pub(super) fn new(codec: Codec, inner: Box<dyn Subscription>) -> Self {
        Self {
            inner,
            codec,
            fits: |_, _| true,
        }
    }

    /// Only messages that `fits` takes on their subject; others count as malformed.
    pub(super) fn only(mut self, fits: fn(&str, &T) -> bool) -> Self {
        self.fits = fits;
        self
    }

    /// Next well-formed message; `None` when the bus is closed. Cancel-safe.
    pub async fn next(&mut self) -> Option<T> {
        loop {
            let m = self.inner.next().await?;
            match self.codec.decode(&m.subject, &m.payload) {
                Ok(v) if (self.fits)(&m.subject, &v) => return Some(v),
                Ok(_) => {
                    self.codec.count_malformed();
                    tracing::warn!(
                        subject = m.subject,
                        "message skipped: it speaks for another"
                    );
                }
                Err(e) => tracing::warn!(error = %e, "message skipped"),
            }
        }
    }

    /// Messages lost because this subscriber was too slow.
    pub fn lost(&self) -> u64 {
        self.inner.lost()
    }
}

/// Values of one type under a watched key; malformed ones are counted and skipped.
pub struct TypedWatch<T> {
    inner: Box<dyn Watch>,
    codec: Codec,
    of: std::marker::PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> TypedWatch<T> {
    pub(super) fn new(codec: Codec, inner: Box<dyn Watch>) -> Self {
        Self {
            inner,
            codec,
            of: std::marker::PhantomData,
        }
    }

    /// Next well-formed value with its revision; `None` when the bus is closed. Cancel-safe.
    pub async fn next(&mut self) -> Option<(T, u64)> {
        loop {
            let e = self.inner.next().await?;
            match self.codec.decode(&e.key, &e.value) {
                Ok(v) => return Some((v, e.revision)),
                Err(e) => tracing::warn!(error = %e, "value skipped"),
            }
        }
    }
}
