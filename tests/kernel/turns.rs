//! What threads wait for, as the probes tell it while somebody wants to know: turns of event loops, and threads
//! that sleep until another wakes them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use poolwatch::event::{Borrowing, Event, Parking};
use poolwatch_tests::{
    agent::Agent,
    app::{App, Kind, Load, Pool},
    clock,
    demand::{Recorder, Story},
    need,
    need::Feature,
    postgres::{Server, Way},
    truth::{
        books::Books,
        load,
        mix::{Mix, Page},
        rig::{self, Rig, Running},
        run::{Level, Plan},
    },
};
use serde_json::Value;

const LIGHT: Load = Load { rate: 40.0, mean_milliseconds: 5.0, seconds: 3.0, seed: 6 };
/// Source: <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/capability.h#L412>.
const CAP_PERFMON: u32 = 38;
/// `CAP_DAC_READ_SEARCH`, `CAP_SYS_PTRACE`, `CAP_SYS_ADMIN`, `CAP_PERFMON`, `CAP_BPF`: all that is kept once it watches.
const EVER: u64 = 1 << 2 | 1 << 19 | 1 << 21 | 1 << CAP_PERFMON | 1 << 39;
const LIGHT_NS: u64 = 3_000_000_000;
/// Connections of which the light load never uses all, even where the machine stands still for a moment.
const PLENTY: u32 = 30;
/// Saturation lasts as long as its load, and is recent for 5 s more.
const SOON: Duration = Duration::from_secs(6);
/// Half a minute, what the core takes for recent, and where the machine is slow some more.
const CALM: Duration = Duration::from_secs(90);
/// More than two connections can do.
const HEAVY: Load = Load { rate: 230.0, mean_milliseconds: 10.0, seconds: 2.0, seed: 7 };

/// A load on a pool all of whose connections are open; the demands before it are left out.
fn record(kind: Kind, load: &Load, size: u32, tier: &str) -> Result<Story> {
    let recorder = Recorder::start(&["--probes", tier, "--evidence", "always", "--service", "turning"])?;
    let server = Server::start()?;
    let pool = Pool { way: Way::Tcp4, user: "postgres", database: "postgres", size };
    let app = App::start(kind, "turning", &server, &pool)?;
    app.borrow_at_once(size, 500)?;
    app.borrow_at_once(1, 1)?;
    // A process is looked at a few milliseconds after its first demand.
    clock::until(Duration::from_secs(5), "the probes of waiting", || {
        Ok((recorder.agent().metrics()?.sum("poolwatch_probe_attached", &[("probe", "thread_wait")]) > 0.0)
            .then_some(()))
    })?;
    let began = clock::monotonic();
    load.run(&app)?;
    let mut story = recorder.stop()?;
    story.asked.retain(|asked| i128::from(asked.demand.at) > began);
    Ok(story)
}

/// A sleep of a thread, in nanoseconds; `woken` = another woke it.
struct Nap {
    thread: u32,
    since: u64,
    until: u64,
    woken: bool,
}

/// Sleeps that ended, in the order of their ends.
fn naps(story: &Story) -> Result<Vec<Nap>> {
    let mut asleep: BTreeMap<u32, u64> = BTreeMap::new();
    let mut naps = Vec::new();
    for parked in &story.parked {
        let (thread, until) = (parked.thread, parked.at);
        match (parked.parking, asleep.remove(&thread)) {
            (Parking::Asleep, None) => drop(asleep.insert(thread, until)),
            (end @ (Parking::Woken | Parking::Over), Some(since)) => {
                naps.push(Nap { thread, since, until, woken: end == Parking::Woken });
            }
            found => bail!("{parked:?} after {found:?}"),
        }
    }
    Ok(naps)
}

fn sleepers(tier: &str) -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Kind::Python.feature());
    let story = record(Kind::Python, &HEAVY, 2, tier)?;
    let naps = naps(&story)?;
    let over = naps.iter().filter(|nap| !nap.woken).count();
    let mut woken = BTreeMap::<u32, Vec<(u64, u64)>>::new();
    for nap in naps.iter().filter(|nap| nap.woken) {
        woken.entry(nap.thread).or_default().push((nap.since, nap.until));
    }
    let (mut waited, mut slept) = (0, 0);
    for asked in &story.asked {
        let (thread, read) = (asked.demand.turn.thread, asked.demand.at);
        let first = story.begun.iter().find(|begun| begun.turn.thread == thread && begun.at > read);
        let Some(begun) = first.filter(|begun| begun.at - read > 5_000_000) else { continue };
        waited += begun.at - read;
        let sleeps = woken.get(&thread).map(Vec::as_slice).unwrap_or_default();
        let within = sleeps.iter().filter(|(since, until)| *since >= read && *until <= begun.at);
        slept += within.map(|(since, until)| until - since).sum::<u64>();
    }
    println!(
        "{tier}: {} demands, {} sleeping threads, {} woken, {over} over; {} ms between demand and query, {} ms asleep",
        story.asked.len(),
        woken.len(),
        woken.values().map(Vec::len).sum::<usize>(),
        waited / 1_000_000,
        slept / 1_000_000
    );
    ensure!(waited > 1_000_000_000, "its pool is too small: {waited} ns");
    ensure!(slept * 100 > waited * 95 && slept <= waited, "a thread without a connection sleeps");
    Ok(())
}

