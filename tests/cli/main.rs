//! The command line, as a person calls it: arguments, files and standard input go in; output, messages
//! and an exit status come out. No test here needs a cluster.

#[path = "../support/documents.rs"]
mod documents;
#[path = "../support/rules.rs"]
mod rules;

mod connect;
mod docs;
mod import;
mod offline;
mod program;

use anyhow::{Context, Result};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a call came to.
struct Called {
    status: i32,
    output: String,
    messages: String,
}

/// Calls `landfall` with standard input.
fn call(arguments: &[&str], input: &str) -> Result<Called> {
    call_in(Path::new(env!("CARGO_MANIFEST_DIR")), arguments, input)
}

/// Calls `landfall` in a folder.
fn call_in(folder: &Path, arguments: &[&str], input: &str) -> Result<Called> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_landfall"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // Who refuses early does not read all of it.
    let _ = child.stdin.take().context("its input")?.write_all(input.as_bytes());
    let output = child.wait_with_output()?;
    Ok(Called {
        status: output.status.code().context("it was killed")?,
        output: String::from_utf8(output.stdout)?,
        messages: String::from_utf8(output.stderr)?,
    })
}

/// A folder of a test's own, empty.
fn folder(name: &str) -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cli-{name}"));
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
