//! Statements and their queries, recorded and replayed: the page is the live one.

use super::*;
use crate::{
    event::{Outcome, ProcessId, Query, QueryId, SECOND, Server, SocketId, Statement},
    infer::{limits, settings::Settings},
    recording::{Header, Writer},
};

const SOCKET: SocketId = SocketId(1);

fn header() -> Header {
    let clock = serde_json::from_str(r#"{"offset": 1700000000000000000}"#).expect("a clock");
    let (settings, labels) = (Settings::default(), Vec::new());
    Header { agent: "test".into(), clock, settings, labels, label_user: false }
}

/// More queries than the page has room for, each heavier than the one before, some told with no name.
fn story() -> Vec<Event> {
    let (user, database) = ("app".to_owned(), "shop".to_owned());
    let server = Server::Unix("/tmp".into(), 5432);
    let process = ProcessId { pid: 7, started: 1 };
    let mut events = vec![
        Event::Open { socket: SOCKET, process, server, at: 0, connected: Some(0), midstream: false },
        Event::Startup { socket: SOCKET, at: 0, user, database, replication: false },
    ];
    for number in 0..2 * limits::SHOWN_QUERIES as u64 {
        let (id, at) = (QueryId(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)), number * SECOND);
        let (summary, operation) = (format!("SELECT t{number}"), "SELECT".to_owned());
        events.push(Event::Query(Query { id, summary, operation }));
        for (query, took) in [(Some(id), number * number), (None, number)] {
            events.push(Event::Statement(Statement {
                socket: SOCKET,
                pid: 42,
                query,
                ended: at,
                took: Some(took),
                rows: number,
                outcome: Outcome::Completed,
                resumed: 0,
                sqlstate: None,
            }));
        }
        if number % 50 == 49 {
            events.push(Event::Scrape { at });
        }
    }
    events
}

#[test]
fn a_replay_shows_the_queries_of_the_live_page() {
    let header = header();
    let file = std::env::temp_dir().join(format!("poolwatch-queries-{}.rec", std::process::id()));
    let mut writer = Writer::create(&file, &header).expect("a recording");
    let export =
        ExportSettings { labels: Vec::new(), label_user: false, own_process: false, clock: header.clock };
    let mut told = Told::new(Core::new(header.settings), Exporter::new(export));
    let mut live = String::new();
    for event in story() {
        writer.write(&event).expect("an event");
        told.tell(&event);
        if let Event::Scrape { at } = event {
            live = told.picture(Question::Metrics, at).render().body;
        }
    }
    writer.finish().expect("the end");
    let replayed = run(&file, Output::Metrics);
    let _ = std::fs::remove_file(&file);
    let replayed = replayed.expect("a recording");
    assert!(replayed.problem.is_none());
    let named = live.lines().filter(|line| line.contains("db_query_summary=\"SELECT t")).count();
    assert_eq!(named, 2 * limits::SHOWN_QUERIES, "a sum and a count for each");
    assert!(live == replayed.shown);
}
