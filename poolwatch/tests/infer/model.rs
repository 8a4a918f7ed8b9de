//! Well-formed streams against a model that is so simple that it must be right.

use std::collections::BTreeMap;

use poolwatch::{
    event::{Event, RequestKind, SocketId, Transaction},
    infer::{fact::Fact, settings::Settings},
};
use proptest::prelude::*;

use crate::{
    plan::{self, Plan, plans},
    world::{MS, World, id, process, states},
};

const MAX: u32 = 2;

/// What was told of one connection.
#[derive(Clone, Copy, Default)]
struct Told {
    ready: bool,
    transaction: bool,
    under_way: Option<u64>,
}

impl Told {
    fn hear(&mut self, event: &Event) {
        match event {
            Event::Request(request) if request.kind == RequestKind::Startup => self.ready = true,
            Event::Request(request) => {
                self.transaction = request.transaction != Transaction::Idle;
                self.under_way = self.under_way.filter(|since| Some(*since) > request.started);
            }
            Event::Inflight { since, .. } => self.under_way = Some(*since),
            _ => {}
        }
    }

    /// Used, idle, opening, unknown, idle in transaction.
    fn state(self) -> [u32; 5] {
        match (self.ready, self.under_way, self.transaction) {
            (false, ..) => [0, 0, 1, 0, 0],
            (true, None, false) => [0, 1, 0, 0, 0],
            (true, None, true) => [1, 0, 0, 0, 1],
            (true, Some(_), _) => [1, 0, 0, 0, 0],
        }
    }
}

fn key(plan: &Plan) -> (u32, String) {
    (plan.pid, plan.database.to_owned())
}

type States = BTreeMap<(u32, String), [u32; 5]>;

fn expected(plans: &[Plan], told: &BTreeMap<SocketId, Told>) -> States {
    let mut states = States::new();
    for (number, plan) in plans.iter().enumerate() {
        let Some(told) = told.get(&SocketId(plan::socket(number))) else { continue };
        let sums = states.entry(key(plan)).or_default();
        for (sum, one) in sums.iter_mut().zip(told.state()) {
            *sum += one;
        }
    }
    states
}

fn shown(world: &World, ms: u64) -> States {
    let pools = world.at(ms).pools;
    let named = pools
        .iter()
        .map(|pool| ((pool.process.id.pid, pool.labels.database.clone()), states(pool.connections)));
    named.filter(|(_, states)| *states != [0; 5]).collect()
}

/// Milliseconds in which at least `MAX` connections of one pool were used.
fn saturated(plans: &[Plan]) -> u64 {
    let mut edges = BTreeMap::<_, Vec<(u64, i32)>>::new();
    for plan in plans {
        let edges = edges.entry(key(plan)).or_default();
        edges.extend(plan.stretches().iter().flat_map(|used| [(used.start, 1), (used.end, -1)]));
    }
    let of_pool = |mut edges: Vec<(u64, i32)>| {
        edges.sort_unstable();
        let (mut level, mut last, mut sum) = (0, 0, 0);
        for (at, step) in edges {
            sum += if level >= i32::try_from(MAX).unwrap_or(0) { at - last } else { 0 };
            (level, last) = (level + step, at);
        }
        sum
    };
    edges.into_values().map(of_pool).sum()
}

fn run(plans: &[Plan]) -> World {
    let mut world = World::with(Settings { pool_max: vec![(None, MAX)], ..Settings::default() });
    world.tell(&[process(id(1), "api"), process(id(2), "api")]);
    let mut told = BTreeMap::<SocketId, Told>::new();
    for (at, event) in plan::events(plans) {
        world.tell(std::slice::from_ref(&event));
        if let Some(socket) = plan::of(&event) {
            told.entry(socket).or_default().hear(&event);
            if matches!(event, Event::Close { .. }) {
                told.remove(&socket);
            }
        }
        // Between an Open and its Startup a connection stands in the pool that it will likely join.
        if !matches!(event, Event::Open { .. }) {
            assert_eq!(shown(&world, at), expected(plans, &told), "at {at} after {event:?}");
        }
    }
    let end = plans.iter().map(|plan| plan.closed).max().unwrap_or(0) + 1000;
    for pid in [1, 2] {
        world.tell(&[Event::Exit { process: id(pid), at: end * MS }]);
    }
    world
}

fn check(plans: &[Plan]) {
    let world = run(plans);
    let stretches: Vec<_> = plans.iter().flat_map(Plan::stretches).collect();
    let mut lengths: Vec<u64> = stretches.iter().map(|used| used.end - used.start).collect();
    let mut leases = world.leases();
    lengths.sort_unstable();
    leases.sort_unstable();
    assert_eq!(leases, lengths);
    let (_, used, at_limit) = world.elapsed();
    assert_eq!(used, lengths.iter().sum::<u64>());
    assert_eq!(at_limit, saturated(plans));
    let requests: usize = plans.iter().map(|plan| plan.requests.len()).sum();
    assert_eq!(world.count(|fact| matches!(fact, Fact::Request { .. })), requests);
    for is in [is_opened, is_created, is_closed] {
        assert_eq!(world.count(is), plans.len());
    }
    assert!(world.errors().is_empty() && world.at(0).books.lost.is_empty());
}

fn is_opened(fact: &Fact) -> bool {
    matches!(fact, Fact::Opened { .. })
}

fn is_created(fact: &Fact) -> bool {
    matches!(fact, Fact::Created { .. })
}

fn is_closed(fact: &Fact) -> bool {
    matches!(fact, Fact::Closed { .. })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_core_agrees_with_the_model(plans in plans()) {
        check(&plans);
    }
}
