//! The few parts of MCP messages that the probe reads.
//!
//! In: the JSON of a reply, which may be hostile. Out: the fields that a report
//! shows, cleaned and cut while they are read, so that four megabytes of JSON
//! never become a tree of values in memory.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::text::{self, clean};

/// Most entries kept of a list that a server sends.
const ENTRIES: usize = 32;

/// A JSON-RPC message, its parts not yet read.
#[derive(Debug, Deserialize)]
pub struct Message<'m> {
    #[serde(borrow)]
    id: Option<&'m RawValue>,
    #[serde(borrow)]
    method: Option<&'m RawValue>,
    #[serde(borrow)]
    pub result: Option<&'m RawValue>,
    pub error: Option<RpcError>,
}

impl<'m> Message<'m> {
    /// Reads a body that holds one message, or a batch of one as the revision
    /// 2025-03-26 had them.
    pub fn parse(body: &'m [u8]) -> Option<Self> {
        // serde would read a struct from a plain list of its fields, too.
        match body.trim_ascii_start().first()? {
            b'{' => serde_json::from_slice(body).ok(),
            b'[' => serde_json::from_slice::<[Self; 1]>(body).ok().map(|[message]| message),
            _ => None,
        }
    }

    /// Whether this is the reply to request `id`. An error may leave the id out or
    /// name none that we sent: a server that could not read the request does not know it.
    pub fn answers(&self, id: u64) -> bool {
        if self.method.is_some() {
            return false;
        }
        let is_ours = self.id.is_some_and(|raw| raw.get().trim_matches('"').parse() == Ok(id));
        self.error.is_some() || (self.result.is_some() && is_ours)
    }
}

/// A JSON-RPC error.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RpcError {
    pub code: i64,
    #[serde(default, deserialize_with = "message")]
    pub message: String,
    #[serde(default)]
    data: ErrorData,
}

impl RpcError {
    /// An error as the classification tables write it.
    #[cfg(test)]
    pub fn new(code: i64, message: &str) -> Self {
        let (message, data) = (message.to_owned(), ErrorData::default());
        Self { code, message, data }
    }

    /// The versions that an `UnsupportedProtocolVersion` error names.
    pub fn supported(&self) -> &[String] {
        &self.data.supported
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct ErrorData {
    supported: Vec<String>,
}

impl<'de> Deserialize<'de> for ErrorData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Known {
            #[serde(default)]
            supported: Strings,
        }
        // `data` may be anything; only an object can hold what is looked for.
        let raw = <&RawValue>::deserialize(deserializer)?;
        let known = serde_json::from_str::<Known>(raw.get()).ok();
        let supported = known.map(|known| known.supported.0).unwrap_or_default();
        Ok(Self { supported })
    }
}

/// Reads a result; `None` if it is not the object that was asked for.
pub fn read<'m, T: Deserialize<'m>>(result: &'m RawValue) -> Option<T> {
    // serde would read a struct from a plain list of its fields, too.
    let text = result.get();
    if !text.starts_with('{') {
        return None;
    }
    serde_json::from_str(text).ok()
}

/// The result of `server/discover`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Discovered {
    pub supported_versions: Strings,
    #[serde(default)]
    pub capabilities: Keys,
    #[serde(default, rename = "_meta")]
    pub meta: DiscoveredMeta,
}

#[derive(Debug, Default, Deserialize)]
pub struct DiscoveredMeta {
    #[serde(default, rename = "io.modelcontextprotocol/serverInfo")]
    pub server_info: Identity,
}

/// The result of `initialize`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Initialized {
    #[serde(deserialize_with = "name")]
    pub protocol_version: String,
    #[serde(default)]
    pub capabilities: Keys,
    #[serde(default)]
    pub server_info: Identity,
}

/// How a server names itself.
#[derive(Debug, Default, Deserialize)]
pub struct Identity {
    #[serde(default, deserialize_with = "name")]
    pub name: String,
    #[serde(default, deserialize_with = "name")]
    pub version: String,
}

/// The result of `tools/list`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolsPage<'m> {
    pub tools: Count,
    /// Goes back to the server as it came.
    #[serde(borrow, default)]
    pub next_cursor: Option<&'m RawValue>,
}

impl ToolsPage<'_> {
    /// The cursor of the next page, a non-empty string in JSON.
    pub fn cursor(&self) -> Option<&str> {
        let cursor = self.next_cursor?.get();
        (cursor.starts_with('"') && cursor != "\"\"").then_some(cursor)
    }
}

/// The strings of a list, cleaned; everything else in it is passed over.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Strings(pub Vec<String>);

impl<'de> Deserialize<'de> for Strings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Strings;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of strings")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Strings, A::Error> {
                let mut strings = Vec::new();
                while let Some(entry) = list.next_element::<&RawValue>()? {
                    if strings.len() < ENTRIES {
                        let text = serde_json::from_str::<Cow<'_, str>>(entry.get()).ok();
                        strings.extend(text.map(|text| clean(&text, text::NAME)));
                    }
                }
                Ok(Strings(strings))
            }
        }
        deserializer.deserialize_seq(Collect)
    }
}

/// The keys of an object, cleaned and in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Keys(pub Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Keys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some((key, IgnoredAny)) = map.next_entry::<Cow<'_, str>, _>()? {
                    if keys.len() < ENTRIES {
                        keys.push(clean(&key, text::NAME));
                    }
                }
                keys.sort_unstable();
                keys.dedup();
                Ok(Keys(keys))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// How many entries a list has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count(pub usize);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Counter;
        impl<'de> Visitor<'de> for Counter {
            type Value = Count;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Count, A::Error> {
                let mut count = 0;
                while list.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Count(count))
            }
        }
        deserializer.deserialize_seq(Counter)
    }
}

/// A short text; empty when it is something else than a string.
fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    string(deserializer, text::NAME)
}

/// A sentence; empty when it is something else than a string.
fn message<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    string(deserializer, text::MESSAGE)
}

fn string<'de, D: Deserializer<'de>>(deserializer: D, cap: usize) -> Result<String, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?;
    let text = serde_json::from_str::<Cow<'_, str>>(raw.get()).unwrap_or_default();
    Ok(clean(&text, cap))
}
