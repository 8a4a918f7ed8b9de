//! Demands whose response came late: some time after the connection was given back, so that no turn links the two.
//!
//! In come the exchanges of a connection that lie between borrowings of others, and demands that were served without
//! a link; out go pairs of them. Which of several demands at one time had which borrowing is told by the order of the queue,
//! where there is one, and by chance else: the sum of their waits is the same. Without these, waits would be known of some
//! routes and not of others.

use std::collections::{BTreeMap, VecDeque};

use super::{
    super::pools::PoolRef,
    Waits,
    demand::Open,
    lending::Lending,
    lent::{Exchange, ExchangeRef, Lent},
    route::{RouteId, Routes},
};
use crate::event::{HashMap, SECOND, SocketId, Time};

/// Most that wait for their counterpart, of each kind; the oldest makes room, and stays unknown.
const KEPT: usize = 64;
/// After this time there is none.
const OLD: Time = SECOND;

/// Share of the wait of others in which nobody is served that waits with them.
const SOONER: f64 = 0.5;

/// A demand that was served without a link.
#[derive(Clone, Copy, Debug)]
struct Unlinked {
    asked: Time,
    served: Time,
    route: RouteId,
    /// Exchanges that one of its route usually has, where that is known.
    usual: Option<usize>,
    /// The same where nearly all of its route have just so many.
    only: Option<usize>,
}

/// What has no counterpart yet.
#[derive(Debug, Default)]
pub struct Late {
    demands: VecDeque<Unlinked>,
    /// Exchanges of one connection in a row, with no gap between them.
    stretches: VecDeque<Vec<Exchange>>,
    /// The wait that was told last of one that may have waited, in nanoseconds.
    pub newest: f64,
}

/// A pair.
#[derive(Clone, Copy, Debug)]
struct Pair {
    demand: Unlinked,
    start: ExchangeRef,
    ended: Time,
    /// It may be one, as far as the pool and its order say.
    may: bool,
}

impl Pair {
    /// The demand may have waited so long, as far as is known how long the pool was full and who joined the queue before it.
    fn may_be(
        &self,
        routes: &mut Routes,
        lent: &HashMap<SocketId, Lent>,
        lendings: &BTreeMap<PoolRef, Lending>,
    ) -> bool {
        let Self { demand, start, .. } = self;
        let before = start.begun.saturating_sub(demand.asked) as f64;
        let joined = routes.get(demand.route).way().joined(start.begun, before);
        if !start.gated {
            return joined.to >= start.begun;
        }
        let lending = lent.get(&start.socket).and_then(|lent| lendings.get(&lent.pool));
        joined.to >= start.full.since && lending.is_none_or(|lending| lending.order.allows(start, joined))
    }
}

impl Late {
    fn forget(&mut self, now: Time) {
        let old = |at: Time| at.saturating_add(OLD) < now;
        while self.demands.len() > KEPT || self.demands.front().is_some_and(|demand| old(demand.served)) {
            self.demands.pop_front();
        }
        let ended = |stretch: &Vec<Exchange>| stretch.last().and_then(|exchange| exchange.ended);
        while self.stretches.len() > KEPT
            || self.stretches.front().is_some_and(|one| ended(one).is_none_or(old))
        {
            self.stretches.pop_front();
        }
    }

    /// The demand's borrowing: of those that it may have waited for, the one that ended last before its response.
    fn find_borrowing(&mut self, demand: Unlinked, mut may: impl FnMut(&Pair) -> bool) -> Option<Pair> {
        let stretches = self.stretches.iter().enumerate();
        let fitting = stretches.filter_map(|(n, one)| Some((n, fit(&demand, one, &mut may)?)));
        let (place, pair) = fitting.max_by_key(|(_, pair)| (pair.may, pair.ended))?;
        self.take(place, pair.start);
        Some(pair)
    }

    /// The demand of the last borrowing of a stretch: of those that may have waited for it, the one that was served first
    /// after it.
    fn find_demand(&mut self, place: usize, mut may: impl FnMut(&Pair) -> bool) -> Option<Pair> {
        let stretch = self.stretches.get(place)?;
        let demands = self.demands.iter().enumerate();
        let fitting = demands.filter_map(|(n, demand)| Some((n, fit(demand, stretch, &mut may)?)));
        let (n, pair) = fitting.min_by_key(|(_, pair)| (!pair.may, pair.demand.served))?;
        self.demands.remove(n);
        self.take(place, pair.start);
        Some(pair)
    }

