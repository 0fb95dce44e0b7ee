//! What a user asked of the API server in a while, by the audit log.

use anyhow::Result;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::support::audit::{self, Request};

/// The requests of one user.
#[derive(Clone, Debug)]
pub struct Log {
    path: PathBuf,
    user: String,
}

/// A place in the log: what came before it does not count.
#[derive(Clone, Copy, Debug)]
pub struct Mark(u64);

impl Log {
    pub fn of(path: &Path, user: &str) -> Self {
        Self { path: path.to_owned(), user: user.to_owned() }
    }

    /// Now.
    pub fn mark(&self) -> Result<Mark> {
        Ok(Mark(std::fs::metadata(&self.path)?.len()))
    }

    /// What was asked since then.
    pub fn since(&self, mark: Mark) -> Result<Vec<Request>> {
        audit::requests_from(&self.path, &self.user, mark.0)
    }
}

/// What requests are about, in numbers.
#[derive(Serialize, Clone, Debug, Default)]
pub struct Count {
    /// Of children.
    pub child_writes: usize,
    /// Of statuses.
    pub status_writes: usize,
    /// Of events and anything else, but the Lease.
    pub other_writes: usize,
    /// Anything that is neither a write nor a watch, but for the Lease.
    pub reads: usize,
    /// By verb and resource, the Lease and watches too.
    pub all: BTreeMap<String, usize>,
}

impl Count {
    pub fn of(requests: &[Request]) -> Self {
        let mut count = Self::default();
        for it in requests {
            let slash = if it.object_ref.subresource.is_empty() { "" } else { "/" };
            let what = format!("{} {}{slash}{}", it.verb, it.object_ref.resource, it.object_ref.subresource);
            *count.all.entry(what).or_default() += 1;
            if is_status(it) {
                count.status_writes += 1;
            } else if is_child_write(it) {
                count.child_writes += 1;
            } else if is_write(it) {
                count.other_writes += 1;
            } else if it.verb != "watch" && !it.is_lease() && !is_call(it) {
                count.reads += 1;
            }
        }
        count
    }

    pub fn writes(&self) -> usize {
        self.child_writes + self.status_writes + self.other_writes
    }
}

/// Whether it writes the status of a server.
pub fn is_status(request: &Request) -> bool {
    request.object_ref.resource == "mcpservers" && request.object_ref.subresource == "status" && is_write(request)
}

/// Whether it writes a child.
pub fn is_child_write(request: &Request) -> bool {
    is_write(request) && !matches!(request.object_ref.resource.as_str(), "mcpservers" | "events")
}

/// Whether it changes something, other than the Lease.
pub fn is_write(request: &Request) -> bool {
    request.is_write() && !is_call(request)
}

/// Whether it is a call of a server that only passes through the API server.
fn is_call(request: &Request) -> bool {
    request.object_ref.subresource == "proxy"
}
