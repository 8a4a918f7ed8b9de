//! The JSON answers: their shape is the contract's, field by field.

use std::sync::Arc;

use serde_json::{Value, json};

use super::scene;
use crate::{
    event::{Declared, Process},
    export::{Answer, ExportSettings, Exporter, Filter, Order, Question},
    infer::{
        fact::Status,
        limits,
        snapshot::{MaxSource, Snapshot},
    },
};

fn ask(question: &Question, snapshot: &Snapshot) -> Answer {
    let labels = vec![("region".to_owned(), "eu".to_owned())];
    scene::exporter(ExportSettings { labels, ..scene::settings() }).answer(question, snapshot)
}

fn document(answer: &Answer) -> Value {
    assert_eq!(answer.content_type, "application/json");
    serde_json::from_str(&answer.body).expect("the body is JSON")
}

fn health(service: Option<&str>, pid: Option<u32>) -> Question {
    Question::Health(Filter { service: service.map(Into::into), pid })
}

#[test]
fn a_pool_has_the_shape_of_the_contract() {
    let answer = ask(&health(None, None), &scene::snapshot());
    assert_eq!(answer.status, 200);
    let health = document(&answer);
    let expected = json!({
        "id": "0000000000000001", "name": "app@10.0.0.5:5432/shop", "service": "api",
        "process": {"pid": 42, "name": "node", "container": null, "pod": null},
        "server": {"address": "10.0.0.5", "port": 5432, "database": "shop", "user": "app"},
        "connections": {"used": 3, "idle": 5, "opening": 1, "unknown": 1, "idle_in_transaction": 1, "total": 10},
        "max": {"value": 20, "source": "configured"},
        "utilization": {"ratio": 0.15, "status": "normal"},
        "pending": {"value": 0.0, "evidence": "demand", "confidence": 0.6, "trust": "medium"},
        "wait_seconds": {"mean": 0.001, "p95": 0.004, "max": 0.01, "evidence": "causal", "confidence": 0.9, "trust": "high"},
        "requests": {"total": 12345, "per_second": 99.5, "mean_seconds": 0.0061, "slow": 0, "errors": 0, "error_ratio": 0.0},
        "declared": null,
        "findings": [],
    });
    assert_eq!(health["pools"][0], expected);
    assert_eq!(health["labels"], json!({"region": "eu"}));
    assert_eq!(health["timestamp"], "2023-11-14T22:15:00.000000000Z");
    assert_eq!(health["status"], "healthy");
    assert_eq!(health["utilization"], json!({"percent": 50.0, "status": "normal"}));
    let fields: Vec<_> = health.as_object().expect("an object").keys().collect();
    assert_eq!(fields.len(), 5, "{fields:?}");
}

#[test]
fn declared_numbers_are_shown_as_they_are_and_times_in_seconds() {
    let mut snapshot = scene::snapshot();
    let mut declare = |declared| {
        let pool = &mut snapshot.pools[0];
        pool.process = Arc::new(Process { declared, ..(*pool.process).clone() });
        document(&ask(&health(None, None), &snapshot))["pools"][0]["declared"].clone()
    };
    let all = Declared {
        min: Some(2),
        max: Some(20),
        idle_timeout: Some(30_000),
        connection_timeout: Some(10_500),
    };
    let expected =
        json!({"min": 2, "max": 20, "idle_timeout_seconds": 30.0, "connection_timeout_seconds": 10.5});
    assert_eq!(declare(all), expected);
    let nonsense = Declared { max: Some(-5), connection_timeout: Some(-1), ..Declared::default() };
    let expected =
        json!({"min": null, "max": -5, "idle_timeout_seconds": null, "connection_timeout_seconds": -0.001});
    assert_eq!(declare(nonsense), expected);
    assert_eq!(declare(Declared::default()), Value::Null);
}

