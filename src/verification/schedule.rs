//! Who is asked next: every server in its turn, and no more at a time than there are places. Pure.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

use super::ask::Answer;
use super::course::{Course, Lane};
use super::subject::{Door, Subject};
use super::verdict::Verdict;
use crate::probe::Conversation;

/// Of all places, one in so many is for servers that let one wait.
const SLOW_SHARE: usize = 4;

/// A conversation to hold.
#[derive(Clone, Debug)]
pub struct Job {
    pub(super) subject: Arc<Subject>,
    pub(super) conversation: Conversation,
    pub(super) lane: Lane,
    /// Its pods are so new that not everybody may know of them.
    pub(super) is_new: bool,
    key: Key,
    ticket: u64,
}

/// A server by its uid, and where it is called.
type Key = (String, Door);

#[cfg(test)]
impl Job {
    /// A job that no schedule knows.
    pub(super) fn for_test(subject: Subject) -> Self {
        let (conversation, lane) = (Conversation::Full, Lane::Prompt);
        let key = (String::new(), subject.door);
        Self { subject: Arc::new(subject), conversation, lane, is_new: false, key, ticket: 0 }
    }
}

/// What is to be asked of whom, and when.
pub(super) struct Schedule {
    courses: HashMap<Key, Course>,
    /// The conversations under way, by ticket. That of a server which was forgotten has a place, too.
    running: HashMap<u64, Lane>,
    places: usize,
    last_ticket: u64,
}

impl Schedule {
    pub(super) fn new(places: u16) -> Self {
        Self { courses: HashMap::new(), running: HashMap::new(), places: places.into(), last_ticket: 0 }
    }

    /// Notes what is to be verified. Gives what is known, and whether something is due at once.
    pub(super) fn want(&mut self, uid: &str, subject: Subject, now: Instant) -> (Option<Arc<Verdict>>, bool) {
        // Which pods have gone, the course at the Service knows also where the way in is new.
        let service = (subject.door == Door::Front).then(|| (uid.to_owned(), Door::Service));
        let pods_settle = service.and_then(|it| self.courses.get(&it)).map(Course::settled_from);
        let key = (uid.to_owned(), subject.door);
        let (course, is_due) = match self.courses.entry(key) {
            Entry::Vacant(entry) => (entry.insert(Course::new(subject, now)), true),
            Entry::Occupied(entry) => {
                let course = entry.into_mut();
                let is_due = course.want(subject, now);
                (course, is_due)
            }
        };
        if let Some(time) = pods_settle {
            course.settle_from(time);
        }
        (course.verdict.clone(), is_due)
    }

    pub(super) fn forget(&mut self, uid: &str) {
        for door in [Door::Service, Door::Front] {
            self.courses.remove(&(uid.to_owned(), door));
        }
    }

    /// Notes that there is nothing to verify for now.
    pub(super) fn rest(&mut self, uid: &str, door: Door) {
        if let Some(course) = self.courses.get_mut(&(uid.to_owned(), door)) {
            course.rest();
        }
    }

    /// The conversations to begin now, and when to ask for more unless one ends before.
    pub(super) fn start(&mut self, now: Instant) -> (Vec<Job>, Option<Instant>) {
        let mut jobs = Vec::new();
        let mut next = None;
        for lane in [Lane::Prompt, Lane::Slow] {
            let running = self.running.values().filter(|it| **it == lane).count();
            let free = self.places_of(lane).saturating_sub(running);
            let mut waiting: Vec<_> = self
                .courses
                .iter_mut()
                .filter(|(_, it)| it.lane == lane && it.ticket.is_none() && !it.is_resting)
                .collect();
            waiting.sort_by_key(|(_, it)| (it.due > now, !it.is_in_doubt(), it.due));
            let due = waiting.iter().take_while(|(_, it)| it.due <= now).count();
            if due < free {
                next = waiting.get(due).map(|(_, it)| it.due).into_iter().chain(next).min();
            }
            for (key, course) in waiting.into_iter().take(due.min(free)) {
                self.last_ticket += 1;
                course.ticket = Some(self.last_ticket);
                self.running.insert(self.last_ticket, lane);
                jobs.push(Job {
                    subject: Arc::clone(&course.subject),
                    conversation: course.conversation(),
                    lane,
                    is_new: course.is_new(now),
                    key: key.clone(),
                    ticket: self.last_ticket,
                });
            }
        }
        (jobs, next)
    }

    /// Takes in how a conversation ended; says whether that is news. One that was about something
    /// else than what is to be verified by now counts for nothing.
    pub(super) fn ended(&mut self, job: &Job, answer: Answer, took: Duration, now: Instant) -> bool {
        self.running.remove(&job.ticket);
        let Some(course) = self.courses.get_mut(&job.key).filter(|it| it.ticket == Some(job.ticket)) else {
            return false;
        };
        course.ticket = None;
        course.ended(answer, took, now)
    }

    fn places_of(&self, lane: Lane) -> usize {
        let slow = (self.places / SLOW_SHARE).max(1);
        match lane {
            Lane::Slow => slow,
            Lane::Prompt => self.places.saturating_sub(slow).max(1),
        }
    }
}
