//! What `docs/authentication.md` says, tried: its manifests are applied as they stand there.

use anyhow::{Context, Result, bail, ensure};
use hyper::StatusCode;
use k8s_openapi::ByteString;
use landfall_cluster::binaries::{Package, Source, Tool};
use landfall_cluster::image::{Image, Layer};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::clients::{self, Beside};
use crate::front_door::{self, call, certificate, persistently, until_open, visitor};
use crate::issuer::Issuer;
use crate::support::{Space, World};
use crate::visitor::Visitor;
use crate::{kubectl, root};

const GUIDE: &str = include_str!("../../docs/authentication.md");

pub static OAUTH2_PROXY: Tool = Tool {
    source: Source {
        name: "oauth2-proxy-7.6",
        files: &[
            ("go.mod", include_str!("go/oauth2-proxy-7.6/go.mod")),
            ("go.sum", include_str!("go/oauth2-proxy-7.6/go.sum")),
        ],
        duration: "about a minute",
        version: None,
    },
    package: Package {
        name: "oauth2-proxy",
        path: "github.com/oauth2-proxy/oauth2-proxy/v7",
        built_name: "oauth2-proxy",
    },
};
const OAUTH2_PROXY_IMAGE: &str = "localhost/oauth2-proxy:7.6.0";

/// The manifests under a heading of the guide, for another namespace than `tools`.
fn manifests(heading: &str, space: &Space) -> Result<Vec<Value>> {
    let found = GUIDE.lines().skip_while(|line| line.trim_start_matches('#').trim() != heading).skip(1);
    let section: Vec<_> = found.take_while(|line| !line.starts_with('#')).collect();
    let text = section.join("\n").replace("tools", &space.name);
    let blocks = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split_once("```"));
    let documents = blocks.flat_map(|(block, _)| block.split("---\n"));
    let manifests = documents.map(|it| Ok(serde_saphyr::from_str(it)?)).collect::<Result<Vec<_>>>()?;
    ensure!(!manifests.is_empty(), "the guide has no manifests under {heading:?}");
    Ok(manifests)
}

/// Applies manifests of the guide as they stand; with a server comes the certificate that its Ingress names.
async fn follow(space: &Space, manifests: Vec<Value>) -> Result<()> {
    for manifest in manifests {
        let expose = &manifest["spec"]["expose"];
        if let Some(secret) = expose["ingress"]["tls"]["secretName"].as_str() {
            let host = expose["host"].as_str().context("no host")?;
            kubectl::apply(space, &certificate(space, secret, host)?.to_string()).await?;
        }
        kubectl::apply(space, &manifest.to_string()).await?;
    }
    Ok(())
}

/// Somebody who says this in `Authorization`.
fn saying(anonymous: &Visitor, authorization: &str) -> Result<Visitor> {
    anonymous.clone().with("authorization", authorization)
}

async fn refused(visitor: &Visitor) -> Result<()> {
    match persistently(async || visitor.initialize().await.map(drop)).await {
        Ok(()) => bail!("let in without credentials"),
        Err(error) => ensure!(format!("{error:#}").contains("401 Unauthorized"), "{error:#}"),
    }
    Ok(())
}

pub async fn a_password_lets_in_through_ingress_and_gateway(world: Arc<World>) -> Result<()> {
    front_door::open(&world).await?;
    let space = world.space("passwords").await?;
    let _operator = front_door::operator(&space).await?;
    follow(&space, manifests("Names and passwords", &space)?).await?;
    for (heading, server, host) in [
        ("Through an Ingress", "search", "search-passwords.example.com"),
        ("Through a Gateway", "search-by-gateway", "gateway-passwords.example.com"),
    ] {
        follow(&space, manifests(heading, &space)?).await?;
        let url = until_open(&space, server, "Exposed").await.context(heading)?;
        ensure!(url == format!("https://{host}/mcp"), "{url}");
        let anonymous = visitor(&world, &url)?;
        call(&saying(&anonymous, &basic("ann:change-me")?)?, "x").await.context(heading)?;
        refused(&anonymous).await.context(heading)?;
        refused(&saying(&anonymous, &basic("ann:guessed")?)?).await.context(heading)?;
    }
    Ok(())
}

fn basic(user: &str) -> Result<String> {
    let encoded = serde_json::to_value(ByteString(user.as_bytes().to_owned()))?;
    Ok(format!("Basic {}", encoded.as_str().context("not a text")?))
}

pub async fn a_token_lets_in_and_who_has_none_learns_where_to_get_one(world: Arc<World>) -> Result<()> {
    front_door::open(&world).await?;
    let space = world.space("tokens").await?;
    let _operator = front_door::operator(&space).await?;
    let issuer = Issuer::start(world.cluster.host_address().context("there is no node")?).await?;
    load_oauth2_proxy(&world).await?;
    let local = |manifest: Value| -> Result<Value> {
        let text = manifest.to_string().replace("https://login.example.com", &issuer.url);
        Ok(serde_json::from_str(&text.replace("quay.io/oauth2-proxy/oauth2-proxy:v7.6.0", OAUTH2_PROXY_IMAGE))?)
    };
    let guide = manifests("Tokens of an identity provider", &space)?;
    follow(&space, guide.into_iter().map(local).collect::<Result<_>>()?).await?;
    let url = until_open(&space, "notes", "Exposed").await?;
    ensure!(url == "https://notes-tokens.example.com/mcp", "{url}");
    let anonymous = visitor(&world, &url)?;
    call(&saying(&anonymous, &issuer.bearer("mcp")?)?, "x").await?;
    refused(&anonymous).await?;
    refused(&saying(&anonymous, &issuer.bearer("another program")?)?).await?;
    if crate::sdks::missing_for_clients().is_none() {
        let bearer = issuer.bearer("mcp")?;
        let token = bearer.strip_prefix("Bearer ");
        clients::each_calls(&space, "notes", &Beside { host: Some("notes-tokens.example.com"), token }).await?;
    }
    let other = Issuer::start(world.cluster.host_address().context("there is no node")?).await?;
    refused(&saying(&anonymous, &other.bearer("mcp")?)?).await?;

    for path in ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"] {
        let (status, _, text) = anonymous.at(path)?.get().await?;
        ensure!(status == StatusCode::OK, "{path}: {status} {text}");
        let metadata: Value = serde_json::from_str(&text)?;
        ensure!(
            metadata["resource"] == url.as_str() && metadata["authorization_servers"] == json!([issuer.url]),
            "{text}"
        );
    }
    let (status, ..) = anonymous.at("/.well-known/oauth-protected-resource/mcp/../../mcp")?.get().await?;
    ensure!(status == StatusCode::UNAUTHORIZED, "an open path leads to a closed one: {status}");
    Ok(())
}

async fn load_oauth2_proxy(world: &World) -> Result<()> {
    let archive = root().join("target/images/oauth2-proxy.tar");
    let program = Layer::new().file_from("/oauth2-proxy", OAUTH2_PROXY.make().await?, 0o755)?;
    Image::new(OAUTH2_PROXY_IMAGE)?.layer(program).entrypoint(["/oauth2-proxy"]).user("65532").write(&archive)?;
    world.cluster.load_image(&archive).await
}
