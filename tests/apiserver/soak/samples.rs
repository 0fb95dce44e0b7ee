//! What is measured of the operator during the soak, and what counts as flat.

use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::fmt::Write;

use crate::support::World;
use crate::support::operator::Operator;

/// By how much the last quarter may be above the second. In the first, caches and the allocator's pools
/// fill.
const FLAT: f64 = 1.1;

/// The operator at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub second: u64,
    /// Of the process's resident memory.
    pub kib: u64,
    pub tasks: u64,
    pub watches: u64,
    pub files: u64,
    pub servers: u64,
}

impl Sample {
    pub async fn take(world: &World, operator: &Operator, second: u64, servers: u64) -> Result<Self> {
        let process = format!("/proc/{}", operator.id()?);
        let status = std::fs::read_to_string(format!("{process}/status"))?;
        let kib = status.lines().find_map(|it| it.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
        let metrics = operator.get("/metrics").await?.1;
        Ok(Self {
            second,
            kib: kib.context("no resident memory")?,
            tasks: value(&metrics, "landfall_tasks ").context("no tasks")?,
            watches: watches(world).await?.values().sum(),
            files: std::fs::read_dir(format!("{process}/fd"))?.count() as u64,
            servers,
        })
    }
}

/// The value of the first line that begins with this.
pub fn value(metrics: &str, start: &str) -> Option<u64> {
    metrics.lines().find_map(|line| line.strip_prefix(start)?.trim().parse().ok())
}

/// Open watches in single namespaces, by resource: those of the operator, and of nobody else on a cluster
/// whose controllers watch everything.
pub async fn watches(world: &World) -> Result<BTreeMap<String, u64>> {
    let request = hyper::Request::get("/metrics").body(Vec::new())?;
    let metrics = world.admin.request_text(request).await?;
    let ours = metrics.lines().filter(|line| {
        line.starts_with("apiserver_longrunning_requests{")
            && line.contains("verb=\"WATCH\"")
            && line.contains("scope=\"namespace\"")
    });
    let parts = ours.filter_map(|line| {
        let resource = line.split_once("resource=\"")?.1.split_once('"')?.0;
        Some((resource.to_owned(), line.rsplit_once(' ')?.1.parse::<u64>().ok()?))
    });
    Ok(parts.filter(|(_, count)| *count > 0).collect())
}

fn median(samples: &[Sample], of: fn(&Sample) -> u64) -> u64 {
    let mut values: Vec<_> = samples.iter().map(of).collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// One line of the table of results: the medians of the four quarters, and the most.
pub fn line(samples: &[Sample], name: &str, of: fn(&Sample) -> u64) -> String {
    let quarters = samples.chunks(samples.len().div_ceil(4).max(1)).map(|it| median(it, of));
    let mut line = format!("| {name} |");
    for it in quarters {
        let _ = write!(line, " {it} |");
    }
    let _ = write!(line, " {} |", samples.iter().map(of).max().unwrap_or_default());
    line
}

/// An error unless the medians of the last quarter and the second are the same within [`FLAT`].
pub fn is_flat(samples: &[Sample], name: &str, of: fn(&Sample) -> u64) -> Result<()> {
    let quarter = samples.len() / 4;
    ensure!(quarter >= 5, "too few samples");
    let before = median(&samples[quarter..2 * quarter], of);
    let after = median(&samples[3 * quarter..], of);
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let ratio = after as f64 / before as f64;
    ensure!(ratio <= FLAT, "{name} grew: {before} in the second quarter, {after} in the last");
    Ok(())
}
