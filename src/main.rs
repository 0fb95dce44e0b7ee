//! The `landfall` binary: parses the command line and nothing else.

use landfall::cli::Cli;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match Cli::of_process().run().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("landfall: {error:#}");
            ExitCode::FAILURE
        }
    }
}
