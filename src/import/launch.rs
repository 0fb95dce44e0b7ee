//! A command line by which a client starts a server.

use std::collections::BTreeMap;

use super::draft::Draft;
use super::{Input, Refusal, compose, docker, package};

/// A command line.
pub(super) struct Launch<'a> {
    pub command: &'a str,
    pub args: Vec<&'a str>,
    pub env: BTreeMap<&'a str, String>,
}

/// The server that a command line starts.
pub(super) fn carry(draft: &mut Draft, launch: &Launch<'_>, input: &Input<'_>) -> Result<(), Refusal> {
    let (program, args) = program(launch);
    match (program, args.as_slice()) {
        ("npx" | "bunx", args) | ("npm" | "pnpm" | "bun" | "yarn", ["exec" | "dlx" | "x", args @ ..]) => {
            package::npm(draft, args, &launch.env, None)
        }
        ("uvx", args) | ("uv", ["tool", "run", args @ ..]) | ("pipx", ["run", args @ ..]) => {
            package::pypi(draft, args, &launch.env, None)
        }
        ("docker" | "podman" | "nerdctl", ["compose", args @ ..]) | ("docker-compose" | "podman-compose", args) => {
            compose::run(draft, args, &launch.env, input)
        }
        ("docker" | "podman" | "nerdctl", ["run", args @ ..] | ["container", "run", args @ ..]) => {
            docker::run(draft, args, &launch.env)
        }
        ("", _) => Err("it has neither a command nor a URL".into()),
        (program, _) => Err(format!(
            "it starts \"{program}\" on your machine, which no cluster has: make an image of the server, and write an MCPServer for it, or \
             call it by npx, uvx, docker run or docker compose run"
        )),
    }
}

/// The program and its arguments, without what other systems need around them.
fn program<'a>(launch: &Launch<'a>) -> (&'a str, Vec<&'a str>) {
    let mut words = std::iter::once(launch.command).chain(launch.args.iter().copied()).collect::<Vec<_>>();
    // Everything in one text.
    if launch.args.is_empty() && launch.command.contains(' ') {
        words = launch.command.split_whitespace().collect();
    }
    let base = |word: &'a str| {
        let word = word.rsplit(['/', '\\']).next().unwrap_or_default();
        word.trim_end_matches(".exe").trim_end_matches(".cmd")
    };
    match words.as_slice() {
        [shell, flag, rest @ ..] if base(shell) == "cmd" && flag.eq_ignore_ascii_case("/c") => {
            (rest.first().map_or("", |it| base(it)), rest.iter().skip(1).copied().collect())
        }
        ["env", rest @ ..] => (rest.first().map_or("", |it| base(it)), rest.iter().skip(1).copied().collect()),
        [program, rest @ ..] => (base(program), rest.to_vec()),
        [] => ("", Vec::new()),
    }
}
