//! Questions that are asked again and again.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::Hash;

/// Answers by question.
pub struct Memo<A, B>(RefCell<HashMap<A, B>>);

impl<A: Hash + Eq, B: Clone> Memo<A, B> {
    pub fn new() -> Self {
        Self(RefCell::default())
    }

    pub fn get(&self, question: A, answer: impl FnOnce(&A) -> B) -> B {
        if let Some(known) = self.0.borrow().get(&question) {
            return known.clone();
        }
        let found = answer(&question);
        self.0.borrow_mut().insert(question, found.clone());
        found
    }
}
