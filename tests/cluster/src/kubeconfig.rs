//! Files by which a client finds the API server and shows who it is.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use k8s_openapi::ByteString;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::json;

use crate::pki::{Authority, Identity, write_private};

/// Writes a kubeconfig that needs no other file, so that it may be copied. JSON is YAML too.
pub fn write(path: &Path, server: &str, authority: &Authority, identity: &Identity) -> Result<()> {
    let pem = |file: &PathBuf| -> Result<ByteString> {
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        Ok(ByteString(bytes))
    };
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "landfall",
        "clusters": [{"name": "landfall", "cluster": {
            "server": server,
            "certificate-authority-data": pem(&authority.certificate())?,
        }}],
        "users": [{"name": "landfall", "user": {
            "client-certificate-data": pem(&identity.certificate)?,
            "client-key-data": pem(&identity.key)?,
        }}],
        "contexts": [{"name": "landfall", "context": {"cluster": "landfall", "user": "landfall"}}],
    });
    write_private(path, &serde_json::to_string_pretty(&kubeconfig)?)
}

/// A client that speaks as the kubeconfig's user.
pub async fn client(path: &Path) -> Result<Client> {
    let kubeconfig = Kubeconfig::read_from(path)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}
