//! What is counted of statements that belong together: of one query, or of all that have no room.
//!
//! Facts come in, numbers come out. A statement of unknown duration is counted, and has no part in times.

use crate::{
    event::{Outcome, Time},
    export::summary::Summary,
    infer::fact::Fact,
};

/// Counts of statements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Ended well.
    pub completed: u64,
    /// Ended by an error.
    pub failed: u64,
    /// Times that a suspended portal was continued.
    pub resumed: u64,
    /// Rows returned or affected.
    pub rows: u64,
    /// Took longer than the threshold.
    pub slow: u64,
    /// Those whose duration is known.
    pub durations: Summary,
    /// The longest known duration.
    pub max: Time,
}

impl Tally {
    /// Counts one statement.
    pub fn observe(&mut self, fact: &Fact) {
        let Fact::Statement { took, rows, outcome, resumed, slow, .. } = fact else { return };
        match outcome {
            Outcome::Completed => self.completed += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::Continued => {}
        }
        self.resumed += u64::from(*resumed);
        self.rows = self.rows.saturating_add(*rows);
        self.slow += u64::from(*slow);
        if let Some(took) = took {
            self.durations.observe(*took);
            self.max = self.max.max(*took);
        }
    }

    /// Takes what another tally counted.
    pub fn add(&mut self, other: &Self) {
        self.completed += other.completed;
        self.failed += other.failed;
        self.resumed += other.resumed;
        self.rows = self.rows.saturating_add(other.rows);
        self.slow += other.slow;
        self.durations.add(&other.durations);
        self.max = self.max.max(other.max);
    }
}
