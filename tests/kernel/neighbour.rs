//! The agent as a neighbour: it leaves nothing behind, does not mind another one of its kind, and takes nothing from
//! the kernel's other observers.

#![allow(clippy::float_cmp, reason = "counts are whole numbers, exact in a float")]

use std::{
    collections::BTreeSet,
    env, fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use poolwatch_tests::{
    agent::Agent,
    clock,
    held::{self, Loaded},
    need,
    need::Feature,
    place,
    postgres::{Bench, Server, Way},
    process::{self, KILL, TERMINATE},
    tracing::{Counter, Tracing},
};

/// Starts and stops, unless `POOLWATCH_TESTS_STARTS` says how many.
const STARTS: u32 = 20;
/// The kernel drops what nobody holds a moment after the last close.
const DROPPED: Duration = Duration::from_secs(10);

fn starts() -> u32 {
    let wanted = env::var("POOLWATCH_TESTS_STARTS").ok().and_then(|starts| starts.parse().ok());
    wanted.unwrap_or_else(|| clock::fewer(STARTS))
}

/// What lies in a directory; nothing where there is none.
fn files(directory: impl AsRef<Path>) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path().display().to_string()).collect()
}

/// Where a program might leave something that outlives it.
fn places() -> BTreeSet<String> {
    let all = ["/sys/fs/bpf", "/sys/fs/cgroup", "/dev/shm", "/run", "/var/tmp"].into_iter().flat_map(files);
    // Other tests' own are none of the agent's.
    all.filter(|file| !file.contains("poolwatch-cost")).collect()
}

/// The machine's uprobes by name; what is attached by descriptor is not among them.
fn uprobes() -> String {
    fs::read_to_string("/sys/kernel/tracing/uprobe_events").unwrap_or_default()
}

#[test]
fn starts_and_stops_leave_no_probe_map_link_descriptor_or_file() -> Result<()> {
    need!(Feature::Probes);
    let (own, before, named) = (held::descriptors(std::process::id())?, places(), uprobes());
    let home = place::scratch()?;
    let mut held_then = [0; 3];
    let starts = starts();
    for nth in 0..starts {
        let tier = need::tiers().into_iter().cycle().nth(nth as usize).context("no tier at all")?;
        let mut agent = Agent::start_in(home.path(), ["--probes", tier])?;
        let ours = Loaded::of(agent.pid())?;
        held_then = ours.counts();
        ensure!(held_then.iter().all(|count| *count > 0), "{held_then:?}: programs, maps, links");
        // Every other one has no time to tidy up.
        let signal = if nth % 2 == 0 { TERMINATE } else { KILL };
        agent.stop(signal)?;
        drop(agent);
        clock::until(DROPPED, "the end of what it held", || {
            let left = Loaded::now().shared_with(&ours);
            Ok((left == Loaded::default()).then_some(()))
        })
        .with_context(|| format!("start {nth}: {:?} are left", Loaded::now().shared_with(&ours)))?;
        let left = files(home.path());
        ensure!(left.is_empty(), "start {nth} left {left:?}");
    }
    let now = held::descriptors(std::process::id())?;
    let fresh: Vec<_> =
        places().difference(&before).filter(|file| file.contains("poolwatch")).cloned().collect();
    println!(
        "{starts} starts and stops, each with {held_then:?} programs, maps and links: none left, no file left, \
         descriptors here {own}, then {now}"
    );
    ensure!(fresh.is_empty(), "left behind: {fresh:?}");
    ensure!(uprobes() == named, "uprobes left behind: {}", uprobes());
    ensure!(now <= own, "{now} descriptors here, {own} before");
    Ok(())
}

#[test]
fn two_agents_at_once_both_count_every_statement() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    let server = Server::start()?;
    server.role("twice")?;
    server.psql("postgres", "create database twice owner twice")?;
    server.psql("postgres", "create extension pg_stat_statements")?;
    server.bench_tables("twice", "twice")?;
    let tiers = need::tiers();
    let (best, other) = (tiers.first().context("no tier")?, tiers.last().context("no tier")?);
    let agents = [Agent::start(["--probes", best])?, Agent::start(["--probes", other])?];
    server.psql("postgres", "select pg_stat_statements_reset()")?;
    for way in Way::ALL {
        for mode in ["simple", "extended"] {
            let bench = Bench {
                way,
                user: "twice",
                database: "twice",
                mode,
                clients: 4,
                transactions: clock::fewer(250),
            };
            server.bench(&bench)?;
        }
    }
    let sum = "select sum(calls) from pg_stat_statements where userid = 'twice'::regrole";
    let executed: f64 = server.psql("postgres", sum)?.parse().context("a sum of calls")?;
    for (agent, tier) in agents.iter().zip([best, other]) {
        let of = [("db_namespace", "twice")];
        let requests = "db_client_operation_duration_seconds_count";
        let page = agent.metrics_when("every request", |page| page.sum(requests, &of) >= executed)?;
        let counted = page.sum(requests, &of);
        let lost = page.sum("poolwatch_events_lost_total", &[]);
        println!("{tier}, beside another: {counted} counted, {executed} executed, {lost} lost");
        ensure!(counted == executed && lost == 0.0, "{}", page.text);
    }
    Ok(())
}

