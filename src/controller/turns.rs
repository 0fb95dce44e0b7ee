//! Whose turn it is, when more servers wait than there are workers.
//!
//! The queue of `kube::runtime` is a set: who waits there is picked at random, so that in a wave of a thousand
//! new servers one of them may well come last, and a server that is almost ready behind most of them. Here
//! they stand in two lines, each in order. Newcomers, of which nothing exists yet, get most of the workers,
//! since their pods take longest to come up. A share is kept for all others: who was made a moment ago, and
//! the server that somebody edits in the midst of it.
//!
//! The queue of `kube::runtime` still sees to it that a server is in one pass at a time, and is called again
//! when it has to be. A pass that gets no turn ends at once; when it is the server's turn, it is called, and
//! until then whatever is new of it calls for no other pass: that one will see it.

use futures::Stream;
use futures::channel::mpsc;
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::scope::ServerRef;

/// For so many turns of newcomers, where both lines wait...
const NEWCOMERS: usize = 5;

/// ... there are so many of the others.
const KNOWN: usize = 3;

/// Whose turn it is.
pub(super) struct Turns {
    state: Mutex<State>,
    calls: mpsc::UnboundedSender<ServerRef>,
}

/// Which line a server stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// For those of which nothing exists yet.
    Newcomers,
    /// For all others.
    Known,
}

/// A worker; given to who waits when dropped.
pub(super) struct Turn(Arc<Turns>);

struct State {
    /// Workers with nothing to do. If there is one, nobody waits.
    free: usize,
    /// Grows with each turn of a newcomer, and is used up by those of the others.
    credit: usize,
    newcomers: VecDeque<ServerRef>,
    known: VecDeque<ServerRef>,
    /// All who stand in a line.
    waiting: HashSet<ServerRef>,
    /// Those whose turn has come, until they take it.
    called: HashSet<ServerRef>,
}

impl Turns {
    /// Turns at so many workers, and whom to call.
    pub(super) fn new(workers: u16) -> (Arc<Self>, impl Stream<Item = ServerRef> + Send + 'static) {
        let state = State {
            free: workers.into(),
            credit: 0,
            newcomers: VecDeque::new(),
            known: VecDeque::new(),
            waiting: HashSet::new(),
            called: HashSet::new(),
        };
        let (calls, called) = mpsc::unbounded();
        (Arc::new(Self { state: Mutex::new(state), calls }), called)
    }

    /// A turn, if it is this server's, or else a place in a line, unless it has one already.
    pub(super) fn take(self: &Arc<Self>, server: ServerRef, line: Line) -> Option<Turn> {
        let mut state = self.state();
        if !state.called.remove(&server) {
            if state.free == 0 {
                if state.waiting.insert(server.clone()) {
                    state.line(line).push_back(server);
                }
                return None;
            }
            state.free -= 1;
        }
        drop(state);
        Some(Turn(Arc::clone(self)))
    }

    /// Whether a server stands in a line: the pass for which it will be called sees all that is known by then.
    pub(super) fn awaits(&self, server: &ServerRef) -> bool {
        self.state().waiting.contains(server)
    }

    /// Lets a server that is gone miss its turn.
    pub(super) fn miss(&self, server: &ServerRef) {
        let was_called = self.state().called.remove(server);
        if was_called {
            self.end();
        }
    }

    fn end(&self) {
        let mut state = self.state();
        let Some(server) = state.next() else {
            state.free += 1;
            return;
        };
        state.waiting.remove(&server);
        state.called.insert(server.clone());
        // Nobody is called any more when the process stops.
        let _ = self.calls.unbounded_send(server);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next(&mut self) -> Option<ServerRef> {
        if self.known.is_empty() {
            return self.newcomers.pop_front();
        }
        if self.newcomers.is_empty() {
            return self.known.pop_front();
        }
        if let Some(left) = self.credit.checked_sub(NEWCOMERS) {
            self.credit = left;
            return self.known.pop_front();
        }
        self.credit += KNOWN;
        self.newcomers.pop_front()
    }

    fn line(&mut self, line: Line) -> &mut VecDeque<ServerRef> {
        match line {
            Line::Newcomers => &mut self.newcomers,
            Line::Known => &mut self.known,
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use super::Line::{Known, Newcomers};
    use super::*;
    use futures::StreamExt;

    fn server(name: &str) -> ServerRef {
        ServerRef::new(name).within("team")
    }

    fn calls(called: &mut (impl Stream<Item = ServerRef> + Unpin)) -> Vec<String> {
        std::iter::from_fn(|| futures::FutureExt::now_or_never(called.next())?).map(|it| it.name).collect()
    }

    #[test]
    fn with_a_free_worker_nobody_waits() {
        let (turns, mut called) = Turns::new(2);
        let both = [turns.take(server("a"), Known), turns.take(server("b"), Newcomers)];
        assert!(both.iter().all(Option::is_some) && turns.take(server("c"), Known).is_none());
        drop(both);
        assert_eq!(calls(&mut called), ["c"]);
        assert!(turns.take(server("d"), Known).is_some(), "the other worker is free");
    }

    #[test]
    fn who_waits_is_called_once_and_in_order() {
        let (turns, mut called) = Turns::new(1);
        let mut turn = turns.take(server("first"), Newcomers);
        for name in ["a", "b", "a", "c"] {
            assert!(turns.take(server(name), Newcomers).is_none());
            assert!(turns.awaits(&server(name)));
        }
        let mut order = Vec::new();
        while turn.take().is_some() {
            let next = calls(&mut called);
            assert!(next.iter().all(|it| !turns.awaits(&server(it))), "what comes now may come too late for this pass");
            turn = next.first().and_then(|it| turns.take(server(it), Newcomers));
            order.extend(next);
        }
        assert_eq!(order, ["a", "b", "c"]);
    }

    #[test]
    fn newcomers_come_first_more_often_and_hold_up_nobody() {
        let (turns, mut called) = Turns::new(7);
        let busy: Vec<_> = (0..7).filter_map(|it| turns.take(server(&format!("busy-{it}")), Newcomers)).collect();
        for it in 0..4 {
            assert!(turns.take(server(&format!("known-{it}")), Known).is_none());
            assert!(turns.take(server(&format!("new-{it}")), Newcomers).is_none());
        }
        drop(busy);
        assert_eq!(calls(&mut called), ["new-0", "new-1", "known-0", "new-2", "new-3", "known-1", "known-2"]);
        drop(turns.take(server("new-0"), Known));
        assert_eq!(calls(&mut called), ["known-3"], "where one line is empty, the other has all turns");
    }

    #[test]
    fn a_server_that_is_gone_holds_up_nobody() {
        let (turns, mut called) = Turns::new(1);
        let turn = turns.take(server("first"), Known);
        assert!(turns.take(server("gone"), Known).is_none() && turns.take(server("last"), Known).is_none());
        drop(turn);
        assert_eq!(calls(&mut called), ["gone"]);
        turns.miss(&server("gone"));
        turns.miss(&server("gone"));
        assert_eq!(calls(&mut called), ["last"]);
    }
}
