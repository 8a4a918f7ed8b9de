//! Who waits, who gives up, and what is said where that cannot be known.

use poolwatch::{
    event::{Begun, Declared, Event, Parked, Parking, ProcessId, Protocol, Request, Served, SocketId, Turn},
    infer::{fact::Fact, snapshot::Inferred},
};

use crate::{
    serving::{DEMANDS, Serving, Truth, requests},
    world::{MS, World, id, process, server, tick},
};

/// What was told.
#[derive(Debug, Default)]
pub struct Told {
    pub waits: Vec<f64>,
    pub gave_up: usize,
    /// Request-seconds of waiting.
    pub pending: f64,
}

pub fn told(world: &World) -> Told {
    let mut told = Told::default();
    for fact in &world.facts {
        match fact {
            Fact::Waited { took, .. } => told.waits.push(*took as f64 / MS as f64),
            Fact::TimedOut { .. } => told.gave_up += 1,
            Fact::Elapsed { pending, .. } => told.pending += *pending as f64 / 1e9,
            _ => {}
        }
    }
    told
}

fn declaring(connection_timeout: Option<i64>) -> Event {
    let mut event = process(id(1), "api");
    if let Event::Process(facts) = &mut event {
        facts.declared = Declared { connection_timeout, ..Declared::default() };
    }
    event
}

/// A pool that is known from its birth, and everything that its server did.
pub fn run(serving: &Serving, asked: &[(u64, u64)], declared: Option<i64>) -> (World, Truth) {
    let mut world = World::new();
    let sockets: Vec<u64> = (1..=serving.connections).collect();
    world.connect(&sockets, "shop", 0);
    if declared.is_some() {
        world.tell(&[declaring(declared)]);
    }
    let (events, truth) = serving.serve(asked);
    tell(&mut world, &events);
    (world, truth)
}

/// Tells them all, and what time it is.
fn tell(world: &mut World, events: &[Event]) {
    let mut next = 0;
    for event in events {
        let at = event.at().unwrap_or(0) / MS;
        while next < at {
            next += 10;
            world.tell(&[tick(next)]);
        }
        world.tell(std::slice::from_ref(event));
    }
    world.tell(&[tick(next + 10)]);
}

fn seconds(waits: &[u64]) -> f64 {
    waits.iter().sum::<u64>() as f64 / 1e6
}

fn close_to(told: f64, truth: f64, share: f64, what: &str) {
    assert!((told - truth).abs() <= share * truth, "{what}: {told} instead of {truth}");
}

/// A quiet start, then more than five connections can bear.
fn flood() -> Vec<(u64, u64)> {
    let mut asked = requests(10_000, 60.0, 200);
    let quiet = asked.last().map_or(0, |(at, _)| *at);
    asked.extend(requests(quiet + 100_000, 200.0, 4000));
    asked
}

#[test]
fn who_gives_up_is_counted_and_has_waited() {
    for declared in [None, Some(150)] {
        let (world, truth) = run(&Serving { patience: Some(150_000), ..Serving::new(5) }, &flood(), declared);
        let told = told(&world);
        assert!(truth.gave_up.len() > 300, "{}", truth.gave_up.len());
        close_to(told.gave_up as f64, truth.gave_up.len() as f64, 0.02, "gave up");
        close_to(told.waits.len() as f64, truth.waits.len() as f64, 0.01, "waits");
        close_to(
            told.waits.iter().sum::<f64>() / 1e3,
            seconds(&truth.waits),
            0.02,
            "waiting of those served",
        );
        close_to(told.pending, seconds(&truth.waits) + seconds(&truth.gave_up), 0.03, "integral");
    }
}

