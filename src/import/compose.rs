//! Compose files: a service that no other one needs is a server, and what it needs become its
//! dependencies; databases that Landfall knows are recognised by their image.

mod call;
mod dependency;
mod values;

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

use call::Call;
use values::{container_port, filled, is_address, variables, words_of};

use super::draft::{Draft, map, text, texts};
use super::{Input, Outcome, Refusal, address, docker, transport};

/// What the file looks like when nobody says which one.
const FILES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];

/// Fields of a service that are carried over, or mean nothing in a cluster.
const CARRIED: [&str; 34] = [
    "image",
    "build",
    "command",
    "entrypoint",
    "environment",
    "env_file",
    "ports",
    "expose",
    "volumes",
    "depends_on",
    "deploy",
    "mem_limit",
    "mem_reservation",
    "cpus",
    "user",
    "tmpfs",
    "shm_size",
    "healthcheck",
    "restart",
    "networks",
    "container_name",
    "stdin_open",
    "tty",
    "labels",
    "init",
    "profiles",
    "platform",
    "pull_policy",
    "stop_grace_period",
    "links",
    "logging",
    "hostname",
    "read_only",
    "attach",
];

/// Every server of a compose file.
pub(super) fn import(document: &Value, input: &Input<'_>) -> Result<Vec<Outcome>, String> {
    let services = Services::read(document);
    let mut outcomes = Vec::new();
    for name in services.roots() {
        let mut draft = Draft::new(name);
        outcomes.push(match services.server(&mut draft, name, &[], &[]) {
            Ok(()) => draft.finish(),
            Err(why) => Outcome::Refused { name: name.to_owned(), why },
        });
    }
    if outcomes.is_empty() {
        return Err(format!("{}: no service in it is one that no other service needs", input.name));
    }
    Ok(outcomes)
}

/// `docker compose … run … SERVICE …`
pub(super) fn run(
    draft: &mut Draft,
    args: &[&str],
    env: &BTreeMap<&str, String>,
    input: &Input<'_>,
) -> Result<(), Refusal> {
    let call = Call::read(args)?;
    let read =
        |name: &str| (input.read)(name).map_err(|error| format!("its compose file {name} cannot be read: {error}"));
    let text = match call.file {
        Some(file) => read(file)?,
        None => FILES
            .iter()
            .find_map(|it| (input.read)(it).ok())
            .ok_or("its compose file is not beside this file: name it with -f")?,
    };
    let documents = super::read(&text).map_err(|error| format!("its compose file cannot be read: {error}"))?;
    let document = documents.first().ok_or("its compose file is empty")?;
    let mut variables = call.env;
    variables.extend(env.iter().map(|(name, value)| (*name, value.as_str())));
    Services::read(document).server(draft, call.service, &call.args, &variables)
}

/// What a value says of the dependencies.
enum Named {
    /// Nothing.
    Nobody,
    /// The address of one, which is said so now.
    As(String),
    /// The address of one, with a secret that Landfall does not know.
    WithSecret,
}

/// The services of a file.
struct Services<'a>(BTreeMap<&'a str, &'a Value>);

impl<'a> Services<'a> {
    fn read(document: &'a Value) -> Self {
        Self(map(document, "services").map(|(name, service)| (name.as_str(), service)).collect())
    }

