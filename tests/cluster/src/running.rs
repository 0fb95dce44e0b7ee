//! Clusters that another process owns.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::namespaces::Namespaces;
use crate::run_dir::live_runs;

/// A command that runs inside the node of a cluster which another process started: the one whose
/// run folder is given, or the only one there is.
pub async fn command_in_running_node(run: Option<&Path>, command: &Command) -> Result<Command> {
    let mut nodes: Vec<_> = live_runs()
        .await?
        .into_iter()
        .filter(|(path, _)| run.is_none_or(|run| run == path))
        .filter_map(|(_, record)| record.node)
        .collect();
    match (nodes.pop(), nodes.is_empty()) {
        (Some(node), true) => Ok(Namespaces::of_first(node).enter(command)),
        (Some(_), false) => bail!("several clusters with a node run: set LANDFALL_CLUSTER_RUN"),
        (None, _) => bail!("no cluster with a node runs: `landfall-cluster up --size node`"),
    }
}
