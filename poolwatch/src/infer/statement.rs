//! Statements that ended: whose they were, and of which query.
//!
//! In comes a statement of one connection, out goes a fact with its pool's labels. It moves no state: what a
//! connection does is told by its requests.

use super::{Core, fact::Fact};
use crate::event::Statement;

impl Core {
    /// A statement ended.
    pub(super) fn statement(&mut self, statement: &Statement, facts: &mut Vec<Fact>) {
        let Some(member) = self.members.get(&statement.socket) else {
            // Its request follows, and says which process to ask for.
            self.books.misread("unknown_connection");
            return;
        };
        let pool = member.pool;
        let query = self.query(statement.query);
        let Statement { took, rows, outcome, resumed, sqlstate, .. } = *statement;
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
