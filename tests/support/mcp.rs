//! MCP servers in the test's own process, in place of what pods would run where there is no node: the API
//! server reaches them at the address that a [`Host`](super::host::Host) gives to pods.

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A server at this path takes every request and answers none.
pub const SILENT: &str = "/silent";

/// Requests that are left without an answer.
#[derive(Default)]
struct Asked {
    all: AtomicUsize,
    now: AtomicUsize,
}

/// One of them, until whoever asked hangs up.
struct Hanging(Arc<Asked>);

impl Hanging {
    fn begin(asked: Arc<Asked>) -> Self {
        asked.all.fetch_add(1, Ordering::Relaxed);
        asked.now.fetch_add(1, Ordering::Relaxed);
        Self(asked)
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Answers until dropped.
pub struct Mcp {
    pub address: Ipv4Addr,
    pub port: u16,
    asked: Arc<Asked>,
    task: JoinHandle<()>,
}

impl Mcp {
    pub async fn start() -> Result<Self> {
        let address = host_address()?;
        let listener = TcpListener::bind((address, 0)).await?;
        let port = listener.local_addr()?.port();
        let asked = Arc::<Asked>::default();
        let count = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let count = Arc::clone(&count);
                let service = service_fn(move |request| answer(request, Arc::clone(&count)));
                let connection = hyper::server::conn::http1::Builder::new();
                // A client may hang up whenever it likes.
                tokio::spawn(async move { connection.serve_connection(TokioIo::new(stream), service).await.ok() });
            }
        });
        Ok(Self { address, port, asked, task })
    }

    /// How many requests were left without an answer.
    pub fn unanswered(&self) -> usize {
        self.asked.all.load(Ordering::Relaxed)
    }

    /// How many wait for an answer just now.
    pub fn hanging(&self) -> usize {
        self.asked.now.load(Ordering::Relaxed)
    }
}

impl Drop for Mcp {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Pods must not have a loopback address. Nothing is sent here.
fn host_address() -> Result<Ipv4Addr> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect("192.0.2.1:9").context("this machine has no network")?;
    match socket.local_addr()?.ip() {
        IpAddr::V4(address) if !address.is_loopback() => Ok(address),
        other => bail!("pods cannot be reached at {other}"),
    }
}

async fn answer(request: Request<Incoming>, asked: Arc<Asked>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    if request.uri().path().starts_with(SILENT) {
        let _hanging = Hanging::begin(asked);
        std::future::pending::<()>().await;
    }
    if request.method() != Method::POST {
        return Ok(reply(StatusCode::METHOD_NOT_ALLOWED, &Value::Null));
    }
    let body = request.into_body().collect().await?.to_bytes();
    let question: Value = serde_json::from_slice(&body).unwrap_or_default();
    let who = json!({"name": "test", "version": "1"});
    let result = match question["method"].as_str().unwrap_or_default() {
        "server/discover" => json!({
            "supportedVersions": ["2026-07-28"], "capabilities": {},
            "_meta": {"io.modelcontextprotocol/serverInfo": who},
        }),
        "initialize" => json!({"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": who}),
        _ => return Ok(reply(StatusCode::ACCEPTED, &Value::Null)),
    };
    Ok(reply(StatusCode::OK, &json!({"jsonrpc": "2.0", "id": question["id"], "result": result})))
}

fn reply(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(hyper::header::CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    response
}
