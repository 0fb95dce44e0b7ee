//! A server that answers as a test says, down to the bytes.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::probe::{Conversation, Limits, Prober, Report, Target};

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Value,
}

impl Request {
    /// The JSON-RPC method, or else that of HTTP.
    pub fn asks(&self) -> &str {
        self.body["method"].as_str().unwrap_or(&self.method)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name)?;
        Some(&found.1)
    }
}

/// What to send back.
#[derive(Debug, Clone)]
pub enum Answer {
    /// These bytes; then the next request may come.
    Bytes(Vec<u8>),
    ThenClose(Vec<u8>),
    ThenReset(Vec<u8>),
    ThenHang(Vec<u8>),
    /// These bytes, and then those for ever.
    Endless(Vec<u8>, Vec<u8>),
}

pub type Script = Arc<dyn Fn(&Request) -> Answer + Send + Sync>;

/// The server under test; it goes with the test's runtime.
pub struct Scripted {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Scripted {
    pub async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self { address: listener.local_addr().unwrap(), requests: Arc::default() };
        let requests = Arc::clone(&server.requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, requests) = (Arc::clone(&script), Arc::clone(&requests));
                tokio::spawn(async move { converse(stream, &script, &requests).await });
            }
        });
        server
    }

    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    pub async fn probe(&self, conversation: Conversation) -> Report {
        self.probe_target(&Target::new(&self.url()).unwrap(), conversation).await
    }

    pub async fn probe_target(&self, target: &Target, conversation: Conversation) -> Report {
        let prober = Prober::default().with_limits(short());
        prober.probe(target, conversation).await
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// What was asked, in order.
    pub fn asked(&self) -> Vec<String> {
        let requests = self.requests();
        requests.iter().map(|request| request.asks().to_owned()).collect()
    }
}

/// Limits that a test can wait for, and that a busy machine does not break.
pub fn short() -> Limits {
    use std::time::Duration;
    Limits {
        total: Duration::from_secs(8),
        farewell: Duration::from_millis(500),
        connect: Duration::from_secs(1),
        request: Duration::from_secs(2),
        event_stream: Duration::from_millis(500),
        body: 64 << 10,
        ..Limits::default()
    }
}

async fn converse(stream: TcpStream, script: &Script, requests: &Mutex<Vec<Request>>) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read_request(&mut stream).await {
        requests.lock().unwrap().push(request.clone());
        match script(&request) {
            Answer::Bytes(bytes) => {
                let _ = stream.write_all(&bytes).await;
            }
            Answer::ThenClose(bytes) => {
                let _ = stream.write_all(&bytes).await;
                return;
            }
            Answer::ThenReset(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.get_ref().set_zero_linger();
                return;
            }
            Answer::ThenHang(bytes) => {
                let _ = stream.write_all(&bytes).await;
                // Until the other side goes.
                let _ = stream.read_to_end(&mut Vec::new()).await;
                return;
            }
            Answer::Endless(start, piece) => {
                let _ = stream.write_all(&start).await;
                while stream.write_all(&piece).await.is_ok() {
                    // There are other servers in this test.
                    tokio::task::yield_now().await;
                }
                return;
            }
        }
    }
}

/// Reads one request; `None` at the end of the connection, or if it is not HTTP.
pub async fn read_request<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>) -> Option<Request> {
    let mut lines = Vec::new();
    loop {
        let mut line = Vec::new();
        stream.read_until(b'\n', &mut line).await.ok()?;
        let line = String::from_utf8(line).ok()?;
        match line.trim_end() {
            "" if lines.is_empty() => return None,
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut start = lines[0].split(' ');
    let (method, path) = (start.next()?.to_owned(), start.next()?.to_owned());
    let headers: Vec<(String, String)> = lines[1..]
        .iter()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let body = serde_json::from_slice(&body).unwrap_or_default();
    Some(Request { method, path, headers, body })
}

/// An HTTP reply with a length.
pub fn http(status: u16, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

pub fn reply(status: u16, headers: &str, body: &str) -> Answer {
    Answer::Bytes(http(status, headers, body))
}

pub const JSON: &str = "Content-Type: application/json\r\n";
pub const HTML: &str = "Content-Type: text/html\r\n";
pub const SSE: &str = "Content-Type: text/event-stream\r\n";

pub fn text(status: u16, body: &str) -> Answer {
    reply(status, "Content-Type: text/plain\r\n", body)
}

/// The reply of a JSON-RPC result to `request`.
pub fn result(request: &Request, result: &Value) -> Answer {
    reply(200, JSON, &result_text(request, result))
}

pub fn result_text(request: &Request, result: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": request.body["id"], "result": result}).to_string()
}

pub fn error(status: u16, code: i64, message: &str) -> Answer {
    error_with(status, code, message, &Value::Null)
}

pub fn error_with(status: u16, code: i64, message: &str, data: &Value) -> Answer {
    let error = json!({"code": code, "message": message, "data": data});
    let body = json!({"jsonrpc": "2.0", "id": null, "error": error});
    reply(status, JSON, &body.to_string())
}

/// The result that introduces a server of the modern era.
pub fn discovered() -> Value {
    json!({
        "supportedVersions": ["2026-07-28"],
        "capabilities": {"tools": {}, "logging": {}},
        "instructions": "do as I say",
        "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "new", "version": "2.0"}},
    })
}

/// The result that introduces a server of the legacy era.
pub fn initialized(version: &str) -> Value {
    json!({
        "protocolVersion": version,
        "capabilities": {"tools": {}},
        "instructions": "do as I say",
        "serverInfo": {"name": "old", "version": "1.0"},
    })
}

pub fn tools(count: usize) -> Value {
    let tool = json!({"name": "t", "description": "secret plan", "inputSchema": {}});
    json!({"tools": vec![tool; count]})
}

/// How a server of the legacy era refuses what it does not know.
pub fn not_initialized() -> Answer {
    error(400, -32000, "Bad Request: Server not initialized")
}

/// A script of a stateless server of the modern era, except where `other` answers.
pub fn modern(other: impl Fn(&Request) -> Option<Answer> + Send + Sync + 'static) -> Script {
    Arc::new(move |request| {
        other(request).unwrap_or_else(|| match request.asks() {
            "server/discover" => result(request, &discovered()),
            "tools/list" => result(request, &tools(3)),
            _ => error(404, -32601, "Method not found"),
        })
    })
}

/// A script of a stateful server of the legacy era, except where `other` answers.
pub fn legacy(other: impl Fn(&Request) -> Option<Answer> + Send + Sync + 'static) -> Script {
    Arc::new(move |request| {
        other(request).unwrap_or_else(|| match request.asks() {
            "initialize" => {
                let headers = format!("{JSON}Mcp-Session-Id: s-1\r\n");
                let body = result_text(request, &initialized("2025-11-25"));
                reply(200, &headers, &body)
            }
            "notifications/initialized" => reply(202, "", ""),
            "DELETE" => reply(200, "", ""),
            _ if request.header("mcp-session-id") != Some("s-1") => not_initialized(),
            "tools/list" => result(request, &tools(2)),
            _ => error(200, -32601, "Method not found"),
        })
    })
}

/// A script that answers everything alike.
pub fn always(answer: Answer) -> Script {
    Arc::new(move |_| answer.clone())
}
