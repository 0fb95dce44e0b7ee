//! The era up to 2025-11-25: `initialize`, with a session if the server wants one.

use super::{
    call::{Agreement, Call, LEGACY_VERSIONS},
    conversation::{Failure, Talk},
    modern::UNSUPPORTED_VERSION,
    outcome::Outcome,
    report::{Era, Server, Sessions},
    wire_types::{Initialized, read},
};

/// How many new connections are tried for a session: with two replicas and no
/// affinity, one in sixteen servers would pass.
const NEW_CONNECTIONS: usize = 4;

impl Agreement {
    pub(super) fn sessions(&self) -> Sessions {
        match self.session {
            Some(_) => Sessions::Stateful,
            None => Sessions::None,
        }
    }
}

impl Talk<'_> {
    /// Asks for a handshake; notes what the server says of itself.
    pub(super) async fn initialize(&mut self) -> Result<Agreement, Failure> {
        let call = Call::initialize(self.next_id());
        let answer = self.ask(&call, |result| read::<Initialized>(result)).await.map_err(interpret)?;
        let said = answer.value;
        let known = LEGACY_VERSIONS.iter().find(|version| **version == said.protocol_version);
        let Some(version) = known else {
            let supported = vec![said.protocol_version];
            return Err(Failure::Unanswered(Outcome::UnsupportedProtocolVersion { supported }));
        };
        let agreement = Agreement { version, session: answer.reply.session };
        self.server = Some(Server {
            name: said.server_info.name,
            version: said.server_info.version,
            protocol_version: said.protocol_version,
            eras: vec![Era::Legacy],
            capabilities: said.capabilities.0,
            sessions: Some(agreement.sessions()),
            ..Server::default()
        });
        Ok(agreement)
    }

    /// Completes the handshake and counts the tools.
    pub(super) async fn finish_legacy(&mut self, agreement: Agreement) -> Outcome {
        // A server that cannot take this says so again at the next request.
        let _ = self.wire.send(&Call::initialized(&agreement)).await;
        let outcome = self.count_tools(|id, cursor| Call::list_tools_legacy(id, &agreement, cursor)).await;
        let may_lose_session = self.has_replicas && agreement.session.is_some();
        if outcome == Outcome::Verified && may_lose_session && self.loses(&agreement).await {
            return Outcome::SessionNotSticky;
        }
        outcome
    }

    /// Whether the session is unknown on a new connection, that is to another replica.
    async fn loses(&mut self, agreement: &Agreement) -> bool {
        for _ in 0..NEW_CONNECTIONS {
            self.wire.hang_up();
            let call = Call::list_tools_legacy(self.next_id(), agreement, None);
            match self.wire.send(&call).await {
                Ok(reply) if matches!(reply.status.as_u16(), 400 | 404) => return true,
                Ok(_) => {}
                Err(_) => return false,
            }
        }
        false
    }
}

fn interpret(failure: Failure) -> Failure {
    match failure {
        Failure::Error(error) if error.code == UNSUPPORTED_VERSION => {
            let supported = error.supported().to_vec();
            Failure::Unanswered(Outcome::UnsupportedProtocolVersion { supported })
        }
        other => other,
    }
}