    fn take(&mut self, place: usize, start: ExchangeRef) {
        let Some(stretch) = self.stretches.get_mut(place) else { return };
        stretch.retain(|exchange| exchange.itself.number < start.number);
        if stretch.is_empty() {
            self.stretches.remove(place);
        }
    }
}

/// The last borrowing of the stretch as the demand's, if it can be. Where nobody knows how many exchanges that had, all
/// are its own that began since it came. `may` says whether it may have waited for that.
fn fit(demand: &Unlinked, stretch: &[Exchange], may: &mut impl FnMut(&Pair) -> bool) -> Option<Pair> {
    let last = stretch.last()?;
    let ended = last.ended.filter(|ended| *ended <= demand.served)?;
    let since = || stretch.iter().map(|exchange| exchange.itself).find(|one| one.begun >= demand.asked);
    let counted = |usual: usize| Some(stretch.get(stretch.len().checked_sub(usual)?)?.itself);
    let fits = |first: &ExchangeRef| {
        demand.only.is_none_or(|only| last.itself.number + 1 == first.number + only as u64)
    };
    let start = match last.returns {
        Some(first) => fits(&first).then_some(first)?,
        None => demand.usual.map_or_else(since, counted)?,
    };
    let pair = Pair { demand: *demand, start, ended, may: false };
    (start.begun >= demand.asked).then(|| Pair { may: may(&pair), ..pair })
}

impl Waits {
    /// What was done on a connection before `to`, and is nobody's yet, is of demands that are not linked.
    pub(super) fn set_apart(&mut self, socket: SocketId, to: u64, at: Time) {
        let routes = &mut self.routes;
        let Some(lent) = self.lent.get_mut(&socket) else { return };
        let stretch = lent.set_apart(to, |route| routes.get(route).usual());
        // Each is its own where it is marked that it ended.
        for one in stretch.split_inclusive(|exchange| exchange.returns.is_some()) {
            self.late.stretches.push_back(one.to_vec());
            self.late.forget(at);
            while let Some(pair) = self.pair_of_newest() {
                self.pair(&pair);
            }
        }
    }

    /// A demand was served without a link. Where its start is known, so is the end of its borrowing, unless its
    /// connection was lent anew; it did not wait. False if no borrowing is known to be its own.
    pub(super) fn respond_late(&mut self, open: &Open, at: Time) -> bool {
        if let Some(start) = open.start {
            let Some(lent) = self.lent.get(&start.socket) else { return true };
            let quiet = lent.is_quiet() && lent.borrower == Some(open.id);
            let exchanges = lent.since(start.number);
            let answered = lent.answered;
            if let Some(exchanges) = exchanges.filter(|_| quiet) {
                let route = self.routes.get(open.route);
                route.measure(exchanges);
                route.after.add(at.saturating_sub(answered) as f64);
            }
            self.conclude(start, open.route, start.begun as f64 - open.at as f64);
            return true;
        }
        let route = self.routes.get(open.route);
        let usual = route.usual();
        // Who is served sooner than others were lent to has not waited among them: it needed no connection.
        let queued = at.saturating_sub(open.at) as f64 > SOONER * self.late.newest;
        let may = route.queues(queued) && queued;
        if route.borrows() && (usual.is_some() || may) {
            let demand =
                Unlinked { asked: open.at, served: at, route: open.route, usual, only: route.only() };
            let (late, may) = self.search();
            if let Some(pair) = late.find_borrowing(demand, may) {
                self.pair(&pair);
                return true;
            }
            self.late.demands.push_back(demand);
            self.late.forget(at);
        }
        false
    }

    fn search(&mut self) -> (&mut Late, impl FnMut(&Pair) -> bool) {
        let Self { late, routes, lent, lendings, .. } = self;
        (late, |pair| pair.may_be(routes, lent, lendings))
    }

    /// The demand of the stretch that was set apart last.
    fn pair_of_newest(&mut self) -> Option<Pair> {
        let (late, may) = self.search();
        let place = late.stretches.len().checked_sub(1)?;
        late.find_demand(place, may)
    }

