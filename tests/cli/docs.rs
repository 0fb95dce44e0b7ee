//! Commands in the documents do what the documents say.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::folder;

/// What a block shows: commands, each with what it prints.
fn commands(block: &str) -> Vec<(&str, String)> {
    let mut commands: Vec<(&str, String)> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command, String::new())),
            (None, Some((_, output))) => output.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    commands
}

/// Whether `found` is `shown`, where a line `...` stands for any number of lines.
fn is_as_shown(shown: &str, found: &str) -> bool {
    let mut rest = found;
    for (at, part) in shown.split("...\n").enumerate() {
        let Some(start) = rest.find(part).filter(|start| at > 0 || *start == 0) else { return false };
        rest = &rest[start + part.len()..];
    }
    rest.is_empty() || shown.ends_with("...\n")
}

#[test]
fn every_command_is_run_or_says_why_not() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = Path::new(env!("CARGO_BIN_EXE_landfall")).parent().context("its folder")?;
    let path = format!("{}:/usr/bin:/bin", program.display());
    let mut count = 0;
    for document in ["docs/cli.md", "docs/import.md"] {
        // Some commands write files.
        let folder = folder("docs")?;
        for file in fs::read_dir(root.join("docs/examples"))? {
            let file = file?;
            fs::copy(file.path(), folder.join(file.file_name()))?;
        }
        let text = fs::read_to_string(root.join(document))?;
        let mut before = "";
        for (at, block) in text.split("```").enumerate() {
            if at % 2 == 0 {
                before = block;
                continue;
            }
            let Some(block) = block.strip_prefix("console\n") else { continue };
            if before.trim_end().lines().next_back().is_some_and(|it| it.starts_with("<!-- not run: ")) {
                continue;
            }
            for (command, shown) in commands(block) {
                let output = Command::new("/bin/sh")
                    .args(["-c", command])
                    .current_dir(&folder)
                    .env_clear()
                    .envs([("PATH", path.as_str())])
                    .output()?;
                let found = String::from_utf8(output.stdout)?;
                ensure!(is_as_shown(&shown, &found), "{document}: `{command}` prints\n{found}\nand not\n{shown}");
                count += 1;
            }
        }
    }
    ensure!(count >= 9, "only {count} commands were run");
    Ok(())
}
