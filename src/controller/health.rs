//! `/livez`, `/readyz` and `/metrics`.
//!
//! Live is a process that answers: an outage of the API server must not restart every operator.
//! Ready is one whose caches are filled, and one that waits for the Lease; not one that waits for
//! the API server or for its resource.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Response, StatusCode};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::http;
use crate::metrics::Metrics;

type Check = Box<dyn Fn() -> bool + Send + Sync>;

/// What the operator says of itself.
#[derive(Default)]
pub struct Health {
    /// What `/metrics` shows.
    pub metrics: Arc<Metrics>,
    checks: Mutex<Vec<Check>>,
    waits_for: Mutex<Option<String>>,
}

impl Health {
    /// `check` has to hold for the operator to be ready.
    pub fn add_check(&self, check: impl Fn() -> bool + Send + Sync + 'static) {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(check));
    }

    pub(super) fn number_of_checks(&self) -> usize {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Only the first so many checks have to hold from now on.
    pub(super) fn keep_checks(&self, number: usize) {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).truncate(number);
    }

    /// Says what has to come before anything else, or that it has come.
    pub fn wait_for(&self, what: Option<String>) {
        *self.waits_for.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }

    fn waits_for(&self) -> Option<String> {
        let what = self.waits_for.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let lists = || "the first list of every watch: are the rights granted?".to_owned();
        what.or_else(|| (!self.is_synced()).then(lists))
    }

    fn is_synced(&self) -> bool {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).iter().all(|check| check())
    }

    fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        let (status, type_, body) = match (method, path) {
            (&Method::GET, "/livez") => (StatusCode::OK, "text/plain", "ok\n".to_owned()),
            (&Method::GET, "/readyz") => match self.waits_for() {
                None => (StatusCode::OK, "text/plain", "ok\n".to_owned()),
                Some(what) => (StatusCode::SERVICE_UNAVAILABLE, "text/plain", format!("waiting: {what}\n")),
            },
            (&Method::GET, "/metrics") => {
                (StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", self.metrics.text())
            }
            _ => (StatusCode::NOT_FOUND, "text/plain", "there is /livez, /readyz and /metrics\n".to_owned()),
        };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        response.headers_mut().insert(hyper::header::CONTENT_TYPE, hyper::header::HeaderValue::from_static(type_));
        response
    }
}

/// Serves `health` until the process ends. Whoever else connects must not keep a kubelet out.
pub async fn serve(listener: TcpListener, health: Arc<Health>) {
    http::serve(listener, Semaphore::MAX_PERMITS, move |method, uri| health.answer(method, uri.path())).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn ready_once_every_check_holds_and_live_all_along() {
        let health = Health::default();
        let synced = Arc::new(AtomicBool::new(false));
        let check = Arc::clone(&synced);
        health.add_check(move || check.load(Ordering::Relaxed));
        let status = |path| health.answer(&Method::GET, path).status().as_u16();
        assert_eq!([status("/livez"), status("/readyz"), status("/metrics"), status("/")], [200, 503, 200, 404]);
        synced.store(true, Ordering::Relaxed);
        assert_eq!(status("/readyz"), 200);
        health.wait_for(Some("the resource".into()));
        assert_eq!(status("/readyz"), 503);
        health.wait_for(None);
        assert_eq!(status("/readyz"), 200);
    }
}
