//! What is asked of etcd itself, through its JSON gateway: no client program is needed for it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(30);

/// Makes etcd forget all states before the present one, as it does every few minutes in a cluster's life.
pub fn compact(port: u16) -> Result<()> {
    // A key that does not exist; the answer tells the present revision all the same.
    let now = ask(port, "/v3/kv/range", &json!({"key": "AA=="}))?;
    let revision = now["header"]["revision"].as_str().with_context(|| format!("etcd tells no revision: {now}"))?;
    let answer = ask(port, "/v3/kv/compaction", &json!({"revision": revision, "physical": true}))?;
    anyhow::ensure!(answer["header"].is_object(), "etcd did not compact: {answer}");
    Ok(())
}

fn ask(port: u16, path: &str, question: &Value) -> Result<Value> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("etcd does not answer")?;
    stream.set_read_timeout(Some(LIMIT))?;
    let body = question.to_string();
    write!(
        stream,
        "POST {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").with_context(|| format!("no HTTP answer of etcd: {answer}"))?;
    serde_json::from_str(body.trim()).with_context(|| format!("etcd answered {body}"))
}
