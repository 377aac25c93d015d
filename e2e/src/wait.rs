//! Waiting for what a cluster does in its own time: look, and look again, until it is so or its time is up.
//!
//! A look that fails says what it saw instead; the last of those words is what a test that gave up prints.

use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// Waits until `look` succeeds and returns what it found. `what` reads as "waited for ...".
pub async fn wait_for<T>(
    what: &str,
    limit: Duration,
    mut look: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let start = Instant::now();
    let mut seen = "nothing".to_owned();
    loop {
        // A look that hangs must not outlast the limit either.
        let left = limit.saturating_sub(start.elapsed()).max(LOOK);
        match tokio::time::timeout(left, look()).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(e)) => seen = format!("{e:#}"),
            // The last look is cut off by the limit: what the one before saw says more.
            Err(_) => seen += " (then a look did not come back)",
        }
        if start.elapsed() >= limit {
            bail!(
                "waited {:.1} s for {what}; last seen: {seen}",
                start.elapsed().as_secs_f64()
            );
        }
        tokio::time::sleep(LOOK).await;
    }
}
