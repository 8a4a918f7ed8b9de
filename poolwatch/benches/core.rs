//! What the core costs: events per second of one thread, and bytes per connection.
//!
//! Two streams: a recorded server with a pool at work, with everything that waits are inferred from; and plain
//! requests of a thousand connections. The memory is the process's own, by what the system says of it.

use std::{fs, hint::black_box, path::Path};

use criterion::{Criterion, Throughput};
use poolwatch::{
    event::{Event, Request, RequestKind, SECOND, Time},
    infer::{Core, fact::Fact, settings::Settings},
    recording,
};

#[allow(dead_code, reason = "it is the tests', who tell more")]
#[path = "../tests/infer/world.rs"]
mod world;

/// Connections of the plain stream.
const CONNECTIONS: u64 = 1000;
/// Connections of which the memory is measured; each of so many processes has as many as a large pool.
const MEASURED: u64 = 100_000;
const EACH: u64 = 100;
/// Requests of one step of the plain stream.
const STEP: u64 = 10_000;
const CAPTURE: &str = "../tests/truth/captured/go_A_r70.rec";

/// From one moment to another, in nanoseconds.
fn request(socket: u64, pid: u32, kind: RequestKind, from: Time, to: Time) -> Event {
    let times =
        Request { started: Some(from), first_byte: Some(to), ended: to, ..world::request(socket, 0, 0) };
    Event::Request(Request { pid, kind, ..times })
}

/// A core that knows so many connections, `each` of them in one process.
fn connected(connections: u64, each: u64) -> Core {
    let mut core = Core::new(Settings::default());
    let mut facts = Vec::new();
    for socket in 1..=connections {
        let pid = u32::try_from(socket / each + 1).unwrap_or(u32::MAX);
        let told = [
            world::process(world::id(pid), "api"),
            world::open(socket, pid, 0),
            world::startup(socket, "shop", 0),
            request(socket, pid, RequestKind::Startup, 0, 1000),
        ];
        for event in &told {
            core.apply(event, &mut facts);
        }
        facts.clear();
    }
    core
}

/// Bytes of memory that this process has.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

fn memory() {
    let before = resident();
    let core = black_box(connected(MEASURED, EACH));
    let bytes = resident().saturating_sub(before);
    let connections: u32 = core.snapshot(SECOND).pools.iter().map(|pool| pool.connections.total).sum();
    println!(
        "memory: {} bytes per connection, over {connections} of them",
        bytes / u64::from(connections.max(1))
    );
}

fn capture(criterion: &mut Criterion) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(CAPTURE);
    let events = recording::open(&file).and_then(|(_, events)| events.collect::<Result<Vec<Event>, _>>());
    let events = match events {
        Ok(events) => events,
        Err(error) => return println!("{}: {error}", file.display()),
    };
    let mut group = criterion.benchmark_group("capture");
    group.throughput(Throughput::Elements(events.len() as u64)).sample_size(20);
    group.bench_function("a server with a pool at work", |bencher| {
        bencher.iter(|| {
            let (mut core, mut facts) = (Core::new(Settings::default()), Vec::<Fact>::new());
            for event in &events {
                core.apply(event, &mut facts);
                facts.clear();
            }
            core
        });
    });
    group.finish();
}

fn plain(criterion: &mut Criterion) {
    let mut core = connected(CONNECTIONS, CONNECTIONS + 1);
    let (mut facts, mut now) = (Vec::<Fact>::new(), SECOND);
    let mut group = criterion.benchmark_group("plain");
    group.throughput(Throughput::Elements(STEP)).sample_size(20);
    group.bench_function("requests of a thousand connections", |bencher| {
        bencher.iter(|| {
            for nth in 0..STEP {
                now += 10_000;
                let event = request(nth % CONNECTIONS + 1, 1, RequestKind::Query, now - 5_000, now);
                core.apply(&event, &mut facts);
                facts.clear();
            }
            core.apply(&Event::Tick { at: now }, &mut facts);
            facts.clear();
        });
    });
    group.finish();
}

fn main() {
    memory();
    let mut criterion = Criterion::default().configure_from_args();
    capture(&mut criterion);
    plain(&mut criterion);
    criterion.final_summary();
}
