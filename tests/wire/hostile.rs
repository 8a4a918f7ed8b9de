//! Clients that mean no good cost a bounded amount of memory, and nobody else's numbers.
//!
//! Beside each of them an honest connection of the same process and pgbench, another process, work on
//! and are counted exactly, and `/metrics` answers all the while.

#![allow(clippy::float_cmp, reason = "counts are whole numbers, exact in a float")]

use std::{
    collections::BTreeSet,
    fs,
    process::Command,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use poolwatch_tests::{
    agent::Agent,
    clock, need,
    need::Feature,
    page::Page,
    postgres::{Bench, Server, Way},
    process::Process,
    raw::{Raw, message, packet, startup},
};

const REQUESTS: &str = "db_client_operation_duration_seconds_count";
/// What any one of them may add to the agent's memory, its tables of texts filled for the first time
/// included.
const AGENT_MORE: u64 = 48 << 20;
/// What the kernel's maps may hold at most: 32,768 connections of two kilobytes, and all the rest.
const MAPS_MOST: u64 = 128 << 20;
/// Longest answer of `/metrics` on a machine that the hostile client keeps busy.
const ANSWER: Duration = Duration::from_secs(3);
const BENCH: Bench<'static> = Bench {
    way: Way::Tcp4,
    user: "bench",
    database: "bench",
    mode: "prepared",
    clients: 2,
    transactions: 2000,
};
/// pgbench's own questions, and its script prepared by each client.
const BESIDE: u64 = 2 + 2;

/// A field of a process's status, in bytes.
fn resident(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes << 10)
}

/// Memory of all maps that a process holds, as the kernel counts it.
fn maps(pid: u32) -> Result<u64> {
    let (mut seen, mut sum) = (BTreeSet::new(), 0);
    for entry in fs::read_dir(format!("/proc/{pid}/fdinfo"))? {
        let Ok(text) = fs::read_to_string(entry?.path()) else { continue };
        let field =
            |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
        if let (Some(id), Some(bytes)) = (field("map_id:"), field("memlock:"))
            && seen.insert(id)
        {
            sum += bytes;
        }
    }
    ensure!(sum > 0, "the kernel tells no map's memory");
    Ok(sum)
}

/// The worst that was seen while somebody did harm.
#[derive(Clone, Copy, Debug, Default)]
struct Watched {
    /// Seconds that the page took.
    slowest: f64,
    /// Bytes of the agent.
    resident: u64,
    /// Bytes of its maps.
    maps: u64,
}

/// A server and an agent that watches this process and what it starts.
struct Scene {
    server: Server,
    agent: Agent,
}

impl Scene {
    fn start() -> Result<Self> {
        let server = Server::start()?;
        server.role("bench")?;
        server.psql("postgres", "create database bench owner bench")?;
        server.database("honest")?;
        server.bench_tables("bench", "bench")?;
        let agent = Agent::start(["--pid", &std::process::id().to_string()])?;
        let scene = Self { server, agent };
        // Once with nobody hostile: what the agent needs anyway is there now.
        scene.beside("nobody", || Ok(()))?;
        Ok(scene)
    }

    fn count(&self, page: &Page, database: &str) -> f64 {
        let port = self.server.port().to_string();
        page.sum(REQUESTS, &[("server_port", &port), ("db_namespace", database)])
    }

    /// Lets somebody do harm while others work; says how the agent bore it.
    fn beside(&self, what: &str, hostile: impl FnOnce() -> Result<()>) -> Result<Page> {
        let before = self.agent.metrics()?;
        let memory = resident(self.agent.pid())?;
        let (over, honest) = (AtomicBool::new(false), AtomicU64::new(0));
        let watched = std::thread::scope(|scope| -> Result<Watched> {
            let asker = scope.spawn(|| self.ask_until(&over));
            let same = scope.spawn(|| self.honest(&over, &honest));
            let other = scope.spawn(|| self.server.bench(&BENCH));
            let harm = hostile();
            let made = other.join().map_err(|_| anyhow!("a panic"))?;
            over.store(true, Relaxed);
            let watched = asker.join().map_err(|_| anyhow!("a panic"))?;
            same.join().map_err(|_| anyhow!("a panic"))??;
            harm.with_context(|| format!("{what} could not do its harm"))?;
            ensure!(made? == u64::from(BENCH.clients * BENCH.transactions), "pgbench was not done");
            watched
        })?;
        self.counted(what, &before, honest.load(Relaxed))?;
        let more = watched.resident.saturating_sub(memory);
        println!(
            "{what}: agent +{} KiB to {} MiB, maps at most {} KiB, slowest answer {:.3} s",
            more >> 10,
            watched.resident >> 20,
            watched.maps >> 10,
            watched.slowest
        );
        ensure!(more <= AGENT_MORE, "{what}: {more} bytes more in the agent");
        ensure!(watched.maps <= MAPS_MOST, "{what}: maps of {} bytes", watched.maps);
        self.agent.metrics()
    }