#[test]
fn where_nobody_gives_up_nobody_is_said_to() {
    for (rate, declared) in [(100.0, None), (155.0, None), (155.0, Some(150)), (155.0, Some(5000))] {
        let (world, truth) = run(&Serving::new(5), &requests(10_000, rate, 6000), declared);
        let told = told(&world);
        let most = truth.waits.iter().max().copied().unwrap_or(0);
        assert!(rate < 150.0 || most > 200_000, "they wait for long: {most}");
        assert_eq!(told.gave_up, 0, "{rate} {declared:?}");
    }
}

/// An event loop reads and answers, and has workers ask the database, each with a connection of its own.
fn by_workers(events: Vec<Event>) -> Vec<Event> {
    let worker = |socket: SocketId| Turn { thread: 100 + u32::try_from(socket.0).unwrap_or(0), nth: 0 };
    let mut handed: Vec<Event> = events
        .into_iter()
        .map(|event| match event {
            Event::Begun(begun) => Event::Begun(Begun { turn: worker(begun.socket), ..begun }),
            Event::Request(request) => {
                let turn = Some(worker(request.socket));
                Event::Request(Request { turn, ..request })
            }
            Event::Served(served) => Event::Served(Served { at: served.at + MS / 5, ..served }),
            event => event,
        })
        .collect();
    handed.sort_by_key(Event::at);
    handed
}

#[test]
fn what_an_event_loop_hands_to_workers_is_known_by_its_response() {
    let mut world = World::new();
    world.connect(&[1, 2, 3, 4, 5], "shop", 0);
    let (events, truth) = Serving::new(5).serve(&flood());
    tell(&mut world, &by_workers(events));
    let told = told(&world);
    close_to(told.waits.len() as f64, truth.waits.len() as f64, 0.05, "waits");
    let mean = |sum: f64, count: usize| sum / count as f64;
    let (one, other) = (told.waits.iter().sum::<f64>() / 1e3, seconds(&truth.waits));
    close_to(mean(one, told.waits.len()), mean(other, truth.waits.len()), 0.05, "mean wait");
    close_to(told.pending, other, 0.05, "integral");
}

/// The pool is stuck when the agent comes: nothing of it is known but what the process declares, until it answers and shows
/// that those would have borrowed who were answered after one and the same time.
#[test]
fn who_gives_up_a_stuck_pool_is_counted_by_what_is_declared_or_once_it_answers() {
    let stuck: Vec<_> = (0..50).map(|nth| (10_000 + nth * 20_000, 20_000_000)).collect();
    for (declared, expected) in [(Some(500), 48), (None, 48), (Some(2000), 0)] {
        let (world, truth) = run(&Serving { patience: Some(500_000), ..Serving::new(2) }, &stuck, declared);
        assert_eq!((truth.gave_up.len(), told(&world).gave_up), (48, expected), "{declared:?}");
    }
}

/// Whoever waits while a connection cannot be made waited for that.
#[test]
fn a_connection_that_could_not_be_made_excuses() {
    let failed = |ms| {
        let (process, server) = (ProcessId { pid: 1, started: 1 }, server(1));
        Event::ConnectFailed { process, server, at: ms * MS, connected: ms * MS, errno: Some(111) }
    };
    for (ms, expected) in [(100, 1), (300, 0)] {
        let mut world = World::new();
        world.connect(&[1], "shop", 0);
        let serving = Serving { patience: Some(500_000), ..Serving::new(1) };
        let (mut events, _) = serving.serve(&[(150_000, 3_000_000_000), (200_000, 1000)]);
        events.push(failed(ms));
        events.sort_by_key(Event::at);
        events.retain(|event| event.at() < Some(1000 * MS));
        world.tell(&[declaring(Some(500))]).tell(&events);
        assert_eq!(told(&world).gave_up, expected, "failed at {ms} ms");
    }
}

