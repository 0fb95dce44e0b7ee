//! What only a conversation shows, on real containers: how soon it is noticed, what is said, and that
//! it is taken back.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::ResourceExt;
use kube::api::ListParams;
use landfall::api::MCPServer;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::ECHO;
use crate::support::operator::Operator;
use crate::support::{Space, World, apply, condition, message, until};

fn server(more: &Value) -> Value {
    let mut spec = json!({"image": ECHO, "port": 3001, "verification": {"interval": "15s"}});
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    spec
}

async fn pod_of(space: &Space, name: &str) -> Result<String> {
    let of = ListParams::default().labels(&format!("app.kubernetes.io/instance={name}"));
    let pods = space.api::<Pod>().list(&of).await?;
    Ok(pods.items.first().context("the server has a pod")?.name_any())
}

fn writes(operator: &Operator) -> Result<Vec<String>> {
    Ok(operator.requests()?.iter().filter(|it| it.is_write()).map(ToString::to_string).collect())
}

/// Waits, longer than for what Kubernetes does, and says how long it took.
async fn until_ready_is(space: &Space, name: &str, status: &str, limit: Duration) -> Result<(MCPServer, Duration)> {
    let began = Instant::now();
    let api = space.api::<MCPServer>();
    let what = format!("{name} is Ready={status}");
    let found = until(&what, limit, async || {
        let server = api.get(name).await.ok()?;
        condition(&server, "Ready").is_some_and(|it| it.status == status).then_some(server)
    });
    Ok((found.await?, began.elapsed()))
}

/// Name, what is done to it, the reason, and words of the message.
const FAULTS: [(&str, &str, &str, &[&str]); 3] = [
    ("hangs", "STOP", "HandshakeTimeout", &["look at its log and at its CPU limit"]),
    ("misdirected", "USR1", "HostRejected", &["Allow misdirected.protocol.svc.cluster.local:3001", "faulty, as asked"]),
    ("old", "USR1", "LegacySSEOnly", &["option for streamable HTTP", "HTTP+SSE transport, at /mcp"]),
];

pub async fn what_only_the_protocol_shows_is_noticed_told_once_and_taken_back(world: Arc<World>) -> Result<()> {
    let space = world.space("protocol").await?;
    let mut operator = space.operator(&["--leader-election", "false"]).await?;
    space.server("hangs", &server(&json!({}))).await?;
    space.server("misdirected", &server(&json!({"args": ["--fault", "421"]}))).await?;
    space.server("old", &server(&json!({"args": ["--fault", "sse"]}))).await?;
    for (name, ..) in FAULTS {
        let server = space.until_ready_is(name, "True", "Ready").await?;
        ensure!(condition(&server, "Verified").is_some_and(|it| it.reason == "Verified"), "{:?}", server.status);
        let said = server.status.and_then(|it| it.server).context("what the server said")?;
        ensure!(said.tool_count == Some(2) && said.eras == ["modern", "legacy"], "{said:?}");
        ensure!(said.name.as_deref() == Some("echo-server") && !said.auth_required, "{said:?}");
    }

    for (name, signal, ..) in FAULTS {
        world.signal(&pod_of(&space, name).await?, signal).await?;
    }
    let noticed = FAULTS.map(|(name, _, reason, words)| {
        let space = &space;
        async move {
            let (server, took) = until_ready_is(space, name, "False", Duration::from_secs(30)).await?;
            eprintln!("{reason} noticed after {took:.1?}");
            let said = message(&server);
            ensure!(condition(&server, "Verified").is_some_and(|it| it.reason == reason), "{:?}", server.status);
            ensure!(words.iter().all(|word| said.contains(word)), "{name}: {said}");
            ensure!(condition(&server, "Available").is_some_and(|it| it.status == "True"), "Kubernetes sees nothing");
            anyhow::Ok(())
        }
    });
    futures::future::try_join_all(noticed).await?;

    // The events of their trouble, and then not a word more, however often they are asked.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = writes(&operator)?.len();
    tokio::time::sleep(Duration::from_secs(30)).await;
    let after = writes(&operator)?;
    ensure!(after.len() == before, "{:?}", &after[before..]);
    operator.restart().await?;
    operator.until_ready().await?;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let after = writes(&operator)?;
    ensure!(after.len() == before, "after a restart: {:?}", &after[before..]);
    let (_, metrics) = operator.get("/metrics").await?;
    ensure!(metrics.contains("landfall_servers{ready=\"False\"} 3"), "{metrics}");
    ensure!(metrics.contains("landfall_verifications_total{reason=\"LegacySSEOnly\"}"), "{metrics}");

    for (name, signal, ..) in FAULTS {
        let signal = if signal == "STOP" { "CONT" } else { signal };
        world.signal(&pod_of(&space, name).await?, signal).await?;
    }
    let back = FAULTS.map(|(name, ..)| until_ready_is(&space, name, "True", Duration::from_secs(150)));
    for ((name, ..), (_, took)) in FAULTS.iter().zip(futures::future::try_join_all(back).await?) {
        eprintln!("{name} is back after {took:.1?}");
    }
    Ok(())
}

