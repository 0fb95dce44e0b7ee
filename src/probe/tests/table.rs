//! Every kind of reply that a server, a proxy or a stranger may give, and what it
//! is called.

// A table is read best in one piece.
#![allow(clippy::too_many_lines)]

use std::{collections::BTreeSet, fmt::Write as _, sync::Arc};

use serde_json::json;

use super::scripted::{
    Answer, HTML, JSON, Request, SSE, Script, Scripted, always, error, error_with, http, initialized, legacy, modern,
    not_initialized, reply, result, result_text, text, tools,
};
use crate::probe::Conversation;

/// A script, the reason it leads to, and words that the message has.
struct Case {
    name: &'static str,
    script: Script,
    reason: &'static str,
    says: &'static str,
}

fn case(name: &'static str, script: Script, reason: &'static str, says: &'static str) -> Case {
    Case { name, script, reason, says }
}

/// Runs all cases at once: those that wait do it together.
async fn check(cases: Vec<Case>) {
    let names: BTreeSet<_> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len(), "two cases have one name");
    let running = cases.into_iter().map(|case| async move {
        let server = Scripted::start(case.script).await;
        let report = server.probe(Conversation::Full).await;
        let message = report.message();
        let is_right = report.outcome.reason().as_str() == case.reason && message.contains(case.says);
        let asked = server.asked();
        (!is_right).then(|| format!("{}: {:?}, {message}\n  asked {asked:?}", case.name, report.outcome))
    });
    let wrong: Vec<String> = futures::future::join_all(running).await.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A server of the legacy era that answers the modern question with `answer`.
fn legacy_after(answer: Answer) -> Script {
    legacy(move |request| (request.asks() == "server/discover").then(|| answer.clone()))
}

/// A server of the modern era that answers `tools/list` with `answer`.
fn modern_listing(answer: Answer) -> Script {
    modern(move |request| (request.asks() == "tools/list").then(|| answer.clone()))
}

