//! Statements and their queries: whose they are, which are known, which are slow.

use std::sync::Arc;

use poolwatch::{
    event::{Event, Outcome, QUERIES, Query, QueryId, Request, SocketId, SqlState, Statement},
    infer::fact::Fact,
};

use crate::world::{MS, World, id, open, process, request};

fn query(id: u64, summary: &str) -> Event {
    Event::Query(Query { id: QueryId(id), summary: summary.to_owned(), operation: "SELECT".to_owned() })
}

/// A statement of one row that took `ms` and ended then, too.
fn statement(socket: u64, query: Option<u64>, ms: u64) -> Statement {
    Statement {
        socket: SocketId(socket),
        pid: 42,
        query: query.map(QueryId),
        ended: ms * MS,
        took: Some(ms * MS),
        rows: 1,
        outcome: Outcome::Completed,
        resumed: 0,
        sqlstate: None,
    }
}

fn ended(socket: u64, query: Option<u64>, ms: u64) -> Event {
    Event::Statement(statement(socket, query, ms))
}

/// Database, fingerprint and slowness of each statement.
fn told(world: &World) -> Vec<(String, Option<u64>, bool)> {
    let statement = |fact: &Fact| match fact {
        Fact::Statement { labels, query, slow, .. } => {
            Some((labels.database.clone(), query.as_ref().map(|query| query.id.0), *slow))
        }
        _ => None,
    };
    world.facts.iter().filter_map(statement).collect()
}

fn misread(world: &World, reason: &str) -> u64 {
    let books = world.at(0).books;
    books.unparsed.iter().find(|(name, _)| name == reason).map_or(0, |(_, count)| *count)
}

#[test]
fn a_statement_is_its_pools() {
    let mut world = World::new();
    world.connect(&[1], "shop", 0).connect(&[2], "stock", 0);
    world.tell(&[query(7, "SELECT users"), ended(1, Some(7), 100), ended(2, None, 101)]);
    assert_eq!(told(&world), [("shop".to_owned(), Some(7), false), ("stock".to_owned(), None, true)]);
    assert_eq!(misread(&world, "unknown_query"), 0);
}

#[test]
fn a_statement_keeps_what_was_told_of_it() {
    let mut world = World::new();
    world.connect(&[1], "shop", 0).tell(&[query(7, "SELECT users")]);
    let sqlstate = SqlState::new(*b"42P01");
    let failed = Statement {
        took: None,
        rows: 3,
        outcome: Outcome::Failed,
        resumed: 2,
        sqlstate,
        ..statement(1, Some(7), 5000)
    };
    world.facts.clear();
    world.tell(&[Event::Statement(failed)]);
    let [Fact::Statement { query, took, rows, outcome, resumed, slow, sqlstate: error, .. }] =
        world.facts.as_slice()
    else {
        panic!("one statement expected: {:?}", world.facts)
    };
    assert_eq!(query.as_ref().map(|query| query.summary.as_str()), Some("SELECT users"));
    assert_eq!((*took, *rows, *outcome, *resumed, *slow), (None, 3, Outcome::Failed, 2, false));
    assert_eq!(*error, sqlstate);
}

#[test]
fn a_request_knows_its_query_and_who_sent_it() {
    let mut world = World::new();
    world.connect(&[1], "shop", 0).tell(&[query(7, "SELECT users")]);
    let of = |query, pid| Request { query: Some(QueryId(query)), pid, rows: 4, ..request(1, 5, 9) };
    let approximate = Request { approximate: true, ..of(8, 0) };
    world.tell(&[Event::Request(of(7, 1)), Event::Request(approximate)]);
    let requests: Vec<_> = world
        .facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::Request { pid, query, rows, .. } => {
                Some((*pid, query.as_ref().map(|query| query.id.0), *rows))
            }
            _ => None,
        })
        .collect();
    assert_eq!(requests, [(1, Some(7), Some(4)), (1, None, None)], "a pid of 0 is the holder's");
    assert_eq!(misread(&world, "unknown_query"), 1);
}

#[test]
fn a_query_that_was_not_told_is_counted() {
    let mut world = World::new();
    world.connect(&[1], "shop", 0).tell(&[
        ended(1, Some(7), 1),
        query(7, "SELECT users"),
        ended(1, Some(7), 1),
    ]);
    assert_eq!(told(&world).iter().map(|(_, query, _)| *query).collect::<Vec<_>>(), [None, Some(7)]);
    assert_eq!(misread(&world, "unknown_query"), 1);
}

#[test]
fn of_more_queries_than_there_is_room_for_the_first_is_forgotten() {
    let mut world = World::new();
    world.connect(&[1], "shop", 0);
    for id in 0..=QUERIES as u64 {
        world.tell(&[query(id, "SELECT users")]);
    }
    world.tell(&[ended(1, Some(0), 1), ended(1, Some(1), 1), query(0, "SELECT users"), ended(1, Some(0), 1)]);
    assert_eq!(told(&world).iter().map(|(_, query, _)| *query).collect::<Vec<_>>(), [None, Some(1), Some(0)]);
    assert_eq!(misread(&world, "unknown_query"), 1);
}

#[test]
fn statements_of_one_query_share_its_text() {
    let mut world = World::new();
    world.connect(&[1], "shop", 0);
    world.tell(&[
        query(7, "SELECT users"),
        ended(1, Some(7), 1),
        query(7, "SELECT users"),
        ended(1, Some(7), 1),
    ]);
    let texts: Vec<_> = world
        .facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::Statement { query, .. } => query.as_ref(),
            _ => None,
        })
        .collect();
    let [one, other] = texts.as_slice() else { panic!("two statements expected: {texts:?}") };
    assert!(Arc::ptr_eq(one, other));
}

#[test]
fn a_stranger_and_a_replication_have_no_pool_to_tell_of() {
    let mut world = World::new();
    world.tell(&[process(id(1), "api"), open(2, 1, 0)]);
    let (user, database) = ("app".to_owned(), "shop".to_owned());
    world.tell(&[Event::Startup { socket: SocketId(2), at: 0, user, database, replication: true }]);
    world.tell(&[query(7, "SELECT users"), ended(1, Some(7), 1), ended(2, Some(7), 1)]);
    assert!(told(&world).is_empty());
    assert_eq!((misread(&world, "unknown_connection"), misread(&world, "unknown_query")), (1, 0));
}
