//! What a restart costs.

use anyhow::Result;
use serde::Serialize;
use std::time::{Duration, Instant};

use crate::requests::{Count, is_write};
use crate::subject::Subject;
use crate::usage::cpu_seconds;

/// For how long it is looked at: more than any start takes, and less than what is done now and then.
const WATCHED: Duration = Duration::from_secs(20);

/// Between two looks.
const STEP: Duration = Duration::from_millis(50);

/// What is left of the work when it counts as done, of processor time: two looks at the Lease.
const REST: f64 = 0.03;

/// What the new process did.
#[derive(Serialize, Clone, Debug, Default)]
pub struct Restart {
    pub requests: usize,
    pub writes: usize,
    pub cpu_seconds: f64,
    /// Until it was done.
    pub busy_seconds: f64,
    pub peak_rss_mib: f64,
}

/// Stops the operator in good order and starts it again.
pub async fn restart(subject: &mut Subject) -> Result<Restart> {
    subject.stop().await?;
    let mark = subject.log.mark()?;
    subject.start_again()?;
    let (began, pid) = (Instant::now(), subject.pid()?);
    let mut used = Vec::new();
    while began.elapsed() < WATCHED {
        tokio::time::sleep(STEP).await;
        used.push((began.elapsed(), cpu_seconds(pid)?));
    }
    let all = used.last().map_or(0.0, |(_, cpu)| *cpu);
    let busy = used.iter().find(|(_, cpu)| *cpu >= all - REST).map_or(WATCHED, |(at, _)| *at);
    let requests = subject.log.since(mark)?;
    let count = Count::of(&requests);
    Ok(Restart {
        requests: count.writes() + count.reads,
        writes: requests.iter().filter(|it| is_write(it)).count(),
        cpu_seconds: all,
        busy_seconds: busy.as_secs_f64(),
        peak_rss_mib: subject.usage()?.peak_rss_mib,
    })
}
