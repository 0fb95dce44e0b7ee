//! What is asked in which order, what is left behind, and what is told.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::scripted::{
    Answer, JSON, Request, Scripted, always, discovered, error_with, initialized, legacy, modern, not_initialized,
    reply, result, result_text, short, text, tools,
};
use crate::probe::{Conversation, Era, Limits, Outcome, Prober, Sessions, Target};

const LIGHT_MODERN: Conversation = Conversation::Light(Era::Modern);
const LIGHT_LEGACY: Conversation = Conversation::Light(Era::Legacy);

#[tokio::test]
async fn asks_a_modern_server_three_things() {
    let server = Scripted::start(modern(|_| None)).await;
    let report = server.probe(Conversation::Full).await;
    assert_eq!(server.asked(), ["server/discover", "tools/list", "initialize"]);
    assert!(report.complete);
    assert_eq!(report.requests, 3);
    let found = report.server.unwrap();
    assert_eq!((found.name.as_str(), found.version.as_str()), ("new", "2.0"));
    assert_eq!(found.protocol_version, "2026-07-28");
    assert_eq!(found.eras, [Era::Modern]);
    assert_eq!(found.capabilities, ["logging", "tools"]);
    assert_eq!((found.tool_count, found.tools_truncated), (Some(3), false));
    assert_eq!(found.sessions, Some(Sessions::None));
}

