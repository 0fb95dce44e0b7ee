//! One measurement: so many servers of one kind, made by the floor and by the operator.

use anyhow::{Context, Result, ensure};
use kube::api::ListParams;
use landfall::api::MCPServer;
use serde::Serialize;
use serde_json::Value;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::drift::{self, Drift};
use crate::field::{Field, own_address};
use crate::floor::Floor;
use crate::ingresses::Ingresses;
use crate::load::{self, CLASS, LOADER, PORT, Silence, Spec, templates};
use crate::progress::progress;
use crate::quiet::{self, Quiet};
use crate::requests::{Count, Log, Mark, is_write};
use crate::restart::{self, Restart};
use crate::subject::Subject;
use crate::support::condition;
use crate::usage::Usage;
use crate::wave::Wave;

/// From so many servers on, everything is measured; with fewer, only the wave and the restart.
const ALL_FROM: usize = 100;

/// For each server, on top of two minutes.
const PATIENCE: Duration = Duration::from_millis(500);

/// Between two looks at whether all is done.
const LOOK: Duration = Duration::from_millis(100);

/// Without a request for so long, the operator is done: it puts off the last report for less.
const SETTLED: Duration = Duration::from_secs(6);

/// What is the same for every measurement.
pub struct Plan {
    pub operator: PathBuf,
    pub concurrency: usize,
    pub more: Vec<String>,
}

/// What was measured.
#[derive(Serialize, Clone, Debug)]
pub struct Run {
    pub spec: Spec,
    pub servers: usize,
    /// How many children each server has.
    pub children: usize,
    /// The floor with the same children.
    pub floor: Option<Wave>,
    /// The floor with a Deployment and a Service alone.
    pub least: Option<Wave>,
    pub landfall: Wave,
    pub rss_start_mib: f64,
    pub quiet: Option<Quiet>,
    pub drift: Option<Drift>,
    pub restart: Option<Restart>,
}

