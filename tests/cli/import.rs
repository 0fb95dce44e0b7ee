//! `landfall import`: each file in `import/` comes to what stands beside it, which can be validated and
//! built.

use anyhow::{Context, Result, ensure};
use landfall::import::{Input, import, print};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

use crate::{call, call_in};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/import");

fn inputs() -> Result<Vec<PathBuf>> {
    let files = fs::read_dir(FOLDER)?.map(|it| Ok(it?.path())).collect::<Result<Vec<_>>>()?;
    let is_input = |it: &PathBuf| it.extension().is_some_and(|it| it == "json" || it == "yaml");
    let mut inputs: Vec<_> = files.into_iter().filter(is_input).collect();
    inputs.sort();
    Ok(inputs)
}

/// `UPDATE_EXPECTED=1 cargo test --test cli` writes the expectations anew, for a person to read the difference.
#[test]
fn each_file_comes_to_what_is_expected() -> Result<()> {
    let inputs = inputs()?;
    ensure!(inputs.len() >= 40, "only {} inputs", inputs.len());
    let mut differ = Vec::new();
    for input in &inputs {
        let name = input.file_name().and_then(|it| it.to_str()).context("a name")?;
        let called = call_in(Path::new(FOLDER), &["import", name], "")?;
        let found = format!("{}# exit status {}\n{}", called.output, called.status, called.messages);
        let beside = input.with_file_name(format!("{name}.expected"));
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            fs::write(&beside, &found)?;
        }
        if fs::read_to_string(&beside).unwrap_or_default() != found {
            differ.push(format!("{name} comes to:\n{found}"));
        }
    }
    ensure!(differ.is_empty(), "{}", differ.join("\n"));
    Ok(())
}

#[test]
fn all_that_is_printed_is_valid_and_built() -> Result<()> {
    let mut built = 0;
    for input in inputs()? {
        let name = input.file_name().and_then(|it| it.to_str()).context("a name")?;
        let printed = call_in(Path::new(FOLDER), &["import", name], "")?.output;
        if !printed.contains("kind: MCPServer") {
            continue;
        }
        let valid = call(&["validate", "-f", "-"], &printed)?;
        ensure!(valid.status == 0, "{name}: {}{}\n{printed}", valid.output, valid.messages);
        let rendered = call(&["render", "-f", "-"], &printed)?;
        ensure!(rendered.output.contains("kind: Deployment"), "{name}: {}", rendered.messages);
        built += 1;
    }
    ensure!(built >= 30, "only {built} were built");
    Ok(())
}

#[test]
fn no_secret_is_ever_printed() -> Result<()> {
    for input in inputs()? {
        let name = input.file_name().and_then(|it| it.to_str()).context("a name")?;
        let called = call_in(Path::new(FOLDER), &["import", name], "")?;
        for secret in [
            "hunter2",
            "ghp_",
            "sk-live",
            "glsa_",
            "fc-0123456789",
            "forgepass",
            "elasticpass",
            "longpassword",
            "SECRET_TOKEN: abc",
        ] {
            ensure!(!called.output.contains(secret) && !called.messages.contains(secret), "{name}: {}", called.output);
        }
        for line in
            called.output.lines().skip_while(|it| *it != "stringData:").skip(1).take_while(|it| it.starts_with("  "))
        {
            ensure!(line.ends_with(": \"\""), "{name}: {line}");
        }
    }
    Ok(())
}

#[test]
fn what_cannot_be_read_is_told_in_a_line() -> Result<()> {
    let deep = "[".repeat(100_000);
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n";
    let deep_object = "{\"a\":".repeat(100_000);
    for text in [
        "",
        "{",
        "nonsense",
        "[]",
        "{}",
        "null",
        "\0",
        "kind: MCPServer\napiVersion: x/v1\n",
        "services: {}",
        "mcpServers: {}",
        &deep,
        &deep_object,
        bomb,
    ] {
        let called = call(&["import", "-"], text)?;
        let start: String = text.chars().take(20).collect();
        ensure!(called.status == 2, "{start:?}: {} {}", called.status, called.messages);
        ensure!(
            called.messages.starts_with("landfall: standard input: ") && called.messages.lines().count() == 1,
            "{start:?}: {}",
            called.messages
        );
    }
    let called = call(&["import", "/nowhere"], "")?;
    ensure!(called.status == 2 && called.messages.contains("cannot read /nowhere"), "{}", called.messages);
    Ok(())
}

#[test]
fn a_large_file_is_read_to_its_end() -> Result<()> {
    let entry = json!({"command": "npx", "args": ["-y", "@modelcontextprotocol/server-everything@1.0.0"]});
    let servers: serde_json::Map<String, Value> = (0..2000).map(|it| (format!("server-{it}"), entry.clone())).collect();
    let called = call(&["import", "-"], &json!({"mcpServers": servers}).to_string())?;
    ensure!(called.status == 0 && called.output.matches("kind: MCPServer").count() == 2000, "{}", called.messages);
    Ok(())
}

