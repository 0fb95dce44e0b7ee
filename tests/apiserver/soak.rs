//! The soak (`make soak`): random changes for as long as is asked for, then convergence and silence. What
//! an operator that never ends must not do shows only in time: to grow.

mod samples;
mod wishes;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Resource, ResourceExt};
use landfall::api::MCPServer;
use landfall::labels::{LANDFALL, MANAGED_BY};
use serde::de::DeserializeOwned;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval};

use crate::support::audit::Request;
use crate::support::host::Host;
use crate::support::mcp::Mcp;
use crate::support::operator::Operator;
use crate::support::random::Random;
use crate::support::{PATIENCE, Space, World, condition, until};
use samples::{Sample, is_flat, line, value, watches};
use wishes::{Step, Wish, next};

/// Set to minutes, this is all that runs.
pub const MINUTES: &str = "LANDFALL_SOAK";

/// The same seed makes the same changes.
const SEED: &str = "LANDFALL_SEED";

/// Between two changes.
const PACE: Duration = Duration::from_millis(200);

/// For the last changes to be carried out, and for connections that are no longer needed to be closed.
const SETTLE: Duration = Duration::from_mins(5);

const SILENCE: Duration = Duration::from_mins(1);

/// Connections at rest come and go; a leak is a matter of thousands.
const FEW: u64 = 3;

fn setting<T: std::str::FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|it| it.parse().ok()).unwrap_or(default)
}

pub async fn soak(world: Arc<World>) -> Result<()> {
    let (minutes, seed) = (setting(MINUTES, 30_u64), setting(SEED, 1_u64));
    let space = world.space("soak").await?;
    let mcp = Mcp::start().await?;
    let _host = Host::start(&space, mcp.address);
    // Losing a Lease on a busy machine would begin everything anew, and hide what grows.
    let arguments =
        ["--leader-election", "false", "--verification-route", "api-server", "--verification-interval", "10s"];
    let operator = space.operator(&arguments).await?;
    operator.until_ready().await?;
    operator.until_it_leads().await?;
    space.server("first", &json!({"image": "soak:0", "port": mcp.port})).await?;
    space.until_ready_is("first", "True", "Ready").await.context("the API server reaches what stands for pods")?;
    space.api::<MCPServer>().delete("first", &DeleteParams::default()).await?;
    let before = watches(&world).await?;
    let quiet = Sample::take(&world, &operator, 0, 0).await?;
    eprintln!("soak: {minutes} min, seed {seed}; at rest {quiet:?}");

    let mut soak = Soak { space: &space, port: mcp.port, random: Random::from_seed(seed), wishes: BTreeMap::new() };
    let (samples, changes) = soak.run(&operator, Duration::from_secs(minutes * 60)).await?;
    let wishes = soak.wishes;
    let began = Instant::now();
    let done = async || what_is_missing(&space, &wishes).await.ok()?.is_empty().then_some(());
    if let Err(error) = until("everything is as was asked for last", SETTLE, done).await {
        bail!("{error:#}: {:#?}", what_is_missing(&space, &wishes).await?);
    }
    eprintln!("soak: {changes} changes made; all was as asked for {:.1?} after the last", began.elapsed());
    let unanswered = mcp.unanswered();
    report(&operator, &samples, quiet, changes, seed).await?;
    ensure!(unanswered > 0, "no silent server was ever asked");

    is_flat(&samples, "resident memory", |it| it.kib)?;
    is_flat(&samples, "tasks", |it| it.tasks)?;
    let most: u64 = before.values().sum();
    let others: Vec<_> = samples.iter().filter(|it| it.watches != most).collect();
    let more = others.iter().filter(|it| it.watches > most).count();
    // One that has reached its time is opened anew; a sample may fall in between.
    ensure!(more == 0 && others.len() <= samples.len() / 20, "not the {most} watches of the start: {others:?}");
    let as_before = async || (watches(&world).await.ok()? == before).then_some(());
    until("the same watches as at the start", PATIENCE, as_before).await?;
    is_silent(&operator).await?;
    at_rest_as_before(&world, &operator, quiet).await?;
    ensure!(!operator.log().contains("panicked"), "{}", operator.log());
    eprintln!("soak: passed");
    Ok(())
}

struct Soak<'a> {
    space: &'a Space,
    port: u16,
    random: Random,
    wishes: BTreeMap<String, Wish>,
}

impl Soak<'_> {
    async fn run(&mut self, operator: &Operator, time: Duration) -> Result<(Vec<Sample>, u64)> {
        let (began, mut changes, mut samples) = (Instant::now(), 0_u64, Vec::<Sample>::new());
        let pause = (time / 180).max(Duration::from_secs(1));
        let mut ticks = interval(PACE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        while began.elapsed() < time {
            ticks.tick().await;
            let step = next(&mut self.random, &mut self.wishes);
            self.take(&step).await.with_context(|| format!("change {changes}: {step:?}"))?;
            changes += 1;
            let seconds = began.elapsed().as_secs();
            if samples.last().is_none_or(|it| seconds >= it.second + pause.as_secs()) {
                let sample = Sample::take(&self.space.world, operator, seconds, self.wishes.len() as u64).await?;
                if samples.len().is_multiple_of(12) {
                    eprintln!("soak: {changes} changes, {sample:?}");
                }
                samples.push(sample);
            }
        }
        Ok((samples, changes))
    }

    async fn take(&self, step: &Step) -> Result<()> {
        let servers = self.space.api::<MCPServer>();
        match step {
            Step::Apply(name, wish) => drop(self.space.server(name, &wish.spec(self.port)).await?),
            Step::Scale(name, replicas) => {
                let scale = Patch::Merge(json!({"spec": {"replicas": replicas}}));
                servers.patch_scale(name, &PatchParams::default(), &scale).await?;
            }
            Step::Delete(name) => drop(servers.delete(name, &DeleteParams::default()).await?),
        }
        Ok(())
    }
}

