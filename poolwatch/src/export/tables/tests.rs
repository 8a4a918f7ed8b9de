//! Lifetimes and bounds of the counters.

use super::*;
use crate::export::{page::Page, table::LIFE};

fn labels(service: &str, database: &str, user: &str) -> Arc<Labels> {
    Arc::new(Labels {
        service: service.into(),
        namespace: None,
        server_address: "10.0.0.5".into(),
        server_port: 5432,
        database: database.into(),
        user: user.into(),
        pool: format!("{user}@10.0.0.5:5432/{database}"),
    })
}

fn opened(labels: &Arc<Labels>) -> Fact {
    Fact::Opened { labels: Arc::clone(labels) }
}

/// Lines of one metric on the page at `now`.
fn lines(tables: &Tables, metric: &str, now: Time) -> Vec<String> {
    let mut page = Page::default();
    tables.counted(&Question::Metrics, now).render(tables.label_user, &mut page);
    let page = page.render(&[]).expect("the page can be written");
    page.lines().filter(|line| line.starts_with(&format!("{metric}{{"))).map(Into::into).collect()
}

fn opened_total(tables: &Tables, now: Time) -> Vec<String> {
    let lines = lines(tables, "poolwatch_connections_opened_total", now);
    lines.iter().filter_map(|line| Some(line.rsplit_once(' ')?.1.to_owned())).collect()
}

#[test]
fn a_series_lives_an_hour_and_begins_anew() {
    let mut tables = Tables::new(false);
    let api = labels("api", "shop", "app");
    tables.observe(&[opened(&api)], 0);
    assert_eq!(opened_total(&tables, LIFE), ["1"]);
    assert!(opened_total(&tables, LIFE + 1).is_empty());
    // Nobody has swept: the row is still there, but counts from 0 all the same.
    tables.next_sweep = Time::MAX;
    tables.observe(&[opened(&api)], LIFE + 1);
    assert_eq!(opened_total(&tables, LIFE + 1), ["1"]);
}

#[test]
fn what_was_handed_out_stays_while_the_tables_go_on() {
    let mut tables = Tables::new(false);
    let api = labels("api", "shop", "app");
    tables.observe(&[opened(&api)], 0);
    let before = tables.counted(&Question::Metrics, 0);
    tables.observe(&[opened(&api)], 0);
    let mut page = Page::default();
    before.render(false, &mut page);
    let page = page.render(&[]).expect("the page can be written");
    let line = page.lines().find(|line| line.starts_with("poolwatch_connections_opened_total{"));
    assert!(line.is_some_and(|line| line.ends_with(" 1")), "{line:?}");
    assert_eq!(opened_total(&tables, 0), ["2"]);
}

#[test]
fn labels_that_are_gone_are_not_taken_for_those_that_have_their_address() {
    let mut tables = Tables::new(false);
    for round in 0..3 {
        for service in 0..50 {
            // Freed after each: without somebody who holds them, the next would have the same address.
            tables.observe(&[opened(&labels(&format!("service-{service}"), "shop", "app"))], round);
        }
    }
    assert_eq!(opened_total(&tables, 3), vec!["3"; 50]);
}

#[test]
fn one_users_end_does_not_set_the_others_counter_back() {
    let mut tables = Tables::new(false);
    let (app, report) = (labels("api", "shop", "app"), labels("api", "shop", "report"));
    tables.observe(&[opened(&report)], 0);
    for minute in 0..90 {
        tables.observe(&[opened(&app)], minute * SWEEP);
    }
    let now = 90 * SWEEP;
    assert_eq!(opened_total(&tables, now), ["91"]);
    assert_eq!(lines(&tables, "poolwatch_pool_lifetime_seconds_total", now).len(), 1, "report has run out");
}

#[test]
fn the_longest_unused_service_makes_room() {
    let mut tables = Tables::new(false);
    let service = |number: u64| labels(&format!("service-{number}"), "shop", "app");
    for number in 0..=limits::SERVICES as u64 {
        tables.observe(&[opened(&service(number))], number * SECOND);
    }
    assert_eq!(tables.losses(), Losses { services: 1, ..Losses::default() });
    let now = (limits::SERVICES as u64 + 1) * SECOND;
    let shown = lines(&tables, "poolwatch_connections_opened_total", now);
    assert_eq!(shown.len(), limits::SERVICES);
    assert!(!shown.iter().any(|line| line.contains("\"service-0\"")));
    assert_eq!(tables.routes.len(), limits::SERVICES);
}

#[test]
fn services_that_are_alive_are_not_evicted_for_a_newcomer() {
    let mut tables = Tables::new(false);
    for number in 0..limits::SERVICES {
        tables.observe(&[opened(&labels(&format!("service-{number}"), "shop", "app"))], 0);
    }
    let newcomer = labels("newcomer", "shop", "app");
    for _ in 0..3 {
        tables.observe(&[opened(&newcomer)], SECOND);
    }
    assert_eq!(tables.losses(), Losses { services: 3, ..Losses::default() });
    assert_eq!(opened_total(&tables, SECOND).len(), limits::SERVICES);
    tables.observe(&[opened(&newcomer)], 60 * SECOND);
    assert_eq!(tables.losses(), Losses { services: 4, ..Losses::default() }, "one was evicted for it by now");
    assert_eq!(opened_total(&tables, 60 * SECOND).len(), limits::SERVICES);
}

#[test]
fn a_full_table_gives_up_its_longest_unused_row() {
    let mut tables = Tables::new(false);
    (tables.databases, tables.pools) = (Table::new(2), Table::new(2));
    tables.observe(&[opened(&labels("api", "one", "app"))], 0);
    tables.observe(&[opened(&labels("api", "two", "app"))], 40 * SECOND);
    tables.observe(&[opened(&labels("api", "three", "app"))], 50 * SECOND);
    let shown = lines(&tables, "poolwatch_connections_opened_total", 50 * SECOND).concat();
    assert!(
        !shown.contains("\"one\"") && shown.contains("\"two\"") && shown.contains("\"three\""),
        "{shown}"
    );
    assert_eq!(tables.losses().series, 2, "one row in each table");
    tables.observe(&[opened(&labels("api", "four", "app"))], 51 * SECOND);
    assert_eq!(tables.losses().series, 3, "the others are alive: the fact is lost");
}

#[test]
fn after_64_sqlstates_the_rest_is_other() {
    let mut tables = Tables::new(false);
    let api = labels("api", "shop", "app");
    for number in 0..70_u8 {
        let error = crate::event::SqlState::new([b'2', b'2', b'0', b'0' + number / 10, b'0' + number % 10]);
        assert!(error.is_some());
        let labels = Arc::clone(&api);
        let fact = Fact::Request {
            labels,
            pid: 42,
            query: None,
            took: Some(1),
            first_byte: None,
            operation: "SELECT",
            rows: None,
            error,
            slow: false,
        };
        tables.observe(&[fact], 0);
    }
    let shown = lines(&tables, "db_client_operation_duration_seconds_count", 0);
    let other: Vec<_> = shown.iter().filter(|line| line.contains("error_type=\"_OTHER\"")).collect();
    assert_eq!(other.len(), 1);
    assert!(other[0].ends_with(" 6"), "{other:?}");
    let states = shown.iter().filter(|line| line.contains("error_type=\"22")).count();
    assert_eq!(states, limits::SQLSTATES);
}