pub async fn a_death_is_noticed_at_once(world: Arc<World>) -> Result<()> {
    let space = world.space("noticed").await?;
    let _operator = space.operator(&[]).await?;
    space.server("echo", &server(&json!({}))).await?;
    space.until_ready_is("echo", "True", "Ready").await?;
    world.signal(&pod_of(&space, "echo").await?, "KILL").await?;
    let (server, took) = until_ready_is(&space, "echo", "False", Duration::from_secs(15)).await?;
    eprintln!("a death noticed after {took:.1?}");
    ensure!(condition(&server, "Verified").is_some_and(|it| it.reason == "WaitingForPods"), "{:?}", server.status);
    space.until_ready_is("echo", "True", "Ready").await?;
    Ok(())
}

pub async fn through_the_api_server_the_host_name_is_the_same(world: Arc<World>) -> Result<()> {
    let space = world.space("passage").await?;
    let operator = space.operator(&["--verification-route", "api-server"]).await?;
    // It serves only the hosts of MCP_ALLOWED_HOSTS.
    space.server("echo", &server(&json!({}))).await?;
    let ready = space.until_ready_is("echo", "True", "Ready").await?;
    ensure!(ready.status.and_then(|it| it.server?.tool_count) == Some(2));
    space.server("elsewhere", &server(&json!({"path": "/elsewhere"}))).await?;
    space.until_ready_is("elsewhere", "False", "EndpointNotFound").await?;

    space.unbind(&format!("{}-landfall-operator-verify", operator.user)).await?;
    let (server, _) = until_ready_is(&space, "echo", "False", Duration::from_mins(1)).await?;
    ensure!(condition(&server, "Ready").is_some_and(|it| it.reason == "Unreachable"), "{:?}", server.status);
    ensure!(message(&server).contains("grant the operator get, create and delete of services/proxy"), "{server:?}");
    Ok(())
}

pub async fn a_header_from_a_secret_needs_a_right_and_is_told_to_nobody(world: Arc<World>) -> Result<()> {
    let space = world.space("header").await?;
    let operator = space.operator(&["--log", "debug"]).await?;
    apply(
        &space.api::<Secret>(),
        serde_json::from_value(json!({
            "metadata": {"name": "token"}, "stringData": {"header": "Bearer s3cret-value\n"},
        }))?,
    )
    .await?;
    let from = |name: &str| {
        let headers = json!([{"name": "Authorization", "secretKeyRef": {"name": name, "key": "header"}}]);
        server(&json!({"verification": {"interval": "10s", "headers": headers}}))
    };
    space.server("echo", &from("token")).await?;
    let server = space.until_ready_is("echo", "Unknown", "Forbidden").await?;
    ensure!(message(&server).contains("may not read Secret \"token\""), "{}", message(&server));
    ensure!(message(&server).contains("rbac.readSecrets"), "{}", message(&server));
    space.bind(&operator.user, "ClusterRole", "landfall-operator-read-secrets").await?;
    space.until_ready_is("echo", "True", "Ready").await?;

    space.server("echo", &from("absent")).await?;
    let server = space.until_ready_is("echo", "Unknown", "MissingReference").await?;
    ensure!(message(&server).contains("Secret \"absent\" with the key \"header\""), "{}", message(&server));
    ensure!(!operator.log().contains("s3cret") && !json!(server).to_string().contains("s3cret"));
    let read: Vec<_> = operator.requests()?.into_iter().filter(|it| it.object_ref.resource == "secrets").collect();
    ensure!(read.iter().all(|it| it.verb == "get" && !it.object_ref.name.is_empty()), "only by name: {read:?}");
    Ok(())
}

/// How much later than a client's first successful call a server is Ready. Run by `make bench`.
pub async fn bench_ready_after_the_first_call(world: Arc<World>) -> Result<()> {
    let space = world.space("bench").await?;
    let operator = space.operator(&[]).await?;
    operator.until_ready().await?;
    let mut later = Vec::new();
    println!("create  first call  Ready   later (ms since the create)");
    for at in 0..20 {
        let name = format!("echo-{at}");
        let began = Instant::now();
        space.server(&name, &server(&json!({}))).await?;
        let url = format!("http://{name}.bench.svc.cluster.local:3001/mcp");
        let called = async {
            // A connection that got lost while kube-proxy was at work is given up soon.
            let limit = Duration::from_millis(300);
            while !matches!(tokio::time::timeout(limit, world.call(&url, "x")).await, Ok(Ok(_))) {}
            began.elapsed()
        };
        let api = space.api::<MCPServer>();
        let ready = async {
            while !api.get(&name).await.is_ok_and(|it| condition(&it, "Ready").is_some_and(|it| it.status == "True")) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            began.elapsed()
        };
        let (called, ready) = tokio::join!(called, ready);
        let difference = ready.as_secs_f64() - called.as_secs_f64();
        println!("{at:6}  {:10}  {:5}  {:6.0}", called.as_millis(), ready.as_millis(), difference * 1000.0);
        later.push(difference);
        api.delete(&name, &kube::api::DeleteParams::default()).await?;
    }
    later.sort_by(f64::total_cmp);
    println!("median {:.0} ms, longest {:.0} ms", later[later.len() / 2] * 1000.0, later[later.len() - 1] * 1000.0);
    ensure!(later[later.len() - 1] <= 0.5, "Ready came more than 0.5 s after a client's call first worked");
    Ok(())
}
