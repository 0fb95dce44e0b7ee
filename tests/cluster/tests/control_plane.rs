//! The control plane as its users see it: a real API server with controllers, users and an audit log.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use landfall_cluster::{Cluster, Size, missing_for};
use serde_json::{Value, json};

const USER: &str = "somebody";

#[tokio::test]
async fn a_control_plane_serves_users_under_their_own_rights_and_leaves_nothing() {
    if let Some(missing) = missing_for(Size::ControlPlane) {
        // Past the capture of the test's output: a skip must be seen.
        writeln!(std::io::stderr(), "skipped: control plane: {missing}").unwrap();
        return;
    }
    let cluster = Cluster::start(Size::ControlPlane).await.unwrap();
    let admin = client(cluster.kubeconfig()).await;

    owned_objects_are_collected(&admin).await;

    let user = client(&cluster.kubeconfig_for(USER, &["testers", "others"]).unwrap()).await;
    let secrets = Api::<k8s_openapi::api::core::v1::Secret>::default_namespaced(user);
    let refusal = secrets.list(&ListParams::default()).await.unwrap_err();
    assert!(refusal.to_string().contains(USER), "{refusal}");

    cluster.stop_api_server().unwrap();
    assert!(admin.apiserver_version().await.is_err());
    cluster.start_api_server().await.unwrap();
    assert_eq!(admin.apiserver_version().await.unwrap().minor, "34");

    let event = audited_request_of(USER, cluster.audit_log());
    assert_eq!(event["stage"], "ResponseComplete");
    assert_eq!(event["objectRef"]["resource"], "secrets");
    assert_eq!(event["responseStatus"]["code"], 403);
    assert_eq!(event["user"]["groups"], json!(["testers", "others", "system:authenticated"]));

    let directory = cluster.directory().to_owned();
    cluster.stop().await.unwrap();
    assert!(!directory.exists());
    assert!(admin.apiserver_version().await.is_err());
}

/// The garbage collector works, so tests may rely on owner references.
async fn owned_objects_are_collected(admin: &Client) {
    let objects = Api::<ConfigMap>::default_namespaced(admin.clone());
    let owner = json!({"metadata": {"name": "owner"}});
    let owner = serde_json::from_value(owner).unwrap();
    let owner: ConfigMap = objects.create(&PostParams::default(), &owner).await.unwrap();
    let dependent = json!({"metadata": {"name": "owned", "ownerReferences": [{
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "owner",
        "uid": owner.metadata.uid,
    }]}});
    let dependent = serde_json::from_value(dependent).unwrap();
    objects.create(&PostParams::default(), &dependent).await.unwrap();
    objects.delete("owner", &DeleteParams::default()).await.unwrap();
    let gone = async {
        while objects.get_opt("owned").await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.unwrap();
}

fn audited_request_of(user: &str, log: &Path) -> Value {
    let log = fs::read_to_string(log).unwrap();
    let mut events = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.find(|event| event["user"]["username"] == user).unwrap()
}

async fn client(kubeconfig: &Path) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
    Client::try_from(config).unwrap()
}
