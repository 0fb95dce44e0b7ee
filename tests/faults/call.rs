//! What a request asks of the API server.

use hyper::{Method, Uri};
use std::fmt;

/// A request, as the API server sorts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub verb: Verb,
    /// Empty for what is no resource: discovery and schemas.
    pub resource: String,
    pub subresource: String,
    pub name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Get,
    List,
    Watch,
    Create,
    Patch,
    Delete,
}

impl Call {
    pub fn of(method: &Method, uri: &Uri) -> Self {
        let mut parts = uri.path().split('/').filter(|it| !it.is_empty());
        let depth = match parts.next() {
            Some("api") => 1,
            Some("apis") => 2,
            _ => usize::MAX,
        };
        let mut rest: Vec<_> = parts.skip(depth).map(str::to_owned).collect();
        if rest.len() > 2 && rest[0] == "namespaces" {
            rest.drain(..2);
        }
        let mut rest = rest.into_iter();
        let (resource, name) = (rest.next().unwrap_or_default(), rest.next().unwrap_or_default());
        let is_watch = uri.query().is_some_and(|it| it.contains("watch=true"));
        let verb = match *method {
            Method::POST => Verb::Create,
            Method::PATCH | Method::PUT => Verb::Patch,
            Method::DELETE => Verb::Delete,
            _ if is_watch => Verb::Watch,
            _ if name.is_empty() && !resource.is_empty() => Verb::List,
            _ => Verb::Get,
        };
        Self { verb, resource, subresource: rest.next().unwrap_or_default(), name }
    }

    pub fn is_write(&self) -> bool {
        matches!(self.verb, Verb::Create | Verb::Patch | Verb::Delete)
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.verb, self.resource)?;
        if !self.subresource.is_empty() {
            write!(f, "/{}", self.subresource)?;
        }
        write!(f, " {}", self.name)
    }
}
