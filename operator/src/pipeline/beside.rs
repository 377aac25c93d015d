//! Calls beside each other: objects of different strategies have nothing to wait for.

use futures_util::{StreamExt, stream};

/// Calls at once for one account.
pub(in crate::pipeline) const AT_ONCE: usize = 16;

/// The results of all calls, in the order in which they ended. None is begun before there is room for it.
pub(in crate::pipeline) async fn all<F: Future>(calls: Vec<F>) -> Vec<F::Output> {
    stream::iter(calls)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await
}
