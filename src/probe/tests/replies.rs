//! Single replies, judged without a network: what `classify` says of each, and
//! that no bytes at all make the readers fail.

use hyper::{HeaderMap, StatusCode, header::HeaderName};

use crate::probe::{
    classify::{Verdict, classify},
    sse::EventReader,
    wire_types::{Discovered, Initialized, Message, ToolsPage, read},
};

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
const RESULT: &str = r#"{"jsonrpc":"2.0","id":7,"result":{"protocolVersion":"2025-11-25"}}"#;
const ERROR: &str = r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"no such\nmethod"}}"#;

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        let name: HeaderName = name.parse().unwrap();
        (name, value.parse().unwrap())
    };
    pairs.iter().map(pair).collect()
}

/// A verdict in one word, or the reason of its outcome.
fn judge(status: u16, pairs: &[(&str, &str)], body: &str) -> String {
    let status = StatusCode::from_u16(status).unwrap();
    match classify(status, &headers(pairs), body.as_bytes(), 7) {
        Verdict::Result(_) => "result".to_owned(),
        Verdict::Error(error) => format!("error {}: {}", error.code, error.message),
        Verdict::Conclusive(outcome) => format!("at once {}", outcome.reason().as_str()),
        Verdict::Inconclusive(outcome) => format!("perhaps {}", outcome.reason().as_str()),
    }
}

#[test]
#[allow(clippy::too_many_lines)] // A table is read best in one piece.
fn replies() {
    type Row = (u16, &'static [(&'static str, &'static str)], &'static str, &'static str);
    let error = "error -32601: no such method";
    let rows: &[Row] = &[
        (200, JSON, RESULT, "result"),
        (200, &[("content-type", "Application/JSON; charset=utf-8")], RESULT, "result"),
        (200, &[("content-type", "text/event-stream")], RESULT, "result"),
        (201, JSON, RESULT, "result"),
        (200, JSON, r#" [{"id":7,"result":{}}] "#, "result"),
        (200, JSON, r#"{"id":"7","result":{}}"#, "result"),
        (200, &[("content-type", "application/json-rpc")], RESULT, "perhaps NotMCP"),
        (200, &[], RESULT, "perhaps NotMCP"),
        (200, &[("content-type", "application/json"), ("content-encoding", "gzip")], RESULT, "perhaps NotMCP"),
        (200, &[("content-type", "application/json"), ("content-encoding", "identity")], RESULT, "result"),
        (400, JSON, RESULT, "perhaps NotMCP"),
        (200, JSON, r#"{"id":8,"result":{}}"#, "perhaps NotMCP"),
        (200, JSON, r#"{"id":null,"result":{}}"#, "perhaps NotMCP"),
        (200, JSON, r#"{"id":7,"result":null}"#, "perhaps NotMCP"),
        (200, JSON, r#"{"id":7,"method":"ping"}"#, "perhaps NotMCP"),
        (200, JSON, "[7,null,{},null]", "perhaps NotMCP"),
        (200, JSON, r#"{"id":7,"result":{},"result":{}}"#, "perhaps NotMCP"),
        (200, JSON, r#"{"id":7,"result":{}} trailing"#, "perhaps NotMCP"),
        (200, JSON, "\u{feff}{}", "perhaps NotMCP"),
        (200, JSON, ERROR, error),
        (400, JSON, ERROR, error),
        (404, JSON, ERROR, error),
        (404, &[("content-type", "text/html")], ERROR, error),
        (500, JSON, ERROR, error),
        (400, JSON, r#"{"id":"server-error","error":{"code":-32600}}"#, "error -32600: "),
        (400, JSON, r#"{"error":{"code":1,"message":{},"data":[[]]}}"#, "error 1: "),
        (400, JSON, r#"{"error":{"code":"1"}}"#, "perhaps NotMCP"),
        (400, JSON, r#"{"error":"bad request"}"#, "perhaps NotMCP"),
        (405, JSON, ERROR, "perhaps NotMCP"),
        (410, &[], "", "perhaps EndpointNotFound"),
        (418, &[], "", "perhaps NotMCP"),
        (500, &[], "", "perhaps HandshakeRejected"),
        (505, &[], "", "perhaps HandshakeRejected"),
        (401, JSON, ERROR, "at once AuthRequiredUnverified"),
        (401, &[("www-authenticate", "=")], "", "at once AuthRequiredUnverified"),
        (403, JSON, ERROR, "at once AccessDenied"),
        (
            403,
            &[],
            "The host that you asked for is fine, and there are many more words until access is denied",
            "at once AccessDenied",
        ),
        (403, &[], "Blocked request. This host (\"a.b\") is not allowed.", "at once HostRejected"),
        (421, JSON, ERROR, "at once HostRejected"),
        (503, JSON, ERROR, "at once BackendUnavailable"),
        (304, &[], "", "at once Redirected"),
    ];
    for &(status, pairs, body, expected) in rows {
        assert_eq!(judge(status, pairs, body), expected, "{status} {pairs:?} {body}");
    }
}

/// All that is done with a body.
fn read_everything(bytes: &[u8], id: u64) {
    let status = StatusCode::from_u16(u16::try_from(bytes.len() % 500 + 100).unwrap()).unwrap();
    for status in [StatusCode::OK, StatusCode::BAD_REQUEST, status] {
        if let Verdict::Result(result) = classify(status, &headers(JSON), bytes, id) {
            let _ = read::<Discovered>(result);
            let _ = read::<Initialized>(result);
            let _ = read::<ToolsPage<'_>>(result).map(|page| page.cursor().map(str::to_owned));
        }
    }
    for event in EventReader::default().push(bytes) {
        let _ = Message::parse(&event.data).map(|message| message.answers(id));
    }
}

/// Good replies, bent at random but always in the same way.
#[test]
fn no_bytes_make_the_readers_fail() {
    let discovered = r#"{"jsonrpc":"2.0","id":7,"result":{"supportedVersions":["2026-07-28",1],"capabilities":{"tools":{}},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"a\u0007","version":"1"}}}}"#;
    let tools = r#"{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"a"},{}],"nextCursor":"ä"}}"#;
    let events = format!(": x\r\nevent: message\r\ndata: {tools}\r\n\r\ndata: {ERROR}\n\n");
    let mut random: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % below as u64).unwrap()
    };
    for seed in [RESULT, ERROR, discovered, tools, &events] {
        for _ in 0..5_000 {
            let mut bytes = seed.as_bytes().to_vec();
            for _ in 0..=next(6) {
                let at = next(bytes.len());
                match next(4) {
                    0 => bytes[at] = u8::try_from(next(256)).unwrap(),
                    1 => bytes.truncate(at.max(1)),
                    2 => bytes.insert(at, b"{}[]\",:\n\r\\"[next(10)]),
                    _ => bytes = [&bytes[at..], &bytes[..at]].concat(),
                }
            }
            read_everything(&bytes, 7);
        }
    }
}
