//! The program as a whole: how it is called, and what shells and readers of manuals get.

use anyhow::{Result, ensure};
use std::path::Path;
use std::process::Command;

use crate::{call, folder};

#[test]
fn as_a_plugin_it_says_how_it_was_called() -> Result<()> {
    let plugin = folder("plugin")?.join("kubectl-landfall");
    std::fs::hard_link(env!("CARGO_BIN_EXE_landfall"), &plugin)
        .or_else(|_| std::fs::copy(env!("CARGO_BIN_EXE_landfall"), &plugin).map(drop))?;
    let usage = |program: &Path, arguments: &[&str]| -> Result<String> {
        Ok(String::from_utf8(Command::new(program).args(arguments).output()?.stdout)?)
    };
    for (arguments, expected) in [
        (vec!["--help"], "Usage: kubectl landfall <COMMAND>"),
        (vec!["connect", "--help"], "Usage: kubectl landfall connect [OPTIONS] <NAME>"),
    ] {
        let shown = usage(&plugin, &arguments)?;
        ensure!(shown.contains(expected), "{shown}");
    }
    let shown = usage(Path::new(env!("CARGO_BIN_EXE_landfall")), &["connect", "--help"])?;
    ensure!(shown.contains("Usage: landfall connect"), "{shown}");
    Ok(())
}

#[test]
fn every_shell_gets_completions() -> Result<()> {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let called = call(&["completions", shell], "")?;
        ensure!(called.status == 0 && called.output.contains("connect"), "{shell}");
    }
    if Path::new("/bin/bash").exists() {
        let script = folder("completions")?.join("landfall.bash");
        std::fs::write(&script, call(&["completions", "bash"], "")?.output)?;
        let complete = "source \"$0\"; COMP_WORDS=(landfall con); COMP_CWORD=1; _landfall landfall con landfall; echo \"${COMPREPLY[@]}\"";
        let output = Command::new("/bin/bash").args(["-c", complete]).arg(&script).output()?;
        ensure!(String::from_utf8(output.stdout)?.trim() == "connect");
    }
    Ok(())
}

#[test]
fn there_is_a_manual_page_for_each_subcommand() -> Result<()> {
    let called = call(&["man"], "")?;
    ensure!(called.output.contains(".TH landfall 1"), "{}", called.output);
    let folder = folder("man")?;
    let called = call(&["man", "--to", &folder.display().to_string()], "")?;
    ensure!(called.status == 0, "{}", called.messages);
    for page in ["landfall.1", "landfall-connect.1", "landfall-import.1"] {
        ensure!(folder.join(page).exists(), "{page}");
    }
    Ok(())
}