#[test]
fn threads_without_a_connection_are_told_to_sleep_until_they_are_woken() -> Result<()> {
    sleepers("sock")
}

#[test]
fn the_syscall_tier_tells_the_same_of_sleeping_threads() -> Result<()> {
    sleepers("syscall")
}

#[test]
fn an_event_loop_turns_at_every_wait_for_input() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Kind::Node.feature());
    let story = record(Kind::Node, &LIGHT, PLENTY, "sock")?;
    let threads: BTreeSet<u32> = story.asked.iter().map(|asked| asked.demand.turn.thread).collect();
    ensure!(threads.len() == 1, "one event loop: {threads:?}");
    let mut turns = Vec::new();
    for event in &story.events {
        turns.extend(match event {
            Event::Demand(demand) => Some(demand.turn),
            Event::Served(served) => served.turn,
            Event::Begun(begun) => Some(begun.turn),
            Event::Request(request) => request.turn,
            _ => None,
        });
    }
    let nths: Vec<u64> = turns.iter().map(|turn| turn.nth).collect();
    let last = *nths.last().context("turns")?;
    let counted = nths.iter().position(|nth| *nth > 0).context("turns are counted")?;
    let backwards = nths.windows(2).filter(|pair| matches!(pair, [one, next] if next < one)).count();
    // Nobody waits for a connection here: what was asked is asked on in the same turn, and answered in the turn in
    // which its answer was read.
    let begun =
        |thread: u32, nth: u64| story.begun.iter().any(|b| (b.turn.thread, b.turn.nth) == (thread, nth));
    let read = |thread: u32, nth: u64| {
        story.requests.iter().filter_map(|request| request.turn).any(|t| (t.thread, t.nth) == (thread, nth))
    };
    let asked: Vec<_> = story.asked.iter().filter(|asked| asked.demand.turn.nth > 0).collect();
    let on = asked.iter().filter(|a| begun(a.demand.turn.thread, a.demand.turn.nth)).count();
    let back = asked.iter().filter_map(|a| a.served?.turn).filter(|t| read(t.thread, t.nth)).count();
    println!(
        "{} turns over {} demands, counted from the {counted}th on, {backwards} backwards; {on} asked on in the same \
         turn, {back} answered in it",
        last,
        asked.len()
    );
    ensure!(last > asked.len() as u64 && backwards == 0, "turns grow");
    ensure!(
        on * 100 >= asked.len() * 98 && back * 100 >= asked.len() * 98,
        "turns join what belongs together"
    );
    // A lock that another of its threads has just then is no pool: an event loop sleeps for it seldom and shortly.
    let naps = naps(&story)?;
    let (count, slept) = (naps.len(), naps.iter().map(|nap| nap.until - nap.since).sum::<u64>());
    println!("{count} sleeps, {} us in all", slept / 1000);
    ensure!(count * 20 <= asked.len() && slept < LIGHT_NS / 100, "an event loop does not sleep for its pool");
    Ok(())
}

#[test]
fn the_probes_of_waiting_come_with_saturation_and_go_when_it_is_calm() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Kind::Python.feature(), Feature::GoRigs);
    let recorder = Recorder::start(&["--service", "turning"])?;
    let is_attached = |probe: &str| {
        let page = recorder.agent().metrics()?;
        Ok::<_, anyhow::Error>(page.sum("poolwatch_probe_attached", &[("probe", probe)]) > 0.0)
    };
    let attached = || Ok::<_, anyhow::Error>(is_attached("thread_wait")? || is_attached("borrower_asks")?);
    ensure!(!attached()?, "nothing is saturated");
    let server = Server::start()?;
    let pool = Pool { way: Way::Tcp4, user: "postgres", database: "postgres", size: 2 };
    let app = App::start(Kind::Python, "turning", &server, &pool)?;
    let load = HEAVY.start(&app)?;
    clock::until(SOON, "the probes of waiting", || Ok(is_attached("thread_wait")?.then_some(())))?;
    HEAVY.finish(load)?;
    server.role(rig::USER)?;
    server.database(rig::SECOND)?;
    let environment = vec![("OTEL_SERVICE_NAME", "turning".to_owned())];
    let plan = Plan { environment, ..Plan::new(Rig::GoSql, Mix::A, Level::Closed) };
    let lender = Running::start(&plan, &server)?;
    let page = Page { route: "plain", ms: 400.0, ..Page::default() };
    let borrow = || load::at_once(&lender.target, 30, page).and_then(|answers| answers.all_good());
    // Those of the first time asked before anybody was told of.
    clock::until(SOON, "the probes of a pool's library", || {
        borrow()?;
        Ok(is_attached("borrower_asks")?.then_some(()))
    })?;
    borrow()?;
    let calm = clock::monotonic();
    clock::until(CALM, "their end", || {
        let (threads, borrowers) = (is_attached("thread_wait")?, is_attached("borrower_asks")?);
        let seconds = clock::seconds_since(calm);
        ensure!(seconds < 80.0, "still attached: of threads {threads}, of borrowers {borrowers}");
        Ok((!threads && !borrowers).then_some(()))
    })?;
    println!("detached {:.1} s after the load's end", clock::seconds_since(calm));
    ensure!(clock::seconds_since(calm) > 29.0, "not before it is calm");
    borrow()?;
    let story = recorder.stop()?;
    let mut asleep = BTreeSet::new();
    for parked in &story.parked {
        match parked.parking {
            Parking::Asleep => ensure!(asleep.insert(parked.thread), "asleep twice: {parked:?}"),
            Parking::Woken | Parking::Over => ensure!(asleep.remove(&parked.thread), "{parked:?}"),
        }
    }
    ensure!(!story.parked.is_empty() && asleep.is_empty(), "nobody is left asleep: {asleep:?}");
    borrowers_were_told(&story.events, lender.pid(), &lender.books()?)
}

