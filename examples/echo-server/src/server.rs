//! Serves MCP over streamable HTTP at `/mcp` until it is told to stop.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{rt::TokioIo, server::graceful::GracefulShutdown};
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::{fault::Fault, tools::EchoServer};

/// The path at which MCP is served unless told otherwise.
pub const PATH: &str = "/mcp";

/// Where clients look for what to sign in to, for the whole host; for one path it stands behind this (RFC 9728).
const METADATA_PATH: &str = "/.well-known/oauth-protected-resource";

/// How long open answers may take to end once the server was told to stop. Far
/// below the 30 s that Kubernetes grants, so that a rollout never waits for it.
const DRAIN: Duration = Duration::from_secs(2);

type Service = StreamableHttpService<EchoServer, LocalSessionManager>;
/// What is answered.
pub type Body = BoxBody<Bytes, Infallible>;

/// Which `Host` headers are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedHosts {
    Any,
    Only(Vec<String>),
}

impl AllowedHosts {
    /// Reads a comma separated list, as `MCP_ALLOWED_HOSTS` holds it.
    ///
    /// Nothing or a `*` allows every host. rmcp itself allows only loopback
    /// names, to protect a server on a developer's machine from DNS rebinding: a
    /// web page that makes the browser there call `localhost`. No browser runs
    /// in a pod, and clients name it by Service, namespace, pod address or public
    /// host as they like, so inside a cluster that default only turns callers away.
    #[must_use]
    pub fn parse(list: Option<&str>) -> Self {
        let hosts: Vec<String> = list
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|host| !host.is_empty())
            .map(str::to_owned)
            .collect();
        if hosts.is_empty() || hosts.iter().any(|host| host == "*") { Self::Any } else { Self::Only(hosts) }
    }
}

/// How to serve.
#[derive(Debug, Clone)]
pub struct Options {
    pub hosts: AllowedHosts,
    /// Path of the endpoint; no other is.
    pub path: String,
    /// Where health checks are answered, if anywhere.
    pub health_path: Option<String>,
    pub fault: Option<Arc<Fault>>,
    /// What tells clients where to sign in, if they have to: JSON as in RFC 9728.
    pub metadata: Option<String>,
}

impl Options {
    /// For everybody who names one of these hosts.
    #[must_use]
    pub fn open_to(hosts: AllowedHosts) -> Self {
        Self { hosts, path: PATH.to_owned(), health_path: None, fault: None, metadata: None }
    }
}

/// Listens on `address`; port 0 takes any free one.
pub async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

/// Serves until `stop` is cancelled, then ends open answers and returns.
pub async fn serve(listener: TcpListener, tools: EchoServer, options: Options, stop: CancellationToken) {
    let service = mcp_service(tools, options.hosts.clone(), &stop);
    let options = Arc::new(options);
    let connections = GracefulShutdown::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => spawn(stream, service.clone(), Arc::clone(&options), &connections),
                // Out of file descriptors, or a peer that left again: nothing to
                // do but to let the others go on.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
        }
    }
    drop(listener);
    // A client that never closes must not hold the pod: whoever is left then is cut off.
    let _ = tokio::time::timeout(DRAIN, connections.shutdown()).await;
}

fn mcp_service(tools: EchoServer, hosts: AllowedHosts, stop: &CancellationToken) -> Service {
    let config = StreamableHttpServerConfig::default().with_cancellation_token(stop.child_token());
    let config = match hosts {
        AllowedHosts::Any => config.disable_allowed_hosts(),
        AllowedHosts::Only(hosts) => config.with_allowed_hosts(hosts),
    };
    StreamableHttpService::new(move || Ok(tools.clone()), Arc::new(LocalSessionManager::default()), config)
}

fn spawn(stream: TcpStream, service: Service, options: Arc<Options>, connections: &GracefulShutdown) {
    // The events of an answer are small: each would wait for the peer to acknowledge the one before, 40 ms.
    let _ = stream.set_nodelay(true);
    let handle = service_fn(move |request: Request<Incoming>| {
        let (service, options) = (service.clone(), Arc::clone(&options));
        let faulty = options.fault.as_ref().and_then(|fault| fault.answer(request.method()));
        async move {
            match faulty {
                Some(response) => Ok::<_, Infallible>(response),
                None => Ok(answer(&service, &options, request).await),
            }
        }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), handle);
    let connection = connections.watch(connection);
    tokio::spawn(async move {
        // A connection that ends with an error is its client's affair.
        let _ = connection.await;
    });
}

async fn answer(service: &Service, options: &Options, request: Request<Incoming>) -> Response<Body> {
    let path = request.uri().path();
    if path == options.path {
        return service.handle(request).await;
    }
    if options.health_path.as_deref() == Some(path) {
        return Response::new(Full::new(Bytes::from_static(b"ok\n")).boxed());
    }
    let is_metadata = path.strip_prefix(METADATA_PATH).is_some_and(|rest| rest.is_empty() || rest == options.path);
    if let Some(metadata) = options.metadata.clone().filter(|_| is_metadata) {
        let mut response = Response::new(Full::new(Bytes::from(metadata)).boxed());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        return response;
    }
    let hint = format!("MCP is served at {}\n", options.path);
    let mut response = Response::new(Full::new(Bytes::from(hint)).boxed());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}
