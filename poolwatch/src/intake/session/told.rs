//! Which queries were told, by the very rule by which the core forgets them; and what ended is told, each query before
//! its first statement.

use std::collections::VecDeque;

use super::dialogue::Dialogue;
use crate::event::{Event, HashSet, QUERIES, Query, QueryId, Statement};

/// The queries that the core knows.
#[derive(Debug, Default)]
pub struct Told {
    known: HashSet<QueryId>,
    order: VecDeque<QueryId>,
}

impl Told {
    /// Tells what ended in a dialogue of this process.
    pub fn tell(&mut self, dialogue: &mut Dialogue, pid: u32, tell: &mut impl FnMut(Event)) {
        for (query, statement) in dialogue.take() {
            if let Some(query) = query {
                self.introduce(&query, tell);
            }
            tell(Event::Statement(Statement { pid, ..statement }));
        }
    }

    /// Tells a query that is about to be spoken of, unless the core knows it.
    pub fn introduce(&mut self, query: &Query, tell: &mut impl FnMut(Event)) {
        if self.is_news(query.id) {
            tell(Event::Query(query.clone()));
        }
    }

    /// True when the query must be told before it is spoken of; it counts as told then.
    fn is_news(&mut self, query: QueryId) -> bool {
        if !self.known.insert(query) {
            return false;
        }
        if self.order.len() >= QUERIES
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.order.push_back(query);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_forgotten_is_news_again() {
        let mut told = Told::default();
        assert!(told.is_news(QueryId(0)) && !told.is_news(QueryId(0)));
        for id in 1..QUERIES as u64 {
            assert!(told.is_news(QueryId(id)));
        }
        assert!(!told.is_news(QueryId(0)));
        assert!(told.is_news(QueryId(QUERIES as u64)));
        assert!(told.is_news(QueryId(0)), "the oldest made room");
        assert_eq!((told.known.len(), told.order.len()), (QUERIES, QUERIES));
    }
}
