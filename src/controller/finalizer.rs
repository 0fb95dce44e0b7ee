//! The finalizer: only on a server that has children in the whole cluster, which nothing but the
//! operator removes with it. It is put on before the first of them is made and taken off after the
//! last is gone, so wherever the operator is stopped, nothing is left behind.
//!
//! It can be lost all the same: the API server lets a deletion pass that had begun when the finalizer
//! came, and people take finalizers off. So what is the whole cluster's and of a server that is not
//! there any more is removed wherever it shows.

use kube::ResourceExt;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::json;

use super::context::Context;
use crate::api::{FIELD_MANAGER, FINALIZER, MCPServer};
use crate::apply::{Applied, ApplyError, wants_cluster_wide};
use crate::children::{Children, Desired};
use crate::validate::ValidatedServer;

pub(super) fn is_on(server: &MCPServer) -> bool {
    server.finalizers().iter().any(|it| it == FINALIZER)
}

/// Applies `desired`, with the finalizer on for as long as it takes.
pub(super) async fn apply(
    server: &MCPServer,
    validated: &ValidatedServer,
    desired: Children<Desired>,
    context: &Context,
) -> Result<Applied, ApplyError> {
    let wants = wants_cluster_wide(&desired);
    if wants && !is_on(server) && !validated.suspend {
        put(server, true, context).await?;
    }
    let applied = Box::pin(context.applier.apply(validated, desired)).await?;
    if !wants && is_on(server) && !validated.suspend {
        ensure_allowed(server, context)?;
        if !context.applier.has_cluster_wide(&validated.namespace, validated.name.as_str()) {
            put(server, false, context).await?;
        }
    }
    Ok(applied)
}

/// Removes what a server that is being deleted has in the whole cluster, then lets go of it.
pub(super) async fn clean_up(server: &MCPServer, context: &Context) -> Result<(), ApplyError> {
    ensure_allowed(server, context)?;
    let namespace = server.namespace().unwrap_or_default();
    if context.applier.delete_cluster_wide(&namespace, &server.name_any()).await? {
        put(server, false, context).await?;
    }
    Ok(())
}

/// Removes what a server that is gone has left in the whole cluster. Without a server there is no pass
/// that would do it again, so this ends only when nothing is left.
pub(super) async fn clean_up_after(namespace: &str, server: &str, context: &Context) {
    let key = format!("{namespace}/{server}");
    while context.applier.has_cluster_wide(namespace, server) {
        match delete_unless_there(namespace, server, context).await {
            Ok(true) => break,
            Ok(false) => {}
            Err(error) => tracing::warn!(server = key, "cannot remove what a server that is gone has left: {error}"),
        }
        // Until the watch shows that it is gone, too.
        tokio::time::sleep(context.backoff.failed(&key)).await;
    }
    context.backoff.clear(&key);
}

/// Says whether the server is there after all. Only a list says for sure that there is none: "not found"
/// can also mean that the resource is not served just now.
async fn delete_unless_there(namespace: &str, server: &str, context: &Context) -> Result<bool, ApplyError> {
    let api: Api<MCPServer> = Api::namespaced(context.client.clone(), namespace);
    let of_that_name = ListParams::default().fields(&format!("metadata.name={server}"));
    let found = api.list_metadata(&of_that_name).await;
    if !found.map_err(|error| ApplyError::new::<MCPServer>("list", server, error))?.items.is_empty() {
        return Ok(true);
    }
    tracing::info!(namespace, server, "removing what a server that is gone has left in the cluster");
    context.applier.delete_cluster_wide(namespace, server).await.map(|_| false)
}

/// An operator that does not watch these kinds must not take what it does not see for gone.
fn ensure_allowed(server: &MCPServer, context: &Context) -> Result<(), ApplyError> {
    if context.platform.allow_cluster_rules {
        return Ok(());
    }
    Err(ApplyError::OutOfReach { namespace: server.namespace().unwrap_or_default(), server: server.name_any() })
}

/// Only if the server is as it was seen: others may have finalizers, too.
async fn put(server: &MCPServer, on: bool, context: &Context) -> Result<(), ApplyError> {
    let others = server.finalizers().iter().filter(|it| *it != FINALIZER).map(String::as_str);
    let finalizers: Vec<_> = others.chain(on.then_some(FINALIZER)).collect();
    let change = json!({"metadata": {"resourceVersion": server.resource_version(), "finalizers": finalizers}});
    let api: Api<MCPServer> = Api::namespaced(context.client.clone(), &server.namespace().unwrap_or_default());
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
    match api.patch_metadata(&server.name_any(), &params, &Patch::Merge(&change)).await {
        Ok(written) => context.reporter.wrote(&written),
        // What shall not be held is gone.
        Err(kube::Error::Api(status)) if !on && status.is_not_found() => {}
        Err(error) => return Err(ApplyError::new::<MCPServer>("patch", &server.name_any(), error)),
    }
    Ok(())
}
