//! Everything that one answer is rendered from, as it stood at one moment.
//!
//! The task that owns the state takes it in passing, and goes on; rendering, which takes a hundred times as long, is
//! whoever asked's. It never changes, and shares what is large with the tables that it was taken from.

use std::sync::Arc;

use super::{
    ExportSettings,
    answer::{Answer, Question},
    details, gauges, health, honesty, own,
    page::Page,
    pools, queries,
    tables::Counted,
};
use crate::infer::snapshot::Snapshot;

/// How things stand, as far as one question asks for it.
#[derive(Debug)]
pub struct Picture {
    pub(super) question: Question,
    pub(super) settings: Arc<ExportSettings>,
    pub(super) snapshot: Snapshot,
    pub(super) counted: Counted,
}

impl Picture {
    /// The answer. It depends on what was observed and on the snapshot alone, but for `process_*`.
    pub fn render(&self) -> Answer {
        let Self { question, settings, snapshot, counted } = self;
        let of_day = settings.clock.time_of_day(snapshot.at);
        match question {
            Question::Metrics => self.page(),
            Question::Alive => health::alive(),
            Question::Ready => health::ready(snapshot),
            Question::Health(filter) => health::pool(snapshot, filter, &settings.labels, of_day),
            Question::Details => details::details(snapshot, counted, of_day),
            Question::Pools => pools::all(snapshot),
            Question::Pool(id) => pools::one(snapshot, id),
            Question::Queries(order, limit) => {
                queries::answer(&counted.queries, (*order, *limit), settings.label_user, of_day)
            }
        }
    }

    fn page(&self) -> Answer {
        let Self { settings, snapshot, counted, .. } = self;
        let mut page = Page::default();
        gauges::render(snapshot, settings.label_user, &mut page);
        counted.render(settings.label_user, &mut page);
        honesty::render(snapshot, counted.losses, &mut page);
        if settings.own_process {
            own::render(&mut page);
        }
        match page.render(&settings.labels) {
            Ok(text) => Answer::page(text),
            Err(error) => Answer::text(500, format!("cannot write the page: {error}\n")),
        }
    }
}
