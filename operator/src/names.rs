//! Names of what the operator makes, and the labels, annotations and finalizers it marks objects with.
//!
//! Names are fixed, never generated: the API server's uniqueness of names is what keeps a second worker of a symbol, or a
//! second coordinator's lock, from existing. All fit into 63 characters for account and strategy names of up to 40.

/// Field manager of everything the operator applies.
pub const MANAGER: &str = "helios-operator";
/// Marks what the operator made.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// What a pod is.
pub const COMPONENT: &str = "app.kubernetes.io/component";
/// Name of the account.
pub const ACCOUNT: &str = "helios.trading/account";
/// Name of the strategy.
pub const STRATEGY: &str = "helios.trading/strategy";
/// Symbol, as the exchange writes it: an annotation, as a label takes no such names as `１２３USDT`.
pub const SYMBOL: &str = "helios.trading/symbol";
/// Hash of what a pod was built from.
pub const SPEC_HASH: &str = "helios.trading/spec-hash";
/// When the canaries of the published document began, RFC 3339.
pub const ROLLOUT_SINCE: &str = "helios.trading/rollout-since";
/// Why the published document took a change back, in words.
pub const ROLLOUT_BREACH: &str = "helios.trading/rollout-breach";
/// Where the canaries of the published document stood when they began: what they had realised, and their alarms.
pub const ROLLOUT_BASELINE: &str = "helios.trading/rollout-baseline";
/// On a strategy that is being deleted: leave its positions to their stops, now.
pub const SKIP_FLATTEN: &str = "helios.trading/skip-flatten";
/// Keeps a strategy until its positions are left as it says.
pub const STRATEGY_FINALIZER: &str = "helios.trading/positions";
/// Keeps an account until its coordinator is gone.
pub const ACCOUNT_FINALIZER: &str = "helios.trading/coordinator";

/// Component of a worker pod.
pub const WORKER: &str = "worker";
/// Component of a coordinator pod.
pub const COORDINATOR: &str = "coordinator";
/// Component of the pod of a simulated exchange.
pub const VENUE: &str = "venue";
/// Component of a parameters' ConfigMap.
pub const PARAMETERS: &str = "parameters";

/// Key of the parameters document in a strategy's ConfigMap.
pub const DOCUMENT_KEY: &str = "params.json";
/// Key of the manifests in a strategy's ConfigMap.
pub const MANIFESTS_KEY: &str = "manifests.yaml";

/// Deployment, Service, ServiceAccount, RoleBinding, Lease, PodDisruptionBudget and NetworkPolicy of an account's coordinator.
pub fn coordinator(account: &str) -> String {
    format!("hc-{account}")
}

/// ServiceAccount and NetworkPolicy of an account's workers.
pub fn workers(account: &str) -> String {
    format!("hw-{account}")
}

/// Deployment, Service and NetworkPolicy of an account's simulated exchange.
pub fn venue(account: &str) -> String {
    format!("hv-{account}")
}

/// ConfigMap of what the guardian must not forget.
pub fn guardian(account: &str) -> String {
    helios_core::plan::guardian_name(account)
}

/// ConfigMap and PodDisruptionBudget of a strategy.
pub fn strategy(strategy: &str) -> String {
    format!("hs-{strategy}")
}

/// `namespace` and `name` of a full name.
pub fn split(full: &str) -> (&str, &str) {
    full.split_once('/').unwrap_or(("default", full))
}