/// A server that answers `initialize` with `answer` and knows nothing else.
fn initializing(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Script {
    Arc::new(move |request| match request.asks() {
        "initialize" => answer(request),
        _ => not_initialized(),
    })
}

fn sse(events: &str) -> Answer {
    let head = format!("HTTP/1.1 200 OK\r\n{SSE}Connection: close\r\n\r\n");
    Answer::ThenClose([head.as_bytes(), events.as_bytes()].concat())
}

fn chunked(headers: &str, chunks: &[&str]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 200 OK\r\n{headers}Transfer-Encoding: chunked\r\n\r\n");
    for chunk in chunks {
        let _ = write!(bytes, "{:x}\r\n{chunk}\r\n", chunk.len());
    }
    bytes.into_bytes()
}

/// A piece of a chunked body.
fn chunk() -> Vec<u8> {
    format!("4000\r\n{}\r\n", " ".repeat(0x4000)).into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn healthy_servers() {
    let in_events = |request: &Request| {
        let reply = match request.asks() {
            "initialize" => result_text(request, &initialized("2025-06-18")),
            "tools/list" => result_text(request, &tools(1)),
            "notifications/initialized" => return reply(202, "", ""),
            _ => return not_initialized(),
        };
        let other = json!({"jsonrpc": "2.0", "id": request.body["id"], "method": "roots/list"});
        sse(&format!(": hi\n\nid: 1\ndata: \n\ndata: {other}\n\nevent: message\ndata: {reply}\n\n"))
    };
    let open_stream = |request: &Request| {
        if request.asks() != "tools/list" {
            return None;
        }
        let event = format!("data: {}\n\n", result_text(request, &tools(4)));
        Some(Answer::ThenHang(chunked(SSE, &[&event])))
    };
    let versions = |version: &'static str| {
        legacy(move |request| {
            let is_initialize = request.asks() == "initialize";
            is_initialize.then(|| result(request, &initialized(version)))
        })
    };
    let batch = legacy(|request| {
        let is_initialize = request.asks() == "initialize";
        is_initialize.then(|| {
            let message = result_text(request, &initialized("2025-03-26"));
            reply(200, &format!("{JSON}Mcp-Session-Id: s-1\r\n"), &format!("[{message}]"))
        })
    });
    check(vec![
        case("modern", modern(|_| None), "Verified", "new 2.0 speaks MCP 2026-07-28 and has 3 tools"),
        case("legacy", legacy(|_| None), "Verified", "old 1.0 speaks MCP 2025-11-25 and has 2 tools"),
        case("replies in event streams", Arc::new(in_events), "Verified", "has 1 tool"),
        case("a stream that stays open after the reply", modern(open_stream), "Verified", "has 4 tools"),
        case("revision 2025-03-26", versions("2025-03-26"), "VerifiedToolsUnavailable", ""),
        case("a batch of one", batch, "Verified", "2025-03-26"),
        case("discover is not found, as JSON-RPC", legacy_after(error(404, -32601, "?")), "Verified", ""),
        case("discover is not found, as a page", legacy_after(reply(404, HTML, "<h1>no</h1>")), "Verified", ""),
        case("discover gets an empty 400", legacy_after(reply(400, "", "")), "Verified", ""),
        case("discover gets 405", legacy_after(reply(405, "Allow: GET\r\n", "")), "Verified", ""),
        case("discover gets 406", legacy_after(text(406, "no")), "Verified", ""),
        case("discover gets 500", legacy_after(text(500, "oops")), "Verified", ""),
        case("discover gets 200 and {}", legacy_after(reply(200, JSON, "{}")), "Verified", ""),
        case(
            "discover gets an empty result",
            legacy(|request| (request.asks() == "server/discover").then(|| result(request, &json!({})))),
            "Verified",
            "old 1.0",
        ),
        case("discover gets a page", legacy_after(reply(200, HTML, "<html>")), "Verified", "old 1.0"),
        case("discover hangs", legacy_after(Answer::ThenHang(vec![])), "Verified", "old 1.0"),
        case("discover resets the connection", legacy_after(Answer::ThenReset(vec![])), "Verified", "old 1.0"),
        case("discover closes the connection", legacy_after(Answer::ThenClose(vec![])), "Verified", "old 1.0"),
        case(
            "lists old versions only",
            legacy_after(error_with(400, -32022, "?", &json!({"supported": ["2025-11-25"]}))),
            "Verified",
            "old 1.0",
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_without_tools() {
    let no_capability = modern(|request| {
        let is_discover = request.asks() == "server/discover";
        is_discover.then(|| result(request, &json!({"supportedVersions": ["2026-07-28"]})))
    });
    let endless_pages = modern(|request| {
        let is_list = request.asks() == "tools/list";
        is_list.then(|| result(request, &json!({"tools": [{}], "nextCursor": "again"})))
    });
    let many =
        modern(|request| (request.asks() == "tools/list").then(|| result(request, &json!({"tools": vec![1; 1001]}))));
    let unavailable = "VerifiedToolsUnavailable";
    check(vec![
        case("no capability", no_capability, "Verified", "speaks MCP 2026-07-28 and has 0 tools"),
        case("pages without end", endless_pages, "Verified", "more than 20 tools"),
        case("too many on a page", many, "Verified", "more than 1000 tools"),
        case(
            "listing fails",
            modern_listing(error(200, -32603, "database is down")),
            unavailable,
            "error -32603: database is down",
        ),
        case("listing hangs", modern_listing(Answer::ThenHang(vec![])), unavailable, "no answer in time"),
        case("listing gets 503", modern_listing(text(503, "busy")), unavailable, "503"),
        case(
            "listing gets something else",
            modern(|request| (request.asks() == "tools/list").then(|| result(request, &json!({"tools": "many"})))),
            unavailable,
            "lacks what MCP prescribes",
        ),
        case(
            "listing is too large",
            modern_listing(Answer::Endless(chunked(JSON, &["{"]), chunk())),
            unavailable,
            "more than 65536 bytes",
        ),
        case(
            "listing is cut off",
            modern_listing(Answer::ThenClose(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{".to_vec())),
            unavailable,
            "closed before",
        ),
        case(
            "listing asks for credentials",
            modern_listing(reply(401, "WWW-Authenticate: Bearer\r\n", "")),
            "AuthRequired",
            "Bearer",
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_in_between() {
    let bearer = "WWW-Authenticate: Bearer resource_metadata=\"https://a/.well-known/x\", scope=\"mcp\"\r\n";
    let both = "WWW-Authenticate: Basic realm=x\r\nWWW-Authenticate: Bearer scope=y\r\n";
    let redirect = |status, to: &str| always(reply(status, &format!("Location: {to}\r\n"), ""));
    let host = "HostRejected";
    check(vec![
        case(
            "401 with a challenge",
            always(reply(401, bearer, "")),
            "AuthRequired",
            "metadata at https://a/.well-known/x, scope mcp",
        ),
        case("401 with two challenges", always(reply(401, both, "")), "AuthRequired", "(Bearer, scope y)"),
        case("401 without", always(text(401, "no")), "AuthRequiredUnverified", "verification.headers"),
        case(
            "403 with a challenge",
            always(reply(403, "WWW-Authenticate: Bearer error=insufficient_scope\r\n", "")),
            "AuthRequired",
            "",
        ),
        case(
            "401 with a page that never ends",
            always(Answer::ThenHang(b"HTTP/1.1 401 X\r\n\r\nno".to_vec())),
            "AuthRequiredUnverified",
            "",
        ),
        case("403 of a firewall", always(reply(403, HTML, "<h1>Access denied</h1>")), "AccessDenied", "firewall"),
        case("403 of a policy", always(text(403, "RBAC: access denied")), "AccessDenied", "RBAC: access denied"),
        case("421 of the Python SDK", always(text(421, "Invalid Host header")), host, "Invalid Host header"),
        case("403 of the TypeScript SDK", always(error(403, -32000, "Invalid Host: a.b")), host, "Invalid Host: a.b"),
        case("403 of rmcp", always(text(403, "Forbidden: Host header is not allowed")), host, "0.0.0.0"),
        case("403 for the origin", always(text(403, "Invalid Origin header")), host, ""),
        case("400 of Starlette", always(text(400, "Invalid host header")), host, ""),
        case("400 of Django", always(reply(400, HTML, "<title>DisallowedHost at /mcp</title>")), host, ""),
        case("429", always(reply(429, "Retry-After: 30\r\n", "")), "RateLimited", "429, too many requests"),
        case(
            "502",
            always(reply(502, HTML, "<html><TITLE>Bad\nGateway</TITLE>")),
            "BackendUnavailable",
            "answers 502, saying “Bad Gateway”",
        ),
        case(
            "503 of the Python SDK",
            always(error(503, -32000, "Too many open sessions")),
            "BackendUnavailable",
            "Too many open sessions",
        ),
        case("504", always(text(504, "upstream request timeout")), "BackendUnavailable", "upstream"),
        case(
            "redirect to another host",
            redirect(307, "https://login.example/?token=abc"),
            "Redirected",
            "to https://login.example/;",
        ),
        case("redirect without end", redirect(307, "/mcp"), "Redirected", "/mcp"),
        case("redirect that loses the POST", redirect(302, "/mcp/"), "Redirected", "/mcp/"),
        case("redirect to nowhere", always(reply(308, "", "")), "Redirected", "nowhere"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers() {
    let not_mcp = "NotMCP";
    let announced = always(Answer::Endless(
        format!("HTTP/1.1 200 OK\r\n{JSON}Content-Length: 104857600\r\n\r\n").into_bytes(),
        vec![b' '; 1 << 16],
    ));
    let fits = |headers: &'static str| {
        Arc::new(move |request: &Request| reply(200, headers, &result_text(request, &initialized("2025-11-25"))))
    };
    check(vec![
        case("404 of nginx", always(reply(404, HTML, "<h1>404</h1>")), "EndpointNotFound", "spec.path"),
        case("404 in words", always(text(404, "default backend - 404")), "EndpointNotFound", ""),
        case("405", always(reply(405, "Allow: GET\r\n", "")), not_mcp, "no POST"),
        case(
            "a web page",
            always(reply(200, HTML, "<html><title>Grafana</title>")),
            not_mcp,
            "text/html, where clients take only application/json or text/event-stream: “Grafana”",
        ),
        case("a friendly text", always(text(200, "hello")), not_mcp, "text/plain"),
        case("200 and nothing", always(reply(200, JSON, "")), not_mcp, "200 without a JSON-RPC reply"),
        case("JSON of another API", always(reply(200, JSON, "{\"status\":\"ok\"}")), not_mcp, "status"),
        case("202 to everything", always(reply(202, "", "")), not_mcp, ""),
        case("204 to everything", always(Answer::Bytes(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())), not_mcp, ""),
        case(
            "400 in words",
            always(text(400, "Client sent an HTTP request to an HTTPS server.")),
            not_mcp,
            "HTTPS server",
        ),
        case(
            "a result to another request",
            initializing(|_| {
                let body = json!({"jsonrpc": "2.0", "id": 99, "result": initialized("2025-11-25")});
                reply(200, JSON, &body.to_string())
            }),
            not_mcp,
            "",
        ),
        case(
            "a result as a list",
            initializing(|request| result(request, &json!(["2025-11-25", {}, {}]))),
            not_mcp,
            "lacks",
        ),
        case(
            "a result without a version",
            initializing(|request| result(request, &json!({"capabilities": {}}))),
            not_mcp,
            "lacks",
        ),
        case("a result of a wrong type", fits("Content-Type: text/html\r\n"), not_mcp, "type text/html"),
        case("a result without a type", fits(""), not_mcp, "without a Content-Type"),
        case(
            "a compressed result",
            fits("Content-Type: application/json\r\nContent-Encoding: gzip\r\n"),
            not_mcp,
            "gzip encoding",
        ),
        case(
            "compressed bytes",
            always(reply(200, "Content-Type: application/json\r\nContent-Encoding: br\r\n", "\u{1}\u{2}")),
            not_mcp,
            "br encoding",
        ),
        case("100 MB", announced, not_mcp, "more than 65536 bytes"),
        case("an endless chunked body", always(Answer::Endless(chunked(JSON, &[]), chunk())), not_mcp, "more than"),
        case(
            "an endless error page",
            always(Answer::Endless(b"HTTP/1.1 400 X\r\n\r\n".to_vec(), vec![b'x'; 0x4000])),
            not_mcp,
            "HTTP 400",
        ),
        case(
            "endless comments",
            always(Answer::Endless(format!("HTTP/1.1 200 OK\r\n{SSE}\r\n").into_bytes(), b": ping\n\n".repeat(2000))),
            not_mcp,
            "more than",
        ),
        case(
            "an endless line of events",
            always(Answer::Endless(format!("HTTP/1.1 200 OK\r\n{SSE}\r\ndata: ").into_bytes(), vec![b'x'; 0x4000])),
            not_mcp,
            "more than",
        ),
        case(
            "interim replies without end",
            always(Answer::Endless(vec![], b"HTTP/1.1 102 Processing\r\n\r\n".repeat(100))),
            not_mcp,
            "more than",
        ),
        case("an event stream without a reply", always(sse("data: {}\n\n")), not_mcp, "without a JSON-RPC reply"),
        case("deep JSON", always(reply(200, JSON, &"[".repeat(100_000))), not_mcp, ""),
        case(
            "endless headers",
            always(Answer::Endless(b"HTTP/1.1 200 OK\r\n".to_vec(), b"A: b\r\n".repeat(1000))),
            not_mcp,
            "HTTP/1.1",
        ),
        case("an SSH server", always(Answer::ThenClose(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec())), not_mcp, "HTTP/1.1"),
        case("a TLS server", always(Answer::ThenClose(vec![0x15, 3, 1, 0, 2, 2, 22])), not_mcp, "HTTP/1.1"),
        case(
            "HTTP/2 without asking",
            always(Answer::ThenClose(b"\0\0\x12\x04\0\0\0\0\0".to_vec())),
            not_mcp,
            "HTTP/1.1",
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals() {
    let rejected = "HandshakeRejected";
    let unsupported = "UnsupportedProtocolVersion";
    let future = json!({"supported": ["2031-01-01"], "requested": "2026-07-28"});
    check(vec![
        case(
            "JSON-RPC error to all",
            always(error(200, -32603, "no license")),
            rejected,
            "error -32603, saying “no license”",
        ),
        case("500 in words", always(text(500, "Internal Server Error")), rejected, "HTTP 500: Internal Server Error"),
        case("501 and nothing", always(reply(501, "", "")), rejected, "HTTP 501"),
        case("406 to all", always(text(406, "Not Acceptable")), rejected, "HTTP 406"),
        case("415 to all", always(reply(415, HTML, "<p>")), rejected, "handshake: HTTP 415;"),
        case("missing capability", always(error(400, -32021, "sampling is required")), rejected, "-32021"),
        case("header mismatch", always(error(400, -32020, "Mcp-Method is missing")), "HeadersStripped", "proxy"),
        case("versions of the future", always(error_with(400, -32022, "?", &future)), unsupported, "only 2031-01-01"),
        case(
            "discover of the future",
            Arc::new(|request: &Request| match request.asks() {
                "server/discover" => result(request, &json!({"supportedVersions": ["2031-01-01"]})),
                _ => error(404, -32601, "?"),
            }),
            unsupported,
            "2031-01-01",
        ),
        case(
            "initialize of the past",
            initializing(|request| result(request, &initialized("2024-10-07"))),
            unsupported,
            "2024-10-07",
        ),
        case("says versions without a list", always(error_with(400, -32022, "?", &json!("none"))), unsupported, ""),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence() {
    let (timeout, unreachable) = ("HandshakeTimeout", "Unreachable");
    let head = format!("HTTP/1.1 200 OK\r\n{JSON}Content-Length: 10\r\n\r\n");
    check(vec![
        case("hangs", always(Answer::ThenHang(vec![])), timeout, "CPU limit"),
        case("hangs in the status line", always(Answer::ThenHang(b"HTTP/1.1 2".to_vec())), timeout, ""),
        case("hangs in the body", always(Answer::ThenHang(head.clone().into_bytes())), timeout, ""),
        case("hangs in an event", always(Answer::ThenHang(chunked(SSE, &["data: {"]))), timeout, ""),
        case("resets", always(Answer::ThenReset(vec![])), unreachable, "closed before"),
        case("closes", always(Answer::ThenClose(vec![])), unreachable, "closed before"),
        case("closes in the head", always(Answer::ThenClose(b"HTTP/1.1 200 OK\r\nConte".to_vec())), unreachable, ""),
        case("closes in the body", always(Answer::ThenClose(head.into_bytes())), unreachable, ""),
        case("ends a chunked body early", always(Answer::ThenClose(chunked(JSON, &["{"]))), unreachable, ""),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_transport_before() {
    let endpoint = "event: endpoint\ndata: /messages?id=1\n\n";
    let stream = move || Answer::ThenHang(chunked(SSE, &[endpoint]));
    let at = move |path: &'static str, elsewhere: fn() -> Answer| -> Script {
        Arc::new(move |request| match (request.asks(), request.path.as_str()) {
            ("GET", here) if here == path => stream(),
            _ if request.path == path => reply(405, "Allow: GET\r\n", ""),
            _ => elsewhere(),
        })
    };
    let not_found = || text(404, "Not Found");
    let silent = || {
        let head = format!("HTTP/1.1 200 OK\r\n{SSE}\r\n");
        move |request: &Request| match request.asks() {
            "GET" => Answer::ThenHang(head.clone().into_bytes()),
            _ => reply(405, "", ""),
        }
    };
    let sse_only = "LegacySSEOnly";
    check(vec![
        case("at the path that is asked", at("/mcp", not_found), sse_only, "at /mcp"),
        case("at /sse", at("/sse", not_found), sse_only, "at /sse; start the server with its option"),
        case("at /sse, POST not allowed elsewhere", at("/sse", || reply(405, "", "")), sse_only, "/sse"),
        case("a stream that says nothing", Arc::new(silent()), "NotMCP", ""),
        case(
            "a stream that begins otherwise",
            Arc::new(|request: &Request| match request.asks() {
                "GET" => sse("data: hello\n\nevent: endpoint\ndata: /x\n\n"),
                _ => reply(405, "", ""),
            }),
            "NotMCP",
            "",
        ),
        case(
            "a stream of another type",
            Arc::new(|request: &Request| match request.asks() {
                "GET" => Answer::Bytes(http(200, HTML, "event: endpoint\ndata: /x\n\n")),
                _ => text(404, "no"),
            }),
            "EndpointNotFound",
            "",
        ),
    ])
    .await;
}

/// Every reason, from the source: no value of each outcome is at hand.
fn reasons() -> Vec<&'static str> {
    let source = include_str!("../outcome.rs");
    let (_, from) = source.split_once("fn reason").unwrap();
    let (body, _) = from.split_once("/// The status").unwrap();
    body.split("Reason::").skip(1).filter_map(|it| it.split(',').next()).collect()
}

#[test]
fn every_reason_has_a_case() {
    let cases = [include_str!("table.rs"), include_str!("course.rs")].concat();
    assert_eq!(reasons().len(), 18);
    for reason in reasons() {
        assert!(cases.contains(&format!("\"{reason}\"")) || cases.contains(&format!("Outcome::{reason}")), "{reason}");
    }
}

/// They are API.
#[test]
fn every_reason_is_documented() {
    let documentation = include_str!("../../../docs/verification.md");
    for reason in reasons() {
        assert!(documentation.contains(&format!("| `{reason}` |")), "{reason}");
    }
}
