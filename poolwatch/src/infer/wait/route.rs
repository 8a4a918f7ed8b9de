//! What is learned of each route: whether it borrows connections, and what it does before and after that.

use std::collections::BTreeMap;

use super::{
    super::{given_up::Habit, limits},
    rate::Rate,
    samples::Samples,
};
use crate::event::Time;

/// Served demands after which older ones weigh half.
const HALVED: f64 = 2000.0;
/// Served demands below which a route is taken for one that borrows.
const ENOUGH: f64 = 5.0;
/// Share of a route's demands whose borrowings are recognised, from which one without is a rare thing.
const SHOWN: f64 = 0.8;
/// Borrowings of several exchanges from which the usual number is learned.
const SURE: u32 = 5;
/// Exchanges of one borrowing that are told apart.
const LENGTHS: usize = 8;

/// A route; 0 stands for all that cannot be read, and for those that found no room.
pub type RouteId = u32;

/// One route.
#[derive(Clone, Debug, Default)]
pub struct Route {
    open: u32,
    /// It borrows connections.
    borrows: bool,
    /// Read → first request, of demands that did not wait.
    pub before: Samples,
    /// Last answer → response.
    pub after: Samples,
    served: f64,
    linked: f64,
    fresh: f64,
    rate: Rate,
    lengths: [u32; LENGTHS],
}

impl Route {
    fn ask(&mut self, at: Time) {
        self.rate.see(at);
        self.open += 1;
    }

    /// A demand was served.
    pub fn served(&mut self) {
        self.served += 1.0;
        if self.served > HALVED {
            self.served /= 2.0;
            self.linked /= 2.0;
            self.fresh /= 2.0;
        }
    }

    /// A demand's borrowing was recognised by its end.
    pub fn link(&mut self) {
        self.linked += 1.0;
    }

    /// A demand's borrowing was recognised by its start.
    pub fn start(&mut self) {
        self.fresh += 1.0;
    }

    /// A borrowing of which both ends are certain had so many exchanges.
    pub fn measure(&mut self, exchanges: usize) {
        if let Some(count) = self.lengths.get_mut(exchanges.min(LENGTHS - 1)) {
            *count += 1;
        }
    }

    /// The usual number of exchanges; `None` before it is known.
    pub fn usual(&self) -> Option<usize> {
        let known = self.lengths.iter().sum::<u32>() >= SURE;
        let (length, _) = self.lengths.iter().enumerate().rev().max_by_key(|(_, count)| **count)?;
        known.then_some(length)
    }

    /// Whether its demands borrow, as far as that is known.
    pub fn habit(&self) -> Habit {
        if self.served < ENOUGH {
            Habit::Unknown
        } else if self.linked > SHOWN * self.served {
            Habit::Shows
        } else if self.borrows {
            Habit::Uses
        } else {
            Habit::Spares
        }
    }

    /// Time of one demand outside its borrowing, in nanoseconds.
    pub fn outside(&mut self) -> f64 {
        self.before.mean() + self.after.mean()
    }
}

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
        let served: f64 = self.table.values().filter(sure).map(|route| route.served).sum();
        let fresh: f64 = self.table.values().filter(sure).map(|route| route.fresh).sum();
        let least = (0.3 * fresh / served.max(1.0)).max(0.02);
        for route in self.table.values_mut() {
            let by_end = route.linked > 0.3 * route.served;
            let by_start = !threads && route.fresh > least * route.served;
            route.borrows = route.served < ENOUGH || by_end || by_start;
        }
        self.open = self.table.values().filter(|route| route.borrows).map(|route| route.open).sum();
    }

    /// Demands outside their borrowing on average, by Little's law.
    pub fn outside(&mut self, at: Time) -> f64 {
        let borrowing = self.table.values_mut().filter(|route| route.borrows);
        borrowing.map(|route| route.rate.at(at) * route.outside()).sum()
    }

    /// Open demands of routes that borrow.
    pub const fn open(&self) -> u32 {
        self.open
    }

    /// Standard deviation of the time before borrowing, over the demands of all routes that borrow, in nanoseconds.
    pub fn unsteadiness(&mut self) -> f64 {
        let borrowing = self.table.values_mut().filter(|route| route.borrows && route.before.count() > 0);
        let (sum, weight) = borrowing.fold((0.0, 0.0), |(sum, weight), route| {
            (sum + route.served * route.before.deviation(), weight + route.served)
        });
        if weight > 0.0 { sum / weight } else { 0.0 }
    }

    /// Share of the served demands of borrowing routes whose borrowing was recognised.
    pub fn linked(&self) -> f64 {
        let borrowing = self.table.values().filter(|route| route.borrows);
        let (linked, served) = borrowing
            .fold((0.0, 0.0), |(linked, served), route| (linked + route.linked, served + route.served));
        if served > 0.0 { (linked / served).min(1.0) } else { 0.0 }
    }

    /// Samples that the time outside borrowings rests on.
    pub fn samples(&self) -> usize {
        self.table.values().filter(|route| route.borrows).map(|route| route.before.count()).sum()
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
                routes.get(route).served();
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
}
