//! Durations are the client's own: to the end of the answer, however many pieces it comes in.

#![allow(clippy::float_cmp, reason = "counts are whole numbers, exact in a float")]

use anyhow::{Context as _, Result, ensure};
use poolwatch_tests::{
    agent::Agent,
    client::{Client, Timing},
    need,
    need::Feature,
    page::Page,
    postgres::{Server, Way},
};

const DURATION: &str = "db_client_operation_duration_seconds";
const FIRST_BYTE: &str = "poolwatch_operation_first_byte_seconds";

const SERVICE: &str = "sleeper";
/// How often each.
const ASKED: usize = 5;

/// One query of known length.
struct Case {
    what: &'static str,
    sql: &'static str,
    /// The first piece of the answer comes long before its end.
    early: bool,
}

const CASES: [Case; 4] = [
    Case { what: "one row at the end", sql: "select pg_sleep(0.2)", early: false },
    Case {
        what: "a row larger than a flush, a sleep, a row",
        sql: "select repeat('x', 100000), case n when 2 then pg_sleep(0.2) end from generate_series(1, 2) n",
        early: true,
    },
    Case {
        what: "a hundred pieces, 2 ms apart",
        sql: "select pg_sleep(0.002), repeat('x', 9000) from generate_series(1, 100)",
        early: true,
    },
    Case {
        what: "text that looks like the end of an answer, a sleep, a row",
        sql: "select repeat('Z', 8192), E'\\x05I', case n when 9 then pg_sleep(0.2) end from generate_series(1, 9) n",
        early: true,
    },
];

/// Sum and count of a histogram over one service.
fn total(page: &Page, name: &str, service: &str) -> (f64, f64) {
    let labels = [("service_name", service)];
    (page.sum(&format!("{name}_sum"), &labels), page.sum(&format!("{name}_count"), &labels))
}

/// The growth of a histogram by exactly one observation.
fn one_more(before: &Page, after: &Page, name: &str, service: &str) -> Result<f64> {
    let ((sum0, count0), (sum1, count1)) = (total(before, name, service), total(after, name, service));
    ensure!(count1 - count0 == 1.0, "{name} grew by {} observations, not one", count1 - count0);
    Ok(sum1 - sum0)
}

/// One query, in seconds.
struct Asked {
    client: f64,
    reported: f64,
    first: f64,
}

fn ask_once(agent: &Agent, measure: impl FnOnce() -> Result<Timing>) -> Result<Asked> {
    let before = agent.metrics()?;
    let client = measure()?.took as f64 / 1e9;
    let counted = total(&before, DURATION, SERVICE).1;
    let after = agent.metrics_when("the request", |page| total(page, DURATION, SERVICE).1 > counted)?;
    let reported = one_more(&before, &after, DURATION, SERVICE)?;
    let first = one_more(&before, &after, FIRST_BYTE, SERVICE)?;
    Ok(Asked { client, reported, first })
}

/// A client that a busy machine let wait for its turn measured that, too: half of them are not later than said.
fn case_is_the_clients(
    case: &Case,
    tier: &str,
    way: Way,
    mut ask: impl FnMut() -> Result<Asked>,
) -> Result<()> {
    let mut all = (0..ASKED).map(|_| ask()).collect::<Result<Vec<_>>>()?;
    all.sort_by(|one, other| (one.client - one.reported).total_cmp(&(other.client - other.reported)));
    let (least, median) = (all.first().context("asked")?, all.get(ASKED / 2).context("asked")?);
    println!(
        "{tier} {way:?} {}: client {:.3} ms, reported {:.3} ms (off by {:+.3} ms), first byte {:.3} ms",
        case.what,
        median.client * 1e3,
        median.reported * 1e3,
        (median.reported - median.client) * 1e3,
        median.first * 1e3
    );
    ensure!(least.client >= least.reported, "a request took longer than its client waited");
    ensure!(median.client - median.reported <= median.client / 100.0 + 0.001, "more than 1 % + 1 ms off");
    for asked in all {
        ensure!(asked.client >= 0.2, "the query itself takes 200 ms");
        ensure!(asked.first <= asked.reported, "the first byte is not after the last");
        ensure!((asked.first < 0.1) == case.early, "first byte after {:.1} ms", asked.first * 1e3);
    }
    Ok(())
}

fn durations_are_the_clients(
    tier: &str,
    way: Way,
    ask: impl Fn(&mut Client, &str, &str) -> Result<Timing>,
) -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, need::tier(tier));
    let server = Server::start()?;
    let agent = Agent::start(["--probes", tier])?;
    let mut client = Client::start(Some(SERVICE))?;
    client.open("a", &server.address_of(way, "postgres", "postgres"))?;
    client.query("a", "select 1")?;
    for case in &CASES {
        case_is_the_clients(case, tier, way, || ask_once(&agent, || ask(&mut client, "a", case.sql)))
            .context(case.what)?;
    }
    Ok(())
}

#[test]
fn a_query_of_known_length_is_reported_to_its_end_over_tcp() -> Result<()> {
    durations_are_the_clients("sock", Way::Tcp4, Client::query)
}

#[test]
fn a_query_of_known_length_is_reported_to_its_end_over_unix() -> Result<()> {
    durations_are_the_clients("sock", Way::Unix, Client::query)
}

#[test]
fn a_query_of_known_length_is_reported_to_its_end_by_the_syscall_tier() -> Result<()> {
    durations_are_the_clients("syscall", Way::Tcp4, Client::query)
}
