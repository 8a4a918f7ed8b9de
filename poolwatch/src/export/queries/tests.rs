//! What the table promises, on small tables: against sums that are kept without any bound beside it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::{
    event::Outcome,
    export::{
        answer::{Order, Question},
        page::Page,
        table::LIFE,
    },
    infer::limits,
};

const MS: Time = SECOND / 1000;

fn labels(database: u64) -> Arc<Labels> {
    Arc::new(Labels {
        service: "api".into(),
        namespace: None,
        server_address: "10.0.0.5".into(),
        server_port: 5432,
        database: format!("d{database}"),
        user: "app".into(),
        pool: format!("app@10.0.0.5:5432/d{database}"),
    })
}

fn statement(row: u64, query: Option<u64>, took: Option<Time>) -> Fact {
    let query = query.map(|id| {
        let summary = format!("SELECT t{id}");
        Arc::new(Query { id: QueryId(id), summary, operation: "SELECT".into() })
    });
    let (labels, outcome) = (labels(row), Outcome::Completed);
    Fact::Statement { labels, query, took, rows: 1, outcome, resumed: 0, slow: false, sqlstate: None }
}

/// Tells of one statement of row 0; whether the page has its query.
fn tell(queries: &mut Queries, query: u64, took: Time) -> bool {
    queries.observe(0, &statement(0, Some(query), Some(took)), 0)
}

/// Database, fingerprint and count of each series on the page.
fn series(queries: &Queries, now: Time) -> BTreeMap<(String, String), u64> {
    let mut page = Page::default();
    queries.kept(&Question::Metrics, now).render(false, &mut page);
    let page = page.render(&[]).expect("the page can be written");
    let label = |line: &str, name: &str| {
        let (_, rest) = line.split_once(&format!("{name}=\"")).expect("the label is there");
        rest.split('"').next().unwrap_or_default().to_owned()
    };
    let counts = page.lines().filter(|line| line.starts_with("poolwatch_query_duration_seconds_count"));
    let counts = counts.map(|line| {
        let (_, count) = line.rsplit_once(' ').expect("a sample has a value");
        let which = (label(line, "db_namespace"), label(line, "fingerprint"));
        (which, count.parse().expect("a count"))
    });
    counts.collect()
}

/// What `/api/v1/queries` needs.
fn all(queries: &Queries, now: Time) -> Kept {
    queries.kept(&Question::Queries(Order::Total, None), now)
}

fn shown(queries: &Queries) -> Vec<(String, u64)> {
    series(queries, 0).into_iter().map(|((_, query), count)| (query, count)).collect()
}

fn named(query: u64, count: u64) -> (String, u64) {
    (QueryId(query).to_string(), count)
}

#[test]
fn while_there_is_room_the_first_statement_counts_at_once() {
    let mut queries = Queries::new(4, 2);
    assert!(tell(&mut queries, 1, MS) && tell(&mut queries, 2, 0) && tell(&mut queries, 1, MS));
    assert_eq!(shown(&queries), [named(1, 2), named(2, 1)]);
}

#[test]
fn who_comes_onto_a_full_page_begins_there_and_who_leaves_begins_anew() {
    let mut queries = Queries::new(4, 1);
    assert!(tell(&mut queries, 1, 100));
    assert!(!tell(&mut queries, 2, 60));
    assert!(!tell(&mut queries, 2, 65), "125 is not more than a quarter above 100");
    assert!(tell(&mut queries, 2, 1));
    assert_eq!(shown(&queries), [named(2, 1)], "what it had before is with the page's others");
    assert!(!tell(&mut queries, 1, 57), "157 is not more than a quarter above 126");
    assert!(tell(&mut queries, 1, 1));
    assert_eq!(shown(&queries), [named(1, 1)]);
    let own: Vec<_> = queries.entries.values().map(|entry| entry.tally.completed).collect();
    assert_eq!(own, [3, 3], "the table has counted all of them");
}