/// A thread that waits for a connection sleeps, and wakes by itself when its patience is over.
#[test]
fn threads_that_give_up_have_slept_for_it() {
    let serving = Serving { patience: None, ..Serving::new(1) };
    let (mut world, _) = run(&serving, &[], Some(500));
    let (busy, _) = serving.serve(&[(100_000, 60_000_000)]);
    world.tell(busy.get(..2).unwrap_or_default());
    let mut expected = 0.0;
    for nth in 0..20_u64 {
        let (thread, at) = (100 + u32::try_from(nth % 4).unwrap_or(0), (200 + nth * 600) * MS);
        let Some(Event::Demand(demand)) = busy.first() else { continue };
        let (socket, turn) = (SocketId(DEMANDS + 1 + nth), Turn { thread, nth: 0 });
        let parked = |at, parking| {
            Event::Parked(Parked { pid: 1, thread, address: 64 * u64::from(thread), at, parking })
        };
        let over = at + 500 * MS;
        world.tell(&[
            Event::Demand(poolwatch::event::Demand { socket, at, turn, ..*demand }),
            parked(at + MS, Parking::Asleep),
            tick(at / MS + 250),
        ]);
        let waiting = world.pool(at / MS + 250).pending;
        assert!(
            waiting.is_some_and(|pending| pending.evidence == "futex" && pending.value > 0.9),
            "{waiting:?}"
        );
        world.tell(&[
            parked(over, Parking::Over),
            Event::Served(Served { socket, pid: 1, at: over + MS, turn: Some(turn) }),
            tick(over / MS + 2),
        ]);
        expected += 0.5;
    }
    let told = told(&world);
    assert_eq!((told.gave_up, told.waits.len()), (20, 1), "one was lent the connection at once");
    close_to(told.pending, expected, 0.01, "integral");
}

/// Demands that are never served, such as streams of events, look like borrowers that wait. Nobody else does, so the
/// integral of those that wait and the waits of those that were served disagree.
#[test]
fn an_integral_that_disagrees_with_the_waits_lowers_the_confidence() {
    let asked = requests(10_000, 155.0, 3000);
    let confidence = |streams: u64| {
        let (mut events, _) = Serving::new(5).serve(&asked);
        let Some(Event::Demand(first)) = events.first().cloned() else { return Vec::new() };
        for nth in 0..streams {
            let (socket, at) = (SocketId(DEMANDS + 100_000 + nth), (3000 + nth * 100) * MS);
            events.push(Event::Demand(poolwatch::event::Demand { socket, at, ..first }));
        }
        events.sort_by_key(Event::at);
        let mut world = World::new();
        world.connect(&[1, 2, 3, 4, 5], "shop", 0);
        for (nth, event) in events.iter().enumerate() {
            world.tell(std::slice::from_ref(event));
            if nth % 20 == 0 {
                world.tell(&[Event::Tick { at: event.at().unwrap_or(0) }]);
            }
        }
        let end = asked.last().map_or(0, |(at, _)| at / 1000);
        let pool = world.tell(&[tick(end)]).pool(end);
        vec![pool.pending.map_or(0.0, |it| it.confidence), pool.waits.map_or(0.0, |it| it.confidence)]
    };
    let (plain, disturbed) = (confidence(0), confidence(160));
    assert!(plain.iter().all(|sure| *sure > 0.75), "{plain:?}");
    assert!(disturbed.iter().all(|sure| *sure < 0.5), "{disturbed:?}");
}

/// At each 100 ms of a server's run: what is said of those that wait, and whether every connection is in use.
fn said(events: &[Event], connections: &[u64]) -> Vec<(bool, Option<Inferred>)> {
    let mut world = World::new();
    world.connect(connections, "shop", 0);
    let mut said = Vec::new();
    let mut next = 0;
    for event in events {
        while next < event.at().unwrap_or(0) / MS {
            next += 100;
            let pool = world.tell(&[tick(next)]).pool(next);
            said.push((pool.connections.idle == 0, pool.pending));
        }
        world.tell(std::slice::from_ref(event));
    }
    said
}

