//! The page against a golden file, and against the table of metrics.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use super::scene;
use crate::export::{
    ExportSettings, Exporter, Question,
    metrics::{self, Kind, Metric},
};

fn page(settings: ExportSettings) -> String {
    let answer = scene::exporter(settings).answer(&Question::Metrics, &scene::snapshot());
    assert_eq!((answer.status, answer.content_type), (200, "text/plain; version=0.0.4; charset=utf-8"));
    // The version moves with each release and says nothing of the scene.
    answer.body.replace(env!("CARGO_PKG_VERSION"), "VERSION").replace(std::env::consts::ARCH, "ARCHITECTURE")
}

/// Lines that only one side has, or nothing.
fn difference(expected: &str, actual: &str) -> String {
    let (old, new): (BTreeSet<_>, BTreeSet<_>) = (expected.lines().collect(), actual.lines().collect());
    let mut text = String::new();
    for line in expected.lines().filter(|line| !new.contains(line)) {
        let _ = writeln!(text, "-{line}");
    }
    for line in actual.lines().filter(|line| !old.contains(line)) {
        let _ = writeln!(text, "+{line}");
    }
    text
}

/// `UPDATE_GOLDEN=1 cargo test` writes the file anew: read its diff before committing it.
#[test]
fn the_page_is_the_golden_one() {
    let actual = page(scene::settings());
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/export/golden/page.prom");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(file, &actual).expect("the golden page can be written");
    }
    let expected = std::fs::read_to_string(file).expect("the golden page can be read");
    assert!(actual == expected, "the page differs from {file}:\n{}", difference(&expected, &actual));
}

/// Name with suffix, labels, value of each sample.
fn samples(page: &str) -> Vec<(String, BTreeMap<String, String>, f64)> {
    page.lines().filter(|line| !line.starts_with('#')).map(sample).collect()
}

fn sample(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let (series, value) = line.rsplit_once(' ').expect("a sample has a value");
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let labels = labels.trim_end_matches('}').split_terminator("\",").map(|label| {
        let (name, value) = label.split_once("=\"").expect("a label has a value");
        (name.to_owned(), value.trim_end_matches('"').to_owned())
    });
    (name.to_owned(), labels.collect(), value.parse().expect("a value is a number"))
}

fn metric_of(sample: &str) -> &'static Metric {
    let bare = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| sample.strip_suffix(suffix));
    let named = |name: &str| metrics::ALL.iter().copied().find(|metric| metric.name == name);
    let is_split = |metric: &&Metric| matches!(metric.kind, Kind::Histogram | Kind::Summary);
    let histogram = bare.and_then(named).filter(is_split);
    histogram.or_else(|| named(sample)).unwrap_or_else(|| panic!("{sample} is not in the table"))
}

#[test]
fn every_series_has_the_labels_of_the_table() {
    let settings = ExportSettings { label_user: true, own_process: true, ..scene::settings() };
    let mut rendered = BTreeSet::new();
    for (name, labels, _) in samples(&page(settings)) {
        let metric = metric_of(&name);
        rendered.insert(metric.name);
        let names: BTreeSet<_> = labels.keys().map(String::as_str).filter(|name| *name != "le").collect();
        let needed: BTreeSet<_> = metric.scope.labels().iter().chain(metric.labels).copied().collect();
        let missing: Vec<_> = needed.difference(&names).collect();
        assert!(missing.is_empty(), "{name} lacks {missing:?}");
        let foreign: Vec<_> =
            names.difference(&needed).filter(|name| !metric.scope.optional().contains(name)).collect();
        assert!(foreign.is_empty(), "{name} has {foreign:?} too");
    }
    let table: BTreeSet<_> = metrics::ALL.iter().map(|metric| metric.name).collect();
    assert_eq!(rendered, table, "the scene shows every metric of the table");
}

#[test]
fn no_series_is_there_twice() {
    for label_user in [false, true] {
        let page = page(ExportSettings { label_user, ..scene::settings() });
        let mut seen = BTreeSet::new();
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let (series, _) = line.rsplit_once(' ').expect("a sample has a value");
            assert!(seen.insert(series), "{series} is there twice");
        }
    }
}

#[test]
fn two_users_of_a_database_are_summed_or_kept_apart() {
    let selects = |label_user| -> Vec<f64> {
        let page = page(ExportSettings { label_user, ..scene::settings() });
        let wanted = samples(&page).into_iter().filter(|(name, labels, _)| {
            name == "db_client_operation_duration_seconds_count"
                && labels["server_address"] == "10.0.0.5"
                && labels["service_name"] == "api"
                && labels["db_operation_name"] == "SELECT"
        });
        wanted.map(|(_, _, value)| value).collect()
    };
    assert_eq!(selects(false), [2.0]);
    assert_eq!(selects(true), [1.0, 1.0]);
}

#[test]
fn constant_labels_are_on_every_series() {
    let labels = vec![("region".to_owned(), "eu \"west\"\n".to_owned())];
    let settings = ExportSettings { labels, own_process: true, ..scene::settings() };
    for line in page(settings).lines().filter(|line| !line.starts_with('#')) {
        assert!(line.contains(r#"region="eu \"west\"\n""#), "{line}");
    }
}

#[test]
fn the_same_scene_gives_the_same_bytes() {
    assert_eq!(page(scene::settings()), page(scene::settings()));
}

#[test]
fn counters_begin_at_0_with_the_first_sight_of_a_pool() {
    let mut snapshot = scene::snapshot();
    snapshot.pools.truncate(1);
    let page = Exporter::new(scene::settings()).answer(&Question::Metrics, &snapshot).body;
    for name in [
        "db_client_operation_duration_seconds_count",
        "db_client_connection_use_time_seconds_count",
        "poolwatch_slow_queries_total",
        "poolwatch_connections_opened_total",
        "poolwatch_connection_errors_total",
        "poolwatch_pool_lifetime_seconds_total",
    ] {
        let values: Vec<_> = samples(&page).into_iter().filter(|(of, ..)| of == name).collect();
        assert!(!values.is_empty(), "{name} is missing");
        assert!(values.iter().all(|(_, _, value)| *value == 0.0), "{values:?}");
    }
    assert!(!page.contains("wait_time_seconds"), "nothing is known of waiting");
}
