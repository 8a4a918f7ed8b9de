//! All routes of one process: which of them borrow, and what is usual over them.

use std::collections::BTreeMap;

use super::{
    super::{super::limits, outside::Usual},
    ENOUGH, Route, RouteId, USUAL,
};
use crate::event::Time;

/// All routes of one process.
#[derive(Debug, Default)]
pub struct Routes {
    table: BTreeMap<RouteId, Route>,
    open: u32,
}

impl Routes {
    /// The number under which a route is kept: itself, where there is room.
    pub fn admit(&mut self, route: RouteId) -> RouteId {
        let known = self.table.contains_key(&route);
        let kept = if known || self.table.len() < limits::ROUTES { route } else { 0 };
        self.table.entry(kept).or_insert_with(|| Route { borrows: true, ..Route::default() });
        kept
    }

    /// A demand came.
    pub fn ask(&mut self, route: RouteId, at: Time) {
        let route = self.get(route);
        route.ask(at);
        let borrows = route.borrows;
        self.open += u32::from(borrows);
    }

    /// A demand is over.
    pub fn close(&mut self, route: RouteId) {
        let route = self.get(route);
        route.open = route.open.saturating_sub(1);
        let borrows = route.borrows;
        self.open = self.open.saturating_sub(u32::from(borrows));
    }

    /// A route.
    pub fn get(&mut self, route: RouteId) -> &mut Route {
        self.table.entry(route).or_insert_with(|| Route { borrows: true, ..Route::default() })
    }

    /// Judges anew which routes borrow; `threads` = one thread serves one demand at a time.
    pub fn judge(&mut self, threads: bool) {
        let sure = |route: &&Route| route.linked > 0.5 * route.served;
        let unhindered: f64 = self.table.values().filter(sure).map(|route| route.unhindered).sum();
        let fresh: f64 = self.table.values().filter(sure).map(|route| route.fresh).sum();
        let least = (0.3 * fresh / unhindered.max(1.0)).max(0.02);
        for route in self.table.values_mut() {
            let by_end = route.linked > USUAL * route.served;
            let untold = route.served < ENOUGH || !threads && route.unhindered < ENOUGH;
            let by_start = !threads && route.fresh > least * route.unhindered;
            route.borrows = untold || by_end || by_start;
        }
        self.open = self.table.values().filter(|route| route.borrows).map(|route| route.open).sum();
    }

    /// What is usual outside borrowings.
    pub fn outside(&mut self, at: Time) -> Usual {
        let (mut after, mut coming, mut square) = (0.0, 0.0, 0.0);
        for route in self.table.values_mut().filter(|route| route.borrows) {
            let (rate, before) = (route.rate.at(at), route.until_borrowing());
            after += rate * route.after.mean();
            coming += rate * before;
            square += rate * before * before;
        }
        Usual { after, before: if coming > 0.0 { square / coming } else { 0.0 } }
    }

    /// Open demands of routes that borrow.
    pub const fn open(&self) -> u32 {
        self.open
    }

    /// Share of the served demands of borrowing routes whose borrowing was recognised.
    pub fn linked(&self) -> f64 {
        let borrowing = self.table.values().filter(|route| route.borrows);
        let (linked, served) = borrowing
            .fold((0.0, 0.0), |(linked, served), route| (linked + route.linked, served + route.served));
        if served > 0.0 { (linked / served).min(1.0) } else { 0.0 }
    }

    /// How well the usual time before borrowing is known, against a mean wait in nanoseconds: from 0 to 1.
    pub fn grounds(&mut self, mean: f64) -> f64 {
        let borrowing = self.table.values_mut().filter(|route| route.borrows);
        let (known, served) = borrowing.fold((0.0, 0.0), |(known, served), route| {
            (known + route.served * route.grounds(mean), served + route.served)
        });
        if served > 0.0 { known / served } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_that_never_borrows_is_told_apart() {
        let mut routes = Routes::default();
        for (route, links) in [(1, true), (2, false)] {
            assert_eq!(routes.admit(route), route);
            for at in 0..20 {
                routes.ask(route, at);
                routes.get(route).served(true);
                if links {
                    routes.get(route).link();
                    routes.get(route).start();
                }
            }
        }
        assert_eq!(routes.open(), 40);
        routes.judge(false);
        assert_eq!((routes.open(), routes.linked()), (20, 1.0));
    }

    #[test]
    fn further_routes_share_one_entry() {
        let mut routes = Routes::default();
        for route in 1..=256 {
            assert_eq!(routes.admit(route), route);
        }
        assert_eq!(routes.admit(9_999), 0);
        assert_eq!(routes.admit(3), 3);
    }

    #[test]
    fn a_route_that_borrows_is_known_in_a_queue_too() {
        let mut routes = Routes::default();
        routes.admit(1);
        for n in 0..1000 {
            routes.ask(1, n);
            // Its response is late, and hardly any finds an idle connection.
            let unhindered = n % 100 == 0;
            routes.get(1).served(unhindered);
            if unhindered {
                routes.get(1).start();
            }
        }
        routes.judge(false);
        assert!(routes.get(1).borrows());
    }
}
