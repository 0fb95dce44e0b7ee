//! Reads the API server's audit log.

use anyhow::Result;
use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// One request of a user.
#[derive(Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    pub verb: String,
    #[serde(default)]
    pub object_ref: Object,
    pub stage: String,
    #[serde(rename = "requestReceivedTimestamp")]
    began: Timestamp,
    #[serde(rename = "stageTimestamp")]
    ended: Timestamp,
    user: User,
    #[serde(default)]
    response_status: Answer,
}

#[derive(Deserialize, Clone, Debug, Default)]
struct Answer {
    #[serde(default)]
    code: u16,
}

/// What a request is about.
#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase")]
pub struct Object {
    #[serde(default)]
    pub resource: String,
    #[serde(default)]
    pub subresource: String,
    #[serde(default)]
    pub namespace: String,
    #[serde(default)]
    pub name: String,
}

#[derive(Deserialize, Clone, Debug)]
struct User {
    username: String,
    #[serde(default)]
    extra: BTreeMap<String, Vec<String>>,
}

/// Says of a ServiceAccount's token which pod it was made for.
const POD: &str = "authentication.kubernetes.io/pod-name";

impl Request {
    /// Whether it changes something, other than the Lease and what a server may do when it is asked.
    pub fn is_write(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch") && !self.is_lease() && !self.is_conversation()
    }

    /// The pod that asked, if it was one.
    pub fn pod(&self) -> Option<&str> {
        self.user.extra.get(POD)?.first().map(String::as_str)
    }

    /// When the API server received it.
    pub fn began(&self) -> Timestamp {
        self.began
    }

    /// When it was done with it.
    pub fn ended(&self) -> Timestamp {
        self.ended
    }

    /// Whether it was carried out.
    pub fn succeeded(&self) -> bool {
        (200..300).contains(&self.response_status.code)
    }

    /// Whether it is a conversation with a server, which the API server only passes on.
    pub fn is_conversation(&self) -> bool {
        self.object_ref.subresource == "proxy"
    }

    /// Whether it renews or reads the Lease.
    pub fn is_lease(&self) -> bool {
        self.object_ref.resource == "leases"
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Object { resource, subresource, name, .. } = &self.object_ref;
        write!(f, "{} {resource}/{subresource} {name}", self.verb)
    }
}

/// The requests of `user` in the order in which they ended; a watch counts when it starts.
pub fn requests(log: &Path, user: &str) -> Result<Vec<Request>> {
    requests_from(log, user, 0)
}

/// As [`requests`], without the bytes at the beginning of the log that were read before.
pub fn requests_from(log: &Path, user: &str, place: u64) -> Result<Vec<Request>> {
    let mut file = std::fs::File::open(log)?;
    file.seek(SeekFrom::Start(place))?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let lines = text.lines().filter(|line| line.contains(user));
    // The last line may be half written.
    let all = lines.filter_map(|line| serde_json::from_str::<Request>(line).ok());
    let once =
        |it: &Request| if it.verb == "watch" { it.stage == "ResponseStarted" } else { it.stage == "ResponseComplete" };
    Ok(all.filter(|it| it.user.username == user && once(it)).collect())
}
