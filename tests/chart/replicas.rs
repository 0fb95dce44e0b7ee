//! Two replicas: one works, and when it dies, the other goes on.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::api::DeleteParams;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::charts::Charts;
use crate::node::{ACCOUNT, Node, add_sample};
use crate::support::audit::{self, Request};
use crate::support::{PATIENCE, Space, condition, until};

/// From the death to the first write of whoever goes on.
const TAKEOVER: Duration = Duration::from_secs(20);

/// How a leader ends.
enum Death {
    /// Its node is gone: nobody is told, and nothing of it comes back.
    Node,
    /// Its process crashes: its container is started again.
    Process,
    /// Its pod is deleted by force.
    Pod,
    /// It stands still, and wakes up when another has taken over.
    Sleep,
}

pub async fn the_other_goes_on_when_the_leader_dies(node: &Node, charts: &Charts) -> Result<()> {
    node.installed(charts).await?;
    let space = node.space("replicas").await?;
    add_sample(&space).await?;
    for (name, death) in [("one", Death::Node), ("two", Death::Process), ("three", Death::Pod), ("four", Death::Sleep)]
    {
        let pods = node.operators().await?;
        ensure!(pods.len() == 2, "{name}: not two replicas: {pods:?}");
        let leader = node.leader().await?;
        let died = Timestamp::now();
        kill(node, &leader, &death).await.with_context(|| format!("{name}: {leader}"))?;
        if matches!(death, Death::Pod) {
            // It is told to stop, and still does what comes in meanwhile.
            let handed_over = async || (node.leader().await.ok()? != leader).then_some(());
            until("the Lease is handed over", PATIENCE, handed_over).await?;
        }
        // Its pod need not run: that it is reported on is enough.
        let spec = json!({"image": "absent:1", "port": 3001, "replicas": 0});
        space.server(name, &spec).await?;
        space.until_server(name, "it is reported on", |it| condition(it, "Ready").is_some()).await?;
        space.until_ready_is(name, "False", "ScaledToZero").await?;
        if matches!(death, Death::Sleep) {
            let woke = Timestamp::now();
            node.world.signal(&leader, "CONT").await?;
            node.until_it_waits(&leader, woke).await?;
        }
        node.until_two_are_ready().await?;
        let heir = the_heir_works_alone(node, &leader, died, name)?;
        ensure!(heir != leader || matches!(death, Death::Process), "{leader} came back");
        ensure!(heir == node.leader().await?, "{heir} works, and {} has the Lease", node.leader().await?);
        nobody_touched_what_was_there(node, &space, died)?;
    }
    Ok(())
}

async fn kill(node: &Node, leader: &str, death: &Death) -> Result<()> {
    if matches!(death, Death::Node | Death::Process) {
        node.world.signal(leader, "KILL").await?;
    }
    if matches!(death, Death::Sleep) {
        node.world.signal(leader, "STOP").await?;
    }
    if matches!(death, Death::Node | Death::Pod) {
        node.in_system::<Pod>().delete(leader, &DeleteParams::default().grace_period(0)).await?;
    }
    Ok(())
}

impl Node {
    /// The pod that has the Lease.
    async fn leader(&self) -> Result<String> {
        let leases = self.in_system::<Lease>();
        let holder = async || {
            let holder = leases.get("landfall").await.ok()?.spec?.holder_identity?;
            // Pod and process.
            holder.rsplit_once('-').map(|(pod, _)| pod.to_owned())
        };
        until("somebody leads", PATIENCE, holder).await
    }

    /// Waits until a pod looks at the Lease again and again, and leaves it to whoever has it.
    async fn until_it_waits(&self, pod: &str, since: Timestamp) -> Result<()> {
        let waits = async || {
            let all = audit::requests(self.world.cluster.audit_log(), ACCOUNT).ok()?;
            let looks = all.iter().filter(|it| it.is_lease() && it.pod() == Some(pod) && it.began() > since);
            (looks.filter(|it| it.verb == "get").count() >= 3).then_some(())
        };
        until(&format!("{pod} wakes up and waits"), PATIENCE, waits).await
    }

    fn writes_since(&self, time: Timestamp) -> Result<Vec<Request>> {
        let all = audit::requests(self.world.cluster.audit_log(), ACCOUNT)?;
        let mut writes: Vec<_> = all.into_iter().filter(|it| it.is_write() && it.began() > time).collect();
        writes.sort_by_key(Request::began);
        Ok(writes)
    }
}

/// Who wrote first after the death, and that nobody else did so since, nor anything twice.
fn the_heir_works_alone(node: &Node, dead: &str, died: Timestamp, server: &str) -> Result<String> {
    let writes = node.writes_since(died)?;
    let of = |it: &Request| it.pod().unwrap_or_default().to_owned();
    let first = writes.iter().find(|it| it.object_ref.name == server).context("nobody wrote")?;
    let (heir, took) = (of(first), first.began().duration_since(died).unsigned_abs());
    eprintln!("after the death of {dead}, {heir} wrote after {took:.1?}");
    ensure!(took < TAKEOVER, "{heir} took {took:?} to go on");
    let others: Vec<_> = writes.iter().filter(|it| it.began() >= first.began() && of(it) != heir).collect();
    ensure!(others.is_empty(), "beside {heir}, there wrote {others:?}");

    let mut children = BTreeMap::<_, usize>::new();
    for it in writes.iter().filter(|it| it.object_ref.name == server && it.object_ref.subresource.is_empty()) {
        *children.entry(it.object_ref.resource.clone()).or_default() += 1;
    }
    ensure!(children.contains_key("deployments") && children.contains_key("services"), "{children:?}");
    ensure!(children.values().all(|writes| *writes == 1), "written more than once: {children:?}");
    Ok(heir)
}

/// Whoever takes over finds everything as it should be, and says nothing new of it.
fn nobody_touched_what_was_there(node: &Node, space: &Space, died: Timestamp) -> Result<()> {
    let writes = node.writes_since(died)?;
    let is_about_the_sample = |it: &&Request| it.object_ref.namespace == space.name && it.object_ref.name == "echo";
    let touched: Vec<_> = writes.iter().filter(is_about_the_sample).map(ToString::to_string).collect();
    ensure!(touched.is_empty(), "a takeover wrote {touched:?}");
    Ok(())
}
