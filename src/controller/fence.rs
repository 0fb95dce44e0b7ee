//! Nothing is written without the Lease.
//!
//! A process that stood still for a while (its machine was out of memory, its node was moved) wakes up in
//! the midst of whatever it did, a moment before it looks at its Lease again. By then another replica may
//! be at work. So every request that changes something is held against the time of the last renewal,
//! before it is handed to a connection and before it is tried again. What a connection was handed and has
//! not sent when time ran out is never sent: the connection ends.

use futures::future::{BoxFuture, FutureExt};
use hyper::rt::Executor;
use hyper::{Request, Response};
use kube::client::Body;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, ready};
use tokio::time::Instant;
use tower::{BoxError, Layer, Service};

use super::leader::RENEWAL;

/// Where Leases are; the operator's own is the only one that it ever touches.
const LEASES: &str = "/apis/coordination.k8s.io/";

/// A layer of the client. Until this process first had the Lease, everything passes.
#[derive(Clone, Default)]
pub struct Fence {
    closes: Arc<Mutex<Option<Instant>>>,
}

/// What is told of a request that comes too late.
#[derive(Debug, thiserror::Error)]
#[error("the Lease was not renewed in time: nothing is written, since another replica may be at work")]
struct WithoutLease;

impl Fence {
    fn is_open(&self, now: Instant) -> bool {
        self.closes().is_none_or(|closes| now < closes)
    }

    /// What runs the client's connections.
    pub fn connections(&self) -> Connections {
        Connections(self.clone())
    }

    /// Whether time has run out since something began. What begins without the Lease, to get it again, goes on.
    fn has_closed_on(&self, began: Instant, now: Instant) -> bool {
        self.closes().is_some_and(|closes| began < closes && closes <= now)
    }

    fn closes(&self) -> Option<Instant> {
        *self.closes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The Lease was written by a request that was sent then: nobody else takes it much earlier than that
    /// long after.
    fn renewed(&self, sent: Instant) {
        let mut closes = self.closes.lock().unwrap_or_else(PoisonError::into_inner);
        *closes = (*closes).max(Some(sent + RENEWAL));
    }
}

impl<S> Layer<S> for Fence {
    type Service = Fenced<S>;

    fn layer(&self, inner: S) -> Fenced<S> {
        Fenced { inner, fence: self.clone() }
    }
}

/// A client behind a [`Fence`].
pub struct Fenced<S> {
    inner: S,
    fence: Fence,
}

impl<S, B> Service<Request<Body>> for Fenced<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error: Into<BoxError>, Future: Send + 'static>,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<B>, BoxError>>;

    fn poll_ready(&mut self, context: &mut std::task::Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(ready!(self.inner.poll_ready(context)).map_err(Into::into))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (changes, is_lease) = (!request.method().is_safe(), request.uri().path().starts_with(LEASES));
        let (sent, fence) = (Instant::now(), self.fence.clone());
        if changes && !is_lease && !fence.is_open(sent) {
            return async { Err(WithoutLease.into()) }.boxed();
        }
        let mut answer = Box::pin(self.inner.call(request));
        poll_fn(move |context| {
            // What is behind this layer may have sent nothing yet, or be about to try again.
            if changes && !is_lease && !fence.is_open(Instant::now()) {
                return Poll::Ready(Err(WithoutLease.into()));
            }
            let answer = ready!(answer.as_mut().poll(context)).map_err(Into::into)?;
            if changes && is_lease && answer.status().is_success() {
                fence.renewed(sent);
            }
            Poll::Ready(Ok(answer))
        })
        .boxed()
    }
}

/// Runs connections, each for as long as the [`Fence`] stays open on it.
#[derive(Clone)]
pub struct Connections(Fence);

impl Executor<BoxFuture<'static, ()>> for Connections {
    fn execute(&self, mut connection: BoxFuture<'static, ()>) {
        let (fence, began) = (self.0.clone(), Instant::now());
        tokio::spawn(poll_fn(move |context| {
            if fence.has_closed_on(began, Instant::now()) {
                return Poll::Ready(());
            }
            connection.as_mut().poll(context)
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::{Method, StatusCode};
    use std::convert::Infallible;
    use std::future::{Ready, ready};
    use std::time::Duration;

    /// Answers everything with one status.
    struct Answer(StatusCode);

    impl Service<Request<Body>> for Answer {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = Ready<Result<Response<Body>, Infallible>>;

        fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = self.0;
            ready(Ok(response))
        }
    }

    async fn passes(fence: &Fence, status: u16, method: Method, path: &str) -> bool {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap();
        fence.layer(Answer(StatusCode::from_u16(status).unwrap())).call(request).await.is_ok()
    }

    const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/landfall/leases/landfall";
    const MOMENT: Duration = Duration::from_millis(1);
    const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/team/deployments/echo?fieldManager=landfall";

    #[tokio::test(start_paused = true)]
    async fn writes_pass_for_as_long_as_the_lease_is_renewed() {
        let fence = Fence::default();
        tokio::time::advance(Duration::from_mins(10)).await;
        assert!(passes(&fence, 200, Method::PATCH, DEPLOYMENT).await, "there is no election");
        for _ in 0..3 {
            assert!(passes(&fence, 200, Method::PUT, LEASE).await);
            tokio::time::advance(RENEWAL.saturating_sub(MOMENT)).await;
            assert!(passes(&fence, 200, Method::PATCH, DEPLOYMENT).await);
        }
        tokio::time::advance(MOMENT).await;
        for method in [Method::PATCH, Method::POST, Method::DELETE] {
            assert!(!passes(&fence, 200, method, DEPLOYMENT).await);
        }
        assert!(passes(&fence, 200, Method::GET, DEPLOYMENT).await, "reading harms nobody");
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_connection_has_not_sent_in_time_is_never_sent() {
        let fence = Fence::default();
        let sent = Arc::new(Mutex::new(Vec::new()));
        let connection = |name: &'static str, after: Duration| {
            let sent = Arc::clone(&sent);
            fence.connections().execute(Box::pin(async move {
                tokio::time::sleep(after).await;
                sent.lock().unwrap().push(name);
            }));
        };
        connection("without an election", RENEWAL * 2);
        tokio::time::sleep(RENEWAL * 3).await;
        assert!(passes(&fence, 200, Method::PUT, LEASE).await);
        connection("in time", RENEWAL.saturating_sub(MOMENT));
        connection("too late", RENEWAL + MOMENT);
        tokio::time::sleep(RENEWAL).await;
        connection("to get the Lease again", RENEWAL);
        tokio::time::sleep(RENEWAL * 2).await;
        assert_eq!(*sent.lock().unwrap(), ["without an election", "in time", "to get the Lease again"]);
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_renewal_that_succeeds_opens_it_again() {
        let fence = Fence::default();
        assert!(passes(&fence, 201, Method::POST, LEASE).await);
        tokio::time::advance(RENEWAL).await;
        assert!(passes(&fence, 409, Method::PUT, LEASE).await && passes(&fence, 200, Method::GET, LEASE).await);
        assert!(!passes(&fence, 200, Method::PATCH, DEPLOYMENT).await);
        assert!(passes(&fence, 200, Method::PUT, LEASE).await);
        assert!(passes(&fence, 200, Method::PATCH, DEPLOYMENT).await);
    }
}
