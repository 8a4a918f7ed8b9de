//! What an answer needs of the queries, as they stood at one moment: a copy, rendered while the table goes on.

use super::{Entry, Queries, Tally};
use crate::{
    event::Time,
    export::{
        answer::Question,
        labels::{self, Series},
        metrics,
        page::Page,
    },
};

/// How much the table holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Queries that are counted.
    pub kept: usize,
    /// So many there may be.
    pub capacity: usize,
    /// Those on the page.
    pub shown: usize,
    /// Queries that made room for others, since the start.
    pub evicted: u64,
    /// No query that is not kept took more time, in nanoseconds.
    pub floor: Time,
}

/// A part of the table at one moment.
#[derive(Debug, Default)]
pub struct Kept {
    /// Those that the answer shows.
    pub(super) entries: Vec<Entry>,
    /// All others together.
    pub(super) other: Tally,
    /// How much there is.
    pub extent: Extent,
}

impl Queries {
    /// What an answer to the question needs.
    pub fn kept(&self, question: &Question, now: Time) -> Kept {
        let wanted = |entry: &&Entry| match question {
            Question::Metrics => entry.shown.is_some(),
            Question::Queries(..) => true,
            _ => false,
        };
        let asks = matches!(question, Question::Metrics | Question::Queries(..) | Question::Details);
        let extent = if asks { self.extent(now) } else { Extent::default() };
        Kept { entries: self.live(now).filter(wanted).cloned().collect(), other: self.other, extent }
    }

    /// How much there is.
    pub(super) fn extent(&self, now: Time) -> Extent {
        Extent {
            kept: self.live(now).count(),
            capacity: self.capacity,
            shown: self.live(now).filter(|entry| entry.shown.is_some()).count(),
            evicted: self.evicted,
            floor: self.floor,
        }
    }
}

impl Kept {
    /// Gives the page its samples.
    pub fn render(&self, label_user: bool, page: &mut Page) {
        for entry in &self.entries {
            let Some(shown) = &entry.shown else { continue };
            let series = Series::from(labels::database(&entry.labels, label_user))
                .with("db_query_summary", entry.query.summary.clone())
                .with("fingerprint", entry.query.id.to_string());
            page.summary(&metrics::QUERY_DURATION, series, shown);
        }
    }
}
