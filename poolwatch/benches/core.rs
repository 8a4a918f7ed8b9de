//! What the core costs: events per second of one thread, and bytes per connection.
//!
//! Three streams: a recorded server with a pool at work, with everything that waits are inferred from; plain
//! requests of a thousand connections; and records as the kernel side writes them, through everything that the agent does with one
//! until it is counted. The memory is the process's own, by what the system says of it.

use std::{fs, hint::black_box, path::Path};

use criterion::{Criterion, Throughput};
use poolwatch::{
    agent::told::Told,
    clock::Clock,
    event::{Event, Request, RequestKind, SECOND, Time},
    export::{ExportSettings, Exporter},
    infer::{Core, fact::Fact, settings::Settings},
    intake::{Records, Sighting},
    recording,
};
use poolwatch_ebpf::wire::{self, BOUND, Header, Kind, Message, name_hash};

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

/// Eight connections of one client; what each asks was prepared once.
const CLIENTS: u64 = 8;

fn header(kind: Kind, socket: u64, time: Time) -> Header {
    Header { kind: kind as u32, pid: 1, socket, time, missed: 0, unheard: 0 }
}

/// The bytes of a record.
fn bytes<T: wire::Record>(record: &T) -> &[u8] {
    // SAFETY: records have no padding.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(record).cast(), size_of::<T>()) }
}

/// What prepares a statement.
fn parse(socket: u64, time: Time) -> Vec<u8> {
    let body = b"P0\0SELECT abalance FROM pgbench_accounts WHERE aid = $1;\0\0\0";
    let len = u32::try_from(body.len()).unwrap_or(0);
    let header = header(Kind::Message, socket, time);
    let message = Message { header, letter: b'P', kept: len, length: len, ..Message::default() };
    [bytes(&message), body].concat()
}

/// An answered `Bind`, `Execute` and `Sync`.
fn executed(socket: u64, nth: u32, time: Time) -> wire::Request {
    let mut tag = [0; wire::TAG_LEN];
    tag[..8].copy_from_slice(b"SELECT 1");
    wire::Request {
        header: header(Kind::Request, socket, time),
        started: time - 50_000,
        first_byte: time - 100,
        sent: 60,
        received: 90,
        executes: 1,
        completions: 1,
        rows: 1,
        request: nth,
        outcomes: 1,
        last_rows: 1,
        merged: 1,
        kind: wire::RequestKind::Sync as u8,
        status: b'I',
        outcome: b'C',
        executed: 1,
        bound: u8::try_from(BOUND).unwrap_or(0),
        tag,
        outcome_at: time,
        statement: name_hash(b"P0"),
        ..wire::Request::default()
    }
}

/// The agent's two halves, without the kernel's side.
struct Halves {
    records: Records,
    sightings: Vec<Sighting>,
    told: Told,
}

impl Halves {
    fn new() -> Self {
        let (labels, clock) = (Vec::new(), Clock::start());
        let export = ExportSettings { labels, label_user: false, own_process: false, clock };
        let told = Told::new(Core::new(Settings::default()), Exporter::new(export));
        let mut halves = Self { records: Records::new(), sightings: Vec::new(), told };
        halves.told.tell(&world::process(world::id(1), "api"));
        for socket in 1..=CLIENTS {
            halves.told.tell(&world::open(socket, 1, 0));
            halves.told.tell(&world::startup(socket, "shop", 0));
            halves.told.tell(&request(socket, 1, RequestKind::Startup, 0, 1000));
            halves.take(&parse(socket, 1000));
        }
        halves
    }

    fn take(&mut self, record: &[u8]) {
        self.records.take(record, &mut self.sightings);
    }

    fn tell(&mut self) {
        for event in self.sightings.drain(..).filter_map(|sighting| sighting.event) {
            self.told.tell(&event);
        }
    }
}

fn records(criterion: &mut Criterion) {
    let (mut halves, mut now, mut asked) = (Halves::new(), SECOND, 0);
    let mut group = criterion.benchmark_group("records");
    group.throughput(Throughput::Elements(STEP)).sample_size(20);
    group.bench_function("prepared statements of eight connections", |bencher| {
        bencher.iter(|| {
            for nth in 0..STEP {
                now += 10_000;
                asked += u32::from(nth % CLIENTS == 0);
                halves.take(bytes(&executed(nth % CLIENTS + 1, asked, now)));
                if nth % 1000 == 999 {
                    halves.tell();
                }
            }
            halves.told.tell(&Event::Tick { at: now });
        });
    });
    group.finish();
}

fn main() {
    memory();
    let mut criterion = Criterion::default().configure_from_args();
    capture(&mut criterion);
    plain(&mut criterion);
    records(&mut criterion);
    criterion.final_summary();
}
