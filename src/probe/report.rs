//! What a conversation found out, for status, metrics and the command line.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{challenge::Challenge, outcome::Outcome};

/// The two kinds of MCP server: with 2026-07-28 the handshake and the sessions went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Era {
    /// 2026-07-28 and newer: `server/discover`, no sessions.
    Modern,
    /// 2025-11-25 and older: `initialize`, sessions if the server wants them.
    Legacy,
}

impl fmt::Display for Era {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Modern => "modern",
            Self::Legacy => "legacy",
        })
    }
}

/// Whether clients of the legacy era get a session, which ties them to one replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Sessions {
    None,
    Stateful,
}

/// What a server said of itself. Its texts are cleaned and cut; what a light
/// conversation did not ask is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Server {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// The revision that was agreed on.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub protocol_version: String,
    /// The eras whose clients can connect, as far as asked.
    pub eras: Vec<Era>,
    pub capabilities: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_count: Option<usize>,
    /// There are more tools than were counted.
    pub tools_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<Sessions>,
}

/// The end of a conversation and what it brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub outcome: Outcome,
    /// What the server said; `None` if there was no handshake.
    pub server: Option<Server>,
    /// Whether all was asked and answered: eras and tools are known. Otherwise what
    /// an earlier conversation found still holds. A light conversation that meets
    /// another server than it expected turns into a full one.
    pub complete: bool,
    /// How many requests went to the server.
    pub requests: u32,
    /// How many sessions were opened that the server did not let us end. They stay
    /// until it forgets them, so such a server should not be asked often.
    pub sessions_kept: usize,
    pub(crate) sent_headers: bool,
    pub(crate) host: String,
}

impl Report {
    /// Whether the server lets nobody in without credentials, as far as is known.
    pub fn auth_required(&self) -> bool {
        matches!(self.outcome, Outcome::AuthRequired(_) | Outcome::AuthRequiredUnverified)
    }

    /// How to log in, when the server said it.
    pub fn challenge(&self) -> Option<&Challenge> {
        match &self.outcome {
            Outcome::AuthRequired(challenge) => Some(challenge),
            _ => None,
        }
    }

    /// What to do; empty when all is well.
    pub fn hint(&self) -> String {
        if self.auth_required() && self.sent_headers {
            return "the server does not accept the credentials in verification.headers".to_owned();
        }
        self.outcome.hint().replace("{host}", &self.host)
    }

    /// What was seen and what to do, in one line.
    pub fn message(&self) -> String {
        let hint = self.hint();
        if hint.is_empty() { self.to_string() } else { format!("{self}; {hint}") }
    }
}

/// What was seen.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.server {
            Some(server) if self.outcome == Outcome::Verified => server.fmt(f),
            _ => self.outcome.fmt(f),
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.name.is_empty() {
            write!(f, "{} ", self.name)?;
        }
        if !self.version.is_empty() {
            write!(f, "{} ", self.version)?;
        }
        write!(f, "speaks MCP {}", self.protocol_version)?;
        match (self.tool_count, self.tools_truncated) {
            (None, _) => Ok(()),
            (Some(1), false) => f.write_str(" and has 1 tool"),
            (Some(count), false) => write!(f, " and has {count} tools"),
            (Some(count), true) => write!(f, " and has more than {count} tools"),
        }
    }
}
