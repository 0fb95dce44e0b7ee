//! How much the operator takes: the limits of the chart are enough for a hundred servers.

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use kube::ResourceExt;
use kube::api::ListParams;
use landfall::api::MCPServer;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::charts::Charts;
use crate::node::Node;
use crate::support::{Space, condition, until};

const SERVERS: usize = 100;

/// Of these, one in so many runs and is verified: pods of all would say more of the machine than of the operator.
const RUNS: usize = 10;

/// What a tenth of a core takes for a hundred servers, of a program that was not optimized.
const LIMIT: Duration = Duration::from_mins(4);

pub async fn a_hundred_servers_fit_into_the_limits(node: &Node, charts: &Charts) -> Result<()> {
    node.installed(charts).await?;
    for pod in node.operators().await? {
        is_confined(&pod)?;
    }
    let space = node.space("hundred").await?;
    let began = Instant::now();
    apply_all(&space, "first").await?;
    until("each has its children and its status", LIMIT, async || are_as_wanted(&space, "first").await.ok()?).await?;
    eprintln!("a hundred servers were made after {:.1?}", began.elapsed());
    let began = Instant::now();
    apply_all(&space, "second").await?;
    until("each has changed", LIMIT, async || are_as_wanted(&space, "second").await.ok()?).await?;
    eprintln!("a hundred servers were changed after {:.1?}", began.elapsed());

    for pod in node.operators().await? {
        let status = pod.status.as_ref().and_then(|it| it.container_statuses.as_ref()?.first());
        let status = status.context("a pod of the operator without a status")?;
        let id = status.container_id.as_deref().and_then(|it| it.rsplit('/').next()).context("no container")?;
        let memory = Memory::of(id)?;
        eprintln!("{}: {memory:?}", pod.name_any());
        ensure!(memory.killed == 0, "{}: killed for its memory", pod.name_any());
        let last = status.last_state.as_ref().and_then(|it| it.terminated.as_ref());
        ensure!(last.is_none_or(|it| it.reason.as_deref() != Some("OOMKilled")), "{last:?}");
    }
    Ok(())
}

/// Whether a pod has the limits and the read-only root that the test is about.
fn is_confined(pod: &Pod) -> Result<()> {
    let container = json!(pod.spec.as_ref().and_then(|it| it.containers.first()));
    ensure!(container["resources"]["limits"] == json!({"cpu": "100m", "memory": "64Mi"}), "{container}");
    ensure!(container["securityContext"]["readOnlyRootFilesystem"] == true, "{container}");
    Ok(())
}

fn name(number: usize) -> String {
    format!("server-{number}")
}

async fn apply_all(space: &Space, word: &str) -> Result<()> {
    let apply = async |number: usize| {
        let mut spec = json!({
            "image": "localhost/landfall/echo-server:0.1.0",
            "port": 3001,
            "env": [{"name": "WORD", "value": word}],
            "files": [{"path": "/etc/word", "content": word}],
        });
        if !number.is_multiple_of(RUNS) {
            spec["nodeSelector"] = json!({"landfall.dev/nowhere": "true"});
        }
        space.server(&name(number), &spec).await.map(drop)
    };
    let applied = stream::iter((0..SERVERS).map(apply)).buffer_unordered(8);
    Ok(applied.try_collect().await?)
}

/// Whether every child of every server says `word`, and every status is about that.
async fn are_as_wanted(space: &Space, word: &str) -> Result<Option<()>> {
    let all = ListParams::default();
    let servers = space.api::<MCPServer>().list(&all).await?;
    let reported = servers.iter().filter(|it| {
        let ready = condition(it, "Ready");
        let is_current = ready.is_some_and(|ready| ready.observed_generation == it.metadata.generation);
        let runs = (0..SERVERS).step_by(RUNS).any(|number| name(number) == it.name_any());
        is_current && ready.is_some_and(|ready| (ready.status == "True") == runs)
    });
    let deployments = space.api::<Deployment>().list(&all).await?;
    let says = |it: &&Deployment| {
        json!(it.spec).pointer("/template/spec/containers/0/env").is_some_and(|env| {
            env.as_array().into_iter().flatten().any(|it| it["name"] == "WORD" && it["value"] == word)
        })
    };
    let counts = [
        reported.count(),
        deployments.iter().filter(says).count(),
        space.api::<Service>().list(&all).await?.items.len(),
        space
            .api::<ConfigMap>()
            .list(&all)
            .await?
            .iter()
            .filter(|it| json!(it.data).to_string().contains(word))
            .count(),
    ];
    Ok((counts == [SERVERS; 4]).then_some(()))
}

/// What the kernel counted for a container, in KiB.
#[derive(Debug)]
struct Memory {
    /// With the file cache, which gives way.
    #[allow(dead_code, reason = "is printed")]
    peak_with_cache: u64,
    /// Of the process alone.
    #[allow(dead_code, reason = "is printed")]
    peak_of_process: u64,
    /// Processes that were killed for want of memory.
    killed: u64,
}

impl Memory {
    fn of(container: &str) -> Result<Self> {
        let group = find(Path::new("/sys/fs/cgroup"), container, 0).context("no control group of the container")?;
        let read = |name: &str| fs::read_to_string(group.join(name));
        let is_v2 = group.join("memory.peak").is_file();
        let (peak, events) =
            if is_v2 { ("memory.peak", "memory.events") } else { ("memory.max_usage_in_bytes", "memory.oom_control") };
        let field = |text: &str, name: &str| {
            let mut lines = text.lines().filter_map(|line| line.strip_prefix(name));
            lines.find_map(|rest| rest.split_whitespace().next()?.parse().ok())
        };
        let process = read("cgroup.procs")?;
        let process = process.split_whitespace().next().context("the container has no process")?;
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        Ok(Self {
            peak_with_cache: read(peak)?.trim().parse::<u64>()? / 1024,
            peak_of_process: field(&status, "VmHWM:").context("no VmHWM")?,
            killed: field(&read(events)?, "oom_kill ").context("no oom_kill")?,
        })
    }
}

/// The group of a container that counts memory.
fn find(folder: &Path, container: &str, depth: usize) -> Option<PathBuf> {
    let counts = |it: &Path| ["memory.peak", "memory.max_usage_in_bytes"].iter().any(|name| it.join(name).is_file());
    if folder.file_name().is_some_and(|it| it == container) {
        return counts(folder).then(|| folder.to_owned());
    }
    let entries = fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let mut folders = entries.filter(|it| depth < 12 && it.file_type().is_ok_and(|it| it.is_dir()));
    folders.find_map(|it| find(&it.path(), container, depth + 1))
}
