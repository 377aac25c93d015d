//! How long texts and lists may be: without a bound an API server takes the worst for granted and refuses a rule as too dear.
//!
//! Each bound is generous, and [`crate::validate`] has it too. A status is bounded by what writes it.

/// A text's place and its characters at most.
pub(super) const TEXTS: [(&str, u64); 24] = [
    ("spec.confirmLive", 63),
    ("spec.credentialsSecretRef.name", 253),
    ("spec.simulated.url", 2048),
    ("spec.simulated.profile", 63),
    ("spec.endpoints.rest", 2048),
    ("spec.endpoints.wsPublic", 2048),
    ("spec.endpoints.wsMarket", 2048),
    ("spec.endpoints.wsPrivate", 2048),
    ("spec.endpoints.wsApi", 2048),
    ("spec.monitoring.otlpEndpoint", 2048),
    ("spec.monitoring.azureConnectionStringSecretRef.name", 253),
    ("spec.monitoring.azureConnectionStringSecretRef.key", 253),
    ("spec.accountRef.name", 253),
    ("spec.watchlist.quoteAsset", 40),
    ("spec.watchlist.include[]", 40),
    ("spec.watchlist.exclude[]", 40),
    ("spec.watchlist.symbols[]", 40),
    ("spec.signals.model.name", 253),
    ("spec.signals.model.source", 2048),
    ("spec.signals.model.sha256", 64),
    ("spec.state.redis.urlSecretRef.name", 253),
    ("spec.record.path", 1024),
    ("status.conditions[].message", 32_768),
    ("status.conditions[].reason", 1024),
];

/// A list's place and its entries at most.
pub(super) const LISTS: [(&str, u64); 6] = [
    ("spec.watchlist.include", 200),
    ("spec.watchlist.exclude", 200),
    ("spec.watchlist.symbols", 200),
    ("spec.regimes", 16),
    ("status.conditions", 32),
    ("status.latches", 64),
];

/// A map's place and its entries at most.
pub(super) const MAPS: [(&str, u64); 2] = [
    ("spec.worker.resources.requests", 16),
    ("spec.worker.resources.limits", 16),
];

/// A list's place and the field that tells its entries apart.
pub(super) const KEYED: [(&str, &str); 2] =
    [("status.conditions", "type"), ("status.taken", "symbol")];
