//! Packages of npm and `PyPI`, run in the official images of Node.js and Python. What they download lies in a
//! scratch directory.

use std::collections::BTreeMap;

use super::draft::Draft;
use super::{Refusal, secret, transport};

const NODE_IMAGE: &str = "node:24-slim";
const PYTHON_IMAGE: &str = "python:3.13-slim";

/// Where packages are put.
const CACHE: &str = "/cache";

/// Makes an environment, installs into it, and becomes the server. `$0` is what is installed.
const INSTALL_AND_RUN: &str =
    "python -m venv /cache/venv && /cache/venv/bin/pip install --quiet $0 && exec /cache/venv/bin/\"$@\"";

/// What is called, and with what.
struct Package<'a> {
    spec: &'a str,
    others: Vec<&'a str>,
    /// The program of the package, where it is named.
    program: Option<&'a str>,
    args: &'a [&'a str],
}

/// `npx …`
pub(super) fn npm(
    draft: &mut Draft,
    args: &[&str],
    env: &BTreeMap<&str, String>,
    port: Option<i32>,
) -> Result<(), Refusal> {
    let package = read(args, &["-p", "--package"], &[], "npx")?;
    let (name, version) = npm_parts(package.spec);
    let is_plain = name.chars().all(|it| it.is_ascii_alphanumeric() || "@/._-".contains(it));
    if name.is_empty() || name.starts_with(['.', '/']) || !is_plain || (name.contains('/') && !name.starts_with('@')) {
        return Err(format!(
            "{} is no package of the npm registry: make an image of it, and write an MCPServer for that",
            shown(package.spec)
        ));
    }
    draft.spec.image = NODE_IMAGE.into();
    draft.spec.command = ["npx", "--yes"].map(Into::into).to_vec();
    if let Some(program) = package.program {
        let packages = std::iter::once(package.spec).chain(package.others.iter().copied());
        draft.spec.command.extend(packages.map(|it| format!("--package={it}")));
        draft.spec.command.push(program.to_owned());
    } else {
        draft.spec.command.push(package.spec.to_owned());
    }
    draft.spec.args = draft.arguments(package.args.iter().copied());
    for (name, value) in env {
        draft.variable(name, value);
    }
    transport::settle(draft, name, port)?;
    draft.set("npm_config_cache", "/cache/npm");
    downloads(draft, "npm", version);
    Ok(())
}

/// `uvx …`
pub(super) fn pypi(
    draft: &mut Draft,
    args: &[&str],
    env: &BTreeMap<&str, String>,
    port: Option<i32>,
) -> Result<(), Refusal> {
    let package = read(args, &["--from", "--spec"], &["--with", "-w", "--python", "-p"], "uvx")?;
    let (name, version) = pypi_parts(package.spec);
    if name.is_empty() || package.spec.contains("://") || name.starts_with(['.', '/']) {
        return Err(format!(
            "{} is no package of PyPI: make an image of it, and write an MCPServer for that",
            shown(package.spec)
        ));
    }
    let spec = match package.spec.split_once('@').filter(|_| package.program.is_none()) {
        Some((name, "latest")) => name.to_owned(),
        Some((name, version)) => format!("{name}=={version}"),
        None => package.spec.to_owned(),
    };
    let program = package.program.unwrap_or(name).to_owned();
    draft.spec.image = python_image(&package.others);
    let with = package.others.chunks(2).filter(|it| matches!(it[0], "--with" | "-w")).filter_map(|it| it.get(1));
    let install = std::iter::once(spec.as_str()).chain(with.copied()).collect::<Vec<_>>().join(" ");
    if install.chars().any(|it| "*?[]<>|&;$`\"'\\(){}".contains(it) && !"[]<>".contains(it)) {
        return Err(format!("{} is not carried over: name packages and versions alone", shown(&install)));
    }
    draft.spec.command = ["sh", "-c", INSTALL_AND_RUN].map(Into::into).to_vec();
    draft.spec.command.push(install);
    draft.spec.args = draft.arguments(package.args.iter().copied());
    for (name, value) in env {
        draft.variable(name, value);
    }
    transport::settle(draft, name, port)?;
    draft.spec.args.insert(0, program);
    draft.set("PIP_CACHE_DIR", "/cache/pip");
    downloads(draft, "PyPI", version);
    Ok(())
}

