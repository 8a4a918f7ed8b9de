//! Queries: what statements are of, by their fingerprint.
//!
//! In come [`Query`]s as they are told, out goes the one that a statement or request names. The teller keeps the
//! same bound by the same rule ([`limits::QUERIES`]), so that a query that was told is found; it never
//! makes up a query that was not.

use std::{collections::VecDeque, sync::Arc};

use super::{Core, borrowing::takes_back, limits};
use crate::event::{HashMap, Query, QueryId};

/// A query that was told.
#[derive(Clone, Debug)]
pub struct Known {
    /// What is said of it.
    pub query: Arc<Query>,
    /// A pool's library sends it when it takes a connection back.
    pub takes_back: bool,
}

impl Known {
    fn new(query: &Query) -> Self {
        Self { query: Arc::new(query.clone()), takes_back: takes_back(query) }
    }
}

/// The queries that were told last.
#[derive(Debug, Default)]
pub struct Queries {
    table: HashMap<QueryId, Known>,
    /// The one that was told first is first.
    told: VecDeque<QueryId>,
}

impl Queries {
    /// Learns of a query. One that is known keeps its turn to be forgotten, because it does so at the teller's.
    pub fn tell(&mut self, query: &Query) {
        if let Some(known) = self.table.get_mut(&query.id) {
            if *known.query != *query {
                *known = Known::new(query);
            }
            return;
        }
        if self.table.len() >= limits::QUERIES
            && let Some(first) = self.told.pop_front()
        {
            self.table.remove(&first);
        }
        self.table.insert(query.id, Known::new(query));
        self.told.push_back(query.id);
    }

    /// A query that was told.
    pub fn get(&self, id: QueryId) -> Option<&Known> {
        self.table.get(&id)
    }
}

impl Core {
    /// The query that somebody names. One that was not told is counted, and is then as good as none.
    pub(super) fn query(&mut self, id: Option<QueryId>) -> Option<&Known> {
        let found = self.queries.get(id?);
        if found.is_none() {
            self.books.misread("unknown_query");
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(id: u64, summary: &str) -> Query {
        Query { id: QueryId(id), summary: summary.to_owned(), operation: "SELECT".to_owned() }
    }

    #[test]
    fn the_first_told_is_the_first_forgotten() {
        let mut queries = Queries::default();
        for id in 0..limits::QUERIES as u64 {
            queries.tell(&query(id, "SELECT a"));
        }
        queries.tell(&query(0, "SELECT a"));
        assert!(queries.get(QueryId(0)).is_some());
        queries.tell(&query(u64::MAX, "SELECT b"));
        assert!(queries.get(QueryId(0)).is_none(), "told again, but not later than the others");
        assert!(queries.get(QueryId(1)).is_some() && queries.get(QueryId(u64::MAX)).is_some());
        assert_eq!((queries.table.len(), queries.told.len()), (limits::QUERIES, limits::QUERIES));
    }

    #[test]
    fn what_is_told_again_replaces_what_was_told_before() {
        let mut queries = Queries::default();
        queries.tell(&query(7, "SELECT a"));
        let before = Arc::clone(&queries.get(QueryId(7)).expect("told").query);
        queries.tell(&query(7, "SELECT a"));
        assert!(Arc::ptr_eq(&before, &queries.get(QueryId(7)).expect("told").query));
        queries.tell(&query(7, "SELECT a b"));
        assert_eq!(queries.get(QueryId(7)).expect("told").query.summary, "SELECT a b");
        assert_eq!(queries.told.len(), 1);
    }
}
