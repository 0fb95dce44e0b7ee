//! `docker run …`

use std::collections::BTreeMap;

use super::draft::Draft;
use super::{Refusal, transport};
use crate::api::{Scratch, ScratchMedium};

/// Options that take a value and mean something here.
const CARRIED: [&str; 24] = [
    "-e",
    "--env",
    "--env-file",
    "-v",
    "--volume",
    "--mount",
    "-p",
    "--publish",
    "--expose",
    "-u",
    "--user",
    "-w",
    "--workdir",
    "--entrypoint",
    "-m",
    "--memory",
    "--cpus",
    "--shm-size",
    "--tmpfs",
    "--name",
    "--add-host",
    "--cap-add",
    "--gpus",
    "--device",
];

/// Options that take a value and mean nothing in a cluster.
const IGNORED: [&str; 16] = [
    "--network",
    "--net",
    "--restart",
    "--pull",
    "--platform",
    "-l",
    "--label",
    "--log-driver",
    "--log-opt",
    "--cap-drop",
    "--security-opt",
    "--pids-limit",
    "--ulimit",
    "--stop-timeout",
    "-h",
    "--hostname",
];

/// Options without a value.
const SWITCHES: [&str; 16] = [
    "-i",
    "--interactive",
    "-t",
    "--tty",
    "-d",
    "--detach",
    "--rm",
    "--init",
    "--read-only",
    "-P",
    "--publish-all",
    "-q",
    "--quiet",
    "--no-healthcheck",
    "--privileged",
    "--sig-proxy",
];

/// The arguments after `docker run`. A variable that is given without a value has it from `env`.
pub(super) fn run(draft: &mut Draft, args: &[&str], env: &BTreeMap<&str, String>) -> Result<(), Refusal> {
    let mut run = Run { draft, env, published: None, entrypoint: None };
    let rest = run.options(args)?;
    let Run { published, entrypoint, .. } = run;
    let Some((image, args)) = rest.split_first() else { return Err("docker run names no image".into()) };
    draft.image(image)?;
    if let Some(entrypoint) = entrypoint {
        draft.spec.command = vec![entrypoint];
    }
    draft.spec.args = draft.arguments(args.iter().copied());
    // Images often have no user with a number, and Kubernetes wants one.
    transport::settle(draft, repository(image), published)
}

struct Run<'a, 'd> {
    draft: &'d mut Draft,
    env: &'a BTreeMap<&'a str, String>,
    published: Option<i32>,
    entrypoint: Option<String>,
}

