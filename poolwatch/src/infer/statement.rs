//! Statements that ended: whose they were, and of which query.
//!
//! In comes a statement of one connection, out goes a fact with its pool's labels. It moves no state: what a
//! connection does is told by its requests.

use std::sync::Arc;

use super::{Core, fact::Fact};
use crate::event::{Outcome, Statement};

impl Core {
    /// A statement ended.
    pub(super) fn statement(&mut self, statement: &Statement, facts: &mut Vec<Fact>) {
        let Some(member) = self.members.get(&statement.socket) else {
            // Its request follows, and says which process to ask for.
            self.books.misread("unknown_connection");
            return;
        };
        if statement.pid != member.connection.process.pid {
            self.adopt(statement.socket, statement.pid, statement.ended, facts);
        }
        let known = self.query(statement.query);
        let takes_back = known.is_some_and(|known| known.takes_back);
        let query = known.map(|known| Arc::clone(&known.query));
        let Some(member) = self.members.get_mut(&statement.socket) else { return };
        member.taken_back |= takes_back;
        let pool = member.pool;
        let Statement { rows, outcome, resumed, sqlstate, .. } = *statement;
        // What is no statement of its own has no duration to observe.
        let took = statement.took.filter(|_| outcome != Outcome::Continued);
        let slow = self.is_slow(took);
        self.tell(pool, facts, |labels| Fact::Statement {
            labels,
            query,
            took,
            rows,
            outcome,
            resumed,
            slow,
            sqlstate,
        });
    }
}