/// What is not, or not yet, as it was asked for last.
async fn what_is_missing(space: &Space, wishes: &BTreeMap<String, Wish>) -> Result<Vec<String>> {
    let mut missing = Vec::new();
    let servers = space.api::<MCPServer>().list(&ListParams::default()).await?;
    let names: BTreeSet<_> = servers.iter().map(ResourceExt::name_any).collect();
    ensure!(names.iter().eq(wishes.keys()), "the API server has other servers than were asked for: {names:?}");
    for server in &servers {
        let name = server.name_any();
        let (status, reason) = wishes[&name].outcome();
        let ready = condition(server, "Ready");
        let fits = |it: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| {
            it.status == status && it.reason == reason && it.observed_generation == server.metadata.generation
        };
        if !ready.is_some_and(fits) {
            missing.push(format!("{name} is not {reason} but {ready:?}"));
        }
    }
    let uids: BTreeSet<_> = servers.iter().filter_map(ResourceExt::uid).collect();
    missing.extend(orphans::<Deployment>(space, &uids).await?);
    missing.extend(orphans::<Service>(space, &uids).await?);
    missing.extend(orphans::<ConfigMap>(space, &uids).await?);
    missing.extend(orphans::<PodDisruptionBudget>(space, &uids).await?);
    let deployments = space.api::<Deployment>();
    for (name, wish) in wishes.iter().filter(|(_, it)| it.is_valid()) {
        let spec = deployments.get_opt(name).await?.and_then(|it| it.spec);
        let image = spec.as_ref().and_then(|it| it.template.spec.as_ref()?.containers.first()?.image.clone());
        let replicas = spec.and_then(|it| it.replicas);
        if image != Some(wish.image()) || replicas != Some(wish.replicas) {
            missing.push(format!("{name} has {replicas:?} pods of {image:?}, not as in {wish:?}"));
        }
    }
    Ok(missing)
}

/// Children of servers that are gone.
async fn orphans<K>(space: &Space, uids: &BTreeSet<String>) -> Result<Vec<String>>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
{
    let ours = ListParams::default().labels(&format!("{MANAGED_BY}={LANDFALL}"));
    let children = space.api::<K>().list(&ours).await?;
    let is_orphan = |it: &&K| !it.owner_references().iter().any(|owner| uids.contains(&owner.uid));
    Ok(children.iter().filter(is_orphan).map(|it| format!("{} {} is an orphan", K::kind(&()), it.name_any())).collect())
}

async fn report(operator: &Operator, samples: &[Sample], quiet: Sample, changes: u64, seed: u64) -> Result<()> {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let rows = samples.iter().map(|it| {
        let Sample { second, kib, tasks, watches, files, servers } = it;
        format!("{second},{kib},{tasks},{watches},{files},{servers}\n")
    });
    let file = folder.join("soak.csv");
    std::fs::write(&file, format!("second,kib,tasks,watches,files,servers\n{}", rows.collect::<String>()))?;
    let metrics = operator.get("/metrics").await?.1;
    let passes = value(&metrics, "landfall_reconciles_total{result=\"success\"}").unwrap_or_default();
    let failed = value(&metrics, "landfall_reconciles_total{result=\"error\"}").unwrap_or_default();
    let statuses = value(&metrics, "landfall_status_writes_total{result=\"success\"}").unwrap_or_default();
    eprintln!(
        "seed {seed}, {changes} changes: {passes} passes and {failed} that failed and were tried again, {statuses} \
         writes of a status; all samples are in {}\n\n| | 1st quarter | 2nd | 3rd | 4th | most |\n|---|---|---|---|---|---|",
        file.display()
    );
    let rows = [
        ("resident memory, KiB", (|it| it.kib) as fn(&Sample) -> u64),
        ("tasks", |it| it.tasks),
        ("open watches", |it| it.watches),
        ("open files", |it| it.files),
        ("servers", |it| it.servers),
    ];
    for (name, of) in rows {
        eprintln!("{}", line(samples, name, of));
    }
    eprintln!("\nat rest before: {quiet:?}");
    Ok(())
}

/// No request but what repeats by itself: watches, the Lease, and conversations.
async fn is_silent(operator: &Operator) -> Result<()> {
    let begin = operator.audit_position()?;
    tokio::time::sleep(SILENCE).await;
    let requests = operator.requests_since(begin)?;
    ensure!(requests.iter().any(Request::is_conversation), "the operator was alive");
    let repeats = |it: &&Request| it.verb == "watch" || it.is_lease() || it.is_conversation();
    let noise: Vec<_> = requests.iter().filter(|it| !repeats(it)).map(ToString::to_string).collect();
    ensure!(noise.is_empty(), "in a quiet minute: {noise:?}");
    Ok(())
}

/// What was opened and started for the work is closed and ended after it.
async fn at_rest_as_before(world: &World, operator: &Operator, quiet: Sample) -> Result<()> {
    let rests = async || {
        let now = Sample::take(world, operator, 0, 0).await.ok()?;
        (now.tasks <= quiet.tasks + FEW && now.files <= quiet.files + FEW).then_some(now)
    };
    match until("no more tasks and open files than before", SETTLE, rests).await {
        Ok(now) => eprintln!("soak: at rest again {now:?}"),
        Err(error) => bail!("{error:#}: {:?}, and before {quiet:?}", Sample::take(world, operator, 0, 0).await?),
    }
    Ok(())
}
