//! Looks for the OAuth metadata of a server that asks for credentials without
//! naming it: at the places where clients look (RFC 9728).

use hyper::http::uri::PathAndQuery;
use serde::Deserialize;

use super::{
    call::Call, challenge::Challenge, classify::is_media_type, conversation::Talk, outcome::Outcome,
    wire_types::Strings,
};
use crate::text::{self, clean};

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The metadata of a protected resource, as far as it is shown.
#[derive(Deserialize)]
struct Metadata {
    /// Proves that it is such a document; where it points is not followed.
    #[serde(rename = "resource")]
    _resource: serde::de::IgnoredAny,
    #[serde(default)]
    scopes_supported: Strings,
}

impl Talk<'_> {
    /// Adds to a demand for credentials how to get them, if the server says it elsewhere.
    pub(super) async fn with_login(&mut self, outcome: Outcome) -> Outcome {
        let challenge = match &outcome {
            Outcome::AuthRequiredUnverified => Challenge::bearer(),
            Outcome::AuthRequired(challenge) if challenge.lacks_metadata() => challenge.clone(),
            _ => return outcome,
        };
        let own = format!("{WELL_KNOWN}{}", self.wire.endpoint().path().trim_end_matches('/'));
        let mut places = vec![own, WELL_KNOWN.to_owned()];
        places.dedup();
        for place in places {
            if let Some(metadata) = self.metadata(&place).await {
                let url = clean(&self.wire.url_of(&place), text::MESSAGE);
                let scopes = metadata.scopes_supported.0;
                return Outcome::AuthRequired(challenge.with_metadata(url, scopes));
            }
        }
        outcome
    }

    async fn metadata(&mut self, place: &str) -> Option<Metadata> {
        let path: PathAndQuery = place.parse().ok()?;
        let reply = self.wire.send(&Call::document(path)).await.ok()?;
        let is_json = is_media_type(&reply.headers, "application/json");
        if !reply.status.is_success() || !is_json || !reply.body.starts_with(b"{") {
            return None;
        }
        serde_json::from_slice(&reply.body).ok()
    }
}
