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

/// It is busy as long as it takes more than a tenth of a processor in such a while: not for the Lease alone.
const WHILE: Duration = Duration::from_millis(500);
const TENTH: f64 = 0.05;

/// What the new process did.
#[derive(Serialize, Clone, Debug, Default)]
pub struct Restart {
    pub requests: usize,
    pub writes: usize,
    /// Until it was done.
    pub busy_seconds: f64,
    /// Of processor time, until then.
    pub cpu_seconds: f64,
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
    let (busy, cpu) = until_idle(&used);
    let requests = subject.log.since(mark)?;
    let count = Count::of(&requests);
    Ok(Restart {
        requests: count.writes() + count.reads,
        writes: requests.iter().filter(|it| is_write(it)).count(),
        busy_seconds: busy.as_secs_f64(),
        cpu_seconds: cpu,
        peak_rss_mib: subject.usage()?.peak_rss_mib,
    })
}

/// When it was busy for the last time, and what it had used by then.
fn until_idle(used: &[(Duration, f64)]) -> (Duration, f64) {
    let before = |at: Duration| used.iter().rfind(|(then, _)| *then + WHILE <= at).map_or(0.0, |(_, cpu)| *cpu);
    let last = used.iter().rfind(|(at, cpu)| cpu - before(*at) > TENTH).map_or(0.0, |(_, cpu)| *cpu);
    // In that while, the work may have ended long before.
    used.iter().find(|(_, cpu)| *cpu >= last).copied().unwrap_or_default()
}
