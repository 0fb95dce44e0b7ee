//! The tools that the server offers, and what it says about itself.

use std::time::Duration;

use rmcp::{
    Peer, RoleServer, ServerHandler,
    handler::server::{router::tool::ToolRouter, wrapper::Parameters},
    model::{Implementation, ProgressNotificationParam, RequestMetaObject, ServerCapabilities, ServerConfig},
    schemars, tool, tool_handler, tool_router,
};
use serde::Deserialize;

use crate::storage::Storage;

/// The name by which the server introduces itself.
pub const NAME: &str = "echo-server";

/// How often the progress of a slow answer is told, in seconds.
const PROGRESS_INTERVAL: u16 = 10;

const LONGEST: u16 = 3600;

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct EchoArguments {
    /// The text to send back.
    message: String,
    /// How many seconds to take over it, at most an hour; progress is told meanwhile to who asks for it.
    #[serde(default)]
    seconds: u16,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct AddArguments {
    /// The first number.
    a: f64,
    /// The second number.
    b: f64,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct RememberArguments {
    /// The name under which to keep the text.
    key: String,
    /// The text to keep.
    value: String,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct RecallArguments {
    /// The name that the text was kept under.
    key: String,
}

/// One session's (or one request's) view of the server.
#[derive(Clone)]
pub struct EchoServer {
    instance: String,
    storage: Storage,
    tool_router: ToolRouter<Self>,
}

impl EchoServer {
    /// A server that reports `instance` as its title, so that a client can tell
    /// one pod from the next. Tools that need a database are offered only if there is one.
    #[must_use]
    pub fn new(instance: impl Into<String>, storage: Storage) -> Self {
        let mut tool_router = Self::plain_tools();
        if !storage.is_empty() {
            tool_router += Self::storage_tools();
        }
        Self { instance: instance.into(), storage, tool_router }
    }
}

#[tool_router(router = plain_tools)]
impl EchoServer {
    #[tool(description = "Returns the message that it was given")]
    async fn echo(
        &self,
        Parameters(EchoArguments { message, seconds }): Parameters<EchoArguments>,
        meta: RequestMetaObject,
        client: Peer<RoleServer>,
    ) -> String {
        let seconds = seconds.min(LONGEST);
        let mut passed = 0;
        while passed < seconds {
            let step = PROGRESS_INTERVAL.min(seconds - passed);
            tokio::time::sleep(Duration::from_secs(step.into())).await;
            passed += step;
            if let Some(token) = meta.get_progress_token() {
                let progress = ProgressNotificationParam::new(token, passed.into()).with_total(seconds.into());
                // Nobody may be left to be told.
                let _ = client.notify_progress(progress).await;
            }
        }
        message
    }

    #[tool(description = "Returns the sum of two numbers")]
    fn add(Parameters(AddArguments { a, b }): Parameters<AddArguments>) -> String {
        (a + b).to_string()
    }
}

#[tool_router(router = storage_tools)]
impl EchoServer {
    #[tool(description = "Keeps a text under a name, also when the server is replaced")]
    async fn remember(
        &self,
        Parameters(RememberArguments { key, value }): Parameters<RememberArguments>,
    ) -> Result<String, String> {
        self.storage.remember(&key, &value).await.map_err(|error| format!("{error:#}"))
    }

    #[tool(description = "Returns the text that was kept under a name")]
    async fn recall(&self, Parameters(RecallArguments { key }): Parameters<RecallArguments>) -> Result<String, String> {
        self.storage.recall(&key).await.map_err(|error| format!("{error:#}"))
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for EchoServer {
    fn get_info(&self) -> ServerConfig {
        let mut identity = Implementation::new(NAME, env!("CARGO_PKG_VERSION"));
        if !self.instance.is_empty() {
            identity = identity.with_title(self.instance.as_str());
        }
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build()).with_server_info(identity)
    }
}
