//! The least of an HTTP client: one question a connection.

use anyhow::{Context, Result, bail};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer.
pub struct Answer {
    pub status: u16,
    /// Headers in lower case, a line each.
    pub head: String,
    pub body: String,
}

/// Sends a request, with a body in JSON unless that is empty.
pub async fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> Result<Answer> {
    let mut stream = TcpStream::connect(address).await?;
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{length}Connection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    // Some do not hang up, though they were asked to.
    while length_of(&answer).is_none_or(|whole| answer.len() < whole) && stream.read_buf(&mut answer).await? > 0 {}
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").with_context(|| format!("no HTTP answer: {answer}"))?;
    let Some(status) = head.split(' ').nth(1).and_then(|it| it.parse().ok()) else { bail!("no HTTP answer: {head}") };
    Ok(Answer { status, head: head.to_lowercase(), body: body.to_owned() })
}

/// How many bytes an answer will have, once its head is there and says so.
fn length_of(answer: &[u8]) -> Option<usize> {
    let end = answer.windows(4).position(|it| it == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let length = head.lines().find_map(|it| it.strip_prefix("content-length:")?.trim().parse::<usize>().ok())?;
    Some(end + 4 + length)
}