/// Each borrower that asked while all of them were told of is told of, until it was granted its connection.
fn borrowers_were_told(events: &[Event], of: u32, books: &Books) -> Result<()> {
    let (mut span, mut asking, mut granted) = (None, BTreeMap::new(), 0);
    for event in events {
        match event {
            Event::Borrowers { pid, at, told: true } if *pid == of => span = Some((*at, u64::MAX)),
            Event::Borrowers { pid, at, told: false } if *pid == of => {
                span = span.map(|(from, _)| (from, *at));
                break;
            }
            Event::Borrow(borrow) if borrow.pid == of => match borrow.borrowing {
                Borrowing::Asks => drop(asking.insert(borrow.borrower, borrow.at)),
                Borrowing::Granted => granted += usize::from(asking.remove(&borrow.borrower).is_some()),
                Borrowing::Refused => bail!("nobody is refused: {borrow:?}"),
            },
            _ => {}
        }
    }
    let (from, to) = span.context("borrowers are told of")?;
    let within = |at: i128| i128::from(from) <= at && at < i128::from(to);
    let truth = books.borrowers.iter().filter(|borrower| within(borrower.asked)).count();
    println!("{granted} borrowers told of, truly {truth}; {} left asking", asking.len());
    ensure!(granted == truth && granted > 0 && asking.is_empty(), "each borrower is told of");
    Ok(())
}

fn probe(agent: &Agent, name: &str) -> Result<(bool, String, String)> {
    let details = agent.json("/health/details")?;
    let probes = details.get("probes").and_then(Value::as_array).context("probes")?;
    let found = probes.iter().find(|probe| probe.get("name").and_then(Value::as_str) == Some(name));
    let found = found.with_context(|| format!("{name} in {details:#}"))?;
    let text = |key: &str| found.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let attached = found.get("attached").and_then(Value::as_bool).context("attached")?;
    Ok((attached, text("verdict"), text("reason")))
}

/// What a process or thread holds.
fn capabilities(directory: &Path) -> Result<u64> {
    let status = fs::read_to_string(directory.join("status"))?;
    let held = status.lines().find_map(|line| line.strip_prefix("CapEff:")).context("capabilities")?;
    Ok(u64::from_str_radix(held.trim(), 16)?)
}

#[test]
fn probes_of_waiting_are_attached_when_they_are_wanted() -> Result<()> {
    need!(Feature::Probes);
    let expected = [
        ("auto", (false, "not_applicable", "attached while a pool is saturated")),
        ("off", (false, "not_applicable", "not wanted (--evidence off)")),
        ("always", (true, "ok", "")),
    ];
    for (when, (attached, verdict, reason)) in expected {
        let agent = Agent::start(["--evidence", when, "--tls", "turns", "--service", "nobody"])?;
        // Nobody serves demands with Go here.
        let lenders = if when == "always" { &[][..] } else { &["borrower_asks", "borrower_answered"] };
        for name in ["thread_wait", "thread_wake"].iter().chain(lenders) {
            let found = clock::until(Duration::from_secs(2), "its state", || {
                Ok(Some(probe(&agent, name)?).filter(|found| found.0 == attached))
            })?;
            println!("{when}: {name}: {found:?}");
            ensure!(found == (attached, verdict.to_owned(), reason.to_owned()), "{when}: {found:?}");
        }
        // To attach probes in pools' libraries later; in those that encrypt none is wanted.
        let held = capabilities(&Path::new("/proc").join(agent.pid().to_string()))?;
        ensure!((held >> CAP_PERFMON & 1 == 1) == (when != "off"), "{when}: capabilities {held:x}");
        for thread in fs::read_dir(format!("/proc/{}/task", agent.pid()))? {
            let held = capabilities(&thread?.path())?;
            ensure!(held & !EVER == 0, "{when}: a thread has the capabilities {held:x}");
        }
        let page = agent.metrics()?;
        let shown = page.matching("poolwatch_probe_attached", &[("probe", "thread_wait")]).count();
        ensure!(shown == usize::from(attached), "{when}: {shown} series");
    }
    Ok(())
}
