//! The portals of one connection: which statement each executes, and those that wait to be continued.
//!
//! Every Bind makes a new binding with a number of its own, so that an answer in flight finds the
//! binding that it is about though the portal's name means another one by then.

use std::rc::Rc;

use poolwatch_ebpf::wire::UNNAMED;

use crate::{
    event::{HashMap, Query, Time},
    postgres::sql::Script,
};

/// Named portals of one connection at once; of further ones the statement is not known.
const PORTALS: usize = 256;
/// Suspended portals of one connection at once; further ones end with their suspension.
const SUSPENDED: usize = 256;

/// What a portal was bound to.
#[derive(Clone, Debug)]
pub struct Binding {
    /// Its number.
    pub number: u32,
    /// Its statement's text.
    pub text: Option<Rc<Script>>,
    /// Its statement has ended.
    finished: bool,
}

/// A statement that was answered by `PortalSuspended`.
#[derive(Clone, Debug, Default)]
pub struct Suspended {
    /// Its query.
    pub query: Option<Rc<Query>>,
    /// How long it took so far; `None` when a start was not seen.
    pub took: Option<Time>,
    /// Rows so far.
    pub rows: u64,
    /// How many times it was continued.
    pub resumed: u32,
}

/// Portals and suspended statements.
#[derive(Debug, Default)]
pub struct Portals {
    unnamed: Option<Binding>,
    named: HashMap<u64, Binding>,
    suspended: HashMap<u32, Suspended>,
    bindings: u32,
}

impl Portals {
    /// A portal is bound; what it was bound to before, if that waits to be continued, is over.
    pub fn bind(&mut self, portal: u64, text: Option<Rc<Script>>) -> (Binding, Option<Suspended>) {
        self.bindings = self.bindings.wrapping_add(1);
        let binding = Binding { number: self.bindings, text, finished: false };
        let before = if portal == UNNAMED {
            self.unnamed.replace(binding.clone())
        } else if self.named.len() < PORTALS || self.named.contains_key(&portal) {
            self.named.insert(portal, binding.clone())
        } else {
            None
        };
        (binding, before.and_then(|before| self.suspended.remove(&before.number)))
    }

    /// What a portal is bound to; a portal that is not known gets a binding to an unknown statement.
    pub fn binding(&mut self, portal: u64) -> Binding {
        let known = if portal == UNNAMED { self.unnamed.as_ref() } else { self.named.get(&portal) };
        match known {
            Some(binding) => binding.clone(),
            None => self.bind(portal, None).0,
        }
    }

    /// What the unnamed portal is bound to is not known any more.
    pub fn forget_unnamed(&mut self) {
        self.unnamed = None;
    }

    /// A portal is closed.
    pub fn close(&mut self, portal: u64) -> Option<Suspended> {
        let before = if portal == UNNAMED { self.unnamed.take() } else { self.named.remove(&portal) };
        before.and_then(|before| self.suspended.remove(&before.number))
    }

    /// A binding was suspended. Gives it back when nothing can continue it.
    pub fn suspend(&mut self, number: u32, statement: Suspended) -> Option<Suspended> {
        let current = |binding: &Binding| binding.number == number;
        let bound = self.unnamed.as_ref().is_some_and(current) || self.named.values().any(current);
        if !bound || self.suspended.len() >= SUSPENDED {
            return Some(statement);
        }
        self.suspended.insert(number, statement);
        None
    }

    /// A binding's statement ended. True when it had ended before: the portal was executed once more.
    pub fn finish(&mut self, number: u32) -> bool {
        let mut all = self.unnamed.iter_mut().chain(self.named.values_mut());
        let current = all.find(|binding| binding.number == number);
        current.is_some_and(|binding| std::mem::replace(&mut binding.finished, true))
    }

    /// A binding is continued, if it was suspended.
    pub fn resume(&mut self, number: u32) -> Option<Suspended> {
        self.suspended.remove(&number)
    }

    /// A transaction ended, and with it all that waited to be continued, in the order of binding.
    pub fn end_transaction(&mut self) -> Vec<Suspended> {
        if self.suspended.is_empty() {
            return Vec::new();
        }
        let mut ended: Vec<_> = self.suspended.drain().collect();
        ended.sort_unstable_by_key(|(number, _)| *number);
        ended.into_iter().map(|(_, suspended)| suspended).collect()
    }

    /// Messages were lost: what names mean is not known any more.
    pub fn forget_names(&mut self) {
        self.unnamed = None;
        self.named.clear();
    }
}
