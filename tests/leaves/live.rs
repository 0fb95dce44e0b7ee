//! Judges on the real API server, with the real operator: servers whose leaves are changed one after
//! the other while they run. `LANDFALL_LEAVES=probes,image` keeps to those whose path has one of these texts.

use anyhow::{Context, Result, anyhow, bail, ensure};
use futures::future::join_all;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::api::{Api, DeleteParams, PostParams};
use landfall::api::MCPServer;
use landfall::text::shortened;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::cases::{Case, Cases};
use crate::made::{Maker, names};
use crate::seen::{Edited, Known, Seen, Servers, Verdict, nothing_else_is_left};
use crate::support::operator::Operator;
use crate::support::pods::Kubelet;
use crate::support::{Space, World};
use crate::values;

const NAMESPACE: &str = "leaves";

/// How many servers are changed at the same time.
const ROWS: usize = 16;

/// What became of the edits, for the report.
#[derive(Default)]
struct Count {
    shown: AtomicUsize,
    by_api_server: AtomicUsize,
    by_operator: AtomicUsize,
    recovered: AtomicUsize,
}

fn add(count: &AtomicUsize) {
    count.fetch_add(1, Ordering::Relaxed);
}

/// What a row of edits works with.
struct Bench<'a> {
    space: &'a Space,
    servers: &'a Servers,
    maker: &'a Maker,
    count: &'a Count,
}

pub async fn every_leaf_of_servers_that_run(world: Arc<World>) -> Result<()> {
    let space = world.space(NAMESPACE).await?;
    let elsewhere = world.space(&Seen::elsewhere(NAMESPACE)).await?;
    let operator = space.operator(&["--leader-election", "false", "--allow-cluster-rules"]).await?;
    let_grant(&space, &operator).await?;
    for name in ["one", "two"] {
        let data = json!({"metadata": {"name": name}, "data": {"one": name, "two": name}});
        space.api::<ConfigMap>().create(&PostParams::default(), &serde_json::from_value(data)?).await?;
        let data = json!({"metadata": {"name": name}, "stringData": {"one": name, "two": name}});
        space.api::<Secret>().create(&PostParams::default(), &serde_json::from_value(data)?).await?;
    }
    let _kubelet = Kubelet::start(&space);
    let (servers, maker, count) = (Servers::watch(&space), Maker::new()?, Count::default());
    let bench = Bench { space: &space, servers: &servers, maker: &maker, count: &count };
    let mut cases = Cases::read()?.all();
    if let Ok(wanted) = std::env::var("LANDFALL_LEAVES") {
        cases.retain(|it| wanted.split(',').any(|wanted| it.leaf.to_string().contains(wanted)));
    }
    let rows = rows(&cases);
    let began = std::time::Instant::now();
    let results = join_all(rows.iter().enumerate().map(|(at, row)| bench.row(at, row))).await;
    let failures: Vec<_> = results.into_iter().flatten().collect();
    drop(elsewhere);
    println!(
        "{} leaves on {} servers in {:?}: {} values show, {} are refused by the API server, {} by the operator; {} recoveries",
        cases.len(),
        rows.len(),
        began.elapsed(),
        count.shown.into_inner(),
        count.by_api_server.into_inner(),
        count.by_operator.into_inner(),
        count.recovered.into_inner(),
    );
    let log = operator.log();
    let tried: Vec<_> = log.lines().filter(|it| it.contains("the pass failed")).take(20).collect();
    ensure!(failures.is_empty(), "{} failures:\n{}\n{}", failures.len(), failures.join("\n"), tried.join("\n"));
    silent(&operator).await
}

/// What is bound to how it was made has a server of its own.
fn rows(cases: &[Case]) -> Vec<Vec<&Case>> {
    let (bound, others): (Vec<_>, Vec<_>) = cases.iter().partition(|it| it.bound.is_some());
    let mut rows: Vec<Vec<&Case>> = vec![Vec::new(); ROWS];
    for (at, case) in others.into_iter().enumerate() {
        rows[at % ROWS].push(case);
    }
    rows.into_iter().chain(bound.into_iter().map(|it| vec![it])).collect()
}

