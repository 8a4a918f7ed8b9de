//! Work that is handed to other threads: an event loop reads demands and writes responses, and workers ask the database.
//!
//! In come answers that were read by threads that read no demand; out goes which of them a response follows. Which of several at one
//! time was whose cannot be told, and need not be: the sum of their waits is the same.

use std::collections::VecDeque;

use super::{Waits, demand::Open, follow, lent::Lent, thread::Answer};
use crate::event::{HashMap, SocketId, Time};

/// Answers that are remembered; the oldest makes room.
const KEPT: usize = 64;
/// A response that comes later than this after an answer is not by it.
const NEAR: Time = 3_000_000;
/// Share of the answers from which on this is how the process works.
const MOST: f64 = 0.5;

/// What workers did, and nobody is known to have been answered by yet.
#[derive(Debug, Default)]
pub struct Handed {
    answers: VecDeque<Answer>,
    /// Share of the answers that were read by threads that read no demand.
    share: f64,
}

impl Handed {
    /// An answer was read, by a worker or not.
    pub fn see(&mut self, answer: Answer, worker: bool) {
        follow(&mut self.share, worker);
        if !worker {
            return;
        }
        if self.answers.len() >= KEPT {
            self.answers.pop_front();
        }
        self.answers.push_back(answer);
    }

    /// The process works like that.
    pub fn is_usual(&self) -> bool {
        self.share > MOST
    }

    /// The answer to what was asked first since this demand came: what was asked later may be of later ones, too.
    fn find(&mut self, open: &Open, lent: &HashMap<SocketId, Lent>, at: Time) -> Option<usize> {
        while self.answers.front().is_some_and(|answer| answer.at.saturating_add(NEAR) < at) {
            self.answers.pop_front();
        }
        let begun = |answer: &Answer| {
            let exchange = lent.get(&answer.socket)?.exchange(answer.exchange)?;
            (exchange.itself.begun >= open.at && answer.at <= at).then_some(exchange.itself.begun)
        };
        let own = self.answers.iter().enumerate().filter_map(|(place, answer)| Some((begun(answer)?, place)));
        own.min().map(|(_, place)| place)
    }
}

impl Waits {
    /// The response follows what a worker read, or comes late: false if no borrowing is known to be its own.
    pub(super) fn respond_by_hand(&mut self, open: &Open, at: Time) -> bool {
        let found = if self.handed.is_usual() { self.handed.find(open, &self.lent, at) } else { None };
        let Some(place) = found else { return self.respond_late(open, at) };
        let route = self.routes.get(open.route);
        route.link();
        // By chance it may be another's, who is to find it then.
        if route.is_linked()
            && let Some(answer) = self.handed.answers.remove(place)
        {
            self.link(open, &answer, at);
        }
        true
    }
}