/// A token may stand in a URL.
fn shown(spec: &str) -> String {
    if secret::is_value(spec) { "what it starts".into() } else { format!("\"{spec}\"") }
}

fn downloads(draft: &mut Draft, from: &str, version: Option<&str>) {
    draft.set("HOME", CACHE);
    draft.scratch(CACHE);
    draft.note(format!(
        "image: the package is downloaded from {from} at each start of a pod; an image of its own starts sooner"
    ));
    if version.is_none_or(|it| it == "latest") {
        draft.note("command: runs whatever version is newest when a pod starts; name one");
    }
}

fn python_image(others: &[&str]) -> String {
    let version = others.chunks(2).find(|it| matches!(it[0], "--python" | "-p")).and_then(|it| it.get(1));
    let is_version = |it: &&&str| it.starts_with("3.") && it.chars().all(|it| it.is_ascii_digit() || it == '.');
    version.filter(is_version).map_or_else(|| PYTHON_IMAGE.into(), |version| format!("python:{version}-slim"))
}

/// Options come first, then a package, or a program if an option names the package.
fn read<'a>(args: &'a [&'a str], names: &[&str], others: &[&str], of: &str) -> Result<Package<'a>, Refusal> {
    let (mut specs, mut more, mut at) = (Vec::new(), Vec::new(), 0);
    while let Some(arg) = args.get(at) {
        at += 1;
        let (flag, own) = arg.split_once('=').map_or((*arg, None), |(flag, value)| (flag, Some(value)));
        if names.contains(&flag) || others.contains(&flag) {
            let value = own.or_else(|| {
                at += 1;
                args.get(at - 1).copied()
            });
            let value = value.ok_or_else(|| format!("{of} {flag} has no value"))?;
            if names.contains(&flag) {
                specs.push(value);
            } else {
                more.extend([flag, value]);
            }
        } else if ["-y", "--yes", "-q", "--quiet", "--no-cache", "--refresh", "--isolated", "--prefer-online", "--"]
            .contains(&flag)
        {
        } else if flag.starts_with('-') {
            return Err(format!("{of} {flag} is not known here: remove it, and import again"));
        } else {
            let rest = &args[at..];
            let rest = rest.strip_prefix(&["--"]).unwrap_or(rest);
            let Some((first, further)) = specs.split_first() else {
                return Ok(Package { spec: arg, others: more, program: None, args: rest });
            };
            more.extend(further);
            return Ok(Package { spec: first, others: more, program: Some(arg), args: rest });
        }
    }
    match specs.split_first() {
        Some((first, further)) => {
            more.extend(further);
            Ok(Package { spec: first, others: more, program: None, args: &[] })
        }
        None => Err(format!("{of} names no package")),
    }
}

/// `@scope/name@version`
fn npm_parts(spec: &str) -> (&str, Option<&str>) {
    match spec.get(1..).and_then(|it| it.find('@')) {
        Some(at) => (&spec[..=at], Some(&spec[at + 2..])),
        None => (spec, None),
    }
}

/// `name[extra]==version`, or uv's `name@version`.
fn pypi_parts(spec: &str) -> (&str, Option<&str>) {
    let end = spec.find(['[', '=', '<', '>', '~', '!', '@', ' ']).unwrap_or(spec.len());
    let version = spec.rsplit(['=', '@', '~']).next().filter(|_| spec.contains(['=', '@', '~']));
    (&spec[..end], version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_and_versions_are_told_apart() {
        assert_eq!(npm_parts("@scope/name@1.2.3"), ("@scope/name", Some("1.2.3")));
        assert_eq!(npm_parts("@scope/name"), ("@scope/name", None));
        assert_eq!(npm_parts("name@latest"), ("name", Some("latest")));
        assert_eq!(npm_parts(""), ("", None));
        assert_eq!(pypi_parts("name[extra]==1.0"), ("name", Some("1.0")));
        assert_eq!(pypi_parts("name@latest"), ("name", Some("latest")));
        assert_eq!(pypi_parts("name"), ("name", None));
    }
}