/// What an administrator lets an operator hand on: all that the table asks for.
async fn let_grant(space: &Space, operator: &Operator) -> Result<()> {
    let all = json!(["one", "two", "get"]);
    let role = json!({"metadata": {"name": "leaves-grantable"}, "rules": [
        {"apiGroups": all, "resources": all, "verbs": all},
        {"nonResourceURLs": ["/one", "/two"], "verbs": all},
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "clusterroles"], "verbs": ["bind"]},
    ]});
    let roles: Api<ClusterRole> = Api::all(space.world.admin.clone());
    roles.create(&PostParams::default(), &serde_json::from_value(role)?).await?;
    space.bind_everywhere(&operator.user, "leaves-grantable").await
}

/// When nobody edits any more, nothing is written.
async fn silent(operator: &Operator) -> Result<()> {
    // What Deployments' own controllers do last, and what the operator says of it a little later.
    tokio::time::sleep(Duration::from_secs(8)).await;
    let before = operator.requests()?.len();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let after = operator.requests()?.split_off(before);
    let writes: Vec<_> = after.iter().filter(|it| it.is_write()).map(ToString::to_string).collect();
    ensure!(writes.is_empty(), "after the last edit: {writes:?}");
    Ok(())
}

/// One server, which is changed again and again.
struct Row<'a> {
    bench: &'a Bench<'a>,
    name: String,
    /// Its children after the last spec that was taken.
    children: Seen,
    known: Known,
}

impl Bench<'_> {
    /// Goes through a row of leaves; gives what went wrong.
    async fn row(&self, at: usize, cases: &[&Case]) -> Vec<String> {
        let mut row =
            Row { bench: self, name: format!("row-{at:02}"), children: Seen::default(), known: Known::default() };
        let mut failures = Vec::new();
        if let Err(error) = row.begin().await {
            return vec![format!("{}: {error:#}", row.name)];
        }
        for case in cases {
            if let Err(error) = row.case(case).await {
                failures.push(format!("{}: spec.{}: {error:#}", row.name, case.leaf));
            }
        }
        if let Err(error) = row.end(cases).await {
            failures.push(format!("{}: at the end: {error:#}", row.name));
        }
        failures
    }
}