#[tokio::test]
async fn sends_what_the_modern_era_demands() {
    let server = Scripted::start(modern(|_| None)).await;
    server.probe(LIGHT_MODERN).await;
    let request = server.requests().remove(0);
    let header = |name| request.header(name).unwrap_or_default().to_owned();
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/mcp"));
    assert_eq!(header("mcp-protocol-version"), "2026-07-28");
    assert_eq!(header("mcp-method"), "server/discover");
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("accept"), "application/json, text/event-stream");
    assert_eq!(header("host"), server.address.to_string());
    assert_eq!(request.header("origin"), None);
    assert_eq!(request.header("mcp-session-id"), None);
    let meta = &request.body["params"]["_meta"];
    assert_eq!(meta["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
    assert_eq!(meta["io.modelcontextprotocol/clientCapabilities"], json!({}));
    assert_eq!(meta["io.modelcontextprotocol/clientInfo"]["name"], "landfall");
}

#[tokio::test]
async fn ends_the_session_of_a_legacy_server() {
    let server = Scripted::start(legacy(|_| None)).await;
    let report = server.probe(Conversation::Full).await;
    let course = ["server/discover", "initialize", "notifications/initialized", "tools/list", "DELETE"];
    assert_eq!(server.asked(), course);
    let requests = server.requests();
    assert_eq!(requests[1].header("mcp-session-id"), None);
    assert_eq!(requests[1].body["params"]["capabilities"], json!({}));
    for request in &requests[2..] {
        assert_eq!(request.header("mcp-session-id"), Some("s-1"), "{}", request.asks());
        assert_eq!(request.header("mcp-protocol-version"), Some("2025-11-25"));
    }
    let found = report.server.unwrap();
    assert_eq!(found.eras, [Era::Legacy]);
    assert_eq!(found.sessions, Some(Sessions::Stateful));
}

#[tokio::test]
async fn learns_that_both_eras_are_served() {
    let both = modern(|request| {
        let headers = format!("{JSON}Mcp-Session-Id: old\r\n");
        let body = result_text(request, &initialized("2025-11-25"));
        (request.asks() == "initialize").then(|| reply(200, &headers, &body))
    });
    let server = Scripted::start(both).await;
    let found = server.probe(Conversation::Full).await.server.unwrap();
    assert_eq!(found.eras, [Era::Modern, Era::Legacy]);
    assert_eq!(found.sessions, Some(Sessions::Stateful));
    assert_eq!((found.name.as_str(), found.tool_count), ("new", Some(3)));
    assert_eq!(server.asked().last().unwrap(), "DELETE");
}

/// Silence is no proof that clients of the legacy era are turned away.
#[tokio::test]
async fn is_not_complete_when_the_other_era_got_no_answer() {
    let server = Scripted::start(modern(|request| (request.asks() == "initialize").then(|| text(503, "busy")))).await;
    let report = server.probe(Conversation::Full).await;
    assert_eq!(report.outcome, Outcome::Verified);
    assert!(!report.complete);
    assert_eq!(report.server.unwrap().sessions, None);
}

/// The scheduler runs conversations as tasks.
#[tokio::test]
async fn runs_as_a_task() {
    let server = Scripted::start(modern(|_| None)).await;
    let target = Target::new(&server.url()).unwrap();
    let conversation = async move { Prober::default().probe(&target, LIGHT_MODERN).await };
    let report = tokio::spawn(conversation).await.unwrap();
    assert_eq!(report.outcome, Outcome::Verified);
}

#[tokio::test]
async fn a_light_conversation_is_one_or_two_requests() {
    let server = Scripted::start(modern(|_| None)).await;
    let report = server.probe(LIGHT_MODERN).await;
    assert_eq!(server.asked(), ["server/discover"]);
    assert!(!report.complete);
    assert_eq!(report.server.unwrap().tool_count, None);

    let server = Scripted::start(legacy(|_| None)).await;
    let report = server.probe(LIGHT_LEGACY).await;
    assert_eq!(report.outcome, Outcome::Verified);
    assert_eq!(server.asked(), ["initialize", "DELETE"]);
}

#[tokio::test]
async fn a_light_conversation_grows_when_the_server_has_changed() {
    let server = Scripted::start(legacy(|_| None)).await;
    let report = server.probe(LIGHT_MODERN).await;
    assert_eq!(report.outcome, Outcome::Verified);
    assert!(report.complete);
    assert_eq!(report.server.unwrap().eras, [Era::Legacy]);

    let server = Scripted::start(modern(|_| None)).await;
    let report = server.probe(LIGHT_LEGACY).await;
    assert_eq!(report.outcome, Outcome::Verified);
    assert!(report.complete);
    assert_eq!(report.server.unwrap().tool_count, Some(3));
}

/// As the TypeScript SDK v2 does when it is told to reject the legacy era.
#[tokio::test]
async fn a_light_conversation_grows_when_the_server_gave_up_the_older_era() {
    let server = Scripted::start(modern(|request| {
        let data = json!({"supported": ["2026-07-28"]});
        (request.asks() == "initialize").then(|| error_with(400, -32022, "?", &data))
    }))
    .await;
    let report = server.probe(LIGHT_LEGACY).await;
    assert_eq!(report.outcome, Outcome::Verified);
    assert_eq!(report.server.unwrap().eras, [Era::Modern]);
}

#[tokio::test]
async fn a_light_conversation_ends_at_what_stands_in_between() {
    for light in [LIGHT_MODERN, LIGHT_LEGACY] {
        let server = Scripted::start(always(text(503, "busy"))).await;
        let report = server.probe(light).await;
        assert_eq!(report.outcome.reason().as_str(), "BackendUnavailable");
        assert_eq!(report.requests, 1);
    }
}

/// Python `mcp` 1.26 opens a session even where it answers 400, and keeps it.
#[tokio::test]
async fn ends_sessions_that_errors_opened() {
    let opened = Arc::new(AtomicUsize::new(0));
    let leaky = legacy(move |request| {
        if request.header("mcp-session-id").is_some() || request.asks() == "initialize" {
            return None;
        }
        let number = opened.fetch_add(1, Ordering::Relaxed);
        Some(reply(400, &format!("Mcp-Session-Id: leak-{number}\r\n"), ""))
    });
    let server = Scripted::start(leaky).await;
    server.probe(Conversation::Full).await;
    let requests = server.requests();
    let mut ended: Vec<_> = requests
        .iter()
        .filter(|request| request.method == "DELETE")
        .filter_map(|request| request.header("mcp-session-id"))
        .collect();
    ended.sort_unstable();
    assert_eq!(ended, ["leak-0", "s-1"]);
}

#[tokio::test]
async fn ends_sessions_though_the_server_hangs_afterwards() {
    let server =
        Scripted::start(legacy(|request| (request.asks() == "tools/list").then(|| Answer::ThenHang(vec![])))).await;
    let report = server.probe(Conversation::Full).await;
    assert_eq!(report.outcome.reason().as_str(), "VerifiedToolsUnavailable");
    assert_eq!(server.asked().last().unwrap(), "DELETE");
}

#[tokio::test]
async fn keeps_to_one_connection() {
    // Answers only as long as the connection is the first.
    let server = Scripted::start(legacy(|_| None)).await;
    let address = server.address;
    let relay = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::new(&server.url()).unwrap().with_connect("127.0.0.1", relay.local_addr().unwrap().port());
    tokio::spawn(async move {
        let (mut inward, _) = relay.accept().await.unwrap();
        let mut outward = tokio::net::TcpStream::connect(address).await.unwrap();
        drop(relay);
        let _ = tokio::io::copy_bidirectional(&mut inward, &mut outward).await;
    });
    let report = server.probe_target(&target, Conversation::Full).await;
    assert_eq!(report.outcome, Outcome::Verified);
    assert_eq!(report.requests, 5);
}

#[tokio::test]
async fn takes_a_new_connection_when_the_server_closed_the_last() {
    let closing = legacy(|request| {
        let body = result_text(request, &tools(7));
        let bytes = super::scripted::http(200, JSON, &body);
        (request.asks() == "tools/list").then_some(Answer::ThenClose(bytes))
    });
    let server = Scripted::start(closing).await;
    let report = server.probe(Conversation::Full).await;
    assert_eq!(report.server.unwrap().tool_count, Some(7));
    assert_eq!(server.asked().last().unwrap(), "DELETE");
}

#[tokio::test]
async fn follows_one_redirect_of_the_same_origin() {
    let slash = modern(|request| (request.path != "/mcp/").then(|| reply(307, "Location: /mcp/\r\n", "")));
    let server = Scripted::start(slash).await;
    let report = server.probe(Conversation::Full).await;
    assert_eq!(report.outcome, Outcome::Verified);
    let paths: Vec<_> = server.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/mcp", "/mcp/", "/mcp/", "/mcp/"]);
}

#[tokio::test]
async fn asks_again_when_its_own_version_is_listed() {
    let first = AtomicUsize::new(0);
    let server = Scripted::start(modern(move |request| {
        let is_first = request.asks() == "server/discover" && first.fetch_add(1, Ordering::Relaxed) == 0;
        let data = json!({"supported": ["2026-07-28"], "requested": "2026-07-28"});
        is_first.then(|| error_with(400, -32022, "try again", &data))
    }))
    .await;
    let report = server.probe(LIGHT_MODERN).await;
    assert_eq!(report.outcome, Outcome::Verified);
    assert_eq!(server.asked(), ["server/discover", "server/discover"]);
}

#[tokio::test]
async fn follows_pages_of_tools() {
    let server = Scripted::start(modern(|request| {
        let cursor = request.body["params"]["cursor"].as_str();
        let page = match cursor {
            None => json!({"tools": [{}, {}], "nextCursor": "ä\"2"}),
            Some("ä\"2") => json!({"tools": [{}], "nextCursor": null}),
            Some(_) => json!({}),
        };
        (request.asks() == "tools/list").then(|| result(request, &page))
    }))
    .await;
    let found = server.probe(Conversation::Full).await.server.unwrap();
    assert_eq!((found.tool_count, found.tools_truncated), (Some(3), false));
}

#[tokio::test]
async fn notices_replicas_that_do_not_share_sessions() {
    let forgetful = || {
        let lists = AtomicUsize::new(0);
        legacy(move |request| {
            let is_later = request.asks() == "tools/list" && lists.fetch_add(1, Ordering::Relaxed) > 1;
            is_later.then(|| text(404, "Session not found"))
        })
    };
    let server = Scripted::start(forgetful()).await;
    let target = Target::new(&server.url()).unwrap().with_replicas(true);
    let report = server.probe_target(&target, Conversation::Full).await;
    assert_eq!(report.outcome, Outcome::SessionNotSticky);
    assert!(report.message().contains("sessionAffinity"), "{}", report.message());
    assert_eq!(server.asked().last().unwrap(), "DELETE");

    let server = Scripted::start(forgetful()).await;
    let report = server.probe(Conversation::Full).await;
    assert_eq!(report.outcome, Outcome::Verified);
}

#[tokio::test]
async fn connects_to_the_address_and_names_the_host() {
    let server = Scripted::start(modern(|_| None)).await;
    let target = Target::new("http://mcp.example.com/mcp")
        .unwrap()
        .with_connect(&server.address.ip().to_string(), server.address.port());
    let report = server.probe_target(&target, LIGHT_MODERN).await;
    assert_eq!(report.outcome, Outcome::Verified);
    assert_eq!(server.requests()[0].header("host"), Some("mcp.example.com"));
}

#[tokio::test]
async fn names_the_host_that_must_be_allowed() {
    let server = Scripted::start(always(text(421, "Invalid Host header"))).await;
    let target = Target::new("http://mcp.example.com/mcp")
        .unwrap()
        .with_connect(&server.address.ip().to_string(), server.address.port());
    let report = server.probe_target(&target, Conversation::Full).await;
    assert!(report.hint().starts_with("allow mcp.example.com in"), "{}", report.hint());
}

#[tokio::test]
async fn never_tells_secrets() {
    let repeating = Arc::new(|request: &Request| {
        let sent = request.header("authorization").unwrap_or_default().to_owned();
        let headers = format!("{JSON}WWW-Authenticate: Bearer scope=\"{sent}\"\r\n");
        let body = json!({"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": sent}});
        match request.path.as_str() {
            "/mcp" => reply(200, &headers, &body.to_string()),
            "/auth" => reply(401, &headers, &sent),
            _ => reply(302, &format!("Location: /{}\r\n", sent.replace(' ', "")), ""),
        }
    });
    let server = Scripted::start(repeating).await;
    for path in ["/mcp", "/auth", "/away"] {
        let target = Target::new(&format!("http://{}{path}", server.address))
            .and_then(|target| target.with_header("Authorization", "Bearer s3/cret"))
            .unwrap();
        let report = server.probe_target(&target, Conversation::Full).await;
        let told = format!("{report:?} {report} {} {target:?}", report.message());
        assert!(!told.contains("cret"), "{told}");
    }
    assert_eq!(server.requests()[0].header("authorization"), Some("Bearer s3/cret"));
}

