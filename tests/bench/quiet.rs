//! A minute in which nothing happens.

use anyhow::Result;
use serde::Serialize;
use std::time::Duration;

use crate::requests::{Count, is_write};
use crate::subject::Subject;
use crate::usage::cpu_seconds;

const MINUTE: Duration = Duration::from_mins(1);

/// What the operator did in it.
#[derive(Serialize, Clone, Debug, Default)]
pub struct Quiet {
    /// But watches, the Lease, and calls of servers.
    pub requests: usize,
    pub writes: usize,
    pub cpu_seconds: f64,
    pub rss_mib: f64,
}

/// Watches for a minute.
pub async fn a_minute(subject: &Subject) -> Result<Quiet> {
    let (mark, before) = (subject.log.mark()?, cpu_seconds(subject.pid()?)?);
    tokio::time::sleep(MINUTE).await;
    let requests = subject.log.since(mark)?;
    let count = Count::of(&requests);
    let usage = subject.usage()?;
    Ok(Quiet {
        requests: count.writes() + count.reads,
        writes: requests.iter().filter(|it| is_write(it)).count(),
        cpu_seconds: usage.cpu_seconds - before,
        rss_mib: usage.rss_mib,
    })
}
