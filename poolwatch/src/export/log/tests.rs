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
