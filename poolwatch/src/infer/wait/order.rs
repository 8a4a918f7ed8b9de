//! In which order a pool serves its borrowers: nearly all serve those first that joined first. Of such a pool, what one
//! waited lies between what its neighbours say that were served just before and just after it.

use std::collections::VecDeque;

use super::{
    follow,
    lent::ExchangeRef,
    way::{Estimate, Joined, Within},
};
use crate::event::Time;

/// Borrowers that are remembered; a neighbour further away bounds nothing.
const KEPT: usize = 64;
/// Share of borrowers that were served before one that joined sooner, above which the order says nothing: some links are wrong,
/// and some libraries draw lots.
const DISORDER: f64 = 0.15;

/// The newest borrowers of a pool.
#[derive(Debug, Default)]
pub struct Order {
    newest: VecDeque<Joined>,
    /// Share of those that were served before one that joined sooner.
    disorder: f64,
}

impl Order {
    /// One more.
    pub fn see(&mut self, one: Joined) {
        if self.newest.len() >= KEPT {
            self.newest.pop_front();
        }
        self.newest.push_back(one);
    }

    /// Within which a borrower's wait lies, by those that were served before it, since the pool is full, and after it.
    pub fn within(&mut self, exchange: &ExchangeRef, own: Joined) -> Within {
        let before = self.newest.iter().filter(|one| waits_with(one, exchange));
        if let Some(last) = before.max_by_key(|one| one.begun).copied() {
            self.compare(last, own);
        }
        if self.draws_lots() { Within::ANY } else { self.bounds(exchange) }
    }

    /// A borrower that joined the queue then can be the exchange's.
    pub fn allows(&self, exchange: &ExchangeRef, own: Joined) -> bool {
        if self.draws_lots() {
            return true;
        }
        let since = |joined: Time| own.begun.saturating_sub(joined) as f64;
        let Within { least, most } = self.bounds(exchange);
        least <= since(own.from) && since(own.to) <= most
    }

    /// What the exchange's borrower waited, whoever that is, where both neighbours say so.
    pub fn tells(&self, exchange: &ExchangeRef) -> Option<Estimate> {
        let Within { least, most } = self.bounds(exchange);
        let told = !self.draws_lots() && least > 0.0 && most.is_finite();
        told.then(|| Estimate {
            mean: f64::midpoint(least, most),
            doubt: (most - least).abs() / 12_f64.sqrt(),
        })
    }

    /// Who joined sooner is often served later.
    fn draws_lots(&self) -> bool {
        self.disorder > DISORDER
    }

    fn bounds(&self, exchange: &ExchangeRef) -> Within {
        let since = |joined: Time| exchange.begun.saturating_sub(joined) as f64;
        let mut within = Within::ANY;
        for one in &self.newest {
            if one.begun > exchange.begun {
                within.least = within.least.max(since(one.to));
            } else if waits_with(one, exchange) {
                within.most = within.most.min(since(one.from));
            }
        }
        within
    }

    /// One was served before the other, which waited already: who joined sooner, if that can be told?
    fn compare(&mut self, before: Joined, own: Joined) {
        if own.to < before.begun && (own.to < before.from || before.to < own.from) {
            follow(&mut self.disorder, own.to < before.from);
        }
    }
}

/// It was served before the exchange, since the pool is full.
fn waits_with(one: &Joined, exchange: &ExchangeRef) -> bool {
    (exchange.full.since..exchange.begun).contains(&one.begun)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event::SocketId, infer::wait::lending::Full};

    fn within(order: &mut Order, begun: Time, from: Time, to: Time) -> Within {
        let full = Full { since: 10, surely: 0 };
        let exchange = ExchangeRef { socket: SocketId(1), number: 0, begun, gated: true, full };
        let own = Joined { begun, from, to };
        let within = order.within(&exchange, own);
        order.see(own);
        within
    }

    #[test]
    fn neighbours_bound_a_wait_from_both_sides() {
        let mut order = Order::default();
        assert_eq!(within(&mut order, 100, 20, 20), Within::ANY);
        assert_eq!(within(&mut order, 120, 50, 50), Within { least: 0.0, most: 100.0 });
        assert_eq!(within(&mut order, 110, 15, 90), Within { least: 60.0, most: 90.0 });
        assert_eq!(
            within(&mut order, 9, 1, 2),
            Within { least: 0.0, most: f64::INFINITY },
            "before it was full"
        );
    }

    #[test]
    fn who_joined_out_of_order_had_another_connection() {
        let mut order = Order::default();
        for (begun, joined) in [(100, 50), (120, 60)] {
            within(&mut order, begun, joined, joined);
        }
        let full = Full { since: 10, surely: 0 };
        let exchange = ExchangeRef { socket: SocketId(1), number: 0, begun: 110, gated: true, full };
        let allows = |from, to| order.allows(&exchange, Joined { begun: 110, from, to });
        assert_eq!(
            [allows(55, 55), allows(40, 52), allows(40, 45), allows(70, 80)],
            [true, true, false, false]
        );
        assert!(order.tells(&exchange).is_some_and(|told| (told.mean - 55.0).abs() < 1e-9));
        assert_eq!(order.tells(&ExchangeRef { begun: 130, ..exchange }), None, "nobody was served after it");
    }

    #[test]
    fn where_lots_are_drawn_neighbours_bound_nothing() {
        let mut order = Order::default();
        for n in 1..50 {
            let at = 1000 * n;
            within(&mut order, at, at - 10, at - 10);
            within(&mut order, at + 5, at - 20, at - 20);
        }
        assert_eq!(within(&mut order, 60_000, 59_000, 59_000), Within::ANY);
    }
}
