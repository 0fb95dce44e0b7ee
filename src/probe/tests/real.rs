//! Conversations with servers of the SDKs in use. Run by hand: see
//! `tests/servers/install.sh`.

use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command},
    time::Duration,
};

use crate::probe::{Conversation, Era, Outcome, Prober, Sessions, Target};

const FOLDER: &str = "LANDFALL_REAL_SERVERS";
const EVERYTHING: &str =
    "node -r ./node/loopback.cjs node/node_modules/@modelcontextprotocol/server-everything/dist/index.js";

/// A server process; ends with the test.
struct Server {
    process: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_file(&self.log);
    }
}

impl Server {
    /// Runs a command line in the folder of servers; `PORT` in it is a free port.
    async fn start(command: &str) -> Self {
        let folder = std::env::var(FOLDER)
            .unwrap_or_else(|_| panic!("{FOLDER} must name a folder made by tests/servers/install.sh"));
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let port = address.port().to_string();
        let log = std::env::temp_dir().join(format!("landfall-real-server-{port}.log"));
        let output = File::create(&log).unwrap();
        let command = command.replace("PORT", &port);
        let mut words = command.split(' ');
        let process = Command::new(words.next().unwrap())
            .args(words)
            .current_dir(&folder)
            .env("PORT", &port)
            .env("PYTHONUNBUFFERED", "1")
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| panic!("{command} in {folder}: {error}"));
        let server = Self { process, address, log };
        for _ in 0..200 {
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                return server;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{command} does not listen: {}", server.log());
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }

    fn target(&self, path: &str) -> Target {
        Target::new(&format!("http://{}{path}", self.address)).unwrap()
    }
}

/// What a healthy server is found to be.
struct Healthy {
    command: String,
    path: String,
    name: &'static str,
    eras: &'static [Era],
    tools: usize,
    sessions: Sessions,
}

/// `command` may end with ` at PATH`, if that is not `/mcp`.
fn healthy(command: &str, name: &'static str, eras: &'static [Era], tools: usize, sessions: Sessions) -> Healthy {
    let (command, path) = command.split_once(" at ").unwrap_or((command, "/mcp"));
    Healthy { command: command.to_owned(), path: path.to_owned(), name, eras, tools, sessions }
}

const MODERN: &[Era] = &[Era::Modern];
const LEGACY: &[Era] = &[Era::Legacy];
const BOTH: &[Era] = &[Era::Modern, Era::Legacy];

#[tokio::test]
#[ignore = "needs the servers of tests/servers/install.sh"]
async fn real_servers_are_verified() {
    use Sessions::{None, Stateful};
    let everything = format!("{EVERYTHING} streamableHttp");
    let servers = [
        healthy("python-1.26/bin/python python_v1.py stateful PORT", "python-v1", LEGACY, 2, Stateful),
        healthy("python-1.30/bin/python python_v1.py stateful PORT", "python-v1", LEGACY, 2, Stateful),
        healthy("python-1.30/bin/python python_v1.py stateless PORT", "python-v1", LEGACY, 2, None),
        healthy("python-2.3/bin/python python_v2.py stateful PORT", "python-v2", BOTH, 2, Stateful),
        healthy("python-2.3/bin/python python_v2.py stateless PORT", "python-v2", BOTH, 2, None),
        healthy(&everything, "mcp-servers/everything", LEGACY, 13, Stateful),
        healthy("node node/typescript_v2.mjs dual PORT", "typescript-v2", BOTH, 2, None),
        healthy("node node/typescript_v2.mjs modern PORT", "typescript-v2", MODERN, 2, None),
        healthy("go/server PORT", "go-sdk", LEGACY, 2, Stateful),
        healthy("go/server PORT at /json", "go-sdk", LEGACY, 2, Stateful),
        healthy("go/server PORT at /stateless", "go-sdk", BOTH, 2, None),
        healthy("./echo-server --listen 127.0.0.1", "echo-server", BOTH, 2, Stateful),
    ];
    for expected in servers {
        let server = Server::start(&expected.command).await;
        let target = server.target(&expected.path).with_replicas(true);
        let report = Prober::default().probe(&target, Conversation::Full).await;
        println!("{} {}: {report}", expected.command, expected.path);
        let name = &expected.command;
        assert_eq!(report.outcome, Outcome::Verified, "{name}");
        assert!(report.complete, "{name}");
        let found = report.server.unwrap();
        assert_eq!(found.name, expected.name, "{name}");
        assert_eq!(found.eras, expected.eras, "{name}");
        assert_eq!(found.tool_count, Some(expected.tools), "{name}");
        assert_eq!(found.sessions, Some(expected.sessions), "{name}");

        let light = Conversation::Light(found.eras[0]);
        let report = Prober::default().probe(&target, light).await;
        assert_eq!(report.outcome, Outcome::Verified, "{name}");
        assert!(report.requests <= 2 && !report.complete, "{name}: {} requests", report.requests);
    }
}

