//! Where to find the server, and what to show it.

use std::fmt;

use hyper::{
    HeaderMap, Uri,
    header::{HeaderName, HeaderValue},
    http::uri::{Authority, PathAndQuery},
};

/// Why a URL or header cannot be used. Names no values: they are secret.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TargetError {
    #[error("not a URL")]
    NotAUrl,
    #[error("not an http or https URL")]
    Scheme,
    #[error("the URL has a user name or password in it: use a header instead")]
    Credentials,
    #[error("not a header name: {0:?}")]
    HeaderName(String),
    #[error("the value of header {0} has characters that no header may have")]
    HeaderValue(HeaderName),
    #[error("header {0} belongs to the conversation itself")]
    Reserved(HeaderName),
}

/// The Service behind a URL, for the way through the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub namespace: String,
    pub name: String,
    pub port: i32,
}

/// One MCP server as the probe sees it.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    pub(super) is_tls: bool,
    pub(super) authority: Authority,
    pub(super) path: PathAndQuery,
    pub(super) connect: Option<(String, u16)>,
    pub(super) service: Option<Service>,
    pub(super) headers: HeaderMap,
    pub(super) has_replicas: bool,
}

impl Target {
    /// The server at an `http` or `https` URL.
    pub fn new(url: &str) -> Result<Self, TargetError> {
        let uri: Uri = url.parse().map_err(|_| TargetError::NotAUrl)?;
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(TargetError::Scheme),
        };
        let authority = uri.authority().cloned().ok_or(TargetError::NotAUrl)?;
        if authority.as_str().contains('@') {
            return Err(TargetError::Credentials);
        }
        let path = uri.path_and_query().cloned();
        Ok(Self {
            is_tls,
            authority,
            path: path.unwrap_or_else(|| PathAndQuery::from_static("/")),
            connect: None,
            service: None,
            headers: HeaderMap::new(),
            has_replicas: false,
        })
    }

    /// Connects to `port` of `host`, an address or a name, whatever the host of the URL
    /// resolves to. `Host` and the name in TLS remain those of the URL.
    #[must_use]
    pub fn with_connect(mut self, host: &str, port: u16) -> Self {
        self.connect = Some((host.to_owned(), port));
        self
    }

    /// Names the Service behind the URL. A prober that goes through the API server needs it.
    #[must_use]
    pub fn with_service(mut self, service: Service) -> Self {
        self.service = Some(service);
        self
    }

    /// Says that several replicas answer, so that a full conversation tries
    /// whether sessions survive a new connection.
    #[must_use]
    pub fn with_replicas(mut self, several: bool) -> Self {
        self.has_replicas = several;
        self
    }

    /// Sends a header with every request. Its value is a secret: no report, error,
    /// log or `Debug` shows it, not even when the server repeats it.
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, TargetError> {
        let name: HeaderName = name.parse().map_err(|_| TargetError::HeaderName(name.to_owned()))?;
        if RESERVED.contains(&name.as_str()) {
            return Err(TargetError::Reserved(name));
        }
        let mut value = HeaderValue::from_str(value).map_err(|_| TargetError::HeaderValue(name.clone()))?;
        value.set_sensitive(true);
        self.headers.append(name, value);
        Ok(self)
    }

    pub(super) fn host(&self) -> &str {
        self.authority.host().trim_matches(['[', ']'])
    }

    pub(super) fn port(&self) -> u16 {
        let default = if self.is_tls { 443 } else { 80 };
        self.authority.port_u16().unwrap_or(default)
    }
}

/// Headers that the conversation sets.
const RESERVED: &[&str] = &[
    "accept",
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "host",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Shows no query, for it may hold a key, and of headers only the names.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("url", &format_args!("{self}"))
            .field("connect", &self.connect)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("has_replicas", &self.has_replicas)
            .finish_non_exhaustive()
    }
}

/// The URL without its query.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.path.path())
    }
}

#[cfg(test)]
mod tests {
    use super::{Target, TargetError};

    #[test]
    fn takes_http_and_https() {
        let target = Target::new("http://a.b:3001/mcp?x=1").unwrap();
        assert_eq!((target.host(), target.port()), ("a.b", 3001));
        assert_eq!(target.to_string(), "http://a.b:3001/mcp");
        assert_eq!(Target::new("https://a.b").unwrap().port(), 443);
        assert_eq!(Target::new("http://[::1]:80/").unwrap().host(), "::1");
    }

    #[test]
    fn refuses_other_urls() {
        let refused = |url| Target::new(url).unwrap_err();
        assert_eq!(refused("/mcp"), TargetError::Scheme);
        assert_eq!(refused("ftp://a/mcp"), TargetError::Scheme);
        assert_eq!(refused("http://"), TargetError::NotAUrl);
        assert_eq!(refused("http://a b/"), TargetError::NotAUrl);
        assert_eq!(refused("http://user:secret@a/mcp"), TargetError::Credentials);
    }

    #[test]
    fn shows_no_secrets() {
        let target = Target::new("http://a/mcp?key=s3cret")
            .and_then(|target| target.with_header("Authorization", "Bearer s3cret"))
            .unwrap();
        let shown = format!("{target:?} {target} {:?}", target.headers);
        assert!(shown.contains("authorization"), "{shown}");
        assert!(!shown.contains("s3cret"), "{shown}");
        let error = target.with_header("X-Key", "s3cret\n").unwrap_err();
        assert!(!format!("{error:?} {error}").contains("s3cret"));
    }

    #[test]
    fn keeps_the_headers_of_the_conversation() {
        let target = Target::new("http://a/mcp").unwrap();
        let error = target.with_header("Mcp-Session-Id", "x").unwrap_err();
        assert!(matches!(error, TargetError::Reserved(_)));
    }
}
