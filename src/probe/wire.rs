//! Carries requests to one server and reads its replies, all within limits.
//!
//! In: a [`Call`]. Out: a [`Reply`] with secrets masked, or a [`Fault`]. Keeps one
//! connection as long as the server does, follows one redirect of the same origin,
//! and remembers every session id that any reply named, so that all can be ended.

use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::Bytes,
    header::{ACCEPT_ENCODING, HOST, HeaderValue, USER_AGENT},
    http::uri::PathAndQuery,
};
use tokio::time::{Instant, timeout_at};

use super::{
    call::{Awaits, Call, SESSION_ID},
    classify::is_media_type,
    connection::{Body, ConnectError, Connection, Connector},
    limits::Limits,
    redirect,
    secrets::Secrets,
    sse::{Event, EventReader},
    target::Target,
    wire_types::Message,
};

/// How long an event stream may take to end after the reply, for the connection
/// to be used again: it may be all that ties a session to a replica.
const SETTLE: Duration = Duration::from_millis(200);

/// How long the rest of an error page may take.
const ERROR_PAGE: Duration = Duration::from_millis(500);

/// Most sessions that are remembered; a server that opens more is on its own.
const SESSIONS: usize = 16;

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the connection was closed before the answer was complete")]
    Closed,
    #[error("what answers does not speak HTTP/1.1")]
    NotHttp,
    #[error("no answer in time")]
    Timeout,
    #[error("an answer of more than {0} bytes")]
    TooLarge(usize),
}

impl From<hyper::Error> for Fault {
    fn from(error: hyper::Error) -> Self {
        if error.is_parse() { Self::NotHttp } else { Self::Closed }
    }
}

/// A reply, ready to be judged.
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The body; of an event stream, the data of the event with the reply.
    pub body: Vec<u8>,
    /// The session that it names.
    pub session: Option<HeaderValue>,
}

/// The line to one server during one conversation.
pub struct Wire<'a> {
    target: &'a Target,
    connector: &'a Connector,
    limits: Limits,
    secrets: Secrets,
    deadline: Instant,
    path: PathAndQuery,
    has_redirected: bool,
    connection: Option<Connection>,
    sessions: Vec<HeaderValue>,
    requests: u32,
}

impl<'a> Wire<'a> {
    pub fn new(target: &'a Target, connector: &'a Connector, limits: Limits) -> Self {
        Self {
            target,
            connector,
            limits,
            secrets: Secrets::of(&target.headers),
            deadline: Instant::now() + limits.total,
            path: target.path.clone(),
            has_redirected: false,
            connection: None,
            sessions: Vec::new(),
            requests: 0,
        }
    }

    /// How many requests were sent.
    pub fn requests(&self) -> u32 {
        self.requests
    }

    /// The path in use: that of the target, or where it redirected to.
    pub fn endpoint(&self) -> &PathAndQuery {
        &self.path
    }

    /// The URL of another path of the same server, for people to read.
    pub fn url_of(&self, path: &str) -> String {
        let scheme = if self.target.is_tls { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.target.authority)
    }

    /// Sends `call` and reads its reply.
    pub async fn send(&mut self, call: &Call) -> Result<Reply, Fault> {
        let until = self.until(self.limits.request);
        let reply = timeout_at(until, self.exchange(call)).await;
        self.after(reply.unwrap_or(Err(Fault::Timeout)))
    }

    /// Asks for an event stream at `path`, and returns its first event.
    pub async fn first_event(&mut self, path: PathAndQuery) -> Result<(StatusCode, Option<Event>), Fault> {
        let until = self.until(self.limits.event_stream);
        let call = Call::event_stream(path);
        let asked = async {
            let response = self.request(&call).await?;
            let status = response.status();
            if !status.is_success() || !is_media_type(response.headers(), "text/event-stream") {
                return Ok((status, None));
            }
            let limit = self.limits.event_stream_body;
            let event = read_events(response.into_body(), limit, |_| true).await?;
            Ok((status, event.map(|(event, _)| event)))
        };
        let found = timeout_at(until, asked).await.unwrap_or(Err(Fault::Timeout));
        // Closing the stream is what ends the session behind it.
        self.hang_up();
        found
    }

    /// Closes the connection, so that the next request takes a new one.
    pub fn hang_up(&mut self) {
        self.connection = None;
    }

    /// Ends every session that was seen, and says how many the server keeps: those
    /// that it does not let clients end, or whose end it did not answer.
    pub async fn end_sessions(&mut self) -> usize {
        self.limits.farewell = Duration::ZERO;
        let mut kept = 0;
        for session in std::mem::take(&mut self.sessions) {
            let reply = self.send(&Call::end_session(session)).await;
            // 404 and 400 are how servers say that they know it no more.
            let has_ended =
                reply.is_ok_and(|reply| reply.status.is_success() || matches!(reply.status.as_u16(), 400 | 404));
            kept += usize::from(!has_ended);
        }
        kept
    }

    /// When a step that may take `limit` must be over.
    fn until(&self, limit: Duration) -> Instant {
        let reserved = self.limits.farewell;
        let deadline = self.deadline.checked_sub(reserved).unwrap_or(self.deadline);
        deadline.min(Instant::now() + limit)
    }

