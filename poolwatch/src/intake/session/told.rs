//! Which queries were told, by the very rule by which the core forgets them.

use std::collections::{HashSet, VecDeque};

use crate::event::{QUERIES, QueryId};

/// The queries that the core knows.
#[derive(Debug, Default)]
pub struct Told {
    known: HashSet<QueryId>,
    order: VecDeque<QueryId>,
}

impl Told {
    /// True when the query must be told before it is spoken of; it counts as told then.
    pub fn is_news(&mut self, query: QueryId) -> bool {
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