impl Row<'_> {
    async fn begin(&mut self) -> Result<()> {
        self.bench.space.server(&self.name, &base()).await?;
        self.bench.servers.until_ready(&self.name).await?;
        self.looks_like(&base()).await
    }

    /// One leaf: from the one value to the other, and then values that do not fit.
    async fn case(&mut self, case: &Case) -> Result<()> {
        if case.never.is_some() {
            self.taken(&base()).await.context("without it")?;
            return self.odd(case, &case.after, &base(), false).await;
        }
        let (before, after) = (case.before(), case.after());
        self.taken(&before).await.context("before")?;
        if case.bound.is_some()
            && let Edited::Stored(Verdict::Refused(message)) = self.edit(&after).await?
        {
            return self.refused_by_operator(case, &message, &before).await;
        }
        self.taken(&after).await.context("after")?;
        add(&self.bench.count.shown);
        for value in odd(case) {
            self.odd(case, &value, &after, true)
                .await
                .with_context(|| format!("with {}", shortened(&value.to_string(), 80)))?;
        }
        Ok(())
    }

    async fn edit(&self, spec: &Value) -> Result<Edited> {
        self.bench.servers.edit(&self.name, &of_server(spec, &self.name)).await
    }

    /// A spec that is taken.
    async fn taken(&mut self, spec: &Value) -> Result<()> {
        match self.edit(spec).await? {
            Edited::Stored(Verdict::Taken) => self.looks_like(spec).await,
            other => bail!("{other:?}: {spec}"),
        }
    }

    /// The children are those of a server that never had another spec.
    async fn looks_like(&mut self, spec: &Value) -> Result<()> {
        if spec["suspend"] == true {
            return self.children.is_unharmed_in(self.bench.space).await;
        }
        let made = self.bench.maker.make_in(&Seen::elsewhere(NAMESPACE), &self.name, &of_server(spec, &self.name));
        let made = made.map_err(|refusal| anyhow!("the cluster took it: {}", refusal.text()))?;
        let fresh = Seen::of_a_fresh_one(self.bench.space, made.children, &mut self.known).await?;
        let now = fresh.until_so_in(self.bench.space).await?;
        now.until_gone_in(self.bench.space, &self.children).await?;
        self.children = now;
        Ok(())
    }

    /// A value of which nobody knows beforehand who refuses it, if anybody does.
    async fn odd(&mut self, case: &Case, value: &Value, old: &Value, may_be_taken: bool) -> Result<()> {
        let spec = case.spec(Some(value));
        match self.edit(&spec).await? {
            Edited::Rejected(message) => {
                ensure!(names(&message, &case.leaf), "rejected without its name: {message}");
                add(&self.bench.count.by_api_server);
                Ok(())
            }
            Edited::Stored(Verdict::Refused(message)) => self.refused_by_operator(case, &message, old).await,
            Edited::Stored(Verdict::Taken) => {
                ensure!(may_be_taken, "it was taken, and cases.yaml says that it never is");
                self.looks_like(&spec).await?;
                add(&self.bench.count.shown);
                self.taken(old).await.context("back")
            }
        }
    }

    /// The condition names the field, what runs is as before, and from that error state the old spec
    /// leads back to how things were.
    async fn refused_by_operator(&mut self, case: &Case, message: &str, old: &Value) -> Result<()> {
        ensure!(names(message, &case.leaf), "refused without its name: {message}");
        self.children.is_unharmed_in(self.bench.space).await?;
        add(&self.bench.count.by_operator);
        self.taken(old).await.context("the old spec was put back")?;
        add(&self.bench.count.recovered);
        Ok(())
    }

    /// With the first spec again, the server is as it was at first, and ready.
    async fn end(&mut self, cases: &[&Case]) -> Result<()> {
        self.is_as_a_new_one(cases).await?;
        self.taken(&base()).await?;
        self.bench.servers.until_ready(&self.name).await?;
        nothing_else_is_left(self.bench.space, &self.name, || {
            self.bench.maker.make_in(NAMESPACE, &self.name, &base()).ok().map(|it| it.children)
        })
        .await
    }

    /// After all edits, the children equal those of a server that is really created with the last
    /// spec.
    async fn is_as_a_new_one(&mut self, cases: &[&Case]) -> Result<()> {
        let judged = |it: &&&Case| it.never.is_none() && it.shows.is_none() && it.bound.is_none();
        let Some(last) = cases.iter().rev().find(judged) else { return Ok(()) };
        let (spec, new) = (last.after(), self.name.replace("row", "new"));
        self.taken(&spec).await?;
        let space = self.bench.space;
        space.server(&new, &of_server(&spec, &new)).await?;
        let wanted = self.children.clone().renamed(|text| text.replace(&self.name, &new));
        let result = wanted.until_so_in(space).await.with_context(|| format!("{new} is not as {}", self.name));
        space.api::<MCPServer>().delete(&new, &DeleteParams::default()).await?;
        result.map(drop)
    }
}

/// Every server has host names of its own.
fn of_server(spec: &Value, name: &str) -> Value {
    let text = spec.to_string().replace(".example.com", &format!(".{name}.example.com"));
    serde_json::from_str(&text).unwrap_or_default()
}

fn base() -> Value {
    json!({"image": "echo:1", "port": 3001})
}

/// Of the fields that the server has itself, those of a dependency go the same way, and show nothing new.
fn odd(case: &Case) -> Vec<Value> {
    if case.leaf.is_of_dependency() && case.leaf.steps.len() > 3 {
        return values::against_the_schema(&case.leaf).into_iter().take(1).collect();
    }
    let wrong = values::against_the_schema(&case.leaf).into_iter().take(1);
    let odd = values::odd(&case.leaf);
    let text = odd.iter().filter(|it| it.is_string()).nth(1).cloned();
    let number = odd.iter().find(|it| it.as_i64().is_some_and(|it| it < 0)).cloned();
    let raw = odd.iter().filter(|it| it.is_object()).nth(1).cloned();
    wrong.chain(text).chain(number).chain(raw).collect()
}
