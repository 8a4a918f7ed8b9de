//! A demand comes, and is served: the response shows which borrowing was its own.

use super::{
    super::given_up::Habit,
    Waits,
    demand::{Before, Open},
    follow,
    lent::{ExchangeRef, State},
    thread::Answer,
};
use crate::event::{Demand, Served, Time, Turn};

/// An answer that is older says nothing about turns.
const RECENT: Time = 8_000_000;
/// Share of responses after the next borrower's request below which these are not the answer's.
const SELDOM: f64 = 0.1;
/// More exchanges than any borrowing is remembered with.
const ANY: usize = 99;

impl Waits {
    /// The process was asked for something.
    pub fn ask(&mut self, demand: &Demand) {
        follow(&mut self.uncountable, !demand.is_countable());
        if !demand.is_countable() {
            return;
        }
        self.advance(demand.at);
        match self.demands.of(demand.socket).map(|open| open.at) {
            Some(at) if at >= demand.at => self.recognise(demand),
            // The one before was served, or it would not have come.
            Some(_) => {
                self.abandon(demand.socket);
                self.admit(demand);
            }
            None => self.admit(demand),
        }
        self.weigh(demand.at);
    }

    /// Its route became readable.
    fn recognise(&mut self, demand: &Demand) {
        let Some(route) =
            demand.route.filter(|_| self.demands.of(demand.socket).is_some_and(|open| open.route == 0))
        else {
            return;
        };
        let route = self.routes.admit(route);
        self.routes.ask(route, demand.at);
        self.gauge.expect(self.routes.get(route).comes_after(), demand.at);
        self.routes.close(0);
        if let Some(open) = self.demands.of(demand.socket) {
            open.route = route;
        }
    }

    fn admit(&mut self, demand: &Demand) {
        let route = self.routes.admit(demand.route.unwrap_or(0));
        let thread = demand.turn.thread;
        let overlaps = self.take_turns(thread);
        let unhindered = self.saturated(demand.at) == 0;
        let before = Before { idle: self.gauge.idle(), linked: self.linked, unhindered };
        let Some(id) = self.demands.add(demand.socket, demand.at, thread, route, before) else { return };
        self.routes.ask(route, demand.at);
        self.gauge.asked(demand.at, demand.route.is_some());
        self.gauge.expect(self.routes.get(route).comes_after(), demand.at);
        self.queue.ask(demand, id);
        if let Some(thread) = self.threads.meet(thread, demand.at) {
            follow(&mut self.overlapping, overlaps || thread.open > 0);
            thread.ask(id, demand.at, demand.turn);
        }
    }

    /// The first byte of the response was written, or none will be.
    pub fn serve(&mut self, served: &Served) {
        self.advance(served.at);
        if let Some((open, queued)) = self.close(served.socket) {
            if let Some(pool) = self.largest().filter(|_| queued) {
                self.gauge.add(pool, served.at.saturating_sub(open.at));
            }
            match served.turn {
                Some(turn) => self.respond(&open, turn, served.at),
                None => self.free(&open),
            }
        }
        self.weigh(served.at);
    }

    fn respond(&mut self, open: &Open, turn: Turn, at: Time) {
        let open = &self.corrected(open);
        if let Some(thread) = self.threads.get_mut(open.thread) {
            self.parkings.settle(thread);
        }
        follow(&mut self.foreign, open.thread != turn.thread);
        let route = self.routes.get(open.route);
        route.served(open.before.unhindered);
        self.served += u64::from(route.habit() != Habit::Spares);
        if self.queue.is_pooler() {
            self.count_linked(open);
            return;
        }
        let linked = if self.serves_by_threads() {
            self.respond_by_thread(open, at)
        } else {
            self.respond_by_turn(open, turn, at)
        };
        if linked {
            self.count_linked(open);
            self.recall(open.route, at);
        } else if open.start.is_none() {
            self.routes.get(open.route).bound(at.saturating_sub(open.at) as f64);
            self.serve_unlent(open, at);
        }
        self.free(open);
    }

    /// The demand without what it was taken to have borrowed, where an answer showed since that it is another's.
    fn corrected(&self, open: &Open) -> Open {
        let shown =
            |start: ExchangeRef| self.lent.get(&start.socket).is_some_and(|lent| lent.is_shown(start.number));
        let anothers = open.start.is_some_and(shown);
        if anothers { Open { start: None, lent: None, ..*open } } else { *open }
    }

    /// The thread works for nobody now.
    pub(super) fn free(&mut self, open: &Open) {
        if let Some(thread) = self.threads.get_mut(open.thread)
            && thread.current == Some(open.id)
        {
            thread.current = None;
            self.parkings.wake(thread);
        }
    }

