//! The `landfall` binary: parses the command line and nothing else.

use landfall::cli::Cli;
use std::process::ExitCode;

// One thread waits for the network as well as many, and the allocator has memory for each thread.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match Cli::of_process().run().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("landfall: {error:#}");
            ExitCode::FAILURE
        }
    }
}
