//! A small MCP server with the tools `echo` and `add`, with a database also `remember` and `recall`,
//! and a client that tries one.
//!
//! [`server`] shows how an MCP server behaves well on Kubernetes; [`client`] is
//! what `echo-server call URL` runs, so that one image is both ends of a test.

pub mod client;
pub mod fault;
pub mod server;
pub mod storage;
pub mod tools;
