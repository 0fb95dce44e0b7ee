//! One run of a scenario in a namespace of its own, and the judgement at its end.

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, Service};
use kube::ResourceExt;
use kube::api::{Api, PostParams};
use landfall::api::MCPServer;
use landfall::labels;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::gate::{Gate, OpenGate, View};
use super::lab::{Lab, PATIENCE};
use super::ledger::Account;
use super::operator::{Kind, Operator};
use super::plan::Plan;
use super::scenarios::{End, SERVER, Scenario, Step, make_volume, scenario};
use super::state::State;

/// How long an operator sees the past.
const STALE: Duration = Duration::from_millis(1500);

/// How long nothing is asked for at the end.
const QUIET: Duration = Duration::from_secs(2);

/// An undisturbed run is done when nothing has changed for so long.
const SETTLED: Duration = Duration::from_secs(4);

/// Name of what somebody else made beside the server.
const FOREIGN: &str = "foreign";

/// What an undisturbed run came to.
#[derive(Clone)]
pub struct Reference {
    /// After each step.
    pub states: Vec<State>,
    /// That the last step took.
    pub writes: u32,
    /// How many there ever were of each Secret and each claim.
    made: BTreeMap<String, usize>,
}

/// A run under way.
pub struct Run {
    pub lab: &'static Lab,
    pub namespace: String,
    pub gate: OpenGate,
    pub plan: Plan,
    keeper: Arc<Keeper>,
    watching: JoinHandle<()>,
    foreign: BTreeMap<String, Value>,
    /// Whether what must not be lost may never have been made.
    is_cut_short: bool,
}

/// Keeps an operator running.
struct Keeper {
    operator: Mutex<Option<Operator>>,
    start: Box<dyn Fn() -> Result<Operator> + Send + Sync>,
    gate: Arc<Gate>,
    stale: Option<usize>,
}

/// Runs a scenario to its end under a plan, and judges it. Whether the crash of the plan was reached.
pub async fn whole(lab: &'static Lab, name: &'static str, label: &str, plan: Plan, kind: Kind) -> Result<bool> {
    let _place = lab.places.acquire().await?;
    let reference = lab.reference(name).await?;
    let scenario = scenario(name);
    let hurries = plan.hurries.filter(|_| scenario.end != End::Held);
    let mut run = Run::begin(lab, &scenario, &format!("{name}-{label}"), plan.clone(), kind).await?;
    run.is_cut_short = hurries.is_some() && scenario.end == End::Kept;
    let judged = async {
        let last = scenario.steps.len() - 1;
        for (index, step) in scenario.steps.iter().enumerate() {
            let before = run.gate.writes();
            if let Some(crash) = plan.crash.filter(|_| index == last) {
                run.gate.arm(crash);
            }
            run.take(step).await?;
            if let Some(writes) = hurries.filter(|_| index < last) {
                run.wrote(before + writes).await;
            } else {
                run.until(&reference.states[index]).await.with_context(|| format!("after step {}", index + 1))?;
            }
        }
        run.judge(&reference).await
    };
    judged.await.map_err(|error| run.told(&error))?;
    Ok(!run.gate.is_armed())
}

/// The undisturbed run.
pub async fn reference(lab: &'static Lab, name: &'static str) -> Result<Reference> {
    let scenario = scenario(name);
    let run = Run::begin(lab, &scenario, &format!("{name}-reference"), Plan::default(), Kind::Thread).await?;
    let (mut states, mut before) = (Vec::new(), 0);
    for step in &scenario.steps {
        before = run.gate.writes();
        run.take(step).await?;
        run.settle(step).await.map_err(|error| run.told(&error))?;
        states.push(lab.state(&run.namespace));
    }
    let made = made(&lab.ledger.account(&run.namespace));
    Ok(Reference { states, writes: run.gate.writes() - before, made })
}

impl Run {
    pub async fn begin(lab: &'static Lab, scenario: &Scenario, name: &str, plan: Plan, kind: Kind) -> Result<Self> {
        let namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
        Api::<Namespace>::all(lab.admin.clone()).create(&PostParams::default(), &namespace).await?;
        for claim in scenario.volumes {
            make_volume(&lab.admin, name, claim).await?;
        }
        let foreign = make_foreign(lab, name).await?;
        // Pods are refused until a controller has made the account that they run as by default.
        let account = ("ServiceAccount".to_owned(), "default".to_owned());
        lab.until(name, |it| it.objects.contains_key(&account)).await.context("the default ServiceAccount")?;
        let gate = Gate::open(lab.upstream.clone(), plan.clone()).await?;
        let (url, of) = (gate.url().to_owned(), name.to_owned());
        let start = Box::new(move || Operator::start(kind, &of, &url, &lab.directory));
        let keeper = Keeper { operator: Mutex::new(Some(start()?)), start, gate: Arc::clone(&gate), stale: plan.stale };
        let keeper = Arc::new(keeper);
        let watching = tokio::spawn(Arc::clone(&keeper).keep());
        Ok(Self { lab, namespace: name.to_owned(), gate, plan, keeper, watching, foreign, is_cut_short: false })
    }

