//! The way from an operator to the API server: plain HTTP on loopback towards the operator, TLS as
//! the operator's user towards the API server. It sees every request and every event of a watch, and
//! does to them what the plan of the run says.

use anyhow::{Context, Result};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, TRANSFER_ENCODING};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use kube::Client;
use serde_json::Value;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::call::{Call, Verb};
use super::plan::{Crash, Fault, On, Plan, When};
use super::{answers, past, watching};

pub type Body = UnsyncBoxBody<Bytes, BoxError>;
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A write that was under way when its process died reaches the API server so much later.
const LATE: Duration = Duration::from_millis(1500);

/// The way to the API server of one run.
pub struct Gate {
    upstream: Client,
    plan: Plan,
    url: String,
    state: Mutex<State>,
    /// Wakes whoever waits for the state to change.
    turned: watch::Sender<()>,
}

/// A gate that lets nobody in any more when this is dropped.
pub struct OpenGate(Arc<Gate>, JoinHandle<()>);

struct State {
    began: Instant,
    journal: Vec<String>,
    reads: u32,
    watches: u32,
    writes: u32,
    /// The crash to come, with the number of writes at which its counting began.
    armed: Option<(Crash, u32)>,
    /// The process is about to die: nothing that it still asks for comes through.
    is_dying: bool,
    /// Now is the moment.
    is_due: bool,
    /// How many writes of dead processes are still under way.
    late: u32,
    view: View,
    /// Counts how often the past was lost.
    lapses: u32,
    /// The cluster's resource version after each write that took effect.
    versions: Vec<u64>,
}

/// What the operator can see of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum View {
    Present,
    /// All of it is as it was at this resource version.
    Past(u64),
    /// Lists and watches of these resources (of all, if there are none) show nothing for now.
    Without(&'static [&'static str]),
}

impl View {
    fn hides(&self, resource: &str) -> bool {
        match self {
            Self::Present => false,
            Self::Past(_) => true,
            Self::Without(resources) => resources.is_empty() || resources.contains(&resource),
        }
    }
}

/// What becomes of a request.
enum Turn {
    Passes,
    Fails(Fault),
    /// It is the one at which the process dies.
    Kills(When),
    /// Its process is dead already.
    Ignored,
}

impl Gate {
    /// Opens a way to the API server, as the user of `upstream`.
    pub async fn open(upstream: Client, plan: Plan) -> Result<OpenGate> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let state = State {
            began: Instant::now(),
            journal: Vec::new(),
            reads: 0,
            watches: 0,
            writes: 0,
            armed: None,
            is_dying: false,
            is_due: false,
            late: 0,
            view: View::Present,
            lapses: 0,
            versions: Vec::new(),
        };
        let gate = Arc::new(Self {
            upstream,
            plan,
            url: format!("http://{}", listener.local_addr()?),
            state: Mutex::new(state),
            turned: watch::channel(()).0,
        });
        let accepting = tokio::spawn(serve(listener, Arc::clone(&gate)));
        Ok(OpenGate(gate, accepting))
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many writes were asked for.
    pub fn writes(&self) -> u32 {
        self.state().writes
    }

    /// How many requests of any kind there were.
    pub fn requests(&self) -> u32 {
        let state = self.state();
        state.reads + state.watches + state.writes
    }

    /// The resource versions after each write so far.
    pub fn versions(&self) -> Vec<u64> {
        self.state().versions.clone()
    }

    /// From now on, writes count towards the crash.
    pub fn arm(&self, crash: Crash) {
        let mut state = self.state();
        state.armed = Some((crash, state.writes));
    }

    /// Whether the crash is yet to come.
    pub fn is_armed(&self) -> bool {
        self.state().armed.is_some()
    }

    /// Waits until the process shall die.
    pub async fn crash(&self) {
        self.until(|state| state.is_due).await;
    }

    /// Waits until nothing of a dead process is under way any more.
    pub async fn landed(&self) {
        self.until(|state| state.late == 0).await;
    }

    /// The process is dead, the next one may come.
    pub fn revive(&self) {
        self.change(|state| (state.is_dying, state.is_due) = (false, false));
    }

