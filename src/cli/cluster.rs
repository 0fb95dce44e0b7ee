//! The cluster that a person works with: that of the kubeconfig, as `kubectl` has it.

use anyhow::{Context, Result};
use kube::api::Api;
use kube::config::KubeConfigOptions;
use kube::{Client, Config, ResourceExt};

use crate::api::MCPServer;

/// Which cluster, and which namespace.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub(super) struct Args {
    /// Namespace. Default: that of the kubeconfig's context
    #[arg(long, short = 'n')]
    namespace: Option<String>,
    /// Context of the kubeconfig. Default: the current one
    #[arg(long)]
    context: Option<String>,
}

/// A cluster.
pub(super) struct Cluster {
    pub client: Client,
    pub namespace: String,
}

impl Args {
    /// As if it was given so.
    pub(super) fn of(namespace: Option<&str>, context: Option<&str>) -> Self {
        Self { namespace: namespace.map(str::to_owned), context: context.map(str::to_owned) }
    }

    /// Where the cluster is said to be; nothing is asked yet.
    pub(super) async fn connect(&self) -> Result<Cluster> {
        let config = match &self.context {
            None => Config::infer().await.context("no cluster: set KUBECONFIG to a kubeconfig file")?,
            Some(context) => {
                let options = KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
                Config::from_kubeconfig(&options)
                    .await
                    .with_context(|| format!("no cluster by the context {context}"))?
            }
        };
        let namespace = self.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        Ok(Cluster { client: Client::try_from(config)?, namespace })
    }
}

impl Cluster {
    /// A server, or the sentence that says why there is none.
    pub(super) async fn server(&self, name: &str) -> Result<MCPServer> {
        let api: Api<MCPServer> = Api::namespaced(self.client.clone(), &self.namespace);
        match api.get_opt(name).await {
            Ok(Some(server)) => Ok(server),
            Ok(None) => {
                let others = api.list(&kube::api::ListParams::default().limit(10)).await;
                let others: Vec<_> =
                    others.map(|it| it.items.iter().map(ResourceExt::name_any).collect()).unwrap_or_default();
                let others =
                    if others.is_empty() { "it has none".into() } else { format!("it has {}", others.join(", ")) };
                anyhow::bail!("there is no MCPServer \"{name}\" in the namespace {}; {others}", self.namespace)
            }
            Err(error) => Err(error).context("cannot read the MCPServer; `landfall doctor` looks for the reason"),
        }
    }
}
