//! Waiting for a condition instead of for a time.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

const INTERVAL: Duration = Duration::from_millis(50);

/// Polls `ready` until it says true. An error of `ready` means "not yet", and the last one is shown;
/// an error of `alive` (a component ended) stops the wait at once.
pub async fn until<Ready: Future<Output = Result<bool>>>(
    what: &str,
    limit: Duration,
    alive: impl Fn() -> Result<()>,
    ready: impl Fn() -> Ready,
) -> Result<()> {
    let start = Instant::now();
    loop {
        alive().with_context(|| format!("while waiting for {what}"))?;
        let answer = ready().await;
        if matches!(answer, Ok(true)) {
            return Ok(());
        }
        if start.elapsed() > limit {
            let gave_up = format!("gave up waiting for {what} after {} s", limit.as_secs());
            answer.context(gave_up.clone())?;
            bail!(gave_up);
        }
        tokio::time::sleep(INTERVAL).await;
    }
}
