//! What the agent holds at one moment, and what its page says of the load then.

use std::time::Duration;

use anyhow::{Result, ensure};
use poolwatch_tests::{
    agent::Agent,
    clock,
    held::{self, Table},
    page::Page,
};

use crate::load::DATABASE;

/// What it held.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Since the beginning.
    pub seconds: f64,
    /// Resident memory, bytes.
    pub resident: u64,
    /// Open descriptors, the connection that asks included.
    pub descriptors: usize,
    /// Threads.
    pub threads: usize,
    /// Maps of keys, by name.
    pub tables: Vec<Table>,
    /// Processor time until then, seconds.
    pub processor: f64,
    /// Requests of the load that it has seen.
    pub requests: u64,
    /// Events that it says it lost, or could not read.
    pub lost: f64,
    /// Series on its page.
    pub series: usize,
}

impl Sample {
    /// All entries.
    pub fn entries(&self) -> usize {
        self.tables.iter().map(|table| table.entries).sum()
    }

    /// For the terminal.
    pub fn line(&self) -> String {
        let Self { seconds, resident, descriptors, threads, requests, lost, series, processor, .. } = self;
        let tables: Vec<String> =
            self.tables.iter().map(|table| format!("{} {}", table.name, table.entries)).collect();
        format!(
            "{seconds:.0} s: {} KiB, {descriptors} fds, {threads} threads, {} entries ({}), {requests} requests, {series} series, \
             {lost} lost, {processor:.2} s",
            resident >> 10,
            self.entries(),
            tables.join(", ")
        )
    }
}

/// What the page says of the load in the end.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// Requests.
    pub requests: u64,
    /// Connections that were opened.
    pub opened: f64,
    /// And closed.
    pub closed: f64,
}

/// The agent.
pub struct Watched {
    agent: Agent,
}

impl Watched {
    /// This one.
    pub const fn new(agent: Agent) -> Self {
        Self { agent }
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.agent.pid()
    }

    /// What it holds now.
    pub fn sample(&mut self, seconds: f64) -> Result<Sample> {
        let pid = self.pid();
        let page = self.agent.metrics()?;
        let lost = ["poolwatch_events_lost_total", "poolwatch_unparsed_total"];
        Ok(Sample {
            seconds,
            resident: held::resident(pid)?,
            descriptors: held::descriptors(pid)?,
            threads: held::threads(pid)?,
            tables: held::tables(pid)?,
            processor: held::processor(pid)?,
            requests: requests(&page),
            lost: lost.iter().map(|name| page.sum(name, &[])).sum(),
            series: page.samples.len(),
        })
    }

    /// Its last word on the load, as soon as it has told of so many requests, or says no more.
    pub fn page_when(&self, requests_made: u64) -> Result<Told> {
        let told = |page: &Page| requests(page) >= requests_made;
        let page = clock::until(Duration::from_secs(3), "the last request", || {
            let page = self.agent.metrics()?;
            Ok(told(&page).then_some(page))
        })
        .or_else(|_| self.agent.metrics())?;
        let of = [("db_namespace", DATABASE)];
        let opened = page.sum("poolwatch_connections_opened_total", &of);
        ensure!(opened > 0.0, "nothing was seen of the load");
        let closed = page.sum("poolwatch_connections_closed_total", &of);
        Ok(Told { requests: requests(&page), opened, closed })
    }
}

/// Requests of the load.
fn requests(page: &Page) -> u64 {
    let sum = page.sum("db_client_operation_duration_seconds_count", &[("db_namespace", DATABASE)]);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    let count = sum as u64;
    count
}
