//! Landfall: a Kubernetes operator that makes a reachable MCP server out of one `MCPServer`.
//!
//! The way is one way, and [`controller`] reads as it:
//!
//! ```text
//! MCPServer ──> references ──> validate ──> build ──> apply ──> observe ──> status
//!               what exists    all problems  what      one       what the   what is
//!               of what it     at once, or   should    write     live       reported,
//!               names          defaults in   exist     per       objects    written only
//!                                                      change    say        on change
//! ```
//!
//! Beside it, [`verification`] asks each server again and again whether clients can use it. `observe`d
//! are the objects, and `status` is given the last answer with them; a new answer triggers a new pass.
//!
//! `references` (its data), `validate`, `build`, `observe` and `status` are pure: they never see a
//! client. `apply` and `controller` talk to the API server. The kinds of children stand in one
//! registry, [`children`].

pub mod admission;
pub mod api;
pub mod apply;
pub mod build;
pub mod cache;
pub mod catalog;
pub mod children;
pub mod cli;
pub mod connect;
pub mod controller;
pub mod digest;
pub mod gateway_api;
pub mod import;
pub mod jitter;
pub mod labels;
pub mod lean;
pub mod manifest;
pub mod metrics;
pub mod observe;
pub mod presets;
pub mod probe;
pub mod quantity;
pub mod reach;
pub mod references;
pub mod settings;
pub mod status;
#[cfg(test)]
mod testing;
pub mod text;
pub mod validate;
pub mod verification;
