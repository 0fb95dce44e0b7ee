//! Names of the databases that Landfall knows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

use super::schema;

macro_rules! names {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// A known database or service, for which every field of a dependency has a default.
        #[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[schemars(transform = schema::explained_by_its_field)]
        pub enum PresetName {
            $($(#[doc = $doc])+ #[serde(rename = $text)] $name,)+
        }

        impl PresetName {
            /// Every preset there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The name as it stands in a spec.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

names! {
    /// Qdrant, a vector database.
    Qdrant = "qdrant",
    /// `PostgreSQL`.
    Postgres = "postgres",
    /// `PostgreSQL` with the extension pgvector.
    Pgvector = "pgvector",
    /// Redis.
    Redis = "redis",
    /// Valkey, a fork of Redis.
    Valkey = "valkey",
    /// `MongoDB`.
    Mongodb = "mongodb",
    /// Neo4j, community edition.
    Neo4j = "neo4j",
    /// Elasticsearch, one node.
    Elasticsearch = "elasticsearch",
    /// Chroma, a vector database.
    Chroma = "chroma",
    /// Weaviate, a vector database.
    Weaviate = "weaviate",
    /// `MySQL`.
    Mysql = "mysql",
    /// `ClickHouse`.
    Clickhouse = "clickhouse",
    /// Hugging Face's server of embedding models.
    TextEmbeddingsInference = "text-embeddings-inference",
    /// Ollama, a server of language models.
    Ollama = "ollama",
}

impl fmt::Display for PresetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