impl Run<'_, '_> {
    /// Reads options, and gives what follows them.
    fn options<'b>(&mut self, args: &'b [&'b str]) -> Result<&'b [&'b str], Refusal> {
        let mut at = 0;
        while let Some(arg) = args.get(at).filter(|it| it.starts_with('-') && it.len() > 1) {
            at += 1;
            let (flag, own) = match arg.split_once('=') {
                Some((flag, value)) if arg.starts_with("--") => (flag, Some(value)),
                // `-eNAME`, and `-it`.
                _ if !arg.starts_with("--") && arg.is_char_boundary(2) && arg.len() > 2 && takes_value(&arg[..2]) => {
                    (&arg[..2], Some(arg[2..].trim_start_matches('=')))
                }
                _ => (*arg, None),
            };
            if takes_value(flag) {
                let value = if let Some(value) = own {
                    value
                } else {
                    at += 1;
                    args.get(at - 1).copied().ok_or_else(|| format!("docker run {flag} has no value"))?
                };
                self.option(flag, value);
            } else if !is_switch(flag) {
                return Err(format!("docker run {flag} is not known here: remove it, and import again"));
            } else if flag == "--privileged" {
                self.draft.note("--privileged: not carried over; give what it needs under spec.securityContext, where the namespace allows it");
            }
        }
        Ok(args.get(at..).unwrap_or_default())
    }

    fn option(&mut self, flag: &str, value: &str) {
        match flag {
            "-e" | "--env" => match value.split_once('=') {
                Some((name, value)) => self.draft.variable(name, value),
                None => match self.env.get(value) {
                    Some(given) => self.draft.variable(value, given),
                    None => self.draft.ask(value),
                },
            },
            "--env-file" => {
                self.draft.note("--env-file: not read; make a Secret of the file, and name it under spec.envFrom");
            }
            "-v" | "--volume" => self.volume(&value.split(':').collect::<Vec<_>>()),
            "--mount" => {
                let part = |name: &str| value.split(',').find_map(|it| it.strip_prefix(name)?.strip_prefix('='));
                let target = part("target").or_else(|| part("dst")).or_else(|| part("destination"));
                let source = part("source").or_else(|| part("src")).unwrap_or_default();
                self.volume(&[source, target.unwrap_or_default()]);
            }
            "-p" | "--publish" | "--expose" => {
                let port = value.split('/').next().and_then(|it| it.rsplit(':').next()).and_then(|it| it.parse().ok());
                self.published = self.published.or(port);
            }
            "-u" | "--user" => user(self.draft, value),
            "-w" | "--workdir" => {
                self.draft.note(format!(
                    "--workdir {value}: not carried over; set workingDir in spec.podTemplate if the image needs it"
                ));
            }
            "--entrypoint" => self.entrypoint = Some(value.to_owned()),
            "-m" | "--memory" => memory(self.draft, "--memory", value),
            "--cpus" => cpus(self.draft, "--cpus", value),
            "--shm-size" => shared_memory(self.draft, "--shm-size", value),
            "--tmpfs" => self.draft.scratch(value.split(':').next().unwrap_or_default()),
            "--name" => {}
            flag if CARRIED.contains(&flag) => {
                self.draft.note(format!("{flag}: not carried over, a pod has nothing like it"));
            }
            _ => {}
        }
    }

    fn volume(&mut self, parts: &[&str]) {
        match parts {
            ["/var/run/docker.sock", ..] => {
                self.draft.note("the socket of Docker: not carried over, a pod has none");
            }
            [path] => self.draft.scratch(path),
            [source, target, options @ ..] => mount(self.draft, source, target, options.contains(&"ro")),
            [] => {}
        }
    }
}

fn takes_value(flag: &str) -> bool {
    CARRIED.contains(&flag) || IGNORED.contains(&flag)
}

fn is_switch(flag: &str) -> bool {
    let is_short = flag.len() > 1 && !flag.starts_with("--");
    SWITCHES.contains(&flag) || (is_short && flag[1..].chars().all(|it| "itdqP".contains(it)))
}

/// A directory of the container that was a volume, or a directory of somebody's machine.
pub(super) fn mount(draft: &mut Draft, source: &str, target: &str, read_only: bool) {
    let is_path = source.starts_with(['/', '.', '~', '$']) || source.contains('\\');
    if is_path && source.starts_with("./") && !read_only && !source[2..].contains('.') {
        draft.note(format!(
            "scratch: {target} was the directory {source} of yours; now it is empty at each start, make it spec.storage if it has to last"
        ));
        draft.scratch(target);
    } else if is_path {
        draft.note(format!(
            "{target}: was a path on your machine; give a file under spec.files, or make it spec.storage and copy the data there"
        ));
        draft.missing.push(target.to_owned());
    } else if draft.spec.storage.is_none() {
        draft.note(format!(
            "storage: {target} was the volume \"{source}\"; it begins empty, and how large it is was not said"
        ));
        draft.spec.storage = Some(crate::api::Storage {
            mount_path: target.trim_end_matches('/').into(),
            size: k8s_openapi::apimachinery::pkg::api::resource::Quantity("1Gi".into()),
            ..Default::default()
        });
    } else {
        draft.note(format!("{target}: a second volume, \"{source}\", is not carried over; add a claim under spec.volumes and spec.volumeMounts"));
    }
}

/// `1000`, `1000:1000` or a name.
pub(super) fn user(draft: &mut Draft, value: &str) {
    let mut ids = value.split(':').map(str::parse::<i64>);
    match ids.next() {
        Some(Ok(0)) => draft.note("user: was root, which only a namespace that allows it can run; podSecurityContext: {runAsUser: 0, runAsNonRoot: false}"),
        Some(Ok(id)) => {
            let context = draft.spec.pod_security_context.get_or_insert_default();
            context.run_as_user = Some(id);
            context.run_as_group = ids.next().and_then(Result::ok).filter(|it| *it > 0);
        }
        _ => draft.note(format!("user: \"{value}\" has no number; look up its id, and set podSecurityContext.runAsUser")),
    }
}

pub(super) fn memory(draft: &mut Draft, place: &str, value: &str) {
    match bytes(value) {
        Some(quantity) => draft.limit("memory", quantity),
        None => draft.note(format!("{place}: \"{value}\" is no amount of memory")),
    }
}

pub(super) fn cpus(draft: &mut Draft, place: &str, value: &str) {
    let number = value.parse::<f64>().ok().filter(|it| it.is_finite() && *it > 0.0 && *it < 1000.0);
    match number {
        Some(number) if number.fract() == 0.0 => draft.limit("cpu", format!("{number}")),
        Some(number) => draft.limit("cpu", format!("{:.0}m", (number * 1000.0).max(1.0))),
        None => draft.note(format!("{place}: \"{value}\" is no number of CPUs")),
    }
}

pub(super) fn shared_memory(draft: &mut Draft, place: &str, value: &str) {
    let Some(quantity) = bytes(value) else {
        return draft.note(format!("{place}: \"{value}\" is no amount of memory"));
    };
    let size_limit = Some(k8s_openapi::apimachinery::pkg::api::resource::Quantity(quantity));
    draft.spec.scratch.push(Scratch { path: "/dev/shm".into(), size_limit, medium: Some(ScratchMedium::Memory) });
}

/// Docker counts in powers of 1024, and has its own letters.
fn bytes(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_lowercase();
    let end = text.find(|it: char| !it.is_ascii_digit() && it != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: f64 = number.parse().ok().filter(|it: &f64| it.is_finite() && *it > 0.0)?;
    let unit = match unit.trim_end_matches('b').trim_end_matches('i') {
        "" => return Some(format!("{number:.0}")),
        "k" => "Ki",
        "m" => "Mi",
        "g" => "Gi",
        "t" => "Ti",
        _ => return None,
    };
    (number.fract() == 0.0).then(|| format!("{number:.0}{unit}")).or_else(|| {
        let smaller = ["Ki", "Mi", "Gi", "Ti"].iter().zip(["", "Ki", "Mi", "Gi"]).find(|it| *it.0 == unit)?.1;
        Some(format!("{:.0}{smaller}", number * 1024.0))
    })
}

/// An image without tag and digest.
pub(super) fn repository(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or_default();
    let slash = name.rfind('/').map_or(0, |it| it + 1);
    name[slash..].find(':').map_or(name, |colon| &name[..slash + colon])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_those_of_kubernetes() {
        for (docker, kubernetes) in [
            ("512m", "512Mi"),
            ("1g", "1Gi"),
            ("1.5G", "1536Mi"),
            ("2GB", "2Gi"),
            ("100b", "100"),
            ("64MiB", "64Mi"),
            ("1024", "1024"),
        ] {
            assert_eq!(bytes(docker).as_deref(), Some(kubernetes), "{docker}");
        }
        assert_eq!((bytes("lots"), bytes("1x"), bytes("")), (None, None, None));
    }

    #[test]
    fn a_repository_is_an_image_without_its_version() {
        assert_eq!(repository("localhost:5000/a/b:1@sha256:x"), "localhost:5000/a/b");
        assert_eq!(repository("redis"), "redis");
    }
}
