//! One moment of everything: what the API server has, what is under way, what the operator knows.

use crate::lab::{Id, Lab, News, Request, Seen, Shown, Slot};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    // The API server's.
    pub servers: Vec<Option<Shown>>,
    pub store: Vec<Option<Stored>>,
    /// The last uid that was given in each place, and to each name of a server.
    pub uids: Vec<u8>,
    pub server_uids: Vec<u8>,
    /// Data on volumes, by the claim, and the uid of the Secret whose password opens it.
    pub data: Vec<(Slot, u8, u8)>,
    // What watches have yet to show, in order.
    pub news: Vec<(Slot, News)>,
    pub server_news: Vec<(u8, Option<Shown>)>,
    // The operator's.
    pub view: Vec<Option<Shown>>,
    /// Whether a pass has begun of which the watch was to say that the server is another by now.
    pub is_late: Vec<bool>,
    pub cache: Vec<Option<Seen>>,
    /// What the watch last showed to be gone or no longer the operator's, while an answer may be under
    /// way that is older.
    pub gone: Vec<Option<Seen>>,
    pub made: Vec<Id>,
    pub passes: Vec<Option<Pass>>,
    // What may still happen.
    pub left: Left,
    /// Whether others have taken away a password, which nobody can give back.
    pub is_password_lost: bool,
}

/// How much may still happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Left {
    pub users: u8,
    pub others: u8,
    pub crashes: u8,
}

/// An object that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stored {
    pub seen: Seen,
    /// What the operator last applied, whose fields it owns.
    pub applied: Option<Id>,
    /// The server that the operator made it for; `None` for what is somebody else's.
    pub maker: Option<u8>,
}

/// A pass over one server that waits for an answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pass {
    pub shown: Shown,
    /// The workloads that there were when it began, ready or not.
    pub workloads: Vec<(Slot, bool)>,
    pub at: At,
    pub slot: Slot,
    pub live: Option<Seen>,
    pub server_stays: bool,
    pub request: Request,
    /// `None` while the request is on its way.
    pub answer: Option<Answer>,
}

/// How far a pass is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum At {
    Wish(u8),
    /// Removing what is superfluous: of this kind, of which these are left.
    Prune(u8, Vec<(Slot, Request)>),
}

/// What the API server said.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    Written(Seen),
    Conflict,
    Found(Option<Seen>),
    ServerStays(bool),
    Created,
    /// And whether garbage collection was to remove what exists.
    Exists {
        is_garbage: bool,
    },
    Deleted,
}

impl State {
    /// An empty cluster with an idle operator.
    pub fn new(lab: &Lab, left: Left) -> Self {
        let (slots, servers) = (lab.slots(), lab.servers.len());
        Self {
            servers: vec![None; servers],
            store: vec![None; slots],
            uids: vec![0; slots],
            server_uids: vec![0; servers],
            data: Vec::new(),
            news: Vec::new(),
            server_news: Vec::new(),
            view: vec![None; servers],
            is_late: vec![false; servers],
            cache: vec![None; slots],
            gone: vec![None; slots],
            made: Vec::new(),
            passes: vec![None; servers],
            left,
            is_password_lost: false,
        }
    }

    /// Every mention of an object's state.
    fn mentions(&mut self) -> Vec<(Slot, &mut Seen)> {
        let mut all: Vec<(Slot, &mut Seen)> = Vec::with_capacity(32);
        all.extend((0..).zip(&mut self.store).filter_map(|(slot, it)| Some((slot, &mut it.as_mut()?.seen))));
        all.extend((0..).zip(&mut self.cache).filter_map(|(slot, it)| Some((slot, it.as_mut()?))));
        all.extend((0..).zip(&mut self.gone).filter_map(|(slot, it)| Some((slot, it.as_mut()?))));
        all.extend(self.news.iter_mut().map(|(slot, News::Shown(it) | News::Gone(it) | News::Wrote(it))| (*slot, it)));
        for pass in self.passes.iter_mut().flatten() {
            all.extend(pass.live.as_mut().map(|it| (pass.slot, it)));
            if let Some(Answer::Written(it) | Answer::Found(Some(it))) = &mut pass.answer {
                all.push((pass.slot, it));
            }
        }
        all
    }

    /// Version and moment of what is written now.
    pub fn now(&mut self, slot: Slot) -> (u8, u8) {
        let mentions = self.mentions();
        let version = mentions.iter().filter(|it| it.0 == slot).map(|it| it.1.version).max();
        let born = mentions.iter().map(|it| it.1.born).max();
        (version.map_or(0, |it| it + 1), born.map_or(0, |it| it + 1))
    }

    /// Two moments that nobody can tell apart become the same.
    pub fn settle(&mut self, lab: &Lab) {
        self.drop_old_news();
        let awaited: Vec<Slot> = self.passes.iter().flatten().map(|it| it.slot).collect();
        for (slot, gone) in (0..).zip(&mut self.gone) {
            if !awaited.contains(&slot) {
                *gone = None;
            }
        }
        self.made.sort_unstable();
        self.data.sort_unstable();
        // A version that stands in a request cannot be renamed.
        let fixed: Vec<Slot> =
            self.passes.iter().flatten().filter(|it| lab.has_version(&it.request)).map(|it| it.slot).collect();
        let mut mentions = self.mentions();
        let mut versions: Vec<_> = mentions.iter().map(|it| (it.0, it.1.version)).collect();
        versions.sort_unstable();
        versions.dedup();
        let mut moments: Vec<_> = mentions.iter().map(|it| it.1.born).collect();
        moments.sort_unstable();
        moments.dedup();
        for (slot, seen) in &mut mentions {
            if !fixed.contains(slot) {
                let first = versions.partition_point(|it| it.0 < *slot);
                let rank = versions[first..].iter().position(|it| *it == (*slot, seen.version));
                seen.version = crate::lab::byte(rank.unwrap_or_default());
            }
            let rank = moments.iter().position(|it| *it == seen.born);
            seen.born = crate::lab::byte(rank.unwrap_or_default());
        }
    }

    /// What the operator wrote itself it knows before it is shown.
    fn drop_old_news(&mut self) {
        while let Some((slot, News::Shown(seen))) = self.news.first() {
            if self.cache[usize::from(*slot)].is_none_or(|it| it.version < seen.version) {
                break;
            }
            self.news.remove(0);
        }
    }
}
