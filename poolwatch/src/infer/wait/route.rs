//! What is learned of each route: whether it borrows connections, and what it does before and after that.

mod table;

use super::{
    super::given_up::{Habit, Wait},
    lengths::Lengths,
    rate::Rate,
    samples::Samples,
    way::Way,
};
use crate::event::Time;

/// Served demands after which older ones weigh half.
const HALVED: f64 = 2000.0;
/// Served demands below which a route is taken for one that borrows.
const ENOUGH: f64 = 5.0;
/// Share of a route's demands whose borrowings are recognised, from which one without is a rare thing.
const SHOWN: f64 = 0.8;
/// Links of a route, as a share of its demands, from which they are its own: of one whose responses come later, or that
/// borrows nothing, some fall into an answer's turn by chance.
const USUAL: f64 = 0.3;
/// Where one of so many cannot have waited, the others did not either.
const QUICK: u32 = 4;
/// Waits of a route that are remembered until it is seen to borrow.
const DOUBTFUL: usize = 64;
/// Samples of the time before borrowing from which it is known by their error alone.
const SURE_OF_BEFORE: f64 = 5.0;
/// How far it is known at best where none came while a connection was idle.
const BOUNDED: f64 = 0.95;

pub use table::Routes;

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
    /// The shortest time from a demand to its first request, or to its response, of those that may have waited.
    least: Option<f64>,
    /// Last answer → response.
    pub after: Samples,
    served: f64,
    linked: f64,
    /// Served demands that came while a connection was idle, and those of them that were seen to begin at once.
    unhindered: f64,
    fresh: f64,
    rate: Rate,
    /// Demands that were served without a link: later than it takes to wait for a connection, and sooner.
    queued: u32,
    quick: u32,
    /// Waits in vain, if it borrows at all.
    doubtful: Vec<Wait>,
    /// Exchanges of a borrowing, both ends being certain.
    lengths: Lengths,
    /// The same from the last proven return of the connection on: borrowers that were not recognised may be among them.
    spans: Lengths,
}

impl Route {
    fn ask(&mut self, at: Time) {
        self.rate.see(at);
        self.open += 1;
    }

    /// It borrows connections.
    pub const fn borrows(&self) -> bool {
        self.borrows
    }

    /// A demand was served.
    pub fn served(&mut self, unhindered: bool) {
        self.served += 1.0;
        self.unhindered += f64::from(u8::from(unhindered));
        if self.served > HALVED {
            self.served /= 2.0;
            self.linked /= 2.0;
            self.unhindered /= 2.0;
            self.fresh /= 2.0;
        }
    }

    /// One that was served says nothing of the others: it waited for a connection in vain, perhaps. Before any was seen to
    /// borrow, that is left open.
    pub fn set_aside(&mut self, wait: Wait) {
        self.served = (self.served - 1.0).max(0.0);
        if !self.has_borrowed() && self.doubtful.len() < DOUBTFUL {
            self.doubtful.push(wait);
        }
    }

    /// Those that were set aside before any was seen to borrow.
    pub fn take_doubtful(&mut self) -> Vec<Wait> {
        if self.has_borrowed() { std::mem::take(&mut self.doubtful) } else { Vec::new() }
    }

    /// Some that were set aside waited in vain: they would have borrowed.
    pub fn take_back(&mut self, number: usize) {
        self.served += number as f64;
        self.linked += number as f64;
    }

    /// Some of its demands were seen to borrow.
    pub fn has_borrowed(&self) -> bool {
        self.linked >= 1.0
    }

    /// A demand's borrowing was recognised by its end.
    pub fn link(&mut self) {
        self.linked += 1.0;
    }

    /// Its borrowings are usually recognised by their ends: else most of those that are recognised are another's.
    pub fn is_linked(&self) -> bool {
        self.linked > USUAL * self.served + 1.0
    }

    /// A demand's borrowing was recognised by its start.
    pub fn start(&mut self) {
        self.fresh += 1.0;
    }

    /// A borrowing of which both ends are certain had so many exchanges.
    pub fn measure(&mut self, exchanges: usize) {
        self.lengths.add(exchanges);
    }

    /// A borrowing of which the end is certain had at most so many.
    pub fn measure_most(&mut self, exchanges: usize) {
        self.spans.add(exchanges);
    }

