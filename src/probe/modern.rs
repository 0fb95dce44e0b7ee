//! The era of 2026-07-28: `server/discover`, no sessions.

use super::{
    call::{Call, MODERN_VERSION},
    conversation::{Failure, Talk, rejected},
    outcome::Outcome,
    report::{Era, Server, Sessions},
    wire_types::{Discovered, RpcError, read},
};

/// Codes that only servers of this era send.
const HEADER_MISMATCH: i64 = -32020;
const MISSING_CAPABILITY: i64 = -32021;
pub(super) const UNSUPPORTED_VERSION: i64 = -32022;

impl Talk<'_> {
    /// Asks the server to introduce itself.
    pub(super) async fn discover(&mut self) -> Result<(), Failure> {
        let discovered = match self.ask_discover().await {
            // The version we asked for stands in its own list: once more is allowed.
            Err(Failure::Error(error)) if is_retry_allowed(&error) => self.ask_discover().await,
            other => other,
        };
        let discovered = discovered.map_err(interpret)?;
        let supported = discovered.supported_versions.0;
        if !supported.iter().any(|version| version == MODERN_VERSION) {
            let outcome = Outcome::UnsupportedProtocolVersion { supported };
            return Err(Failure::Unanswered(outcome));
        }
        let identity = discovered.meta.server_info;
        self.server = Some(Server {
            name: identity.name,
            version: identity.version,
            protocol_version: MODERN_VERSION.to_owned(),
            eras: vec![Era::Modern],
            capabilities: discovered.capabilities.0,
            ..Server::default()
        });
        Ok(())
    }

    async fn ask_discover(&mut self) -> Result<Discovered, Failure> {
        let call = Call::discover(self.next_id());
        let answer = self.ask(&call, |result| read::<Discovered>(result)).await?;
        Ok(answer.value)
    }

    /// Counts the tools, and learns whether clients of the legacy era get in too:
    /// the versions that a server lists do not tell, only the attempt does.
    pub(super) async fn finish_modern(&mut self) -> Outcome {
        let outcome = self.count_tools(Call::list_tools).await;
        let introduction = self.server.take();
        let legacy = self.initialize().await;
        self.server = introduction;
        let sessions = match legacy {
            Ok(agreement) => Some(agreement.sessions()),
            Err(failure) => {
                self.is_complete = failure.is_refusal();
                None
            }
        };
        if let Some(server) = &mut self.server {
            server.eras.extend(sessions.map(|_| Era::Legacy));
            server.sessions = sessions.or(self.is_complete.then_some(Sessions::None));
        }
        outcome
    }
}

fn is_retry_allowed(error: &RpcError) -> bool {
    error.code == UNSUPPORTED_VERSION && error.supported().iter().any(|version| version == MODERN_VERSION)
}

/// What an error says about the era: a few codes prove it, all others are how
/// older servers refuse a method that they do not know.
fn interpret(failure: Failure) -> Failure {
    let Failure::Error(error) = failure else {
        return failure;
    };
    match error.code {
        HEADER_MISMATCH => Failure::Final(Outcome::HeadersStripped { message: error.message }),
        MISSING_CAPABILITY => Failure::Final(rejected(error)),
        UNSUPPORTED_VERSION => {
            let supported = error.supported().to_vec();
            Failure::Unanswered(Outcome::UnsupportedProtocolVersion { supported })
        }
        _ => Failure::Unanswered(rejected(error)),
    }
}