#[test]
fn a_flood_of_queries_that_come_once_moves_nobody_off_the_page() {
    let mut queries = Queries::new(50, 10);
    for query in 0..10 {
        assert!(tell(&mut queries, query, 10 * MS));
    }
    for query in 1000..11_000 {
        assert!(!tell(&mut queries, query, MS), "{query}");
    }
    assert_eq!(
        queries.extent(0),
        Extent { kept: 50, capacity: 50, shown: 10, evicted: 9960, floor: 249 * MS }
    );
    assert_eq!(queries.other.completed, 9960, "what they counted is not gone");
    assert!(queries.floor <= 10_000 * MS / 40, "the time of all beside the page, divided by their number");
}

#[test]
fn a_table_that_the_page_fills_takes_nobody_in() {
    let mut queries = Queries::new(2, 2);
    assert!(tell(&mut queries, 1, MS) && tell(&mut queries, 2, MS));
    assert!(!tell(&mut queries, 3, SECOND));
    assert_eq!((queries.other.completed, queries.evicted), (1, 0));
}

#[test]
fn without_its_text_a_statement_belongs_to_the_others() {
    let mut queries = Queries::new(4, 2);
    assert!(!queries.observe(0, &statement(0, None, Some(MS)), 0));
    assert!(!queries.observe(0, &statement(0, None, None), 0));
    assert_eq!((queries.other.completed, queries.other.durations.count()), (2, 1));
    assert!(queries.entries.is_empty());
}

#[test]
fn a_statement_of_unknown_duration_is_counted_and_not_timed() {
    let mut queries = Queries::new(4, 2);
    assert!(queries.observe(0, &statement(0, Some(1), None), 0));
    assert_eq!(shown(&queries), [named(1, 0)]);
    let tally = queries.entries.values().next().expect("one query").tally;
    assert_eq!((tally.completed, tally.durations.count()), (1, 0));
}

#[test]
fn a_query_lives_an_hour_and_begins_anew() {
    let mut queries = Queries::new(4, 2);
    queries.observe(7, &statement(7, Some(1), Some(MS)), 0);
    assert_eq!(series(&queries, LIFE).len(), 1);
    assert!(series(&queries, LIFE + 1).is_empty());
    assert_eq!(queries.extent(LIFE + 1).kept, 0);
    // Nobody has swept.
    assert!(queries.observe(7, &statement(7, Some(1), Some(MS)), LIFE + 1));
    assert_eq!(series(&queries, LIFE + 1).into_values().collect::<Vec<_>>(), [1]);
    assert_eq!((queries.entries.len(), queries.evicted), (1, 0));
}

#[test]
fn a_row_that_is_gone_takes_its_queries_along() {
    let mut queries = Queries::new(4, 2);
    for row in [1, 2, 1, 2] {
        queries.observe(row, &statement(row, Some(1), Some(MS)), 0);
    }
    queries.keep(|row| row == 2);
    assert_eq!(
        series(&queries, 0).into_iter().collect::<Vec<_>>(),
        [(("d2".to_owned(), QueryId(1).to_string()), 2)]
    );
    assert!(queries.observe(3, &statement(3, Some(1), Some(MS)), 0), "there is room on the page");
    assert_eq!((queries.page.len(), queries.rest.len()), (2, 0));
}

#[test]
fn time_of_long_ago_yields_to_time_of_today() {
    let mut queries = Queries::new(4, 1);
    tell(&mut queries, 1, 1000 * SECOND);
    for hour in 1..=4 {
        queries.observe(0, &statement(0, Some(1), Some(0)), hour * HALF_LIFE - 1);
        queries.sweep(hour * HALF_LIFE);
    }
    let now = 4 * HALF_LIFE;
    assert!(!queries.observe(0, &statement(0, Some(2), Some(78 * SECOND)), now));
    assert!(queries.observe(0, &statement(0, Some(2), Some(SECOND)), now), "79 s against 1000 s / 16");
    let total: u128 = queries.entries.values().map(|entry| entry.tally.durations.sum()).sum();
    assert_eq!(total, u128::from(1079 * SECOND), "what is told is not halved");
}

#[test]
fn a_query_takes_no_more_room_than_its_limit_says() {
    let entry = size_of::<(Key, Entry)>() + 1;
    // The table is twice as large as its entries, its notes are one in each of two lists.
    let all = 2 * entry + 2 * size_of::<(u64, Key)>();
    // The text: summary, operation, what holds them, and what the allocator adds.
    let text = 255 + 32 + size_of::<Query>() + 3 * 16;
    assert!(all + text <= limits::TOP_QUERY_BYTES, "{all} + {text}");
}

