//! The requests that a conversation may send. There are no others: above all no
//! call of a tool, and nothing that a server could answer with a question.

use hyper::{
    HeaderMap, Method,
    body::Bytes,
    header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue},
    http::uri::PathAndQuery,
};
use serde_json::{Value, json};

/// The newest revision of each era; both are what the probe offers.
pub const MODERN_VERSION: &str = "2026-07-28";
pub const LEGACY_VERSION: &str = "2025-11-25";

/// The revisions of the legacy era that an `initialize` may agree on.
pub const LEGACY_VERSIONS: &[&str] = &[LEGACY_VERSION, "2025-06-18", "2025-03-26", "2024-11-05"];

pub const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");

/// A request of a conversation.
pub struct Call {
    pub method: Method,
    /// Where to, if not to the endpoint itself.
    pub path: Option<PathAndQuery>,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub awaits: Awaits,
}

/// What of the answer is read.
#[derive(Clone, Copy)]
pub enum Awaits {
    /// Its head.
    Head,
    /// All of it.
    Document,
    /// The reply to the JSON-RPC request of this id, whatever comes before it.
    Reply(u64),
}

impl Awaits {
    /// The id of the request; 0, which is never sent, if there is none.
    pub fn id(self) -> u64 {
        match self {
            Self::Reply(id) => id,
            Self::Head | Self::Document => 0,
        }
    }
}

/// What the requests of the legacy era carry once `initialize` was answered.
pub struct Agreement {
    pub version: &'static str,
    pub session: Option<HeaderValue>,
}

impl Call {
    /// `server/discover`, the question of the modern era.
    pub fn discover(id: u64) -> Self {
        Self::modern(id, "server/discover", None)
    }

    /// `tools/list` of the modern era. `cursor` is JSON.
    pub fn list_tools(id: u64, cursor: Option<Value>) -> Self {
        Self::modern(id, "tools/list", cursor)
    }

    fn modern(id: u64, method: &'static str, cursor: Option<Value>) -> Self {
        let mut params = json!({
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": MODERN_VERSION,
                "io.modelcontextprotocol/clientInfo": client_info(),
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        });
        set_cursor(&mut params, cursor);
        let mut call = Self::request(id, method, &params);
        call.set(PROTOCOL_VERSION, MODERN_VERSION);
        call.set(METHOD, method);
        call
    }

    /// `initialize`, the question of the legacy era.
    pub fn initialize(id: u64) -> Self {
        let params = json!({
            "protocolVersion": LEGACY_VERSION,
            "capabilities": {},
            "clientInfo": client_info(),
        });
        Self::request(id, "initialize", &params)
    }

    /// The notification that ends the handshake of the legacy era.
    pub fn initialized(agreement: &Agreement) -> Self {
        let message = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        Self::post(Awaits::Head, &message).under(agreement)
    }

    /// `tools/list` of the legacy era. `cursor` is JSON.
    pub fn list_tools_legacy(id: u64, agreement: &Agreement, cursor: Option<Value>) -> Self {
        let mut params = json!({});
        set_cursor(&mut params, cursor);
        Self::request(id, "tools/list", &params).under(agreement)
    }

    /// Ends a session.
    pub fn end_session(session: HeaderValue) -> Self {
        let agreement = Agreement { version: LEGACY_VERSION, session: Some(session) };
        Self::bare(Method::DELETE).under(&agreement)
    }

    /// Asks for the event stream by which the transport of 2024-11-05 begins.
    pub fn event_stream(path: PathAndQuery) -> Self {
        Self::get(path, "text/event-stream")
    }

    /// Asks for a JSON document beside the endpoint.
    pub fn document(path: PathAndQuery) -> Self {
        let mut call = Self::get(path, "application/json");
        call.awaits = Awaits::Document;
        call
    }

    fn get(path: PathAndQuery, accept: &'static str) -> Self {
        let mut call = Self::bare(Method::GET);
        call.path = Some(path);
        call.set(ACCEPT, accept);
        call
    }

    fn request(id: u64, method: &str, params: &Value) -> Self {
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        Self::post(Awaits::Reply(id), &message)
    }

    fn post(awaits: Awaits, message: &Value) -> Self {
        let mut call = Self::bare(Method::POST);
        call.awaits = awaits;
        call.body = Bytes::from(message.to_string());
        call.set(CONTENT_TYPE, "application/json");
        call.set(ACCEPT, "application/json, text/event-stream");
        call
    }

    fn bare(method: Method) -> Self {
        Self { method, path: None, headers: HeaderMap::new(), body: Bytes::new(), awaits: Awaits::Head }
    }

    fn under(mut self, agreement: &Agreement) -> Self {
        self.set(PROTOCOL_VERSION, agreement.version);
        if let Some(session) = &agreement.session {
            self.headers.insert(SESSION_ID, session.clone());
        }
        self
    }

    fn set(&mut self, name: HeaderName, value: &'static str) {
        self.headers.insert(name, HeaderValue::from_static(value));
    }
}

fn client_info() -> Value {
    json!({"name": "landfall", "version": env!("CARGO_PKG_VERSION")})
}

fn set_cursor(params: &mut Value, cursor: Option<Value>) {
    if let Some(cursor) = cursor {
        params["cursor"] = cursor;
    }
}