    /// What the others did is counted to the last request.
    fn counted(&self, what: &str, before: &Page, honest: u64) -> Result<()> {
        let bench = u64::from(BENCH.clients * BENCH.transactions) + BESIDE;
        let expected = [("bench", bench), ("honest", honest)];
        let all = |page: &Page| {
            expected.iter().all(|(name, n)| self.count(page, name) - self.count(before, name) >= *n as f64)
        };
        let page = self.agent.metrics_when(&format!("{what}: the others' requests"), all)?;
        for (name, made) in expected {
            let counted = self.count(&page, name) - self.count(before, name);
            ensure!(counted == made as f64, "{what}: {made} by {name}, {counted} counted");
        }
        Ok(())
    }

    /// An honest connection of this very process.
    fn honest(&self, over: &AtomicBool, made: &AtomicU64) -> Result<()> {
        let mut raw = Raw::open(self.server.port(), "postgres", "honest")?;
        while !over.load(Relaxed) {
            raw.query("select 1")?;
            made.fetch_add(1, Relaxed);
            clock::pause(Duration::from_millis(1));
        }
        raw.leave()
    }

    /// Asks for the page again and again, and looks at memory.
    fn ask_until(&self, over: &AtomicBool) -> Result<Watched> {
        let mut watched = Watched::default();
        while !over.load(Relaxed) {
            let began = clock::monotonic();
            self.agent.metrics()?;
            watched.slowest = watched.slowest.max(clock::seconds_since(began));
            watched.resident = watched.resident.max(resident(self.agent.pid())?);
            watched.maps = watched.maps.max(maps(self.agent.pid())?);
            clock::pause(Duration::from_millis(50));
        }
        ensure!(watched.slowest < ANSWER.as_secs_f64(), "an answer took {} s", watched.slowest);
        Ok(watched)
    }

    fn open(&self) -> Result<Raw> {
        Raw::open(self.server.port(), "postgres", "postgres")
    }

    fn unparsed(&self, page: &Page) -> f64 {
        let _ = self;
        page.sum("poolwatch_unparsed_total", &[])
    }
}

/// Bytes without an order, the same in every run.
fn garbage(length: usize, mut seed: u64) -> Vec<u8> {
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed.to_le_bytes()
    };
    std::iter::repeat_with(&mut next).flatten().take(length).collect()
}

#[test]
fn garbage_and_wrong_lengths_after_a_valid_startup() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    let scene = Scene::start()?;
    let before = scene.unparsed(&scene.agent.metrics()?);
    let page = scene.beside("garbage", || {
        for seed in 1..150 {
            let mut raw = scene.open()?;
            // The server closes when it has had enough, maybe before all is sent.
            let _ = raw.say(&garbage(100_000, seed));
            raw.drain();
        }
        Ok(())
    })?;
    ensure!(scene.unparsed(&page) > before, "nothing of it is counted as unparsed");
    let before = scene.unparsed(&page);
    let page = scene.beside("wrong lengths", || {
        for length in [0_u32, 1, 3, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff] {
            for letter in *b"QPBESXdp" {
                let mut raw = scene.open()?;
                let _ = raw.say(&[[letter].as_slice(), &length.to_be_bytes(), b"select 1\0"].concat());
                let _ = raw.stream.shutdown(std::net::Shutdown::Write);
                raw.drain();
            }
        }
        Ok(())
    })?;
    ensure!(scene.unparsed(&page) > before, "nothing of it is counted as unparsed");
    Ok(())
}

#[test]
fn a_gigabyte_that_never_comes() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    let scene = Scene::start()?;
    scene.beside("gigabytes", || {
        let mut open = Vec::new();
        for letter in *b"QPBEdp" {
            for _ in 0..8 {
                let mut raw = scene.open()?;
                raw.say(&[[letter].as_slice(), &0x3fff_fff0_u32.to_be_bytes()].concat())?;
                open.push(raw);
            }
        }
        for raw in &mut open {
            // Some letters the server refuses to read so much of.
            let _ = raw.say(&[b'a'; 200_000]);
        }
        Ok(())
    })?;
    Ok(())
}

