//! One run of pgbench: how many transactions, how long each took, and what they cost the processor.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use poolwatch_tests::{
    place,
    postgres::{self, Server, Way},
    process::Process,
    wire::certificate,
};

use crate::group::Group;

/// The database of pgbench's tables.
pub const DATABASE: &str = "bench";

/// What pgbench is asked to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Work {
    /// How it connects.
    pub way: Way,
    /// Only selects; otherwise pgbench's own mix, like TPC-B.
    pub selects: bool,
    /// Connections.
    pub clients: u32,
    /// Transactions per second; as many as go if `None`.
    pub rate: Option<u32>,
    /// Over TLS, and poolwatch's option of that name.
    pub tls: Option<&'static str>,
    /// How long.
    pub seconds: u32,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Transactions.
    pub count: f64,
    /// Transactions per second.
    pub per_second: f64,
    /// Mean time of a transaction, in seconds.
    pub mean: f64,
    /// Median time.
    pub p50: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Processor time of client and server, in seconds.
    pub used: f64,
}

/// A server with pgbench's tables, which speaks TLS to those that want it, in the group of what is measured. It ends before
/// the group, which is empty then.
pub fn serve(directory: &Path) -> Result<(Group, Server)> {
    let group = Group::new("application")?;
    let server = Server::start_with(&certificate::settings(directory)?)?;
    server.database(DATABASE)?;
    server.bench_tables("postgres", DATABASE)?;
    group.add(server.pid())?;
    Ok((group, server))
}

impl Work {
    /// How it is called in the table.
    pub fn name(&self) -> String {
        let way = if self.way == Way::Unix { "UNIX" } else { "TCP" };
        let script = if self.selects { "select" } else { "TPC-B" };
        let rate = self.rate.map_or(String::new(), |rate| format!(", {rate}/s"));
        let tls = tls_name(self.tls);
        format!("{script}, {way}, {} clients{rate}{tls}", self.clients)
    }

    /// Runs it; the server is in the group already.
    pub fn run(&self, server: &Server, group: &Group) -> Result<Run> {
        let logs = place::scratch()?;
        let prefix = logs.path().join("log");
        let mut command = postgres::tool("pgbench")?;
        command.args(["-n", "-M", "prepared", "-c", &self.clients.to_string()]);
        command.args(["-T", &self.seconds.to_string(), "-h", &server.host(self.way)]);
        command.args(["-p", &server.port().to_string(), "-U", "postgres"]);
        command.env("PGSSLMODE", if self.tls.is_some() { "require" } else { "disable" });
        // One in ten: to note each would cost more than what is measured.
        command.args(["-l", "--sampling-rate", "0.1", "--log-prefix"]).arg(&prefix);
        if self.selects {
            command.arg("-S");
        }
        if let Some(rate) = self.rate {
            command.args(["-R", &rate.to_string()]);
        }
        command.arg(DATABASE);
        let before = group.used()?;
        let mut pgbench = Process::start("pgbench", &mut command)?;
        group.add(pgbench.pid())?;
        let code = pgbench.wait(Duration::from_secs(u64::from(self.seconds) + 60))?;
        ensure!(code == 0, "pgbench ended with {code}:\n{}", pgbench.errors());
        let used = group.used()?.saturating_sub(before).as_secs_f64();
        let mut number = |begin: &str| -> Result<f64> {
            let rest = pgbench.line(begin, Duration::from_secs(5))?;
            rest.split([' ', '/']).next().unwrap_or_default().parse().with_context(|| rest.clone())
        };
        let count = number("number of transactions actually processed: ")?;
        let [mean, p50, p99] = latencies(logs.path())?;
        Ok(Run { count, per_second: number("tps = ")?, mean, p50, p99, used })
    }
}

/// How work over TLS is called that poolwatch looks at in this way.
pub fn tls_name(how: Option<&str>) -> String {
    how.map_or(String::new(), |how| format!(", TLS, `--tls {how}`"))
}

/// What poolwatch is told about it.
pub fn tls_options(how: Option<&'static str>) -> Vec<&'static str> {
    how.map_or(Vec::new(), |how| vec!["--tls", how])
}

/// Mean, median and 99th percentile of what pgbench logged, in seconds.
fn latencies(directory: &Path) -> Result<[f64; 3]> {
    let mut took: Vec<f64> = Vec::new();
    for entry in fs::read_dir(directory)? {
        for line in fs::read_to_string(entry?.path())?.lines() {
            // Client, number, microseconds, script, second, microsecond.
            let field = line.split(' ').nth(2).with_context(|| line.to_owned())?;
            took.push(field.parse().with_context(|| line.to_owned())?);
        }
    }
    took.sort_by(f64::total_cmp);
    let mean = took.iter().sum::<f64>() / took.len() as f64;
    Ok([mean, quantile_of_whole(&took, 0.5)?, quantile_of_whole(&took, 0.99)?]
        .map(|microseconds| microseconds / 1e6))
}

/// Of values that were cut to whole ones: equal values are spread evenly over what was cut to them.
pub fn quantile_of_whole(sorted: &[f64], share: f64) -> Result<f64> {
    let rank = share * sorted.len() as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank within the values")]
    let value = *sorted.get(rank as usize).context("no transaction was logged")?;
    let below = sorted.partition_point(|other| *other < value) as f64;
    let same = sorted.partition_point(|other| *other <= value) as f64 - below;
    Ok(value + (rank - below) / same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_spread() {
        let values = [10.0, 11.0, 11.0, 11.0, 11.0, 12.0];
        assert!((quantile_of_whole(&values, 0.5).unwrap() - 11.5).abs() < 1e-9);
        assert!(quantile_of_whole(&[], 0.5).is_err());
    }
}