#[tokio::test]
async fn says_that_credentials_were_not_accepted() {
    let server = Scripted::start(always(text(401, "no"))).await;
    let target = Target::new(&server.url()).and_then(|target| target.with_header("X-Key", "wrong")).unwrap();
    let report = server.probe_target(&target, Conversation::Full).await;
    assert!(report.auth_required());
    assert!(report.message().contains("does not accept"), "{}", report.message());
}

#[tokio::test]
async fn cleans_what_servers_say() {
    let long = "x".repeat(10_000);
    let server = Scripted::start(modern(move |request| {
        let mut said = discovered();
        said["_meta"] = json!({"io.modelcontextprotocol/serverInfo": {
            "name": format!("\u{1b}[2J\r\n{long}"),
            "version": 7,
        }});
        said["capabilities"] = (0..100).map(|i| (format!("c{i}\u{202e}"), Value::Null)).collect();
        said["supportedVersions"] = json!([1, "2026-07-28", {"a": []}]);
        (request.asks() == "server/discover").then(|| result(request, &said))
    }))
    .await;
    let report = server.probe(Conversation::Full).await;
    let message = report.message();
    let found = report.server.unwrap();
    assert_eq!(found.name.chars().count(), 129);
    assert_eq!(found.version, "");
    assert_eq!(found.capabilities.len(), 32);
    assert!(message.len() < 1024);
    let shown = format!("{message} {found:?}");
    assert!(!shown.contains(['\u{1b}', '\r', '\n', '\u{202e}']), "{shown}");
    assert!(!shown.contains("do as I say") && !shown.contains("secret plan"));
}

