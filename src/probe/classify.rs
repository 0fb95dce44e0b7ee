//! Says what one reply means, from nothing but its status, headers and body.
//!
//! In: a reply, and the id of the request that it should answer. Of an event
//! stream, `body` is the data of the event with the reply, or empty if none came.
//! Out: a [`Verdict`]. What a result or an error means for the conversation is the
//! matter of the era that asked; what the network in between says (log in, wrong
//! host, go elsewhere, too busy) ends every conversation alike, and is decided here.

use std::time::Duration;

use hyper::{
    HeaderMap, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE, LOCATION, RETRY_AFTER},
};
use serde_json::value::RawValue;

use super::{
    challenge::Challenge,
    outcome::Outcome,
    wire_types::{Message, RpcError},
};
use crate::text::{self, clean, clean_bytes};

/// How much of a page is searched for complaints about the host.
const COMPLAINT: usize = 2048;

/// Longest wait that a server may ask for.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// What a reply means.
#[derive(Debug)]
pub enum Verdict<'r> {
    /// A JSON-RPC result for our request; not yet known to be the right one.
    Result(&'r RawValue),
    /// A JSON-RPC error, under whatever status.
    Error(RpcError),
    /// The conversation ends here, whatever else would be asked.
    Conclusive(Outcome),
    /// Not an answer to this question. Another may be understood; if none is,
    /// this is the outcome.
    Inconclusive(Outcome),
}

/// Judges the reply to request `id`.
pub fn classify<'r>(status: StatusCode, headers: &HeaderMap, body: &'r [u8], id: u64) -> Verdict<'r> {
    if let Some(outcome) = between(status, headers, body) {
        return Verdict::Conclusive(outcome);
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        let seen = "405, it takes no POST at this path".to_owned();
        return Verdict::Inconclusive(Outcome::NotMcp { seen });
    }
    let message = Message::parse(body).filter(|message| message.answers(id));
    match message {
        Some(Message { error: Some(error), .. }) => Verdict::Error(error),
        Some(Message { result: Some(result), .. }) if status.is_success() => match wrong_media_type(headers) {
            Some(seen) => Verdict::Inconclusive(Outcome::NotMcp { seen }),
            None => Verdict::Result(result),
        },
        _ => Verdict::Inconclusive(not_mcp(status, headers, body)),
    }
}

/// What proxies, guards and limits say, before any MCP server is asked.
fn between(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Option<Outcome> {
    let challenge = || Challenge::find(headers);
    Some(match status {
        StatusCode::UNAUTHORIZED => challenge().map_or(Outcome::AuthRequiredUnverified, Outcome::AuthRequired),
        StatusCode::FORBIDDEN => match challenge() {
            Some(challenge) => Outcome::AuthRequired(challenge),
            None if complains_about_host(body) => host_rejected(headers, body),
            None => Outcome::AccessDenied { message: excerpt(headers, body) },
        },
        StatusCode::MISDIRECTED_REQUEST => host_rejected(headers, body),
        // Frameworks' own guards (Starlette, Django) say it with 400, which MCP
        // servers say for much else: only their very words count.
        StatusCode::BAD_REQUEST if names_invalid_host(body) => host_rejected(headers, body),
        StatusCode::TOO_MANY_REQUESTS => Outcome::RateLimited { retry_after: retry_after(headers) },
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            Outcome::BackendUnavailable {
                status: status.as_u16(),
                message: excerpt(headers, body),
                retry_after: retry_after(headers),
            }
        }
        _ if status.is_redirection() => Outcome::Redirected { location: location(headers) },
        _ => return None,
    })
}

fn host_rejected(headers: &HeaderMap, body: &[u8]) -> Outcome {
    Outcome::HostRejected { message: excerpt(headers, body) }
}

fn names_invalid_host(body: &[u8]) -> bool {
    let start = lowercase_start(body);
    start.contains("invalid host") || start.contains("disallowedhost")
}

fn lowercase_start(body: &[u8]) -> String {
    let start = body.get(..COMPLAINT).unwrap_or(body);
    String::from_utf8_lossy(start).to_lowercase()
}

