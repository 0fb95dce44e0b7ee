//! What the kernel knows of a process.

use anyhow::{Context, Result};
use serde::Serialize;

/// Clock ticks a second in `/proc`: the same on every Linux that runs Rust's standard library.
const TICKS: f64 = 100.0;

/// What a process has used up to now.
#[derive(Serialize, Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Of processor time, in all threads.
    pub cpu_seconds: f64,
    pub rss_mib: f64,
    pub peak_rss_mib: f64,
}

impl Usage {
    /// Of a process that runs.
    pub fn of(pid: u32) -> Result<Self> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("the process has ended")?;
        let mib = |field: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(field)?.split_whitespace().next());
            line.and_then(|it| it.parse::<f64>().ok()).map(|kib| kib / 1024.0).context("no such line of status")
        };
        Ok(Self { cpu_seconds: cpu_seconds(pid)?, rss_mib: mib("VmRSS:")?, peak_rss_mib: mib("VmHWM:")? })
    }
}

/// Fields 14 and 15 of `/proc/PID/stat`. Field 2 is a name, which may hold spaces.
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).context("the process has ended")?;
    let (_, fields) = stat.rsplit_once(')').context("an unknown form of stat")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(ticks / TICKS)
}
