//! Servers that bring their databases along, real ones: Redis and Postgres.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Event, PersistentVolumeClaim, Pod, Secret, Service};
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams};
use landfall::api::MCPServer;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::sync::Arc;
use tokio::sync::OnceCell;

use crate::support::{Space, World, condition, message};
use crate::{ECHO, root};

/// What the two answer once `colour` is stored in both.
const BLUE: &str = "redis: blue\npostgres: blue";

/// Names of the images of databases, which are made of this machine's packages.
struct Images {
    redis: String,
    postgres: String,
}

/// What keeps this machine from making images of databases.
pub fn missing() -> Option<&'static str> {
    let found = Command::new("apt-get").arg("--version").output().is_ok_and(|it| it.status.success());
    (!found).then_some("images of databases are made of packages of Debian or Ubuntu, by apt-get")
}

/// Makes the images, or takes those that were made once, and loads them into the node.
async fn images(world: &World) -> Result<&'static Images> {
    static IMAGES: OnceCell<Images> = OnceCell::const_new();
    let load = async || {
        let made = Command::new("make").arg("databases").current_dir(root()).env_remove("MAKEFLAGS").status();
        ensure!(made.context("make is not installed")?.success(), "`make databases` failed");
        let name = async |name: &str| -> Result<String> {
            let folder = root().join("target/images");
            world.cluster.load_image(&folder.join(format!("{name}.tar"))).await?;
            Ok(fs::read_to_string(folder.join(format!("{name}.name")))?.trim().to_owned())
        };
        anyhow::Ok(Images { redis: name("redis").await?, postgres: name("postgres").await? })
    };
    IMAGES.get_or_try_init(load).await
}

/// The example server with both databases. One finds its variable by the dependency's name alone.
fn shop(images: &Images, storage: &Value) -> Value {
    // Several tests make databases at once, and a busy disk takes long to flush a thousand new files.
    let quickly = json!([{"name": "POSTGRES_INITDB_ARGS", "value": "--no-sync"}]);
    json!({
        "image": ECHO,
        "port": 3001,
        "env": [{"name": "POSTGRES_URL", "value": "$(DB_URL)"}],
        "dependencies": [
            {"name": "redis", "preset": "redis", "image": images.redis, "storage": storage},
            {"name": "db", "preset": "postgres", "image": images.postgres, "storage": storage, "env": quickly},
        ],
    })
}

impl Space {
    async fn remember(&self, value: &str) -> Result<()> {
        let arguments = json!({"key": "colour", "value": value});
        self.until_answer("remember", &arguments, "stored in redis, postgres").await
    }

    async fn until_recalled(&self, values: &str) -> Result<()> {
        self.until_answer("recall", &json!({"key": "colour"}), values).await
    }

    /// kube-proxy learns of a pod a moment after the pod is ready, so a first call may be too early.
    async fn until_answer(&self, tool: &str, arguments: &Value, answer: &str) -> Result<()> {
        let url = format!("http://shop.{}.svc.cluster.local:3001/mcp", self.name);
        let call = async || {
            let printed = self.world.call_tool(&url, tool, arguments).await.ok()?;
            printed.trim_end().ends_with(&format!("{tool}: {answer}")).then_some(())
        };
        let result = self.until(&format!("{tool} answers {answer:?}"), call).await;
        let Err(error) = result else { return Ok(()) };
        let last = self.world.call_tool(&url, tool, arguments).await;
        Err(error.context(format!("the last answer was {last:?}")))
    }

    /// Pods of a dependency by uid, with whether each is ready.
    async fn pods_of(&self, dependency: &str) -> Result<BTreeMap<String, bool>> {
        let labels = format!("app.kubernetes.io/instance=shop,app.kubernetes.io/component={dependency}");
        let pods = self.api::<Pod>().list(&ListParams::default().labels(&labels)).await?;
        let ready = |pod: &Pod| {
            let conditions = pod.status.iter().flat_map(|it| it.conditions.iter().flatten());
            conditions.into_iter().any(|it| it.type_ == "Ready" && it.status == "True")
        };
        Ok(pods.iter().map(|pod| (pod.uid().unwrap_or_default(), ready(pod))).collect())
    }

    async fn delete_server(&self) -> Result<()> {
        self.api::<MCPServer>().delete("shop", &DeleteParams::default()).await?;
        self.until("nothing runs any more", async || {
            let all = ListParams::default();
            let pods = self.api::<Pod>().list(&all).await.ok()?.items.len();
            let sets = self.api::<StatefulSet>().list(&all).await.ok()?.items.len();
            let services = self.api::<Service>().list(&all).await.ok()?.items.len();
            let servers = self.api::<MCPServer>().list(&all).await.ok()?.items.len();
            (pods + sets + services + servers == 0).then_some(())
        })
        .await
    }

    async fn claims(&self) -> Result<Vec<String>> {
        let claims = self.api::<PersistentVolumeClaim>().list(&ListParams::default()).await?;
        Ok(claims.iter().map(ResourceExt::name_any).collect())
    }

    /// The credentials of both databases, as they are stored.
    async fn credentials(&self) -> Result<BTreeMap<String, String>> {
        let secrets = self.api::<Secret>().list(&ListParams::default()).await?;
        Ok(secrets.iter().map(|it| (it.name_any(), format!("{:?} {:?}", it.uid(), it.data))).collect())
    }

