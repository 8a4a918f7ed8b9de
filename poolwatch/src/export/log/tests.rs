//! Which facts become lines, when, and how they read.

use super::{topics::PAUSE, *};
use crate::event::SECOND;

fn changed(pool: &str, from: Status, to: Status) -> Fact {
    let labels = Labels {
        service: "api".into(),
        namespace: None,
        server_address: "10.0.0.5".into(),
        server_port: 5432,
        database: "shop".into(),
        user: "app".into(),
        pool: pool.into(),
    };
    Fact::StatusChanged { labels: Arc::new(labels), pid: 42, from, to, reason: "used 10 of 10".into() }
}

#[test]
fn a_change_reads_as_a_sentence() {
    let lines = LogLines::default().observe(&[changed("a", Status::Normal, Status::Critical)], 0);
    let [line] = lines.as_slice() else { panic!("one line expected: {lines:?}") };
    assert_eq!(line.text, "pool a of api (pid 42) is critical (was normal): used 10 of 10");
    assert_eq!(line.loudness, Loudness::Error);
}

#[test]
fn what_comes_too_early_is_told_later_and_counted() {
    use Status::{Critical, Normal, Warning};
    let mut log = LogLines::default();
    assert_eq!(log.observe(&[changed("a", Normal, Warning)], SECOND).len(), 1);
    for second in 2..6 {
        let (from, to) = if second % 2 == 0 { (Warning, Critical) } else { (Critical, Warning) };
        assert!(log.observe(&[changed("a", from, to)], second * SECOND).is_empty());
    }
    assert!(log.observe(&[], 11 * SECOND - 1).is_empty());
    let told = log.observe(&[], 11 * SECOND);
    assert_eq!(told.len(), 1);
    assert!(told[0].text.contains("is warning"));
    assert_eq!(told[0].suppressed, 3);
    assert!(log.observe(&[], 30 * SECOND).is_empty());
    assert!(log.standing.len() == 0);
}

#[test]
fn pools_do_not_silence_each_other() {
    let facts =
        [changed("a", Status::Normal, Status::Warning), changed("b", Status::Normal, Status::Warning)];
    assert_eq!(LogLines::default().observe(&facts, 0).len(), 2);
}

#[test]
fn too_many_topics_are_counted_not_kept() {
    let mut log = LogLines::default();
    let ended = |pid| Fact::ProcessEnded { pid, name: format!("job-{pid}"), connections: 1 };
    let facts: Vec<_> = (0..9000).map(ended).collect();
    assert_eq!(log.observe(&facts, 0).len(), limits::POOLS);
    assert_eq!(log.standing.len(), limits::POOLS);
    let lines = log.observe(&[ended(1_000_000)], PAUSE);
    assert_eq!(lines[0].suppressed, 0, "told with the first batch already");
}

/// A request of 202.04 ms of the pool a.
fn slow(query: Option<(u64, &str)>, rows: Option<u32>) -> Fact {
    let Fact::StatusChanged { labels, pid, .. } = changed("a", Status::Normal, Status::Normal) else {
        panic!("a change of status")
    };
    let query = query.map(|(id, summary)| {
        Arc::new(Query { id: QueryId(id), summary: summary.into(), operation: "SELECT".into() })
    });
    Fact::Request {
        labels,
        pid,
        query,
        took: Some(202_040_000),
        first_byte: None,
        operation: "SELECT",
        rows,
        error: None,
        slow: true,
    }
}

#[test]
fn a_slow_request_reads_as_a_sentence() {
    let mut log = LogLines::default();
    let facts = [slow(Some((42, "SELECT \"a\nb\"")), Some(7)), slow(None, None)];
    let lines = log.observe(&facts, 0);
    let texts: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            r#"slow request of api (pid 42) in a: 202.0 ms, 7 rows, SELECT \"a\nb\" (fingerprint 000000000000002a)"#,
            "slow request of api (pid 42) in a: 202.0 ms, its query is not known",
        ]
    );
    assert!(lines.iter().all(|line| line.loudness == Loudness::Warn && line.suppressed == 0));
}

#[test]
fn a_request_that_is_not_slow_is_no_line() {
    let mut fact = slow(Some((42, "SELECT")), None);
    if let Fact::Request { slow, .. } = &mut fact {
        *slow = false;
    }
    assert!(LogLines::default().observe(&[fact], 0).is_empty());
}

#[test]
fn the_same_slow_query_is_told_once_in_ten_seconds() {
    let mut log = LogLines::default();
    let query = || slow(Some((42, "SELECT a")), None);
    assert_eq!(log.observe(&[query(), query(), slow(Some((43, "SELECT b")), None)], 0).len(), 2);
    assert!(log.observe(&[query()], SECOND).is_empty());
    let lines = log.observe(&[], PAUSE);
    assert_eq!(lines.iter().map(|line| line.suppressed).collect::<Vec<_>>(), [1]);
}

#[test]
fn many_slow_queries_are_counted_and_silence_no_pool() {
    let mut log = LogLines::default();
    let flood: Vec<_> = (0..1000).map(|id| slow(Some((id, "SELECT a")), None)).collect();
    let lines = log.observe(&flood, 0);
    assert_eq!((lines.len(), lines[0].suppressed), (SLOW_TOPICS, 900));
    let lines = log.observe(&[changed("a", Status::Normal, Status::Warning), slow(None, None)], SECOND);
    assert_eq!((lines.len(), lines[0].suppressed), (1, 0), "the pool speaks, the 101st query does not");
    let lines = log.observe(&[slow(Some((5000, "SELECT a")), None)], PAUSE);
    assert_eq!((lines.len(), lines[0].suppressed), (1, 1));
}