#[test]
fn the_source_of_a_limit_is_named() {
    let mut snapshot = scene::snapshot();
    for (source, name) in [(MaxSource::Declared, "declared"), (MaxSource::Learned, "learned")] {
        snapshot.pools[0].max = Some((12, source));
        let health = document(&ask(&health(None, None), &snapshot));
        assert_eq!(health["pools"][0]["max"], json!({"value": 12, "source": name}));
        let page = Exporter::new(scene::settings()).answer(&Question::Metrics, &snapshot).body;
        let is_max =
            |line: &&str| line.starts_with("db_client_connection_max{") && line.contains("app@10.0.0.5");
        let line = page.lines().find(is_max).expect("a series of the limit");
        assert!(line.contains(&format!("poolwatch_source=\"{name}\"")) && line.ends_with(" 12"), "{line}");
    }
}

#[test]
fn what_is_unknown_is_null() {
    let health = document(&ask(&health(None, None), &scene::snapshot()));
    let pool = &health["pools"][5];
    assert_eq!(pool["server"], json!({"address": "10.0.0.9", "port": 5432, "database": null, "user": null}));
    assert_eq!(pool["max"], Value::Null);
    assert_eq!(pool["utilization"], json!({"ratio": null, "status": "unknown"}));
    assert_eq!(pool["pending"], Value::Null);
    assert_eq!(pool["wait_seconds"], Value::Null);
}

#[test]
fn the_worst_pool_decides() {
    let mut snapshot = scene::snapshot();
    snapshot.pools[1].status = Status::Warning;
    let answer = ask(&health(None, None), &snapshot);
    assert_eq!((answer.status, &document(&answer)["status"]), (200, &json!("degraded")));
    snapshot.pools[4].status = Status::Critical;
    let answer = ask(&health(None, None), &snapshot);
    assert_eq!((answer.status, &document(&answer)["status"]), (503, &json!("unhealthy")));
}

#[test]
fn a_filter_leaves_the_others_out_of_the_verdict() {
    let mut snapshot = scene::snapshot();
    snapshot.pools[4].status = Status::Critical;
    let pools = |question: &Question| {
        let answer = ask(question, &snapshot);
        (answer.status, document(&answer)["pools"].as_array().map(Vec::len))
    };
    assert_eq!(pools(&health(Some("api"), None)), (200, Some(5)));
    assert_eq!(pools(&health(Some("worker"), None)), (503, Some(1)));
    assert_eq!(pools(&health(None, Some(77))), (503, Some(1)));
    assert_eq!(pools(&health(Some("api"), Some(77))), (200, Some(0)));
}

#[test]
fn without_pools_nothing_is_wrong_and_nothing_known() {
    let answer = ask(&health(None, None), &Snapshot::default());
    let health = document(&answer);
    assert_eq!((answer.status, &health["status"]), (200, &json!("healthy")));
    assert_eq!(health["utilization"], json!({"percent": null, "status": "unknown"}));
}

#[test]
fn one_pool_is_found_by_its_id() {
    let found = ask(&Question::Pool("0000000000000005".into()), &scene::snapshot());
    assert_eq!(document(&found)["process"]["pod"], "worker-7c9f");
    let missing = ask(&Question::Pool("ffff".into()), &scene::snapshot());
    assert_eq!(missing.status, 404);
    assert!(document(&missing)["error"].is_string());
    let all = document(&ask(&Question::Pools, &scene::snapshot()));
    assert_eq!(all["pools"].as_array().map(Vec::len), Some(6));
}