#[test]
fn one_of_several_can_be_asked_for() -> Result<()> {
    let file = format!("{FOLDER}/names.json");
    let called = call(&["import", &file, "--only", "my-server"], "")?;
    ensure!(called.status == 0 && called.output.matches("kind: MCPServer").count() == 1, "{}", called.output);
    let called = call(&["import", &file, "--only", "nobody"], "")?;
    ensure!(called.status == 2 && called.messages.contains("there is no server \"nobody\""), "{}", called.messages);
    Ok(())
}

/// Words that mean something somewhere, so that chance gets far.
fn word() -> impl Strategy<Value = String> {
    let words = [
        "npx",
        "uvx",
        "docker",
        "run",
        "compose",
        "-e",
        "-v",
        "--port",
        "-p",
        "--from",
        "--package",
        "-y",
        "--",
        "=",
        "-",
        "--env=A=b",
        "mcp/everything",
        "redis:8",
        "postgres://u:p@localhost:5432/x",
        "http://localhost:6333",
        "${A}",
        "${A:-b}",
        "$(B)",
        "streamable-http",
        "--transport",
        "sse",
        "8000",
        "a:b:c",
        "@x/y@1",
        "@",
        ":",
        "é",
        "",
        "/",
        "\u{0}",
        "\n- x: y",
        "qdrant",
        "http://qdrant:6333",
    ];
    prop_oneof![prop::sample::select(words.to_vec()).prop_map(str::to_owned), ".{0,12}"]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    let fields = [
        "image",
        "command",
        "args",
        "env",
        "environment",
        "ports",
        "volumes",
        "depends_on",
        "transport",
        "type",
        "url",
        "identifier",
        "registryType",
        "name",
        "value",
        "default",
        "packages",
        "packageArguments",
        "environmentVariables",
        "spec",
        "deployment",
        "config",
        "source",
        "containerImage",
        "ref",
        "port",
        "qdrant",
        "podTemplateSpec",
        "containers",
        "secrets",
        "resources",
        "deploy",
        "limits",
        "user",
        "tmpfs",
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        let key = prop_oneof![prop::sample::select(fields.to_vec()).prop_map(str::to_owned), word()];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..6).prop_map(|it| Value::Object(it.into_iter().collect())),
        ]
    })
}

/// A document of each format, filled with anything.
fn document() -> impl Strategy<Value = Value> {
    let resource = |version: &'static str| move |spec: Value| json!({"apiVersion": version, "kind": "MCPServer", "metadata": {"name": "a"}, "spec": spec});
    let words = || prop::collection::vec(word(), 0..8);
    prop_oneof![
        value(),
        (word(), value()).prop_map(|(name, it)| json!({"mcpServers": {name: it}})),
        (prop::sample::select(vec!["npx", "uvx", "docker"]), words(), value())
            .prop_map(|(command, args, env)| json!({"mcpServers": {"a": {"command": command, "args": args, "env": env}}})),
        words().prop_map(|args| {
            let args = [vec!["run".to_owned()], args].concat();
            json!({"mcpServers": {"a": {"command": "docker", "args": args}}})
        }),
        (value(), value()).prop_map(|(a, b)| json!({"services": {"a": a, "qdrant": b}})),
        (value(), words()).prop_map(|(env, ports)| json!({"services": {"a": {"image": "x:1", "ports": ports, "environment": env, "depends_on": ["b"]}, "b": {"image": "postgres:17", "environment": {"POSTGRES_PASSWORD": "abcd"}}}})),
        value().prop_map(|it| json!({"name": "a/b", "packages": [it]})),
        value().prop_map(resource("toolhive.stacklok.dev/v1beta1")),
        value().prop_map(resource("kagent.dev/v1alpha1")),
        value().prop_map(resource("mcp.x-k8s.io/v1alpha1")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_makes_it_panic_and_all_it_prints_can_be_read(document in document()) {
        let input = Input { text: &document.to_string(), name: "it", read: &|_| Err("there is none".into()) };
        if let Ok(outcomes) = import(&input) {
            let printed = print(&outcomes);
            let read = landfall::manifest::documents(&printed);
            prop_assert!(read.is_ok(), "{:?}\n{}", read.err(), printed);
            let kinds_are_ours = read.unwrap_or_default().iter().all(|it| ["MCPServer", "Secret"].contains(&it.kind()));
            prop_assert!(kinds_are_ours, "{}", printed);
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,200}") {
        let _ = import(&Input { text: &text, name: "it", read: &|_| Err("there is none".into()) });
    }
}
