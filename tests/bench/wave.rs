//! The wave: many servers at once, from the first that is made until the last is ready.

use anyhow::{Context, Result, ensure};
use k8s_openapi::jiff::Timestamp;
use serde::Serialize;
use std::collections::HashMap;

use crate::requests::{Count, is_child_write, is_status};
use crate::support::audit::Request;

/// How a wave went.
#[derive(Serialize, Clone, Debug, Default)]
pub struct Wave {
    /// Seconds from when the first server was asked for until...
    /// ... the last server was made;
    pub created: f64,
    /// ... the last child was made;
    pub children: f64,
    /// ... half of the servers were ready;
    pub ready_median: f64,
    /// ... the last one was.
    pub ready_last: f64,
    /// Seconds from when a server itself was asked for until it was ready: half of them were quicker.
    pub own_median: f64,
    /// What was asked of the API server.
    pub requests: Count,
    /// Of processor time in all, from the start of the process.
    pub cpu_seconds: f64,
    /// When all was done.
    pub rss_mib: f64,
    pub peak_rss_mib: f64,
}

impl Wave {
    /// Works it out from what the loader and who was measured asked for.
    pub fn of(loader: &[Request], measured: &[Request]) -> Result<Self> {
        let creates = || loader.iter().filter(|it| it.verb == "create" && it.object_ref.resource == "mcpservers");
        let began = creates().map(Request::began).min().context("no server was made")?;
        let since = |time: Timestamp| (time - began).total(k8s_openapi::jiff::Unit::Second).unwrap_or_default();
        let last = |times: &mut dyn Iterator<Item = Timestamp>| times.max().map(since);
        let mut ready = HashMap::new();
        for it in measured.iter().filter(|it| is_status(it)) {
            ready.insert(it.object_ref.name.as_str(), since(it.ended()));
        }
        let asked: HashMap<_, _> = creates().map(|it| (it.object_ref.name.as_str(), since(it.began()))).collect();
        ensure!(asked.len() == ready.len(), "{} servers were made and {} ready", asked.len(), ready.len());
        let mut own: Vec<_> = ready.iter().filter_map(|(name, at)| Some(at - asked.get(name)?)).collect();
        let mut times: Vec<_> = ready.into_values().collect();
        Ok(Self {
            created: last(&mut creates().map(Request::ended)).unwrap_or_default(),
            children: last(&mut measured.iter().filter(|it| is_child_write(it)).map(Request::ended))
                .context("no child was made")?,
            ready_median: median(&mut times),
            ready_last: times.last().copied().unwrap_or_default(),
            own_median: median(&mut own),
            requests: Count::of(measured),
            ..Self::default()
        })
    }
}

/// The value in the middle; sorts them.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