/// Measures.
pub async fn run(plan: &Plan, spec: Spec, servers: usize) -> Result<Run> {
    let folder = std::env::temp_dir().join(format!("landfall-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let children = templates(&plan.operator, spec, &folder).await;
    std::fs::remove_dir_all(&folder)?;
    let children = children?;
    if spec == Spec::Silent {
        return silent(plan, servers, children.len()).await;
    }
    let floor = floor(plan, &children, spec, servers).await?;
    let mut run = operator(plan, spec, servers, children.len()).await?;
    run.floor = Some(floor);
    if spec == Spec::Plain {
        let least: Vec<_> = children.into_iter().filter_map(least).collect();
        run.least = Some(self::floor(plan, &least, spec, servers).await?);
    }
    Ok(run)
}

/// What every operator makes of a server: a Deployment, whose pods are the namespace's own, and a Service.
fn least(mut child: Value) -> Option<Value> {
    if let Some(pod) = child.pointer_mut("/spec/template/spec").and_then(Value::as_object_mut) {
        pod.remove("serviceAccountName");
    }
    matches!(child["kind"].as_str(), Some("Deployment" | "Service")).then_some(child)
}

async fn floor(plan: &Plan, children: &[Value], spec: Spec, servers: usize) -> Result<Wave> {
    let field = Field::open(None).await?;
    let ingresses = Ingresses::of_class(&field, CLASS).await?;
    progress(&format!("the floor makes {} children of each", children.len()));
    let mut floor = Floor::start(&field, children, servers, plan.concurrency)?;
    let loader = Log::of(field.world.cluster.audit_log(), LOADER);
    let mark = loader.mark()?;
    load::create(&field.user(LOADER).await?, spec, servers, PORT).await?;
    let patience = Instant::now() + Duration::from_mins(2) + PATIENCE * u32::try_from(servers)?;
    while !floor.is_done(field.world.cluster.directory())? {
        ensure!(Instant::now() < patience, "the floor takes too long");
        tokio::time::sleep(LOOK).await;
    }
    let usage = Usage::of(floor.pid()?)?;
    let wave = with_usage(Wave::of(&loader.since(mark)?, &floor.log.since(mark)?)?, usage);
    told("the floor", &wave);
    drop((floor, ingresses));
    field.close().await?;
    Ok(wave)
}

async fn operator(plan: &Plan, spec: Spec, servers: usize, children: usize) -> Result<Run> {
    let field = Field::open(None).await?;
    let ingresses = Ingresses::of_class(&field, CLASS).await?;
    // No pod that is only pretended has a conversation.
    let arguments = [&["--verification-route".to_owned(), "none".to_owned()], plan.more.as_slice()].concat();
    let mut subject = Subject::start(&field, plan.operator.clone(), arguments).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let rss_start_mib = subject.usage()?.rss_mib;
    progress(&format!("the operator takes {rss_start_mib:.1} MiB before the first server"));
    let loader = Log::of(field.world.cluster.audit_log(), LOADER);
    let mark = loader.mark()?;
    load::create(&field.user(LOADER).await?, spec, servers, PORT).await?;
    let usage = until_ready(&field, &subject, servers).await?;
    until_settled(&subject).await?;
    let landfall = with_usage(Wave::of(&loader.since(mark)?, &subject.log.since(mark)?)?, usage);
    told("the operator", &landfall);
    let (mut quiet, mut drift) = (None, None);
    if servers >= ALL_FROM {
        progress("a quiet minute");
        quiet = Some(quiet::a_minute(&subject).await?);
        progress("what somebody does to children");
        drift = Some(drift::repairs(&field, &subject).await?);
    }
    progress("a restart");
    let restart = Some(restart::restart(&mut subject).await?);
    drop((subject, ingresses));
    field.close().await?;
    Ok(Run { spec, servers, children, floor: None, least: None, landfall, rss_start_mib, quiet, drift, restart })
}

/// Servers that take a connection and never answer: the operator says so once, and asks on without a word.
async fn silent(plan: &Plan, servers: usize, children: usize) -> Result<Run> {
    let address = own_address().context("this machine has no address but loopback")?;
    let (field, silence) = (Field::open(Some(address)).await?, Silence::begin(address).await?);
    let route = ["--verification-route", "api-server", "--verification-concurrency", "256"].map(str::to_owned);
    let arguments = [&route, plan.more.as_slice()].concat();
    let subject = Subject::start(&field, plan.operator.clone(), arguments).await?;
    let rss_start_mib = subject.usage()?.rss_mib;
    let mark = subject.log.mark()?;
    load::create(&field.user(LOADER).await?, Spec::Silent, servers, silence.port).await?;
    let began = Instant::now();
    while !all(&field, servers, |it| condition(it, "Verified").is_some_and(|it| it.status == "False")).await? {
        ensure!(began.elapsed() < Duration::from_mins(10), "not every silent server was noticed");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    progress(&format!("each silent server was told of after {:.0} s; a quiet minute", began.elapsed().as_secs_f64()));
    until_settled(&subject).await?;
    let requests = Count::of(&subject.log.since(mark)?);
    let landfall = with_usage(Wave { requests, ..Wave::default() }, subject.usage()?);
    let quiet = Some(quiet::a_minute(&subject).await?);
    drop(subject);
    field.close().await?;
    let (floor, least, drift, restart) = (None, None, None, None);
    Ok(Run { spec: Spec::Silent, servers, children, floor, least, landfall, rss_start_mib, quiet, drift, restart })
}

/// Waits until the operator says so of each server, and then until the API server has it.
async fn until_ready(field: &Field, subject: &Subject, servers: usize) -> Result<Usage> {
    let patience = Instant::now() + Duration::from_mins(2) + PATIENCE * u32::try_from(servers)?;
    let mut next = Instant::now();
    while subject.servers("True").await? < servers {
        ensure!(Instant::now() < patience, "not every server became ready");
        if next < Instant::now() {
            progress(&format!("{} of {servers} are ready", subject.servers("True").await?));
            next = Instant::now() + Duration::from_secs(10);
        }
        tokio::time::sleep(LOOK).await;
    }
    let usage = subject.usage()?;
    while !all(field, servers, |it| condition(it, "Ready").is_some_and(|it| it.status == "True")).await? {
        ensure!(Instant::now() < patience, "not every server became ready");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(usage)
}

async fn all(field: &Field, servers: usize, fits: impl Fn(&MCPServer) -> bool) -> Result<bool> {
    let list = field.space.api::<MCPServer>().list(&ListParams::default()).await?;
    Ok(list.items.len() == servers && list.iter().all(fits))
}

/// Waits until it asks for nothing more.
async fn until_settled(subject: &Subject) -> Result<()> {
    let is_quiet = |mark: Mark| anyhow::Ok(!subject.log.since(mark)?.iter().any(is_write));
    let patience = Instant::now() + Duration::from_mins(2);
    loop {
        let mark = subject.log.mark()?;
        tokio::time::sleep(SETTLED).await;
        if is_quiet(mark)? {
            return Ok(());
        }
        ensure!(Instant::now() < patience, "the operator writes on and on");
    }
}

fn with_usage(wave: Wave, usage: Usage) -> Wave {
    let Usage { cpu_seconds, rss_mib, peak_rss_mib } = usage;
    Wave { cpu_seconds, rss_mib, peak_rss_mib, ..wave }
}

fn told(who: &str, wave: &Wave) {
    progress(&format!(
        "{who}: children {:.1} s, ready {:.1} and {:.1} s, {} + {} + {} writes, {:.1} s of CPU, {:.1} MiB",
        wave.children,
        wave.ready_median,
        wave.ready_last,
        wave.requests.child_writes,
        wave.requests.status_writes,
        wave.requests.other_writes,
        wave.cpu_seconds,
        wave.rss_mib,
    ));
}
