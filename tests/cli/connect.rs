//! `landfall connect`: each client's form as its documentation has it, and files that keep what they had.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::{Called, call, call_in, folder};

const CLIENTS: [&str; 9] = ["claude", "claude-code", "cursor", "vscode", "gemini", "codex", "zed", "windsurf", "cline"];

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/connect");

fn connect(client: &str, more: &[&str]) -> Result<Called> {
    let arguments = ["connect", "echo", "--url", "https://echo.team.example/mcp", "--client", client];
    call(&[&arguments, more].concat(), "")
}

/// `UPDATE_EXPECTED=1 cargo test --test cli` writes the expectations anew.
#[test]
fn each_client_has_its_form() -> Result<()> {
    for client in CLIENTS {
        for (kind, more) in [("plain", vec![]), ("auth", vec!["--header", "Authorization", "--header", "X-Tenant"])] {
            let called = connect(client, &more)?;
            ensure!(called.status == 0, "{client}: {}", called.messages);
            let mut found = called.output;
            for hint in called.messages.lines() {
                writeln!(found, "# {hint}")?;
            }
            let beside = Path::new(FOLDER).join(format!("{client}.{kind}.expected"));
            if std::env::var_os("UPDATE_EXPECTED").is_some() {
                fs::create_dir_all(FOLDER)?;
                fs::write(&beside, &found)?;
            }
            ensure!(fs::read_to_string(&beside).unwrap_or_default() == found, "{client}.{kind} is:\n{found}");
        }
    }
    Ok(())
}

#[test]
fn what_is_printed_can_be_read_back() -> Result<()> {
    let header = ["--header", "Authorization"];
    let read = |client| -> Result<Value> { Ok(serde_json::from_str(&connect(client, &header)?.output)?) };
    let code = read("claude-code")?;
    let entry = &code["mcpServers"]["echo"];
    ensure!(entry["type"] == "http" && entry["url"] == "https://echo.team.example/mcp", "{code}");
    ensure!(entry["headers"]["Authorization"] == "Bearer ${ECHO_TOKEN}", "{code}");
    let vscode = read("vscode")?;
    let entry = &vscode["servers"]["echo"];
    ensure!(entry["type"] == "http" && entry["url"] == "https://echo.team.example/mcp", "{vscode}");
    let named = entry["headers"]["Authorization"]
        .as_str()
        .and_then(|it| it.strip_prefix("Bearer ${input:"))
        .context("an input")?;
    ensure!(
        vscode["inputs"][0]["id"] == named.trim_end_matches('}') && vscode["inputs"][0]["password"] == true,
        "{vscode}"
    );
    // What `import` reads of it is that there is nothing to run.
    let back = call(&["import", "-"], &code.to_string())?;
    ensure!(back.output.contains("it is served at echo.team.example already"), "{}", back.output);
    Ok(())
}

#[test]
fn without_a_client_all_are_shown() -> Result<()> {
    let called = call(&["connect", "echo", "--url", "http://localhost:1/mcp"], "")?;
    for client in
        ["Claude Desktop", "Claude Code", "Cursor", "VS Code", "Gemini CLI", "Codex CLI", "Zed", "Windsurf", "Cline"]
    {
        ensure!(called.output.contains(&format!("# {client}: ")), "{client}");
    }
    Ok(())
}

#[test]
fn a_file_is_made_or_added_to_and_copied_before() -> Result<()> {
    let folder = folder("connect")?;
    let write =
        |name: &str| call_in(&folder, &["connect", name, "--url", "http://a/mcp", "--client", "vscode", "--write"], "");
    let called = write("one")?;
    ensure!(called.status == 0 && called.output.contains("has one now"), "{} {}", called.output, called.messages);
    let file = folder.join(".vscode/mcp.json");
    let first = fs::read_to_string(&file)?;
    ensure!(write("one")?.output.contains("has one already"));
    ensure!(!folder.join(".vscode/mcp.json.backup").exists(), "nothing was changed");

    let commented = first.replacen('{', "{\n  // Mine.", 1);
    fs::write(&file, &commented)?;
    let called = write("two")?;
    ensure!(called.status == 0 && called.output.contains("mcp.json.backup"), "{} {}", called.output, called.messages);
    ensure!(fs::read_to_string(folder.join(".vscode/mcp.json.backup"))? == commented);
    let both = fs::read_to_string(&file)?;
    ensure!(both.contains("// Mine.") && both.contains("\"one\"") && both.contains("\"two\""), "{both}");
    write("three")?;
    ensure!(fs::read_to_string(folder.join(".vscode/mcp.json.backup-2"))? == both, "no backup is overwritten");
    ensure!(fs::read_dir(folder.join(".vscode"))?.count() == 3, "nothing else is left behind");
    Ok(())
}

#[test]
fn another_server_of_that_name_stays_unless_it_is_said() -> Result<()> {
    let folder = folder("replace")?;
    let file = folder.join("settings.json");
    fs::write(&file, "{\"mcpServers\": {\"echo\": {\"command\": \"mine\"}}, \"a\": 1}")?;
    let arguments =
        ["connect", "echo", "--url", "http://a/mcp", "--client", "gemini", "--write", "--file", "settings.json"];
    let called = call_in(&folder, &arguments, "")?;
    ensure!(
        called.status == 1 && called.messages.contains("is left as it is") && called.messages.contains("--replace"),
        "{}",
        called.messages
    );
    ensure!(fs::read_to_string(&file)?.contains("mine") && fs::read_dir(&folder)?.count() == 1);
    let called = call_in(&folder, &[&arguments[..], &["--replace"]].concat(), "")?;
    ensure!(called.status == 0, "{}", called.messages);
    let read: Value = serde_json::from_str(&fs::read_to_string(&file)?)?;
    ensure!(read["mcpServers"]["echo"]["httpUrl"] == "http://a/mcp" && read["a"] == 1, "{read}");
    Ok(())
}

#[test]
fn a_file_that_cannot_be_read_is_left_alone() -> Result<()> {
    let folder = folder("broken")?;
    for (client, text) in [("claude-code", "{\"mcpServers\": {"), ("codex", "model = \"x\nhunter2"), ("cline", "[1]")] {
        let file = folder.join(client);
        fs::write(&file, text)?;
        let called = call_in(
            &folder,
            &["connect", "echo", "--url", "http://a/mcp", "--client", client, "--write", "--file", client],
            "",
        )?;
        ensure!(called.status == 1 && called.messages.contains("is left as it is"), "{client}: {}", called.messages);
        ensure!(
            fs::read_to_string(&file)? == text && !called.messages.contains("hunter2"),
            "{client}: {}",
            called.messages
        );
    }
    Ok(())
}

#[cfg(unix)]
#[test]
fn a_file_stays_as_hidden_as_it_was_and_a_link_stays_a_link() -> Result<()> {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = folder("mode")?;
    let file = folder.join("real.json");
    fs::write(&file, "{}")?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
    symlink(&file, folder.join("link.json"))?;
    let called = call_in(
        &folder,
        &["connect", "echo", "--url", "http://a/mcp", "--client", "cursor", "--write", "--file", "link.json"],
        "",
    )?;
    ensure!(called.status == 0, "{}", called.messages);
    ensure!(fs::symlink_metadata(folder.join("link.json"))?.is_symlink());
    for name in ["real.json", "real.json.backup"] {
        ensure!(fs::metadata(folder.join(name))?.permissions().mode() & 0o777 == 0o600, "{name}");
    }
    Ok(())
}
