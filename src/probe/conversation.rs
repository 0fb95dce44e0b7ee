//! The course of a conversation: which era answers, and what if none does.
//!
//! In: a line to the server and what is known of it. Out: an [`Outcome`], and what
//! the server said. [`modern`](super::modern) and [`legacy`](super::legacy) hold the
//! handshakes; this decides between them.

use hyper::http::uri::PathAndQuery;
use serde_json::{Value, value::RawValue};

use super::{
    call::Call,
    classify::{Verdict, classify},
    limits::Limits,
    outcome::{Outcome, Step},
    report::{Era, Server},
    wire::{Fault, Reply, Wire},
    wire_types::{RpcError, ToolsPage, read},
};
use crate::text::{self, clean};

/// How much to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conversation {
    /// All: which eras the server speaks, and its tools.
    Full,
    /// All that a client of this era would ask, and nothing of the other era.
    Only(Era),
    /// Only the handshake of the era that the server is known to speak. If it does
    /// not speak that any more, this turns into a full conversation.
    Light(Era),
}

/// Why a question brought no result.
pub(super) enum Failure {
    /// The conversation is over.
    Final(Outcome),
    /// The server answered with an error.
    Error(RpcError),
    /// No answer to this question; if none to any other either, this is the outcome.
    Unanswered(Outcome),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let text = clean(&fault.to_string(), text::MESSAGE);
        match fault {
            Fault::Connect(error) => Self::Final(Outcome::Unreachable { step: error.step(), cause: text }),
            // Some servers drop the connection at a question that they do not know.
            Fault::Closed => Self::Unanswered(Outcome::Unreachable { step: Step::Answer, cause: text }),
            Fault::Timeout => Self::Unanswered(Outcome::HandshakeTimeout),
            Fault::NotHttp | Fault::TooLarge(_) => Self::Unanswered(Outcome::NotMcp { seen: text }),
        }
    }
}

impl Failure {
    /// Whether the server has said no, rather than nothing or something in between
    /// in its stead.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Error(_) => true,
            Self::Final(outcome) | Self::Unanswered(outcome) => !matches!(
                outcome,
                Outcome::HandshakeTimeout
                    | Outcome::Unreachable { .. }
                    | Outcome::RateLimited { .. }
                    | Outcome::BackendUnavailable { .. }
            ),
        }
    }

    /// The outcome, if no other question is left.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Final(outcome) | Self::Unanswered(outcome) => outcome,
            Self::Error(error) => rejected(error),
        }
    }

    /// What to say of it where the handshake itself went well.
    fn problem(self) -> String {
        let problem = match self.outcome() {
            Outcome::HandshakeTimeout => "no answer in time".to_owned(),
            Outcome::Unreachable { cause, .. } => cause,
            Outcome::NotMcp { seen } => seen,
            Outcome::HandshakeRejected { code: Some(code), message } => {
                format!("error {code}: {message}")
            }
            outcome => outcome.to_string(),
        };
        clean(&problem, text::MESSAGE)
    }
}

pub(super) fn rejected(error: RpcError) -> Outcome {
    Outcome::HandshakeRejected { code: Some(error.code), message: error.message }
}

/// A result, and the session that came with it.
pub(super) struct Answer<T> {
    pub value: T,
    pub reply: Reply,
}

/// A conversation under way.
pub(super) struct Talk<'a> {
    pub wire: Wire<'a>,
    pub limits: Limits,
    pub has_replicas: bool,
    /// What the server said; kept however the conversation ends.
    pub server: Option<Server>,
    pub is_complete: bool,
    last_id: u64,
}

impl<'a> Talk<'a> {
    pub fn new(wire: Wire<'a>, limits: Limits, has_replicas: bool) -> Self {
        Self { wire, limits, has_replicas, server: None, is_complete: false, last_id: 0 }
    }

    /// Holds the conversation, but for the end of sessions.
    pub async fn hold(&mut self, conversation: Conversation) -> Outcome {
        match conversation {
            Conversation::Full => {
                let outcome = self.full().await;
                self.with_login(outcome).await
            }
            Conversation::Only(era) => {
                let outcome = self.only(era).await;
                self.with_login(outcome).await
            }
            Conversation::Light(era) => self.light(era).await,
        }
    }

    async fn light(&mut self, era: Era) -> Outcome {
        let met = match era {
            Era::Modern => self.discover().await,
            Era::Legacy => self.initialize().await.map(drop),
        };
        match (met, era) {
            (Ok(()), _) => Outcome::Verified,
            (Err(Failure::Final(outcome)), _) => outcome,
            // Silence is no sign that the server is another than before.
            (Err(failure), _) if !failure.is_refusal() => failure.outcome(),
            (Err(refusal), Era::Modern) => {
                self.is_complete = true;
                self.without_modern(refusal.outcome()).await
            }
            (Err(_), Era::Legacy) => self.full().await,
        }
    }