    /// A connection with an answer half read is of no more use.
    fn after(&mut self, reply: Result<Reply, Fault>) -> Result<Reply, Fault> {
        if reply.is_err() {
            self.hang_up();
        }
        reply
    }

    async fn exchange(&mut self, call: &Call) -> Result<Reply, Fault> {
        let mut response = self.request(call).await?;
        let (status, headers) = (response.status(), response.headers());
        if !self.has_redirected
            && call.path.is_none()
            && let Some(path) = redirect::follow(self.target, &self.path, status, headers)
        {
            self.has_redirected = true;
            self.path = path;
            self.hang_up();
            response = self.request(call).await?;
        }
        let mut reply = self.read(response, call.awaits).await?;
        self.secrets.mask(&mut reply.body);
        self.secrets.mask_headers(&mut reply.headers);
        Ok(reply)
    }

    /// Sends `call` over the connection there is, or a new one.
    async fn request(&mut self, call: &Call) -> Result<Response<Body>, Fault> {
        self.requests += 1;
        if let Some(connection) = self.connection.take_if(|it| it.is_open()) {
            match self.request_over(connection, call).await {
                // A server may close an idle connection at any time. No request of
                // a conversation does harm twice, so it goes over a new one.
                Err(Fault::Closed) => {}
                other => return other,
            }
        }
        let connection = self.connector.connect(self.target, self.limits.connect).await?;
        self.request_over(connection, call).await
    }

    /// Sends `call` over `connection`, and keeps that if it is of more use.
    async fn request_over(&mut self, mut connection: Connection, call: &Call) -> Result<Response<Body>, Fault> {
        // The body, as much again for its framing, and a head.
        let most = 2 * self.limits.body + self.limits.error_body;
        match connection.send(self.build(call), most).await {
            Ok(response) => {
                self.connection = Some(connection);
                Ok(self.remember_session(response))
            }
            Err(_) if connection.is_used_up() => Err(Fault::TooLarge(most)),
            Err(fault) => Err(fault),
        }
    }

    fn build(&self, call: &Call) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(call.body.clone()));
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = call.path.as_ref().unwrap_or(&self.path).clone().into();
        let headers = request.headers_mut();
        if let Ok(host) = HeaderValue::from_str(self.target.authority.as_str()) {
            headers.insert(HOST, host);
        }
        let agent = concat!("landfall/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.extend(self.target.headers.clone());
        headers.extend(call.headers.clone());
        request
    }

    /// Errors name sessions too: some servers open one before they refuse.
    fn remember_session(&mut self, response: Response<Body>) -> Response<Body> {
        if let Some(id) = response.headers().get(SESSION_ID)
            && !self.sessions.contains(id)
            && self.sessions.len() < SESSIONS
        {
            self.sessions.push(id.clone());
        }
        response
    }

    async fn read(&mut self, response: Response<Body>, awaits: Awaits) -> Result<Reply, Fault> {
        let (head, body) = response.into_parts();
        let (status, headers) = (head.status, head.headers);
        let session = headers.get(SESSION_ID).cloned();
        let is_success = status.is_success();
        let body = match awaits {
            Awaits::Head => {
                self.read_start(body, SETTLE).await;
                Vec::new()
            }
            Awaits::Reply(id) if is_success && is_media_type(&headers, "text/event-stream") => {
                let is_reply = |event: &Event| Message::parse(&event.data).is_some_and(|message| message.answers(id));
                match read_events(body, self.limits.body, is_reply).await? {
                    Some((event, rest)) => {
                        self.read_start(rest, SETTLE).await;
                        event.data
                    }
                    None => Vec::new(),
                }
            }
            _ if is_success => read_all(body, self.limits.body).await?,
            // The status has told the most: the page is not long waited for.
            _ => self.read_start(body, ERROR_PAGE).await,
        };
        Ok(Reply { status, headers, body, session })
    }

    /// Reads what there is of a body within `wait`, and gives up the connection if
    /// that is not all.
    async fn read_start(&mut self, body: Body, wait: Duration) -> Vec<u8> {
        let mut start = Vec::new();
        let reading = read_up_to(body, self.limits.error_body, &mut start);
        let until = self.until(wait);
        if !timeout_at(until, reading).await.unwrap_or(false) {
            self.hang_up();
        }
        start
    }
}

/// Reads a body that must be whole.
async fn read_all(mut body: Body, limit: usize) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        if data.len() > limit - bytes.len() {
            return Err(Fault::TooLarge(limit));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

/// Adds a body to `bytes`, which may grow to `limit`; returns whether that is all.
async fn read_up_to(mut body: Body, limit: usize, bytes: &mut Vec<u8>) -> bool {
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return false;
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let room = limit - bytes.len();
        bytes.extend_from_slice(data.get(..room).unwrap_or(&data));
        if data.len() > room {
            return false;
        }
    }
    true
}

/// Reads events up to the one that is `wanted`; returns that, and the rest of the
/// stream.
async fn read_events(
    mut body: Body,
    limit: usize,
    wanted: impl Fn(&Event) -> bool,
) -> Result<Option<(Event, Body)>, Fault> {
    let mut reader = EventReader::default();
    let mut left = limit;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        left = left.checked_sub(data.len()).ok_or(Fault::TooLarge(limit))?;
        if let Some(event) = reader.push(&data).into_iter().find(&wanted) {
            return Ok(Some((event, body)));
        }
    }
    Ok(None)
}