/// Whether a refusal is for the `Host` (or `Origin`) header. The words of the
/// guards differ: `Invalid Host: x`, `Host header is not allowed`, `Blocked
/// request. This host is not allowed`, `DisallowedHost`.
fn complains_about_host(body: &[u8]) -> bool {
    let start = lowercase_start(body);
    let words: Vec<&str> = start.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let names_host = |word: &&str| matches!(*word, "host" | "hosts" | "hostname" | "origin" | "disallowedhost");
    let refuses = |word: &&str| {
        matches!(
            *word,
            "invalid"
                | "allowed"
                | "disallowed"
                | "disallowedhost"
                | "blocked"
                | "rejected"
                | "denied"
                | "untrusted"
                | "trusted"
                | "permitted"
                | "forbidden"
        )
    };
    // Near each other: a page that has both words anywhere says nothing.
    words
        .windows(6)
        .chain([words.get(..words.len().min(5)).unwrap_or_default()])
        .any(|near| near.iter().any(&names_host) && near.iter().any(&refuses))
}

/// What to say about a reply that no MCP server would give.
fn not_mcp(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Outcome {
    let message = excerpt(headers, body);
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => Outcome::EndpointNotFound,
        // These are about how the question was put, or a fault while answering:
        // something is there that was about to answer.
        StatusCode::NOT_ACCEPTABLE | StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            Outcome::HandshakeRejected { code: None, message: numbered(status, &message) }
        }
        _ if status.is_server_error() => Outcome::HandshakeRejected { code: None, message: numbered(status, &message) },
        _ if status.is_success() => {
            let seen =
                wrong_media_type(headers).unwrap_or_else(|| format!("{} without a JSON-RPC reply", status.as_u16()));
            let seen = if message.is_empty() { seen } else { format!("{seen}: “{message}”") };
            Outcome::NotMcp { seen }
        }
        _ => Outcome::NotMcp { seen: numbered(status, &message) },
    }
}

fn numbered(status: StatusCode, message: &str) -> String {
    if message.is_empty() {
        format!("HTTP {}", status.as_u16())
    } else {
        format!("HTTP {}: {message}", status.as_u16())
    }
}

/// Why clients would not read this body, although it was sent with success.
fn wrong_media_type(headers: &HeaderMap) -> Option<String> {
    let shown = |value: &hyper::header::HeaderValue| clean_bytes(value.as_bytes(), text::NAME);
    if let Some(encoding) = headers.get(CONTENT_ENCODING)
        && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        let encoding = shown(encoding);
        return Some(format!("a body in {encoding} encoding, which was not asked for"));
    }
    let Some(media_type) = headers.get(CONTENT_TYPE) else {
        return Some("a body without a Content-Type".to_owned());
    };
    if is_media_type(headers, "application/json") || is_media_type(headers, "text/event-stream") {
        return None;
    }
    let media_type = shown(media_type);
    Some(format!("a body of type {media_type}, where clients take only application/json or text/event-stream"))
}

/// Whether `headers` declare this type, with or without parameters.
pub fn is_media_type(headers: &HeaderMap, expected: &str) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case(expected))
}

/// What a reply says in words: the message of its JSON-RPC error, the title of a
/// web page, or its text.
fn excerpt(headers: &HeaderMap, body: &[u8]) -> String {
    if let Some(error) = Message::parse(body).and_then(|message| message.error) {
        return error.message;
    }
    if headers.contains_key(CONTENT_ENCODING) {
        return String::new();
    }
    let is_page = is_media_type(headers, "text/html") || body.trim_ascii_start().starts_with(b"<");
    if is_page {
        return title(body);
    }
    clean_bytes(body, text::MESSAGE)
}

/// The title of a web page, as it stands there.
fn title(page: &[u8]) -> String {
    let start = page.get(..COMPLAINT).unwrap_or(page);
    let start = String::from_utf8_lossy(start);
    // Lower case in ASCII keeps every position.
    let opened = start.to_ascii_lowercase().find("<title>");
    let title = opened.and_then(|at| start.get(at + "<title>".len()..));
    let title = title.and_then(|rest| rest.split('<').next());
    clean(title.unwrap_or_default(), text::NAME)
}

/// How long to wait, if it is said in seconds; an hour at most.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
}

/// Where a redirect leads. The query is left out: it may hold credentials.
fn location(headers: &HeaderMap) -> String {
    let Some(value) = headers.get(LOCATION) else {
        return "nowhere, for it has no Location".to_owned();
    };
    let value = String::from_utf8_lossy(value.as_bytes());
    let end = value.find(['?', '#']).unwrap_or(value.len());
    clean(&value[..end], text::MESSAGE)
}