#[test]
fn endless_names_and_texts() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    let scene = Scene::start()?;
    let flights = |what: &str, flights: usize, each: usize, parse: &dyn Fn(usize) -> Vec<u8>| {
        scene.beside(what, || {
            let mut raw = scene.open()?;
            for flight in 0..flights {
                let mut bytes: Vec<u8> = (0..each).flat_map(|n| parse(flight * each + n)).collect();
                bytes.extend(message(b'S', b""));
                raw.say(&bytes)?;
                raw.until_ready()?;
            }
            raw.leave()
        })
    };
    let parse = |name: &str, text: &str| message(b'P', format!("{name}\0{text}\0\0\0").as_bytes());
    flights("100,000 names", 1000, 100, &|n| parse(&format!("name_{n}"), "select 1"))?;
    let long = "n".repeat(100_000);
    flights("huge names", 500, 1, &|n| parse(&format!("{n}_{long}"), "select 1"))?;
    flights("huge texts", 300, 1, &|n| parse("", &format!("select {n}, '{long}'")))?;
    scene.beside("30,000 distinct texts", || {
        let mut raw = scene.open()?;
        for n in 0..30_000 {
            raw.query(&format!("select column_{n} from table_{n} where a = 'secret{n}'"))?;
        }
        raw.leave()
    })?;
    Ok(())
}

#[test]
fn half_open_and_oversized_startups() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::Python);
    let scene = Scene::start()?;
    many_descriptors()?;
    // Not the server: it would close them, and the harm is in their staying open.
    let sink = "import socket\nlistener = socket.create_server(('127.0.0.1', 0), backlog=4096)\n\
                print('port', listener.getsockname()[1], flush=True)\nheld = []\n\
                while True: held.append(listener.accept()[0])";
    let mut sink = Process::start("sink", Command::new("python3").args(["-c", sink]))?;
    let port: u16 = sink.line("port ", Duration::from_secs(10))?.parse()?;
    scene.beside("10,000 half-open startups", || {
        let whole = startup("postgres", "postgres", "");
        let mut open = Vec::new();
        for n in 0..10_000 {
            let mut raw = Raw::connect(port)?;
            raw.say(whole.get(..1 + n % 12).context("a piece")?)?;
            open.push(raw);
        }
        Ok(())
    })?;
    // The server's limit does not count the length itself.
    scene.beside("startups of 10,000 bytes", || {
        let bare = startup("postgres", "postgres", "application_name\0\0").len();
        for over in [0, 4, 5, 50_000] {
            for _ in 0..50 {
                let name = "x".repeat(10_000 - bare + over);
                let mut raw = Raw::connect(scene.server.port())?;
                let _ = raw.say(&startup("postgres", "postgres", &format!("application_name\0{name}\0")));
                if over <= 4 {
                    raw.until_ready()?;
                } else {
                    raw.drain();
                }
            }
        }
        Ok(())
    })?;
    Ok(())
}

/// As many as the system lets this process have.
fn many_descriptors() -> Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointers are to a limit of ours.
    let failed = unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) != 0 || {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) != 0
        }
    };
    ensure!(!failed, "RLIMIT_NOFILE: {}", std::io::Error::last_os_error());
    ensure!(limit.rlim_cur >= 12_000, "only {} descriptors", limit.rlim_cur);
    Ok(())
}

#[test]
fn floods() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    let scene = Scene::start()?;
    let port = scene.server.port();
    scene.beside("2,000 CancelRequests", || {
        for n in 0_u64..2000 {
            let mut raw = Raw::connect(port)?;
            raw.say(&packet(80_877_102, &n.to_be_bytes()))?;
        }
        Ok(())
    })?;
    let before = scene.count(&scene.agent.metrics()?, "postgres");
    let page = scene.beside("100,000 Syncs without reading", || {
        let mut raw = scene.open()?;
        let mut reader = raw.stream.try_clone().map(|stream| Raw { stream })?;
        let syncs = message(b'S', b"").repeat(1000);
        for _ in 0..100 {
            raw.say(&syncs)?;
        }
        for _ in 0..100_000 {
            reader.until_ready()?;
        }
        raw.leave()
    })?;
    let merged = page.sum("poolwatch_events_lost_total", &[("where", "requests_merged")]);
    let seen = scene.count(&page, "postgres") - before;
    println!("Syncs: seen {seen}, merged {merged}");
    ensure!(
        seen <= 100_000.0 && seen + merged >= 100_000.0,
        "100,000 is not between {seen} and {seen} + {merged}"
    );
    let page = scene.beside("3,000 connections opened and closed", || {
        for n in 0..3000 {
            let mut raw = Raw::connect(port)?;
            match n % 3 {
                0 => {}
                1 => raw.say(&startup("postgres", "postgres", ""))?,
                _ => {
                    raw.say(&startup("postgres", "postgres", ""))?;
                    raw.until_ready()?;
                }
            }
        }
        Ok(())
    })?;
    let of = |name: &str| page.sum(name, &[("server_port", &port.to_string())]);
    let (opened, closed) =
        (of("poolwatch_connections_opened_total"), of("poolwatch_connections_closed_total"));
    println!("opened {opened}, closed {closed}");
    ensure!(opened >= 1000.0, "connections that were greeted are counted");
    ensure!(opened == closed, "{opened} opened, {closed} closed");
    Ok(())
}
