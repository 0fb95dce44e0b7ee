//! `echo-server` serves MCP; `echo-server call URL` tries a server.

use std::{
    net::{IpAddr, SocketAddr},
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use echo_server::{
    client, fault,
    server::{self, AllowedHosts, Options, PATH},
    storage::Storage,
    tools::EchoServer,
};
use serde_json::{Map, Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

#[derive(Parser)]
#[command(version, about, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Subcommand)]
enum Command {
    /// Call an MCP server: initialize, list its tools, call its tool `echo` or another
    Call {
        /// Where the server is, e.g. `http://localhost:3001/mcp`
        url: String,
        /// What to have echoed
        #[arg(long, default_value = "hello")]
        message: String,
        /// Another tool to call than `echo`
        #[arg(long, value_name = "NAME", requires = "arguments", conflicts_with = "message")]
        tool: Option<String>,
        /// The other tool's arguments, as a JSON object
        #[arg(long, value_name = "JSON", requires = "tool", value_parser = object)]
        arguments: Option<Value>,
    },
}

#[derive(Args)]
struct Serve {
    /// Address to listen on
    #[arg(long, value_name = "ADDR", default_value = "0.0.0.0")]
    listen: IpAddr,
    /// Port to listen on
    #[arg(long, env = "PORT", default_value_t = 3001)]
    port: u16,
    /// Path of the endpoint, a trailing slash included
    #[arg(long, value_name = "PATH", default_value = PATH)]
    path: String,
    /// Path at which health checks are answered
    #[arg(long, value_name = "PATH")]
    health_path: Option<String>,
    /// Hosts that clients may name, comma separated; `*` or nothing allows all
    #[arg(long, env = "MCP_ALLOWED_HOSTS", value_name = "HOSTS")]
    allowed_hosts: Option<String>,
    /// Tell clients to sign in at this issuer (whether they did is for the proxy in front to check)
    #[arg(long, env = "OAUTH_ISSUER", value_name = "URL", requires = "public_url")]
    oauth_issuer: Option<String>,
    /// The URL that clients use
    #[arg(long, env = "MCP_PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,
    /// A text to tell this server from others, shown as its title
    #[arg(long, env = "INSTANCE")]
    instance: Option<String>,
    /// A Redis for the tools `remember` and `recall`
    #[arg(long, env = "REDIS_URL", value_name = "URL", hide_env_values = true)]
    redis_url: Option<String>,
    /// A Postgres for the tools `remember` and `recall`
    #[arg(long, env = "POSTGRES_URL", value_name = "URL", hide_env_values = true)]
    postgres_url: Option<String>,
    /// Start, then fail with this exit code (for tests)
    #[arg(long, value_name = "CODE")]
    exit_after_start: Option<u8>,
    /// At SIGUSR1, answer all with this status, or `sse`: HTTP+SSE only; at the next, well (for tests)
    #[arg(long, value_name = "STATUS")]
    fault: Option<fault::Kind>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Cli { command, serve } = Cli::parse();
    let outcome = match command {
        Some(Command::Call { url, message, tool, arguments }) => {
            let arguments = arguments.unwrap_or_else(|| json!({"message": message}));
            call(&url, tool.as_deref().unwrap_or("echo"), &arguments).await
        }
        None => run(serve).await,
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

/// Without this, clap would take any text for a JSON string.
fn object(text: &str) -> Result<Value> {
    serde_json::from_str::<Map<String, Value>>(text).map(Value::Object).context("not a JSON object")
}

async fn call(url: &str, tool: &str, arguments: &Value) -> Result<ExitCode> {
    println!("{}", client::call(url, tool, arguments).await?);
    Ok(ExitCode::SUCCESS)
}

async fn run(serve: Serve) -> Result<ExitCode> {
    // The handlers stand before the first log line: who reads it may send a signal.
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let instance = serve.instance.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    let storage = Storage::new(serve.redis_url.as_deref(), serve.postgres_url.as_deref())?;
    let hosts = AllowedHosts::parse(serve.allowed_hosts.as_deref());

    let listener = server::bind(SocketAddr::new(serve.listen, serve.port)).await?;
    let address = listener.local_addr().context("no local address")?;
    eprintln!("echo-server listens on http://{address}{}, instance {instance:?}", serve.path);
    if let Some(code) = serve.exit_after_start {
        eprintln!("echo-server fails with code {code}, as --exit-after-start asks");
        return Ok(ExitCode::from(code));
    }

    let stop = CancellationToken::new();
    let fault = serve.fault.map(|kind| Arc::new(fault::Fault::new(kind)));
    let metadata = serve.oauth_issuer.zip(serve.public_url).map(|(issuer, url)| {
        json!({"resource": url, "authorization_servers": [issuer], "bearer_methods_supported": ["header"]}).to_string()
    });
    let mut toggle = signal(SignalKind::user_defined1()).context("cannot wait for SIGUSR1")?;
    let toggled = fault.clone();
    let options = Options { hosts, path: serve.path, health_path: serve.health_path, fault, metadata };
    let toggling = tokio::spawn(async move {
        while toggle.recv().await.is_some() {
            if let Some(fault) = &toggled {
                fault.toggle();
            }
        }
    });
    let serving = server::serve(listener, EchoServer::new(instance, storage), options, stop.clone());
    tokio::pin!(serving);
    let name = tokio::select! {
        () = &mut serving => "nobody",
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    };
    eprintln!("echo-server stops, told by {name}");
    stop.cancel();
    serving.await;
    toggling.abort();
    Ok(ExitCode::SUCCESS)
}