    async fn only(&mut self, era: Era) -> Outcome {
        match era {
            Era::Modern => match self.discover().await {
                Ok(()) => self.count_tools(Call::list_tools).await,
                Err(failure) => failure.outcome(),
            },
            Era::Legacy => match self.initialize().await {
                Ok(agreement) => self.finish_legacy(agreement).await,
                Err(failure) => failure.outcome(),
            },
        }
    }

    async fn full(&mut self) -> Outcome {
        self.is_complete = true;
        match self.discover().await {
            Ok(()) => self.finish_modern().await,
            Err(Failure::Final(outcome)) => outcome,
            Err(other) => self.without_modern(other.outcome()).await,
        }
    }

    /// Goes on where the modern era brought `before`.
    async fn without_modern(&mut self, before: Outcome) -> Outcome {
        match self.initialize().await {
            Ok(agreement) => self.finish_legacy(agreement).await,
            Err(Failure::Final(outcome)) => outcome,
            // A server that named its versions has told more than it does now.
            Err(_) if matches!(before, Outcome::UnsupportedProtocolVersion { .. }) => before,
            Err(other) => self.without_any(other.outcome()).await,
        }
    }

    /// Goes on where neither era answered: perhaps the transport before both.
    async fn without_any(&mut self, before: Outcome) -> Outcome {
        let may_be_older = matches!(
            before,
            Outcome::EndpointNotFound | Outcome::NotMcp { .. } | Outcome::HandshakeRejected { code: None, .. }
        );
        if !may_be_older {
            return before;
        }
        for path in [self.wire.endpoint().clone(), PathAndQuery::from_static("/sse")] {
            match self.wire.first_event(path.clone()).await {
                Ok((_, Some(event))) if event.name == "endpoint" => {
                    let path = clean(path.path(), text::NAME);
                    return Outcome::LegacySseOnly { path };
                }
                Ok((status, None)) if matches!(status.as_u16(), 404 | 405) => {}
                _ => break,
            }
        }
        before
    }

    /// The id for the next request.
    pub fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Sends `call` and has its result read by `understand`.
    pub async fn ask<T>(
        &mut self,
        call: &Call,
        understand: impl FnOnce(&RawValue) -> Option<T>,
    ) -> Result<Answer<T>, Failure> {
        let reply = self.wire.send(call).await?;
        let id = call.awaits.id();
        tracing::debug!(id, status = reply.status.as_u16(), "reply of MCP server");
        let value = match classify(reply.status, &reply.headers, &reply.body, id) {
            Verdict::Result(result) => understand(result).ok_or_else(|| {
                let seen = "a result that lacks what MCP prescribes".to_owned();
                Failure::Unanswered(Outcome::NotMcp { seen })
            })?,
            Verdict::Error(error) => return Err(Failure::Error(error)),
            Verdict::Conclusive(outcome) => return Err(Failure::Final(outcome)),
            Verdict::Inconclusive(outcome) => return Err(Failure::Unanswered(outcome)),
        };
        Ok(Answer { value, reply })
    }

    /// Counts the tools that `page` lists, given an id and a cursor, into what is
    /// known of the server.
    pub async fn count_tools(&mut self, page: impl Fn(u64, Option<Value>) -> Call) -> Outcome {
        if !self.server.as_ref().is_some_and(has_tools) {
            self.note_tools(0, false);
            return Outcome::Verified;
        }
        let (mut count, mut cursor) = (0, None);
        for _ in 0..self.limits.pages {
            let call = page(self.next_id(), cursor);
            let listed = match self.ask(&call, read_page).await {
                Ok(answer) => answer.value,
                Err(Failure::Final(outcome @ Outcome::AuthRequired(_))) => return outcome,
                Err(failure) => {
                    let problem = failure.problem();
                    return Outcome::VerifiedToolsUnavailable { problem };
                }
            };
            count += listed.0;
            cursor = listed.1;
            if cursor.is_none() || count >= self.limits.tools {
                break;
            }
        }
        let most = self.limits.tools;
        self.note_tools(count.min(most), cursor.is_some() || count > most);
        Outcome::Verified
    }

    fn note_tools(&mut self, count: usize, is_truncated: bool) {
        if let Some(server) = &mut self.server {
            server.tool_count = Some(count);
            server.tools_truncated = is_truncated;
        }
    }
}

fn has_tools(server: &Server) -> bool {
    server.capabilities.iter().any(|name| name == "tools")
}

fn read_page(result: &RawValue) -> Option<(usize, Option<Value>)> {
    let page: ToolsPage<'_> = read(result)?;
    let cursor = page.cursor().and_then(|cursor| serde_json::from_str(cursor).ok());
    Some((page.tools.0, cursor))
}