    /// What can be seen from now on.
    pub fn show(&self, view: View) {
        self.note(&format!("the view: {view:?}"));
        self.change(|state| state.view = view);
    }

    /// Shows the present again; whoever watched before has to list anew, since what happened in between
    /// is gone.
    pub fn show_without_past(&self) {
        self.note("the view: Present, and what was in between is gone");
        self.change(|state| {
            state.view = View::Present;
            state.lapses += 1;
        });
    }

    /// Writes a line into the story of the run.
    pub fn note(&self, line: &str) {
        let mut state = self.state();
        let line = format!("{:8.3} {line}", state.began.elapsed().as_secs_f64());
        state.journal.push(line);
    }

    /// The story of the run.
    pub fn journal(&self) -> Vec<String> {
        self.state().journal.clone()
    }

    /// Waits until nothing of a resource is hidden.
    pub(super) async fn until_shown(&self, resource: &str) {
        self.until(|state| !state.view.hides(resource)).await;
    }

    pub(super) fn lapses(&self) -> u32 {
        self.state().lapses
    }

    async fn until(&self, holds: impl Fn(&State) -> bool) {
        let mut turned = self.turned.subscribe();
        // The sender lives as long as `self`.
        let _ = turned.wait_for(|()| holds(&self.state())).await;
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.turned.send_replace(());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request, and decides on it.
    fn turn(&self, call: &Call) -> Turn {
        let mut state = self.state();
        if state.is_dying {
            return Turn::Ignored;
        }
        let (on, number) = if call.is_write() {
            state.writes += 1;
            (On::Write, state.writes)
        } else if call.verb == Verb::Watch {
            state.watches += 1;
            (On::Watch, state.watches)
        } else {
            state.reads += 1;
            (On::Read, state.reads)
        };
        if let Some((crash, before)) = state.armed
            && on == On::Write
            && number == before + crash.write
        {
            state.armed = None;
            state.is_dying = true;
            return Turn::Kills(crash.when);
        }
        self.plan.fault(on, number).map_or(Turn::Passes, Turn::Fails)
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Body>, BoxError> {
        let (head, body) = request.into_parts();
        let call = Call::of(&head.method, &head.uri);
        let asked = Asked {
            method: head.method,
            uri: head.uri,
            headers: head.headers,
            body: body.collect().await?.to_bytes(),
            call,
        };
        match self.turn(&asked.call) {
            Turn::Passes => self.pass(asked).await,
            Turn::Fails(fault) => {
                self.note(&format!("{}: {fault:?}", asked.call));
                self.fail(asked, fault).await
            }
            Turn::Kills(when) => self.kill(asked, when).await,
            Turn::Ignored => std::future::pending().await,
        }
    }

    async fn kill(self: Arc<Self>, asked: Asked, when: When) -> Result<Response<Body>, BoxError> {
        self.note(&format!("{}: the process dies, {when}", asked.call));
        // It goes on even if nobody waits for the answer any more.
        tokio::spawn(async move {
            match when {
                When::Before => self.change(|state| state.is_due = true),
                When::After => {
                    drop(Arc::clone(&self).pass(asked).await);
                    self.change(|state| state.is_due = true);
                }
                When::Late => {
                    self.change(|state| (state.is_due, state.late) = (true, state.late + 1));
                    tokio::time::sleep(LATE).await;
                    drop(Arc::clone(&self).pass(asked).await);
                    self.change(|state| state.late -= 1);
                }
            }
        });
        std::future::pending().await
    }

    async fn fail(self: Arc<Self>, asked: Asked, fault: Fault) -> Result<Response<Body>, BoxError> {
        match fault {
            Fault::Slow(time) => {
                tokio::time::sleep(time).await;
                self.pass(asked).await
            }
            Fault::Refused(code) => Ok(answers::failure(code)),
            Fault::Unsent => Err("the connection ends".into()),
            Fault::Unanswered => {
                self.pass(asked).await?;
                Err("the connection ends".into())
            }
            Fault::HalfAnswered => answers::half(self.pass(asked).await?).await,
            Fault::Denied(code) => {
                self.pass(asked).await?;
                Ok(answers::failure(code))
            }
            Fault::Hung => {
                self.pass(asked).await?;
                std::future::pending().await
            }
            Fault::GoneAtOnce => Ok(answers::failure(410)),
            Fault::Ends(_) | Fault::Breaks(_) | Fault::Gone(_) | Fault::Silent(_) => {
                let resource = asked.call.resource.clone();
                let answer = Arc::clone(&self).ask(asked).await?;
                Ok(answer.map(|body| watching::shown(body, self, resource, Some(fault))))
            }
        }
    }

    /// The API server's own answer.
    async fn pass(self: Arc<Self>, mut asked: Asked) -> Result<Response<Body>, BoxError> {
        let call = asked.call.clone();
        if call.verb == Verb::Watch {
            let answer = Arc::clone(&self).ask(asked).await?;
            return Ok(answer.map(|body| watching::shown(body, self, call.resource, None)));
        }
        let mut is_of_the_past = false;
        if matches!(call.verb, Verb::List | Verb::Get) && !call.resource.is_empty() {
            is_of_the_past = self.look_back(&mut asked).await?;
        }
        let answer = Arc::clone(&self).ask(asked).await?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        if call.is_write() {
            self.took_effect(&call, head.status, &body);
        }
        if is_of_the_past && call.verb == Verb::Get {
            return past::only_item(&body);
        }
        Ok(Response::from_parts(head, answers::whole(body)))
    }

    /// Turns a read into one of the past, if that is what can be seen.
    async fn look_back(&self, asked: &mut Asked) -> Result<bool, BoxError> {
        let view = self.state().view.clone();
        match view {
            View::Present => {}
            View::Past(version) => {
                asked.uri = past::uri(&asked.uri, &asked.call, version)?;
                if asked.call.verb == Verb::Get {
                    past::accept_list(&mut asked.headers);
                }
                return Ok(true);
            }
            View::Without(_) => self.until_shown(&asked.call.resource).await,
        }
        Ok(false)
    }

    /// Asks the API server. The request goes on even if nobody waits for the answer any more.
    async fn ask(self: Arc<Self>, asked: Asked) -> Result<Response<Body>, BoxError> {
        let mut request = Request::builder().method(asked.method).uri(asked.uri);
        for name in [ACCEPT, CONTENT_TYPE] {
            if let Some(value) = asked.headers.get(&name) {
                request = request.header(name, value);
            }
        }
        let request = request.body(kube::client::Body::from(asked.body))?;
        let mut answer = tokio::spawn(async move { self.upstream.send(request).await }).await??;
        // How it comes is this connection's own business.
        for name in [CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION] {
            answer.headers_mut().remove(name);
        }
        Ok(answer.map(|body| body.map_err(BoxError::from).boxed_unsync()))
    }

    fn took_effect(&self, call: &Call, status: StatusCode, body: &[u8]) {
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        let about = if status.is_success() { "" } else { answer["message"].as_str().unwrap_or_default() };
        self.note(&format!("{call}: {} {about}", status.as_u16()));
        let version = answer["metadata"]["resourceVersion"].as_str().and_then(|it| it.parse::<u64>().ok());
        self.state().versions.extend(version);
    }
}

/// A request as it came.
struct Asked {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
    call: Call,
}

impl Deref for OpenGate {
    type Target = Arc<Gate>;

    fn deref(&self) -> &Arc<Gate> {
        &self.0
    }
}

impl Drop for OpenGate {
    fn drop(&mut self) {
        self.1.abort();
    }
}

async fn serve(listener: TcpListener, gate: Arc<Gate>) {
    while let Ok((stream, _)) = listener.accept().await {
        let gate = Arc::clone(&gate);
        let service = service_fn(move |request| Arc::clone(&gate).answer(request));
        let http = hyper::server::conn::http1::Builder::new();
        tokio::spawn(async move {
            // That it broke is what it is for.
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// A client of the API server that asks as often as it is told to, and no more.
pub async fn upstream(kubeconfig: &std::path::Path) -> Result<Client> {
    use kube::config::{KubeConfigOptions, Kubeconfig};
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    config.default_retry = false;
    Client::try_from(config).context("a client of the API server")
}
