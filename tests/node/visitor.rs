//! An MCP client outside of the cluster: it knows a URL and the address that public DNS would give for its host.

use anyhow::{Context, Result, bail, ensure};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Uri, header};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

const SESSION: &str = "mcp-session-id";

/// A client of the revision 2025-11-25, which has sessions and two kinds of streams.
#[derive(Clone)]
pub struct Visitor {
    url: Uri,
    address: IpAddr,
    trusted: Option<Arc<ClientConfig>>,
    headers: HeaderMap,
}

/// A message of the server, and how long after the question it came.
pub type Told = (Duration, Value);

impl Visitor {
    pub fn new(url: &str, address: Ipv4Addr) -> Result<Self> {
        let url = url.parse().with_context(|| format!("not a URL: {url}"))?;
        Ok(Self { url, address: address.into(), trusted: None, headers: HeaderMap::new() })
    }

    /// The URL that it knows.
    pub fn url(&self) -> String {
        self.url.to_string()
    }

    /// Trusts whom this authority signed, and nobody else.
    pub fn trusting(mut self, authority: &Path) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority)?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        self.trusted = Some(Arc::new(config.with_root_certificates(roots).with_no_client_auth()));
        Ok(self)
    }

    /// Sends a header with every request.
    pub fn with(mut self, name: &'static str, value: &str) -> Result<Self> {
        self.headers.insert(name, value.parse()?);
        Ok(self)
    }

    /// Another path on the same host.
    pub fn at(&self, path: &str) -> Result<Self> {
        let mut parts = self.url.clone().into_parts();
        parts.path_and_query = Some(path.parse()?);
        Ok(Self { url: Uri::from_parts(parts)?, ..self.clone() })
    }

    /// A connection of its own.
    pub async fn connect(&self) -> Result<Connection<'_>> {
        let port = self.url.port_u16().unwrap_or(if self.url.scheme_str() == Some("https") { 443 } else { 80 });
        let stream = TcpStream::connect((self.address, port)).await;
        let stream = stream.with_context(|| format!("cannot connect to {}:{port}", self.address))?;
        stream.set_nodelay(true)?;
        let sender = if self.url.scheme_str() == Some("https") {
            let trusted = self.trusted.clone().context("nobody is trusted")?;
            let name = ServerName::try_from(self.url.host().context("the URL has no host")?.to_owned())?;
            let stream = tokio_rustls::TlsConnector::from(trusted).connect(name, stream).await?;
            let (sender, connection) = handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            sender
        } else {
            let (sender, connection) = handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            sender
        };
        Ok(Connection { visitor: self, sender, headers: self.headers.clone() })
    }

    /// Begins a session.
    pub async fn initialize(&self) -> Result<Connection<'_>> {
        let mut connection = self.connect().await?;
        connection.initialize().await.with_context(|| format!("initialize at {}", self.url))?;
        Ok(connection)
    }

    /// A whole conversation: what the tool returned.
    pub async fn call(&self, tool: &str, arguments: &Value) -> Result<String> {
        let mut session = self.initialize().await?;
        let result = session.call(tool, arguments).await;
        result.with_context(|| format!("{tool} at {}", self.url))
    }

    /// Status, headers and text of what a GET is answered.
    pub async fn get(&self) -> Result<(StatusCode, HeaderMap, String)> {
        let response = self.connect().await?.send(Method::GET, String::new()).await?;
        let (parts, body) = response.into_parts();
        let text = String::from_utf8_lossy(&body.collect().await?.to_bytes()).into_owned();
        Ok((parts.status, parts.headers, text))
    }
}

/// A connection, and the session that goes over it.
pub struct Connection<'a> {
    visitor: &'a Visitor,
    sender: SendRequest<Full<Bytes>>,
    headers: HeaderMap,
}

impl Connection<'_> {
    async fn initialize(&mut self) -> Result<()> {
        let client = json!({"name": "visitor", "version": "1"});
        let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
        let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello});
        let response = self.send(Method::POST, hello.to_string()).await?;
        let session = response.headers().get(SESSION).cloned();
        let told = messages(response, Instant::now()).await?;
        let (_, answer) = told.last().context("no answer")?;
        let version = answer["result"]["protocolVersion"].as_str().context("no version")?;
        self.headers.insert("mcp-protocol-version", version.parse()?);
        self.headers.extend(session.map(|session| (header::HeaderName::from_static(SESSION), session)));
        let done = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        messages(self.send(Method::POST, done.to_string()).await?, Instant::now()).await?;
        Ok(())
    }

    /// Calls a tool, and gives the text that it returned.
    pub async fn call(&mut self, tool: &str, arguments: &Value) -> Result<String> {
        let told = self.follow(tool, arguments).await?;
        let (_, answer) = told.last().context("no answer")?;
        let text = answer["result"]["content"][0]["text"].as_str();
        Ok(text.with_context(|| answer.to_string())?.to_owned())
    }

    /// Calls a tool, and gives all that was told until it returned.
    pub async fn follow(&mut self, tool: &str, arguments: &Value) -> Result<Vec<Told>> {
        let params = json!({"name": tool, "arguments": arguments, "_meta": {"progressToken": 1}});
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
        let began = Instant::now();
        messages(self.send(Method::POST, call.to_string()).await?, began).await
    }

    /// Keeps the session's own stream open for a while. An error if somebody else ends it.
    pub async fn listen(&mut self, time: Duration) -> Result<()> {
        let mut response = self.send(Method::GET, String::new()).await?;
        ensure!(response.status().is_success(), "{}", response.status());
        let began = Instant::now();
        let ended = async {
            while let Some(frame) = response.frame().await {
                frame?;
            }
            anyhow::Ok(())
        };
        match tokio::time::timeout(time, ended).await {
            Ok(end) => bail!("the stream ended after {:?}: {end:?}", began.elapsed()),
            Err(_) => Ok(()),
        }
    }

    pub async fn send(&mut self, method: Method, body: String) -> Result<Response<Incoming>> {
        let url = &self.visitor.url;
        let mut request = Request::builder()
            .method(method)
            .uri(url.path_and_query().map_or("/", |it| it.as_str()))
            .header(header::HOST, url.authority().context("the URL has no host")?.as_str())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, text/event-stream");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        self.sender.ready().await?;
        Ok(self.sender.send_request(request.body(Full::new(body.into()))?).await?)
    }
}

/// The JSON in a body or in the events of a stream, as it comes.
async fn messages(mut response: Response<Incoming>, began: Instant) -> Result<Vec<Told>> {
    let (mut told, mut body, mut read) = (Vec::new(), Vec::new(), 0);
    while let Some(frame) = response.frame().await {
        body.extend_from_slice(&frame?.into_data().unwrap_or_default());
        while let Some(length) = body[read..].iter().position(|byte| *byte == b'\n') {
            let line = body[read..read + length].strip_prefix(b"data:");
            told.extend(line.and_then(|it| serde_json::from_slice(it).ok()).map(|it| (began.elapsed(), it)));
            read += length + 1;
        }
    }
    let text = String::from_utf8_lossy(&body);
    ensure!(response.status().is_success(), "{}: {text}", response.status());
    told.extend(serde_json::from_str(&text).ok().map(|it| (began.elapsed(), it)));
    Ok(told)
}
