//! What a connection asked for and has not been answered yet, in the order of sending.
//!
//! Entries are found by request and place in it, never by counting answers, so that what was lost leaves
//! a gap and shifts nothing.

use std::{collections::VecDeque, rc::Rc};

use super::{portals::Binding, room::Room};
use crate::postgres::sql::Script;

/// Something that will be answered statement by statement.
#[derive(Clone, Debug)]
pub enum What {
    /// The text of a Query.
    Script(Rc<Script>),
    /// The text of a Parse, which nothing answers but an error.
    Parse(Rc<Script>),
    /// Executes of portals that were bound one after the other to the same statement.
    Execute {
        /// Which binding the first one executes.
        binding: u32,
        /// The text that the portals were bound to.
        text: Option<Rc<Script>>,
    },
}

#[derive(Debug)]
struct Entry {
    request: u32,
    nth: u32,
    count: u32,
    what: What,
}

impl Entry {
    /// Nothing of it is left to be answered at this place. A text is needed to its last statement, and a
    /// Parse until something behind it is answered.
    const fn is_before(&self, nth: u32) -> bool {
        match self.what {
            What::Script(_) => false,
            What::Parse(_) => self.nth < nth,
            What::Execute { .. } => self.nth.wrapping_add(self.count) <= nth,
        }
    }
}

/// One statement that was asked for.
#[derive(Clone, Debug)]
pub enum One {
    /// The `nth` of a text.
    OfScript(Rc<Script>, usize),
    /// An Execute of a binding.
    OfBinding(u32, Option<Rc<Script>>),
}

/// The statements in flight of one connection.
#[derive(Debug, Default)]
pub struct Asked {
    entries: VecDeque<Entry>,
}

impl Asked {
    /// An Execute was sent. False when there is no room to remember it.
    pub fn execute(&mut self, request: u32, nth: u32, binding: Binding, room: &mut Room) -> bool {
        let Binding { number: binding, text, .. } = binding;
        if let Some(last) = self.entries.back_mut()
            && last.request == request
            && last.nth.wrapping_add(last.count) == nth
            && let What::Execute { binding: first, text: same } = &last.what
            && first.wrapping_add(last.count) == binding
            && same.as_ref().map(Rc::as_ptr) == text.as_ref().map(Rc::as_ptr)
        {
            last.count += 1;
            return true;
        }
        self.push(Entry { request, nth, count: 1, what: What::Execute { binding, text } }, room)
    }

    /// A Query was sent. False when there is no room to remember it.
    pub fn script(&mut self, request: u32, script: Rc<Script>, room: &mut Room) -> bool {
        let count = u32::try_from(script.statements.len()).unwrap_or(u32::MAX);
        self.push(Entry { request, nth: 0, count, what: What::Script(script) }, room)
    }

    /// A Parse was sent. False when there is no room to remember it.
    pub fn parse(&mut self, request: u32, nth: u32, script: Rc<Script>, room: &mut Room) -> bool {
        self.push(Entry { request, nth, count: 0, what: What::Parse(script) }, room)
    }

    /// The text of a request's first Parse.
    pub fn parsed(&self, request: u32) -> Option<&Script> {
        self.of(request).find_map(|entry| match &entry.what {
            What::Parse(script) => Some(script.as_ref()),
            _ => None,
        })
    }

    fn of(&self, request: u32) -> impl Iterator<Item = &Entry> {
        let there = self.entries.iter().skip_while(move |entry| before(entry.request, request));
        there.take_while(move |entry| entry.request == request)
    }

    fn push(&mut self, entry: Entry, room: &mut Room) -> bool {
        let fits = room.take();
        if fits {
            self.entries.push_back(entry);
        }
        fits
    }

    /// What was asked for at a place of a request.
    pub fn find(&self, request: u32, nth: u32) -> Option<One> {
        let entry = self.of(request).find(|entry| nth.wrapping_sub(entry.nth) < entry.count)?;
        let place = nth.wrapping_sub(entry.nth);
        Some(match &entry.what {
            What::Parse(_) => return None,
            What::Script(script) => One::OfScript(Rc::clone(script), usize::try_from(place).ok()?),
            What::Execute { binding, text } => One::OfBinding(binding.wrapping_add(place), text.clone()),
        })
    }

    /// Everything up to this request was answered.
    pub fn answered(&mut self, request: u32, room: &mut Room) {
        while let Some(first) = self.entries.front()
            && (first.request == request || before(first.request, request))
        {
            self.entries.pop_front();
            room.give(1);
        }
    }

    /// Within one long request: what lies before this place was answered.
    pub fn answered_before(&mut self, request: u32, nth: u32, room: &mut Room) {
        while let Some(first) = self.entries.front()
            && first.request == request
            && first.is_before(nth)
        {
            self.entries.pop_front();
            room.give(1);
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self, room: &mut Room) {
        room.give(self.entries.len());
        self.entries.clear();
    }
}

/// Requests are numbered around the clock.
const fn before(a: u32, b: u32) -> bool {
    a != b && b.wrapping_sub(a) < u32::MAX / 2
}