#[test]
fn details_name_probes_and_losses() {
    let details = document(&ask(&Question::Details, &scene::snapshot()));
    let probes = json!([
        {"name": "sock_send_length", "attached": true, "verdict": "ok", "reason": null},
        {"name": "sys_enter", "attached": false, "verdict": "not_applicable", "reason": null},
    ]);
    assert_eq!(details["probes"], probes);
    assert_eq!(details["events"]["lost"], json!({"ring": 2, "queries": 0, "series": 1, "services": 0}));
    assert_eq!(details["events"]["unparsed"], json!({"startup_cut": 1}));
    assert_eq!(details["agent"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(details["blind"][0]["connections"], 4);
    assert_eq!(details["pools"][0]["used"], 3);
}

#[test]
fn queries_have_the_shape_of_the_contract() {
    let queries = document(&ask(&Question::Queries(Order::Slow, None), &scene::snapshot()));
    let server = json!({"address": "10.0.0.5", "port": 5432, "database": "shop"});
    let expected = json!({
        "timestamp": "2023-11-14T22:15:00.000000000Z", "order": "slow",
        "capacity": limits::TOP_QUERIES, "evicted": 0,
        "queries": [
            {"fingerprint": "0000000000000007", "summary": "SELECT users", "operation": "SELECT",
             "service": "api", "server": server,
             "statements": {"completed": 2, "failed": 0, "resumed": 0, "rows": 2, "slow": 1},
             "seconds": {"total": 0.203, "mean": 0.1015, "max": 0.2}},
            {"fingerprint": "ffffffffffffffff", "summary": "INSERT \"or\nders\"", "operation": "INSERT",
             "service": "api", "server": server,
             "statements": {"completed": 0, "failed": 1, "resumed": 0, "rows": 0, "slow": 0},
             "seconds": {"total": 0.001, "mean": 0.001, "max": 0.001}},
        ],
        "other": {"statements": {"completed": 1, "failed": 0, "resumed": 0, "rows": 1, "slow": 0},
                  "seconds": {"total": 0.002, "mean": 0.002, "max": 0.002}},
    });
    assert_eq!(queries, expected);
    let one = document(&ask(&Question::Queries(Order::Max, Some(1)), &scene::snapshot()));
    assert_eq!(one["queries"].as_array().map(Vec::len), Some(1));
    let details = document(&ask(&Question::Details, &scene::snapshot()));
    let extent = json!({"kept": 2, "capacity": limits::TOP_QUERIES, "on_page": 2, "evicted": 0, "missing_at_most_seconds": 0.0});
    assert_eq!(details["queries"], extent);
}

#[test]
fn users_that_are_kept_apart_are_told_apart() {
    let settings = ExportSettings { label_user: true, ..scene::settings() };
    let question = Question::Queries(Order::Total, Some(2));
    let queries = document(&scene::exporter(settings).answer(&question, &scene::snapshot()));
    let user = |index: usize| queries["queries"][index]["server"]["user"].clone();
    assert_eq!((user(0), user(1)), (json!("report"), json!("app")));
}

#[test]
fn without_texts_all_statements_are_others() {
    let mut exporter = Exporter::new(scene::settings());
    let app = scene::labels("api", "10.0.0.5", "shop", "app");
    let facts = [
        scene::statement(&app, None, scene::MILLISECOND),
        scene::statement(&app, None, 3 * scene::MILLISECOND),
    ];
    exporter.observe(&facts, 0);
    let snapshot = Snapshot::default();
    let queries = document(&exporter.answer(&Question::Queries(Order::Total, None), &snapshot));
    assert_eq!(queries["queries"], json!([]));
    assert_eq!(queries["other"]["statements"]["completed"], 2);
    assert_eq!(queries["other"]["seconds"], json!({"total": 0.004, "mean": 0.002, "max": 0.003}));
    let page = exporter.answer(&Question::Metrics, &snapshot).body;
    let counts: Vec<_> =
        page.lines().filter(|line| line.starts_with("poolwatch_query_duration_seconds_count")).collect();
    let [count] = counts.as_slice() else { panic!("one series expected: {counts:?}") };
    assert!(count.contains("db_query_summary=\"other\"") && count.ends_with(" 2"), "{count}");
}

#[test]
fn before_the_first_statement_nothing_is_known_of_times() {
    let queries =
        Exporter::new(scene::settings()).answer(&Question::Queries(Order::Total, None), &Snapshot::default());
    assert_eq!(document(&queries)["other"]["seconds"], json!({"total": 0.0, "mean": null, "max": null}));
}

#[test]
fn readiness_says_why_not() {
    let mut snapshot = scene::snapshot();
    assert_eq!(ask(&Question::Ready, &snapshot), Answer::text(200, "ready\n"));
    snapshot.ready = false;
    assert!(ask(&Question::Ready, &snapshot).body.contains("first scan"));
    snapshot.probes = vec![scene::probe("sock_send_length", false, "unsupported", "no BTF")];
    let answer = ask(&Question::Ready, &snapshot);
    assert_eq!(answer.status, 503);
    assert_eq!(answer.body, "not ready: no probe is attached\nsock_send_length: unsupported: no BTF\n");
}
