//! `landfall probe URL`: asks a server what the operator would ask it, and shows
//! what the operator would report.

use std::{fmt::Write as _, net::SocketAddr};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde_json::json;

use crate::probe::{Conversation, Era, Prober, Report, Server, Sessions, Target};

/// What to probe and how to say it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where the server is, e.g. `http://localhost:3001/mcp`
    url: String,
    /// Send this header too; may be given several times
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
    headers: Vec<SecretHeader>,
    /// Connect to this address instead of what the host of the URL resolves to
    #[arg(long, value_name = "ADDR:PORT")]
    connect: Option<SocketAddr>,
    /// Ask only what a client of this era would ask: `modern` is 2026-07-28 and newer
    #[arg(long, value_enum)]
    era: Option<AskedEra>,
    /// Ask only for the handshake, as the operator does between full conversations
    #[arg(long, requires = "era")]
    light: bool,
    /// Several replicas answer at this URL: try whether sessions survive a new connection
    #[arg(long)]
    replicas: bool,
    /// How to show the result
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Output {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum AskedEra {
    Modern,
    Legacy,
}

/// A header whose value neither `Debug` nor a message of clap shows.
#[derive(Clone)]
struct SecretHeader {
    name: String,
    value: String,
}

impl std::str::FromStr for SecretHeader {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once(':').ok_or("expected `Name: value`")?;
        Ok(Self { name: name.trim().to_owned(), value: value.trim().to_owned() })
    }
}

impl std::fmt::Debug for SecretHeader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: …", self.name)
    }
}

/// Probes, prints, and succeeds if clients can use the server.
pub(super) async fn run(args: Args) -> Result<()> {
    let mut target = Target::new(&args.url).context("cannot probe this URL")?.with_replicas(args.replicas);
    for header in &args.headers {
        target = target.with_header(&header.name, &header.value)?;
    }
    if let Some(address) = args.connect {
        target = target.with_connect(&address.ip().to_string(), address.port());
    }
    let era = args.era.map(|era| match era {
        AskedEra::Modern => Era::Modern,
        AskedEra::Legacy => Era::Legacy,
    });
    let conversation = match (era, args.light) {
        (None, _) => Conversation::Full,
        (Some(era), false) => Conversation::Only(era),
        (Some(era), true) => Conversation::Light(era),
    };
    let report = Prober::default().probe(&target, conversation).await;
    match args.output {
        Output::Text => print!("{}", as_text(&report)),
        Output::Json => println!("{:#}", as_json(&target, &report)),
    }
    if report.outcome.is_usable() != Some(true) {
        bail!("clients cannot use {target}: {}", report.outcome.reason().as_str());
    }
    Ok(())
}

fn as_text(report: &Report) -> String {
    let mut text = format!("{}: {report}\n", report.outcome.reason().as_str());
    let hint = report.hint();
    if !hint.is_empty() {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:14}{hint}", "hint");
    }
    if let Some(server) = &report.server {
        for (name, value) in rows(server) {
            let _ = writeln!(text, "{name:14}{value}");
        }
    }
    text
}

fn rows(server: &Server) -> Vec<(&'static str, String)> {
    let eras: Vec<String> = server.eras.iter().map(ToString::to_string).collect();
    let mut rows = vec![
        ("server", format!("{} {}", server.name, server.version)),
        ("protocol", server.protocol_version.clone()),
        ("eras", eras.join(", ")),
        ("capabilities", server.capabilities.join(", ")),
    ];
    if let Some(count) = server.tool_count {
        let more = if server.tools_truncated { " or more" } else { "" };
        rows.push(("tools", format!("{count}{more}")));
    }
    if let Some(sessions) = server.sessions {
        let sessions = match sessions {
            Sessions::None => "none",
            Sessions::Stateful => "stateful",
        };
        rows.push(("sessions", sessions.to_owned()));
    }
    rows
}

fn as_json(target: &Target, report: &Report) -> serde_json::Value {
    json!({
        "url": target.to_string(),
        "reason": report.outcome.reason().as_str(),
        "usable": report.outcome.is_usable(),
        "message": report.to_string(),
        "hint": report.hint(),
        "server": report.server,
        "authRequired": report.auth_required(),
        "auth": report.challenge(),
        "complete": report.complete,
        "requests": report.requests,
        "sessionsKept": report.sessions_kept,
    })
}

#[cfg(test)]
mod tests {
    use super::SecretHeader;

    #[test]
    fn headers_are_read_and_not_shown() {
        let header: SecretHeader = "X-Key: a:b ".parse().unwrap();
        assert_eq!((header.name.as_str(), header.value.as_str()), ("X-Key", "a:b"));
        assert_eq!(format!("{header:?}"), "X-Key: …");
        assert!("nothing".parse::<SecretHeader>().is_err());
    }
}
