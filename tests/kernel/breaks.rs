//! Connections that break: a reset in mid-result from either side, a backend that is killed, a server that
//! restarts under load. Each end is counted under its own name, and nothing stays used.

#![allow(clippy::float_cmp, reason = "counts are whole numbers, exact in a float")]

use std::{
    collections::BTreeMap,
    io::Read as _,
    net::{TcpListener, TcpStream},
    os::fd::AsRawFd as _,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use poolwatch_tests::{
    agent::Agent,
    app::{App, Kind, Load, Pool},
    clock, need,
    need::Feature,
    page::Page,
    postgres::{RESTART_FAST, RESTART_IMMEDIATE, Server, Way},
    process::KILL,
    raw::{Raw, message},
};

const OPENED: &str = "poolwatch_connections_opened_total";
const CLOSED: &str = "poolwatch_connections_closed_total";
const ERRORS: &str = "poolwatch_connection_errors_total";
const POOL: u32 = 6;
/// Rows of which a client reads only the first few.
const LONG: &str = "select repeat('x', 1000) from generate_series(1, 200000)";

fn agent(port: u16) -> Result<Agent> {
    let (own, port) = (std::process::id().to_string(), port.to_string());
    Agent::start(["--pid", &own, "--port", &port])
}

/// Connection errors by type, of one port.
fn errors(page: &Page, port: u16) -> BTreeMap<String, f64> {
    let port = port.to_string();
    let of_port = page.matching(ERRORS, &[]).filter(|sample| sample.labels.get("server_port") == Some(&port));
    let mut errors = BTreeMap::new();
    for sample in of_port.filter(|sample| sample.value > 0.0) {
        *errors.entry(sample.labels.get("error_type").cloned().unwrap_or_default()).or_default() +=
            sample.value;
    }
    errors
}

fn counted(page: &Page, name: &str, port: u16) -> f64 {
    page.sum(name, &[("server_address", "127.0.0.1"), ("server_port", &port.to_string())])
}

/// A connection that has sent a query and read some of its answer.
fn in_mid_result(port: u16) -> Result<TcpStream> {
    let mut raw = Raw::open(port, "postgres", "postgres")?;
    raw.say(&message(b'Q', format!("{LONG}\0").as_bytes()))?;
    raw.stream.read_exact(&mut vec![0; 100_000])?;
    Ok(raw.stream)
}

/// Closing it sends a RST from now on.
fn will_reset(stream: &TcpStream) -> Result<()> {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let size = libc::socklen_t::try_from(size_of_val(&linger))?;
    let (option, value) = (libc::SO_LINGER, (&raw const linger).cast());
    // SAFETY: the pointer is to a linger of ours, as long as is said.
    let failed = unsafe { libc::setsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, option, value, size) } != 0;
    ensure!(!failed, "SO_LINGER: {}", std::io::Error::last_os_error());
    Ok(())
}

/// What is known of this process's connections to a port, once there is none left.
fn ended(agent: &Agent, port: u16) -> Result<Page> {
    let page = agent.metrics_when("the end of the connection", |page| {
        counted(page, OPENED, port) >= 1.0 && counted(page, CLOSED, port) == counted(page, OPENED, port)
    })?;
    let left: u32 = agent
        .pools_of(std::process::id())?
        .iter()
        .filter(|pool| pool.server.port == port)
        .map(|pool| pool.connections.total)
        .sum();
    ensure!(left == 0, "{left} connections left");
    Ok(page)
}

#[test]
fn a_client_that_resets_in_mid_result_is_closed_and_no_error_of_the_server() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    let server = Server::start()?;
    let agent = agent(server.port())?;
    let stream = in_mid_result(server.port())?;
    will_reset(&stream)?;
    drop(stream);
    let page = ended(&agent, server.port())?;
    println!("reset by the client: errors {:?}", errors(&page, server.port()));
    ensure!(counted(&page, OPENED, server.port()) == 1.0, "one connection");
    ensure!(errors(&page, server.port()).is_empty(), "{:?}", errors(&page, server.port()));
    Ok(())
}

#[test]
fn a_reset_in_mid_result_is_counted_as_reset() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    let server = Server::start()?;
    let relay = TcpListener::bind("127.0.0.1:0")?;
    let port = relay.local_addr()?.port();
    let agent = agent(port)?;
    let server_port = server.port();
    let (say, has_read) = std::sync::mpsc::channel();
    let relaying = std::thread::spawn(move || -> Result<()> {
        let (near, _) = relay.accept()?;
        let far = TcpStream::connect(("127.0.0.1", server_port))?;
        let (mut from, mut to) = (near.try_clone()?, far.try_clone()?);
        let up = std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        std::io::copy(&mut (&far).take(400_000), &mut &near)?;
        has_read.recv()?;
        will_reset(&near)?;
        // Both copies of the descriptor must go, and the other is in a thread that reads from it.
        near.shutdown(std::net::Shutdown::Read)?;
        let _ = up.join();
        Ok(())
    });
    let mut stream = in_mid_result(port)?;
    say.send(())?;
    let mut rest = Vec::new();
    let read = stream.read_to_end(&mut rest);
    relaying.join().map_err(|_| anyhow::anyhow!("a panic"))??;
    drop(stream);
    let page = ended(&agent, port)?;
    println!("reset by the server: {read:?} after {} bytes, errors {:?}", rest.len(), errors(&page, port));
    ensure!(read.is_err(), "the client saw a reset");
    ensure!(errors(&page, port) == BTreeMap::from([("reset".to_owned(), 1.0)]), "{:?}", errors(&page, port));
    Ok(())
}

