//! A real Prometheus scrapes the page, keeps every series, and answers about them.

use anyhow::{Result, ensure};
use poolwatch_tests::{
    agent::Agent,
    app::{App, Kind, Load, Pool},
    need,
    need::Feature,
    postgres::{Server, Way},
    stack::prometheus::Prometheus,
};

#[test]
fn a_real_prometheus_takes_every_series_of_the_page() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::Prometheus, Feature::PythonPool);
    let server = Server::start()?;
    server.role("app")?;
    let agent = Agent::start(["--pool-max", "4"])?;
    let pool = Pool { way: Way::Tcp4, user: "app", database: "postgres", size: 4 };
    let app = App::start(Kind::Python, "shop", &server, &pool)?;
    app.borrow_at_once(4, 100)?;
    // More scrapes in less time than the example has.
    let config = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: poolwatch\n  static_configs:\n  \
         - targets: ['127.0.0.1:{}']\n",
        agent.port()
    );
    let prometheus = Prometheus::start(&config)?;
    prometheus.ask_until("up{job=\"poolwatch\"}", |up| up > 0.5)?;

    let load = Load { rate: 60.0, mean_milliseconds: 30.0, seconds: 8.0, seed: 4 };
    load.run(&app)?;
    // Between two scrapes the set of series may grow; at rest page and scrape agree.
    let series = agent.metrics()?.samples.len() as f64;
    let scraped = prometheus.ask_until("scrape_samples_scraped", |scraped| (scraped - series).abs() < 0.5)?;
    let kept = prometheus.ask("scrape_samples_post_metric_relabeling")?;
    println!("{series} series on the page, {scraped} scraped, kept {kept:?}");
    let selector = "{service_name=\"shop\"}";
    let requests = prometheus
        .ask_until(&format!("sum(db_client_operation_duration_seconds_count{selector})"), |n| n > 400.0)?;
    let rate = prometheus.ask_until(
        &format!(
            "max_over_time(sum(rate(db_client_operation_duration_seconds_count{selector}[4s]))[20s:1s])"
        ),
        |r| r > 30.0,
    )?;
    let p95 = prometheus.ask_until(
        &format!("histogram_quantile(0.95, sum by (le) (rate(db_client_operation_duration_seconds_bucket{selector}[30s])))"),
        |p95| p95 > 0.03,
    )?;
    let idle = prometheus.ask_until(
        "sum(db_client_connection_count{service_name=\"shop\",db_client_connection_state=\"idle\"})",
        |idle| (idle - 4.0).abs() < 0.5,
    )?;
    let max = prometheus.ask_until("db_client_connection_max{service_name=\"shop\"}", |max| max > 0.0)?;
    println!("{requests} requests, {rate:.1}/s, p95 {p95:.3} s, {idle} idle, max {max}");
    ensure!((max - 4.0).abs() < 0.5, "the configured size");
    ensure!(p95 < 0.5, "p95 of queries of 30 ms");
    let down = prometheus.ask("min_over_time(up{job=\"poolwatch\"}[20s])")?;
    ensure!(down.iter().all(|(_, up)| *up > 0.5), "every scrape was taken: {down:?}");
    let (code, log) = prometheus.terminate()?;
    ensure!(code == 0 && !log.to_lowercase().contains("error"), "Prometheus complains ({code}):\n{log}");
    Ok(())
}
