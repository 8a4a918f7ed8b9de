//! The prepared statements of one connection: name → text, with the oldest name forgotten first.
//!
//! A name that is not here any more, or never was, has an unknown text; nothing is guessed.

use crate::event::HashMap;
use std::{collections::VecDeque, rc::Rc};

use poolwatch_ebpf::wire::UNNAMED;

use super::room::Room;
use crate::postgres::sql::Script;

/// Named statements of one connection at once.
const NAMES: usize = 4096;

/// The empty name has a place of its own.
#[derive(Debug, Default)]
pub struct Prepared {
    unnamed: Option<Rc<Script>>,
    named: HashMap<u64, Named>,
    /// Names in the order of their definition; those that were defined anew or closed are skipped.
    order: VecDeque<(u64, u32)>,
    definitions: u32,
}

#[derive(Debug)]
struct Named {
    text: Option<Rc<Script>>,
    definition: u32,
}

impl Prepared {
    /// A name means this text from here on; `None` = it is not known. Returns how many older names had to go.
    pub fn define(&mut self, name: u64, text: Option<Rc<Script>>, room: &mut Room) -> u64 {
        if name == UNNAMED {
            self.unnamed = text;
            return 0;
        }
        self.definitions = self.definitions.wrapping_add(1);
        let definition = self.definitions;
        if let Some(known) = self.named.get_mut(&name) {
            *known = Named { text, definition };
            self.order.push_back((name, definition));
            self.tidy();
            return 0;
        }
        let mut forgotten = 0;
        while self.named.len() >= NAMES || !room.take() {
            if !self.forget_oldest(room) {
                // Others have all the room.
                return 1;
            }
            forgotten += 1;
        }
        self.named.insert(name, Named { text, definition });
        self.order.push_back((name, definition));
        self.tidy();
        forgotten
    }

    /// What a name means, as far as that is known.
    pub fn text(&self, name: u64) -> Option<Rc<Script>> {
        if name == UNNAMED {
            return self.unnamed.clone();
        }
        self.named.get(&name).and_then(|named| named.text.clone())
    }

    /// A name means nothing any more.
    pub fn close(&mut self, name: u64, room: &mut Room) {
        if name == UNNAMED {
            self.unnamed = None;
        } else if self.named.remove(&name).is_some() {
            room.give(1);
        }
    }

    /// No name means anything any more, or what it means is not known.
    pub fn close_all(&mut self, room: &mut Room) {
        room.give(self.named.len());
        *self = Self::default();
    }

    fn forget_oldest(&mut self, room: &mut Room) -> bool {
        while let Some((name, definition)) = self.order.pop_front() {
            if self.named.get(&name).is_some_and(|named| named.definition == definition) {
                self.named.remove(&name);
                room.give(1);
                return true;
            }
        }
        false
    }

    /// Keeps the order from growing by names that are defined and closed over and over.
    fn tidy(&mut self) {
        if self.order.len() > 2 * self.named.len() + 64 {
            let named = &self.named;
            self.order.retain(|(name, definition)| {
                named.get(name).is_some_and(|known| known.definition == *definition)
            });
        }
    }
}
