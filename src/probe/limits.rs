//! How much a conversation may take.

use std::time::Duration;

/// Bounds of one conversation; the default is meant for production, tests shorten it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Everything together.
    pub total: Duration,
    /// Of `total`, what is kept back to end sessions.
    pub farewell: Duration,
    /// Name, connection and TLS of one connection.
    pub connect: Duration,
    /// One request until its reply was read.
    pub request: Duration,
    /// The look for an event stream of the old transport.
    pub event_stream: Duration,
    /// Bytes of a reply.
    pub body: usize,
    /// Bytes read of an error page.
    pub error_body: usize,
    /// Bytes read of an event stream of the old transport.
    pub event_stream_body: usize,
    /// Pages of tools.
    pub pages: usize,
    /// Tools.
    pub tools: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            total: Duration::from_secs(15),
            farewell: Duration::from_secs(2),
            connect: Duration::from_secs(2),
            request: Duration::from_secs(5),
            event_stream: Duration::from_secs(2),
            body: 4 << 20,
            error_body: 64 << 10,
            event_stream_body: 8 << 10,
            pages: 20,
            tools: 1000,
        }
    }
}