/// Sleeps of threads that nobody can tell what they are for.
fn sleeps(until: u64) -> impl Iterator<Item = Event> {
    (1..until / 50).map(|nth| {
        let parking = if nth % 2 == 0 { Parking::Woken } else { Parking::Asleep };
        Event::Parked(Parked { pid: 1, thread: 90, address: 64, at: nth * 50 * MS, parking })
    })
}

#[test]
fn of_http_2_nothing_is_said_but_that_a_connection_is_idle() {
    for with_sleeps in [false, true] {
        let serving = Serving { protocol: Protocol::Http2, ..Serving::new(5) };
        let (mut events, truth) = serving.serve(&requests(10_000, 160.0, 2000));
        assert!(truth.waits.iter().filter(|wait| **wait > 50_000).count() > 100, "many wait");
        if with_sleeps {
            events.extend(sleeps(12_000));
            events.sort_by_key(Event::at);
        }
        let said = said(&events, &[1, 2, 3, 4, 5]);
        assert!(said.iter().filter(|(full, _)| *full).count() > 20);
        for (full, pending) in said {
            match pending {
                Some(pending) => assert!(!full && pending.value == 0.0 && pending.evidence == "none"),
                None => assert!(full, "nothing is said beside an idle connection"),
            }
        }
    }
}

/// A server of both: what is told of the demands that can be counted is not trusted.
#[test]
fn beside_http_2_nothing_is_trusted() {
    let (events, _) = Serving::new(5).serve(&requests(10_000, 160.0, 2000));
    let mixed: Vec<Event> = events
        .into_iter()
        .map(|event| match event {
            Event::Demand(demand) if demand.socket.0 % 5 == 0 => {
                Event::Demand(poolwatch::event::Demand { protocol: Protocol::Http2, ..demand })
            }
            event => event,
        })
        .collect();
    let said = said(&mixed, &[1, 2, 3, 4, 5]);
    // The first say nothing of their kind.
    let trusted = |(full, pending): &&(bool, Option<Inferred>)| {
        *full && pending.is_some_and(|pending| pending.confidence >= 0.5)
    };
    assert_eq!(said.iter().skip(10).filter(trusted).count(), 0);
}

/// A response that was lost leaves a demand open; what comes later on its socket, or is served before it, ends it.
#[test]
fn demands_whose_response_was_lost_do_not_stay() {
    let asked = requests(10_000, 150.0, 6000);
    let (events, truth) = Serving::new(5).serve(&asked);
    let is_lost = |event: &&Event| matches!(event, Event::Served(served) if served.at < 15_000 * MS && served.socket.0 % 10 == 0);
    let lossy: Vec<Event> = events.iter().filter(|event| !is_lost(event)).cloned().collect();
    assert!(events.len() - lossy.len() > 200, "{}", events.len() - lossy.len());
    let (whole, lossy) = (excess(&events, &asked, &truth), excess(&lossy, &asked, &truth));
    assert!(lossy <= whole + 1.0, "{lossy} more are said to wait than do, and {whole} if nothing is lost");
}

/// How many more are said to wait than do, at worst, from 25 s on.
fn excess(events: &[Event], asked: &[(u64, u64)], truth: &Truth) -> f64 {
    let mut world = World::new();
    world.connect(&[1, 2, 3, 4, 5], "shop", 0);
    let (mut most, mut next) = (0.0_f64, 0);
    for event in events {
        let at = event.at().unwrap_or(0) / MS;
        while next < at {
            next += 10;
            world.tell(&[tick(next)]);
            if next > 25_000 {
                let pending = world.pool(next).pending.map_or(0.0, |pending| pending.value);
                most = most.max(pending - waiting(asked, truth, next * 1000) as f64);
            }
        }
        world.tell(std::slice::from_ref(event));
    }
    most
}

/// How many wait at a moment, of those that were served in their order.
fn waiting(asked: &[(u64, u64)], truth: &Truth, at: u64) -> usize {
    let came = asked.iter().zip(&truth.waits);
    came.filter(|((came, _), wait)| *came <= at && at < came + **wait).count()
}
