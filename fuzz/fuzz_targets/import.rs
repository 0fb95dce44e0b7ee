//! What others run MCP servers with, as anybody may have written it: `make fuzz`.
//!
//! Every file that the input names holds what the input holds.

#![no_main]

use landfall::import::{Input, Outcome, import, print};
use landfall::manifest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let read = |_: &str| Ok(text.to_owned());
    let outcomes = match import(&Input { text, name: "fuzz", read: &read }) {
        Ok(outcomes) => outcomes,
        Err(why) => return assert!(!why.is_empty()),
    };
    let servers = outcomes.iter().filter(|it| matches!(it, Outcome::Server(_))).count();
    let printed = print(&outcomes);
    // Whatever stood in a comment or a string, it has become nothing else.
    let documents = match manifest::documents(&printed) {
        Ok(documents) => documents,
        Err(error) => panic!("{error} in:\n{printed}"),
    };
    let kinds = |kind: &str| documents.iter().filter(|it| it.value["kind"] == *kind).count();
    assert_eq!(kinds("MCPServer"), servers, "{printed}");
    assert_eq!(kinds("MCPServer") + kinds("Secret"), documents.len(), "{printed}");
});