    /// The usual number of exchanges; `None` before it is known. Where no start was ever certain, as when something
    /// comes before the pool, it is the most frequent span between two returns: those that hold another's are fewer.
    pub fn usual(&self) -> Option<usize> {
        self.lengths.usual().or_else(|| self.spans.usual())
    }

    /// The number of exchanges that nearly all of its borrowings have of which both ends are certain.
    pub fn only(&self) -> Option<usize> {
        self.lengths.only()
    }

    /// The number of exchanges that nine of ten of its borrowings do not exceed; `None` before it is known.
    pub fn most(&self) -> Option<usize> {
        self.lengths.most()
    }

    /// One was served without a link, and may have waited with others or cannot have. Whether those of the route seem to.
    pub const fn queues(&mut self, may: bool) -> bool {
        if may {
            self.queued = self.queued.saturating_add(1);
        } else {
            self.quick = self.quick.saturating_add(1);
        }
        self.quick.saturating_mul(QUICK) <= self.queued
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

    /// Time until its demands usually borrow, in nanoseconds; 0 if they do not.
    pub fn comes_after(&mut self) -> f64 {
        if self.borrows { self.until_borrowing() } else { 0.0 }
    }

    /// Time from a demand to its first request where it does not wait, in nanoseconds. While few such were seen, no longer
    /// than what the quickest took that may have waited: where a queue never ends, the few are chance.
    pub fn until_borrowing(&mut self) -> f64 {
        let few = (self.before.count() as f64) < SURE_OF_BEFORE;
        let most = self.least.filter(|_| few).unwrap_or(f64::INFINITY);
        self.before.mean().min(most)
    }

    /// Its way to the pool.
    pub fn way(&mut self) -> Way {
        let usual = self.until_borrowing();
        let varies = self.before.deviation().min(usual);
        Way { fixed: usual - varies, varies }
    }

    /// One that may have waited took so long from its demand to its first request, or to its response where that is not
    /// known.
    pub fn bound(&mut self, before: f64) {
        self.least = Some(self.least.map_or(before, |least| least.min(before)));
    }

    /// How well the time before borrowing is known, against a mean wait in nanoseconds: by its standard error, and where
    /// there are too few samples, because it is no longer than what the quickest took that waited.
    fn grounds(&mut self, mean: f64) -> f64 {
        let samples = self.before.count() as f64;
        let error = (self.before.mean() + self.before.deviation()) / samples.sqrt().max(1.0);
        let known = (samples / SURE_OF_BEFORE).min(1.0) * mean / (mean + error);
        let bounded = self.least.map_or(0.0, |least| BOUNDED * mean / (mean + least));
        known.max(bounded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_length_is_known_without_a_certain_start() {
        let mut route = Route::default();
        assert_eq!(route.usual(), None);
        for span in [1, 3, 1, 1, 3, 1] {
            route.measure_most(span);
        }
        assert_eq!(route.usual(), Some(1));
        (0..5).for_each(|_| route.measure(2));
        assert_eq!(route.usual(), Some(2));
    }

    #[test]
    fn who_is_often_served_sooner_than_others_wait_does_not_queue() {
        let mut route = Route::default();
        assert!(!route.queues(false));
        (0..8).for_each(|_| _ = route.queues(true));
        assert!(route.queues(true));
        assert!(route.queues(false) && !route.queues(false));
    }

    #[test]
    fn one_that_took_longer_than_those_that_waited_is_chance() {
        let mut route = Route::default();
        route.before.add(10e6);
        assert!((route.until_borrowing() - 10e6).abs() < 1.0);
        route.bound(4e5);
        assert!((route.until_borrowing() - 4e5).abs() < 1.0);
        (0..4).for_each(|_| route.before.add(10e6));
        assert!((route.until_borrowing() - 10e6).abs() < 1.0);
    }

    #[test]
    fn few_links_of_a_route_are_chance() {
        let mut route = Route::default();
        for n in 0..20 {
            route.served(true);
            if n % 5 == 0 {
                route.link();
            }
        }
        assert!(!route.is_linked());
        (0..10).for_each(|_| route.link());
        assert!(route.is_linked());
    }
}