#[tokio::test]
#[ignore = "needs the servers of tests/servers/install.sh"]
async fn real_servers_that_clients_cannot_use() {
    let everything = format!("{EVERYTHING} sse");
    let sse = "LegacySSEOnly";
    let host = "HostRejected";
    let servers = [
        ("python-1.30/bin/python python_v1.py sse PORT", "/mcp", sse),
        ("python-1.30/bin/python python_v1.py sse PORT", "/sse", sse),
        ("python-2.3/bin/python python_v2.py sse PORT", "/mcp", sse),
        (&everything, "/mcp", sse),
        ("go/server PORT", "/sse", sse),
        ("python-1.30/bin/python python_v1.py guarded PORT", "/mcp", host),
        ("python-2.3/bin/python python_v2.py guarded PORT", "/mcp", host),
        ("node node/typescript_v2.mjs guarded PORT", "/mcp", host),
        ("go/server PORT", "/mcp", host),
        ("./echo-server --listen 127.0.0.1 --allowed-hosts localhost", "/mcp", host),
        ("./echo-server --listen 127.0.0.1", "/elsewhere", "EndpointNotFound"),
        ("python-1.30/bin/python python_v1.py stateful PORT", "/elsewhere", "EndpointNotFound"),
    ];
    for (command, path, reason) in servers {
        let server = Server::start(command).await;
        let mut target = server.target(path);
        if reason == host {
            let url = format!("http://server.namespace.svc{path}");
            target = Target::new(&url).unwrap().with_connect(&server.address.ip().to_string(), server.address.port());
        }
        let report = Prober::default().probe(&target, Conversation::Full).await;
        println!("{command} {path}: {report}");
        assert_eq!(report.outcome.reason().as_str(), reason, "{command} {path}: {report}");
    }
}

#[tokio::test]
#[ignore = "needs the servers of tests/servers/install.sh"]
async fn real_servers_keep_no_session() {
    let everything = format!("{EVERYTHING} streamableHttp");
    let servers = [
        ("python-1.26/bin/python python_v1.py stateful PORT", "Created new transport", "Terminating session"),
        ("python-1.30/bin/python python_v1.py stateful PORT", "Created new transport", "Terminating session"),
        (&everything, "Session initialized", "Transport closed"),
    ];
    for (command, opened, closed) in servers {
        let server = Server::start(command).await;
        let target = server.target("/mcp");
        for _ in 0..100 {
            let report = Prober::default().probe(&target, Conversation::Full).await;
            assert_eq!(report.outcome, Outcome::Verified, "{command}");
        }
        let log = server.log();
        let (opened, closed) = (log.matches(opened).count(), log.matches(closed).count());
        println!("{command}: {opened} sessions opened, {closed} ended");
        assert!(opened >= 100, "{command}: {opened} sessions opened");
        assert_eq!(opened, closed, "{command}");
    }
}