    /// Names of the services that a service needs, as it says itself or as its addresses do.
    fn needs(&self, name: &str) -> BTreeSet<&'a str> {
        let Some(service) = self.0.get(name) else { return BTreeSet::new() };
        let said = match &service["depends_on"] {
            Value::Object(map) => map.keys().cloned().collect(),
            other => texts(other),
        };
        let named = variables(service).into_iter().filter_map(|(name, value)| {
            let value = value?;
            let found = address::find(&value).filter(|it| is_address(&name, it))?;
            Some(found.host.to_owned())
        });
        let all: BTreeSet<String> = said.into_iter().chain(named).collect();
        self.0.keys().filter(|it| all.contains(**it) && **it != name).copied().collect()
    }

    /// Services that no other one needs and that are no databases.
    fn roots(&self) -> Vec<&'a str> {
        let needed: BTreeSet<_> = self.0.keys().flat_map(|it| self.needs(it)).collect();
        let is_database = |it: &&str| self.0.get(*it).is_some_and(|service| dependency::preset_of(service).is_some());
        let mut roots: Vec<_> = self.0.keys().filter(|it| !needed.contains(**it)).copied().collect();
        if roots.iter().any(|it| !is_database(it)) {
            roots.retain(|it| !is_database(it));
        }
        roots
    }

    /// All that a service needs, and what these need, each after what it needs itself.
    fn below(&self, name: &str) -> Vec<&'a str> {
        let mut found: Vec<&'a str> = Vec::new();
        let mut open: Vec<(&'a str, usize)> = self.needs(name).into_iter().map(|it| (it, 0)).collect();
        while let Some((it, depth)) = open.pop() {
            if found.contains(&it) || it == name || depth > self.0.len() {
                continue;
            }
            found.push(it);
            open.extend(self.needs(it).into_iter().map(|it| (it, depth + 1)));
        }
        found.sort_unstable();
        found
    }

    fn server(&self, draft: &mut Draft, name: &str, args: &[&str], env: &[(&str, &str)]) -> Result<(), Refusal> {
        let service = self.0.get(name).ok_or_else(|| format!("its compose file has no service \"{name}\""))?;
        for needed in self.below(name) {
            let others = self.needs(needed);
            if let Some(service) = self.0.get(needed) {
                dependency::carry(draft, needed, service, &others, self);
            }
        }
        let Some(image) = service["image"].as_str() else {
            return Err(format!(
                "the service {name} is built from source: build its image, push it to a registry, and name it as \"image\""
            ));
        };
        let image = filled(image);
        draft.image(&image)?;
        let words = |field: &str| match &service[field] {
            Value::String(text) => words_of(text),
            other => texts(other),
        };
        draft.spec.command = words("entrypoint");
        let own = words("command");
        let args = if args.is_empty() { own.iter().map(String::as_str).collect() } else { args.to_vec() };
        draft.spec.args = Self::args(draft, &args);
        for (name, value) in env {
            draft.variable(name, value);
        }
        for (name, value) in variables(service) {
            self.variable(draft, &name, value);
        }
        limits(draft, service);
        places(draft, service);
        let mut published = texts(&service["ports"]).into_iter().chain(texts(&service["expose"]));
        let published = published.find_map(|it| container_port(&it));
        let long = service["ports"].as_array().into_iter().flatten().find_map(|it| it["target"].as_i64());
        let published = published.or(long.and_then(|it| i32::try_from(it).ok()));
        transport::settle(draft, docker::repository(&image), published)?;
        draft.leave("", service, &CARRIED);
        Ok(())
    }

    /// A variable; the name of another service in it becomes that of the dependency.
    fn variable(&self, draft: &mut Draft, name: &str, value: Option<String>) {
        let Some(value) = value else { return draft.ask(name) };
        match Self::through(draft, name, &value) {
            Named::As(said) if said == format!("$({name})") => {}
            Named::As(said) => draft.set(name, &said),
            Named::WithSecret => draft.ask(name),
            Named::Nobody => match draft.spec.dependencies.iter().find(|it| dependency::was_password(it, &value, self))
            {
                Some(owner) => {
                    let password = format!("{}_PASSWORD", owner.name.to_ascii_uppercase().replace('-', "_"));
                    draft.note(format!("env {name}: was the password of a database; now the one that is generated"));
                    if password != name {
                        draft.set(name, &format!("$({password})"));
                    }
                }
                None => draft.variable(name, &value),
            },
        }
    }

    /// A value of one dependency that names another one.
    fn as_a_dependency(&self, value: &str) -> Option<String> {
        let found = address::find(value)?;
        let service = self.0.get(found.host).filter(|_| found.scheme.is_some() || found.port.is_some())?;
        found.through(&dependency::name_of(found.host), dependency::preset_of(service))
    }

    fn args(draft: &mut Draft, args: &[&str]) -> Vec<String> {
        let said = |it: &&str| match Self::through(draft, "", it) {
            Named::As(said) => Some(said),
            Named::WithSecret | Named::Nobody => None,
        };
        let said: Vec<_> = args.iter().map(said).collect();
        let plain: Vec<_> = args.iter().zip(&said).map(|(arg, said)| if said.is_some() { "" } else { *arg }).collect();
        let carried = draft.arguments(plain);
        carried.into_iter().zip(said).map(|(arg, said)| said.unwrap_or(arg)).collect()
    }

    /// A value in which a dependency may be named; `name` is that of its variable.
    fn through(draft: &Draft, name: &str, value: &str) -> Named {
        let Some(found) = address::find(value) else { return Named::Nobody };
        let of = draft.spec.dependencies.iter().find(|it| it.name == dependency::name_of(found.host));
        let Some(of) = of else { return Named::Nobody };
        match is_address(name, &found).then(|| found.through(&of.name, of.preset)) {
            None => Named::Nobody,
            Some(None) => Named::WithSecret,
            Some(Some(said)) => Named::As(said),
        }
    }
}

fn limits(draft: &mut Draft, service: &Value) {
    let limits = &service["deploy"]["resources"]["limits"];
    let memory = text(&limits["memory"]).or_else(|| text(&service["mem_limit"]));
    let cpus = text(&limits["cpus"]).or_else(|| text(&service["cpus"]));
    if let Some(memory) = memory {
        docker::memory(draft, "mem_limit", &memory);
    }
    if let Some(cpus) = cpus {
        docker::cpus(draft, "cpus", &cpus);
    }
    if let Some(size) = text(&service["shm_size"]) {
        docker::shared_memory(draft, "shm_size", &size);
    }
    if let Some(user) = text(&service["user"]) {
        docker::user(draft, &user);
    }
    if service["deploy"]["replicas"].as_i64().is_some_and(|it| it > 1) {
        draft.note(
            "deploy.replicas: more than one pod needs sessions: Stateless if any pod can answer any request, or else \
                    service.sessionAffinity: ClientIP",
        );
    }
    if !service["env_file"].is_null() {
        draft.note("env_file: not read; make a Secret of the file, and name it under spec.envFrom");
    }
    if !service["healthcheck"].is_null() {
        draft
            .note("healthcheck: not carried over, a connection to the port is tried instead; spec.probes takes others");
    }
}

fn places(draft: &mut Draft, service: &Value) {
    for path in texts(&service["tmpfs"]) {
        draft.scratch(path.split(':').next().unwrap_or_default());
    }
    for volume in service["volumes"].as_array().into_iter().flatten() {
        match dependency::volume(volume) {
            Some((_, target)) if target.ends_with("docker.sock") => {
                draft.note("the socket of Docker: not carried over, a pod has none");
            }
            Some((source, target)) if source.is_empty() => draft.scratch(&target),
            Some((source, target)) => {
                let read_only = volume["read_only"] == true || volume.as_str().is_some_and(|it| it.ends_with(":ro"));
                docker::mount(draft, &source, &target, read_only);
            }
            None => {}
        }
    }
}