/// An application under load whose server breaks.
struct Broken {
    server: Server,
    agent: Agent,
    app: App,
}

impl Broken {
    fn start(kind: Kind) -> Result<Self> {
        let server = Server::start()?;
        let agent = agent(server.port())?;
        let pool = Pool { way: Way::Tcp4, user: "postgres", database: "postgres", size: POOL };
        let app = App::start(kind, "broken", &server, &pool)?;
        app.borrow_at_once(POOL, 300)?;
        Ok(Self { server, agent, app })
    }

    /// Breaks it in the middle of a load; afterwards every number is right again.
    fn breaks(mut self, what: &str, fault: impl Fn(&mut Server) -> Result<()>) -> Result<()> {
        let load = Load { rate: 150.0, mean_milliseconds: 10.0, seconds: 4.0, seed: 3 };
        let mut running = load.start(&self.app)?;
        clock::pause(Duration::from_secs(1));
        fault(&mut self.server)?;
        // The load itself may fail: some of its requests met no server.
        running.wait(Duration::from_mins(1))?;
        // The pool replaces what it has lost once somebody asks for it.
        clock::until(Duration::from_secs(10), "a pool that works", || {
            Ok(self.app.borrow_at_once(POOL, 300).ok())
        })?;
        let mut last = String::new();
        let right = clock::until(Duration::from_secs(1), "the pool's own states", || {
            let own = self.app.own()?;
            let pools = self.agent.pools_of(self.app.pid())?;
            last = format!("{pools:?}; the pool itself: {own:?}");
            let [pool] = &pools[..] else { return Ok(None) };
            let c = pool.connections;
            let same = (c.used, c.idle, c.total) == (own.used, own.idle, own.total);
            Ok((same && c.unknown + c.opening == 0 && own.used == 0).then_some(own))
        });
        let own = right.with_context(|| last)?;
        let page = self.agent.metrics()?;
        let port = self.server.port();
        let (opened, closed) = (counted(&page, OPENED, port), counted(&page, CLOSED, port));
        let errors = errors(&page, port);
        println!("{what}: opened {opened}, closed {closed}, now {own:?}; errors {errors:?}");
        ensure!(opened - closed == f64::from(own.total), "{what}: {opened} - {closed} is not {}", own.total);
        // A backend that dies with a request unread resets its connection, any other one ends it.
        let cut: f64 = ["closed", "reset"].iter().filter_map(|error| errors.get(*error)).sum();
        ensure!(cut >= f64::from(POOL), "{what}: every connection of the pool was cut: {errors:?}");
        ensure!(cut <= closed, "{what}: {errors:?} of {closed} closed");
        let known = ["closed", "unavailable", "refused", "reset"];
        ensure!(errors.keys().all(|error| known.contains(&error.as_str())), "{what}: {errors:?}");
        let missing: Vec<_> =
            page.matching("poolwatch_events_lost_total", &[]).filter(|sample| sample.value > 0.0).collect();
        ensure!(missing.is_empty(), "{what}: {missing:?}");
        Ok(())
    }
}

#[test]
fn a_fast_restart_under_load_leaves_right_numbers() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::Node);
    Broken::start(Kind::Node)?.breaks("fast restart, node", |server| server.restart(RESTART_FAST))
}

#[test]
fn an_immediate_restart_under_load_leaves_right_numbers() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::Node);
    Broken::start(Kind::Node)?.breaks("immediate restart, node", |server| server.restart(RESTART_IMMEDIATE))
}

#[test]
fn a_backend_that_is_killed_takes_all_others_with_it_and_leaves_right_numbers() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::Node);
    Broken::start(Kind::Node)?.breaks("kill -9 of a backend, node", |server| {
        let pid = "select pid from pg_stat_activity where application_name <> 'psql' and backend_type = 'client backend' limit 1";
        let pid: i32 = server.psql("postgres", pid)?.parse().context("a pid")?;
        // SAFETY: plain system call; the process is a backend of our own server.
        ensure!(unsafe { libc::kill(pid, KILL) } == 0, "{}", std::io::Error::last_os_error());
        Ok(())
    })
}