    pub async fn take(&self, step: &Step) -> Result<()> {
        self.gate.note(&format!("step: {step:?}"));
        step.take(&self.lab.admin, &self.namespace).await
    }

    /// Kills the operator, and starts the next one with this view of the cluster.
    pub async fn restart(&self, view: View) -> Result<()> {
        self.keeper.stop().await?;
        self.gate.show(view);
        self.keeper.start().await
    }

    pub async fn stop(&self) -> Result<()> {
        self.keeper.stop().await
    }

    pub async fn start(&self) -> Result<()> {
        self.keeper.start().await
    }

    /// Waits until there were so many writes, or there will be no more.
    async fn wrote(&self, writes: u32) {
        let mut seen = (0, Instant::now());
        while self.gate.writes() < writes && seen.1.elapsed() < QUIET {
            let changes = self.lab.ledger.changes(&self.namespace);
            if changes != seen.0 {
                seen = (changes, Instant::now());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the namespace is just as it should be.
    pub async fn until(&self, expected: &State) -> Result<()> {
        let fits = |it: &Account| {
            let is_complete = self.is_cut_short || !expected.has_other_names(&self.namespace, it);
            is_complete && self.differences(it, expected).is_empty()
        };
        if let Err(error) = self.lab.until(&self.namespace, fits).await {
            bail!("{error}:\n  {}", self.differences(&self.lab.ledger.account(&self.namespace), expected).join("\n  "));
        }
        Ok(())
    }

    fn differences(&self, account: &Account, expected: &State) -> Vec<String> {
        let state = State::of(&self.namespace, account);
        if self.is_cut_short { state.difference(&expected.as_far_as_made(account)) } else { state.difference(expected) }
    }

    /// Waits until a step has come to what it should, and nothing changes any more.
    pub async fn settle(&self, step: &Step) -> Result<()> {
        // The ledger may still show the server as it was before, done with the step before.
        let servers: Api<MCPServer> = Api::namespaced(self.lab.admin.clone(), &self.namespace);
        let asked = servers.get_opt(SERVER).await?.and_then(|it| it.metadata.generation);
        let key = ("MCPServer".to_owned(), SERVER.to_owned());
        let is_done = |it: &Account| {
            let server = it.objects.get(&key).map(|it| serde_json::from_value(Value::clone(it)));
            server.transpose().is_ok_and(|server| step.is_done(server.as_ref(), asked))
        };
        self.lab.until(&self.namespace, is_done).await.with_context(|| format!("{step:?}"))?;
        let (mut seen, mut is_on_its_way) = ((0, Instant::now()), true);
        while is_on_its_way || seen.1.elapsed() < SETTLED {
            let changes = self.lab.ledger.changes(&self.namespace);
            if changes != seen.0 {
                seen = (changes, Instant::now());
                is_on_its_way = self.lab.state(&self.namespace).is_on_its_way();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// What has to hold at the end of every run.
    pub async fn judge(&self, reference: &Reference) -> Result<()> {
        let expected = reference.states.last().context("a state")?;
        self.gate.landed().await;
        let began = Instant::now();
        // What a step or a crash came upon early may be so before it has begun, and then has to be so again.
        let account = loop {
            self.until(expected).await?;
            self.until_quiet().await?;
            let account = self.lab.ledger.account(&self.namespace);
            let differences = self.differences(&account, expected);
            if differences.is_empty() {
                break account;
            }
            let text = differences.join("\n  ");
            ensure!(began.elapsed() < PATIENCE, "it was as it should be, and then no more:\n  {text}");
        };
        for (name, count) in made(&account) {
            let most = reference.made.get(&name).copied().unwrap_or_default();
            ensure!(count <= most, "{name} was made {count} times instead of {most}");
        }
        ensure!(account.wrongs.is_empty(), "{}", account.wrongs.join(", "));
        for (kind, object) in &self.foreign {
            let found = account.objects.get(&(kind.clone(), FOREIGN.to_owned()));
            let version = |it: &Value| it["metadata"]["resourceVersion"].clone();
            ensure!(
                found.map(|it| version(it)) == Some(version(object)),
                "{kind} {FOREIGN}, of somebody else, was touched"
            );
        }
        Ok(())
    }

    /// Waits until nothing is asked for during a while; reads count, since an operator that starts has yet to
    /// write. The answer to a last write may have been lost, which is then written again; but not for ever.
    async fn until_quiet(&self) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let before = self.gate.requests();
            tokio::time::sleep(QUIET).await;
            if self.gate.requests() == before {
                return Ok(());
            }
        }
        bail!("it is as it should be, and asked for without end")
    }

    /// Tells the story of a run that failed at once; what it came to is the error.
    pub fn told(&self, error: &anyhow::Error) -> anyhow::Error {
        let mut text = format!("== {}: {error:#}\nplan:\n{}story:\n", self.namespace, self.plan);
        let journal = self.gate.journal();
        for line in journal.iter().skip(journal.len().saturating_sub(120)) {
            let _ = writeln!(text, "  {line}");
        }
        eprintln!("{text}");
        anyhow::anyhow!("{}: {error:#}", self.namespace)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

impl Keeper {
    /// After each crash, starts the next operator.
    async fn keep(self: Arc<Self>) {
        loop {
            self.gate.crash().await;
            if let Err(error) = self.next().await {
                self.gate.note(&format!("the operator is not started again: {error:#}"));
                return;
            }
        }
    }

    async fn next(&self) -> Result<()> {
        self.stop().await?;
        let versions = self.gate.versions();
        let past = self.stale.and_then(|back| versions.len().checked_sub(back + 1).map(|index| versions[index]));
        if let Some(version) = past {
            self.gate.show(View::Past(version));
        }
        self.gate.revive();
        self.start().await?;
        if past.is_some() {
            tokio::time::sleep(STALE).await;
            self.gate.show(View::Present);
        }
        Ok(())
    }

    async fn stop(&self) -> Result<()> {
        self.gate.note("the operator is killed");
        match self.operator.lock().await.take() {
            Some(operator) => operator.kill().await,
            None => Ok(()),
        }
    }

    async fn start(&self) -> Result<()> {
        self.gate.note("an operator starts");
        *self.operator.lock().await = Some((self.start)()?);
        Ok(())
    }
}

/// Objects of somebody else with labels like ours, as a copy of one of ours has them.
async fn make_foreign(lab: &Lab, namespace: &str) -> Result<BTreeMap<String, Value>> {
    let metadata = json!({"name": FOREIGN, "labels": {
        labels::MANAGED_BY: labels::LANDFALL, labels::INSTANCE: SERVER, "app.kubernetes.io/name": "mcpserver",
        labels::COMPONENT: "server",
    }});
    let (admin, params) = (&lab.admin, PostParams::default());
    let map: ConfigMap = serde_json::from_value(json!({"metadata": metadata, "data": {"a": "b"}}))?;
    let map = Api::<ConfigMap>::namespaced(admin.clone(), namespace).create(&params, &map).await?;
    let secret: Secret = serde_json::from_value(json!({"metadata": metadata, "stringData": {"a": "b"}}))?;
    let secret = Api::<Secret>::namespaced(admin.clone(), namespace).create(&params, &secret).await?;
    let service: Service = serde_json::from_value(json!({"metadata": metadata, "spec": {"ports": [{"port": 1}]}}))?;
    let service = Api::<Service>::namespaced(admin.clone(), namespace).create(&params, &service).await?;
    let versions = [
        ("ConfigMap", map.resource_version()),
        ("Secret", secret.resource_version()),
        ("Service", service.resource_version()),
    ];
    let object = |version| json!({"metadata": {"resourceVersion": version}});
    Ok(versions.into_iter().map(|(kind, version)| (kind.to_owned(), object(version))).collect())
}

/// How many there ever were of what must not be lost: Secrets, claims, and the pods of databases.
fn made(account: &Account) -> BTreeMap<String, usize> {
    // What is gone by now was made for a server that is gone, too.
    let there = account.uids.iter().filter(|(key, _)| account.objects.contains_key(*key));
    let counts = there.filter(|((kind, name), _)| match kind.as_str() {
        "Secret" | "PersistentVolumeClaim" => true,
        "Pod" => name.ends_with("-0"),
        _ => false,
    });
    counts.map(|(key, uids)| (format!("{} {}", key.0, key.1), uids.len())).collect()
}
