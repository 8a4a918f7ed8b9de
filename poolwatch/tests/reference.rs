//! `docs/metrics.md` is what the table of metrics says: with `UPDATE_GOLDEN=1` this test writes the page.

use std::{collections::BTreeSet, env, fmt::Write as _, fs, path::Path};

use poolwatch::export::{
    histogram,
    metrics::{ALL, Kind, Metric, Scope, Unit},
};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
const HEAD: &str = "\
# Metrics

Everything on `/metrics`, made from the table in `poolwatch/src/export/metrics.rs` by
`UPDATE_GOLDEN=1 cargo test -p poolwatch --test reference`. Names follow OpenTelemetry's semantic conventions for database clients
in their Prometheus translation; what those do not have is named `poolwatch_*`. The same under the names of in-process instrumentations:
[migration.md](migration.md). What the numbers mean and how far to trust inferred ones: [operations.md](operations.md),
[accuracy.md](accuracy.md).

Gauges of a pool are one series for each process, and end with the pool. Counters and histograms are one for each service; they begin at 0 when
first seen and live for an hour after their last use. A value that cannot be known has no series.
";
const SCOPES: [(Scope, &str); 6] = [
    (Scope::ProcessPool, "Of a pool of one process"),
    (Scope::Pool, "Of a service's pools"),
    (Scope::Database, "Of a service's queries of a database"),
    (Scope::Process, "Of a process"),
    (Scope::Server, "Of a server"),
    (Scope::Agent, "Of the agent itself"),
];

fn listed(labels: &[&str]) -> String {
    labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ")
}

fn row(metric: &Metric) -> String {
    let kind = match metric.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
        Kind::Summary => "summary",
    };
    let unit = match metric.unit {
        Unit::Count => "count",
        Unit::Seconds => "seconds",
        Unit::Bytes => "bytes",
        Unit::Ratio => "share of 1",
        Unit::Info => "1 or 0",
    };
    let (name, labels) = (metric.name, listed(metric.labels));
    format!("| `{name}` | {kind} | {unit} | {labels} | {} |\n", metric.help)
}

fn page() -> Result<String, std::fmt::Error> {
    let mut page = HEAD.to_owned();
    for (scope, title) in SCOPES {
        write!(page, "\n## {title}\n\n")?;
        if !scope.labels().is_empty() {
            write!(page, "Labels of each: {}", listed(scope.labels()))?;
        }
        if !scope.optional().is_empty() {
            write!(page, "; where known or wanted: {}", listed(scope.optional()))?;
        }
        page += if scope.labels().is_empty() { "" } else { ".\n\n" };
        page += "| name | kind | unit | further labels | meaning |\n|---|---|---|---|---|\n";
        ALL.iter().filter(|metric| metric.scope == scope).for_each(|metric| page += &row(metric));
    }
    let bounds: Vec<String> =
        histogram::BOUNDS.iter().map(|bound| (*bound as f64 / 1e9).to_string()).collect();
    write!(page, "\n## Buckets\n\nUpper bounds of every histogram, in seconds: {}.\n", bounds.join(", "))?;
    Ok(page)
}

#[test]
fn the_page_is_the_table() {
    let page = page().expect("text");
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(Path::new(PAGE), &page).expect("the page is written");
    }
    let written = fs::read_to_string(PAGE).unwrap_or_default();
    assert!(
        written == page,
        "docs/metrics.md is another: UPDATE_GOLDEN=1 cargo test -p poolwatch --test reference"
    );
}

#[test]
fn every_scope_has_its_place() {
    let placed: BTreeSet<&str> = ALL
        .iter()
        .filter(|metric| SCOPES.iter().any(|(scope, _)| *scope == metric.scope))
        .map(|metric| metric.name)
        .collect();
    assert_eq!(placed.len(), ALL.len());
}
