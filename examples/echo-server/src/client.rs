//! Calls an MCP server the way a client of the 2025-11-25 revision does:
//! `initialize`, `notifications/initialized`, `tools/list`, `tools/call`, `DELETE`.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, Response, Uri, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

const PROTOCOL_VERSION: &str = "2025-11-25";
const SESSION: &str = "mcp-session-id";
const LIMIT: Duration = Duration::from_secs(15);

/// What a server answered to a whole conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers {
    pub name: String,
    pub version: String,
    /// The server's title; the echo server puts its instance here.
    pub title: Option<String>,
    pub protocol_version: String,
    pub tools: Vec<String>,
    /// Which of them was called, and what it returned.
    pub tool: String,
    pub returned: String,
}

impl std::fmt::Display for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "initialize  {} {}", self.name, self.version)?;
        if let Some(title) = &self.title {
            write!(f, " ({title})")?;
        }
        writeln!(f, ", protocol {}", self.protocol_version)?;
        writeln!(f, "tools/list  {}", self.tools.join(", "))?;
        write!(f, "tools/call  {}: {}", self.tool, self.returned)
    }
}

/// Holds the whole conversation with the server at `url`, in 15 seconds at most.
pub async fn call(url: &str, tool: &str, arguments: &Value) -> Result<Answers> {
    let conversation = converse(url, tool, arguments);
    match tokio::time::timeout(LIMIT, conversation).await {
        Ok(answers) => answers,
        Err(_) => bail!("{url} did not answer within {} s", LIMIT.as_secs()),
    }
}

async fn converse(url: &str, tool: &str, arguments: &Value) -> Result<Answers> {
    let mut client = Client::new(url)?;
    let hello = json!({
        "protocolVersion": PROTOCOL_VERSION,
        "capabilities": {},
        "clientInfo": {"name": "echo-server-call", "version": env!("CARGO_PKG_VERSION")},
    });
    let hello = client.request("initialize", &hello).await?;
    client.protocol_version = Some(text(&hello["protocolVersion"]));
    client.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await?;
    let tools = client.request("tools/list", &json!({})).await?;
    let call = json!({"name": tool, "arguments": arguments});
    let result = client.request("tools/call", &call).await?;
    client.end().await;
    let returned = text(&result["content"][0]["text"]);
    ensure!(result["isError"] != true, "tools/call {tool}: {returned}");
    Ok(Answers {
        name: text(&hello["serverInfo"]["name"]),
        version: text(&hello["serverInfo"]["version"]),
        title: hello["serverInfo"]["title"].as_str().map(str::to_owned),
        protocol_version: text(&hello["protocolVersion"]),
        tools: tools["tools"].as_array().into_iter().flatten().map(|tool| text(&tool["name"])).collect(),
        tool: tool.to_owned(),
        returned,
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

struct Client {
    url: Uri,
    session: Option<String>,
    protocol_version: Option<String>,
    last_id: u64,
}

impl Client {
    fn new(url: &str) -> Result<Self> {
        let parsed: Uri = url.parse().with_context(|| format!("not a URL: {url}"))?;
        ensure!(parsed.scheme_str() == Some("http") && parsed.host().is_some(), "not an http:// URL: {url}");
        Ok(Self { url: parsed, session: None, protocol_version: None, last_id: 0 })
    }

    /// Sends one request and returns its `result`.
    async fn request(&mut self, method: &str, params: &Value) -> Result<Value> {
        self.last_id += 1;
        let id = self.last_id;
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let body = self.post(&request).await.with_context(|| method.to_owned())?;
        let Some(mut reply) = reply_with_id(&body, id) else {
            bail!("{method}: the answer holds no reply: {}", start(&body));
        };
        if let Some(error) = reply.get("error") {
            bail!("{method}: {} (code {})", text(&error["message"]), error["code"]);
        }
        Ok(reply["result"].take())
    }

    /// Posts one message and returns the body of the answer.
    async fn post(&mut self, message: &Value) -> Result<String> {
        let response = self.send(Method::POST, message.to_string()).await?;
        let status = response.status();
        if let Some(session) = response.headers().get(SESSION) {
            self.session = Some(session.to_str().context("odd session id")?.to_owned());
        }
        // A server ends the stream of an answer after the reply, so that even an
        // event stream can be read as a whole.
        let body = response.into_body().collect().await?.to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        ensure!(status.is_success(), "{status}: {}", start(&body));
        Ok(body)
    }

    /// Ends the session, as polite clients do; a server may refuse it.
    async fn end(&mut self) {
        if self.session.is_some() {
            let _ = self.send(Method::DELETE, String::new()).await;
        }
    }

    async fn send(&self, method: Method, body: String) -> Result<Response<hyper::body::Incoming>> {
        let authority = self.url.authority().context("the URL has no host")?;
        let host = authority.host().trim_matches(['[', ']']);
        let port = authority.port_u16().unwrap_or(80);
        let stream =
            TcpStream::connect((host, port)).await.with_context(|| format!("cannot connect to {host}:{port}"))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);

        let path = self.url.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", authority.as_str())
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        if let Some(session) = &self.session {
            request = request.header(SESSION, session);
        }
        if let Some(version) = &self.protocol_version {
            request = request.header("mcp-protocol-version", version);
        }
        let request = request.body(Full::new(Bytes::from(body)))?;
        Ok(sender.send_request(request).await?)
    }
}

/// Finds the reply to request `id` in a JSON body or in the events of a stream.
fn reply_with_id(body: &str, id: u64) -> Option<Value> {
    let events = body.lines().filter_map(|line| line.strip_prefix("data:"));
    std::iter::once(body)
        .chain(events)
        .filter_map(|text| serde_json::from_str::<Value>(text).ok())
        .find(|message| message["id"] == id && message.get("method").is_none())
}

/// The first line of a body, short enough for an error message.
fn start(body: &str) -> String {
    body.lines().next().unwrap_or_default().chars().take(200).collect()
}
