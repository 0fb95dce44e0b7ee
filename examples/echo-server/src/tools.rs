//! The tools that the server offers, and what it says about itself.

use rmcp::{
    ServerHandler,
    handler::server::{router::tool::ToolRouter, wrapper::Parameters},
    model::{Implementation, ServerCapabilities, ServerConfig},
    schemars, tool, tool_handler, tool_router,
};
use serde::Deserialize;

/// The name by which the server introduces itself.
pub const NAME: &str = "echo-server";

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct EchoArguments {
    /// The text to send back.
    message: String,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct AddArguments {
    /// The first number.
    a: f64,
    /// The second number.
    b: f64,
}

/// One session's (or one request's) view of the server.
#[derive(Debug, Clone)]
pub struct EchoServer {
    instance: String,
    tool_router: ToolRouter<Self>,
}

#[tool_router]
impl EchoServer {
    /// A server that reports `instance` as its title, so that a client can tell
    /// one pod from the next.
    #[must_use]
    pub fn new(instance: impl Into<String>) -> Self {
        Self { instance: instance.into(), tool_router: Self::tool_router() }
    }

    #[tool(description = "Returns the message that it was given")]
    fn echo(Parameters(EchoArguments { message }): Parameters<EchoArguments>) -> String {
        message
    }

    #[tool(description = "Returns the sum of two numbers")]
    fn add(Parameters(AddArguments { a, b }): Parameters<AddArguments>) -> String {
        (a + b).to_string()
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
