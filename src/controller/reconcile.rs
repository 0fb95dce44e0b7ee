//! One pass over one `MCPServer`: the whole way, from the resource to its status.

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::context::Context;
use super::finalizer;
use super::stored::StoredServer;
use crate::api::MCPServer;
use crate::apply::ApplyError;
use crate::build::build;
use crate::jitter;
use crate::observe::observe;
use crate::status::{self, Outcome};
use crate::validate::validate;

/// A pass that takes longer hangs on something: give the worker back.
const PASS_TIMEOUT: Duration = Duration::from_mins(1);

/// How soon to look again when a cache has yet to catch up.
const CATCH_UP: Duration = Duration::from_millis(50);

/// How often each server is looked at when nothing seems to change.
const RESYNC: Duration = Duration::from_hours(1);

/// Why a pass failed; it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error("cannot write the status: {0}")]
    Status(#[source] Box<kube::Error>),
    #[error("the pass took longer than {} s", PASS_TIMEOUT.as_secs())]
    Timeout,
}

impl Error {
    /// Whether somebody else wrote at the same time.
    fn is_conflict(&self) -> bool {
        match self {
            Self::Apply(error) => matches!(error, ApplyError::Conflict { .. }),
            Self::Status(error) => matches!(&**error, kube::Error::Api(status) if status.is_conflict()),
            Self::Timeout => false,
        }
    }
}

/// What the controller runs for each `MCPServer`: [`pass`], timed and counted.
pub(super) async fn reconcile(object: Arc<StoredServer>, context: Arc<Context>) -> Result<Action, Error> {
    if !context.is_synced() {
        return Ok(Action::requeue(CATCH_UP));
    }
    let Some(_turn) = context.turn(&object) else { return Ok(Action::await_change()) };
    let began = Instant::now();
    let pass = async {
        match object.read() {
            (server, Ok(())) => Box::pin(pass(&server, &context)).await,
            (server, Err(error)) => Box::pin(pass_undecodable(&server, &error, &context)).await,
        }
    };
    let result = tokio::time::timeout(PASS_TIMEOUT, pass).await.unwrap_or(Err(Error::Timeout));
    context.metrics.reconciled(if result.is_ok() { "success" } else { "error" }, began.elapsed());
    result
}

async fn pass(server: &MCPServer, context: &Context) -> Result<Action, Error> {
    if server.metadata.deletion_timestamp.is_some() {
        return end(server, context).await;
    }
    if context.reporter.is_behind(server) {
        return Ok(Action::requeue(CATCH_UP));
    }
    let references = context.references.gather(server);
    let validated = match validate(server, &references, &context.platform) {
        Ok(validated) => validated,
        Err(problems) => return report(server, context, &Outcome::Invalid(&problems)).await,
    };
    let desired = build(&validated);
    let applied = match finalizer::apply(server, &validated, desired, context).await {
        Ok(applied) => applied,
        Err(error) if error.is_final() => return refused(server, context, &error).await,
        Err(error) => return Err(error.into()),
    };
    let pods = context.pods_of(server);
    let observation = observe(&validated, &applied.children, &pods, Timestamp::now());
    let verification = context.verifier.verify(&validated, &observation);
    context.backoff.clear(&validated.owner.uid);
    let outcome = Outcome::Observed {
        server: &validated,
        observation: &observation,
        verification: &verification,
        pending: &applied.pending,
    };
    report(server, context, &outcome).await
}

/// What garbage collection leaves of a server that is being deleted.
async fn end(server: &MCPServer, context: &Context) -> Result<Action, Error> {
    if !finalizer::is_on(server) {
        return Ok(Action::await_change());
    }
    if context.reporter.is_behind(server) {
        return Ok(Action::requeue(CATCH_UP));
    }
    match finalizer::clean_up(server, context).await {
        Ok(()) => Ok(Action::await_change()),
        Err(error) if error.is_final() => refused(server, context, &error).await,
        Err(error) => Err(error.into()),
    }
}

/// Writes the status that follows from `outcome`, and says when time alone may change it.
async fn report(server: &MCPServer, context: &Context, outcome: &Outcome<'_>) -> Result<Action, Error> {
    let next = status::next(server.status.as_ref(), server.metadata.generation, outcome, Timestamp::now());
    let readiness = status::ready(Some(&next)).map(|it| it.status.as_str());
    context.metrics.readiness(&server.uid().unwrap_or_default(), readiness);
    if server.status.as_ref() == Some(&next) {
        return Ok(look_again(outcome));
    }
    let patience = status::patience(server.status.as_ref(), &next, outcome);
    if let Some(wait) = patience.and_then(|patience| context.put_off(server, patience)) {
        return Ok(Action::requeue(wait));
    }
    // The finalizer was written just now.
    if context.reporter.is_behind(server) {
        return Ok(Action::requeue(CATCH_UP));
    }
    context.reporter.report(server, &next).await.map_err(|error| Error::Status(Box::new(error)))?;
    context.reported(&server.uid().unwrap_or_default());
    Ok(look_again(outcome))
}

fn look_again(outcome: &Outcome<'_>) -> Action {
    match outcome {
        Outcome::Observed { observation, .. } => observation.look_again.map_or_else(resync, Action::requeue),
        _ => resync(),
    }
}

/// Changes are told by watches. This is for one that got lost; it costs no request.
fn resync() -> Action {
    Action::requeue(jitter::around(RESYNC))
}

/// Nothing tells us when somebody else's object goes away or a quota grows: ask again, ever more
/// rarely.
async fn refused(server: &MCPServer, context: &Context, error: &ApplyError) -> Result<Action, Error> {
    report(server, context, &Outcome::Refused(error)).await?;
    Ok(Action::requeue(context.backoff.failed(&server.uid().unwrap_or_default())))
}

/// Its spec could not be read: its children stay.
async fn pass_undecodable(server: &MCPServer, error: &str, context: &Context) -> Result<Action, Error> {
    if server.metadata.deletion_timestamp.is_some() {
        return end(server, context).await;
    }
    if context.reporter.is_behind(server) {
        return Ok(Action::requeue(CATCH_UP));
    }
    report(server, context, &Outcome::Undecodable(error)).await
}

/// What to do after a pass failed.
#[expect(clippy::needless_pass_by_value, reason = "the controller's signature")]
pub(super) fn on_error(object: Arc<StoredServer>, error: &Error, context: Arc<Context>) -> Action {
    let wait = context.backoff.failed(&object.uid().unwrap_or_default());
    let server = format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any());
    if error.is_conflict() {
        // Two writers met; the next pass sees what the other one did.
        tracing::info!(%server, ?wait, "trying again: {error}");
    } else {
        tracing::warn!(%server, ?wait, "the pass failed, trying again: {error}");
    }
    Action::requeue(wait)
}