const TIMES: u64 = 500;
const CHILDREN: u64 = 20;

/// What passes each of the agent's tracepoints a known number of times, and the number.
type Deed = (&'static str, u64, fn() -> Result<()>);

const DEEDS: [Deed; 8] = [
    ("raw_syscalls/sys_enter", TIMES, call),
    ("raw_syscalls/sys_exit", TIMES, call),
    ("sock/sock_send_length", TIMES, send),
    ("sock/sock_recv_length", TIMES, send),
    ("sock/inet_sock_set_state", TIMES, connect),
    ("sched/sched_process_fork", CHILDREN, start_others),
    ("sched/sched_process_exec", CHILDREN, start_others),
    ("sched/sched_process_exit", CHILDREN, start_others),
];

#[expect(clippy::unnecessary_wraps, reason = "other deeds may fail")]
fn call() -> Result<()> {
    for _ in 0..TIMES {
        // SAFETY: asks for a number.
        unsafe { libc::syscall(libc::SYS_getppid) };
    }
    Ok(())
}

fn send() -> Result<()> {
    let (mut one, mut other) = UnixStream::pair()?;
    let mut bytes = [0; 8];
    for _ in 0..TIMES {
        one.write_all(b"poolwatc")?;
        other.read_exact(&mut bytes)?;
    }
    Ok(())
}

fn connect() -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    for _ in 0..TIMES {
        let client = TcpStream::connect(address)?;
        drop((client, listener.accept()?));
    }
    Ok(())
}

fn start_others() -> Result<()> {
    for _ in 0..CHILDREN {
        ensure!(Command::new("/bin/true").status()?.success(), "true");
    }
    Ok(())
}

/// What a counter says of a deed.
fn counted(tracing: &Tracing, (tracepoint, _, deed): &Deed) -> Result<u64> {
    let counter = Counter::start(tracing, tracepoint)?;
    deed()?;
    counter.count()
}

#[test]
fn the_kernels_own_counters_see_all_that_they_saw_before() -> Result<()> {
    need!(Feature::Probes, Feature::Tracing);
    let tracing = Tracing::open()?;
    let deeds: Vec<&Deed> = DEEDS.iter().filter(|deed| tracing.has(deed.0)).collect();
    // Older kernels close a child's counters before they tell of its end: what was not counted before, is not looked at.
    let deeds: Vec<&Deed> = deeds
        .into_iter()
        .map(|deed| Ok((deed, counted(&tracing, deed)? >= deed.1)))
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .filter_map(|(deed, counts)| counts.then_some(deed))
        .collect();
    ensure!(deeds.len() >= 4, "only {} tracepoints are counted here", deeds.len());
    let before: Vec<u64> = deeds.iter().map(|deed| counted(&tracing, deed)).collect::<Result<_>>()?;
    for tier in need::tiers() {
        let agent = Agent::start(["--probes", tier, "--evidence", "always"])?;
        for (deed, without) in deeds.iter().zip(&before) {
            let with = counted(&tracing, deed)?;
            println!("{tier}: {} counts {with}, {without} without poolwatch", deed.0);
            ensure!(*without >= deed.1, "{} counts {without} of {}", deed.0, deed.1);
            // TCP changes its state a time more or less as its timers run; nothing else does.
            let near = deed.0.ends_with("set_state") && with >= deed.1;
            ensure!(with == *without || near, "{}: {with}, {without} without poolwatch", deed.0);
        }
        drop(agent);
    }
    Ok(())
}

/// What happens a known number of times to a program that does nothing.
const EVENTS: &str =
    "raw_syscalls:sys_enter,raw_syscalls:sys_exit,sched:sched_process_exec,sched:sched_process_exit";

/// What `perf stat` counts of a program that does the same each time.
fn perf(events: &str) -> Result<Vec<(String, u64)>> {
    let mut command = Command::new("perf");
    command.args(["stat", "-x", ",", "-e", events, "--", "/bin/true"]);
    let answer = process::run("perf", &mut command, Duration::from_secs(20))?;
    ensure!(answer.code == 0, "perf: {}", answer.errors);
    let counted = |line: &str| {
        let mut fields = line.split(',');
        let count = fields.next()?.parse().ok()?;
        Some((fields.nth(1)?.to_owned(), count))
    };
    Ok(answer.errors.lines().filter_map(counted).collect())
}

#[test]
fn perf_stat_counts_what_it_counted_before() -> Result<()> {
    need!(Feature::Probes, Feature::Tracing, Feature::Perf);
    // perf finds it wherever it is mounted.
    let _tracing = Tracing::open()?;
    let before = perf(EVENTS)?;
    for tier in need::tiers() {
        let _agent = Agent::start(["--probes", tier, "--evidence", "always"])?;
        let with = perf(EVENTS)?;
        println!("{tier}: {with:?}, without poolwatch {before:?}");
        ensure!(with.len() == 4 && with.iter().all(|(_, count)| *count > 0), "{with:?}");
        ensure!(with == before, "{with:?}, without poolwatch {before:?}");
    }
    Ok(())
}