#[derive(Clone, Debug)]
struct Told {
    row: u64,
    query: Option<u64>,
    took: Option<Time>,
}

fn told() -> impl Strategy<Value = Told> {
    let query = prop_oneof![1 => Just(None), 9 => (0..12_u64).prop_map(Some)];
    let took =
        prop_oneof![1 => Just(None), 9 => prop_oneof![Just(1_u64), 1..50_u64, 1..2000_u64].prop_map(Some)];
    (0..2_u64, query, took).prop_map(|(row, query, took)| Told { row, query, took })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_missing_but_what_the_floor_allows(
        story in prop::collection::vec(told(), 0..200),
        on_page in 1..5_usize,
        beside in 1..6_usize,
    ) {
        let capacity = on_page + beside;
        let mut queries = Queries::new(capacity, on_page);
        let mut spent = BTreeMap::<Key, Time>::new();
        let mut page = BTreeMap::<(String, String), u64>::new();
        let (mut inside, mut completed) = (0, 0);
        for Told { row, query, took } in story {
            let is_shown = queries.observe(row, &statement(row, query, took), 0);
            completed += 1;
            inside += u64::from(is_shown && took.is_some());
            if let Some(query) = query {
                *spent.entry(Key { row, query: QueryId(query) }).or_default() += took.unwrap_or(0);
            }
            let before = std::mem::replace(&mut page, series(&queries, 0));
            for (which, count) in &page {
                let had = before.get(which).copied().unwrap_or(0);
                prop_assert!(had <= *count && *count <= had + 1, "{which:?} from {had} to {count}");
            }
            if is_shown {
                let which = (format!("d{row}"), QueryId(query.unwrap_or_default()).to_string());
                prop_assert!(page.contains_key(&which));
            }
        }
        prop_assert!(queries.entries.len() <= capacity && page.len() <= on_page);
        prop_assert_eq!(queries.page.len() + queries.rest.len(), queries.entries.len());
        prop_assert_eq!(queries.page.len(), page.len());
        let kept: u64 = queries.entries.values().map(|entry| entry.tally.completed).sum();
        prop_assert_eq!(kept + queries.other.completed, completed);
        prop_assert!(page.values().sum::<u64>() <= inside);
        for (key, spent) in spent {
            match queries.entries.get(&key) {
                Some(entry) => prop_assert!(entry.own <= spent && spent <= entry.weight(), "{key:?}: {spent}"),
                None => prop_assert!(spent <= queries.floor, "{key:?}: {spent} of {}", queries.floor),
            }
        }
    }

    #[test]
    fn the_same_story_gives_the_same_table(story in prop::collection::vec(told(), 0..200)) {
        let tell = || {
            let mut queries = Queries::new(6, 2);
            for (at, Told { row, query, took }) in story.iter().enumerate() {
                queries.observe(*row, &statement(*row, *query, *took), at as Time * 60 * SECOND);
                if at % 7 == 0 {
                    queries.sweep(at as Time * 60 * SECOND);
                }
            }
            let now = story.len() as Time * 60 * SECOND;
            let json = Order::ALL.map(|order| answer(&all(&queries, now), (order, None), false, 0).body);
            (series(&queries, now), json)
        };
        prop_assert_eq!(tell(), tell());
    }
}

#[test]
fn equal_queries_are_shown_in_the_order_of_their_labels() {
    let mut queries = Queries::new(64, 4);
    for query in (0..8).rev() {
        for row in [1, 0] {
            queries.observe(row, &statement(row, Some(query), Some(MS)), 0);
        }
    }
    let answer = answer(&all(&queries, 0), (Order::Max, Some(10)), false, 0);
    let answer: serde_json::Value = serde_json::from_str(&answer.body).expect("the body is JSON");
    let listed: Vec<_> = answer["queries"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|query| (query["server"]["database"].to_string(), query["fingerprint"].to_string()))
        .collect();
    assert_eq!(listed.len(), 10);
    assert!(listed.is_sorted(), "{listed:?}");
    let names: BTreeSet<_> = listed.iter().collect();
    assert_eq!(names.len(), 10);
}