    fn pair(&mut self, pair: &Pair) {
        let Pair { demand, start, ended, may } = *pair;
        self.routes.get(demand.route).after.add(demand.served.saturating_sub(ended) as f64);
        let lending = self.lent.get(&start.socket).and_then(|lent| self.lendings.get(&lent.pool));
        // Whoever had the borrowing, its neighbours in the queue tell what it waited.
        match lending.filter(|_| start.gated && !may).and_then(|lending| lending.order.tells(&start)) {
            Some(estimate) => self.note(start, estimate),
            None => self.conclude(start, demand.route, start.begun as f64 - demand.asked as f64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::lending::Full, *};

    const LINE: SocketId = SocketId(1);

    fn exchange(number: u64, begun: Time, ended: Time) -> Exchange {
        let itself = ExchangeRef { socket: LINE, number, begun, gated: true, full: Full::default() };
        Exchange { itself, ended: Some(ended), returns: None }
    }

    fn demand(asked: Time, served: Time, usual: usize) -> Unlinked {
        Unlinked { asked, served, route: 1, usual: Some(usual), only: None }
    }

    #[test]
    fn a_late_response_has_the_borrowing_that_ended_last_before_it() {
        let mut late = Late::default();
        late.stretches.push_back(vec![exchange(0, 10, 20), exchange(1, 30, 40)]);
        late.stretches.push_back(vec![exchange(7, 50, 60)]);
        let pair = late.find_borrowing(demand(5, 55, 2), |_| true).unwrap();
        assert_eq!((pair.start.begun, pair.ended), (10, 40));
        assert_eq!(late.stretches.len(), 1);
        // Its exchange was asked for before it came.
        assert!(late.find_borrowing(demand(51, 70, 1), |_| true).is_none());
    }

    #[test]
    fn several_borrowings_in_a_row_are_told_apart_by_what_is_usual() {
        let mut late = Late::default();
        late.demands.extend([demand(1, 45, 2), demand(2, 90, 2)]);
        let four = [(10, 20), (30, 40), (50, 60), (70, 80)];
        let stretch =
            (0..).zip(four).map(|(number, (begun, ended))| exchange(number, begun, ended)).collect();
        late.stretches.push_back(stretch);
        assert_eq!(
            late.find_demand(0, |_| true).map(|pair| (pair.start.begun, pair.demand.served)),
            Some((50, 90))
        );
        assert_eq!(
            late.find_demand(0, |_| true).map(|pair| (pair.start.begun, pair.demand.served)),
            Some((10, 45))
        );
        assert!(late.stretches.is_empty() && late.demands.is_empty());
    }

    #[test]
    fn of_how_many_exchanges_nobody_knows_all_that_came_since_are_its_own() {
        let mut late = Late::default();
        late.stretches.push_back(vec![exchange(0, 10, 20), exchange(1, 30, 40), exchange(2, 45, 50)]);
        late.demands.push_back(Unlinked { usual: None, ..demand(25, 60, 0) });
        assert_eq!(late.find_demand(0, |_| true).map(|pair| pair.start.begun), Some(30));
        assert_eq!(late.stretches.front().map(Vec::len), Some(1));
    }

    #[test]
    fn what_was_taken_back_after_another_number_than_its_route_has_is_anothers() {
        let mut late = Late::default();
        let back = Exchange { returns: Some(exchange(0, 10, 20).itself), ..exchange(1, 30, 40) };
        late.stretches.push_back(vec![exchange(0, 10, 20), back]);
        assert!(late.find_borrowing(Unlinked { only: Some(3), ..demand(5, 55, 3) }, |_| true).is_none());
        assert!(late.find_borrowing(Unlinked { only: Some(2), ..demand(5, 55, 2) }, |_| true).is_some());
    }

    #[test]
    fn whom_the_order_of_the_queue_excludes_comes_last() {
        let mut late = Late::default();
        late.stretches.push_back(vec![exchange(0, 10, 20)]);
        late.stretches.push_back(vec![exchange(7, 15, 30)]);
        let begun = |pair: Option<Pair>| pair.map(|pair| (pair.start.begun, pair.may));
        assert_eq!(
            begun(late.find_borrowing(demand(5, 55, 1), |pair| pair.start.begun < 12)),
            Some((10, true))
        );
        assert_eq!(
            begun(late.find_borrowing(demand(5, 55, 1), |pair| pair.start.begun < 12)),
            Some((15, false))
        );
    }

    #[test]
    fn what_finds_nothing_is_forgotten() {
        let mut late = Late::default();
        for n in 0..200 {
            late.demands.push_back(demand(n, n + 1, 1));
        }
        late.forget(300);
        assert_eq!(late.demands.len(), KEPT);
        late.forget(2 * OLD);
        assert!(late.demands.is_empty());
    }
}
