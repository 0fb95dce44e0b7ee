//! What all runs share: a cluster with everything around the operator, one user for all operators, and
//! how many runs there are at a time.

use anyhow::{Context, Result, bail};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::Client;
use kube::api::{Api, PostParams};
use serde_json::json;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OnceCell, Semaphore};

use super::gate;
use super::ledger::{Account, Ledger};
use super::run::{self, Reference};
use super::state::State;
use super::surroundings;
use crate::support::World;

/// Runs wait far more than they compute; more at a time would only wait for the API server.
const PLACES: usize = 40;

/// With nothing happening for so long, nothing will: the longest row of failures that a plan can have
/// is waited out in a third of it. A slow machine is no failure.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Whether all runs there are were asked for, and not only those that fit into every day's tests.
pub fn is_whole() -> bool {
    std::env::var_os("LANDFALL_FAULTS").is_some()
}

/// What all runs share.
pub struct Lab {
    pub admin: Client,
    /// The API server, as the operators' user.
    pub upstream: Client,
    pub ledger: Arc<Ledger>,
    pub directory: PathBuf,
    pub places: Semaphore,
    references: Mutex<HashMap<&'static str, Arc<OnceCell<Reference>>>>,
}

/// The one of this process.
pub async fn lab(world: &World) -> Result<&'static Lab> {
    static LAB: OnceCell<Lab> = OnceCell::const_new();
    LAB.get_or_try_init(|| Lab::open(world)).await
}

impl Lab {
    async fn open(world: &World) -> Result<Self> {
        surroundings::make(world).await?;
        grant(&world.admin).await?;
        surroundings::start(&world.admin);
        Ok(Self {
            admin: world.admin.clone(),
            upstream: gate::upstream(&world.cluster.kubeconfig_for(USER, &[])?).await?,
            ledger: Ledger::open(&world.admin),
            directory: world.cluster.directory().to_owned(),
            places: Semaphore::new(PLACES),
            references: Mutex::default(),
        })
    }

    /// What an undisturbed run of a scenario comes to; the first who asks makes it.
    pub async fn reference(&'static self, scenario: &'static str) -> Result<Reference> {
        let cell = {
            let mut references = self.references.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(references.entry(scenario).or_default())
        };
        let made = cell.get_or_try_init(|| run::reference(self, scenario)).await;
        made.cloned().with_context(|| format!("the undisturbed run of {scenario}"))
    }

    /// Waits until a namespace is as `fits` says, which is asked after each change.
    pub async fn until(&self, namespace: &str, fits: impl Fn(&Account) -> bool) -> Result<()> {
        let (mut since, mut seen) = (Instant::now(), None);
        loop {
            let changes = self.ledger.changes(namespace);
            if seen.replace(changes) != Some(changes) {
                if fits(&self.ledger.account(namespace)) {
                    return Ok(());
                }
                since = Instant::now();
            }
            if since.elapsed() > PATIENCE {
                bail!("nothing has happened for {PATIENCE:?}, and still it is not so");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub fn state(&self, namespace: &str) -> State {
        State::of(namespace, &self.ledger.account(namespace))
    }
}

const USER: &str = "landfall-operator";

/// Every right that `config/rbac` knows, and what scenarios hand on.
async fn grant(admin: &Client) -> Result<()> {
    let grantable = json!({"metadata": {"name": "grantable"}, "rules": [
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]},
    ]});
    Api::<ClusterRole>::all(admin.clone()).create(&PostParams::default(), &serde_json::from_value(grantable)?).await?;
    for role in [
        "landfall-operator",
        "landfall-operator-watch-secrets",
        "landfall-operator-watch-classes",
        "landfall-operator-cluster-rules",
        "grantable",
    ] {
        let binding = json!({
            "metadata": {"name": format!("{USER}-{role}")},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": USER}],
        });
        let binding: ClusterRoleBinding = serde_json::from_value(binding)?;
        Api::all(admin.clone()).create(&PostParams::default(), &binding).await?;
    }
    Ok(())
}
