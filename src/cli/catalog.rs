//! `landfall catalog`: the servers of a cluster, for programs.

use anyhow::{Context, Result};
use kube::api::{Api, ListParams};
use kube::core::DeserializeGuard;
use std::sync::Arc;

use super::cluster;
use crate::api::MCPServer;
use crate::catalog::{Entry, registry};

/// Servers that are read at a time.
const CHUNK: u32 = 500;

/// Prints a `ServerList` of the MCP registry's API, as `landfall operator --catalog` serves it. Servers that are not
/// ready are not in it.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Only the servers of this namespace. Default: those of all
    #[arg(long, short = 'n')]
    namespace: Option<String>,
    /// Context of the kubeconfig. Default: the current one
    #[arg(long)]
    context: Option<String>,
}

pub(super) async fn run(args: &Args) -> Result<()> {
    let client = cluster::Args::of(args.namespace.as_deref(), args.context.as_deref()).connect().await?.client;
    let api: Api<DeserializeGuard<MCPServer>> = match &args.namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let mut entries = Vec::new();
    let mut params = ListParams::default().limit(CHUNK);
    loop {
        let list = api.list(&params).await.with_context(|| match &args.namespace {
            Some(namespace) => format!("cannot list the MCPServers of the namespace {namespace}"),
            None => "cannot list the MCPServers of all namespaces: name one with -n".to_owned(),
        })?;
        entries.extend(list.items.iter().map(|it| Arc::new(Entry::from(it))));
        match list.metadata.continue_.filter(|it| !it.is_empty()) {
            Some(rest) => params = params.continue_token(&rest),
            None => break,
        }
    }
    println!("{:#}", registry(&entries));
    Ok(())
}
