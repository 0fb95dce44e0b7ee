//! Faults on demand, for tests of what notices them.

use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Response, StatusCode,
    body::Bytes,
    header::{CONTENT_TYPE, HeaderValue},
};
use std::{
    str::FromStr,
    sync::atomic::{AtomicBool, Ordering},
};

use crate::server::Body;

/// What is wrong with every answer while the fault is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It has this status.
    Status(StatusCode),
    /// It is of the transport of 2024, HTTP+SSE.
    Sse,
}

impl FromStr for Kind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "sse" {
            return Ok(Self::Sse);
        }
        text.parse().map(Self::Status).map_err(|_| "expected `sse` or a status such as 421")
    }
}

/// A fault that comes and goes.
#[derive(Debug)]
pub struct Fault {
    kind: Kind,
    is_there: AtomicBool,
}

impl Fault {
    /// A fault that is not there yet.
    #[must_use]
    pub const fn new(kind: Kind) -> Self {
        Self { kind, is_there: AtomicBool::new(false) }
    }

    /// Makes it come or go.
    pub fn toggle(&self) {
        self.is_there.fetch_xor(true, Ordering::Relaxed);
    }

    /// The wrong answer, while the fault is there.
    pub fn answer(&self, method: &Method) -> Option<Response<Body>> {
        if !self.is_there.load(Ordering::Relaxed) {
            return None;
        }
        let (status, body) = match self.kind {
            Kind::Status(status) => (status, "faulty, as asked\n"),
            Kind::Sse if method == Method::GET => (StatusCode::OK, "event: endpoint\ndata: /messages?id=1\n\n"),
            Kind::Sse => (StatusCode::METHOD_NOT_ALLOWED, ""),
        };
        let mut response = Response::new(Full::new(Bytes::from(body)).boxed());
        *response.status_mut() = status;
        let type_ = if status == StatusCode::OK { "text/event-stream" } else { "text/plain" };
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(type_));
        Some(response)
    }
}
