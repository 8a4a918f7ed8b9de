//! One line about one thing in ten seconds: who may speak now, and what is held back until then.
//!
//! Lines and the time come in, the lines to write now come out. A line that comes too early waits, with the
//! number of those that it stands for; so the last line about a thing is always the last that was said of it.
//! Of more things than the bound nothing is kept but their number.

use std::{collections::HashMap, hash::Hash};

use super::Line;
use crate::event::{SECOND, Time};

/// Time between two lines about the same thing.
pub const PAUSE: Time = 10 * SECOND;

#[derive(Debug, Default)]
struct Topic {
    /// When a line may be written again.
    next: Time,
    held: Option<Line>,
}

/// What there was something to say about lately.
#[derive(Debug)]
pub struct Topics<A> {
    known: HashMap<A, Topic>,
    bound: usize,
    /// The earliest time at which some topic has something to do.
    due: Option<Time>,
    /// Lines for which there was no room; told with the next one.
    unheard: u64,
    /// What is to be written now.
    lines: Vec<Line>,
}

impl<A: Clone + Eq + Hash + Ord> Topics<A> {
    /// Nothing has been said; at most `bound` things are spoken of at once.
    pub fn new(bound: usize) -> Self {
        Self { known: HashMap::new(), bound, due: None, unheard: 0, lines: Vec::new() }
    }

    /// Number of things of which something may wait.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Takes a line about something.
    pub fn hear(&mut self, about: A, mut line: Line, now: Time) {
        if !self.known.contains_key(&about) && self.known.len() >= self.bound {
            self.unheard += 1;
            return;
        }
        let topic = self.known.entry(about).or_default();
        if topic.next <= now {
            topic.next = now.saturating_add(PAUSE);
            self.due = Some(self.due.map_or(topic.next, |due| due.min(topic.next)));
            self.lines.push(line);
        } else {
            line.suppressed += topic.held.take().map_or(0, |held| held.suppressed + 1);
            topic.held = Some(line);
        }
    }

    /// Lets those speak that were held back long enough; forgets the topics of which there is nothing to tell.
    pub fn pass(&mut self, now: Time) {
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        let mut held = Vec::new();
        self.known.retain(|about, topic| {
            if topic.next <= now {
                let Some(line) = topic.held.take() else { return false };
                held.push((about.clone(), line));
                topic.next = now.saturating_add(PAUSE);
            }
            true
        });
        self.due = self.known.values().map(|topic| topic.next).min();
        held.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        self.lines.extend(held.into_iter().map(|(_, line)| line));
    }

    /// There is none to write now.
    pub const fn is_silent(&self) -> bool {
        self.lines.is_empty()
    }

    /// The lines to write now.
    pub fn lines(&mut self) -> Vec<Line> {
        let mut lines = std::mem::take(&mut self.lines);
        if let Some(first) = lines.first_mut() {
            first.suppressed += std::mem::take(&mut self.unheard);
        }
        lines
    }
}
