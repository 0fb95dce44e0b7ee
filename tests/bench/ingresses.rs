//! Stands in for an Ingress controller: each Ingress gets an address, where nobody is.

use anyhow::{Context, Result};
use futures::TryStreamExt;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::field::{Field, NOBODY};

/// Who gives addresses, in the audit log.
const CONTROLLER: &str = "bench-ingresses";

/// As many as it gives at a time.
const AT_A_TIME: usize = 4;

/// Gives addresses until it is dropped.
pub struct Ingresses(JoinHandle<()>);

impl Ingresses {
    /// Begins to, for those of the class `name`.
    pub async fn of_class(field: &Field, name: &str) -> Result<Self> {
        let client = field.user(CONTROLLER).await?;
        let class: IngressClass = serde_json::from_value(json!({
            "metadata": {"name": name}, "spec": {"controller": "k8s.io/ingress-nginx"},
        }))?;
        Api::all(client.clone()).create(&PostParams::default(), &class).await.context("the class cannot be made")?;
        Ok(Self(tokio::spawn(async move {
            if let Err(error) = admit_all(client).await {
                eprintln!("no Ingress gets an address any more: {error:#}");
            }
        })))
    }
}

impl Drop for Ingresses {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn admit_all(client: Client) -> Result<()> {
    let api = Api::<Ingress>::namespaced(client, "bench");
    let new = watcher(api.clone(), watcher::Config::default()).applied_objects().try_filter(|it| {
        let status = it.status.as_ref().and_then(|it| it.load_balancer.as_ref());
        std::future::ready(status.and_then(|it| it.ingress.as_ref()).is_none())
    });
    let admit = |ingress: Ingress| {
        let api = api.clone();
        async move {
            let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": NOBODY}]}}});
            api.patch_status(&ingress.name_any(), &PatchParams::default(), &Patch::Merge(&status)).await?;
            anyhow::Ok(())
        }
    };
    new.map_err(anyhow::Error::from).map_ok(admit).try_buffer_unordered(AT_A_TIME).try_collect().await
}