    /// The thread lends for the demand that it read: false if it borrowed nothing.
    fn respond_by_thread(&mut self, open: &Open, at: Time) -> bool {
        let Some(socket) = open.lent else { return false };
        self.routes.get(open.route).link();
        let Some(lent) = self.lent.get_mut(&socket) else { return true };
        let exchanges = open.start.filter(|_| lent.borrower == Some(open.id));
        if let Some(exchanges) = exchanges.and_then(|start| lent.since(start.number)) {
            self.routes.get(open.route).measure(exchanges);
        }
        if lent.state.is_unproven() && lent.borrower == Some(open.id) {
            lent.borrowed = false;
            let answered = lent.answered;
            self.routes.get(open.route).after.add(at.saturating_sub(answered) as f64);
            self.place(socket, State::Idle, answered);
        }
        true
    }

    /// The response is written as many turns after the answer as is usual: then both are of one demand. False if
    /// there is none.
    fn respond_by_turn(&mut self, open: &Open, turn: Turn, at: Time) -> bool {
        let Some(thread) = self.threads.get_mut(turn.thread) else { return false };
        if let Some(newest) = thread.answers.back().filter(|newest| at.saturating_sub(newest.at) < RECENT) {
            self.ends.see(turn.nth.saturating_sub(newest.nth));
        }
        let usual = self.ends.usual(0);
        while thread.answers.front().is_some_and(|answer| answer.nth.saturating_add(usual) < turn.nth) {
            thread.answers.pop_front();
        }
        let lent = &self.lent;
        let own = |answer: &Answer| {
            let asked = lent.get(&answer.socket).and_then(|lent| lent.exchange(answer.exchange));
            answer.nth.saturating_add(usual) == turn.nth
                // What was asked of the database before is another's.
                && asked.is_some_and(|exchange| exchange.itself.begun >= open.at)
                && open.lent.is_none_or(|lent| lent == answer.socket)
        };
        let mut places = thread.answers.iter().enumerate().filter(|(_, answer)| own(answer));
        let place = if usual == 0 { places.next_back() } else { places.next() };
        let Some(answer) = place.map(|(place, _)| place).and_then(|place| thread.answers.remove(place))
        else {
            return self.respond_by_hand(open, at);
        };
        // The response comes before the next borrower's request in some libraries, and a timer's after it.
        let belated = self.lent.get(&answer.socket).is_some_and(|lent| lent.is_after(answer.exchange));
        let foreign = belated && self.belated < SELDOM;
        follow(&mut self.belated, belated);
        if foreign {
            return self.respond_late(open, at);
        }
        let route = self.routes.get(open.route);
        route.link();
        if route.is_linked() {
            self.link(open, &answer, at);
        }
        true
    }

    pub(super) fn link(&mut self, open: &Open, answer: &Answer, at: Time) {
        let usual = self.routes.get(open.route).usual();
        let Some(lent) = self.lent.get_mut(&answer.socket) else { return };
        let returned = matches!(lent.state, State::Perhaps | State::Likely) && lent.answered == answer.at;
        if returned {
            lent.borrowed = false;
        }
        let Some(exchange) = lent.exchange(answer.exchange).copied() else { return };
        let (mut measured, mut most) = (None, None);
        let start = if let Some(first) = exchange.returns {
            Some(open.start.unwrap_or(first))
        } else {
            let known = open.start.filter(|start| start.socket == answer.socket);
            measured = known.and_then(|start| lent.span(start.number, answer.exchange));
            let since = lent.boundary.max(open.at);
            lent.boundary = lent.boundary.max(answer.at);
            most = lent
                .first_of(answer.exchange, ANY, since)
                .and_then(|first| lent.span(first.number, answer.exchange));
            known
                .filter(|_| measured.is_some())
                .or_else(|| lent.first_of(answer.exchange, usual.unwrap_or(ANY), since))
        };
        if returned {
            self.place(answer.socket, State::Idle, answer.at);
        }
        let Some(start) = start else { return };
        self.set_apart(answer.socket, start.number, at);
        if let Some(lent) = self.lent.get_mut(&answer.socket) {
            lent.claim(answer.exchange + 1, None);
            lent.show(start.number, answer.exchange);
        }
        let route = self.routes.get(open.route);
        if let Some(exchanges) = measured {
            route.measure(exchanges);
        }
        if let Some(exchanges) = most {
            route.measure_most(exchanges);
        }
        route.after.add(at.saturating_sub(answer.at) as f64);
        self.conclude(start, open.route, start.begun as f64 - open.at as f64);
    }
}
