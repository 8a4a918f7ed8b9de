//! The load: pgbench in every way that it has, from processes that stay a while and from others that only pass by.
//!
//! Every process ends by itself and is followed by the next. The server counts what it executes: `pg_stat_statements` of a
//! database that nobody else uses.

use std::{collections::VecDeque, time::Duration};

use anyhow::{Context as _, Result, ensure};
use poolwatch_tests::{
    clock,
    postgres::{self, Server, Way},
    process::Process,
};

/// Database and user of the load alone.
pub const DATABASE: &str = "soak";

/// A process of pgbench that is followed by another of its kind when it ends.
struct Kind {
    service: &'static str,
    way: Way,
    /// Script, protocol and connections.
    arguments: &'static [&'static str],
    /// Transactions per second.
    rate: u32,
    /// How long each process lives.
    seconds: u32,
}

/// Those that stay: 280 + 90 + 14 × 7 requests a second, and eight connects.
const KINDS: [Kind; 5] = [
    Kind {
        service: "steady",
        way: Way::Tcp4,
        arguments: &["-S", "-M", "extended", "-c", "8"],
        rate: 280,
        seconds: 60,
    },
    Kind {
        service: "local",
        way: Way::Unix,
        arguments: &["-S", "-M", "simple", "-c", "4"],
        rate: 90,
        seconds: 45,
    },
    // BEGIN, five statements, END.
    Kind {
        service: "writing",
        way: Way::Tcp6,
        arguments: &["-M", "extended", "-c", "2"],
        rate: 14,
        seconds: 30,
    },
    Kind {
        service: "connecting",
        way: Way::Tcp4,
        arguments: &["-S", "-C", "-M", "simple", "-c", "1"],
        rate: 5,
        seconds: 40,
    },
    Kind {
        service: "connecting-local",
        way: Way::Unix,
        arguments: &["-S", "-C", "-M", "simple", "-c", "1"],
        rate: 3,
        seconds: 50,
    },
];

/// One passes by each second: a connection to ask with, another for the set-up.
const PASSING: &[&str] = &["-S", "-M", "simple", "-c", "1", "-t", "5"];

/// What the load has done, by the server's own count.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    /// Statements, each of which was one request.
    pub statements: u64,
    /// Client processes that came and went.
    pub processes: u64,
}

/// The running load.
pub struct Load<'s> {
    server: &'s Server,
    running: [Option<Process>; KINDS.len()],
    passing: VecDeque<Process>,
    next_passing: i128,
    processes: u64,
}

const SECOND: i128 = 1_000_000_000;

impl<'s> Load<'s> {
    /// Prepares the server.
    pub fn new(server: &'s Server) -> Result<Self> {
        server.role(DATABASE)?;
        server.psql("postgres", &format!("create database {DATABASE} owner {DATABASE}"))?;
        // In another database: whoever asks it is none of the load.
        server.psql("postgres", "create extension pg_stat_statements")?;
        server.bench_tables(DATABASE, DATABASE)?;
        server.psql("postgres", "select pg_stat_statements_reset()")?;
        let running = [const { None }; KINDS.len()];
        let (passing, next_passing) = (VecDeque::new(), clock::monotonic());
        Ok(Self { server, running, passing, next_passing, processes: 0 })
    }

    /// Follows up what has ended; nothing that is begun now lasts longer than `left` seconds.
    pub fn go_on(&mut self, left: f64) -> Result<()> {
        for (slot, kind) in self.running.iter_mut().zip(&KINDS) {
            if let Some(process) = slot
                && process.ended()?.is_some()
            {
                check(&mut slot.take().context("it runs")?)?;
            }
            let seconds = f64::from(kind.seconds).min(left).floor();
            if slot.is_none() && seconds >= 1.0 {
                *slot = Some(start(self.server, kind, seconds)?);
                self.processes += 1;
            }
        }
        while let Some(first) = self.passing.front_mut()
            && first.ended()?.is_some()
        {
            check(&mut self.passing.pop_front().context("it is there")?)?;
        }
        if clock::monotonic() >= self.next_passing && left >= 2.0 {
            self.next_passing += SECOND;
            self.passing.push_back(pass(self.server, self.processes)?);
            self.processes += 1;
        }
        Ok(())
    }

    /// Waits for the end of all.
    pub fn finish(&mut self) -> Result<()> {
        let all = self.running.iter_mut().filter_map(Option::take).chain(self.passing.drain(..));
        all.collect::<Vec<_>>().iter_mut().try_for_each(check)
    }

    /// What was done.
    pub fn counts(&self) -> Result<Counts> {
        let own = format!("userid = '{DATABASE}'::regrole");
        let sum = format!("select coalesce(sum(calls), 0) from pg_stat_statements where {own}");
        let statements = self.server.psql("postgres", &sum)?;
        Ok(Counts { statements: statements.parse().context("a sum of calls")?, processes: self.processes })
    }
}

fn bench(server: &Server, service: &str, way: Way, arguments: &[&str]) -> Result<std::process::Command> {
    let mut command = postgres::tool("pgbench")?;
    command.arg("-n").args(arguments).args(["-h", &server.host(way), "-p", &server.port().to_string()]);
    command.args(["-U", DATABASE]).env("OTEL_SERVICE_NAME", service);
    Ok(command)
}

fn start(server: &Server, kind: &Kind, seconds: f64) -> Result<Process> {
    let mut command = bench(server, kind.service, kind.way, kind.arguments)?;
    command.args(["-R", &kind.rate.to_string(), "-T", &seconds.to_string(), DATABASE]);
    Process::start("pgbench", &mut command)
}

fn pass(server: &Server, number: u64) -> Result<Process> {
    let way = usize::try_from(number % 3).ok().and_then(|nth| Way::ALL.get(nth)).context("a way")?;
    let mut command = bench(server, &format!("passing-{}", number % 5), *way, PASSING)?;
    Process::start("pgbench", command.arg(DATABASE))
}

/// Waits for its end, which must be a good one.
fn check(process: &mut Process) -> Result<()> {
    let code = process.wait(Duration::from_secs(90))?;
    ensure!(code == 0, "pgbench ended with {code}:\n{}", process.errors());
    Ok(())
}
