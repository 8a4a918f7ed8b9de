//! A real pool fills up and empties: what `/health/pool` says of it, what `/metrics` says, and what is in the log.

use std::{thread, time::Duration};

use anyhow::{Result, ensure};
use poolwatch_tests::{
    agent::Agent,
    clock, need,
    need::Feature,
    pools::Pools,
    postgres::Server,
    truth::{
        load,
        mix::{Mix, Page},
        rig::{Rig, Running, USER},
        run::{Level, Plan},
    },
};

const POOL: u32 = 5;
/// A pool's status has a line in the log at most once in ten seconds: each state lasts longer.
const LASTS: Duration = Duration::from_secs(11);
/// A page is a second old at most.
const SOON: Duration = Duration::from_millis(1500);

struct House {
    rig: Running,
    agent: Agent,
    _server: Server,
}

impl House {
    fn open() -> Result<Self> {
        let server = Server::start()?;
        server.role(USER)?;
        let plan = Plan { pool: POOL, ..Plan::new(Rig::NodePg, Mix::A, Level::LIGHT) };
        let rig = Running::start(&plan, &server)?;
        let (pid, size) = (rig.pid().to_string(), POOL.to_string());
        let agent = Agent::start(["--pid", &pid, "--pool-max", &size, "--slow-threshold", "1h"])?;
        let house = Self { rig, agent, _server: server };
        load::at_once(&house.rig.target, POOL, page(Duration::from_millis(50)))?.all_good()?;
        Ok(house)
    }

    /// Requests that hold a connection each for so long.
    fn hold(&self, number: u32, length: Duration) -> thread::JoinHandle<Result<()>> {
        let target = std::sync::Arc::clone(&self.rig.target);
        thread::spawn(move || load::at_once(&target, number, page(length))?.all_good())
    }

    /// Waits until so many connections are used; then status and numbers must be right, on every page.
    fn stands(&self, used: u32, word: &str, code: u16) -> Result<()> {
        let pools = clock::until(SOON, &format!("{word} with {used} used"), || {
            let pools = self.agent.pools()?;
            let pool = pools.pools.first().map(|pool| pool.connections.used);
            Ok((pool == Some(used) && pools.status == word).then_some(pools))
        })?;
        let (status, _) = self.agent.get("/health/pool")?;
        ensure!(status == code, "/health/pool answers {status} when it is {word}");
        self.same_numbers(&pools)?;
        println!("{word}: {used} of {POOL} used, {code}");
        Ok(())
    }

    fn same_numbers(&self, pools: &Pools) -> Result<()> {
        let page = self.agent.metrics()?;
        let [pool] = pools.pools.as_slice() else { anyhow::bail!("one pool, not {pools:?}") };
        let of =
            |state: &str| page.sum("db_client_connection_count", &[("db_client_connection_state", state)]);
        let connections = pool.connections;
        ensure!(of("used").to_bits() == f64::from(connections.used).to_bits(), "used: {connections:?}");
        ensure!(of("idle").to_bits() == f64::from(connections.idle).to_bits(), "idle: {connections:?}");
        let max = pool.max.as_ref().map(|max| f64::from(max.value));
        ensure!(max == page.value("db_client_connection_max", &[])?, "max: {:?}", pool.max);
        let share = page.sum("poolwatch_pool_utilization_ratio", &[]);
        ensure!((share - f64::from(connections.used) / f64::from(POOL)).abs() < 1e-9, "utilization {share}");
        Ok(())
    }

    fn lines(&self) -> Vec<String> {
        let log = self.agent.errors();
        log.lines()
            .filter(|line| line.contains("pool ") && line.contains("(was "))
            .map(str::to_owned)
            .collect()
    }
}

/// A transaction that stands still between two short queries: of long ones the mean would be a reason for a warning.
fn page(length: Duration) -> Page {
    Page { route: "tx", ms: 20.0, gap: length.as_secs_f64() * 1e3, ..Page::default() }
}

#[test]
fn a_pool_fills_and_empties() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Rig::NodePg.feature());
    let house = House::open()?;
    house.stands(0, "healthy", 200)?;
    let four = house.hold(POOL - 1, 2 * LASTS);
    house.stands(POOL - 1, "degraded", 200)?;
    clock::pause(LASTS);
    let fifth = house.hold(1, LASTS);
    house.stands(POOL, "unhealthy", 503)?;
    let ended = |one: thread::JoinHandle<Result<()>>| one.join().map_err(|_| anyhow::anyhow!("a panic"))?;
    ended(four)?;
    ended(fifth)?;
    house.stands(0, "healthy", 200)?;
    let lines = clock::until(LASTS, "a line for each change", || {
        let lines = house.lines();
        Ok((lines.len() >= 3).then_some(lines))
    })?;
    println!("{}", lines.join("\n"));
    let words = ["is warning (was normal)", "is critical (was warning)", "is normal (was "];
    ensure!(lines.len() == words.len(), "{} lines", lines.len());
    for (line, words) in lines.iter().zip(words) {
        ensure!(line.contains(words), "{line:?} does not say {words:?}");
    }
    Ok(())
}
