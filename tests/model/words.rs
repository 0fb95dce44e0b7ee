//! Steps in words, for whoever reads a counterexample.

use crate::cluster::{Action, Cluster};
use crate::lab::{News, Request};
use crate::state::{Answer, State};

impl Cluster {
    pub fn in_words(&self, state: &State, action: &Action) -> String {
        let of = |server: &usize| format!("\"{}\"", self.lab.servers[*server].0);
        let pass = |server: &usize| state.passes[*server].as_ref();
        match action {
            Action::Create(server, spec) => format!("user creates {} with spec {spec}", of(server)),
            Action::Edit(server, spec) => format!("user gives {} spec {spec}", of(server)),
            Action::End(server) => format!("user deletes {}", of(server)),
            Action::Meddle(slot, way) => format!("somebody else: {way:?} {}", self.name(*slot)),
            Action::Crash { is_stale: true } => "operator dies and starts anew with an old list".into(),
            Action::Crash { is_stale: false } => "operator dies and starts anew".into(),
            Action::Begin(server) => format!("operator begins a pass over {}", of(server)),
            Action::Execute(server) => pass(server).map_or_else(String::new, |it| {
                format!("API server is asked for {}: {} {}", of(server), verb(&it.request), self.name(it.slot))
            }),
            Action::Answered(server) => pass(server).map_or_else(String::new, |it| {
                let answer = it.answer.as_ref().map_or("", said);
                format!("operator hears: {} {}: {answer}", verb(&it.request), self.name(it.slot))
            }),
            Action::Show => state.news.first().map_or_else(String::new, |(slot, news)| {
                let what = if matches!(news, News::Gone(_)) { "is gone" } else { "is so" };
                format!("watch shows that {} {what}", self.name(*slot))
            }),
            Action::ShowServer => state.server_news.first().map_or_else(String::new, |(server, shown)| {
                let what = if shown.is_some() { "is so" } else { "is gone" };
                format!("watch shows that {} {what}", of(&usize::from(*server)))
            }),
            Action::Collect(slot) => format!("garbage collector removes {}", self.name(*slot)),
            Action::Ready(slot) => format!("{} becomes ready", self.name(*slot)),
        }
    }
}

fn verb(request: &Request) -> &'static str {
    match request {
        Request::Apply { .. } => "apply",
        Request::Read => "read",
        Request::AskForServer => "before it takes back, is the server there:",
        Request::Create { .. } => "create",
        Request::Delete { .. } => "delete",
    }
}

fn said(answer: &Answer) -> &'static str {
    match answer {
        Answer::Written(_) => "written",
        Answer::Conflict => "conflict",
        Answer::Found(Some(_)) => "found",
        Answer::Found(None) => "not there",
        Answer::ServerStays(true) => "yes",
        Answer::ServerStays(false) => "no",
        Answer::Created => "created",
        Answer::Exists { .. } => "exists",
        Answer::Deleted => "deleted",
    }
}
