//! A demand was served without a connection: did its borrower give up waiting for one?
//!
//! In come demands that no borrowing was linked to; out goes whose connections were waited for in vain, by the rules
//! of `given_up.rs`. Nothing is said of poolers, whose clients are told otherwise, nor beside a probe in the
//! pool's library, which knows better.

use super::{
    super::{
        given_up::{Habit, Wait},
        pools::PoolRef,
    },
    Waited, Waits,
    demand::Open,
    nanoseconds,
    route::RouteId,
};
use crate::event::Time;

impl Waits {
    /// What the process declares of how long its borrowers wait, in milliseconds.
    pub fn declare(&mut self, patience: Option<i64>) {
        self.patience.declare(patience);
    }

    /// A connection could not be made.
    pub fn fail(&mut self, at: Time) {
        self.failed = self.failed.max(Some(at));
    }

    /// A connection could not be made since.
    pub(super) fn failed_since(&self, at: Time) -> bool {
        self.failed.is_some_and(|failed| failed >= at)
    }

    /// From `asked` to `ended`; `idle` is how long some connection had been idle until the begin.
    pub(super) fn stretch(&self, asked: Time, ended: Time, idle: Time) -> Wait {
        let quiet = self.newest_begin < asked;
        Wait { asked, ended, idle: self.gauge.idle().saturating_sub(idle), quiet }
    }

    /// A demand was served, and borrowed nothing that is known of.
    pub(super) fn serve_unlent(&mut self, open: &Open, at: Time) {
        if self.failed_since(open.at) {
            return;
        }
        let Some(pool) = self.waited_for(at).filter(|pool| !self.borrowers.knows(*pool)) else { return };
        let wait = self.stretch(open.at, at, open.before.idle);
        let route = self.routes.get(open.route);
        let before = nanoseconds(route.until_borrowing());
        let habit = route.habit();
        let in_vain = wait.quiet && habit != Habit::Spares && wait.is_long();
        let habit = if in_vain && route.has_borrowed() { Habit::Shows } else { habit };
        let gave_up = self.patience.answered(&wait, habit, before);
        // They would have borrowed: a route does not become one that needs no connection by giving up.
        if gave_up == 0 {
            if in_vain {
                route.set_aside(wait);
            }
            return;
        }
        route.link();
        route.take_back(gave_up - 1);
        let waited = at.saturating_sub(open.at).saturating_sub(before);
        self.gave_up.extend(std::iter::repeat_n(Waited { pool, took: waited as f64 }, gave_up));
        if let Some(overslept) = &open.overslept {
            self.parkings.forgive(overslept);
        }
        if self.counts_sleepers() {
            self.gauge.add(pool, waited.saturating_sub(open.slept));
        }
    }

    /// One of a route was seen to borrow: so would those have that waited in vain before.
    pub(super) fn recall(&mut self, route: RouteId, at: Time) {
        let doubtful = self.routes.get(route).take_doubtful();
        if doubtful.is_empty() {
            return;
        }
        let pool = self.waited_for(at);
        let route = self.routes.get(route);
        let before = nanoseconds(route.until_borrowing());
        for wait in doubtful {
            let gave_up = self.patience.answered(&wait, Habit::Shows, before);
            route.take_back(gave_up);
            if let Some(pool) = pool {
                let waited = Waited { pool, took: wait.took().saturating_sub(before) as f64 };
                self.gave_up.extend(std::iter::repeat_n(waited, gave_up));
            }
        }
    }

    /// The pool that somebody waited for until now: one without an idle connection, the largest of several.
    fn waited_for(&self, at: Time) -> Option<PoolRef> {
        self.largest_of(|lending| lending.is_saturated(at)).or_else(|| self.largest())
    }
}