    /// Each value of a key in the databases' Secrets.
    async fn passwords(&self) -> Result<Vec<String>> {
        let secrets = self.api::<Secret>().list(&ListParams::default()).await?;
        let values = secrets.items.into_iter().filter_map(|it| it.data?.remove("password"));
        values.map(|it| Ok(String::from_utf8(it.0)?)).collect()
    }
}

pub async fn what_a_server_stored_outlives_its_databases_pods_and_itself(world: Arc<World>) -> Result<()> {
    let images = images(&world).await?;
    let space = world.space_with("shop", &json!({"pod-security.kubernetes.io/enforce": "restricted"})).await?;
    let operator = space.operator(&[]).await?;
    let spec = shop(images, &json!({"size": "100Mi"}));
    space.server("shop", &spec).await?;
    space.until_ready_is("shop", "True", "Ready").await?;
    space.remember("blue").await?;
    space.until_recalled(BLUE).await?;

    for dependency in ["redis", "db"] {
        let before = space.pods_of(dependency).await?;
        ensure!(before.len() == 1, "{dependency}: {before:?}");
        space.api::<Pod>().delete(&format!("shop-{dependency}-0"), &DeleteParams::default()).await?;
        space
            .until(&format!("another pod of {dependency} is ready"), async || {
                let pods = space.pods_of(dependency).await.ok()?;
                pods.iter().any(|(uid, ready)| *ready && !before.contains_key(uid)).then_some(())
            })
            .await?;
    }
    space.until_recalled(BLUE).await?;
    space.until_ready_is("shop", "True", "Ready").await?;

    let credentials = space.credentials().await?;
    ensure!(credentials.keys().eq(["shop-db-credentials", "shop-redis-credentials"]), "{:?}", credentials.keys());
    space.delete_server().await?;
    ensure!(space.claims().await? == ["shop-db-storage", "shop-redis-storage"], "{:?}", space.claims().await?);
    ensure!(space.credentials().await? == credentials, "the passwords are those of the data that stayed");

    space.server("shop", &spec).await?;
    let server = space.until_ready_is("shop", "True", "Ready").await?;
    space.until_recalled(BLUE).await?;
    ensure!(space.credentials().await? == credentials, "the passwords are those of the data that stayed");
    no_password_is_told(&space, &operator.log(), &server).await
}

async fn no_password_is_told(space: &Space, log: &str, server: &MCPServer) -> Result<()> {
    let events = serde_json::to_string(&space.api::<Event>().list(&ListParams::default()).await?)?;
    let server = serde_json::to_string(server)?;
    let passwords = space.passwords().await?;
    ensure!(passwords.len() == 2 && passwords.iter().all(|it| it.len() >= 20), "two passwords that nobody guesses");
    ensure!(passwords[0] != passwords[1], "each database has a password of its own");
    for (place, text) in [("the log", log), ("an event", &events), ("the server", &server)] {
        ensure!(!passwords.iter().any(|it| text.contains(it.as_str())), "{place} holds a password");
    }
    Ok(())
}

pub async fn retain_false_leaves_nothing_behind(world: Arc<World>) -> Result<()> {
    let images = images(&world).await?;
    let space = world.space("not-retained").await?;
    let _operator = space.operator(&[]).await?;
    let spec = shop(images, &json!({"size": "100Mi", "retain": false}));
    space.server("shop", &spec).await?;
    space.until_ready_is("shop", "True", "Ready").await?;
    space.remember("blue").await?;
    ensure!(space.claims().await?.len() == 2);
    space.delete_server().await?;
    space
        .until("claims and passwords are gone", async || {
            let gone = space.claims().await.ok()?.is_empty() && space.credentials().await.ok()?.is_empty();
            gone.then_some(())
        })
        .await?;

    // What comes next begins anew, with other passwords.
    space.server("shop", &spec).await?;
    space.until_ready_is("shop", "True", "Ready").await?;
    space.until_recalled("redis: (nothing)\npostgres: (nothing)").await
}

pub async fn a_database_without_storage_is_as_good_as_its_pod(world: Arc<World>) -> Result<()> {
    let images = images(&world).await?;
    let space = world.space_with("no-storage", &json!({"pod-security.kubernetes.io/enforce": "restricted"})).await?;
    let _operator = space.operator(&[]).await?;
    space.server("shop", &shop(images, &json!({"disabled": true}))).await?;
    space.until_ready_is("shop", "True", "Ready").await?;
    space.remember("blue").await?;
    space.until_recalled(BLUE).await?;
    ensure!(space.claims().await?.is_empty());
    Ok(())
}

pub async fn a_server_waits_for_its_databases_before_it_first_starts(world: Arc<World>) -> Result<()> {
    let images = images(&world).await?;
    let space = world.space("waiting").await?;
    let _operator = space.operator(&[]).await?;
    let mut spec = shop(images, &json!({"size": "100Mi"}));
    spec["dependencies"][1]["image"] = "localhost/landfall/absent:15".into();
    space.server("shop", &spec).await?;
    let server = space
        .until_server("shop", "a database whose image cannot be pulled", |server| {
            condition(server, "DependenciesReady")
                .is_some_and(|it| it.status == "False" && it.message.contains("localhost/landfall/absent:15"))
        })
        .await?;
    ensure!(message(&server).contains("db"), "{}", message(&server));
    ensure!(space.pods_of("server").await?.is_empty(), "the server does not start without its databases");

    spec["dependencies"][1]["image"] = images.postgres.as_str().into();
    space.server("shop", &spec).await?;
    space.until_ready_is("shop", "True", "Ready").await?;
    space.remember("blue").await
}