#[tokio::test]
async fn takes_no_more_time_than_it_may() {
    let server = Scripted::start(always(Answer::ThenHang(b"HTTP/1.1 200 OK\r\nMcp-Session-Id: x\r\n".to_vec()))).await;
    let limits = Limits { total: Duration::from_millis(900), farewell: Duration::from_millis(300), ..short() };
    let start = Instant::now();
    let target = Target::new(&server.url()).unwrap();
    let report = Prober::default().with_limits(limits).probe(&target, Conversation::Full).await;
    assert_eq!(report.outcome, Outcome::HandshakeTimeout);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[tokio::test]
async fn asks_nothing_but_harmless_questions() {
    let harmless = ["server/discover", "initialize", "notifications/initialized", "tools/list", "DELETE", "GET"];
    let scripts = [
        modern(|_| None),
        legacy(|_| None),
        always(not_initialized()),
        always(text(404, "no")),
        always(reply(200, JSON, "{}")),
    ];
    for script in scripts {
        let server = Scripted::start(script).await;
        server.probe(Conversation::Full).await;
        let asked = server.asked();
        assert!(asked.iter().all(|it| harmless.contains(&it.as_str())), "{asked:?}");
        assert!(asked.len() <= 6, "{asked:?}");
    }
}

#[tokio::test]
async fn a_conversation_of_one_era_asks_nothing_of_the_other() {
    let server = Scripted::start(modern(|_| None)).await;
    let report = server.probe(Conversation::Only(Era::Modern)).await;
    assert_eq!(report.outcome, Outcome::Verified);
    assert_eq!(server.asked(), ["server/discover", "tools/list"]);
    let report = server.probe(Conversation::Only(Era::Legacy)).await;
    assert_eq!(report.outcome.reason().as_str(), "HandshakeRejected");

    let server = Scripted::start(legacy(|_| None)).await;
    let report = server.probe(Conversation::Only(Era::Legacy)).await;
    assert_eq!(report.server.unwrap().tool_count, Some(2));
    let course = ["initialize", "notifications/initialized", "tools/list", "DELETE"];
    assert_eq!(server.asked(), course);
    let report = server.probe(Conversation::Only(Era::Modern)).await;
    assert_eq!(report.outcome.reason().as_str(), "HandshakeRejected");
}

#[tokio::test]
async fn a_light_conversation_takes_silence_for_an_answer() {
    for light in [LIGHT_MODERN, LIGHT_LEGACY] {
        let server = Scripted::start(always(Answer::ThenHang(vec![]))).await;
        let report = server.probe(light).await;
        assert_eq!(report.outcome, Outcome::HandshakeTimeout);
        assert_eq!(report.requests, 1);
    }
}

#[tokio::test]
async fn tells_which_sessions_stay() {
    let answers =
        [(reply(200, "", ""), 0), (reply(404, "", ""), 0), (reply(405, "", ""), 1), (Answer::ThenClose(vec![]), 1)];
    for (answer, kept) in answers {
        let script = {
            let answer = answer.clone();
            legacy(move |request| (request.asks() == "DELETE").then(|| answer.clone()))
        };
        let server = Scripted::start(script).await;
        let report = server.probe(LIGHT_LEGACY).await;
        assert_eq!(report.outcome, Outcome::Verified);
        assert_eq!(report.sessions_kept, kept, "{answer:?}");
    }
}

#[tokio::test]
async fn finds_the_login_where_clients_look_for_it() {
    let document = json!({"resource": "https://a/mcp", "scopes_supported": ["read"]}).to_string();
    let login = |place: &'static str, refusal: Answer| {
        let document = document.clone();
        Arc::new(move |request: &Request| match request.asks() {
            "GET" if request.path == place => reply(200, JSON, &document),
            "GET" => text(404, "no"),
            _ => refusal.clone(),
        })
    };
    let bare = || text(401, "no");
    let bearer = || reply(401, "WWW-Authenticate: Bearer realm=x\r\n", "");
    let (own, root) = ("/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource");
    for (place, refusal) in [(own, bare()), (root, bare()), (root, bearer())] {
        let server = Scripted::start(login(place, refusal)).await;
        let report = server.probe(Conversation::Full).await;
        let challenge = report.challenge().unwrap();
        let url = format!("http://{}{place}", server.address);
        assert_eq!(challenge.resource_metadata, Some(url));
        assert_eq!(challenge.scopes, ["read"]);
    }
    let page = reply(200, JSON, "{\"resource_name\": 1}");
    let server = Scripted::start(Arc::new(move |request: &Request| match request.asks() {
        "GET" => page.clone(),
        _ => text(401, "no"),
    }))
    .await;
    let report = server.probe(Conversation::Full).await;
    assert_eq!(report.outcome, Outcome::AuthRequiredUnverified);
}
