//! Opens connections: name, TCP, TLS, HTTP/1.1.
//!
//! In: a [`Target`]. Out: a [`Connection`] that carries one request after the
//! other, or a [`ConnectError`] that says which step failed. A connection may also
//! stand for the way through the API server.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response,
    body::Bytes,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use rustls_platform_verifier::Verifier;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

use super::{
    api_server::Passage,
    metered::{Allowance, Metered},
    outcome::Step,
    target::Target,
    wire::Fault,
};

/// What comes back.
pub type Body = UnsyncBoxBody<Bytes, Fault>;

/// Bytes that may come in before the first request: certificates, mostly.
const TLS_HANDSHAKE: usize = 256 << 10;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("cannot resolve {host}: {source}")]
    Resolve { host: String, source: std::io::Error },
    #[error("{host} resolves to no address")]
    NoAddress { host: String },
    #[error("cannot connect to {address}: {source}")]
    Connect { address: SocketAddr, source: std::io::Error },
    #[error("TLS with {host} failed: {source}")]
    Tls { host: String, source: std::io::Error },
    #[error("{host} cannot be a name in TLS")]
    ServerName { host: String },
    #[error("TLS cannot be used: {0}")]
    TlsSetup(String),
    #[error("no connection to {host} within {limit:?}")]
    TimedOut { host: String, limit: Duration },
    #[error("the connection was closed at once")]
    Closed,
    #[error("the API server says: {message}")]
    ApiServer { message: String },
}

impl ConnectError {
    /// How far it came.
    pub fn step(&self) -> Step {
        match self {
            Self::Resolve { .. } | Self::NoAddress { .. } => Step::Name,
            Self::Connect { .. } | Self::TimedOut { .. } => Step::Port,
            Self::Tls { .. } | Self::ServerName { .. } | Self::TlsSetup(_) => Step::Tls,
            Self::Closed => Step::Answer,
            Self::ApiServer { message } if message.contains("trying to reach service") => Step::Port,
            Self::ApiServer { message } if message.contains("no endpoints available") => Step::Port,
            Self::ApiServer { .. } => Step::Proxy,
        }
    }
}

/// Opens connections; holds the TLS settings, which are costly to load.
#[derive(Default)]
pub struct Connector {
    tls: OnceLock<Result<Arc<ClientConfig>, String>>,
    api_server: Option<kube::Client>,
}

impl Connector {
    /// A connector that trusts what `config` trusts instead of what the system does.
    pub fn with_tls(config: Arc<ClientConfig>) -> Self {
        Self { tls: OnceLock::from(Ok(config)), api_server: None }
    }

    /// A connector that reaches Services through the API server.
    pub fn through(client: kube::Client) -> Self {
        Self { tls: OnceLock::new(), api_server: Some(client) }
    }

    /// Connects to `target` within `limit`.
    pub async fn connect(&self, target: &Target, limit: Duration) -> Result<Connection, ConnectError> {
        if let (Some(client), Some(service)) = (&self.api_server, &target.service) {
            return Ok(Connection(Line::ThroughApiServer(Passage::new(client.clone(), service))));
        }
        let host = target.host().to_owned();
        let deadline = Instant::now() + limit;
        let timed_out = ConnectError::TimedOut { host, limit };
        let connecting = async {
            let stream = open(target, deadline).await?;
            // The small requests of a conversation are worth no delay.
            let _ = stream.set_nodelay(true);
            let allowance = Allowance::default();
            allowance.renew(TLS_HANDSHAKE);
            let stream = Metered { stream, allowance: allowance.clone() };
            if target.is_tls {
                let stream = self.start_tls(target, stream).await?;
                Connection::start(stream, allowance).await
            } else {
                Connection::start(stream, allowance).await
            }
        };
        timeout_at(deadline, connecting).await.unwrap_or(Err(timed_out))
    }

    async fn start_tls(
        &self,
        target: &Target,
        stream: Metered<TcpStream>,
    ) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + 'static, ConnectError> {
        let config = self.tls.get_or_init(|| system_tls().map_err(|e| e.to_string()));
        let config = config.clone().map_err(ConnectError::TlsSetup)?;
        let host = target.host().to_owned();
        let name = ServerName::try_from(host.clone()).map_err(|_| ConnectError::ServerName { host: host.clone() })?;
        TlsConnector::from(config).connect(name, stream).await.map_err(|source| ConnectError::Tls { host, source })
    }
}

/// TLS that trusts Mozilla's certificate authorities, since the operator's image has none, and those of
/// the system or of the file that `SSL_CERT_FILE` names; with HTTP/1.1 only.
fn system_tls() -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = TLS_SERVER_ROOT_CERTS.iter().cloned();
    let verifier = Verifier::new_with_extra_roots(roots, Arc::clone(&provider))?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Tries the addresses of `target` one after the other; none may use up the time
/// of those after it.
async fn open(target: &Target, deadline: Instant) -> Result<TcpStream, ConnectError> {
    let host = || target.host().to_owned();
    let place = target.connect.as_ref().map_or((target.host(), target.port()), |(host, port)| (host, *port));
    let found = tokio::net::lookup_host(place).await;
    let addresses: Vec<SocketAddr> =
        found.map_err(|source| ConnectError::Resolve { host: place.0.to_owned(), source })?.collect();
    let mut failure = ConnectError::NoAddress { host: host() };
    for (tried, &address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let waiting = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        let until = Instant::now() + left / waiting;
        let source = match timeout_at(until, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => error,
            Err(elapsed) => elapsed.into(),
        };
        failure = ConnectError::Connect { address, source };
    }
    Err(failure)
}

/// One connection with HTTP/1.1 on it. Dropping it closes it, even in the middle
/// of a reply.
pub struct Connection(Line);

enum Line {
    Own { sender: SendRequest<Full<Bytes>>, driver: JoinHandle<()>, allowance: Allowance },
    ThroughApiServer(Passage),
}

impl Connection {
    async fn start<S>(stream: S, allowance: Allowance) -> Result<Self, ConnectError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|_| ConnectError::Closed)?;
        let driver = tokio::spawn(async move {
            // Its errors reach whoever waits for a reply.
            let _ = connection.await;
        });
        Ok(Self(Line::Own { sender, driver, allowance }))
    }

    /// Whether it can take another request.
    pub fn is_open(&self) -> bool {
        match &self.0 {
            Line::Own { sender, .. } => !sender.is_closed(),
            Line::ThroughApiServer(_) => true,
        }
    }

    /// Whether it ended because too much came in.
    pub fn is_used_up(&self) -> bool {
        matches!(&self.0, Line::Own { allowance, .. } if allowance.is_used_up())
    }

    /// Sends a request, and returns when the head of its reply came. From now on,
    /// `bytes` may come in.
    pub async fn send(&mut self, request: Request<Full<Bytes>>, bytes: usize) -> Result<Response<Body>, Fault> {
        match &mut self.0 {
            Line::Own { sender, allowance, .. } => {
                allowance.renew(bytes);
                sender.ready().await?;
                let response = sender.send_request(request).await?;
                Ok(response.map(|body| body.map_err(Fault::from).boxed_unsync()))
            }
            Line::ThroughApiServer(passage) => passage.send(request).await,
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Line::Own { driver, .. } = &self.0 {
            driver.abort();
        }
    }
}
