//! Statements that ended: whose they were, and of which query.
//!
//! In comes a statement of one connection, out goes a fact with its pool's labels. It moves no state: what a
//! connection does is told by its requests.

use super::{Core, borrowing::takes_back, fact::Fact};
use crate::event::{Outcome, Statement};

impl Core {
    /// A statement ended.
    pub(super) fn statement(&mut self, statement: &Statement, facts: &mut Vec<Fact>) {
        if !self.members.contains_key(&statement.socket) {
            // Its request follows, and says which process to ask for.
            self.books.misread("unknown_connection");
            return;
        }
        self.adopt(statement.socket, statement.pid, statement.ended, facts);
        let pool = self.members.get(&statement.socket).and_then(|member| member.pool);
        let query = self.query(statement.query);
        if query.as_deref().is_some_and(takes_back)
            && let Some(member) = self.members.get_mut(&statement.socket)
        {
            member.taken_back = true;
        }
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
