//! The dependencies of a server: what is to run, what each gives to the others, and who may connect.
//!
//! A dependency's pods are planned as a server's are, from a spec in the same terms, after the gaps
//! were filled in from its preset.

mod defaults;
mod graph;
mod login;
mod offer;

pub use login::GeneratedCredentials;

use super::network_policy::{self, NetworkRules};
use super::pod_plan::{self, Identity, PodPlan, Surroundings};
use super::variables::Variables;
use super::{PartName, Problems};
use crate::api::{Dependency, MCPServerSpec, PresetName};
use crate::presets::DataVersion;
use crate::references::References;
use crate::settings::Platform;
use offer::Offer;

/// A dependency, with its defaults filled in.
#[derive(Clone, Debug)]
pub struct DependencyPlan {
    pub name: String,
    /// Where it is reached, without a password; `None` where only a Secret knows.
    pub url: Option<String>,
    /// What is run for it; `None` for one that is run elsewhere.
    pub managed: Option<ManagedDependency>,
}

/// A dependency that is run with the server.
#[derive(Clone, Debug)]
pub struct ManagedDependency {
    pub pod: PodPlan,
    pub credentials: Option<GeneratedCredentials>,
    /// The parts of the server that may connect.
    pub callers: Vec<PartName>,
    pub network_rules: NetworkRules,
    /// Names of the dependencies that its first rollout still waits for.
    pub waits_for: Vec<String>,
}

impl DependencyPlan {
    /// Its name and that of its workload, for one that is run with the server.
    pub(super) fn awaited(&self) -> Option<(&str, &PartName)> {
        self.managed.as_ref().map(|it| (self.name.as_str(), &it.pod.part))
    }
}

/// What plans are made of, beside the spec.
pub(super) struct Around<'a> {
    pub(super) server: &'a PartName,
    pub(super) spec: &'a MCPServerSpec,
    pub(super) references: &'a References,
    pub(super) platform: &'a Platform,
    pub(super) salt: &'a str,
}

/// Plans each of them; the server's variables from them are added to `variables`.
pub(super) fn plan(around: &Around<'_>, variables: &mut Variables, problems: &mut Problems) -> Vec<DependencyPlan> {
    let all = &around.spec.dependencies;
    graph::check(all, problems);
    let mut offers = Vec::new();
    for dependency in all {
        let offer = problems.within(&path(dependency), |problems| {
            let part = problems.note(PartName::dependency(around.server.server(), &dependency.name))?;
            Some(Offer::of(dependency, part, problems))
        });
        offers.extend(offer.map(|offer| (dependency, offer)));
    }
    for (dependency, offer) in &offers {
        check_names(dependency, offer, variables, problems);
        variables.add(offer.variables.iter().cloned());
    }
    let plan = |(dependency, offer): &(&Dependency, Offer)| DependencyPlan {
        name: dependency.name.clone(),
        url: offer.url.clone(),
        managed: dependency.external.is_none().then(|| managed(dependency, offer, &offers, around, problems)),
    };
    offers.iter().map(plan).collect()
}

/// Names of those in `on` that the first rollout of `part` still waits for. Later ones wait for
/// nothing: what runs shall not hang on a database that is gone for a moment.
pub(super) fn waits_for<'a>(
    references: &References,
    part: &PartName,
    on: impl Iterator<Item = (&'a str, &'a PartName)>,
) -> Vec<String> {
    if references.workload(&part.to_string()).is_some() {
        return Vec::new();
    }
    let is_ready = |part: &PartName| references.workload(&part.to_string()).is_some_and(|it| it.is_ready);
    on.filter(|(_, part)| !is_ready(part)).map(|(name, _)| name.to_owned()).collect()
}

fn path(dependency: &Dependency) -> String {
    format!("spec.dependencies[{}]", dependency.name)
}

fn check_names(dependency: &Dependency, offer: &Offer, taken: &Variables, problems: &mut Problems) {
    if let Some(clash) = offer.variables.iter().find(|it| taken.get(&it.name).is_some()) {
        problems.add(
            format!("{}.name", path(dependency)),
            format!("its variable {} is there already: choose another name", clash.name),
        );
    }
}

fn managed(
    dependency: &Dependency,
    offer: &Offer,
    offers: &[(&Dependency, Offer)],
    around: &Around<'_>,
    problems: &mut Problems,
) -> ManagedDependency {
    let preset = dependency.preset.map(PresetName::preset);
    let needed: Vec<_> = offers.iter().filter(|(it, _)| dependency.depends_on.contains(&it.name)).collect();
    let mut variables = Variables::default();
    variables.add(offer.own_variables(preset));
    variables.add(needed.iter().flat_map(|(_, it)| it.variables.iter().cloned()));
    problems.within(&path(dependency), |problems| {
        let spec = defaults::filled(dependency, preset, offer, around, problems);
        let surroundings = Surroundings {
            part: offer.part.clone(),
            ports: offer.ports.clone(),
            variables: &variables,
            references: around.references,
            platform: around.platform,
            salt: around.salt,
        };
        let mut pod = pod_plan::plan(&spec, surroundings, problems);
        // There is no other pod to move on to.
        pod.drains = false;
        if dependency.service_account.is_none() {
            pod.identity = Identity::Nobody;
        }
        if let (Some(storage), Some(preset)) = (&mut pod.storage, dependency.preset) {
            storage.data = Some(DataVersion::of_image(preset, &pod.image));
        }
        let awaited = needed.iter().filter(|(it, _)| it.external.is_none());
        let awaited = awaited.map(|(it, offer)| (it.name.as_str(), &offer.part));
        ManagedDependency {
            credentials: offer.login.generated().cloned(),
            callers: callers(dependency, offers, around.server),
            network_rules: network_policy::rules(&spec, problems),
            waits_for: waits_for(around.references, &pod.part, awaited),
            pod,
        }
    })
}

/// The server, and the dependencies that name this one.
fn callers(dependency: &Dependency, offers: &[(&Dependency, Offer)], server: &PartName) -> Vec<PartName> {
    let named = offers.iter().filter(|(it, _)| it.depends_on.contains(&dependency.name));
    std::iter::once(server).chain(named.map(|(_, offer)| &offer.part)).cloned().collect()
}

#[cfg(test)]
mod tests;
