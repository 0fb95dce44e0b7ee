//! The server answers the client, and only to the hosts that it was told.

#![allow(clippy::unwrap_used)]

use std::{net::SocketAddr, time::Duration};

use echo_server::{
    client,
    server::{self, AllowedHosts, Options},
    storage::Storage,
    tools::EchoServer,
};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

async fn start(hosts: AllowedHosts) -> Server {
    start_with(Storage::default(), hosts).await
}

async fn start_with(storage: Storage, hosts: AllowedHosts) -> Server {
    start_as(storage, Options::open_to(hosts)).await
}

async fn start_as(storage: Storage, options: Options) -> Server {
    let listener = server::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let serving = server::serve(listener, EchoServer::new("pod-7", storage), options, stop.clone());
    Server { address, stop, task: tokio::spawn(serving) }
}

async fn echo(url: &str, message: &str) -> anyhow::Result<client::Answers> {
    client::call(url, "echo", &json!({"message": message})).await
}

fn only(host: &str) -> AllowedHosts {
    AllowedHosts::Only(vec![host.to_owned()])
}

#[tokio::test]
async fn answers_initialize_list_and_call() {
    let server = start(AllowedHosts::Any).await;
    let url = format!("http://{}/mcp", server.address);
    let answers = echo(&url, "grüße").await.unwrap();
    assert_eq!(answers.name, "echo-server");
    assert_eq!(answers.title.as_deref(), Some("pod-7"));
    assert_eq!(answers.protocol_version, "2025-11-25");
    assert_eq!(answers.tools, ["add", "echo"]);
    assert_eq!(answers.returned, "grüße");
}

#[tokio::test]
async fn refuses_a_host_that_is_not_allowed() {
    let server = start(only("mcp.example.com")).await;
    let url = format!("http://{}/mcp", server.address);
    let error = echo(&url, "hello").await.unwrap_err();
    assert!(format!("{error:#}").contains("403 Forbidden"), "{error:#}");
}

#[tokio::test]
async fn serves_a_host_that_is_allowed() {
    let server = start(only("127.0.0.1")).await;
    let url = format!("http://{}/mcp", server.address);
    assert_eq!(echo(&url, "hello").await.unwrap().returned, "hello");
}

#[tokio::test]
async fn names_the_path_when_another_is_called() {
    let server = start(AllowedHosts::Any).await;
    let url = format!("http://{}/sse", server.address);
    let error = echo(&url, "hello").await.unwrap_err();
    assert!(format!("{error:#}").contains("served at /mcp"), "{error:#}");
}

#[tokio::test]
async fn an_answer_comes_when_it_is_asked_for() {
    let server = start(AllowedHosts::Any).await;
    let url = format!("http://{}/mcp", server.address);
    let began = std::time::Instant::now();
    let slow = json!({"message": "at last", "seconds": 1});
    assert_eq!(client::call(&url, "echo", &slow).await.unwrap().returned, "at last");
    assert!(began.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn who_has_to_sign_in_is_told_where() {
    let metadata = Some("{\"resource\":1}".to_owned());
    let server = start_as(Storage::default(), Options { metadata, ..Options::open_to(AllowedHosts::Any) }).await;
    for path in ["", "/mcp"] {
        let answer = get(server.address, &format!("/.well-known/oauth-protected-resource{path}")).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("{\"resource\":1}"), "{answer}");
    }
    let open = start(AllowedHosts::Any).await;
    let answer = get(open.address, "/.well-known/oauth-protected-resource").await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}

async fn get(address: SocketAddr, path: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_database_adds_tools_and_is_not_connected_to_before_a_call() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let redis = format!("redis://:geheim@{closed}/0");
    let postgres = format!("postgresql://user:geheim@{closed}/database");
    for (name, storage) in [
        ("redis", Storage::new(Some(&redis), None).unwrap()),
        ("postgres", Storage::new(None, Some(&postgres)).unwrap()),
    ] {
        let server = start_with(storage, AllowedHosts::Any).await;
        let url = format!("http://{}/mcp", server.address);
        assert_eq!(echo(&url, "hello").await.unwrap().tools, ["add", "echo", "recall", "remember"]);
        let error = client::call(&url, "recall", &json!({"key": "colour"})).await.unwrap_err().to_string();
        assert!(error.contains(&format!("tools/call recall: {name}: ")), "{error}");
        assert!(!error.contains("geheim"), "{error}");
    }
}

#[test]
fn a_url_that_is_none_is_named_by_its_variable_and_not_shown() {
    for (storage, variable) in [
        (Storage::new(Some("geheim"), None), "REDIS_URL"),
        (Storage::new(None, Some("mysql://user:geheim@host/database")), "POSTGRES_URL"),
    ] {
        let error = format!("{:#}", storage.err().unwrap());
        assert!(error.contains(variable) && !error.contains("geheim"), "{error}");
    }
}

#[tokio::test]
async fn stops_quickly_although_a_client_stays_connected() {
    let server = start(AllowedHosts::Any).await;
    let _idle = tokio::net::TcpStream::connect(server.address).await.unwrap();
    tokio::task::yield_now().await;
    server.stop.cancel();
    let stopped = tokio::time::timeout(Duration::from_secs(3), server.task).await;
    stopped.unwrap().unwrap();
}

#[test]
fn allowed_hosts_default_to_any() {
    assert_eq!(AllowedHosts::parse(None), AllowedHosts::Any);
    assert_eq!(AllowedHosts::parse(Some("")), AllowedHosts::Any);
    assert_eq!(AllowedHosts::parse(Some("a, *")), AllowedHosts::Any);
    let hosts = vec!["a".to_owned(), "b:80".to_owned()];
    assert_eq!(AllowedHosts::parse(Some("a, b:80,")), AllowedHosts::Only(hosts));
}
