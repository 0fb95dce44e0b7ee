//! Visits every state that a model can come to, breadth first, so that the first counterexample is a
//! shortest one.
//!
//! Why not `stateright`: it cannot say what is asked here. Its `eventually` does not look at cycles,
//! and a controller is one; "from each state, if from now on only the fair steps happen, all ends well
//! and stays" would be a search of its own beside it. What is left is these lines, for which it would
//! bring a web server and second versions of crates that `deny.toml` wants once.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What is explored.
pub trait Model {
    type State: Clone + Hash + Eq;
    type Action: Clone;

    fn initial(&self) -> Self::State;

    /// Everything that may happen next.
    fn actions(&self, state: &Self::State) -> Vec<Self::Action>;

    /// The state after `action`; an error is a broken promise.
    fn after(&self, state: &Self::State, action: &Self::Action) -> Result<Self::State, String>;

    /// The step that happens if nobody interferes, and whose turn it is after it; `None` where all is
    /// done.
    fn fair(&self, state: &Self::State, turn: usize) -> Option<(Self::Action, usize)>;

    /// Whether `state`, in which nothing happens any more, is as it should be.
    fn settled(&self, state: &Self::State) -> Result<(), String>;

    /// What of a state may not change any more once it is settled.
    fn outcome(&self, state: &Self::State) -> u64;

    /// An action in words.
    fn describe(&self, state: &Self::State, action: &Self::Action) -> String;
}

/// What an exploration came to.
#[derive(Debug)]
pub struct Explored {
    pub states: usize,
    pub steps: usize,
    /// The most fair steps that it took from a state to one that was known to end well.
    pub longest: usize,
    pub counterexample: Option<String>,
}

/// Two hashes of one state: a clash would hide a state, and is as likely as a broken computer.
type Print = (u64, u64);

fn print<S: Hash>(state: &S) -> Print {
    let mut one = DefaultHasher::new();
    state.hash(&mut one);
    let mut two = one.clone();
    0x9e37_79b9_u32.hash(&mut two);
    (one.finish(), two.finish())
}

/// Explores everything, or up to the first broken promise.
pub fn explore<M: Model>(model: &M) -> Explored {
    let initial = model.initial();
    let mut from: HashMap<Print, Option<(Print, M::Action)>> = HashMap::from([(print(&initial), None)]);
    let mut frontier = VecDeque::from([initial]);
    let mut convergence = Convergence { model, good: HashSet::new(), longest: 0 };
    let mut steps = 0;
    while let Some(state) = frontier.pop_front() {
        let here = print(&state);
        if let Err(broken) = convergence.check(&state) {
            let counterexample = Some(format!("{}{broken}", trace(model, &from, here)));
            return Explored { states: from.len(), steps, longest: convergence.longest, counterexample };
        }
        for action in model.actions(&state) {
            steps += 1;
            match model.after(&state, &action) {
                Ok(next) => {
                    if let Entry::Vacant(new) = from.entry(print(&next)) {
                        new.insert(Some((here, action)));
                        frontier.push_back(next);
                    }
                }
                Err(broken) => {
                    let last = model.describe(&state, &action);
                    let counterexample = Some(format!("{}  {last}\n  => {broken}", trace(model, &from, here)));
                    return Explored { states: from.len(), steps, longest: convergence.longest, counterexample };
                }
            }
        }
    }
    Explored { states: from.len(), steps, longest: convergence.longest, counterexample: None }
}

/// The way to a state, one line a step.
fn trace<M: Model>(model: &M, from: &HashMap<Print, Option<(Print, M::Action)>>, to: Print) -> String {
    let mut actions = Vec::new();
    let mut at = to;
    while let Some(Some((before, action))) = from.get(&at) {
        actions.push(action.clone());
        at = *before;
    }
    let (mut text, mut state) = (String::new(), model.initial());
    for action in actions.iter().rev() {
        let _ = writeln!(text, "  {}", model.describe(&state, action));
        match model.after(&state, action) {
            Ok(next) => state = next,
            Err(broken) => return format!("{text}  => {broken}\n"),
        }
    }
    text
}

/// From each state, the fair steps lead to an end that is as it should be, and nothing is written there.
struct Convergence<'a, M: Model> {
    model: &'a M,
    /// States, with whose turn it is, from which this is known.
    good: HashSet<(Print, usize)>,
    longest: usize,
}

impl<M: Model> Convergence<'_, M> {
    fn check(&mut self, start: &M::State) -> Result<(), String> {
        let (mut state, mut turn) = (start.clone(), 0);
        let mut seen: HashMap<(Print, usize), usize> = HashMap::new();
        let mut outcomes = Vec::new();
        let mut words = String::new();
        let fail = |words: &str, why: String| format!("  -- from here, nobody interferes:\n{words}  => {why}");
        loop {
            let place = (print(&state), turn);
            if self.good.contains(&place) {
                break;
            }
            if let Some(began) = seen.insert(place, outcomes.len()) {
                // Around in a circle: somebody is asked again and again, and answers the same.
                if outcomes[began..].iter().any(|it| *it != self.model.outcome(&state)) {
                    return Err(fail(&words, "this goes on for ever: writes without end".into()));
                }
                self.model.settled(&state).map_err(|why| fail(&words, why))?;
                break;
            }
            outcomes.push(self.model.outcome(&state));
            let Some((action, next)) = self.model.fair(&state, turn) else {
                self.model.settled(&state).map_err(|why| fail(&words, why))?;
                break;
            };
            let _ = writeln!(words, "  {}", self.model.describe(&state, &action));
            state = self.model.after(&state, &action).map_err(|why| fail(&words, why))?;
            turn = next;
        }
        self.longest = self.longest.max(seen.len());
        self.good.extend(seen.into_keys());
        Ok(())
    }
}
